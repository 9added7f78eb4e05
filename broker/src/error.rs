//! Why the broker cannot start or go on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the broker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address is taken, or not ours to listen on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// No thread could be started.
    #[error("cannot start the thread {name}: {source}")]
    Thread {
        /// The thread's name.
        name: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Another broker has the data directory.
    #[error(
        "the data directory {} is in use by another broker{}",
        path.display(),
        holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, where it said so.
        holder: Option<u32>,
    },
    /// A file or directory could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of ours does not hold what we write.
    #[error("{} is damaged at {place}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line or byte.
        place: String,
        /// What is wrong there.
        reason: String,
    },
}

impl BrokerError {
    /// For `map_err`: what was attempted, and on what.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}
