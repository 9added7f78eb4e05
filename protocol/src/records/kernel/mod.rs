//! Finds line ends and frames the lines as records, in one pass.
//!
//! A line becomes a record without key and headers:
//!
//! ```text
//! length · 0 (attributes) · 0 (timestamp delta) · offset delta · −1 (no key) · value length
//! · the line · 0 (no headers)
//! ```
//!
//! `scalar` is the definition; the other bodies must write the same bytes and stop at the same
//! place, which the tests hold them to. Invariants of all: input is read only within its slice,
//! output written only within its slice (behind what counts as written it may hold anything), and
//! the search takes time in proportion to the input, however long its lines are.
#![allow(
    unsafe_code,
    reason = "SIMD loads and stores; the scalar twin is the tests' oracle"
)]

mod scalar;

pub(super) mod unframe;

#[cfg(target_arch = "x86_64")]
mod simd;

#[cfg(target_arch = "x86_64")]
mod avx2;

#[cfg(target_arch = "x86_64")]
mod avx512;

use super::varint::unsigned_bytes;

/// The most bytes of a record before its value: three numbers of five bytes, three of one.
pub const PREFIX_BYTES_MAX: usize = 18;
/// The longest value of a record: its length and that of the record around it are `i32`s.
pub const VALUE_BYTES_MAX: usize = i32::MAX as usize - PREFIX_BYTES_MAX - 1;

/// How the kernel works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Safe code for any processor, and the oracle of the others.
    Scalar,
    /// 32 bytes at a time.
    Avx2,
    /// 64 bytes at a time.
    Avx512,
}

impl Level {
    /// The best that this processor can do.
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::Scalar)
    }

    /// Everything that this processor can do, the plainest first.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Scalar, Self::Avx2, Self::Avx512]
            .into_iter()
            .filter(|level| level.is_available())
    }

    /// Whether this processor can do it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }
}

/// Where framing ends, apart from the output's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// A record begins only at an index below this; its end may lie behind.
    pub begin_before: usize,
    /// The end of the input ends a last record without delimiter (no bytes are no record).
    pub input_ends: bool,
    /// The most records to frame.
    pub records_max: u32,
}

/// What was framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed {
    /// The index of the first byte of input that belongs to no framed record.
    pub consumed: usize,
    /// The bytes of output that hold records.
    pub written: usize,
    /// How many records.
    pub records: u32,
    /// Why there are no more.
    pub stop: Stop,
}

/// Why framing stopped. Where several hold, the one named first here is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The next record would begin at or behind [`Bounds::begin_before`], or there is nothing left
    /// of an input that ends.
    Bound,
    /// [`Bounds::records_max`] records are framed, or the next offset delta is not an `i32` any
    /// more.
    Count,
    /// The rest of the input, which may be empty, holds no delimiter, and the input does not end
    /// here.
    Unfinished,
    /// The next record does not fit into what is left of the output.
    Full,
}

/// Frames lines as records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framer {
    delimiter: u8,
    strip_cr: bool,
    level: Level,
}

impl Framer {
    /// A framer for lines that end in `delimiter`, as fast as this processor allows. With
    /// `strip_cr`, a carriage return right before a line's end (the input's end too) is dropped.
    pub fn new(delimiter: u8, strip_cr: bool) -> Self {
        Self {
            delimiter,
            strip_cr,
            level: Level::detect(),
        }
    }

    /// The same, at a given level.
    ///
    /// # Panics
    ///
    /// If this processor cannot do that.
    pub fn with_level(delimiter: u8, strip_cr: bool, level: Level) -> Self {
        assert!(level.is_available(), "this processor has no {level:?}");
        Self {
            delimiter,
            strip_cr,
            level,
        }
    }

    /// The level that was chosen.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Frames the records that begin in `input` into `output`, the first with the offset delta
    /// `first_delta`, until one of the `bounds` or the end of `output` is met.
    pub fn frame(
        &self,
        input: &[u8],
        bounds: Bounds,
        output: &mut [u8],
        first_delta: u32,
    ) -> Framed {
        let deltas_left = (1_u32 << 31).saturating_sub(first_delta);
        let work = Work {
            input,
            begin_end: bounds.begin_before.min(input.len()),
            input_ends: bounds.input_ends,
            records_max: bounds.records_max.min(deltas_left),
            first_delta,
            delimiter: self.delimiter,
            strip_cr: self.strip_cr,
        };
        let mut progress = Progress::default();
        let stop = match self.level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a framer has a level only after `Level::is_available` said yes to it.
            Level::Avx2 => unsafe { avx2::frame(&work, output, &mut progress) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the same.
            Level::Avx512 => unsafe { avx512::frame(&work, output, &mut progress) },
            _ => scalar::frame(&work, output, &mut progress),
        };
        let Progress {
            read,
            written,
            records,
        } = progress;
        // The bodies tell the end of the input as a bound, which it is if the input ends there. If
        // not, a record may begin right there.
        let stop = match stop {
            Stop::Bound if read >= bounds.begin_before || bounds.input_ends => Stop::Bound,
            Stop::Bound if records >= work.records_max => Stop::Count,
            Stop::Bound => Stop::Unfinished,
            stop => stop,
        };
        Framed {
            consumed: read,
            written,
            records,
            stop,
        }
    }

    /// The index of the first delimiter.
    pub fn find(&self, input: &[u8]) -> Option<usize> {
        memchr::memchr(self.delimiter, input)
    }
}

/// What a body is asked to do.
struct Work<'a> {
    input: &'a [u8],
    /// Records begin before this index, which lies within the input.
    begin_end: usize,
    input_ends: bool,
    /// So few that no offset delta exceeds an `i32`.
    records_max: u32,
    first_delta: u32,
    delimiter: u8,
    strip_cr: bool,
}

/// How far a body has come.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    read: usize,
    written: usize,
    records: u32,
}

/// The bytes of a record behind its length: four fields of one byte (attributes, timestamp delta,
/// no key, no headers), the offset delta, the value's length, the value.
fn body_bytes(value_len: usize, delta: u32) -> u64 {
    let value_len = value_len as u64;
    4 + unsigned_bytes(2 * u64::from(delta)) as u64
        + unsigned_bytes(2 * value_len) as u64
        + value_len
}

/// The exact bytes of a record without key and headers, with no timestamp delta. Any
/// `value_len` up to [`VALUE_BYTES_MAX`]; a `delta` up to [`i32::MAX`].
pub fn framed_bytes(value_len: usize, delta: u32) -> usize {
    let body = body_bytes(value_len, delta);
    unsigned_bytes(2 * body) + body as usize
}

/// Writes what stands before the value of a record without key and headers, and returns how many
/// bytes that is. Behind the value comes one byte, 0: no headers.
pub fn record_prefix(value_len: usize, delta: u32, out: &mut [u8; 32]) -> usize {
    assert!(
        value_len <= VALUE_BYTES_MAX,
        "the value is longer than a record can hold"
    );
    assert!(delta <= i32::MAX as u32, "offset deltas are i32s");
    let mut at = write_unsigned(out, 0, 2 * body_bytes(value_len, delta));
    out[at] = 0; // attributes
    out[at + 1] = 0; // timestamp delta
    at = write_unsigned(out, at + 2, 2 * u64::from(delta));
    out[at] = 1; // key length: −1
    write_unsigned(out, at + 1, 2 * value_len as u64)
}

fn write_unsigned(out: &mut [u8; 32], mut at: usize, mut value: u64) -> usize {
    while value >= 0x80 {
        out[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    out[at] = value as u8;
    at + 1
}

#[cfg(test)]
mod tests;
