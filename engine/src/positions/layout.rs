//! Where things lie in a state file, and the preamble that says so.
//!
//! ```text
//! 0                 preamble, copy 0 (one page, 128 bytes used)
//! 4096              preamble, copy 1
//! 8192              application header, copy 0      header_capacity bytes each,
//!                   application header, copy 1      a multiple of the page
//!                   synced area 0                   all positions, one sum over the whole
//!                   synced area 1
//!                   live slots                      two for each position, 64-byte aligned
//! ```
//! The first 16 bytes (magic, format, min_reader) and the sum at 124 stay where they are in every
//! format, so that an old program can say that a file is too new for it.

use super::error::StateDamage;
use super::identity::{BootId, FileId};

/// What this program writes and reads.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const PAGE: usize = 4096;
pub(crate) const PREAMBLES_BYTES: usize = 2 * PAGE;
pub(crate) const PREAMBLE_BYTES: usize = 128;
/// Payloads of slots begin behind this: a cache line of who, which and when.
pub(crate) const SLOT_HEAD_BYTES: usize = 64;
pub(crate) const AREA_HEAD_BYTES: usize = 64;

/// Bounds on what a (possibly hostile) preamble may ask for: 256 MiB in all.
const POSITIONS_MAX: u32 = 1 << 17;
const PAYLOAD_BYTES_MAX: u32 = 1 << 16;
const HEADER_CAPACITY_MAX: u32 = 16 << 20;
pub(crate) const FILE_BYTES_MAX: u64 = 256 << 20;

/// Not text, and broken by a transfer that translates line ends.
const MAGIC: [u8; 8] = *b"\x89RMPOS\r\n";
const SUM_AT: usize = PREAMBLE_BYTES - 4;

/// The sizes that everything else follows from. They never change in the life of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) kind: u32,
    pub(crate) positions: u32,
    pub(crate) payload_bytes: u32,
    pub(crate) header_capacity: u32,
}

impl Geometry {
    /// Sizes for a new file whose header may double before the file must be made anew.
    pub(crate) fn new(kind: u32, positions: u32, payload_bytes: usize, header: usize) -> Self {
        let doubled = (2 * header).min(HEADER_CAPACITY_MAX as usize).max(header);
        let header_capacity = doubled.next_multiple_of(PAGE).max(PAGE);
        Self {
            kind,
            positions,
            payload_bytes: u32::try_from(payload_bytes.next_multiple_of(8)).unwrap_or(u32::MAX),
            header_capacity: u32::try_from(header_capacity).unwrap_or(u32::MAX),
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let whole = |value: u32, unit: usize, max: u32| {
            value > 0 && value <= max && (value as usize).is_multiple_of(unit)
        };
        if !whole(self.positions, 1, POSITIONS_MAX) {
            return Err(format!(
                "{} positions (at most {POSITIONS_MAX})",
                self.positions
            ));
        }
        if !whole(self.payload_bytes, 8, PAYLOAD_BYTES_MAX) {
            return Err(format!("slots of {} bytes", self.payload_bytes));
        }
        if !whole(self.header_capacity, PAGE, HEADER_CAPACITY_MAX) {
            return Err(format!("a header of {} bytes", self.header_capacity));
        }
        if self.file_bytes() > FILE_BYTES_MAX {
            return Err(format!(
                "{} bytes in all (at most {FILE_BYTES_MAX})",
                self.file_bytes()
            ));
        }
        Ok(())
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        self.payload_bytes as usize
    }

    pub(crate) fn positions(&self) -> usize {
        self.positions as usize
    }

    pub(crate) fn header_at(&self, copy: usize) -> usize {
        PREAMBLES_BYTES + copy * self.header_capacity as usize
    }

    /// One entry of a synced area: the sequence, then the payload.
    pub(crate) fn entry_bytes(&self) -> usize {
        8 + self.payload_bytes()
    }

    pub(crate) fn area_bytes(&self) -> usize {
        (AREA_HEAD_BYTES + self.positions() * self.entry_bytes()).next_multiple_of(PAGE)
    }

    pub(crate) fn area_at(&self, area: usize) -> usize {
        self.header_at(2) + area * self.area_bytes()
    }

    pub(crate) fn slot_bytes(&self) -> usize {
        (SLOT_HEAD_BYTES + self.payload_bytes()).next_multiple_of(64)
    }

    pub(crate) fn live_at(&self) -> usize {
        self.area_at(2)
    }

    pub(crate) fn live_bytes(&self) -> usize {
        (2 * self.positions() * self.slot_bytes()).next_multiple_of(PAGE)
    }

    /// Where slot 0 or 1 of a position begins, from the start of the live slots.
    pub(crate) fn slot_in_live(&self, index: u32, slot: usize) -> usize {
        (2 * index as usize + slot) * self.slot_bytes()
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        (self.live_at() + self.live_bytes()) as u64
    }
}

/// One of the two self-checking descriptions of the file. The newer one that holds counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preamble {
    pub(crate) id: FileId,
    pub(crate) boot: BootId,
    pub(crate) sequence: u64,
    pub(crate) geometry: Geometry,
    pub(crate) header_bytes: u32,
    pub(crate) header_sum: u32,
    /// The process that opened the file last: named to whoever finds it locked.
    pub(crate) pid: u32,
}

/// What one page says that should hold a preamble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PreambleRead {
    Blank,
    Foreign,
    Damaged,
    /// The sum holds, but it is not for us to use.
    Refused(StateDamage),
    Valid(Preamble),
}

impl Preamble {
    pub(crate) fn encode(&self) -> [u8; PREAMBLE_BYTES] {
        let mut bytes = [0; PREAMBLE_BYTES];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC);
        put(8, &FORMAT.to_le_bytes());
        put(12, &FORMAT.to_le_bytes());
        put(16, &self.id.0);
        put(32, &self.boot.0);
        put(48, &self.sequence.to_le_bytes());
        put(56, &self.geometry.kind.to_le_bytes());
        put(60, &self.geometry.positions.to_le_bytes());
        put(64, &self.geometry.payload_bytes.to_le_bytes());
        put(68, &self.geometry.header_capacity.to_le_bytes());
        put(72, &self.header_bytes.to_le_bytes());
        put(76, &self.header_sum.to_le_bytes());
        put(80, &self.pid.to_le_bytes());
        let sum = crc32c(&bytes[..SUM_AT]);
        bytes[SUM_AT..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads copy `copy` (0 or 1) from the first bytes of its page.
    pub(crate) fn decode(bytes: &[u8], copy: usize) -> PreambleRead {
        let bytes = &bytes[..bytes.len().min(PREAMBLE_BYTES)];
        if bytes.iter().all(|byte| *byte == 0) {
            return PreambleRead::Blank;
        }
        let magic = bytes.len().min(MAGIC.len());
        if bytes[..magic] != MAGIC[..magic] {
            return PreambleRead::Foreign;
        }
        if bytes.len() < PREAMBLE_BYTES {
            return PreambleRead::Damaged;
        }
        if read_u32(bytes, SUM_AT) != crc32c(&bytes[..SUM_AT]) {
            return PreambleRead::Damaged;
        }
        let (format, min_reader) = (read_u32(bytes, 8), read_u32(bytes, 12));
        if min_reader > FORMAT {
            return PreambleRead::Refused(StateDamage::Newer {
                format,
                min_reader,
                ours: FORMAT,
            });
        }
        if format < FORMAT {
            return PreambleRead::Refused(StateDamage::Older {
                format,
                ours: FORMAT,
            });
        }
        let preamble = Self::decode_fields(bytes);
        if let Err(what) = preamble.check(copy) {
            return PreambleRead::Refused(StateDamage::Content { what });
        }
        PreambleRead::Valid(preamble)
    }

    fn decode_fields(bytes: &[u8]) -> Self {
        Self {
            id: FileId(read_array(bytes, 16)),
            boot: BootId(read_array(bytes, 32)),
            sequence: read_u64(bytes, 48),
            geometry: Geometry {
                kind: read_u32(bytes, 56),
                positions: read_u32(bytes, 60),
                payload_bytes: read_u32(bytes, 64),
                header_capacity: read_u32(bytes, 68),
            },
            header_bytes: read_u32(bytes, 72),
            header_sum: read_u32(bytes, 76),
            pid: read_u32(bytes, 80),
        }
    }

    fn check(&self, copy: usize) -> Result<(), String> {
        self.geometry.check()?;
        if self.header_bytes > self.geometry.header_capacity {
            return Err(format!(
                "a header of {} bytes in too little room",
                self.header_bytes
            ));
        }
        // The last values stay free so that a sequence can always be counted up.
        if self.sequence == 0 || self.sequence > SEQUENCE_MAX {
            return Err(format!("header sequence {}", self.sequence));
        }
        if self.sequence % 2 != copy as u64 {
            return Err(format!("header sequence {} in copy {copy}", self.sequence));
        }
        Ok(())
    }
}

/// No counter of a file ever comes near it: at a million stores a second it takes 146,000 years.
pub(crate) const SEQUENCE_MAX: u64 = u64::MAX / 4;

/// CRC-32C, the sum of everything in a state file and of what it tells of other files.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

pub(crate) fn read_array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has N bytes")
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(read_array(bytes, at))
}

pub(crate) fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(read_array(bytes, at))
}
