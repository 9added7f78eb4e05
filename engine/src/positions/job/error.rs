//! Why a job cannot be started as asked, and what its person should know.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::positions::error::{StateWarning, StoreError};

/// Why a job's state cannot be opened.
#[derive(Debug, Error)]
pub enum JobError {
    /// The file itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Neither `--state` nor a home directory.
    #[error(
        "there is no place for the state: neither XDG_STATE_HOME nor HOME names an absolute \
         directory; name one with --state DIR"
    )]
    NoDirectory,
    /// The directory of the states cannot be made.
    #[error("cannot make the directory {} for the state: {cause}", path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// Others came first every time, and were gone when we looked.
    #[error("the state file {} is made and removed by others all the time", path.display())]
    Contended {
        /// The file.
        path: PathBuf,
    },
    /// Two jobs with the same hash, or a file that was renamed.
    #[error(
        "the state file {} belongs to another job ({what}); move it away, or use another --state",
        path.display()
    )]
    OtherJob {
        /// The file.
        path: PathBuf,
        /// How the file's job differs.
        what: String,
    },
    /// The same name, another topic.
    #[error(
        "topic {topic} was deleted and made again since this job was started; what was loaded \
         before is gone with the old one; --restart loads everything into the new one"
    )]
    OtherTopic {
        /// Its name.
        topic: String,
    },
    /// The same name, another topic, where the old one was being dumped.
    #[error(
        "topic {topic} was deleted and made again since this dump was started; what is left of the \
         dump cannot be read any more; --restart dumps the new one"
    )]
    OtherDumpedTopic {
        /// Its name.
        topic: String,
    },
    /// What was frozen at the first start is asked for differently.
    #[error(
        "this job was started with {frozen} and is now asked to run with {asked}; run it as it \
         was started, or forget it with --restart"
    )]
    Frozen {
        /// How it was started.
        frozen: String,
        /// How it was started now.
        asked: String,
    },
    /// The input is not what it was.
    #[error(
        "the input {} has changed since this job was started: {what}; --restart forgets the job \
         and loads it as it is now", path.display()
    )]
    Input {
        /// Which file.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// The input could not be looked at.
    #[error("cannot compare the input {} with what it was: {cause}", path.display())]
    InputUnreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}

impl JobError {
    /// Whether the command line is what has to change (exit code 2), rather than the world.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Frozen { .. } | Self::NoDirectory)
    }
}

/// What does not stop a job, but should be known.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JobWarning {
    /// A damaged copy had a whole one beside it.
    #[error("{0}")]
    State(StateWarning),
    /// The machine was restarted in the middle of the job.
    #[error(
        "the machine was restarted since; going on from the last sync, and asking the broker \
         what arrived after it"
    )]
    Restarted,
    /// Another job's state names one of our inputs and our topic.
    #[error(
        "{} was {} into this topic by another job (state {}); loading it again doubles its records",
        input, if *finished { "loaded" } else { "loaded in part" }, state.display()
    )]
    AlsoLoaded {
        /// The input both have.
        input: String,
        /// The other job's state file.
        state: PathBuf,
        /// Whether that job was finished.
        finished: bool,
    },
}
