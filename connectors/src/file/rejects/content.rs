//! A record's bytes on their way from the input into JSON, through one small buffer.
//!
//! They are read twice: first to see whether they are UTF-8, then to write them. That they were the
//! same both times is checked, or the line might not be JSON.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest};
use thiserror::Error;

use super::sink::Sink;

/// Divisible by three: only the last piece of a content may be padded in base64.
const CHUNK_BYTES: usize = 48 << 10;

pub(super) struct Content<'a> {
    pub(super) source: &'a File,
    pub(super) offset: u64,
    pub(super) length: u64,
}

#[derive(Debug, Error)]
pub(super) enum ContentError {
    #[error("cannot read the record: {0}")]
    Read(io::Error),
    #[error("cannot write the line: {0}")]
    Write(io::Error),
    #[error("the record is not as it was")]
    Changed,
}

/// What the first reading found.
pub(super) struct Survey {
    pub(super) is_utf8: bool,
    crc: u64,
}

impl Content<'_> {
    pub(super) fn survey(&self) -> Result<Survey, ContentError> {
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        let mut check = Utf8Check::default();
        self.each_chunk(|chunk| {
            digest.update(chunk);
            check.add(chunk);
            Ok(())
        })?;
        Ok(Survey {
            is_utf8: check.is_valid(),
            crc: digest.finalize(),
        })
    }

    /// Writes what stands between the quotes.
    pub(super) fn write(&self, sink: &mut Sink<'_>, survey: &Survey) -> Result<(), ContentError> {
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        let mut encoded = Vec::new();
        self.each_chunk(|chunk| {
            digest.update(chunk);
            encoded.clear();
            if survey.is_utf8 {
                escape(chunk, &mut encoded);
            } else {
                encoded.resize(chunk.len().div_ceil(3) * 4, 0);
                STANDARD
                    .encode_slice(chunk, &mut encoded)
                    .expect("four bytes for each three");
            }
            sink.push(&encoded).map_err(ContentError::Write)
        })?;
        if digest.finalize() == survey.crc {
            Ok(())
        } else {
            Err(ContentError::Changed)
        }
    }

    fn each_chunk(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), ContentError>,
    ) -> Result<(), ContentError> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut done = 0;
        while done < self.length {
            let bytes = (self.length - done).min(CHUNK_BYTES as u64);
            let part = &mut chunk[..usize::try_from(bytes).expect("at most a chunk")];
            self.source
                .read_exact_at(part, self.offset + done)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => ContentError::Changed,
                    _ => ContentError::Read(error),
                })?;
            take(part)?;
            done += bytes;
        }
        Ok(())
    }
}

/// Escapes bytes of UTF-8. What must be escaped is ASCII, so characters may be cut anywhere.
fn escape(chunk: &[u8], escaped: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for &byte in chunk {
        match byte {
            b'"' | b'\\' => escaped.extend([b'\\', byte]),
            b'\n' => escaped.extend(b"\\n"),
            b'\r' => escaped.extend(b"\\r"),
            b'\t' => escaped.extend(b"\\t"),
            0..0x20 => {
                escaped.extend(b"\\u00");
                escaped.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
            }
            _ => escaped.push(byte),
        }
    }
}

/// Whether bytes that come in pieces are UTF-8.
#[derive(Default)]
struct Utf8Check {
    /// The beginning of a character that the last piece cut, at most three bytes.
    cut: Vec<u8>,
    is_broken: bool,
}

impl Utf8Check {
    fn add(&mut self, mut piece: &[u8]) {
        while !self.cut.is_empty() && !piece.is_empty() && !self.is_broken {
            self.cut.push(piece[0]);
            piece = &piece[1..];
            match std::str::from_utf8(&self.cut) {
                Ok(_) => self.cut.clear(),
                Err(error) => self.is_broken = error.error_len().is_some(),
            }
        }
        if let Err(error) = std::str::from_utf8(piece) {
            self.is_broken |= error.error_len().is_some();
            if !self.is_broken {
                self.cut.extend_from_slice(&piece[error.valid_up_to()..]);
            }
        }
    }

    fn is_valid(&self) -> bool {
        !self.is_broken && self.cut.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_utf8(pieces: &[&[u8]]) {
        let mut check = Utf8Check::default();
        pieces.iter().for_each(|piece| check.add(piece));
        let whole = pieces.concat();
        assert_eq!(
            check.is_valid(),
            std::str::from_utf8(&whole).is_ok(),
            "{pieces:?}"
        );
    }

    #[test]
    fn characters_may_be_cut_anywhere() {
        let text = "aé€😀".as_bytes();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                check_utf8(&[&text[..first], &text[first..second], &text[second..]]);
                check_utf8(&[&text[..first], &text[first..second]]);
            }
        }
        check_utf8(&[b"\xf0\x9f", b"a"]);
        check_utf8(&[b"\xf0", b"", b"\x9f", b"\x98", b"\x80"]);
        check_utf8(&[b"\xc3"]);
    }

    /// Bytes of characters of every length, so that whole ones come together now and then.
    fn byte_of_text() -> impl Strategy<Value = u8> {
        let of_text = b"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80".to_vec();
        prop_oneof![9 => prop::sample::select(of_text), 1 => any::<u8>()]
    }

    proptest! {
        #[test]
        fn pieces_are_judged_as_the_whole(
            pieces in prop::collection::vec(prop::collection::vec(byte_of_text(), 0..5), 0..6)
        ) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            check_utf8(&pieces);
        }

        #[test]
        fn escaped_text_is_json(text in "\\PC{0,20}[\\x00-\\x7f]{0,40}") {
            let mut json = vec![b'"'];
            escape(text.as_bytes(), &mut json);
            json.push(b'"');
            prop_assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
        }
    }
}
