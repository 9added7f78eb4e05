//! The bytes of inputs that are read from their beginning: files, standard input, pipes, decompressed
//! where that is needed, one behind the other.
//!
//! Positions count what comes out. A file without compression is read from where it is asked for; of
//! anything else the beginning is read and left out.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use engine::feed::{Feed, FeedError, Filled};

use super::stream::{Decompressor, HEAD_BYTES, Kind, State, may_be_compressed};

/// Compressed bytes are read so many at a time.
const COMPRESSED_BYTES: usize = 256 << 10;

/// One input of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A regular file, or as much of it as belongs to the input.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its inode.
        inode: u64,
        /// Its bytes, compressed or not.
        size: u64,
        /// Whether it is decompressed.
        is_compressed: bool,
    },
    /// A pipe or device that is read once.
    Once {
        /// Where it is.
        path: PathBuf,
    },
    /// Standard input.
    StandardInput,
}

impl Source {
    /// Whether it is decompressed, as far as that is known before it is read.
    pub fn may_be_compressed(&self) -> bool {
        match self {
            Self::File { is_compressed, .. } => *is_compressed,
            Self::Once { .. } | Self::StandardInput => true,
        }
    }

    /// The bytes that come out of it, where that is known before it is read.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::File {
                size,
                is_compressed: false,
                ..
            } => Some(*size),
            _ => None,
        }
    }
}

/// Reads sources one behind the other.
#[derive(Debug)]
pub struct SourceFeed {
    sources: Vec<Source>,
    memory_bytes: usize,
    /// The source being read, and how it is.
    index: usize,
    open: Option<Open>,
    position: u64,
    file_offset: u64,
    /// Bytes that come out before this position are left out.
    from: u64,
}

#[derive(Debug)]
struct Open {
    bytes: Bytes,
    decompressor: Option<Box<Compressed>>,
}

#[derive(Debug)]
enum Bytes {
    File {
        file: File,
        at: u64,
        end: u64,
    },
    Once(File),
    StandardInput,
    /// What was read to see what it is, then the rest.
    Begun {
        head: Vec<u8>,
        rest: Box<Self>,
    },
}

#[derive(Debug)]
struct Compressed {
    decompressor: Decompressor,
    buffer: Box<[u8]>,
    range: Range<usize>,
    has_ended: bool,
}

impl SourceFeed {
    /// What comes out of `sources` from position `from` on. Decompressing may take `memory_bytes`.
    pub fn new(sources: Vec<Source>, from: u64, memory_bytes: usize) -> Self {
        let mut feed = Self {
            sources,
            memory_bytes,
            index: 0,
            open: None,
            position: 0,
            file_offset: 0,
            from,
        };
        feed.skip_files();
        feed
    }

    /// Files that are read as they are need not be read to be passed.
    fn skip_files(&mut self) {
        while let Some(Source::File {
            size,
            is_compressed: false,
            ..
        }) = self.sources.get(self.index)
        {
            let is_last = self.index + 1 == self.sources.len();
            if self.position + size > self.from || is_last {
                self.file_offset = (self.from - self.position).min(*size);
                self.position += self.file_offset;
                return;
            }
            self.position += size;
            self.index += 1;
        }
    }

    fn name(&self) -> String {
        match &self.sources[self.index] {
            Source::File { path, .. } | Source::Once { path } => path.display().to_string(),
            Source::StandardInput => "standard input".to_owned(),
        }
    }

    fn failed(&self, error: &io::Error) -> FeedError {
        FeedError(format!("cannot read {}: {error}", self.name()))
    }

    fn open(&self) -> Result<Open, FeedError> {
        let (bytes, is_compressed) = match &self.sources[self.index] {
            Source::File {
                path,
                inode,
                size,
                is_compressed,
            } => {
                let file = File::open(path).map_err(|error| self.failed(&error))?;
                let found = file.metadata().map_err(|error| self.failed(&error))?;
                if found.ino() != *inode {
                    return Err(FeedError(format!(
                        "{} was replaced by another file since it was loaded from; --restart \
                         forgets what was acknowledged and loads anew",
                        path.display()
                    )));
                }
                let at = if *is_compressed { 0 } else { self.file_offset };
                let end = *size;
                (Bytes::File { file, at, end }, *is_compressed)
            }
            Source::Once { path } => {
                let file = File::open(path).map_err(|error| self.failed(&error))?;
                self.begin(Bytes::Once(file), Some(path))?
            }
            Source::StandardInput => self.begin(Bytes::StandardInput, None)?,
        };
        Ok(Open {
            bytes,
            decompressor: is_compressed.then(|| Box::new(Compressed::new(self.memory_bytes))),
        })
    }

    /// Looks at what is read once to see what it is.
    fn begin(&self, mut rest: Bytes, path: Option<&Path>) -> Result<(Bytes, bool), FeedError> {
        let mut head = vec![0; HEAD_BYTES];
        let mut filled = 0;
        // Only what could be compressed is waited for: a person may type a line of three bytes.
        while filled < head.len() {
            let bytes = rest
                .read(&mut head[filled..])
                .map_err(|error| self.failed(&error))?;
            filled += bytes;
            if bytes == 0 || !may_be_compressed(&head[..filled]) {
                break;
            }
        }
        head.truncate(filled);
        let is_compressed = match Kind::of(&head, path) {
            Kind::Plain => false,
            Kind::Compressed => true,
            Kind::Unsupported(name) => {
                return Err(FeedError(format!(
                    "{} is compressed ({name}), which is not supported: gzip, zstd and lz4 are",
                    self.name()
                )));
            }
        };
        let rest = Box::new(rest);
        Ok((Bytes::Begun { head, rest }, is_compressed))
    }

    /// Bytes that come out next, and whether the source ends behind them.
    fn read(&mut self, buffer: &mut [u8]) -> Result<(usize, bool), FeedError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let read = open.read(buffer, || self.name());
        self.open = Some(open);
        read
    }
}

impl Feed for SourceFeed {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled, FeedError> {
        loop {
            let (mut bytes, ends_file) = self.read(buffer)?;
            let (mut position, mut file_offset) = (self.position, self.file_offset);
            self.position += bytes as u64;
            self.file_offset += bytes as u64;
            let file = self.index;
            if ends_file {
                self.open = None;
                self.index += 1;
                self.file_offset = 0;
            }
            let ends_input = self.index == self.sources.len();
            if position < self.from {
                let left_out = (self.from - position).min(bytes as u64);
                let left_out_here = usize::try_from(left_out).expect("of a buffer");
                buffer.copy_within(left_out_here..bytes, 0);
                bytes -= left_out_here;
                position += left_out;
                file_offset += left_out;
                if bytes == 0 && position < self.from && !ends_input {
                    continue;
                }
            }
            if ends_input && position < self.from {
                return Err(FeedError(format!(
                    "the input ends at position {position}, before what was loaded from it; \
                     --restart forgets what was acknowledged and loads anew"
                )));
            }
            return Ok(Filled {
                bytes,
                file,
                position,
                file_offset,
                ends_file,
                ends_input,
            });
        }
    }
}

impl Open {
    fn read(
        &mut self,
        buffer: &mut [u8],
        name: impl Fn() -> String,
    ) -> Result<(usize, bool), FeedError> {
        match &mut self.decompressor {
            Some(compressed) => compressed.read(&mut self.bytes, buffer, name),
            None => {
                let failed = |error| FeedError(format!("cannot read {}: {error}", name()));
                let bytes = self.bytes.read(buffer).map_err(failed)?;
                Ok((bytes, bytes == 0 || self.bytes.is_at_end()))
            }
        }
    }
}

impl Bytes {
    /// Waits for bytes once; 0 at the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::File { file, at, end } => {
                    let left = usize::try_from(*end - *at).unwrap_or(usize::MAX);
                    let room = buffer.len().min(left);
                    match file.read_at(&mut buffer[..room], *at) {
                        Ok(0) if room > 0 => Err(io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            format!("it was truncated to {at} bytes while it was being loaded"),
                        )),
                        Ok(bytes) => {
                            *at += bytes as u64;
                            Ok(bytes)
                        }
                        Err(error) => Err(error),
                    }
                }
                Self::Once(file) => file.read(buffer),
                Self::StandardInput => io::stdin().lock().read(buffer),
                Self::Begun { head, rest } if head.is_empty() => rest.read(buffer),
                Self::Begun { head, .. } => {
                    let bytes = head.len().min(buffer.len());
                    buffer[..bytes].copy_from_slice(&head[..bytes]);
                    head.drain(..bytes);
                    Ok(bytes)
                }
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// Known without another read.
    fn is_at_end(&self) -> bool {
        matches!(self, Self::File { at, end, .. } if at == end)
    }
}

impl Compressed {
    fn new(memory_bytes: usize) -> Self {
        Self {
            decompressor: Decompressor::new(memory_bytes),
            buffer: vec![0; COMPRESSED_BYTES].into_boxed_slice(),
            range: 0..0,
            has_ended: false,
        }
    }

    fn read(
        &mut self,
        bytes: &mut Bytes,
        output: &mut [u8],
        name: impl Fn() -> String,
    ) -> Result<(usize, bool), FeedError> {
        let mut produced = 0;
        loop {
            let input = &self.buffer[self.range.clone()];
            let step = self
                .decompressor
                .read(input, &mut output[produced..])
                .map_err(|error| FeedError(format!("{}: {error}", name())))?;
            self.range.start += step.consumed;
            produced += step.produced;
            if step.state == State::NeedsRoom {
                return Ok((produced, false));
            }
            if self.has_ended {
                self.decompressor
                    .finish()
                    .map_err(|error| FeedError(format!("{}: {error}", name())))?;
                return Ok((produced, true));
            }
            // What came out is not held back for what may be long in coming.
            if produced > 0 {
                return Ok((produced, false));
            }
            let read = bytes
                .read(&mut self.buffer)
                .map_err(|error| FeedError(format!("cannot read {}: {error}", name())))?;
            self.range = 0..read;
            self.has_ended = read == 0;
        }
    }
}
