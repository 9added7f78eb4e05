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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_read_as_it_is_written() {
        for choice in [
            Choice::Auto,
            Choice::Uring,
            Choice::UringBasic,
            Choice::Poll,
        ] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        let error = "epoll".parse::<Choice>().unwrap_err();
        let expected = "unknown way of doing I/O \"epoll\": give auto, uring, uring:basic or poll";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_was_chosen_is_said_with_its_reason() {
        let (io, chosen) = Io::new(Choice::Poll).unwrap();
        assert_eq!(chosen.to_string(), "poll (asked for)");
        assert!(io.describe().starts_with("poll"));
        let (_, chosen) = Io::new(Choice::Auto).unwrap();
        assert!(
            ["uring", "uring:basic", "poll"].contains(&chosen.body),
            "{chosen}"
        );
        assert!(!chosen.why.is_empty());
    }
}
