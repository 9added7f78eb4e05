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
        Ok(Some(found)) => {
            let response = response
                .with_timestamp(found.timestamp)
                .with_offset(found.offset);
            if call.version < 4 {
                return response;
            }
            response.with_leader_epoch(call.broker.leader_epoch())
        }
        Ok(None) => response.with_timestamp(-1).with_offset(-1),
        Err(code) => response
            .with_error_code(code.0)
            .with_timestamp(-1)
            .with_offset(-1),
    }
}

fn find(
    call: &Call<'_>,
    topic: &str,
    asked: &ListOffsetsPartition,
) -> Result<Option<OffsetAndTimestamp>, ErrorCode> {
    if let Some(code) = call.fault_code(Some(topic), Some(asked.partition_index)) {
        return Err(code);
    }
    let topic = call.topic(topic, Uuid::nil())?;
    let partition = topic.partition(asked.partition_index);
    let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    call.check_leader_epoch(asked.current_leader_epoch)?;
    find_in(partition, asked.timestamp)
}

fn find_in(partition: &Partition, timestamp: i64) -> Result<Option<OffsetAndTimestamp>, ErrorCode> {
    let log = partition.log();
    if let Some(code) = log.closed() {
        return Err(code);
    }
    let at = |offset| {
        Ok(Some(OffsetAndTimestamp {
            offset,
            timestamp: -1,
        }))
    };
    let found = match timestamp {
        LATEST => return at(log.next_offset() + partition.forgotten()),
        EARLIEST | EARLIEST_LOCAL => return at(log.start_offset()),
        LATEST_TIERED => return Ok(None),
        NEWEST_TIMESTAMP => log.newest(),
        0.. => log.first_since(timestamp),
        _ => return Err(ErrorCode::INVALID_REQUEST),
    };
    found.map_err(|error| {
        tracing::error!(%error, "cannot look up a timestamp");
        ErrorCode::KAFKA_STORAGE_ERROR
    })
}
