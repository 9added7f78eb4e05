//! What blocking readers of a log ask of a partition's leader: records, and where the log begins and ends.

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{ApiKey, BrokerId, ListOffsetsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use protocol::error_code::ErrorCode;
use protocol::hot::fetch::{
    FetchPartition, FetchRequest, FetchSession, FetchTopic, IsolationLevel,
};

use crate::control::{Control, ControlError, To};

/// How long a broker may hold a request that finds nothing.
const WAIT_MS: i32 = 250;

/// Which end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Earliest,
    Latest,
}

/// A topic as one of its leaders is asked about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) topic: &'a str,
    pub(super) topic_id: [u8; 16],
    pub(super) leader: i32,
}

impl Ask<'_> {
    /// Version and body of the answer to a Fetch of `bytes_max` bytes.
    pub(super) fn fetch(
        &self,
        control: &mut Control,
        partitions: &[FetchPartition],
        bytes_max: i32,
    ) -> Result<(i16, Vec<u8>), ControlError> {
        let to = To::Broker(self.leader);
        let version = control.version(to, ApiKey::Fetch)?;
        let client_id = control.client_id().to_owned();
        let now = control.now();
        let topics = [FetchTopic {
            name: self.topic,
            id: self.topic_id,
            partitions,
        }];
        control.exchange(to, ApiKey::Fetch, |connection, token, out| {
            let correlation_id = connection.reserve(ApiKey::Fetch, token, now)?;
            let request = FetchRequest {
                version,
                correlation_id,
                client_id: &client_id,
                wait_ms_max: WAIT_MS,
                bytes_min: 1,
                bytes_max,
                isolation: IsolationLevel::ReadUncommitted,
                session: FetchSession::NONE,
                topics: &topics,
                forgotten: &[],
                rack: "",
            };
            request.write(out);
            Ok(())
        })
    }

    /// An end of a partition's log; `None` where the answer does not hold it.
    pub(super) fn end(
        &self,
        control: &mut Control,
        partition: u32,
        end: End,
    ) -> Result<Option<Result<i64, ErrorCode>>, ControlError> {
        let timestamp = match end {
            End::Earliest => -2,
            End::Latest => -1,
        };
        let asked = ListOffsetsPartition::default()
            .with_partition_index(partition.cast_signed())
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let listed = ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string(self.topic.to_owned())))
            .with_partitions(vec![asked]);
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![listed]);
        let response = control.call(To::Broker(self.leader), &request)?;
        let mut answers = response.topics.iter().flat_map(|topic| &topic.partitions);
        Ok(answers
            .next()
            .map(|answer| match ErrorCode(answer.error_code) {
                ErrorCode::NONE => Ok(answer.offset),
                error => Err(error),
            }))
    }
}
