//! The topic as a dump finds it: who leads what, and the offsets that places stand for.

use std::time::Duration;

use engine::control::Control;
use engine::positions::DumpPartition;
use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use protocol::client::metadata::{AclOperation, AuthorizedOperations};
use protocol::error_code::ErrorCode;
use protocol::hot::fetch::IsolationLevel;

use super::error::DumpError;
use super::options::{DumpOptions, Place, Until};
use crate::query::{Question, offsets};

/// Between two questions that wait for the cluster.
const PAUSE: Duration = Duration::from_millis(200);

/// ListOffsets' names for a partition's ends.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

#[derive(Debug)]
pub(super) struct Topic {
    pub(super) cluster_id: String,
    pub(super) name: String,
    pub(super) id: [u8; 16],
    /// The numbers of those that are dumped.
    pub(super) partitions: Vec<u32>,
    pub(super) metadata: MetadataResponse,
}

impl Topic {
    /// How many brokers lead its partitions.
    pub(super) fn leaders(&self) -> usize {
        let topics = self.metadata.topics.iter();
        let partitions = topics.flat_map(|topic| &topic.partitions);
        let mut leaders: Vec<i32> = partitions.map(|p| p.leader_id.0).collect();
        leaders.sort_unstable();
        leaders.dedup();
        leaders.len().max(1)
    }
}

/// Finds the topic, and waits until its partitions have leaders.
pub(super) fn find(control: &mut Control, options: &DumpOptions) -> Result<Topic, DumpError> {
    let waited = options.consumer.api_timeout;
    let deadline = control.now() + waited;
    let name = &options.topic;
    loop {
        let response = control.until(deadline, |control| control.metadata(name))?;
        let topic = response.topics.first().cloned().unwrap_or_default();
        let error = ErrorCode(topic.error_code);
        let what = match error {
            ErrorCode::NONE => match leaderless(&topic) {
                None => return describe(options, response, &topic),
                Some(what) => what,
            },
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
                let topic = name.clone();
                return Err(DumpError::TopicMissing { topic });
            }
            ErrorCode::TOPIC_AUTHORIZATION_FAILED => return Err(no_right(name, "DESCRIBE")),
            error if error.is_retriable() => format!("{error}: {}", error.meaning()),
            error => {
                let topic = name.clone();
                return Err(DumpError::TopicRefused { topic, error });
            }
        };
        if control.now() >= deadline {
            let topic = name.clone();
            return Err(DumpError::TopicUnavailable {
                topic,
                what,
                waited,
            });
        }
        control.pause(PAUSE)?;
    }
}

fn no_right(topic: &str, right: &'static str) -> DumpError {
    let topic = topic.to_owned();
    DumpError::NoRight { topic, right }
}

fn leaderless(topic: &MetadataResponseTopic) -> Option<String> {
    if topic.partitions.is_empty() {
        return Some("it has no partitions yet".to_owned());
    }
    let leaderless = topic.partitions.iter().find(|p| p.leader_id.0 < 0)?;
    Some(format!(
        "partition {} has no leader",
        leaderless.partition_index
    ))
}

fn describe(
    options: &DumpOptions,
    metadata: MetadataResponse,
    topic: &MetadataResponseTopic,
) -> Result<Topic, DumpError> {
    let name = &options.topic;
    let allowed = AuthorizedOperations(topic.topic_authorized_operations);
    if allowed.allows(AclOperation::Read) == Some(false) {
        return Err(no_right(name, "READ"));
    }
    let known = topic
        .partitions
        .iter()
        .map(|p| p.partition_index.cast_unsigned());
    let mut partitions: Vec<u32> = known.collect();
    partitions.sort_unstable();
    if let Some(asked) = &options.partitions {
        if !partitions.contains(&asked.last()) {
            return Err(DumpError::NoSuchPartition {
                asked: asked.to_string(),
                topic: name.clone(),
                partitions: partitions.len(),
            });
        }
        partitions.retain(|&partition| asked.contains(partition));
    }
    let cluster_id = metadata.cluster_id.as_ref();
    Ok(Topic {
        cluster_id: cluster_id.map_or_else(String::new, |id| id.to_string()),
        name: name.clone(),
        id: *topic.topic_id.as_bytes(),
        partitions,
        metadata,
    })
}

/// From where to where each partition is dumped.
pub(super) fn range(
    control: &mut Control,
    options: &DumpOptions,
    topic: &Topic,
) -> Result<Vec<DumpPartition>, DumpError> {
    let mut asking = Asking {
        control,
        options,
        topic,
    };
    let starts = asking.places(options.from)?;
    let ends = match options.until {
        Until::Never => vec![-1; starts.len()],
        Until::Place(place) => asking.places(place)?,
    };
    let all = topic.partitions.iter().zip(starts).zip(ends);
    Ok(all
        .map(|((&number, start), end)| DumpPartition { number, start, end })
        .collect())
}

struct Asking<'a> {
    control: &'a mut Control,
    options: &'a DumpOptions,
    topic: &'a Topic,
}

impl Asking<'_> {
    fn places(&mut self, place: Place) -> Result<Vec<i64>, DumpError> {
        match place {
            Place::Beginning => self.ask(EARLIEST),
            Place::End => self.ask(LATEST),
            Place::Offset(offset) => Ok(vec![offset; self.topic.partitions.len()]),
            Place::BeforeEnd(records) => {
                let ends = self.ask(LATEST)?;
                let starts = self.ask(EARLIEST)?;
                let both = ends.into_iter().zip(starts);
                Ok(both
                    .map(|(end, start)| (end - records).max(start))
                    .collect())
            }
            Place::At(ms) => {
                let mut found = self.ask(ms)?;
                // Nothing is as young: what comes from now on is.
                if found.contains(&-1) {
                    let ends = self.ask(LATEST)?;
                    for (found, end) in found.iter_mut().zip(ends) {
                        if *found < 0 {
                            *found = end;
                        }
                    }
                }
                Ok(found)
            }
        }
    }

    fn ask(&mut self, timestamp: i64) -> Result<Vec<i64>, DumpError> {
        let question = |&partition: &u32| Question {
            topic: self.topic.name.clone(),
            partition: partition.cast_signed(),
            timestamp,
        };
        let questions: Vec<Question> = self.topic.partitions.iter().map(question).collect();
        let is_committed = self.options.consumer.isolation == IsolationLevel::ReadCommitted;
        let timeout = self.options.consumer.api_timeout;
        Ok(offsets(self.control, &questions, is_committed, timeout)?)
    }
}
