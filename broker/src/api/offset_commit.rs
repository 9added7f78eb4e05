//! OffsetCommit (key 8), versions 2 to 9.
//!
//! v2 to v4 retention time, which is not heeded: offsets stay · v6 leader epochs · v7 static members
//! (KIP-345) · v8 flexible · v9 GROUP_ID_NOT_FOUND
//!
//! What a request commits is there after a death of the broker as a whole or not at all.

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use protocol::error_code::ErrorCode;
use uuid::Uuid;

use super::{Answer, Call, RequestError};
use crate::groups::{Claim, Commit, Committed};

/// `offset.metadata.max.bytes`
const METADATA_BYTES_MAX: usize = 4096;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: OffsetCommitRequest = call.request(body)?;
    let mut commits = Vec::new();
    let mut topics = Vec::new();
    let refused = may_commit(call, &request).err();
    for topic in &request.topics {
        let mut answers = Vec::new();
        for partition in &topic.partitions {
            let commit = checked(call, topic, partition, refused);
            let code = commit.as_ref().err().copied().unwrap_or(ErrorCode::NONE);
            commits.extend(commit);
            let answer = OffsetCommitResponsePartition::default();
            let answer = answer.with_partition_index(partition.partition_index);
            answers.push(answer.with_error_code(code.0));
        }
        let answer = OffsetCommitResponseTopic::default().with_name(topic.name.clone());
        topics.push(answer.with_partitions(answers));
    }
    let group = request.group_id.as_str();
    if let Err(code) = call.groups(|groups| groups.commit(group, commits)) {
        let answers = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        answers
            .filter(|answer| answer.error_code == 0)
            .for_each(|answer| answer.error_code = code.0);
    }
    call.respond::<OffsetCommitRequest>(&OffsetCommitResponse::default().with_topics(topics))
}

fn may_commit(call: &Call<'_>, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
    let group = request.group_id.as_str();
    call.coordinates_offsets(group)?;
    let claim = Claim {
        member_id: request.member_id.as_str(),
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let otherwise = match call.version {
        9.. => ErrorCode::GROUP_ID_NOT_FOUND,
        _ => ErrorCode::ILLEGAL_GENERATION,
    };
    call.groups(|groups| groups.check_commit(group, claim, otherwise))
}

/// What is wrong with a partition comes before what is wrong with the member, as at Apache's.
fn checked(
    call: &Call<'_>,
    topic: &OffsetCommitRequestTopic,
    partition: &OffsetCommitRequestPartition,
    refused: Option<ErrorCode>,
) -> Result<Commit, ErrorCode> {
    let known = call.topic(topic.name.as_str(), Uuid::nil())?;
    let index = partition.partition_index;
    let exists = known.partition(index).is_some();
    let metadata = partition.committed_metadata.as_ref();
    let metadata = metadata.map(ToString::to_string).unwrap_or_default();
    if !exists {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    if let Some(code) = refused {
        return Err(code);
    }
    if metadata.len() > METADATA_BYTES_MAX {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    let committed = Committed {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata,
        at_ms: call.now_ms,
    };
    Ok((known.name.clone(), index, committed))
}
