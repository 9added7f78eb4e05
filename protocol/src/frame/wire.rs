//! Reading Kafka's primitive types out of bytes that a stranger sent.
//!
//! Invariants: nothing is read beyond the reader's end, nothing is allocated, a count is believed
//! only if that many of its smallest elements could still follow, and a tagged field is read inside
//! its own size and to its very end.

use std::str;

/// Why bytes are not the message they should be. `position` counts from the start of the bytes that
/// were handed in: behind the length prefix for a frame, behind the header for a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The message ends in the middle of a field.
    #[error("{needed} bytes wanted at byte {position}, {left} are left")]
    Short {
        /// Where the field begins.
        position: usize,
        /// The bytes that it takes.
        needed: usize,
        /// The bytes that there are.
        left: usize,
    },
    /// A varint of more than 32 bits.
    #[error("the varint at byte {position} is longer than 32 bits")]
    Varint {
        /// Where it begins.
        position: usize,
    },
    /// A length below zero that does not mean null.
    #[error("length {length} at byte {position} is negative")]
    Negative {
        /// Where the length stands.
        position: usize,
        /// What it says.
        length: i32,
    },
    /// Null where the protocol has no null.
    #[error("null at byte {position} where a value must stand")]
    Null {
        /// Where it stands.
        position: usize,
    },
    /// More elements than the rest of the message could hold.
    #[error("{count} elements claimed at byte {position}, {left} bytes are left")]
    Count {
        /// Where the count stands.
        position: usize,
        /// What it says.
        count: usize,
        /// The bytes that follow.
        left: usize,
    },
    /// Text that is not UTF-8.
    #[error("the text at byte {position} is not UTF-8")]
    Text {
        /// Where the text begins.
        position: usize,
    },
    /// Tagged fields that are not in ascending order: one is there twice.
    #[error("tagged field {tag} at byte {position} is out of order")]
    TagOrder {
        /// Where the tag stands.
        position: usize,
        /// Its number.
        tag: u32,
    },
    /// Bytes left over behind a message or a tagged field.
    #[error("{left} bytes left over at byte {position}")]
    Trailing {
        /// Where they begin.
        position: usize,
        /// How many.
        left: usize,
    },
    /// No such version of this API is spoken here.
    #[error("version {version} of API {api} is not spoken here")]
    Version {
        /// The API's key.
        api: i16,
        /// The version.
        version: i16,
    },
    /// The shape is right, but the message's decoder found a value that cannot be.
    #[error("a field of API {api} version {version} holds a value that cannot be")]
    Value {
        /// The API's key.
        api: i16,
        /// The version.
        version: i16,
    },
}

/// A place in bytes, moving forward.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Shorthand for what every read here gives.
pub type WireResult<T> = Result<T, WireError>;

macro_rules! integers {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self) -> WireResult<$type> {
            const BYTES: usize = size_of::<$type>();
            let mut bytes = [0; BYTES];
            bytes.copy_from_slice(self.take(BYTES)?);
            Ok(<$type>::from_be_bytes(bytes))
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A reader at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The bytes that are left.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// An error unless every byte was read.
    pub fn finish(&self) -> WireResult<()> {
        match self.left() {
            0 => Ok(()),
            left => Err(WireError::Trailing {
                position: self.at,
                left,
            }),
        }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> WireResult<&'a [u8]> {
        let left = self.left();
        if count > left {
            return Err(WireError::Short {
                position: self.at,
                needed: count,
                left,
            });
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    integers! {
        /// One byte, signed.
        i8: i8;
        /// Two bytes, signed.
        i16: i16;
        /// Four bytes, signed.
        i32: i32;
        /// Eight bytes, signed.
        i64: i64;
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self) -> WireResult<[u8; 16]> {
        let mut id = [0; 16];
        id.copy_from_slice(self.take(16)?);
        Ok(id)
    }

    /// An unsigned varint: at most five bytes and 32 bits.
    pub fn varint(&mut self) -> WireResult<u32> {
        let position = self.at;
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.take(1)?[0];
            if shift == 28 && byte > 0x0f {
                return Err(WireError::Varint { position });
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    /// A length: a varint of one more in flexible versions, else four signed bytes. None is null.
    pub fn length(&mut self, flexible: bool) -> WireResult<Option<usize>> {
        if flexible {
            return Ok(self.varint()?.checked_sub(1).map(|length| length as usize));
        }
        let position = self.at;
        let length = self.i32()?;
        signed_length(position, length)
    }

    /// Text or null. Its length takes two bytes where the version is not flexible.
    pub fn text(&mut self, flexible: bool) -> WireResult<Option<&'a str>> {
        let position = self.at;
        let length = if flexible {
            self.length(true)?
        } else {
            signed_length(position, i32::from(self.i16()?))?
        };
        let Some(length) = length else {
            return Ok(None);
        };
        let position = self.at;
        let bytes = self.take(length)?;
        match str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(WireError::Text { position }),
        }
    }

    /// Text that must not be null.
    pub fn text_required(&mut self, flexible: bool) -> WireResult<&'a str> {
        let position = self.at;
        self.text(flexible)?.ok_or(WireError::Null { position })
    }

    /// Bytes or null.
    pub fn bytes(&mut self, flexible: bool) -> WireResult<Option<&'a [u8]>> {
        match self.length(flexible)? {
            None => Ok(None),
            Some(length) => Ok(Some(self.take(length)?)),
        }
    }

    /// Bytes that may not be null.
    pub fn bytes_required(&mut self, flexible: bool) -> WireResult<&'a [u8]> {
        let position = self.at;
        self.bytes(flexible)?.ok_or(WireError::Null { position })
    }

    /// The count of an array whose elements take at least `element_bytes_min` each. None is null.
    pub fn count(&mut self, flexible: bool, element_bytes_min: usize) -> WireResult<Option<usize>> {
        let position = self.at;
        let count = self.length(flexible)?;
        let left = self.left();
        match count {
            Some(count) if count > left / element_bytes_min.max(1) => Err(WireError::Count {
                position,
                count,
                left,
            }),
            _ => Ok(count),
        }
    }

    /// The count of an array that must not be null.
    pub fn count_required(
        &mut self,
        flexible: bool,
        element_bytes_min: usize,
    ) -> WireResult<usize> {
        let position = self.at;
        self.count(flexible, element_bytes_min)?
            .ok_or(WireError::Null { position })
    }

    /// The tagged fields at the end of a flexible struct. `field` reads those that it knows and
    /// says whether it did; what it did not is skipped.
    pub fn tagged(
        &mut self,
        mut field: impl FnMut(u32, &mut Self) -> WireResult<bool>,
    ) -> WireResult<()> {
        let position = self.at;
        let count = self.varint()? as usize;
        let left = self.left();
        // A tag and a size take a byte each.
        if count > left / 2 {
            return Err(WireError::Count {
                position,
                count,
                left,
            });
        }
        let mut last = None;
        for _ in 0..count {
            let position = self.at;
            let tag = self.varint()?;
            // Kafka's own int, and the generated code's, cannot hold a larger one.
            if last.is_some_and(|last| tag <= last) || tag > i32::MAX.unsigned_abs() {
                return Err(WireError::TagOrder { position, tag });
            }
            last = Some(tag);
            let bytes = self.varint()? as usize;
            let begin = self.at;
            self.take(bytes)?;
            let mut inner = Self {
                bytes: &self.bytes[..self.at],
                at: begin,
            };
            if field(tag, &mut inner)? {
                inner.finish()?;
            }
        }
        Ok(())
    }

    /// Tagged fields of which none is known.
    pub fn tagged_unknown(&mut self) -> WireResult<()> {
        self.tagged(|_, _| Ok(false))
    }
}

fn signed_length(position: usize, length: i32) -> WireResult<Option<usize>> {
    match length {
        -1 => Ok(None),
        0.. => Ok(Some(length.unsigned_abs() as usize)),
        _ => Err(WireError::Negative { position, length }),
    }
}

/// How many bytes `value` takes as an unsigned varint.
pub const fn varint_bytes(value: u32) -> usize {
    let bits = 32 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_take_at_most_32_bits() {
        for value in [
            0,
            1,
            127,
            128,
            300,
            16_383,
            16_384,
            0x0fff_ffff,
            0x1000_0000,
            u32::MAX,
        ] {
            let mut bytes = Vec::new();
            let mut rest = value;
            while rest >= 0x80 {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
            assert_eq!(bytes.len(), varint_bytes(value), "{value}");
            assert_eq!(Reader::new(&bytes).varint(), Ok(value));
        }
        for bytes in [
            &[0xff, 0xff, 0xff, 0xff, 0x1f][..],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0],
        ] {
            let error = Err(WireError::Varint { position: 0 });
            assert_eq!(Reader::new(bytes).varint(), error);
        }
        let error = Err(WireError::Short {
            position: 1,
            needed: 1,
            left: 0,
        });
        assert_eq!(Reader::new(&[0x80]).varint(), error);
    }

    #[test]
    fn counts_are_believed_only_if_the_rest_could_hold_them() {
        let mut bytes = vec![0, 0, 0, 3];
        bytes.extend([0; 12]);
        assert_eq!(Reader::new(&bytes).count(false, 4), Ok(Some(3)));
        let error = Err(WireError::Count {
            position: 0,
            count: 3,
            left: 12,
        });
        assert_eq!(Reader::new(&bytes).count(false, 5), error);
        let error = Err(WireError::Negative {
            position: 0,
            length: i32::MIN,
        });
        assert_eq!(Reader::new(&[0x80, 0, 0, 0]).count(false, 1), error);
        assert_eq!(Reader::new(&[0]).count(true, 1), Ok(None));
    }

    #[test]
    fn tagged_fields_stay_inside_their_size() {
        let check = |bytes: &[u8], expected| {
            let mut value = None;
            let read = Reader::new(bytes).tagged(|tag, field| {
                if tag == 1 {
                    value = Some(field.i16()?);
                }
                Ok(tag == 1)
            });
            assert_eq!(read.map(|()| value), expected, "{bytes:?}");
        };
        check(&[0], Ok(None));
        check(&[2, 0, 1, 9, 1, 2, 1, 1], Ok(Some(257)));
        check(
            &[1, 1, 3, 1, 1, 0],
            Err(WireError::Trailing {
                position: 5,
                left: 1,
            }),
        );
        check(
            &[1, 1, 1, 1, 0],
            Err(WireError::Short {
                position: 3,
                needed: 2,
                left: 1,
            }),
        );
        check(
            &[2, 3, 0, 3, 0],
            Err(WireError::TagOrder {
                position: 3,
                tag: 3,
            }),
        );
        check(
            &[3, 0, 0],
            Err(WireError::Count {
                position: 0,
                count: 3,
                left: 2,
            }),
        );
    }

    #[test]
    fn text_is_checked() {
        assert_eq!(Reader::new(&[0, 2, b'h', b'i']).text(false), Ok(Some("hi")));
        assert_eq!(Reader::new(&[0xff, 0xff]).text(false), Ok(None));
        assert_eq!(Reader::new(&[3, b'h', b'i']).text(true), Ok(Some("hi")));
        let error = Err(WireError::Text { position: 1 });
        assert_eq!(Reader::new(&[2, 0xff]).text(true), error);
        let error = Err(WireError::Null { position: 0 });
        assert_eq!(Reader::new(&[0]).text_required(true), error);
    }
}
