//! OffsetForLeaderEpoch (key 23), versions 2 to 4.
//!
//! v3 replica id · v4 flexible
//!
//! Where a leader epoch ended, or the largest one before it: how a reader finds out whether what it
//! read is still there (KIP-320). −1 and −1 for an epoch that is newer than any.

use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use protocol::error_code::ErrorCode;
use uuid::Uuid;

use super::{Answer, Call, RequestError};
use crate::log::EpochEnd;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: OffsetForLeaderEpochRequest = call.request(body)?;
    let topics = request.topics.iter().map(|topic| {
        let partition = |asked: &OffsetForLeaderPartition| {
            let answer = EpochEndOffset::default().with_partition(asked.partition);
            match find(call, topic.topic.as_str(), asked) {
                Ok(Some(end)) => answer
                    .with_leader_epoch(end.epoch)
                    .with_end_offset(end.end_offset),
                Ok(None) => answer.with_leader_epoch(-1).with_end_offset(-1),
                Err(code) => answer
                    .with_error_code(code.0)
                    .with_leader_epoch(-1)
                    .with_end_offset(-1),
            }
        };
        OffsetForLeaderTopicResult::default()
            .with_topic(topic.topic.clone())
            .with_partitions(topic.partitions.iter().map(partition).collect())
    });
    let response = OffsetForLeaderEpochResponse::default().with_topics(topics.collect());
    call.respond::<OffsetForLeaderEpochRequest>(&response)
}

fn find(
    call: &Call<'_>,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<EpochEnd>, ErrorCode> {
    if let Some(code) = call.fault_code(Some(topic), Some(asked.partition)) {
        return Err(code);
    }
    let topic = call.topic(topic, Uuid::nil())?;
    let log = call
        .led(&topic, asked.partition, asked.current_leader_epoch)?
        .log();
    match log.closed() {
        Some(code) => Err(code),
        None if asked.leader_epoch < 0 => Ok(None),
        None => Ok(log.end_of_epoch(asked.leader_epoch)),
    }
}
