//! Why a load stops. The state on disk says only what was acknowledged, so each of these can be
//! followed by another start.

use std::io;
use std::path::PathBuf;

use protocol::client::producer::ProducerError;
use protocol::records::compression::LevelError;

use crate::cluster::ClusterError;
use crate::feed::FeedError;
use crate::files::FileError;
use crate::flow::config::LoadConfig;

/// Why a shard stopped before its input's end.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The rings themselves failed.
    #[error("cannot wait for I/O: {0}")]
    Reap(#[source] io::Error),
    /// A file could not be opened, or is another.
    #[error(transparent)]
    File(#[from] FileError),
    /// The codec has no such level.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// A file could not be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file ended before the size it had when the job began.
    #[error(
        "{} was truncated while it was being loaded: it ends at byte {offset}; what was acknowledged \
         is kept, --restart forgets it and loads anew", .path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where it ended.
        offset: u64,
    },
    /// A batch read again was not what it was.
    #[error(
        "{} changed while it was being loaded, at or behind byte {offset}; what was acknowledged is \
         kept, --restart forgets it and loads anew", .path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// Where the batch begins.
        offset: u64,
    },
    /// What is read once could not be read.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// What is read again after a crash is not what it was.
    #[error(
        "the input changed since it was loaded: behind position {position} other records follow than \
         those that were sent; --restart forgets what was loaded and begins anew"
    )]
    OtherRecords {
        /// Where the batch begins.
        position: u64,
    },
    /// A partition cannot go on.
    #[error("topic {topic}, partition {partition}{at}: {error}{said}")]
    Partition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The broker in charge, where that is of interest.
        at: String,
        /// Why.
        error: ProducerError,
        /// What the broker added.
        said: String,
    },
    /// Offsets go back: the topic is another one.
    #[error(
        "topic {topic}, partition {partition}: a batch was given offset {offset}, which is not behind \
         {expected}: the topic was deleted and made anew, or lost data; --restart loads into it anew"
    )]
    TopicReplaced {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset given.
        offset: i64,
        /// The last one known.
        expected: i64,
    },
    /// The topic or the cluster is not what it was.
    #[error("topic {topic}: {error}")]
    Cluster {
        /// The topic.
        topic: String,
        /// What is wrong.
        error: ClusterError,
    },
    /// A refused record could not be noted, or is one too many.
    #[error("{reason}")]
    Reject {
        /// Why.
        reason: String,
    },
    /// The state could not be made durable.
    #[error("cannot sync the state file: {reason}")]
    State {
        /// Why.
        reason: String,
    },
}

impl FlowError {
    pub(super) fn producer(config: &LoadConfig, partition: u32, error: ProducerError) -> Self {
        Self::producer_at(config, partition, error, String::new())
    }

    pub(super) fn producer_at(
        config: &LoadConfig,
        partition: u32,
        error: ProducerError,
        at: String,
    ) -> Self {
        Self::Partition {
            topic: config.topic.clone(),
            partition,
            at,
            error,
            said: String::new(),
        }
    }

    pub(super) fn refused(
        config: &LoadConfig,
        partition: u32,
        error: ProducerError,
        message: Option<String>,
    ) -> Self {
        let said = match &error {
            ProducerError::Fatal(code) => {
                let said = message.map_or_else(String::new, |message| format!(" ({message})"));
                format!(": {}{said}", code.meaning())
            }
            _ => String::new(),
        };
        Self::Partition {
            topic: config.topic.clone(),
            partition,
            at: String::new(),
            error,
            said,
        }
    }
}
