//! What a send carries, as slices.

use std::io::IoSlice;

use super::{Part, Payload};
use crate::memory::Buffer;

impl Payload {
    /// All bytes of `buffer[start..end]`.
    pub fn one(buffer: Buffer, start: usize, end: usize) -> Self {
        Self::One { buffer, start, end }
    }

    /// How many bytes the send carries.
    pub fn byte_len(&self) -> usize {
        match self {
            Self::One { start, end, .. } => end.saturating_sub(*start),
            Self::Gather { parts, .. } => parts.iter().map(Part::byte_len).sum(),
        }
    }

    /// Panics unless every range lies in its buffer and there is something to send.
    pub(super) fn check(&self) -> usize {
        match self {
            Self::One { buffer, start, end } => {
                assert!(
                    start < end && *end <= buffer.len(),
                    "a send's range lies in its buffer"
                );
            }
            Self::Gather { buffers, parts } => {
                for part in parts {
                    let buffer = &buffers[part.buffer as usize];
                    let fits = part.start <= part.end && part.end as usize <= buffer.len();
                    assert!(fits, "a part's range lies in its buffer");
                }
            }
        }
        let total = self.byte_len();
        assert!(total > 0, "a send carries at least one byte");
        assert!(
            total <= i32::MAX as usize,
            "a send's length fits the result of a completion"
        );
        total
    }

    /// The bytes behind the first `skipped`, as pieces in order, until `take` answers no.
    pub(super) fn pieces<'a>(&'a self, skipped: usize, mut take: impl FnMut(&'a [u8]) -> bool) {
        match self {
            Self::One { buffer, start, end } => {
                take(&buffer[start + skipped..*end]);
            }
            Self::Gather { buffers, parts } => {
                let mut skipped = skipped;
                for part in parts {
                    let piece =
                        &buffers[part.buffer as usize][part.start as usize..part.end as usize];
                    if skipped >= piece.len() {
                        skipped -= piece.len();
                        continue;
                    }
                    if !take(&piece[skipped..]) {
                        return;
                    }
                    skipped = 0;
                }
            }
        }
    }

    /// Fills `slices` with what comes behind the first `skipped` bytes; says how many it filled.
    pub(super) fn slices<'a>(&'a self, skipped: usize, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        self.pieces(skipped, |piece| {
            slices[filled] = IoSlice::new(piece);
            filled += 1;
            filled < slices.len()
        });
        filled
    }
}

impl Part {
    fn byte_len(&self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather() -> Payload {
        let buffers = [b"0123456789", b"abcdefghij"].map(|text| {
            let mut buffer = Buffer::new(text.len());
            buffer.copy_from_slice(text);
            buffer
        });
        let parts = [(0, 0, 3), (1, 4, 4), (1, 1, 2), (0, 8, 10)];
        let parts = parts.map(|(buffer, start, end)| Part { buffer, start, end });
        Payload::Gather {
            buffers: buffers.into(),
            parts: parts.into(),
        }
    }

    #[test]
    fn a_send_goes_on_in_the_middle_of_any_part() {
        let payload = gather();
        assert_eq!(payload.check(), 6);
        for skipped in 0..6 {
            let mut bytes = Vec::new();
            payload.pieces(skipped, |piece| {
                assert!(!piece.is_empty());
                bytes.extend_from_slice(piece);
                true
            });
            assert_eq!(bytes, &b"012b89"[skipped..]);
        }
    }

    #[test]
    fn slices_stop_when_there_is_no_more_room() {
        let payload = gather();
        let mut slices = [IoSlice::new(&[]); 2];
        assert_eq!(payload.slices(1, &mut slices), 2);
        assert_eq!((&*slices[0], &*slices[1]), (&b"12"[..], &b"b"[..]));
    }
}
