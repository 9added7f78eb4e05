//! The records of a batch compressed as one piece, in the framing that Kafka's clients agree on.
//!
//! | codec | framing |
//! |---|---|
//! | gzip | a gzip stream |
//! | snappy | snappy-java's: a header, then blocks of 32 KiB; a raw buffer is read too |
//! | lz4 | an LZ4 frame: independent blocks of 64 KiB, no checksums but the header's |
//! | zstd | a Zstandard frame |
//!
//! A [`Compressor`] and a [`Decompressor`] are made once and used for batch after batch. Compressed
//! bytes come from outside: what they claim to become is never believed, memory grows with what has
//! come out, and a cap in bytes holds for each batch.

mod gzip;
mod lz4;
mod snappy;
mod zstd;

use std::fmt;

use super::header::Compression;

/// A level that a codec does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{compression} has no level {level}: expected {expected}")]
pub struct LevelError {
    /// The codec.
    pub compression: Compression,
    /// The level that was asked for.
    pub level: i32,
    /// What it has.
    pub expected: &'static str,
}

/// Why records were not compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompressError {
    /// The output is too small. One of [`Compressor::bound`] bytes never is.
    #[error("cannot compress {input} bytes with {compression} into {output}: they do not fit")]
    NoRoom {
        /// The codec.
        compression: Compression,
        /// The bytes to be compressed.
        input: usize,
        /// The room for them.
        output: usize,
    },
    /// The codec's own error, by its own name.
    #[error("cannot compress with {compression}: {reason}")]
    Codec {
        /// The codec.
        compression: Compression,
        /// What it says.
        reason: &'static str,
    },
}

/// Why records were not decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// More comes out than was allowed.
    #[error("cannot decompress with {compression}: more than the {limit} bytes allowed come out")]
    TooLarge {
        /// The codec.
        compression: Compression,
        /// The bytes that were allowed.
        limit: usize,
    },
    /// The bytes are not what the codec makes.
    #[error("cannot decompress with {compression}: {reason} (at byte {position} or before)")]
    Corrupt {
        /// The codec.
        compression: Compression,
        /// How far the bytes had been taken.
        position: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// Compresses batch after batch with one codec.
pub struct Compressor {
    codec: Codec,
}

enum Codec {
    None,
    Gzip(flate2::Compress),
    Snappy(Box<snappy::Encoder>),
    Lz4(lz4::Encoder),
    Zstd(::zstd::zstd_safe::CCtx<'static>),
}

impl Compressor {
    /// A compressor at the given level, which is `compression.<codec>.level`'s, or at Kafka's
    /// default. Snappy has no levels, and of LZ4's only the default, the fast one, is implemented.
    pub fn new(compression: Compression, level: Option<i32>) -> Result<Self, LevelError> {
        let check = |allowed: &[std::ops::RangeInclusive<i32>], expected| match level {
            Some(level) if !allowed.iter().any(|range| range.contains(&level)) => Err(LevelError {
                compression,
                level,
                expected,
            }),
            level => Ok(level),
        };
        let codec = match compression {
            Compression::None => {
                check(&[], "none, for it does not compress")?;
                Codec::None
            }
            Compression::Gzip => Codec::Gzip(gzip::encoder(check(
                &[-1..=-1, 1..=9],
                "-1 (the default) or 1 to 9",
            )?)),
            Compression::Snappy => {
                check(&[], "none, for it has no levels")?;
                Codec::Snappy(Box::new(snappy::encoder()))
            }
            Compression::Lz4 => {
                check(&[9..=9], "9, the default; the others are not implemented")?;
                Codec::Lz4(lz4::encoder())
            }
            Compression::Zstd => {
                Codec::Zstd(zstd::encoder(check(&[-131_072..=22], "-131072 to 22")?))
            }
        };
        Ok(Self { codec })
    }

    /// The codec.
    pub fn compression(&self) -> Compression {
        match self.codec {
            Codec::None => Compression::None,
            Codec::Gzip(_) => Compression::Gzip,
            Codec::Snappy(_) => Compression::Snappy,
            Codec::Lz4(_) => Compression::Lz4,
            Codec::Zstd(_) => Compression::Zstd,
        }
    }

    /// The bytes that `input_bytes` need at most while they are compressed.
    pub fn bound(&self, input_bytes: usize) -> usize {
        match self.codec {
            Codec::None => input_bytes,
            Codec::Gzip(_) => gzip::bound(input_bytes),
            Codec::Snappy(_) => snappy::bound(input_bytes),
            Codec::Lz4(_) => lz4::bound(input_bytes),
            Codec::Zstd(_) => zstd::bound(input_bytes),
        }
    }

    /// Compresses `input` into `output`, and returns the bytes written. The rest of `output` may
    /// hold anything afterwards.
    pub fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize, CompressError> {
        let compression = self.compression();
        let result = match &mut self.codec {
            Codec::None => copy(input, output),
            Codec::Gzip(encoder) => gzip::compress(encoder, input, output),
            Codec::Snappy(encoder) => snappy::compress(encoder, input, output),
            Codec::Lz4(encoder) => lz4::compress(encoder, input, output),
            Codec::Zstd(context) => zstd::compress(context, input, output),
        };
        result.map_err(|refusal| match refusal {
            Refusal::NoRoom => CompressError::NoRoom {
                compression,
                input: input.len(),
                output: output.len(),
            },
            Refusal::Codec(reason) => CompressError::Codec {
                compression,
                reason,
            },
        })
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compressor({})", self.compression())
    }
}

/// A [`CompressError`] before the codec is named.
enum Refusal {
    NoRoom,
    Codec(&'static str),
}

fn copy(input: &[u8], output: &mut [u8]) -> Result<usize, Refusal> {
    output
        .get_mut(..input.len())
        .ok_or(Refusal::NoRoom)?
        .copy_from_slice(input);
    Ok(input.len())
}

/// Decompresses batch after batch, of any codec, into a buffer of its own. The buffer grows to the
/// largest batch there was.
#[derive(Default)]
pub struct Decompressor {
    buffer: Vec<u8>,
    gzip: Option<flate2::Decompress>,
    zstd: Option<::zstd::zstd_safe::DCtx<'static>>,
}

impl Decompressor {
    /// A decompressor that has no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the last [`decompress`](Self::decompress) of compressed bytes brought, and whatever lies
    /// behind it in the buffer: to go on where its answer could not be kept.
    pub fn decompressed(&self) -> &[u8] {
        &self.buffer
    }

    /// What `section` becomes, which must be at most `limit` bytes. Not compressed, it is what it
    /// is, however long.
    pub fn decompress<'a>(
        &'a mut self,
        compression: Compression,
        section: &'a [u8],
        limit: usize,
    ) -> Result<&'a [u8], DecompressError> {
        let mut output = Output {
            buffer: &mut self.buffer,
            bytes: 0,
            limit,
        };
        let mut input = Input {
            bytes: section,
            at: 0,
        };
        let result = match compression {
            Compression::None => return Ok(section),
            Compression::Gzip => gzip::decompress(&mut self.gzip, &mut input, &mut output),
            Compression::Snappy => snappy::decompress(&mut input, &mut output),
            Compression::Lz4 => lz4::decompress(&mut input, &mut output),
            Compression::Zstd => zstd::decompress(&mut self.zstd, &mut input, &mut output),
        };
        let bytes = output.bytes;
        match result {
            Ok(()) => Ok(&self.buffer[..bytes]),
            Err(Fault::TooLarge) => Err(DecompressError::TooLarge { compression, limit }),
            Err(Fault::Corrupt(reason)) => Err(DecompressError::Corrupt {
                compression,
                position: input.at,
                reason,
            }),
        }
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decompressor({} bytes)", self.buffer.len())
    }
}

/// A [`DecompressError`] before codec, limit and position are named.
enum Fault {
    TooLarge,
    Corrupt(&'static str),
}

const TRUNCATED: Fault = Fault::Corrupt("the bytes end early");

/// Compressed bytes on their way in.
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let taken = self.rest().get(..count).ok_or(TRUNCATED)?;
        self.at += count;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let taken = *self.rest().first_chunk().ok_or(TRUNCATED)?;
        self.at += N;
        Ok(taken)
    }
}

/// Decompressed bytes on their way out: a buffer that keeps what it grew to, of which the first
/// `bytes` are filled.
struct Output<'a> {
    buffer: &'a mut Vec<u8>,
    bytes: usize,
    limit: usize,
}

impl Output<'_> {
    /// Room for `wanted` more bytes, or as many as it takes to see that the limit is passed, which
    /// is one more than that. Never none.
    fn room(&mut self, wanted: usize) -> &mut [u8] {
        let end = self
            .bytes
            .saturating_add(wanted.max(1))
            .min(self.limit.saturating_add(1));
        if end > self.buffer.len() {
            self.buffer.resize(end, 0);
        }
        &mut self.buffer[self.bytes..end]
    }

    /// The room that the buffer has anyway, and some more: as much again as came out already.
    fn more_room(&mut self, input: &Input<'_>) -> &mut [u8] {
        let grown = self.bytes.max(4 * input.bytes.len()).max(4096);
        let there = self.buffer.len().saturating_sub(self.bytes);
        self.room(if there > 0 { there } else { grown })
    }

    /// Counts bytes that were put into the room.
    fn fill(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes += bytes;
        if self.bytes > self.limit {
            Err(Fault::TooLarge)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
