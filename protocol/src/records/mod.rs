//! Record batches of magic 2: Kafka's unit of storage, written in place and read in place.
//!
//! ```text
//! batch   61 bytes of header, then the records, compressed as one piece or not at all
//! record  length · attributes 0 · timestamp delta · offset delta · key length · key
//!         · value length · value · headers count · headers            (all numbers are varints)
//! ```
//!
//! Nothing here allocates per record, and nothing trusts a length that it has not compared with the
//! bytes at hand. `unsafe` is in [`kernel`] alone.

pub mod header;

pub mod crc;

pub mod builder;
pub mod kernel;

pub mod compression;
pub mod reader;
pub mod unframe;

pub mod hash;

mod varint;

/// Why bytes are no record batch, and at which byte (from the start of what was decoded).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("cannot read {what} at byte {position}: {needed} bytes needed, {available} left")]
    Truncated {
        /// The field.
        what: &'static str,
        /// Where it begins.
        position: usize,
        /// The bytes it takes.
        needed: usize,
        /// The bytes that are there.
        available: usize,
    },
    /// Magic 0 or 1: message sets as brokers wrote them before Kafka 0.11.
    #[error(
        "cannot read the batch: magic {magic} at byte {position} is the message format from before \
         Kafka 0.11, only record batches (magic 2) are read"
    )]
    OldMagic {
        /// Where the magic byte is.
        position: usize,
        /// 0 or 1.
        magic: i8,
    },
    /// A magic that nobody has defined.
    #[error("cannot read the batch: unknown magic {magic} at byte {position}, expected 2")]
    UnknownMagic {
        /// Where the magic byte is.
        position: usize,
        /// What stands there.
        magic: i8,
    },
    /// A compression code that Kafka does not define.
    #[error(
        "cannot read the batch: unknown compression {code} in the attributes at byte {position}"
    )]
    UnknownCompression {
        /// Where the attributes are.
        position: usize,
        /// What stands in their three lowest bits.
        code: u8,
    },
    /// Records to be walked in place that first need to be decompressed.
    #[error(
        "cannot read the records at byte {position} in place: they are compressed ({compression})"
    )]
    Compressed {
        /// Where they begin.
        position: usize,
        /// How.
        compression: header::Compression,
    },
    /// A number outside of what its place allows.
    #[error("cannot read {what} at byte {position}: {value} is out of range")]
    OutOfRange {
        /// The field.
        what: &'static str,
        /// Where it begins.
        position: usize,
        /// Its value.
        value: i64,
    },
    /// A varint that does not end within the bytes its type may take.
    #[error("cannot read {what} at byte {position}: the varint is longer than its type allows")]
    LongVarint {
        /// The field.
        what: &'static str,
        /// Where it begins.
        position: usize,
    },
    /// A record's fields fill less than the length it claims.
    #[error("cannot read the record at byte {position}: its fields leave {left} of its bytes over")]
    RecordTooLong {
        /// Where the record's length begins.
        position: usize,
        /// The bytes that no field uses.
        left: usize,
    },
    /// Bytes behind the last record.
    #[error("cannot read the batch: {left} bytes follow its last record at byte {position}")]
    TrailingBytes {
        /// Where they begin.
        position: usize,
        /// How many there are.
        left: usize,
    },
    /// The CRC in the header is not the CRC of the bytes.
    #[error(
        "the batch at byte {position} is corrupt: its header says CRC {expected:#010x}, its bytes \
         have {actual:#010x}"
    )]
    CrcMismatch {
        /// Where the batch begins.
        position: usize,
        /// What the header says.
        expected: u32,
        /// What was computed.
        actual: u32,
    },
}

impl DecodeError {
    /// The byte that it happened at.
    pub fn position(&self) -> usize {
        match *self {
            Self::Truncated { position, .. }
            | Self::OldMagic { position, .. }
            | Self::UnknownMagic { position, .. }
            | Self::UnknownCompression { position, .. }
            | Self::Compressed { position, .. }
            | Self::OutOfRange { position, .. }
            | Self::LongVarint { position, .. }
            | Self::RecordTooLong { position, .. }
            | Self::TrailingBytes { position, .. }
            | Self::CrcMismatch { position, .. } => position,
        }
    }

    /// The same error seen from a buffer in which the decoded bytes begin at `base`.
    #[must_use]
    pub fn moved_by(mut self, base: usize) -> Self {
        match &mut self {
            Self::Truncated { position, .. }
            | Self::OldMagic { position, .. }
            | Self::UnknownMagic { position, .. }
            | Self::UnknownCompression { position, .. }
            | Self::Compressed { position, .. }
            | Self::OutOfRange { position, .. }
            | Self::LongVarint { position, .. }
            | Self::RecordTooLong { position, .. }
            | Self::TrailingBytes { position, .. }
            | Self::CrcMismatch { position, .. } => *position += base,
        }
        self
    }
}
