//! OffsetDelete (key 47), version 0.
//!
//! A group with members keeps the offsets of topics that they subscribe to.

use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError};

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: OffsetDeleteRequest = call.request(body)?;
    let response = OffsetDeleteResponse::default();
    let response = match delete(call, &request) {
        Ok(topics) => response.with_topics(topics),
        Err(code) => response.with_error_code(code.0),
    };
    call.respond::<OffsetDeleteRequest>(&response)
}

fn delete(
    call: &Call<'_>,
    request: &OffsetDeleteRequest,
) -> Result<Vec<OffsetDeleteResponseTopic>, ErrorCode> {
    let group = request.group_id.as_str();
    call.coordinates_offsets(group)?;
    let asked = request.topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|partition| (topic.name.to_string(), partition.partition_index))
    });
    let asked: Vec<_> = asked.collect();
    let codes = call.groups(|groups| groups.forget(group, &asked))?;
    let mut codes = codes.into_iter();
    let topics = request.topics.iter().map(|topic| {
        let answers = topic.partitions.iter().zip(&mut codes);
        let answers = answers.map(|(partition, code)| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code.0)
        });
        OffsetDeleteResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(answers.collect())
    });
    Ok(topics.collect())
}
