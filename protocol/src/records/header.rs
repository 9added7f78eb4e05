//! The 61 bytes in front of a batch's records.
//!
//! ```text
//!  0 base offset i64          21 attributes i16           43 producer id i64
//!  8 batch length i32         23 last offset delta i32    51 producer epoch i16
//! 12 leader epoch i32         27 base timestamp i64       53 base sequence i32
//! 16 magic i8 = 2             35 max timestamp i64        57 records count i32
//! 17 crc u32 (of 21..end)                                 61 records
//! ```
//!
//! The batch length counts from byte 12. The broker sets base offset, leader epoch and (for
//! log-append time) the max timestamp; only the last is under the CRC.

use std::fmt;
use std::str::FromStr;

use super::DecodeError;

/// The bytes of a batch before its records.
pub const HEADER_BYTES: usize = 61;
/// The bytes that the batch length does not count: base offset and the length itself.
pub const LENGTH_END: usize = 12;
/// Where the magic byte stands, in every version of the format.
pub const MAGIC_AT: usize = 16;
/// Where the CRC stands.
pub const CRC_AT: usize = 17;
/// The first byte that the CRC covers: the attributes.
pub const CRC_FROM: usize = 21;
/// The format that we speak.
pub const MAGIC: i8 = 2;
/// The smallest batch length there is: a header without records.
pub const BATCH_LENGTH_MIN: i32 = (HEADER_BYTES - LENGTH_END) as i32;

/// How a batch's records are compressed, as one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// A gzip stream.
    Gzip,
    /// Snappy in the framing of the Java library snappy-java.
    Snappy,
    /// An LZ4 frame.
    Lz4,
    /// A Zstandard frame.
    Zstd,
}

impl Compression {
    /// Every one, by its code.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The code in the lowest three bits of the attributes.
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// What the code means, if Kafka gave it a meaning.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Kafka's name, as in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression {0:?}: expected none, gzip, snappy, lz4 or zstd")]
pub struct UnknownCompressionName(String);

impl FromStr for Compression {
    type Err = UnknownCompressionName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .into_iter()
            .find(|compression| compression.name() == name);
        found.ok_or_else(|| UnknownCompressionName(name.to_owned()))
    }
}

/// Whose clock a batch's timestamps are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer's, one for each record.
    Create,
    /// The broker's, at the append: the batch's max timestamp is that of every record.
    LogAppend,
}

/// The bits that say how to read a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    const COMPRESSION: i16 = 0b111;
    const LOG_APPEND: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// How the records are compressed.
    pub fn compression(self) -> Result<Compression, DecodeError> {
        let code = (self.0 & Self::COMPRESSION) as u8;
        Compression::from_code(code).ok_or(DecodeError::UnknownCompression {
            position: CRC_FROM,
            code,
        })
    }

    /// Whose clock the timestamps are from.
    pub fn timestamp_type(self) -> TimestampType {
        if self.has(Self::LOG_APPEND) {
            TimestampType::LogAppend
        } else {
            TimestampType::Create
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(self) -> bool {
        self.has(Self::TRANSACTIONAL)
    }

    /// Whether the batch holds a transaction's marker instead of records.
    pub fn is_control(self) -> bool {
        self.has(Self::CONTROL)
    }

    /// Whether the base timestamp is the time from which the log cleaner may drop tombstones.
    pub fn has_delete_horizon(self) -> bool {
        self.has(Self::DELETE_HORIZON)
    }

    /// The same with the records compressed so.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        Self((self.0 & !Self::COMPRESSION) | i16::from(compression.code()))
    }

    /// The same with the timestamps from that clock.
    #[must_use]
    pub fn with_timestamp_type(self, of: TimestampType) -> Self {
        self.with(Self::LOG_APPEND, of == TimestampType::LogAppend)
    }

    /// The same, inside or outside of a transaction.
    #[must_use]
    pub fn with_transactional(self, on: bool) -> Self {
        self.with(Self::TRANSACTIONAL, on)
    }

    /// The same, as a transaction's marker or as records.
    #[must_use]
    pub fn with_control(self, on: bool) -> Self {
        self.with(Self::CONTROL, on)
    }

    fn has(self, bit: i16) -> bool {
        self.0 & bit != 0
    }

    fn with(self, bit: i16, on: bool) -> Self {
        if on {
            Self(self.0 | bit)
        } else {
            Self(self.0 & !bit)
        }
    }
}

/// What stands in front of a batch's records. Field by field what Kafka calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are Kafka's; the picture above says where they stand"
)]
pub struct BatchHeader {
    pub base_offset: i64,
    pub batch_length: i32,
    pub partition_leader_epoch: i32,
    pub magic: i8,
    pub crc: u32,
    pub attributes: Attributes,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub records_count: i32,
}

impl BatchHeader {
    /// Reads the header that `bytes` begins with. The batch itself may be longer than `bytes`;
    /// what is checked is that these are the fields of magic 2 and that they can be true: the
    /// length is at least a header's, the count and the last offset delta are not negative.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        if let Some(&magic) = bytes.get(MAGIC_AT) {
            check_magic(magic as i8)?;
        }
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(DecodeError::Truncated {
                what: "a batch's header",
                position: 0,
                needed: HEADER_BYTES,
                available: bytes.len(),
            });
        };
        let header = Self::parse(bytes);
        at_least(BATCH_LENGTH_MIN, header.batch_length, "batch length", 8)?;
        at_least(0, header.last_offset_delta, "last offset delta", 23)?;
        at_least(0, header.records_count, "records count", 57)?;
        Ok(header)
    }

    fn parse(bytes: &[u8; HEADER_BYTES]) -> Self {
        Self {
            base_offset: i64::from_be_bytes(field(bytes, 0)),
            batch_length: i32::from_be_bytes(field(bytes, 8)),
            partition_leader_epoch: i32::from_be_bytes(field(bytes, 12)),
            magic: i8::from_be_bytes(field(bytes, MAGIC_AT)),
            crc: u32::from_be_bytes(field(bytes, CRC_AT)),
            attributes: Attributes(i16::from_be_bytes(field(bytes, CRC_FROM))),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)),
            base_timestamp: i64::from_be_bytes(field(bytes, 27)),
            max_timestamp: i64::from_be_bytes(field(bytes, 35)),
            producer_id: i64::from_be_bytes(field(bytes, 43)),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)),
            base_sequence: i32::from_be_bytes(field(bytes, 53)),
            records_count: i32::from_be_bytes(field(bytes, 57)),
        }
    }

    /// Writes the header, every field as it is, the CRC too.
    pub fn write(&self, bytes: &mut [u8; HEADER_BYTES]) {
        bytes[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.batch_length.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.partition_leader_epoch.to_be_bytes());
        bytes[16..17].copy_from_slice(&self.magic.to_be_bytes());
        bytes[17..21].copy_from_slice(&self.crc.to_be_bytes());
        bytes[21..23].copy_from_slice(&self.attributes.0.to_be_bytes());
        bytes[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        bytes[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        bytes[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        bytes[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        bytes[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        bytes[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        bytes[57..61].copy_from_slice(&self.records_count.to_be_bytes());
    }

    /// The bytes of the whole batch, the twelve in front of what the length counts too.
    pub fn batch_bytes(&self) -> usize {
        usize::try_from(self.batch_length).map_or(HEADER_BYTES, |length| length + LENGTH_END)
    }

    /// The offset of the batch's last record, kept even where compaction removed that record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
    }
}

fn check_magic(magic: i8) -> Result<(), DecodeError> {
    let position = MAGIC_AT;
    match magic {
        MAGIC => Ok(()),
        0 | 1 => Err(DecodeError::OldMagic { position, magic }),
        _ => Err(DecodeError::UnknownMagic { position, magic }),
    }
}

fn at_least(
    least: i32,
    value: i32,
    what: &'static str,
    position: usize,
) -> Result<(), DecodeError> {
    if value < least {
        return Err(DecodeError::OutOfRange {
            what,
            position,
            value: i64::from(value),
        });
    }
    Ok(())
}

fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    *bytes[at..]
        .first_chunk()
        .expect("the fields lie within the header")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> BatchHeader {
        BatchHeader {
            base_offset: 0x0102_0304_0506_0708,
            batch_length: 0x1112_1314,
            partition_leader_epoch: -1,
            magic: MAGIC,
            crc: 0xdead_beef,
            attributes: Attributes(0)
                .with_compression(Compression::Zstd)
                .with_transactional(true),
            last_offset_delta: 41,
            base_timestamp: 1_700_000_000_000,
            max_timestamp: 1_700_000_000_001,
            producer_id: 77,
            producer_epoch: 3,
            base_sequence: i32::MAX,
            records_count: 42,
        }
    }

    fn written(header: &BatchHeader) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        header.write(&mut bytes);
        bytes
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = written(&header());
        assert_eq!(BatchHeader::read(&bytes), Ok(header()));
        assert_eq!(bytes[8..12], [0x11, 0x12, 0x13, 0x14]);
        assert_eq!(bytes[CRC_AT..CRC_FROM], [0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(header().batch_bytes(), 0x1112_1314 + 12);
        assert_eq!(header().last_offset(), 0x0102_0304_0506_0708 + 41);
    }

    #[test]
    fn an_old_magic_is_named_even_when_the_bytes_end_early() {
        for magic in [0, 1] {
            let bytes = written(&BatchHeader { magic, ..header() });
            let error = BatchHeader::read(&bytes[..17]).unwrap_err();
            assert_eq!(
                error,
                DecodeError::OldMagic {
                    position: 16,
                    magic
                }
            );
            assert!(
                error.to_string().contains(&format!("magic {magic}")),
                "{error}"
            );
        }
        let bytes = written(&BatchHeader {
            magic: 3,
            ..header()
        });
        let error = BatchHeader::read(&bytes).unwrap_err();
        assert_eq!(
            error,
            DecodeError::UnknownMagic {
                position: 16,
                magic: 3
            }
        );
    }

    #[test]
    fn impossible_numbers_are_errors() {
        let check = |header: BatchHeader, at: usize| {
            let error = BatchHeader::read(&written(&header)).unwrap_err();
            assert!(matches!(error, DecodeError::OutOfRange { position, .. } if position == at));
        };
        check(
            BatchHeader {
                batch_length: 48,
                ..header()
            },
            8,
        );
        check(
            BatchHeader {
                batch_length: -1,
                ..header()
            },
            8,
        );
        check(
            BatchHeader {
                last_offset_delta: -1,
                ..header()
            },
            23,
        );
        check(
            BatchHeader {
                records_count: i32::MIN,
                ..header()
            },
            57,
        );
        let error = BatchHeader::read(&written(&header())[..60]).unwrap_err();
        assert!(matches!(
            error,
            DecodeError::Truncated {
                available: 60,
                needed: 61,
                ..
            }
        ));
    }

    #[test]
    fn attributes_keep_what_they_are_told() {
        for compression in Compression::ALL {
            let attributes = Attributes(-1).with_compression(compression);
            assert_eq!(attributes.compression(), Ok(compression));
            assert!(attributes.is_control() && attributes.is_transactional());
            assert_eq!(compression.name().parse(), Ok(compression));
        }
        assert!("LZ4".parse::<Compression>().is_err());
        assert!(matches!(
            Attributes(5).compression(),
            Err(DecodeError::UnknownCompression { code: 5, .. })
        ));
        let plain = Attributes(-1)
            .with_control(false)
            .with_transactional(false)
            .with_timestamp_type(TimestampType::Create);
        assert!(!plain.is_control() && !plain.is_transactional());
        assert_eq!(plain.timestamp_type(), TimestampType::Create);
        let stamped = plain.with_timestamp_type(TimestampType::LogAppend);
        assert_eq!(stamped.timestamp_type(), TimestampType::LogAppend);
    }
}
