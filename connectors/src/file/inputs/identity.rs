//! What a file is recognised by: device, inode, size, and the CRC of its first bytes; and what may
//! have become of it since.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crc_fast::{CrcAlgorithm, checksum};
use rustix::fs::OFlags;

use super::InputError;
use crate::file::stream;

/// So many bytes, or as many as the file had, are in the CRC.
const HEAD_BYTES: u64 = 1024;

/// A file as it was when it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Absolute, without symbolic links.
    pub path: PathBuf,
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    /// CRC-32C of the first KiB, or of all of a smaller file. What is appended later is not in it:
    /// compare over the first `min(size, 1024)` bytes.
    pub first_kib_crc: u32,
    pub kind: InputKind,
}

/// How an input is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// By position.
    Plain,
    /// From its beginning, decompressed.
    Compressed,
    /// Once: a pipe or a device. It has no size, and nothing to recognise it by.
    Once,
    /// Once: standard input.
    StandardInput,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Another file is at its path.
    Replaced,
    /// Nothing is at its path.
    Removed,
    Truncated {
        was: u64,
        is: u64,
    },
    /// Its first bytes are others.
    Rewritten,
    /// Nothing but more bytes at its end.
    Grown {
        was: u64,
        is: u64,
    },
}

impl InputFile {
    /// Standard input.
    pub fn standard_input() -> Self {
        Self::read_once(PathBuf::from("-"), InputKind::StandardInput)
    }

    fn read_once(path: PathBuf, kind: InputKind) -> Self {
        Self {
            path,
            device: 0,
            inode: 0,
            size: 0,
            first_kib_crc: 0,
            kind,
        }
    }

    /// Whether it can be read again after a crash.
    pub fn is_rereadable(&self) -> bool {
        matches!(self.kind, InputKind::Plain | InputKind::Compressed)
    }

    /// A pipe or device that is named; what a pattern or a directory holds must be a file.
    pub fn named(path: &Path) -> Result<Self, InputError> {
        let failed = |source| InputError::Read {
            path: path.to_owned(),
            source,
        };
        let kind = fs::metadata(path).map_err(failed)?.file_type();
        // A shell's `<(…)` has no canonical path. Endless devices are no input.
        if kind.is_fifo() {
            return Ok(Self::read_once(path.to_owned(), InputKind::Once));
        }
        Ok(Self::open(path)?.0)
    }

    /// Opens and recognises a file, and refuses what is none.
    pub fn open(path: &Path) -> Result<(Self, File), InputError> {
        let failed = |source| InputError::Read {
            path: path.to_owned(),
            source,
        };
        // First, for a pipe of a shell's `<(…)` has no canonical path.
        refuse_irregular(path, &fs::metadata(path).map_err(failed)?)?;
        let canonical = fs::canonicalize(path).map_err(failed)?;
        if canonical.starts_with("/proc") || canonical.starts_with("/sys") {
            return Err(InputError::Kernel { path: canonical });
        }
        // Opening a pipe that came in between would wait for somebody to write into it.
        let mut options = OpenOptions::new();
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = options
            .read(true)
            .custom_flags(flags)
            .open(&canonical)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        refuse_irregular(path, &metadata)?;
        let head = read_head(&file, metadata.len()).map_err(failed)?;
        let kind = match stream::Kind::of(&head, Some(&canonical)) {
            // An empty file of any name holds no record.
            _ if head.is_empty() => InputKind::Plain,
            stream::Kind::Plain => InputKind::Plain,
            stream::Kind::Compressed => InputKind::Compressed,
            stream::Kind::Unsupported(format) => {
                let path = path.to_owned();
                return Err(InputError::Compressed { path, format });
            }
        };
        let input = Self {
            path: canonical,
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            first_kib_crc: crc(&head),
            kind,
        };
        Ok((input, file))
    }

    /// Compares the file that was opened, and what is at its path now, with what was recorded. Of
    /// several changes the gravest is told.
    pub fn changed(&self, file: &File) -> io::Result<Option<Change>> {
        let metadata = file.metadata()?;
        let is_same = |m: &fs::Metadata| (m.dev(), m.ino()) == (self.device, self.inode);
        if !is_same(&metadata) {
            return Ok(Some(Change::Replaced));
        }
        match fs::metadata(&self.path) {
            Ok(at_path) if !is_same(&at_path) => return Ok(Some(Change::Replaced)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(Change::Removed));
            }
            Err(error) => return Err(error),
        }
        let (was, is) = (self.size, metadata.len());
        if is < was {
            return Ok(Some(Change::Truncated { was, is }));
        }
        if crc(&read_head(file, was)?) != self.first_kib_crc {
            return Ok(Some(Change::Rewritten));
        }
        Ok((is > was).then_some(Change::Grown { was, is }))
    }
}

pub(super) fn refuse_irregular(path: &Path, metadata: &fs::Metadata) -> Result<(), InputError> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else if kind.is_dir() {
        "a directory"
    } else {
        "no regular file"
    };
    let path = path.to_owned();
    Err(InputError::NotRegular { path, what })
}

/// The first KiB of a file that is `size` bytes long, or less if it was cut meanwhile.
fn read_head(file: &File, size: u64) -> io::Result<Vec<u8>> {
    let wanted = usize::try_from(size.min(HEAD_BYTES)).expect("at most a KiB");
    let mut head = vec![0; wanted];
    let mut filled = 0;
    while filled < wanted {
        match file.read_at(&mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    Ok(head)
}

fn crc(bytes: &[u8]) -> u32 {
    u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, bytes)).expect("a CRC of 32 bits")
}
