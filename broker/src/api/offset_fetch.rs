//! OffsetFetch (key 9), versions 1 to 9.
//!
//! v2 null for all partitions, an error for the whole · v5 leader epochs · v6 flexible · v7 only what
//! no open transaction may change, of which there are none · v8 many groups · v9 the member's id,
//! which groups of this protocol do not look at
//!
//! Where nothing is committed the offset is −1, and that is no error; nor is an unknown group.

use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError, text, topic_name};
use crate::groups::{Committed, Group};

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: OffsetFetchRequest = call.request(body)?;
    let response = OffsetFetchResponse::default();
    let response = if call.version >= 8 {
        response.with_groups(
            request
                .groups
                .iter()
                .map(|group| fetch(call, group))
                .collect(),
        )
    } else {
        let topic = |topic: &OffsetFetchRequestTopic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name.clone())
                .with_partition_indexes(topic.partition_indexes.clone())
        };
        let topics = request.topics.as_ref();
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(request.group_id.clone())
            .with_topics(topics.map(|topics| topics.iter().map(topic).collect()));
        as_before(fetch(call, &asked), call.version)
    };
    call.respond::<OffsetFetchRequest>(&response)
}

/// One group's answer as it was before there could be several.
fn as_before(group: OffsetFetchResponseGroup, version: i16) -> OffsetFetchResponse {
    let code = group.error_code;
    let partition = |found: OffsetFetchResponsePartitions| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(found.partition_index)
            .with_committed_offset(found.committed_offset)
            .with_committed_leader_epoch(if version >= 5 {
                found.committed_leader_epoch
            } else {
                -1
            })
            .with_metadata(found.metadata)
            .with_error_code(found.error_code)
    };
    let topic = |topic: OffsetFetchResponseTopics| {
        OffsetFetchResponseTopic::default()
            .with_name(topic.name)
            .with_partitions(topic.partitions.into_iter().map(partition).collect())
    };
    let response =
        OffsetFetchResponse::default().with_topics(group.topics.into_iter().map(topic).collect());
    if version >= 2 {
        response.with_error_code(code)
    } else {
        response
    }
}

fn fetch(call: &Call<'_>, asked: &OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let name = asked.group_id.as_str();
    let response = OffsetFetchResponseGroup::default().with_group_id(asked.group_id.clone());
    let code = call.coordinates_offsets(name).err();
    let code = code.unwrap_or(ErrorCode::NONE);
    let topics = call.groups(|groups| {
        let group = groups.group(name).filter(|_| code.is_none());
        match &asked.topics {
            Some(topics) => topics
                .iter()
                .map(|topic| of_topic(group, topic, code))
                .collect(),
            None => group.map(all).unwrap_or_default(),
        }
    });
    // Before version 2 there is no place for an error but with a partition; see there.
    response.with_error_code(code.0).with_topics(topics)
}

fn of_topic(
    group: Option<&Group>,
    asked: &OffsetFetchRequestTopics,
    code: ErrorCode,
) -> OffsetFetchResponseTopics {
    let name = asked.name.as_str();
    let partition = |&index: &i32| {
        let found = group.and_then(|group| group.offsets.get(&(name.to_owned(), index)));
        answer(index, found).with_error_code(code.0)
    };
    OffsetFetchResponseTopics::default()
        .with_name(asked.name.clone())
        .with_partitions(asked.partition_indexes.iter().map(partition).collect())
}

/// Everything that a group has committed.
fn all(group: &Group) -> Vec<OffsetFetchResponseTopics> {
    let mut topics = Vec::<OffsetFetchResponseTopics>::new();
    for ((topic, index), committed) in &group.offsets {
        let answer = answer(*index, Some(committed));
        let is_same = |last: &TopicName| last.as_str() == topic;
        match topics.last_mut().filter(|last| is_same(&last.name)) {
            Some(last) => last.partitions.push(answer),
            None => topics.push(
                OffsetFetchResponseTopics::default()
                    .with_name(topic_name(topic))
                    .with_partitions(vec![answer]),
            ),
        }
    }
    topics
}

fn answer(index: i32, found: Option<&Committed>) -> OffsetFetchResponsePartitions {
    let answer = OffsetFetchResponsePartitions::default().with_partition_index(index);
    match found {
        Some(committed) => answer
            .with_committed_offset(committed.offset)
            .with_committed_leader_epoch(committed.leader_epoch)
            .with_metadata(Some(text(committed.metadata.as_str()))),
        None => answer
            .with_committed_offset(-1)
            .with_committed_leader_epoch(-1)
            .with_metadata(Some(StrBytes::default())),
    }
}
