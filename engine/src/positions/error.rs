//! What can be wrong with a state file, in the words of the person who must decide what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::identity::FileId;

/// Why a file's bytes cannot be used as a state.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StateDamage {
    /// Neither header copy begins as a state file does.
    #[error(
        "it is no state file of ringmain (its first bytes are another program's); move it away, or \
         --restart to replace it"
    )]
    Foreign,
    /// No byte of it is other than zero.
    #[error("it is empty: nothing was ever stored in it")]
    Blank,
    /// Shorter than its header says.
    #[error(
        "it was cut: {found} bytes are there, {expected} should be; --restart forgets it and \
         begins again"
    )]
    Truncated {
        /// Bytes the geometry asks for.
        expected: u64,
        /// Bytes the file has.
        found: u64,
    },
    /// Longer than its header says: a state file never grows.
    #[error(
        "it has {found} bytes where its header asks for {expected}: something was appended; \
         --restart forgets it and begins again"
    )]
    TooLong {
        /// Bytes the geometry asks for.
        expected: u64,
        /// Bytes the file has.
        found: u64,
    },
    /// Written by a ringmain that says this one must not read it.
    #[error(
        "it has format {format}, which readers below {min_reader} must not touch, and this \
         ringmain reads up to {ours}; use the newer one, or --restart to forget it"
    )]
    Newer {
        /// The file's format.
        format: u32,
        /// The oldest reader that may use it.
        min_reader: u32,
        /// The newest format this program knows.
        ours: u32,
    },
    /// Written in a format that is no longer read.
    #[error(
        "it has format {format}, older than any this ringmain reads ({ours}); finish it with the \
         older one, or --restart to forget it"
    )]
    Older {
        /// The file's format.
        format: u32,
        /// The format this program writes.
        ours: u32,
    },
    /// A state file, but of something else (a dump's where a load's is wanted).
    #[error("it holds state of kind {found} where kind {expected} is wanted")]
    OtherKind {
        /// The kind that was asked for.
        expected: u32,
        /// The kind of the file.
        found: u32,
    },
    /// Parts of two files in one.
    #[error(
        "it is mixed from two files ({expected} and {found}); --restart forgets it and begins again"
    )]
    OtherFile {
        /// The file id of the header.
        expected: FileId,
        /// The other one that was met.
        found: FileId,
    },
    /// Both header copies fail their sums.
    #[error("both copies of its header are damaged; --restart forgets it and begins again")]
    Header,
    /// Both slots of a position fail their sums.
    #[error("both copies of position {index} are damaged; --restart forgets it and begins again")]
    Position {
        /// Which position.
        index: u32,
    },
    /// After a restart of the machine neither synced copy holds.
    #[error(
        "the machine was restarted since, and neither synced copy of the positions holds; \
         --restart forgets it and begins again"
    )]
    Synced,
    /// The sums hold, but what they cover makes no sense.
    #[error("its sums hold but its content makes no sense: {what}; --restart forgets it")]
    Content {
        /// What was wrong.
        what: String,
    },
}

/// What a state file had to be healed of. The answer is whole; the person should still know.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StateWarning {
    /// One header copy failed its sum.
    #[error("one of the two header copies was damaged; the other one was used")]
    Header,
    /// One slot of a position failed its sum: a store was cut by the death of the process.
    #[error("one of the two copies of position {index} was torn; the other one was used")]
    Slot {
        /// Which position.
        index: u32,
    },
    /// One synced copy failed its sum: a sync was cut by the loss of power.
    #[error("one of the two synced copies of the positions was torn; the other one was used")]
    Synced,
    /// The file was there but empty or all zero.
    #[error("the state file was empty; it is taken as new")]
    Blank,
}

/// Why a position store could not be opened, or cannot go on.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A system call failed.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// Somebody else holds the lock.
    #[error(
        "the state file {} is in use by {}; waited {:.1} s for it",
        path.display(), Holder(*pid), waited.as_secs_f64()
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// The process that opened it last, as it wrote into the file.
        pid: Option<u32>,
        /// How long we waited.
        waited: Duration,
    },
    /// A directory, FIFO, device or symbolic link where a state file should be.
    #[error("{} is {what}, not a regular file; a state file is never that", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// The bytes are no usable state.
    #[error("the state file {} cannot be used: {damage}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: StateDamage,
    },
    /// Removed, replaced or cut while we use it.
    #[error("the state file {} was changed while in use: {what}; stopped", path.display())]
    Disturbed {
        /// The file.
        path: PathBuf,
        /// What was seen.
        what: String,
    },
    /// Another thread's sync does not end: the disk hangs, or a checkpoint was kept.
    #[error(
        "cannot sync the state file {}: the sync before is still under way after {} s",
        path.display(), waited.as_secs()
    )]
    SyncUnderWay {
        /// The file.
        path: PathBuf,
        /// How long we waited.
        waited: Duration,
    },
    /// A write failed, and so did the new file made from memory.
    #[error(
        "the state file {} could not be written ({first}) and a new one could not be made \
         ({second}); what was synced before still counts",
        path.display()
    )]
    Failed {
        /// The file.
        path: PathBuf,
        /// What failed first.
        first: String,
        /// Why the replacement failed.
        second: String,
    },
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |cause| Self::Io {
            action,
            path,
            cause,
        }
    }

    pub(crate) fn unusable(path: &Path, damage: StateDamage) -> Self {
        Self::Unusable {
            path: path.to_path_buf(),
            damage,
        }
    }
}

struct Holder(Option<u32>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}
