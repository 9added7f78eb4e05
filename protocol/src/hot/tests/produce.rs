use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    self, BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceResponse,
    TopicProduceResponse,
};
use kafka_protocol::messages::{self, BrokerId};
use kafka_protocol::protocol::Encodable;

use super::{Random, maybe_text, name, str_bytes, uuid};
use crate::error_code::ErrorCode;
use crate::frame::wire::WireError;
use crate::frame::{decode_request, decode_response, encode_request, read_request};
use crate::hot::produce::*;
use crate::hot::{LeaderHint, TopicKey};

#[test]
fn requests_are_byte_for_byte_those_of_the_generated_code() {
    let mut random = Random::seeded();
    for round in 0..2_000 {
        let version = 9 + (round % 5) as i16;
        let client_id = random.text(CLIENT_ID_BYTES_MAX);
        let topic = random.text(TOPIC_NAME_BYTES_MAX);
        let batch_bytes = [0, 1, 61, 126, 127, 128, 16_382, 16_383, 70_000][random.below(9)];
        let batch = random.bytes(batch_bytes);
        let head = ProduceHead {
            version,
            correlation_id: random.next() as i32,
            client_id: &client_id,
            topic: &topic,
            topic_id: uuid(&mut random),
            partition: random.next() as i32,
            acks: [-1, 0, 1][random.below(3)],
            timeout_ms: random.next() as i32,
            batch_bytes,
        };
        check_request(&head, &batch);
    }
}

fn check_request(head: &ProduceHead<'_>, batch: &[u8]) {
    let mut buffer = vec![0xee; HEAD_BYTES_MAX];
    buffer.extend(batch);
    buffer.extend(TAIL);
    let head_bytes = head.write_head(&mut buffer[..HEAD_BYTES_MAX]);
    assert_eq!(head_bytes, head.head_bytes());
    let (untouched, ours) = buffer.split_at(HEAD_BYTES_MAX - head_bytes);
    assert!(untouched.iter().all(|byte| *byte == 0xee));
    assert_eq!(ours.len(), head.frame_bytes());

    let mut topic = TopicProduceData::default();
    if head.version < TOPIC_ID_SINCE {
        topic.name = name(head.topic);
    } else {
        topic.topic_id = uuid::Uuid::from_bytes(head.topic_id);
    }
    let records = Bytes::copy_from_slice(batch);
    let partition = PartitionProduceData::default()
        .with_index(head.partition)
        .with_records(Some(records));
    let request = messages::ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(head.acks)
        .with_timeout_ms(head.timeout_ms)
        .with_topic_data(vec![topic.with_partition_data(vec![partition])]);
    let mut theirs = Vec::new();
    encode_request(
        &request,
        head.version,
        head.correlation_id,
        head.client_id,
        &mut theirs,
    )
    .expect("encodes");
    assert!(ours == theirs, "version {}", head.version);

    let frame = read_request(&ours[4..]).expect("a header");
    let read: messages::ProduceRequest = decode_request(head.version, frame.body).expect("reads");
    assert_eq!(read, request);
}

#[test]
fn the_largest_head_fits_the_room() {
    let head = ProduceHead {
        version: 12,
        correlation_id: 1,
        client_id: &"c".repeat(CLIENT_ID_BYTES_MAX),
        topic: &"t".repeat(TOPIC_NAME_BYTES_MAX),
        topic_id: [0; 16],
        partition: 0,
        acks: -1,
        timeout_ms: 30_000,
        batch_bytes: i32::MAX as usize - 1_000,
    };
    assert_eq!(head.write_head(&mut [0; HEAD_BYTES_MAX]), HEAD_BYTES_MAX);
}

fn random_response(version: i16, random: &mut Random) -> messages::ProduceResponse {
    let topics = (0..random.below(3)).map(|_| {
        let partitions = (0..random.below(3))
            .map(|_| random_partition(version, random))
            .collect();
        let mut topic = TopicProduceResponse::default().with_partition_responses(partitions);
        if version < TOPIC_ID_SINCE {
            topic.name = name(&random.text(20));
        } else {
            topic.topic_id = uuid::Uuid::from_bytes(uuid(random));
        }
        topic
    });
    let topics = topics.collect();
    let mut response = messages::ProduceResponse::default()
        .with_responses(topics)
        .with_throttle_time_ms(random.next() as i32);
    if version >= 10 && random.chance(2) {
        response.node_endpoints = (0..random.below(3))
            .map(|_| {
                produce_response::NodeEndpoint::default()
                    .with_node_id(BrokerId(random.next() as i32))
                    .with_host(str_bytes(&random.text(20)))
                    .with_port(random.next() as i32)
                    .with_rack(maybe_text(random))
            })
            .collect();
    }
    if random.chance(4) {
        response
            .unknown_tagged_fields
            .insert(9, Bytes::from(random.bytes(5)));
    }
    response
}

fn random_partition(version: i16, random: &mut Random) -> PartitionProduceResponse {
    let errors = (0..random.below(3)).map(|_| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(random.next() as i32)
            .with_batch_index_error_message(maybe_text(random))
    });
    let errors = errors.collect();
    let mut partition = PartitionProduceResponse::default()
        .with_index(random.next() as i32)
        .with_error_code(random.next() as i16)
        .with_base_offset(random.next() as i64)
        .with_log_append_time_ms(random.next() as i64)
        .with_log_start_offset(random.next() as i64)
        .with_record_errors(errors)
        .with_error_message(maybe_text(random));
    if version >= 10 && random.chance(2) {
        partition.current_leader = LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(random.below(9) as i32 - 1))
            .with_leader_epoch(random.next() as i32);
    }
    partition
}

/// Whether we read from `body` what `expected` says.
fn check_response(version: i16, body: &[u8], expected: &messages::ProduceResponse) {
    let ours = ProduceResponse::read(version, body).expect("reads");
    assert_eq!(ours.throttle_time_ms, expected.throttle_time_ms);
    let endpoints: Vec<_> = ours.node_endpoints.collect();
    assert_eq!(endpoints.len(), expected.node_endpoints.len());
    for (ours, theirs) in endpoints.iter().zip(&expected.node_endpoints) {
        assert_eq!((ours.node_id, ours.port), (theirs.node_id.0, theirs.port));
        assert_eq!(
            (ours.host, ours.rack),
            (&*theirs.host, theirs.rack.as_deref())
        );
    }
    let theirs = expected.responses.iter().flat_map(|topic| {
        topic
            .partition_responses
            .iter()
            .map(move |partition| (topic, partition))
    });
    let mut partitions = ours.partitions();
    for (topic, theirs) in theirs {
        let ours = partitions.next().expect("as many partitions");
        let key = if version < TOPIC_ID_SINCE {
            TopicKey::Name(&topic.name)
        } else {
            TopicKey::Id(topic.topic_id.into_bytes())
        };
        assert_eq!((ours.topic, ours.partition), (key, theirs.index));
        assert_eq!(ours.error, ErrorCode(theirs.error_code));
        assert_eq!(ours.base_offset, theirs.base_offset);
        assert_eq!(ours.log_append_time_ms, theirs.log_append_time_ms);
        assert_eq!(ours.log_start_offset, theirs.log_start_offset);
        assert_eq!(ours.error_message, theirs.error_message.as_deref());
        let errors: Vec<_> = ours
            .record_errors
            .map(|e| (e.batch_index, e.message))
            .collect();
        let expected: Vec<_> = theirs
            .record_errors
            .iter()
            .map(|e| (e.batch_index, e.batch_index_error_message.as_deref()))
            .collect();
        assert_eq!(errors, expected);
        let leader = &theirs.current_leader;
        let hint = LeaderHint {
            leader_id: leader.leader_id.0,
            leader_epoch: leader.leader_epoch,
        };
        assert_eq!(ours.current_leader, (hint.leader_id >= 0).then_some(hint));
    }
    assert!(partitions.next().is_none());
}

#[test]
fn responses_are_read_as_the_generated_code_wrote_them() {
    let mut random = Random::seeded();
    for round in 0..5_000 {
        let version = 9 + (round % 5) as i16;
        let response = random_response(version, &mut random);
        let mut body = Vec::new();
        response.encode(&mut body, version).expect("encodes");
        check_response(version, &body, &response);
    }
}

#[test]
fn broken_responses_are_errors_or_what_the_generated_code_reads() {
    let mut random = Random::seeded();
    for round in 0..100_000 {
        let version = 9 + (round % 5) as i16;
        let mut body = Vec::new();
        random_response(version, &mut random)
            .encode(&mut body, version)
            .expect("encodes");
        random.mutate(&mut body);
        let theirs = decode_response::<messages::ProduceRequest>(version, &body[..]);
        match (ProduceResponse::read(version, &body), theirs) {
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
    for version in [i16::MIN, 8, 14, i16::MAX] {
        let read = ProduceResponse::read(version, &[0; 64]).map(|_| ());
        assert_eq!(read, Err(WireError::Version { api: 0, version }));
    }
}
