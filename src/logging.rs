//! Log lines on stderr: never one per record.
//!
//! They go through [`progress::write_stderr`], so that a line and the bar do not run into each
//! other.

use std::io::{self, Write};

use thiserror::Error;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::LogLevel;
use crate::progress;

/// What may be said in the environment: a level, or directives such as `engine=debug,info`.
const VARIABLE: &str = "RINGMAIN_LOG";

#[derive(Debug, Error)]
#[error(
    "the environment's {VARIABLE}={value:?} is neither a level nor a list of target=level: {source}"
)]
pub(crate) struct LoggingError {
    value: String,
    source: ParseError,
}

/// Begins logging: by the flag, else the environment, else what suits the command.
pub(crate) fn start(level: Option<LogLevel>, quiet: bool) -> Result<(), LoggingError> {
    let directives = match (level, std::env::var(VARIABLE)) {
        (Some(level), _) => level.name().to_owned(),
        (None, Ok(value)) if !value.is_empty() => value,
        (None, _) if quiet => "warn".to_owned(),
        (None, _) => "info".to_owned(),
    };
    let filter: Targets = directives.parse().map_err(|source| LoggingError {
        value: directives,
        source,
    })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| Stderr)
        .with_ansi(false)
        .with_target(false);
    tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .init();
    Ok(())
}

impl LogLevel {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Takes whole lines: the subscriber writes each in one piece.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        progress::write_stderr(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
