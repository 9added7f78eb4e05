use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{self, ReplicaState};
use kafka_protocol::messages::fetch_response::{
    self, AbortedTransaction, EpochEndOffset as EpochEnd, FetchableTopicResponse, LeaderIdAndEpoch,
    PartitionData,
};
use kafka_protocol::messages::{self, BrokerId, ProducerId};
use kafka_protocol::protocol::Encodable;

use super::{Random, maybe_text, name, str_bytes, uuid};
use crate::error_code::ErrorCode;
use crate::frame::wire::WireError;
use crate::frame::{decode_response, encode_request};
use crate::hot::fetch::*;
use crate::hot::{LeaderHint, TopicKey};

#[test]
fn requests_are_byte_for_byte_those_of_the_generated_code() {
    let mut random = Random::seeded();
    for round in 0..2_000 {
        let (client_id, rack) = (random.text(300), random.text(20));
        let names: Vec<_> = (0..4).map(|_| random.text(249)).collect();
        let partitions: Vec<Vec<_>> = (0..4)
            .map(|_| {
                (0..random.below(200))
                    .map(|_| random_partition(&mut random))
                    .collect()
            })
            .collect();
        let numbers: Vec<_> = (0..random.below(200))
            .map(|_| random.next() as i32)
            .collect();
        let topics: Vec<_> = (0..random.below(5))
            .map(|i| FetchTopic {
                name: &names[i],
                id: uuid(&mut random),
                partitions: &partitions[i],
            })
            .collect();
        let forgotten: Vec<_> = (0..random.below(3))
            .map(|i| ForgottenTopic {
                name: &names[i],
                id: uuid(&mut random),
                partitions: &numbers,
            })
            .collect();
        let committed = random.chance(2);
        check_request(&FetchRequest {
            version: 12 + (round % 7) as i16,
            correlation_id: random.next() as i32,
            client_id: &client_id,
            wait_ms_max: random.next() as i32,
            bytes_min: random.next() as i32,
            bytes_max: random.next() as i32,
            isolation: [
                IsolationLevel::ReadUncommitted,
                IsolationLevel::ReadCommitted,
            ][usize::from(committed)],
            session: [
                FetchSession::NONE,
                FetchSession::NEW,
                FetchSession {
                    id: random.next() as i32,
                    epoch: random.next() as i32,
                },
            ][random.below(3)],
            topics: &topics,
            forgotten: &forgotten,
            rack: &rack,
        });
    }
}

fn random_partition(random: &mut Random) -> FetchPartition {
    FetchPartition {
        partition: random.next() as i32,
        current_leader_epoch: random.next() as i32,
        fetch_offset: random.next() as i64,
        last_fetched_epoch: random.next() as i32,
        bytes_max: random.next() as i32,
    }
}

fn check_request(request: &FetchRequest<'_>) {
    let by_name = request.version < TOPIC_ID_SINCE;
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            fetch_request::FetchPartition::default()
                .with_partition(partition.partition)
                .with_current_leader_epoch(partition.current_leader_epoch)
                .with_fetch_offset(partition.fetch_offset)
                .with_last_fetched_epoch(partition.last_fetched_epoch)
                .with_log_start_offset(-1)
                .with_partition_max_bytes(partition.bytes_max)
        });
        let theirs = fetch_request::FetchTopic::default().with_partitions(partitions.collect());
        if by_name {
            theirs.with_topic(name(topic.name))
        } else {
            theirs.with_topic_id(uuid::Uuid::from_bytes(topic.id))
        }
    });
    let forgotten = request.forgotten.iter().map(|topic| {
        let theirs =
            fetch_request::ForgottenTopic::default().with_partitions(topic.partitions.to_vec());
        if by_name {
            theirs.with_topic(name(topic.name))
        } else {
            theirs.with_topic_id(uuid::Uuid::from_bytes(topic.id))
        }
    });
    let theirs = messages::FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_replica_state(ReplicaState::default())
        .with_max_wait_ms(request.wait_ms_max)
        .with_min_bytes(request.bytes_min)
        .with_max_bytes(request.bytes_max)
        .with_isolation_level(i8::from(request.isolation == IsolationLevel::ReadCommitted))
        .with_session_id(request.session.id)
        .with_session_epoch(request.session.epoch)
        .with_topics(topics.collect())
        .with_forgotten_topics_data(forgotten.collect())
        .with_rack_id(str_bytes(request.rack));
    let (version, id) = (request.version, request.correlation_id);
    let mut expected = vec![1, 2, 3];
    encode_request(&theirs, version, id, request.client_id, &mut expected).expect("encodes");
    let mut out = vec![1, 2, 3];
    assert_eq!(request.write(&mut out) + 3, out.len());
    assert!(out == expected, "version {version}");
}

fn random_response(version: i16, random: &mut Random) -> messages::FetchResponse {
    let topics = (0..random.below(3)).map(|_| {
        let partitions = (0..random.below(3)).map(|_| random_data(random)).collect();
        let mut topic = FetchableTopicResponse::default().with_partitions(partitions);
        if version < TOPIC_ID_SINCE {
            topic.topic = name(&random.text(20));
        } else {
            topic.topic_id = uuid::Uuid::from_bytes(uuid(random));
        }
        topic
    });
    let topics = topics.collect();
    let mut response = messages::FetchResponse::default()
        .with_throttle_time_ms(random.next() as i32)
        .with_error_code(random.next() as i16)
        .with_session_id(random.next() as i32)
        .with_responses(topics);
    if version >= 16 && random.chance(2) {
        let endpoint = fetch_response::NodeEndpoint::default()
            .with_node_id(BrokerId(random.next() as i32))
            .with_host(str_bytes(&random.text(20)))
            .with_port(random.next() as i32)
            .with_rack(maybe_text(random));
        response.node_endpoints = vec![endpoint; random.below(3)];
    }
    response
}

fn random_data(random: &mut Random) -> PartitionData {
    let aborted = AbortedTransaction::default()
        .with_producer_id(ProducerId(random.next() as i64))
        .with_first_offset(random.next() as i64);
    let aborted = (!random.chance(3)).then(|| vec![aborted; random.below(3)]);
    let records_bytes = random.below(400);
    let records = (!random.chance(4)).then(|| Bytes::from(random.bytes(records_bytes)));
    let mut data = PartitionData::default()
        .with_partition_index(random.next() as i32)
        .with_error_code(random.next() as i16)
        .with_high_watermark(random.next() as i64)
        .with_last_stable_offset(random.next() as i64)
        .with_log_start_offset(random.next() as i64)
        .with_aborted_transactions(aborted)
        .with_preferred_read_replica(BrokerId(random.below(4) as i32 - 1))
        .with_records(records);
    if random.chance(3) {
        data.diverging_epoch.epoch = random.below(9) as i32 - 1;
        data.diverging_epoch.end_offset = random.next() as i64;
    }
    if random.chance(3) {
        data.current_leader = LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(random.below(9) as i32 - 1))
            .with_leader_epoch(random.next() as i32);
    }
    if random.chance(3) {
        data.snapshot_id.end_offset = random.below(9) as i64 - 1;
        data.snapshot_id.epoch = random.next() as i32;
    }
    data
}

/// Whether we read from `body` what `expected` says.
fn check_response(version: i16, body: &[u8], expected: &messages::FetchResponse) {
    let ours = FetchResponse::read(version, body).expect("reads");
    assert_eq!(ours.throttle_time_ms, expected.throttle_time_ms);
    assert_eq!(ours.error, ErrorCode(expected.error_code));
    assert_eq!(ours.session_id, expected.session_id);
    let endpoints: Vec<_> = ours
        .node_endpoints
        .map(|e| (e.node_id, e.host, e.port))
        .collect();
    let theirs = expected
        .node_endpoints
        .iter()
        .map(|e| (e.node_id.0, &*e.host, e.port));
    assert_eq!(endpoints, theirs.collect::<Vec<_>>());
    let theirs = expected.responses.iter().flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(move |partition| (topic, partition))
    });
    let mut partitions = ours.partitions();
    for (topic, theirs) in theirs {
        let ours = partitions.next().expect("as many partitions");
        let key = if version < TOPIC_ID_SINCE {
            TopicKey::Name(&topic.topic)
        } else {
            TopicKey::Id(topic.topic_id.into_bytes())
        };
        assert_eq!((ours.topic, ours.partition), (key, theirs.partition_index));
        check_partition(&ours, theirs);
    }
    assert!(partitions.next().is_none());
}

fn check_partition(ours: &FetchedPartition<'_>, theirs: &PartitionData) {
    assert_eq!(ours.error, ErrorCode(theirs.error_code));
    assert_eq!(ours.high_watermark, theirs.high_watermark);
    assert_eq!(ours.last_stable_offset, theirs.last_stable_offset);
    assert_eq!(ours.log_start_offset, theirs.log_start_offset);
    let replica = theirs.preferred_read_replica.0;
    assert_eq!(
        ours.preferred_read_replica,
        (replica >= 0).then_some(replica)
    );
    assert_eq!(ours.records, theirs.records.as_deref().unwrap_or_default());
    let aborted: Vec<_> = ours
        .aborted_transactions
        .map(|a| (a.producer_id, a.first_offset))
        .collect();
    let expected: Vec<_> = theirs
        .aborted_transactions
        .iter()
        .flatten()
        .map(|aborted| (aborted.producer_id.0, aborted.first_offset))
        .collect();
    assert_eq!(aborted, expected);
    let EpochEnd {
        epoch, end_offset, ..
    } = theirs.diverging_epoch.clone();
    let expected = (epoch >= 0).then_some(EpochEndOffset { epoch, end_offset });
    assert_eq!(ours.diverging_epoch, expected);
    let leader = &theirs.current_leader;
    let hint = LeaderHint {
        leader_id: leader.leader_id.0,
        leader_epoch: leader.leader_epoch,
    };
    assert_eq!(ours.current_leader, (hint.leader_id >= 0).then_some(hint));
    let fetch_response::SnapshotId {
        end_offset, epoch, ..
    } = theirs.snapshot_id.clone();
    let expected = (end_offset >= 0).then_some(SnapshotId { end_offset, epoch });
    assert_eq!(ours.snapshot_id, expected);
}

#[test]
fn responses_are_read_as_the_generated_code_wrote_them() {
    let mut random = Random::seeded();
    for round in 0..5_000 {
        let version = 12 + (round % 7) as i16;
        let response = random_response(version, &mut random);
        let mut body = Vec::new();
        response.encode(&mut body, version).expect("encodes");
        check_response(version, &body, &response);
    }
}

#[test]
fn records_are_given_out_where_they_lie() {
    let data = PartitionData::default().with_records(Some(Bytes::from_static(b"records")));
    let topic = FetchableTopicResponse::default().with_partitions(vec![data]);
    let mut body = Vec::new();
    let response = messages::FetchResponse::default().with_responses(vec![topic]);
    response.encode(&mut body, 18).expect("encodes");
    let ours = FetchResponse::read(18, &body).expect("reads");
    let records = ours.partitions().next().expect("one partition").records;
    assert!(body.as_ptr_range().contains(&records.as_ptr()));
    assert_eq!(records, b"records");
}

#[test]
fn broken_responses_are_errors_or_what_the_generated_code_reads() {
    let mut random = Random::seeded();
    for round in 0..100_000 {
        let version = 12 + (round % 7) as i16;
        let mut body = Vec::new();
        random_response(version, &mut random)
            .encode(&mut body, version)
            .expect("encodes");
        random.mutate(&mut body);
        let theirs = decode_response::<messages::FetchRequest>(version, &body[..]);
        match (FetchResponse::read(version, &body), theirs) {
            (Ok(_), Ok(theirs)) => check_response(version, &body, &theirs),
            (Err(_), Err(_)) => {}
            // Null where only an array may stand is as good as an empty one to us, and a tag that
            // only a later version knows is skipped.
            (Ok(_), Err(WireError::Null { .. } | WireError::Value { .. })) => {}
            (ours, theirs) => panic!("version {version}: {ours:?} against {theirs:?}"),
        }
    }
}

#[test]
fn other_versions_are_refused() {
    for version in [i16::MIN, 11, 19, i16::MAX] {
        let read = FetchResponse::read(version, &[0; 64]).map(|_| ());
        assert_eq!(read, Err(WireError::Version { api: 1, version }));
    }
}
