//! Why a dump did not begin, or did not end well, and with which code the process exits.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use engine::cluster::ClusterError;
use engine::control::ControlError;
use engine::flow::from_kafka::DumpError as FlowError;
use engine::io::IoSetupError;
use engine::positions::{JobError, StoreError};
use protocol::error_code::ErrorCode;
use thiserror::Error;

use crate::options::Exit;
use crate::query::QueryError;
use crate::reach::ReachError;
use crate::summary::SummaryError;

#[derive(Debug, Error)]
pub(crate) enum DumpError {
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error(transparent)]
    Io(#[from] IoSetupError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Offsets(#[from] QueryError),
    #[error("topic {topic} does not exist; `ringmain -L` shows which do")]
    TopicMissing { topic: String },
    #[error("topic {topic} cannot be read after {} s: {what}", waited.as_secs())]
    TopicUnavailable {
        topic: String,
        what: String,
        waited: Duration,
    },
    #[error("topic {topic}: {error}: {}", error.meaning())]
    TopicRefused { topic: String, error: ErrorCode },
    #[error(
        "no right to {right} topic {topic}: the cluster's authorizer refuses it to this client; \
         allow its principal {right} on the topic (kafka-acls --add --allow-principal … \
         --operation {right} --topic {topic})"
    )]
    NoRight { topic: String, right: &'static str },
    #[error("--partitions {asked}: topic {topic} has partitions 0 to {}", partitions - 1)]
    NoSuchPartition {
        asked: String,
        topic: String,
        partitions: usize,
    },
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("the path {} is not UTF-8: it cannot be noted in the state", .0.display())]
    NotUtf8(PathBuf),
    #[error("{} is a directory; name a file in it", .0.display())]
    Directory(PathBuf),
    #[error(
        "{} exists, and no dump is known that it is the output of; --append writes behind what it \
         holds, --overwrite replaces it", .0.display()
    )]
    Exists(PathBuf),
    #[error(
        "{} is being written to by another process, which holds its lock", .0.display()
    )]
    Locked(PathBuf),
    #[error(
        "{} is not the file that this dump was writing: {what}; --restart forgets the dump and \
         begins again", path.display()
    )]
    Foreign { path: PathBuf, what: String },
    #[error("{why}")]
    Disturbed { why: String },
    #[error(transparent)]
    State(#[from] StoreError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error("the state file {} is made and removed by others all the time", .0.display())]
    Contended(PathBuf),
    #[error(transparent)]
    Flow(#[from] FlowError),
    #[error("the shard ended without a report: {0}")]
    Shard(String),
    #[error(transparent)]
    Summary(#[from] SummaryError),
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
}

impl DumpError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Reach(error) => error.exit(),
            Self::Io(_)
            | Self::NoSuchPartition { .. }
            | Self::NotUtf8(_)
            | Self::Directory(_)
            | Self::Exists(_) => Exit::Usage,
            Self::Job(error) if error.is_usage() => Exit::Usage,
            _ => Exit::Failed,
        }
    }

    /// A file operation that failed, as `map_err` wants it.
    pub(crate) fn file(
        what: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }
}
