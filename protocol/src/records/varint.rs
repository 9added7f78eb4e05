//! Kafka's varints: zigzag, then seven bits a byte, the lowest first; the high bit says that more
//! follow. Five bytes at most for an `i32`, ten for an `i64`.

use super::DecodeError;

/// The longest varint of an `i32`.
const I32_BYTES_MAX: usize = 5;
/// The longest varint of an `i64`.
const I64_BYTES_MAX: usize = 10;

/// Sign in the lowest bit, so that small negative numbers are short too.
#[inline]
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The bytes that an unsigned varint takes.
#[inline]
pub(crate) fn unsigned_bytes(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    // A seventh, rounded up, for up to 64 bits.
    ((bits * 9 + 64) / 64) as usize
}

/// The bytes that `value` takes as a zigzag varint.
#[inline]
pub(crate) fn signed_bytes(value: i64) -> usize {
    unsigned_bytes(zigzag(value))
}

/// Writes `value` at the start of `out`, which has room, and returns the bytes taken.
#[inline]
pub(crate) fn write_signed(out: &mut [u8], value: i64) -> usize {
    let mut rest = zigzag(value);
    if rest < 0x80 {
        out[0] = rest as u8;
        return 1;
    }
    if rest < 0x4000 {
        out[..2].copy_from_slice(&[rest as u8 | 0x80, (rest >> 7) as u8]);
        return 2;
    }
    let mut at = 0;
    while rest >= 0x80 {
        out[at] = rest as u8 | 0x80;
        rest >>= 7;
        at += 1;
    }
    out[at] = rest as u8;
    at + 1
}

/// A place in bytes that are being decoded. Every read checks the bytes that are left first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        debug_assert!(at <= bytes.len(), "a cursor lies within its bytes");
        Self { bytes, at }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Goes on behind the next `bytes` bytes, of which so many are left.
    pub(crate) fn advance(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.remaining(), "a cursor lies within its bytes");
        self.at += bytes;
    }

    /// A zigzag varint of at most five bytes, as lengths, counts and offset deltas are.
    pub(crate) fn i32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        // One byte is the usual case.
        if let Some(&byte) = self.bytes.get(self.at)
            && byte < 0x80
        {
            self.at += 1;
            return Ok(i32::from(byte >> 1) ^ -i32::from(byte & 1));
        }
        let raw = self.unsigned(what, I32_BYTES_MAX, u64::from(u32::MAX))? as u32;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    /// A zigzag varint of at most ten bytes, as timestamp deltas are.
    pub(crate) fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        let raw = self.unsigned(what, I64_BYTES_MAX, u64::MAX)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    fn unsigned(
        &mut self,
        what: &'static str,
        bytes_max: usize,
        value_max: u64,
    ) -> Result<u64, DecodeError> {
        let mut value: u64 = 0;
        for index in 0..bytes_max {
            let Some(&byte) = self.bytes.get(self.at + index) else {
                return Err(DecodeError::Truncated {
                    what,
                    position: self.at,
                    needed: index + 1,
                    available: index,
                });
            };
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << (7 * index);
            if shifted >> (7 * index) != bits || shifted > value_max {
                break;
            }
            value |= shifted;
            if byte < 0x80 {
                self.at += index + 1;
                return Ok(value);
            }
        }
        Err(DecodeError::LongVarint {
            what,
            position: self.at,
        })
    }

    /// A cursor over the next `length` bytes, whose positions go on from here; this one goes on
    /// behind them.
    pub(crate) fn split(&mut self, what: &'static str, length: usize) -> Result<Self, DecodeError> {
        let at = self.at;
        self.take(what, length)?;
        Ok(Self {
            bytes: &self.bytes[..self.at],
            at,
        })
    }

    /// The next `length` bytes.
    pub(crate) fn take(
        &mut self,
        what: &'static str,
        length: usize,
    ) -> Result<&'a [u8], DecodeError> {
        let Some(taken) = self.bytes[self.at..].get(..length) else {
            return Err(DecodeError::Truncated {
                what,
                position: self.at,
                needed: length,
                available: self.remaining(),
            });
        };
        self.at += length;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(value in any::<i64>(), shift in 0_u32..64) {
            let value = value >> shift;
            let mut out = [0; I64_BYTES_MAX];
            let bytes = write_signed(&mut out, value);
            prop_assert_eq!(bytes, signed_bytes(value));
            let mut cursor = Cursor::new(&out[..bytes], 0);
            prop_assert_eq!(cursor.i64("x"), Ok(value));
            prop_assert_eq!(cursor.remaining(), 0);
            let mut cursor = Cursor::new(&out[..bytes], 0);
            match i32::try_from(value) {
                Ok(small) => prop_assert_eq!(cursor.i32("x"), Ok(small)),
                Err(_) => prop_assert!(cursor.i32("x").is_err()),
            }
            let mut cursor = Cursor::new(&out[..bytes - 1], 0);
            let truncated = matches!(cursor.i64("x"), Err(DecodeError::Truncated { .. }));
            prop_assert!(truncated);
        }
    }

    #[test]
    fn a_varint_without_end_is_an_error_and_reads_no_further() {
        let endless = [0xff; 64];
        let mut cursor = Cursor::new(&endless, 3);
        let error = DecodeError::LongVarint {
            what: "x",
            position: 3,
        };
        assert_eq!(cursor.i32("x"), Err(error));
        assert_eq!(cursor.i64("x"), Err(error));
        assert_eq!(cursor.position(), 3);
    }
}
