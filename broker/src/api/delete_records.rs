//! DeleteRecords (key 21), versions 0 to 2.
//!
//! v2 flexible
//!
//! The log begins at the offset that is asked for, −1 for its end; what lies before it is not read
//! again, not even after a crash. Segments that lie before it as a whole are removed.

use kafka_protocol::messages::delete_records_request::DeleteRecordsPartition;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use protocol::error_code::ErrorCode;
use uuid::Uuid;

use super::{Answer, Call, RequestError};
use crate::faults::When;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: DeleteRecordsRequest = call.request(body)?;
    let topics = request.topics.iter().map(|topic| {
        let partition = |asked: &DeleteRecordsPartition| {
            let result =
                DeleteRecordsPartitionResult::default().with_partition_index(asked.partition_index);
            match delete(call, topic.name.as_str(), asked) {
                Ok(start) => result.with_low_watermark(start),
                Err(code) => result.with_low_watermark(-1).with_error_code(code.0),
            }
        };
        DeleteRecordsTopicResult::default()
            .with_name(topic.name.clone())
            .with_partitions(topic.partitions.iter().map(partition).collect())
    });
    let response = DeleteRecordsResponse::default().with_topics(topics.collect());
    call.respond::<DeleteRecordsRequest>(&response)
}

fn delete(call: &Call<'_>, topic: &str, asked: &DeleteRecordsPartition) -> Result<i64, ErrorCode> {
    let fault = call.fault(Some(topic), Some(asked.partition_index));
    if let Some((code, When::Before)) = fault {
        return Err(code);
    }
    let topic = call.topic(topic, Uuid::nil())?;
    let partition = call.led(&topic, asked.partition_index, -1)?;
    let deleted = partition
        .log()
        .delete_records(asked.offset, topic.config.log);
    let start = deleted.map_err(|error| {
        tracing::warn!(topic = topic.name, partition = asked.partition_index, %error,
            "records were not deleted");
        error.code()
    })?;
    match fault {
        Some((code, When::After)) => Err(code),
        _ => Ok(start),
    }
}
