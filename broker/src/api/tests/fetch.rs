//! What Fetch and ListOffsets find.

use std::time::Duration;

use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};

use super::*;

fn request(topic: &str, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_topics(vec![topic])
        .with_max_bytes(1 << 20)
        .with_min_bytes(1)
        .with_max_wait_ms(500)
        .with_replica_id((-1).into())
}

/// A partition's answer: code, high watermark, records.
fn fetched(client: &mut Client, request: &FetchRequest) -> (ErrorCode, i64, Vec<u8>) {
    let response = client.send(12, request);
    let partition = &response.responses[0].partitions[0];
    let records = partition.records.clone().unwrap_or_default().to_vec();
    (
        ErrorCode(partition.error_code),
        partition.high_watermark,
        records,
    )
}

/// All that a topic's partition 0 holds.
pub(super) fn stored(client: &mut Client, topic: &str) -> Vec<u8> {
    fetched(client, &request(topic, 0)).2
}

#[test]
fn records_are_fetched_in_every_version() {
    let mut client = Client::new();
    let id = client.create("t", 1, &[]);
    client.produce("t", Batch::counted(3).bytes());
    client.produce("t", Batch::counted(4).bytes());
    for version in 4..=18 {
        let mut request = request("t", 4);
        if version >= 13 {
            request.topics[0].topic = topic_name("");
            request.topics[0].topic_id = id;
        }
        if version >= 15 {
            request.replica_id = (-1).into();
        }
        let response = client.send(version, &request);
        assert_eq!((response.error_code, response.session_id), (0, 0));
        let topic = &response.responses[0];
        assert_eq!(topic.topic_id, if version >= 13 { id } else { Uuid::nil() });
        let partition = &topic.partitions[0];
        assert_eq!((partition.error_code, partition.high_watermark), (0, 7));
        assert_eq!(partition.last_stable_offset, 7);
        assert_eq!(
            partition.log_start_offset,
            if version >= 5 { 0 } else { -1 }
        );
        let header = BatchHeader::read(partition.records.as_ref().unwrap()).unwrap();
        // The whole batch that holds the offset, from its first record on.
        assert_eq!((header.base_offset, header.records_count), (3, 4));
    }
}

#[test]
fn what_cannot_be_fetched_says_why() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    client.produce("t", Batch::counted(3).bytes());
    let mut check = |request: FetchRequest, expected: ErrorCode| {
        assert_eq!(fetched(&mut client, &request).0, expected, "{request:?}");
    };
    check(request("t", 4), ErrorCode::OFFSET_OUT_OF_RANGE);
    check(request("t", -1), ErrorCode::OFFSET_OUT_OF_RANGE);
    check(request("u", 0), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let mut other = request("t", 0);
    other.topics[0].partitions[0].partition = 1;
    check(other, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let mut newer = request("t", 0);
    newer.topics[0].partitions[0].current_leader_epoch = 1;
    check(newer, ErrorCode::UNKNOWN_LEADER_EPOCH);
    let mut request = request("", 0);
    request.topics[0].topic_id = Uuid::from_u128(5);
    let response = client.send(13, &request);
    let code = ErrorCode(response.responses[0].partitions[0].error_code);
    assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_ID);
}

#[test]
fn sessions_are_refused_gracefully() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    client.produce("t", Batch::counted(3).bytes());
    // A client that would like a session is answered without one.
    let response = client.send(12, &request("t", 0).with_session_epoch(0));
    assert_eq!((response.error_code, response.session_id), (0, 0));
    assert_eq!(response.responses.len(), 1);
    let response = client.send(
        12,
        &request("t", 0).with_session_id(9).with_session_epoch(4),
    );
    assert_eq!(
        ErrorCode(response.error_code),
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND
    );
}

#[test]
fn the_first_batch_comes_whole_and_the_last_may_be_cut() {
    let mut client = Client::new();
    client.create("t", 2, &[]);
    let batch = Batch::counted(10).bytes();
    for partition in [0, 1] {
        let entries = [("t", partition, batch.clone())];
        for _ in 0..3 {
            client.send(9, &produce_request(&entries));
        }
    }
    let mut small = request("t", 0);
    small.topics[0].partitions[0].partition_max_bytes = 1;
    assert_eq!(fetched(&mut client, &small).2.len(), batch.len());
    let mut cut = request("t", 0);
    cut.topics[0].partitions[0].partition_max_bytes = batch.len() as i32 * 2 - 1;
    assert_eq!(fetched(&mut client, &cut).2.len(), batch.len() * 2 - 1);
    // Of several partitions only the first that has any gets more than it asked for.
    let mut both = small.clone();
    let second = both.topics[0].partitions[0].clone().with_partition(1);
    both.topics[0].partitions.push(second);
    let response = client.send(12, &both);
    let bytes = |at: usize| {
        response.responses[0].partitions[at]
            .records
            .as_ref()
            .map_or(0, |records| records.len())
    };
    assert_eq!((bytes(0), bytes(1)), (batch.len(), 0));
}

#[test]
fn a_fetch_waits_for_records_and_at_most_so_long() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    let frame = client.frame(12, &request("t", 0));
    let wait = Handled::Wait(Duration::from_millis(500));
    assert_eq!(client.session.handle(&frame, &mut client.reply), wait);
    client.broker().clock().advance(200);
    let rest = Handled::Wait(Duration::from_millis(300));
    assert_eq!(client.session.handle(&frame, &mut client.reply), rest);

    let mut producer = Client::of(Arc::clone(client.session.broker()));
    let seen = client.broker().news();
    producer.produce("t", Batch::counted(3).bytes());
    assert_ne!(client.broker().news(), seen);
    assert_eq!(
        client.session.handle(&frame, &mut client.reply),
        Handled::Reply
    );
    let response = client.answer::<FetchRequest>(12);
    assert!(response.responses[0].partitions[0].records.is_some());

    let frame = client.frame(12, &request("t", 3));
    assert_eq!(client.session.handle(&frame, &mut client.reply), wait);
    client.broker().clock().advance(500);
    assert_eq!(
        client.session.handle(&frame, &mut client.reply),
        Handled::Reply
    );
    let response = client.answer::<FetchRequest>(12);
    assert_eq!(response.responses[0].partitions[0].high_watermark, 3);
}

#[test]
fn offsets_are_found_by_time() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    assert_eq!(client.offset("t", -3), (-1, -1));
    let ages = |ages: &[i64]| {
        let records: Vec<_> = ages.iter().map(|&age| (None, &b"v"[..], -age)).collect();
        Batch::keyed(&records).bytes()
    };
    client.produce("t", ages(&[900, 800, 700]));
    client.produce("t", ages(&[500, 100, 400]));
    client.produce("t", ages(&[300, 200]));
    let mut check = |timestamp: i64, expected: (i64, i64)| {
        assert_eq!(client.offset("t", timestamp), expected, "{timestamp}");
    };
    check(-1, (8, -1));
    check(-2, (0, -1));
    check(-4, (0, -1));
    check(-5, (-1, -1));
    check(-3, (4, NOW_MS - 100));
    check(0, (0, NOW_MS - 900));
    check(NOW_MS - 900, (0, NOW_MS - 900));
    check(NOW_MS - 899, (1, NOW_MS - 800));
    check(NOW_MS - 600, (3, NOW_MS - 500));
    check(NOW_MS - 450, (4, NOW_MS - 100));
    check(NOW_MS - 99, (-1, -1));
}

#[test]
fn offsets_are_listed_in_every_version() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    client.produce("t", Batch::counted(3).bytes());
    for version in 1..=10 {
        let partition = ListOffsetsPartition::default().with_timestamp(-1);
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition.clone(), partition.with_partition_index(5)]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let response = client.send(version, &request);
        let answers = &response.topics[0].partitions;
        assert_eq!((answers[0].error_code, answers[0].offset), (0, 3));
        assert_eq!(answers[0].leader_epoch, if version >= 4 { 0 } else { -1 });
        let code = ErrorCode(answers[1].error_code);
        assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
}
