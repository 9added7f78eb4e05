//! Compressed inputs, recognised by what they begin with and decompressed piece by piece.
//!
//! | codec | specification |
//! |---|---|
//! | gzip | RFC 1952; members one behind the other; zeros behind the last one are padding |
//! | zstd | RFC 8878; frames one behind the other, skippable frames in between |
//! | lz4 | the LZ4 frame format, 1.6.3; likewise |
//!
//! [`Decompressor::read`] takes what there is of the compressed bytes and fills what there is of
//! the output: no I/O, no thread, and no memory that the input could make grow: what a frame claims
//! to need is compared with a limit before it is taken. At the end of the input,
//! [`Decompressor::finish`] tells whether it was whole. Every frame is recognised by itself, so
//! frames of several codecs may follow one another too.

mod frame;
mod gzip;
mod lz4;
mod zstd;

use std::fmt;
use std::path::Path;

use thiserror::Error;

use frame::{Frame, Head};
use gzip::Gzip;
use lz4::Lz4;
use zstd::Zstd;

/// So many bytes from an input's start tell what it is.
pub const HEAD_BYTES: usize = 10;

/// How an input is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    Gzip,
    Zstd,
    Lz4,
}

impl Codec {
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Plain,
    /// For a [`Decompressor`].
    Compressed,
    /// Compressed in a way that is not implemented, by its usual name.
    Unsupported(&'static str),
}

impl Kind {
    /// What the input is that begins with `head`: at least [`HEAD_BYTES`], or all of it. The name
    /// decides only where the bytes do not: what is named `.gz` and does not begin as gzip is then
    /// refused by the decompressor, and not loaded as lines.
    pub fn of(head: &[u8], path: Option<&Path>) -> Self {
        const UNSUPPORTED: [(&[u8], &str); 3] = [
            (b"\xfd7zXZ\0", "xz"),
            (b"\x02\x21\x4c\x18", "lz4's legacy format"),
            // With the size that follows `BZh` left to itself, text could begin so.
            (b"\x31\x41\x59\x26\x53\x59", "bzip2"),
        ];
        for (magic, name) in UNSUPPORTED {
            let from = if name == "bzip2" { 4 } else { 0 };
            let begins = head.get(from..).is_some_and(|rest| rest.starts_with(magic));
            if begins && (from == 0 || head.starts_with(b"BZh")) {
                return Self::Unsupported(name);
            }
        }
        let extension = path.and_then(|path| path.extension()?.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            _ if Head::is_one(head) => Self::Compressed,
            Some("gz" | "gzip" | "zst" | "zstd" | "lz4") => Self::Compressed,
            Some("xz") => Self::Unsupported("xz"),
            Some("bz2") => Self::Unsupported("bzip2"),
            _ => Self::Plain,
        }
    }
}

/// Whether an input that begins with `head`, which is shorter than [`HEAD_BYTES`], could yet turn out to be
/// compressed: whether more of it must be waited for.
pub fn may_be_compressed(head: &[u8]) -> bool {
    const MAGICS: [&[u8]; 6] = [
        b"\x1f\x8b",
        b"\x28\xb5\x2f\xfd",
        b"\x04\x22\x4d\x18",
        b"\xfd7zXZ\0",
        b"\x02\x21\x4c\x18",
        b"BZh",
    ];
    let begins = |magic: &[u8]| {
        let common = magic.len().min(head.len());
        magic[..common] == head[..common]
    };
    let is_skippable = head.first().is_none_or(|first| first & 0xf0 == 0x50)
        && begins(&[*head.first().unwrap_or(&0x50), 0x2a, 0x4d, 0x18]);
    is_skippable || MAGICS.into_iter().any(begins)
}

/// Why a compressed input cannot be read. Offsets count the compressed bytes from the start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StreamError {
    #[error("the {codec} data is broken at compressed byte {offset} or shortly before: {reason}")]
    Corrupt {
        codec: Codec,
        offset: u64,
        reason: String,
    },
    #[error("the {codec} data ends early, at compressed byte {offset}: the input is cut off")]
    Truncated { codec: Codec, offset: u64 },
    #[error("the input is empty, but by its name it is compressed")]
    Empty,
    #[error("no gzip, zstd or lz4 data begins at compressed byte {offset}, where it should")]
    Unknown { offset: u64 },
    #[error(
        "the {codec} frame at compressed byte {offset} takes {needed} bytes of memory to \
         decompress, and {allowed} are allowed: raise --memory"
    )]
    Memory {
        codec: Codec,
        offset: u64,
        needed: u64,
        allowed: usize,
    },
    #[error(
        "the {codec} frame at compressed byte {offset} was made with a dictionary, which is not \
         supported: decompress it beforehand"
    )]
    Dictionary { codec: Codec, offset: u64 },
}

/// What one [`Decompressor::read`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// Bytes of the output that are filled.
    pub produced: usize,
    pub state: State,
}

/// What a [`Decompressor`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All of the input is taken, and everything that came out of it was given.
    NeedsInput,
    /// The output is full. More may come out, even without further input.
    NeedsRoom,
}

/// Decompresses one input after the other. Contexts are made when they are first needed, and kept.
pub struct Decompressor {
    memory_bytes_max: usize,
    at: At,
    head: Head,
    /// The codec of the frame before, or of this one.
    codec: Option<Codec>,
    consumed: u64,
    produced: u64,
    gzip: Option<Gzip>,
    zstd: Option<Zstd>,
    lz4: Option<Box<Lz4>>,
}

/// Where the input stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Between frames, or within a frame's head.
    Head,
    Skippable {
        left: u32,
    },
    Body(Codec),
}

/// What a codec found wrong, before the offset is named.
struct Fault(String);

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

/// What a codec did with the body of a frame.
struct Advance {
    consumed: usize,
    produced: usize,
    is_end: bool,
}

impl Decompressor {
    /// A decompressor that takes at most `memory_bytes_max` for a frame: for zstd its window, for
    /// lz4 its blocks. (gzip takes about 50 KB.)
    pub fn new(memory_bytes_max: usize) -> Self {
        Self {
            memory_bytes_max,
            at: At::Head,
            head: Head::default(),
            codec: None,
            consumed: 0,
            produced: 0,
            gzip: None,
            zstd: None,
            lz4: None,
        }
    }

    /// Forgets the input, for another one to begin.
    pub fn reset(&mut self) {
        self.at = At::Head;
        self.head = Head::default();
        self.codec = None;
        (self.consumed, self.produced) = (0, 0);
    }

    /// Compressed bytes that are done with.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Bytes that came out.
    pub fn produced(&self) -> u64 {
        self.produced
    }

    /// Decompresses from `input`, which goes on where the last call's `consumed` ended, into
    /// `output`, until one of them is used up.
    pub fn read(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, StreamError> {
        let mut step = Step {
            consumed: 0,
            produced: 0,
            state: State::NeedsInput,
        };
        loop {
            let rest = &input[step.consumed..];
            let room = &mut output[step.produced..];
            let advance = match self.at {
                At::Head => self.read_head(rest)?,
                At::Skippable { left } => self.skip(rest, left),
                At::Body(codec) => self.read_body(codec, rest, room)?,
            };
            step.consumed += advance.consumed;
            step.produced += advance.produced;
            self.consumed += advance.consumed as u64;
            self.produced += advance.produced as u64;
            if advance.is_end {
                self.at = At::Head;
                self.head = Head::default();
            }
            // A codec that was given room and left some of it has nothing more to give.
            let is_drained = !matches!(self.at, At::Body(_)) || step.produced < output.len();
            if step.consumed == input.len() && is_drained {
                return Ok(step);
            }
            if step.produced == output.len() && matches!(self.at, At::Body(_)) {
                step.state = State::NeedsRoom;
                return Ok(step);
            }
        }
    }

    /// To be called when there is no more input: an error if it ended within a frame.
    pub fn finish(&self) -> Result<(), StreamError> {
        let offset = self.consumed;
        let codec = match self.at {
            At::Head if offset == 0 => return Err(StreamError::Empty),
            At::Head => match self.head.codec() {
                Some(codec) => codec,
                None => return Ok(()),
            },
            At::Skippable { .. } => Codec::Zstd,
            At::Body(codec) => codec,
        };
        Err(StreamError::Truncated { codec, offset })
    }

    fn read_head(&mut self, input: &[u8]) -> Result<Advance, StreamError> {
        let mut consumed = 0;
        if self.head.is_empty() && self.codec == Some(Codec::Gzip) {
            consumed = input.iter().take_while(|&&byte| byte == 0).count();
        }
        let frame_at = self.consumed + consumed as u64 - self.head.len() as u64;
        let (taken, frame) = self.head.fill(&input[consumed..]);
        consumed += taken;
        let frame = frame.map_err(|refusal| refusal.at(frame_at))?;
        match frame {
            None => {}
            Some(Frame::Skippable { bytes }) => self.at = At::Skippable { left: bytes },
            Some(frame) => self.open(frame, frame_at)?,
        }
        let is_empty = matches!(self.at, At::Skippable { left: 0 });
        Ok(Advance {
            consumed,
            produced: 0,
            is_end: is_empty,
        })
    }

    /// Begins a frame whose head is known.
    fn open(&mut self, frame: Frame, offset: u64) -> Result<(), StreamError> {
        let codec = frame.codec();
        let needed = frame.memory_bytes();
        if needed > self.memory_bytes_max as u64 {
            return Err(StreamError::Memory {
                codec,
                offset,
                needed,
                allowed: self.memory_bytes_max,
            });
        }
        let opened = match frame {
            Frame::Gzip => self.gzip.get_or_insert_default().open(self.head.bytes()),
            Frame::Zstd { .. } => self.zstd.get_or_insert_default().open(self.head.bytes()),
            Frame::Lz4(frame) => {
                self.lz4.get_or_insert_default().open(frame);
                Ok(())
            }
            Frame::Skippable { .. } => unreachable!("it is no codec's"),
        };
        opened.map_err(|fault| fault.at(codec, offset))?;
        self.codec = Some(codec);
        self.at = At::Body(codec);
        Ok(())
    }

    fn skip(&mut self, input: &[u8], left: u32) -> Advance {
        let bytes = input.len().min(left as usize);
        let left = left - bytes as u32;
        self.at = At::Skippable { left };
        Advance {
            consumed: bytes,
            produced: 0,
            is_end: left == 0,
        }
    }

    fn read_body(
        &mut self,
        codec: Codec,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Advance, StreamError> {
        const OPENED: &str = "a frame's codec is made when the frame is opened";
        let result = match codec {
            Codec::Gzip => self.gzip.as_mut().expect(OPENED).read(input, output),
            Codec::Zstd => self.zstd.as_mut().expect(OPENED).read(input, output),
            Codec::Lz4 => self.lz4.as_mut().expect(OPENED).read(input, output),
        };
        result.map_err(|fault| fault.at(codec, self.consumed))
    }
}

impl Fault {
    fn at(self, codec: Codec, offset: u64) -> StreamError {
        StreamError::Corrupt {
            codec,
            offset,
            reason: self.0,
        }
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor")
            .field("at", &self.at)
            .field("consumed", &self.consumed)
            .field("produced", &self.produced)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
