//! The input's files, opened when they are read and checked against what they were.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::input::Input;
use crate::io::{FileId, Io};

/// Files open at a time: chunks go through the input in order, so few are needed.
const OPEN_MAX: usize = 32;

/// Why an input file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be opened.
    #[error("cannot open {}: {source}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not the file that it was.
    #[error("{} was replaced by another file while it was being loaded (inode {expected}, now {found}); {RESTART}", .path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
        /// Its inode when the job began.
        expected: u64,
        /// Its inode now.
        found: u64,
    },
    /// It is shorter than it was.
    #[error("{} was truncated while it was being loaded: it is {found} bytes long, and was {expected}; {RESTART}", .path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its size when the job began.
        expected: u64,
        /// Its size now.
        found: u64,
    },
}

const RESTART: &str = "what was acknowledged is kept, --restart forgets it and loads anew";

#[derive(Debug)]
pub(crate) struct Files {
    input: Arc<Input>,
    /// Oldest use first.
    open: VecDeque<(usize, FileId)>,
}

impl Files {
    pub(crate) fn new(input: Arc<Input>) -> Self {
        Self {
            input,
            open: VecDeque::new(),
        }
    }

    /// The file, open for reading.
    pub(crate) fn open(&mut self, io: &mut Io, file: usize) -> Result<FileId, FileError> {
        if let Some(at) = self.open.iter().position(|&(open, _)| open == file) {
            let entry = self.open.remove(at).expect("it was found there");
            self.open.push_back(entry);
            return Ok(entry.1);
        }
        let known = &self.input.files()[file];
        let opened = File::open(&known.path).map_err(|source| FileError::Open {
            path: known.path.clone(),
            source,
        })?;
        // Twice the readahead. A file that is not cached took 0.34 s for 0.4 GB with it, 0.54 s without
        // (`benches/cold.rs`): fewer reads find their pages still on the way. Only advice: it may fail.
        rustix::fs::fadvise(&opened, 0, None, rustix::fs::Advice::Sequential).ok();
        let metadata = opened.metadata().map_err(|source| FileError::Open {
            path: known.path.clone(),
            source,
        })?;
        if (metadata.dev(), metadata.ino()) != (known.device, known.inode) {
            return Err(FileError::Replaced {
                path: known.path.clone(),
                expected: known.inode,
                found: metadata.ino(),
            });
        }
        if metadata.len() < known.size {
            return Err(FileError::Truncated {
                path: known.path.clone(),
                expected: known.size,
                found: metadata.len(),
            });
        }
        if self.open.len() >= OPEN_MAX
            && let Some((_, oldest)) = self.open.pop_front()
        {
            io.remove_file(oldest);
        }
        let id = io.add_file(OwnedFd::from(opened));
        self.open.push_back((file, id));
        Ok(id)
    }
}
