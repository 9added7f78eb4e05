//! A batch's range of the input: all that is kept of it while it is on its way.
//!
//! A file is read by position, so a batch that must be sent again is read and framed again. It must
//! then have the checksum it had: else the input changed while it was read.

use std::ops::Range;

use protocol::records::header::Compression;

use super::deal::{Dealt, RecordPlace};
use crate::memory::Buffer;

/// Bytes of input before a position by which a resume knows that the file is the same.
pub(crate) const TAIL_BYTES_MAX: u64 = 4 << 10;

/// The last bytes of a range, by their checksum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tail {
    /// CRC-32C of the bytes.
    pub crc: u32,
    /// How many, ≤ 4 KiB.
    pub bytes: u32,
    /// Position of the first.
    pub position: u64,
}

/// The input of one batch.
#[derive(Debug)]
pub(crate) struct Piece {
    /// From its first record's first byte to behind its last record.
    pub(crate) range: Range<u64>,
    /// `Some` where one long record is the batch, streamed from the file.
    pub(crate) long: Option<LongValue>,
    /// The records' time in milliseconds since 1970.
    pub(crate) timestamp: i64,
    /// The batch's CRC, once it was sealed.
    pub(crate) crc: Option<u32>,
    pub(crate) tail: Tail,
    /// Bytes of the request in flight, for the gauge.
    pub(crate) sent_bytes: u64,
    /// Bytes of input that its records took.
    pub(crate) input_bytes: u64,
    /// The batch itself, where the input is not read again for it.
    pub(crate) kept: Option<Kept>,
}

/// A batch that is kept until it is acknowledged.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Room, header, records, room; `None` while the kernel has it.
    pub(crate) buffer: Option<Buffer>,
    /// Bytes of the records section, compressed or not.
    pub(crate) section_bytes: usize,
    /// How it is compressed; `None`: not looked at yet.
    pub(crate) compression: Option<Compression>,
    /// Where its records lie in the input; see [`Dealt::places`].
    pub(crate) places: Vec<RecordPlace>,
    /// The records' own times: the first one's, and the newest.
    pub(crate) timestamps: Option<(i64, i64)>,
}

/// The value of a long record, known from reading it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LongValue {
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
}

impl Piece {
    pub(crate) fn lines(range: Range<u64>, timestamp: i64) -> Self {
        let range_bytes = range.end - range.start;
        Self {
            range,
            long: None,
            timestamp,
            crc: None,
            tail: Tail::default(),
            sent_bytes: 0,
            input_bytes: range_bytes,
            kept: None,
        }
    }

    /// A batch that was dealt.
    pub(crate) fn dealt(batch: Dealt, tail: Tail) -> Self {
        let max_timestamp = batch.max_timestamp;
        let kept = Kept {
            buffer: Some(batch.buffer),
            section_bytes: batch.written,
            compression: None,
            places: batch.places,
            timestamps: batch.base_timestamp.map(|base| (base, max_timestamp)),
        };
        Self {
            tail,
            input_bytes: batch.input_bytes,
            kept: Some(kept),
            ..Self::lines(batch.range, 0)
        }
    }

    /// The last bytes of the range, as far as a tail goes.
    pub(crate) fn tail_range(&self) -> Range<u64> {
        self.range.end - TAIL_BYTES_MAX.min(self.range.end - self.range.start)..self.range.end
    }
}
