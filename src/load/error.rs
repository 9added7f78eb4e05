//! Why a load did not begin, or did not end well, and with which code the process exits.

use std::path::PathBuf;
use std::time::Duration;

use connectors::file::inputs::InputError;
use connectors::file::rejects::RejectsError;
use engine::cluster::ClusterError;
use engine::control::ControlError;
use engine::flow::resume::ResumeError;
use engine::flow::survey::SurveyError;
use engine::flow::to_kafka::FlowError;
use engine::flow::verify::VerifyFailure;
use engine::io::IoSetupError;
use engine::positions::{JobError, StoreError};
use protocol::error_code::ErrorCode;
use thiserror::Error;

use crate::options::Exit;
use crate::reach::ReachError;
use crate::summary::SummaryError;

#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Rejects(#[from] RejectsError),
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// A shard's.
    #[error(transparent)]
    Io(#[from] IoSetupError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(
        "topic {topic} does not exist; create it, or have it created with --create-topic \
         partitions=N,replication=M"
    )]
    TopicMissing { topic: String },
    #[error("topic {topic} cannot be created: {what}")]
    NotCreated { topic: String, what: String },
    #[error("topic {topic} cannot be written to after {} s: {what}", waited.as_secs())]
    TopicUnavailable {
        topic: String,
        what: String,
        waited: Duration,
    },
    #[error(
        "topic {topic} was deleted and made anew while it was being loaded; --restart loads into the \
         new one"
    )]
    TopicReplaced { topic: String },
    #[error("topic {topic}: {what}")]
    TopicRefused { topic: String, what: String },
    #[error(
        "no right to {right} topic {topic}: the cluster's authorizer refuses it to this client; \
         allow its principal {right} on the topic (kafka-acls --add --allow-principal … \
         --operation {right} --topic {topic})"
    )]
    NoRight { topic: String, right: &'static str },
    #[error("the cluster gives no producer id: {error}: {}", error.meaning())]
    NoProducerId { error: ErrorCode },
    #[error(
        "topic {topic} has cleanup.policy={policy}, and lines have no keys: a compacted topic takes \
         records with keys only"
    )]
    Compacted { topic: String, policy: String },
    #[error("--partition {partition}: topic {topic} has partitions 0 to {}", partitions - 1)]
    NoSuchPartition {
        partition: u32,
        topic: String,
        partitions: u32,
    },
    #[error(transparent)]
    State(#[from] StoreError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error("the path of {path} is not UTF-8: it cannot be noted in the state", path = path.display())]
    NotUtf8 { path: PathBuf },
    #[error("{why}")]
    InputChanged { why: String },
    #[error(transparent)]
    Survey(#[from] SurveyError),
    #[error("topic {topic}: {error}")]
    Resume { topic: String, error: ResumeError },
    #[error(transparent)]
    Flow(#[from] FlowError),
    #[error("a shard ended without a report: {0}")]
    Shard(String),
    #[error(
        "{flag} {path} would be read as an input: {argument} holds it, and the next run would take it \
         for records; name a file elsewhere",
        path = path.display()
    )]
    AmongInputs {
        flag: &'static str,
        path: PathBuf,
        argument: String,
    },
    #[error(
        "--verify hash reads the input again to compare, and a pipe can be read but once; --verify count \
         only counts"
    )]
    NotComparable,
    #[error("not verified: {first}{}", also_failed(*others))]
    Unverified {
        first: Box<VerifyFailure>,
        /// Partitions that are not verified either.
        others: usize,
    },
    #[error(transparent)]
    Summary(#[from] SummaryError),
    #[error("cannot handle signals: {0}")]
    Signals(#[source] std::io::Error),
}

impl LoadError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Input(_)
            | Self::NotComparable
            | Self::Io(_)
            | Self::AmongInputs { .. }
            | Self::Compacted { .. }
            | Self::NoSuchPartition { .. }
            | Self::NotUtf8 { .. } => Exit::Usage,
            Self::Job(error) if error.is_usage() => Exit::Usage,
            Self::Rejects(
                RejectsError::NotEmpty { .. }
                | RejectsError::NotRegular { .. }
                | RejectsError::IsInput { .. }
                | RejectsError::Foreign { .. },
            ) => Exit::Usage,
            Self::Reach(error) => error.exit(),
            Self::Unverified { .. } => Exit::Unverified,
            _ => Exit::Failed,
        }
    }
}

fn also_failed(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "; another partition is not verified either, see above".to_owned(),
        more => format!("; {more} other partitions are not verified either, see above"),
    }
}
