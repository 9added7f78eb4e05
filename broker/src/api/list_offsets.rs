//! ListOffsets (key 2), versions 1 to 10.
//!
//! v1 one offset with its timestamp · v2 isolation level · v4 leader epochs · v6 flexible ·
//! v7 −3, newest timestamp · v8 −4, earliest local · v9 −5, latest tiered · v10 time-out
//!
//! There are no transactions and no tiers, so both isolation levels see the same, what is earliest
//! is local, and nothing is tiered.

use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use protocol::error_code::ErrorCode;
use uuid::Uuid;

use super::{Answer, Call, RequestError};
use crate::log::OffsetAndTimestamp;
use crate::topics::Partition;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const NEWEST_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: ListOffsetsRequest = call.request(body)?;
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|asked| answer_partition(call, topic.name.as_str(), asked));
        ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    let response = ListOffsetsResponse::default().with_topics(topics.collect());
    call.respond::<ListOffsetsRequest>(&response)
}

fn answer_partition(
    call: &Call<'_>,
    topic: &str,
    asked: &ListOffsetsPartition,
) -> ListOffsetsPartitionResponse {
    let response =
        ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
    match find(call, topic, asked) {
        Ok(Some((found, epoch))) => {
            let response = response
                .with_timestamp(found.timestamp)
                .with_offset(found.offset);
            match epoch {
                Some(epoch) if call.version >= 4 => response.with_leader_epoch(epoch),
                _ => response,
            }
        }
        Ok(None) => response.with_timestamp(-1).with_offset(-1),
        Err(code) => response
            .with_error_code(code.0)
            .with_timestamp(-1)
            .with_offset(-1),
    }
}

/// What is found, and the leader epoch that it was written under: of the log's end the newest.
type Place = (OffsetAndTimestamp, Option<i32>);

fn find(
    call: &Call<'_>,
    topic: &str,
    asked: &ListOffsetsPartition,
) -> Result<Option<Place>, ErrorCode> {
    if let Some(code) = call.fault_code(Some(topic), Some(asked.partition_index)) {
        return Err(code);
    }
    let topic = call.topic(topic, Uuid::nil())?;
    let partition = call.led(&topic, asked.partition_index, asked.current_leader_epoch)?;
    find_in(partition, asked.timestamp)
}

fn find_in(partition: &Partition, timestamp: i64) -> Result<Option<Place>, ErrorCode> {
    let log = partition.log();
    if let Some(code) = log.closed() {
        return Err(code);
    }
    let at = |offset, epoch| {
        let found = OffsetAndTimestamp {
            offset,
            timestamp: -1,
        };
        Ok(Some((found, epoch)))
    };
    let found = match timestamp {
        LATEST => {
            let end = log.next_offset() + partition.forgotten();
            return at(end, Some(log.leader_epoch()));
        }
        EARLIEST | EARLIEST_LOCAL => {
            let start = log.start_offset();
            return at(start, log.epoch_of(start));
        }
        LATEST_TIERED => return Ok(None),
        NEWEST_TIMESTAMP => log.newest(),
        0.. => log.first_since(timestamp),
        _ => return Err(ErrorCode::INVALID_REQUEST),
    };
    match found {
        Ok(found) => Ok(found.map(|found| (found, log.epoch_of(found.offset)))),
        Err(error) => {
            tracing::error!(%error, "cannot look up a timestamp");
            Err(ErrorCode::KAFKA_STORAGE_ERROR)
        }
    }
}
