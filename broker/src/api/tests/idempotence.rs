//! Idempotent producing through the API: what `sequence` decides is what clients see. The rules
//! themselves are tested there.

use kafka_protocol::messages::DescribeProducersRequest;
use kafka_protocol::messages::describe_producers_request::TopicRequest;

use super::*;

fn sent(client: &mut Client, epoch: i16, sequence: i32, count: usize) -> (ErrorCode, i64) {
    let batch = Batch::counted(count).sequenced(42, epoch, sequence);
    let answer = client.produce("t", batch.bytes());
    (ErrorCode(answer.error_code), answer.base_offset)
}

/// Producer id, epoch, last sequence, timestamp.
fn producers(client: &mut Client) -> Vec<(i64, i32, i32, i64)> {
    let topic = TopicRequest::default()
        .with_name(topic_name("t"))
        .with_partition_indexes(vec![0, 9]);
    let response = client.send(
        0,
        &DescribeProducersRequest::default().with_topics(vec![topic]),
    );
    let partitions = &response.topics[0].partitions;
    assert_eq!(
        ErrorCode(partitions[1].error_code),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    let state = |state: &kafka_protocol::messages::describe_producers_response::ProducerState| {
        (
            state.producer_id.0,
            state.producer_epoch,
            state.last_sequence,
            state.last_timestamp,
        )
    };
    partitions[0].active_producers.iter().map(state).collect()
}

#[test]
fn duplicates_get_their_first_answer_and_are_not_stored_again() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    for n in 0..6 {
        assert_eq!(
            sent(&mut client, 0, n * 10, 10),
            (ErrorCode::NONE, i64::from(n) * 10)
        );
    }
    for n in 1..6 {
        assert_eq!(
            sent(&mut client, 0, n * 10, 10),
            (ErrorCode::NONE, i64::from(n) * 10)
        );
    }
    let gap = (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    assert_eq!(sent(&mut client, 0, 0, 10), gap);
    assert_eq!(sent(&mut client, 0, 70, 10), gap);
    assert_eq!(sent(&mut client, 1, 5, 10), gap);
    assert_eq!(sent(&mut client, 1, 0, 10), (ErrorCode::NONE, 60));
    assert_eq!(
        sent(&mut client, 0, 60, 10),
        (ErrorCode::INVALID_PRODUCER_EPOCH, -1)
    );
    assert_eq!(client.end_offset("t"), 70);
}

#[test]
fn another_payload_under_the_same_numbers_is_dropped_in_silence() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    let first = Batch::of(&[b"one", b"two"]).sequenced(1, 0, 0);
    let other = Batch::of(&[b"uno", b"dos"])
        .sequenced(1, 0, 0)
        .at(NOW_MS - 1000);
    assert_eq!(client.produce("t", first.bytes()).error_code, 0);
    let answer = client.produce("t", other.bytes());
    assert_eq!((answer.error_code, answer.base_offset), (0, 0));
    assert_eq!(
        &fetch::stored(&mut client, "t")[HEADER_BYTES..],
        first.records
    );
}

#[test]
fn a_broken_batch_is_refused_before_its_sequence_is_looked_at() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    assert_eq!(sent(&mut client, 0, 0, 10).0, ErrorCode::NONE);
    let mut broken = Batch::counted(10).sequenced(42, 0, 0).bytes();
    *broken.last_mut().unwrap() ^= 1;
    let answer = client.produce("t", broken);
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::CORRUPT_MESSAGE);
    assert_eq!(producers(&mut client), [(42, 0, 9, NOW_MS)]);
}

#[test]
fn producers_are_described_and_forgotten_by_record_time() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    sent(&mut client, 3, 100, 10);
    let old = Batch::counted(2)
        .sequenced(7, 0, 0)
        .at(NOW_MS - 86_400_000 + 1);
    assert_eq!(client.produce("t", old.bytes()).error_code, 0);
    let described = [(7, 0, 1, NOW_MS - 86_399_999), (42, 3, 109, NOW_MS)];
    assert_eq!(producers(&mut client), described);
    // Old enough, but the check comes only every ten minutes.
    client.broker().clock().advance(599_999);
    assert_eq!(producers(&mut client), described);
    client.broker().clock().advance(1);
    assert_eq!(producers(&mut client), described[1..]);
    // Forgotten, any sequence is taken.
    let any = Batch::counted(2).sequenced(7, 0, 555);
    assert_eq!(client.produce("t", any.bytes()).error_code, 0);
    client.broker().forget_producers();
    assert_eq!(producers(&mut client), []);
}

#[test]
fn ids_are_given_out_but_not_asked_for() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    let given = client.send(4, &init_producer_id()).producer_id.0;
    assert_ne!(given, 42);
    assert_eq!(sent(&mut client, 77, 12345, 3), (ErrorCode::NONE, 0));
}
