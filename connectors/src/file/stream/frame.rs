//! The heads of frames: which codec's it is, and what it will take.
//!
//! A head is gathered byte by byte as far as it goes and no further, so that nothing that follows
//! it is ever looked at twice.

use std::hash::Hasher;

use twox_hash::XxHash32;

use super::{Codec, StreamError};

const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
const ZSTD: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
const LZ4: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
/// The first byte of a skippable frame's magic has any low half.
const SKIPPABLE: [u8; 4] = 0x184d_2a50_u32.to_le_bytes();
const SKIPPABLE_HEAD: usize = 8;
/// Magic, flags and block size of lz4; its size, dictionary and checksum follow.
const LZ4_FIXED: usize = 6;
/// zstd's: magic, descriptor, window, dictionary (4), content size (8).
const HEAD_BYTES_MAX: usize = 18;
/// What zstd needs in addition to its window, and so a frame whatever its window.
const ZSTD_SLACK: u64 = 3 * (128 << 10);

/// What a frame's head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    Gzip,
    Zstd {
        /// How far back it refers, as far as it is long.
        window_bytes: u64,
    },
    Lz4(Lz4Frame),
    Skippable {
        bytes: u32,
    },
}

impl Frame {
    pub(super) fn codec(self) -> Codec {
        match self {
            Self::Gzip => Codec::Gzip,
            Self::Zstd { .. } | Self::Skippable { .. } => Codec::Zstd,
            Self::Lz4(_) => Codec::Lz4,
        }
    }

    /// The memory that the frame makes its codec take.
    pub(super) fn memory_bytes(self) -> u64 {
        match self {
            Self::Gzip | Self::Skippable { .. } => 0,
            Self::Zstd { window_bytes } => window_bytes.saturating_add(ZSTD_SLACK),
            Self::Lz4(frame) => frame.memory_bytes() as u64,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lz4Frame {
    /// Blocks refer to those before them.
    pub(super) is_linked: bool,
    pub(super) has_block_checksums: bool,
    pub(super) has_checksum: bool,
    pub(super) content_bytes: Option<u64>,
    pub(super) block_bytes_max: usize,
}

/// Why a frame is refused by its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Unknown,
    Corrupt(Codec, &'static str),
    Dictionary(Codec),
}

impl Refusal {
    pub(super) fn at(self, offset: u64) -> StreamError {
        match self {
            Self::Unknown => StreamError::Unknown { offset },
            Self::Dictionary(codec) => StreamError::Dictionary { codec, offset },
            Self::Corrupt(codec, reason) => StreamError::Corrupt {
                codec,
                offset,
                reason: reason.to_owned(),
            },
        }
    }
}

/// A head as it comes in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Head {
    bytes: [u8; HEAD_BYTES_MAX],
    len: usize,
}

/// What is known of a head of which some bytes are there.
enum Known {
    Frame(Frame),
    /// The head has so many bytes, or more.
    Needs(usize),
}

impl Head {
    /// Whether a frame seems to begin with these bytes.
    pub(super) fn is_one(bytes: &[u8]) -> bool {
        let is_skippable = bytes.first().is_some_and(|first| first >> 4 == 5)
            && bytes.get(1..4) == Some(&SKIPPABLE[1..]);
        bytes.starts_with(&GZIP)
            || bytes.starts_with(&ZSTD)
            || bytes.starts_with(&LZ4)
            || is_skippable
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whose frame begins, if one does: what is gathered is always the start of some head.
    pub(super) fn codec(&self) -> Option<Codec> {
        match self.bytes().first()? {
            first if *first == GZIP[0] => Some(Codec::Gzip),
            first if *first == LZ4[0] => Some(Codec::Lz4),
            _ => Some(Codec::Zstd),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Takes what the head still lacks, and tells how much that was; then what it says, once it is
    /// whole.
    pub(super) fn fill(&mut self, input: &[u8]) -> (usize, Result<Option<Frame>, Refusal>) {
        let mut taken = 0;
        loop {
            let needed = match known(self.bytes()) {
                Ok(Known::Needs(needed)) => needed,
                Ok(Known::Frame(frame)) => return (taken, Ok(Some(frame))),
                Err(refusal) => return (taken, Err(refusal)),
            };
            let bytes = (needed - self.len).min(input.len() - taken);
            if bytes == 0 {
                return (taken, Ok(None));
            }
            self.bytes[self.len..][..bytes].copy_from_slice(&input[taken..][..bytes]);
            self.len += bytes;
            taken += bytes;
        }
    }
}

fn known(head: &[u8]) -> Result<Known, Refusal> {
    let mut magics = [&GZIP[..], &ZSTD, &LZ4].into_iter();
    match head {
        _ if head.starts_with(&GZIP) => Ok(Known::Frame(Frame::Gzip)),
        _ if head.starts_with(&ZSTD) => known_zstd(head),
        _ if head.starts_with(&LZ4) => known_lz4(head),
        _ if Head::is_one(head) => Ok(match head[4..].first_chunk() {
            Some(bytes) => Known::Frame(Frame::Skippable {
                bytes: u32::from_le_bytes(*bytes),
            }),
            None => Known::Needs(SKIPPABLE_HEAD),
        }),
        // One byte more, as long as something may come of it.
        _ if magics.any(|magic| magic.starts_with(head)) || may_be_skippable(head) => {
            Ok(Known::Needs(head.len() + 1))
        }
        _ => Err(Refusal::Unknown),
    }
}

fn may_be_skippable(head: &[u8]) -> bool {
    head.len() < SKIPPABLE.len()
        && head.first().is_some_and(|first| first >> 4 == 5)
        && SKIPPABLE[1..].starts_with(&head[1..])
}

/// RFC 8878, 3.1.1.1.
fn known_zstd(head: &[u8]) -> Result<Known, Refusal> {
    let Some(&descriptor) = head.get(ZSTD.len()) else {
        return Ok(Known::Needs(ZSTD.len() + 1));
    };
    let is_single = descriptor & 0b10_0000 != 0;
    let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 0b11)];
    let size_bytes = match descriptor >> 6 {
        0 if is_single => 1,
        0 => 0,
        log => 1 << log,
    };
    let window_at = ZSTD.len() + 1;
    let dictionary_at = window_at + usize::from(!is_single);
    let size_at = dictionary_at + dictionary_bytes;
    let end = size_at + size_bytes;
    if head.len() < end {
        return Ok(Known::Needs(end));
    }
    if head[dictionary_at..size_at].iter().any(|&byte| byte != 0) {
        return Err(Refusal::Dictionary(Codec::Zstd));
    }
    let mut size = [0; 8];
    size[..size_bytes].copy_from_slice(&head[size_at..end]);
    let size = u64::from_le_bytes(size) + if size_bytes == 2 { 256 } else { 0 };
    let window_bytes = if is_single {
        size
    } else {
        let window = head[window_at];
        let base = 1_u64 << (10 + (window >> 3));
        let window_bytes = base + base / 8 * u64::from(window & 7);
        if size_bytes == 0 {
            window_bytes
        } else {
            window_bytes.min(size)
        }
    };
    Ok(Known::Frame(Frame::Zstd { window_bytes }))
}

/// The LZ4 frame format, "Frame Descriptor".
fn known_lz4(head: &[u8]) -> Result<Known, Refusal> {
    let corrupt = |reason| Err(Refusal::Corrupt(Codec::Lz4, reason));
    let Some(&[flags, block_size]) = head.get(LZ4.len()..LZ4_FIXED).and_then(|at| at.as_array())
    else {
        return Ok(Known::Needs(LZ4_FIXED));
    };
    if flags >> 6 != 1 || flags & 0b10 != 0 || block_size & 0b1000_1111 != 0 {
        return corrupt("the frame is of an unknown version");
    }
    if flags & 1 != 0 {
        return Err(Refusal::Dictionary(Codec::Lz4));
    }
    let has_size = flags & 0b1000 != 0;
    let checksum_at = LZ4_FIXED + if has_size { 8 } else { 0 };
    let Some(&checksum) = head.get(checksum_at) else {
        return Ok(Known::Needs(checksum_at + 1));
    };
    if checksum != (xxh32(&head[LZ4.len()..checksum_at]) >> 8) as u8 {
        return corrupt("the checksum of the frame's head is wrong");
    }
    let block_bytes_max = match block_size >> 4 {
        4 => 64 << 10,
        5 => 256 << 10,
        6 => 1 << 20,
        7 => 4 << 20,
        _ => return corrupt("the frame's block size is unknown"),
    };
    let content_bytes = head[LZ4_FIXED..]
        .first_chunk()
        .filter(|_| has_size)
        .map(|bytes| u64::from_le_bytes(*bytes));
    Ok(Known::Frame(Frame::Lz4(Lz4Frame {
        is_linked: flags & 0b10_0000 == 0,
        has_block_checksums: flags & 0b1_0000 != 0,
        has_checksum: flags & 0b100 != 0,
        content_bytes,
        block_bytes_max,
    })))
}

pub(super) fn xxh32(bytes: &[u8]) -> u32 {
    let mut hasher = XxHash32::with_seed(0);
    hasher.write(bytes);
    hasher.finish_32()
}
