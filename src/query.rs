//! `ringmain -Q`, `ringmain query`: the offsets at which topics stood at a time, in the shape that kcat
//! gave them, as text and as JSON.
//!
//! What differs from kcat on purpose: a topic or partition that does not exist is an error, not offset 0;
//! times may be written as ISO 8601; and the answer comes sorted however it was asked.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use engine::control::{Control, ControlError, To};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use protocol::error_code::ErrorCode;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::moment::parse_moment;
use crate::options::{ClusterOptions, Exit};
use crate::reach::{ReachError, reach};

/// Between two questions that wait for the cluster.
const PAUSE: Duration = Duration::from_millis(200);

/// `ringmain query`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueryOptions {
    pub(crate) cluster: ClusterOptions,
    /// At least one; sorted, and of each partition one.
    pub(crate) questions: Vec<Question>,
    /// Records of transactions that are still open count.
    pub(crate) is_uncommitted: bool,
    pub(crate) json: bool,
}

/// `topic:partition:timestamp`, as kcat writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// Milliseconds, or what ListOffsets calls the ends: −1 the latest, −2 the earliest offset.
    pub(crate) timestamp: i64,
}

impl std::str::FromStr for Question {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        let [topic, partition, at] = parts[..] else {
            return Err(format!(
                "{text:?} is not topic:partition:timestamp, such as logs:0:-1 (the end), logs:0:-2 \
                 (the beginning) or logs:0:2026-11-21T15:00:00Z"
            ));
        };
        let partition = partition
            .parse::<u32>()
            .ok()
            .and_then(|partition| i32::try_from(partition).ok())
            .ok_or_else(|| format!("{partition:?} in {text:?} is no number of a partition"))?;
        let timestamp = match at {
            "-1" | "end" | "latest" => -1,
            "-2" | "beginning" | "earliest" => -2,
            at => parse_moment(at)?,
        };
        Ok(Self {
            topic: topic.to_owned(),
            partition,
            timestamp,
        })
    }
}

#[derive(Debug, Error)]
pub(crate) enum QueryError {
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("topic {topic}: {error}: {}", error.meaning())]
    Topic { topic: String, error: ErrorCode },
    #[error("topic {topic} has no partition {partition}, it has {}", match partitions {
        0 => "none".to_owned(),
        1 => "partition 0 only".to_owned(),
        more => format!("partitions 0 to {}", more - 1),
    })]
    NoPartition {
        topic: String,
        partition: i32,
        partitions: usize,
    },
    #[error("partition {partition} of topic {topic}: {error}: {}", error.meaning())]
    Partition {
        topic: String,
        partition: i32,
        error: ErrorCode,
    },
    #[error("cannot write to stdout: {0}")]
    Output(#[source] io::Error),
}

impl QueryError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Reach(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}

pub(crate) fn run(options: &QueryOptions, out: &mut dyn Write) -> Result<(), QueryError> {
    let cluster = &options.cluster;
    let mut reached = reach(&cluster.target, &cluster.producer, cluster.io)?;
    let offsets = offsets(
        &mut reached.control,
        &options.questions,
        !options.is_uncommitted,
        cluster.producer.block_max,
    )?;
    let written = if options.json {
        write_json(&options.questions, &offsets, out)
    } else {
        write_text(&options.questions, &offsets, out)
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(QueryError::Output(error)),
        _ => Ok(()),
    }
}

/// The answers to questions that are sorted by topic, each asked of the partition's leader.
pub(crate) fn offsets(
    control: &mut Control,
    questions: &[Question],
    is_committed: bool,
    timeout: Duration,
) -> Result<Vec<i64>, QueryError> {
    Asking {
        control,
        questions,
        offsets: vec![None; questions.len()],
        isolation: i8::from(is_committed),
    }
    .ask(timeout)
}

fn write_text(questions: &[Question], offsets: &[i64], out: &mut dyn Write) -> io::Result<()> {
    for (question, offset) in questions.iter().zip(offsets) {
        let Question {
            topic, partition, ..
        } = question;
        writeln!(out, "{topic} [{partition}] offset {offset}")?;
    }
    Ok(())
}

fn write_json(questions: &[Question], offsets: &[i64], out: &mut dyn Write) -> io::Result<()> {
    let mut topics = Map::new();
    for (question, offset) in questions.iter().zip(offsets) {
        let topic = &question.topic;
        let empty = || json!({"topic": topic});
        let shown = topics.entry(topic.clone()).or_insert_with(empty);
        shown[question.partition.to_string()] =
            json!({"partition": question.partition, "offset": offset});
    }
    writeln!(out, "{}", Value::Object(topics))
}

/// Who is asked for which answer, until all are there.
struct Asking<'a> {
    control: &'a mut Control,
    questions: &'a [Question],
    offsets: Vec<Option<i64>>,
    isolation: i8,
}

impl Asking<'_> {
    fn ask(mut self, timeout: Duration) -> Result<Vec<i64>, QueryError> {
        let deadline = self.control.now() + timeout;
        loop {
            let mut failure = None;
            for (leader, asked) in self.leaders(deadline, &mut failure)? {
                self.ask_leader(deadline, leader, &asked, &mut failure)?;
            }
            match failure {
                None => break,
                // A leader that moves, or has just been made, needs a moment.
                Some((_, error)) if error.is_retriable() && self.control.now() < deadline => {
                    self.control.pause(PAUSE)?;
                }
                Some((index, error)) => return Err(self.refused(index, error)),
            }
        }
        let offset = |offset: Option<i64>| offset.expect("no answer is missing without a failure");
        Ok(self.offsets.into_iter().map(offset).collect())
    }

    fn refused(&self, index: usize, error: ErrorCode) -> QueryError {
        let Question {
            topic, partition, ..
        } = self.questions[index].clone();
        QueryError::Partition {
            topic,
            partition,
            error,
        }
    }

    /// The questions without an answer, by the leader to ask.
    fn leaders(
        &mut self,
        deadline: Instant,
        failure: &mut Option<(usize, ErrorCode)>,
    ) -> Result<Vec<(i32, Vec<usize>)>, QueryError> {
        let mut by_leader: Vec<(i32, Vec<usize>)> = Vec::new();
        let open: Vec<usize> = (0..self.questions.len())
            .filter(|&index| self.offsets[index].is_none())
            .collect();
        let same_topic =
            |a: &usize, b: &usize| self.questions[*a].topic == self.questions[*b].topic;
        for indexes in open.chunk_by(same_topic) {
            let name = &self.questions[indexes[0]].topic;
            let response = self
                .control
                .until(deadline, |control| control.metadata(name))?;
            let topic = response.topics.first().cloned().unwrap_or_default();
            let error = ErrorCode(topic.error_code);
            // A topic that is not there is retriable to a producer, which may be early; not here.
            if !error.is_none() && error != ErrorCode::LEADER_NOT_AVAILABLE {
                let topic = name.clone();
                return Err(QueryError::Topic { topic, error });
            }
            for &index in indexes {
                let number = self.questions[index].partition;
                let mut partitions = topic.partitions.iter();
                let known = partitions.find(|known| known.partition_index == number);
                match known {
                    Some(known) if known.leader_id.0 >= 0 => {
                        let leader = known.leader_id.0;
                        match by_leader.iter_mut().find(|(of, _)| *of == leader) {
                            Some((_, asked)) => asked.push(index),
                            None => by_leader.push((leader, vec![index])),
                        }
                    }
                    Some(_) => *failure = Some((index, ErrorCode::LEADER_NOT_AVAILABLE)),
                    None if error.is_none() => {
                        return Err(QueryError::NoPartition {
                            topic: name.clone(),
                            partition: number,
                            partitions: topic.partitions.len(),
                        });
                    }
                    None => *failure = Some((index, error)),
                }
            }
        }
        Ok(by_leader)
    }

    fn ask_leader(
        &mut self,
        deadline: Instant,
        leader: i32,
        asked: &[usize],
        failure: &mut Option<(usize, ErrorCode)>,
    ) -> Result<(), QueryError> {
        let same_topic =
            |a: &usize, b: &usize| self.questions[*a].topic == self.questions[*b].topic;
        let topics = asked.chunk_by(same_topic).map(|indexes| {
            let partitions = indexes.iter().map(|&index| {
                ListOffsetsPartition::default()
                    .with_partition_index(self.questions[index].partition)
                    .with_current_leader_epoch(-1)
                    .with_timestamp(self.questions[index].timestamp)
            });
            let name = StrBytes::from_string(self.questions[indexes[0]].topic.clone());
            ListOffsetsTopic::default()
                .with_name(TopicName(name))
                .with_partitions(partitions.collect())
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(self.isolation)
            .with_topics(topics.collect());
        let response = self.control.until(deadline, |control| {
            control.call(To::Broker(leader), &request)
        })?;
        for &index in asked {
            let question = &self.questions[index];
            let of_topic = response
                .topics
                .iter()
                .filter(|topic| topic.name.as_str() == question.topic);
            let answer: Option<&ListOffsetsPartitionResponse> = of_topic
                .flat_map(|topic| &topic.partitions)
                .find(|answer| answer.partition_index == question.partition);
            let error = answer.map_or(ErrorCode::UNKNOWN_SERVER_ERROR, |answer| {
                ErrorCode(answer.error_code)
            });
            match answer {
                Some(answer) if error.is_none() => self.offsets[index] = Some(answer.offset),
                _ => *failure = Some((index, error)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(topic: &str, partition: i32, timestamp: i64) -> Question {
        Question {
            topic: topic.to_owned(),
            partition,
            timestamp,
        }
    }

    #[test]
    fn questions_are_typed_as_in_kcat_and_as_iso_8601() {
        let check = |text: &str, partition, timestamp| {
            let expected = question("a.b", partition, timestamp);
            assert_eq!(text.parse::<Question>(), Ok(expected), "{text}");
        };
        check("a.b:0:-1", 0, -1);
        check("a.b:7:-2", 7, -2);
        check("a.b:7:end", 7, -1);
        check("a.b:7:beginning", 7, -2);
        check("a.b:0:1700000000000", 0, 1_700_000_000_000);
        check("a.b:0:2023-11-14T22:13:20Z", 0, 1_700_000_000_000);
        check("a.b:0:@2023-11-14T22:13:20Z", 0, 1_700_000_000_000);
        let refused = |text: &str, expected: &str| {
            let error = text.parse::<Question>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        refused("a", "is not topic:partition:timestamp");
        refused("a:0", "is not topic:partition:timestamp");
        refused("a:x:-1", "is no number of a partition");
        refused("a:-1:-1", "is no number of a partition");
        refused("a:2147483648:-1", "is no number of a partition");
        refused("a:0:-3", "is no moment");
        refused("a:0:", "is no moment");
    }

    #[test]
    fn answers_have_the_shape_of_kcats() {
        let questions = [
            question("a", 0, -1),
            question("a", 2, -1),
            question("b", 0, 5),
        ];
        let offsets = [42, 0, -1];
        let mut out = Vec::new();
        write_text(&questions, &offsets, &mut out).unwrap();
        let expected = "a [0] offset 42\na [2] offset 0\nb [0] offset -1\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut out = Vec::new();
        write_json(&questions, &offsets, &mut out).unwrap();
        let value: Value = serde_json::from_slice(&out).unwrap();
        let expected = json!({
            "a": {"topic": "a", "0": {"partition": 0, "offset": 42},
                  "2": {"partition": 2, "offset": 0}},
            "b": {"topic": "b", "0": {"partition": 0, "offset": -1}},
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn a_missing_partition_is_told_from_those_that_are_there() {
        let text = |partitions| {
            let error = QueryError::NoPartition {
                topic: "a".to_owned(),
                partition: 9,
                partitions,
            };
            error.to_string()
        };
        assert_eq!(
            text(3),
            "topic a has no partition 9, it has partitions 0 to 2"
        );
        assert_eq!(
            text(1),
            "topic a has no partition 9, it has partition 0 only"
        );
    }
}
