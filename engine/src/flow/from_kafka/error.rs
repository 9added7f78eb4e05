//! Why reading a topic, or writing what was read, stops. The state on disk says only what was
//! written, so each of these can be followed by another start.

use std::io;
use std::path::PathBuf;

use protocol::client::fetcher::FetchFailure;

use crate::cluster::ClusterError;

/// Why reading stops.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The rings themselves failed.
    #[error("cannot wait for I/O: {0}")]
    Reap(#[source] io::Error),
    /// The topic or the cluster is not what it was.
    #[error("topic {topic}: {error}")]
    Cluster {
        /// The topic.
        topic: String,
        /// What is wrong.
        error: ClusterError,
    },
    /// The topic is another one.
    #[error(
        "topic {topic} was deleted and made anew while it was being read; what was read of the old \
         one is kept, --restart begins with the new one"
    )]
    TopicReplaced {
        /// The topic.
        topic: String,
    },
    /// A partition cannot be read any further.
    #[error("topic {topic}, partition {partition}{leader}: {failure}")]
    Partition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Who leads it, where that is of interest.
        leader: String,
        /// Why.
        failure: FetchFailure,
    },
}

/// Why a dump stops before its end.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// Reading.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file could not be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Whoever reads the stream has gone.
    #[error("nobody reads {name} any more")]
    Gone {
        /// What it is called.
        name: &'static str,
    },
}
