//! Which body to use: what the user asked for, or the best that this host allows.

use std::fmt;
use std::io;
use std::str::FromStr;

use super::uring::{Uring, UringError};
use super::{Io, Poll};

/// What the user asked for: `--io auto|uring|uring:basic|poll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// io_uring if the host lets us, else poll.
    #[default]
    Auto,
    /// io_uring with whatever the kernel has, or an error.
    Uring,
    /// io_uring with nothing that is newer than Linux 5.7: how the steps down are tested.
    UringBasic,
    /// mio.
    Poll,
}

/// The body that was chosen, for one log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// `uring`, `uring:basic` or `poll`.
    pub body: &'static str,
    /// In half a sentence.
    pub why: String,
}

/// No I/O can be had as asked.
#[derive(Debug, thiserror::Error)]
pub enum IoSetupError {
    /// The event loop of the fallback could not be made.
    #[error("cannot set up polling: {0}")]
    Poll(#[from] io::Error),
    /// io_uring was asked for and cannot be had.
    #[error("{0}; --io poll does without")]
    Uring(#[from] UringError),
}

/// Not a value of `--io`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown way of doing I/O {0:?}: give auto, uring, uring:basic or poll")]
pub struct UnknownChoice(String);

impl FromStr for Choice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        match text {
            "auto" => Ok(Self::Auto),
            "uring" => Ok(Self::Uring),
            "uring:basic" => Ok(Self::UringBasic),
            "poll" => Ok(Self::Poll),
            _ => Err(UnknownChoice(text.to_owned())),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Uring => "uring",
            Self::UringBasic => "uring:basic",
            Self::Poll => "poll",
        })
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.body, self.why)
    }
}

pub(super) fn make(choice: Choice) -> Result<(Io, Chosen), IoSetupError> {
    match choice {
        Choice::Auto => match Uring::new(false) {
            Ok(uring) => Ok(with_uring(uring, "the best that this kernel has")),
            Err(error) => Ok(with_poll(Poll::new()?, error.to_string())),
        },
        Choice::Uring => Ok(with_uring(Uring::new(false)?, "asked for")),
        Choice::UringBasic => Ok(with_uring(Uring::new(true)?, "asked for")),
        Choice::Poll => Ok(with_poll(Poll::new()?, "asked for".to_owned())),
    }
}

fn with_uring(uring: Uring, reason: &str) -> (Io, Chosen) {
    let features = uring.features();
    let body = if features.is_basic() {
        "uring:basic"
    } else {
        "uring"
    };
    let why = format!("{reason}: {features}");
    (Io::Uring(Box::new(uring)), Chosen { body, why })
}

fn with_poll(poll: Poll, why: String) -> (Io, Chosen) {
    (Io::Poll(Box::new(poll)), Chosen { body: "poll", why })
}
