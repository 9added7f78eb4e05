//! The APIs that are spoken, one file each, and the table of them.
//!
//! What is not in the table is refused as Apache's broker refuses it: ApiVersions of a version that
//! it does not know is answered with UNSUPPORTED_VERSION and the versions that it does; anything
//! else that a client could have known from ApiVersions costs it the connection.

pub(crate) mod api_versions;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_groups;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_cluster;
pub(crate) mod describe_configs;
pub(crate) mod describe_groups;
pub(crate) mod describe_producers;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
pub(crate) mod heartbeat;
pub(crate) mod incremental_alter_configs;
pub(crate) mod init_producer_id;
pub(crate) mod join_group;
pub(crate) mod leave_group;
pub(crate) mod list_groups;
pub(crate) mod list_offsets;
pub(crate) mod metadata;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;
pub(crate) mod sync_group;

use std::sync::Arc;

use kafka_protocol::messages::{ApiKey, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};
use protocol::error_code::ErrorCode;
use protocol::frame::wire::WireError;
use protocol::frame::{self, EncodeError};
use uuid::Uuid;

use crate::broker::{Broker, NODE_ID};
use crate::faults::When;
use crate::groups::{Open, Ticket};
use crate::topics::{Partition, Topic};

/// The lowest version, the highest, and what ApiVersions says is the lowest.
pub(crate) struct Spoken {
    pub(crate) api: ApiKey,
    pub(crate) min: i16,
    pub(crate) max: i16,
    pub(crate) min_announced: i16,
    handle: fn(&mut Call<'_>, &[u8]) -> Result<Answer, RequestError>,
}

const fn spoken(
    api: ApiKey,
    min: i16,
    max: i16,
    handle: fn(&mut Call<'_>, &[u8]) -> Result<Answer, RequestError>,
) -> Spoken {
    Spoken {
        api,
        min,
        max,
        min_announced: min,
        handle,
    }
}

/// Every API, by key.
pub(crate) static SPOKEN: &[Spoken] = &[
    Spoken {
        min_announced: produce::MIN_ANNOUNCED,
        ..spoken(ApiKey::Produce, 3, 13, produce::handle)
    },
    spoken(ApiKey::Fetch, 4, 18, fetch::handle),
    spoken(ApiKey::ListOffsets, 1, 10, list_offsets::handle),
    spoken(ApiKey::Metadata, 0, 13, metadata::handle),
    spoken(ApiKey::OffsetCommit, 2, 9, offset_commit::handle),
    spoken(ApiKey::OffsetFetch, 1, 9, offset_fetch::handle),
    spoken(ApiKey::FindCoordinator, 0, 6, find_coordinator::handle),
    spoken(ApiKey::JoinGroup, 0, 9, join_group::handle),
    spoken(ApiKey::Heartbeat, 0, 4, heartbeat::handle),
    spoken(ApiKey::LeaveGroup, 0, 5, leave_group::handle),
    spoken(ApiKey::SyncGroup, 0, 5, sync_group::handle),
    spoken(ApiKey::DescribeGroups, 0, 6, describe_groups::handle),
    spoken(ApiKey::ListGroups, 0, 5, list_groups::handle),
    spoken(ApiKey::ApiVersions, 0, 4, api_versions::handle),
    spoken(ApiKey::CreateTopics, 2, 7, create_topics::handle),
    spoken(ApiKey::DeleteTopics, 1, 6, delete_topics::handle),
    spoken(ApiKey::DeleteRecords, 0, 2, delete_records::handle),
    spoken(ApiKey::InitProducerId, 0, 5, init_producer_id::handle),
    spoken(
        ApiKey::OffsetForLeaderEpoch,
        2,
        4,
        offset_for_leader_epoch::handle,
    ),
    spoken(ApiKey::DescribeConfigs, 1, 4, describe_configs::handle),
    spoken(ApiKey::CreatePartitions, 0, 3, create_partitions::handle),
    spoken(ApiKey::DeleteGroups, 0, 2, delete_groups::handle),
    spoken(
        ApiKey::IncrementalAlterConfigs,
        0,
        1,
        incremental_alter_configs::handle,
    ),
    spoken(ApiKey::OffsetDelete, 0, 0, offset_delete::handle),
    spoken(ApiKey::DescribeCluster, 0, 2, describe_cluster::handle),
    spoken(ApiKey::DescribeProducers, 0, 0, describe_producers::handle),
];

/// A request that is being handled.
pub(crate) struct Call<'a> {
    pub(crate) broker: &'a Arc<Broker>,
    /// The node that was asked.
    pub(crate) node: i32,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: &'a str,
    pub(crate) client_host: &'a str,
    pub(crate) now_ms: i64,
    /// The request was told to wait until then.
    pub(crate) wait_until_ms: Option<i64>,
    /// What it waits for, where that is a group.
    pub(crate) ticket: &'a mut Option<Ticket>,
    /// Where the answer goes, a frame with its length prefix.
    pub(crate) reply: &'a mut Vec<u8>,
}

/// What a handler did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It wrote an answer.
    Reply,
    /// The client asked for no answer.
    NoReply,
    /// It has none, and the connection is to be closed.
    Close,
    /// Not yet; at this time at the latest.
    WaitUntil(i64),
}

/// Why a request costs its sender the connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("API {0} is not known")]
    Api(i16),
    #[error("{api:?} version {version} is not spoken")]
    Version { api: ApiKey, version: i16 },
    #[error("the request is malformed: {0}")]
    Malformed(#[from] WireError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Handles a request's body.
pub(crate) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let (api, version) = (call.api, call.version);
    let row = SPOKEN.iter().find(|row| row.api == api);
    match row {
        Some(row) if (row.min..=row.max).contains(&version) => (row.handle)(call, body),
        _ if api == ApiKey::ApiVersions => api_versions::refuse(call),
        _ => Err(RequestError::Version { api, version }),
    }
}

impl Call<'_> {
    /// Decodes the request.
    fn request<R: Request>(&self, body: &[u8]) -> Result<R, RequestError> {
        Ok(frame::decode_request(self.version, body)?)
    }

    /// Writes the answer to a request of type `R`.
    fn respond<R: Request>(&mut self, response: &R::Response) -> Result<Answer, RequestError> {
        frame::encode_response::<R>(response, self.version, self.correlation_id, self.reply)?;
        Ok(Answer::Reply)
    }

    /// The error that a test wants for this partition's (or topic's) part of the answer.
    fn fault(&self, topic: Option<&str>, partition: Option<i32>) -> Option<(ErrorCode, When)> {
        // What waited has been asked for already.
        if self.wait_until_ms.is_some() {
            return None;
        }
        self.broker.faults.error(self.api, topic, partition)
    }

    /// The error that a test wants for the part of an answer that nothing hangs on.
    fn fault_code(&self, topic: Option<&str>, partition: Option<i32>) -> Option<ErrorCode> {
        self.fault(topic, partition).map(|(code, _)| code)
    }

    /// The topic, by whichever of name and id the version has; its code if there is none.
    fn topic(&self, name: &str, id: Uuid) -> Result<Arc<Topic>, ErrorCode> {
        if id.is_nil() {
            self.broker
                .topics
                .by_name(name)
                .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        } else {
            self.broker
                .topics
                .by_id(id)
                .ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
        }
    }

    /// Asks the groups something. Who waits for them is woken if there is news.
    fn groups<T>(&self, ask: impl FnOnce(&mut Open<'_>) -> T) -> T {
        let mut groups = self.broker.groups.at(self.now_ms);
        let answer = ask(&mut groups);
        if groups.finish() {
            self.broker.announce();
        }
        answer
    }

    /// The request waits for its group.
    fn wait_for_group(&mut self, group: &str, ticket: Ticket) -> Answer {
        *self.ticket = Some(ticket);
        Answer::WaitUntil(self.groups(|groups| groups.ask_again_ms(group)))
    }

    /// Whether this node is to be asked about a group, which may not be without a name.
    fn coordinates(&self, group: &str) -> Result<(), ErrorCode> {
        if group.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        self.coordinates_offsets(group)
    }

    /// The same where offsets may be kept under the empty name, too.
    fn coordinates_offsets(&self, group: &str) -> Result<(), ErrorCode> {
        match self.fault_code(Some(group), None) {
            Some(code) => Err(code),
            None if self.node == NODE_ID => Ok(()),
            None => Err(ErrorCode::NOT_COORDINATOR),
        }
    }

    /// A partition that the node that was asked leads, if the client does not believe otherwise.
    fn led<'t>(
        &self,
        topic: &'t Topic,
        index: i32,
        believed_epoch: i32,
    ) -> Result<&'t Arc<Partition>, ErrorCode> {
        let partition = topic.partition(index);
        let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let leader = partition.leader();
        check_leader_epoch(believed_epoch, leader.epoch)?;
        if leader.node == self.node {
            Ok(partition)
        } else {
            Err(ErrorCode::NOT_LEADER_OR_FOLLOWER)
        }
    }
}

/// Compares what a client believes to be the leader's epoch with what it is; −1 is no belief.
fn check_leader_epoch(believed: i32, epoch: i32) -> Result<(), ErrorCode> {
    match believed {
        -1 => Ok(()),
        older if older < epoch => Err(ErrorCode::FENCED_LEADER_EPOCH),
        newer if newer > epoch => Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
        _ => Ok(()),
    }
}

/// A topic's name as messages have it.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// Text as messages have it.
fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

#[cfg(test)]
pub(crate) mod tests;
