//! Bytes that grow at their end and are read by position: a file, or memory.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes that grow at their end. A clone reads the same bytes, so that nobody reads under the lock
/// of the log.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    File(Arc<File>),
    Memory(Arc<RwLock<Vec<u8>>>),
}

impl Body {
    pub(crate) fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        Ok(Self::File(Arc::new(file)))
    }

    pub(crate) fn bytes(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(memory) => {
                Ok(memory.read().unwrap_or_else(PoisonError::into_inner).len() as u64)
            }
        }
    }

    /// Writes the parts one after the other at `position`, which is the end. After an error what
    /// lies behind `position` is not defined: the next write goes over it, and a start cuts it off.
    pub(crate) fn append(&self, position: u64, parts: [&[u8]; 2]) -> io::Result<()> {
        match self {
            Self::File(file) => write_all_at(file, position, parts),
            Self::Memory(memory) => {
                let mut memory = memory.write().unwrap_or_else(PoisonError::into_inner);
                memory.truncate(usize::try_from(position).map_err(io::Error::other)?);
                parts
                    .into_iter()
                    .for_each(|part| memory.extend_from_slice(part));
                Ok(())
            }
        }
    }

    /// Fills `out` with the bytes from `position` on.
    pub(crate) fn read_exact_at(&self, position: u64, out: &mut [u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(out, position),
            Self::Memory(memory) => {
                let memory = memory.read().unwrap_or_else(PoisonError::into_inner);
                let begin = usize::try_from(position).map_err(io::Error::other)?;
                let bytes = memory.get(begin..begin.saturating_add(out.len()));
                out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    pub(crate) fn truncate(&self, bytes: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.set_len(bytes),
            Self::Memory(memory) => {
                let mut memory = memory.write().unwrap_or_else(PoisonError::into_inner);
                memory.truncate(usize::try_from(bytes).map_err(io::Error::other)?);
                Ok(())
            }
        }
    }

    /// Makes what was written survive a power loss.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_data(),
            Self::Memory(_) => Ok(()),
        }
    }
}

fn write_all_at(file: &File, mut position: u64, parts: [&[u8]; 2]) -> io::Result<()> {
    let [mut head, mut rest] = parts;
    while !head.is_empty() {
        let written =
            match rustix::io::pwritev(file, &[IoSlice::new(head), IoSlice::new(rest)], position) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
        position += written as u64;
        let of_head = written.min(head.len());
        head = &head[of_head..];
        rest = &rest[written - of_head..];
    }
    file.write_all_at(rest, position)
}
