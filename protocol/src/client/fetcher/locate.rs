//! A position that the log does not hold: where the log begins and ends is asked for, and then the
//! policy decides.
//!
//! ListOffsets (key 2), versions 6 to 10; timestamps −2 and −1 stand for the beginning and the end.

use std::time::Instant;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, ListOffsetsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::partition::State;
use super::{
    FetchEvent, FetchFailure, FetchId, FetchTrouble, Fetcher, InFlight, OffsetReset,
    PartitionIndex, Position,
};
use crate::error_code::ErrorCode;
use crate::hot::fetch::IsolationLevel;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

impl Fetcher {
    /// A question for the ends of logs to `broker`, to be ended with
    /// [`handle_offsets`](Self::handle_offsets) or [`handle_lost`](Self::handle_lost). It goes
    /// before a Fetch.
    pub fn poll_offsets(
        &mut self,
        now: Instant,
        broker: i32,
        (lane, lanes): (usize, usize),
    ) -> Option<(FetchId, ListOffsetsRequest)> {
        let mut topics: Vec<(usize, ListOffsetsTopic)> = Vec::new();
        let mut asked = Vec::new();
        for (index, partition) in self.partitions.iter().enumerate() {
            let State::Locating { start } = partition.state else {
                continue;
            };
            if index % lanes != lane || !partition.is_due(now, broker) {
                continue;
            }
            let timestamp = if start.is_none() { EARLIEST } else { LATEST };
            let wanted = ListOffsetsPartition::default()
                .with_partition_index(partition.number)
                .with_current_leader_epoch(-1)
                .with_timestamp(timestamp);
            let found = topics.iter_mut().find(|(t, _)| *t == partition.topic);
            match found {
                Some((_, topic)) => topic.partitions.push(wanted),
                None => {
                    let name = StrBytes::from_string(self.topics[partition.topic].0.clone());
                    let topic = ListOffsetsTopic::default()
                        .with_name(TopicName(name))
                        .with_partitions(vec![wanted]);
                    topics.push((partition.topic, topic));
                }
            }
            asked.push((PartitionIndex(index), partition.position.offset));
        }
        let id = self.begin(broker, asked)?;
        let is_committed = self.settings.isolation == IsolationLevel::ReadCommitted;
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(i8::from(is_committed))
            .with_topics(topics.into_iter().map(|(_, topic)| topic).collect());
        Some((id, request))
    }

    /// The ends came.
    pub fn handle_offsets(&mut self, now: Instant, id: FetchId, response: &ListOffsetsResponse) {
        let InFlight { broker, asked } = self.end(id);
        for (index, _) in asked {
            let partition = &self.partitions[index.0];
            let State::Locating { start } = partition.state else {
                continue;
            };
            let name = self.topics[partition.topic].0.as_str();
            let of_topic = response
                .topics
                .iter()
                .filter(|topic| topic.name.as_str() == name);
            let mut answers = of_topic.flat_map(|topic| &topic.partitions);
            let Some(answer) = answers.find(|answer| answer.partition_index == partition.number)
            else {
                self.partitions[index.0].fail(now, FetchTrouble::Malformed { broker });
                self.back_off(now, index);
                continue;
            };
            let error = ErrorCode(answer.error_code);
            if error == ErrorCode::OFFSET_OUT_OF_RANGE {
                // It makes no sense here, and asking again the same would have no end.
                self.stop(index, FetchFailure::Refused { error });
            } else if !error.is_none() {
                self.handle_error(now, index, broker, error);
            } else if let Some(start) = start {
                self.settle(index, start, answer.offset);
            } else {
                let start = Some(answer.offset.max(0));
                self.partitions[index.0].state = State::Locating { start };
            }
        }
    }

    /// What becomes of a position outside of a log from `start` to `end`.
    fn settle(&mut self, index: PartitionIndex, start: i64, end: i64) {
        let partition = &mut self.partitions[index.0];
        let Position { offset, epoch } = partition.position;
        if (start..=end).contains(&offset) && epoch < 0 {
            // It is there by now.
            partition.state = State::Fetching;
            return;
        }
        let to = match self.settings.reset {
            OffsetReset::Fail => {
                let failure = if offset < start {
                    FetchFailure::BelowStart { offset, start }
                } else if offset > end {
                    FetchFailure::BehindEnd { offset, end }
                } else {
                    // In the log, and yet out of range: the leader does not know our epoch.
                    let at = start;
                    FetchFailure::Truncated { offset, epoch, at }
                };
                return self.stop(index, failure);
            }
            OffsetReset::Earliest => start,
            OffsetReset::Latest => end,
        };
        partition.seek(Position::at(to));
        self.events.push_back(FetchEvent::Reset {
            partition: index,
            from: offset,
            to,
        });
    }
}
