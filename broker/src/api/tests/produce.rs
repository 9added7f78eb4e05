//! What Produce takes and what it refuses, in which order.

use protocol::records::compression::Compressor;
use protocol::records::header::{Compression, TimestampType};

use super::*;

fn code(answer: &PartitionProduceResponse) -> ErrorCode {
    ErrorCode(answer.error_code)
}

#[test]
fn records_are_appended_in_every_version() {
    let mut client = Client::new();
    let id = client.create("t", 2, &[]);
    let mut expected = 0;
    for version in 3..=13 {
        let mut request = produce_request(&[("t", 1, Batch::counted(3).bytes())]);
        if version >= 13 {
            request.topic_data[0].name = topic_name("");
            request.topic_data[0].topic_id = id;
        }
        let response = client.send(version, &request);
        let topic = &response.responses[0];
        assert_eq!(topic.topic_id, if version >= 13 { id } else { Uuid::nil() });
        assert_eq!(topic.name.as_str(), if version >= 13 { "" } else { "t" });
        let answer = &topic.partition_responses[0];
        assert_eq!((answer.index, code(answer)), (1, ErrorCode::NONE));
        assert_eq!(
            (answer.base_offset, answer.log_append_time_ms),
            (expected, -1)
        );
        expected += 3;
    }
    assert_eq!(client.broker().end_offset("t", 1), Some(expected));
}

#[test]
fn unknown_topics_and_partitions_are_refused_by_name_and_by_id() {
    let mut client = Client::new();
    let id = client.create("t", 1, &[]);
    let batch = || Batch::counted(1).bytes();
    let response = client.send(9, &produce_request(&[("t", 1, batch()), ("u", 0, batch())]));
    for answer in partition_answers(response) {
        assert_eq!(code(&answer), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        assert_eq!(answer.base_offset, -1);
    }
    let mut request = produce_request(&[("", 0, batch())]);
    request.topic_data[0].topic_id = Uuid::from_u128(id.as_u128() ^ 1);
    let answer = partition_answers(client.send(13, &request)).remove(0);
    assert_eq!(code(&answer), ErrorCode::UNKNOWN_TOPIC_ID);
}

/// Sends what a good batch of three records became, and then a good one.
fn check_refused(cases: Vec<(&str, Vec<u8>, ErrorCode)>) {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    for (what, bytes, expected) in cases {
        let answer = client.produce("t", bytes);
        assert_eq!(
            code(&answer),
            expected,
            "{what}: {:?}",
            answer.error_message
        );
        assert!(answer.error_message.is_some());
        assert_eq!(client.end_offset("t"), 0);
    }
    assert_eq!(
        code(&client.produce("t", Batch::counted(3).bytes())),
        ErrorCode::NONE
    );
}

#[test]
fn bytes_that_are_not_one_batch_are_refused() {
    let bytes = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Batch::counted(3).bytes();
        change(&mut bytes);
        bytes
    };
    let invalid = ErrorCode::INVALID_RECORD;
    let corrupt = ErrorCode::CORRUPT_MESSAGE;
    let short = [0, 0, 0, 20];
    check_refused(vec![
        ("no bytes", Vec::new(), invalid),
        ("a cut batch", bytes(&|bytes| bytes.truncate(70)), invalid),
        (
            "a header's head",
            bytes(&|bytes| bytes.truncate(16)),
            invalid,
        ),
        ("magic 1", bytes(&|bytes| bytes[16] = 1), invalid),
        ("magic 3", bytes(&|bytes| bytes[16] = 3), corrupt),
        (
            "a short length",
            bytes(&|bytes| bytes[8..12].copy_from_slice(&short)),
            corrupt,
        ),
        (
            "a negative length",
            bytes(&|bytes| bytes[8] = 0xff),
            corrupt,
        ),
        (
            "two batches",
            bytes(&|bytes| bytes.extend(Batch::counted(3).bytes())),
            invalid,
        ),
        ("bytes behind it", bytes(&|bytes| bytes.push(0)), invalid),
        (
            "a flipped bit",
            bytes(&|bytes| *bytes.last_mut().unwrap() ^= 1),
            corrupt,
        ),
    ]);
}

#[test]
fn batches_that_contradict_themselves_are_refused() {
    let with = |change: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::counted(3);
        change(&mut batch);
        batch.bytes()
    };
    let attributes = |bits| with(&|batch| batch.header.attributes = Attributes(bits));
    let invalid = ErrorCode::INVALID_RECORD;
    check_refused(vec![
        (
            "a base offset",
            with(&|batch| batch.header.base_offset = 1),
            invalid,
        ),
        (
            "another count",
            with(&|batch| batch.header.records_count = 2),
            invalid,
        ),
        (
            "another delta",
            with(&|batch| batch.header.last_offset_delta = 3),
            invalid,
        ),
        (
            "a negative count",
            with(&|batch| batch.header.records_count = -1),
            invalid,
        ),
        ("a control batch", attributes(32), invalid),
        (
            "an id without sequence",
            with(&|batch| batch.header.producer_id = 1),
            invalid,
        ),
        (
            "compression 5",
            attributes(5),
            ErrorCode::UNKNOWN_SERVER_ERROR,
        ),
        (
            "another record",
            with(&|batch| batch.records.extend(record(0, 3, None, b"v"))),
            invalid,
        ),
        (
            "a cut record",
            with(&|batch| batch.records.truncate(10)),
            invalid,
        ),
        ("no gzip", attributes(1), ErrorCode::UNKNOWN_SERVER_ERROR),
        (
            "from the day after tomorrow",
            Batch::counted(3).at(NOW_MS + 7_200_000).bytes(),
            ErrorCode::INVALID_TIMESTAMP,
        ),
    ]);
}

#[test]
fn records_to_blame_are_named() {
    let mut client = Client::new();
    client.create("compact", 1, &[("cleanup.policy", "compact")]);
    let batch = Batch::keyed(&[
        (Some(b"k"), b"v", 0),
        (None, b"v", 0),
        (Some(b""), b"v", 0),
        (None, b"v", 0),
    ]);
    let answer = client.produce("compact", batch.bytes());
    assert_eq!(code(&answer), ErrorCode::INVALID_RECORD);
    let blamed: Vec<_> = answer
        .record_errors
        .iter()
        .map(|error| error.batch_index)
        .collect();
    assert_eq!(blamed, [1, 3]);

    client.create("t", 1, &[]);
    let mut gap = Batch::of(&[b"a"]);
    gap.records.extend(record(0, 5, None, b"b"));
    (gap.header.records_count, gap.header.last_offset_delta) = (2, 1);
    let answer = client.produce("t", gap.bytes());
    assert_eq!(
        (code(&answer), answer.record_errors[0].batch_index),
        (ErrorCode::INVALID_RECORD, 1)
    );
}

#[test]
fn a_batch_may_be_as_large_as_the_topic_says() {
    let mut client = Client::new();
    let bytes_of = |value: usize| Batch::of(&[&vec![7; value]]).bytes();
    let overhead = bytes_of(500_000).len() - 500_000;
    client.create("small", 1, &[("max.message.bytes", "1000")]);
    client.create("default", 1, &[]);
    let mut check = |topic, bytes: usize, expected| {
        let mut batch = bytes_of(bytes - overhead);
        // Shorter lengths are shorter varints.
        while batch.len() < bytes {
            batch = bytes_of(bytes - overhead + (bytes - batch.len()));
        }
        assert_eq!(batch.len(), bytes);
        assert_eq!(
            code(&client.produce(topic, batch)),
            expected,
            "{topic} {bytes}"
        );
    };
    check("small", 1000, ErrorCode::NONE);
    check("small", 1001, ErrorCode::MESSAGE_TOO_LARGE);
    check("default", 1_048_588, ErrorCode::NONE);
    check("default", 1_048_589, ErrorCode::MESSAGE_TOO_LARGE);
    // The size comes before the CRC, as Apache's broker has it.
    let mut wrong = bytes_of(2000);
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(
        code(&client.produce("small", wrong)),
        ErrorCode::MESSAGE_TOO_LARGE
    );
}

#[test]
fn every_codec_is_read() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    let plain = Batch::counted(1000);
    for codec in Compression::ALL {
        let mut compressor = Compressor::new(codec, None).unwrap();
        let mut records = vec![0; compressor.bound(plain.records.len())];
        let bytes = compressor.compress(&plain.records, &mut records).unwrap();
        records.truncate(bytes);
        let mut batch = plain.clone();
        batch.header.attributes = Attributes(0).with_compression(codec);
        batch.records = records;
        let answer = client.produce("t", batch.bytes());
        assert_eq!(
            code(&answer),
            ErrorCode::NONE,
            "{codec}: {:?}",
            answer.error_message
        );
        batch.header.records_count = 999;
        batch.header.last_offset_delta = 998;
        assert_eq!(
            code(&client.produce("t", batch.bytes())),
            ErrorCode::INVALID_RECORD,
            "{codec}"
        );
    }
    assert_eq!(client.end_offset("t"), 5000);
}

#[test]
fn zstd_needs_version_7() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    let mut batch = Batch::counted(1);
    batch.header.attributes = Attributes(4);
    let request = produce_request(&[("t", 0, batch.bytes())]);
    let answer = partition_answers(client.send(6, &request)).remove(0);
    assert_eq!(code(&answer), ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
}

#[test]
fn of_two_entries_for_a_partition_the_first_is_lost_without_a_word() {
    let mut client = Client::new();
    client.create("t", 2, &[]);
    let request = produce_request(&[
        ("t", 0, Batch::counted(3).bytes()),
        ("t", 1, Batch::counted(4).bytes()),
        ("t", 0, Batch::counted(5).bytes()),
    ]);
    let answers = partition_answers(client.send(9, &request));
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(|answer| code(answer) == ErrorCode::NONE));
    assert_eq!(client.broker().end_offset("t", 0), Some(5));
    assert_eq!(client.broker().end_offset("t", 1), Some(4));
}

#[test]
fn acks_0_has_no_answer_and_an_error_costs_the_connection() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    let request =
        |topic, acks| produce_request(&[(topic, 0, Batch::counted(1).bytes())]).with_acks(acks);
    assert_eq!(client.handle(9, &request("t", 0)), Handled::NoReply);
    assert_eq!(client.handle(9, &request("u", 0)), Handled::Close);
    assert_eq!(client.end_offset("t"), 1);
    let answer = partition_answers(client.send(9, &request("t", 2))).remove(0);
    assert_eq!(code(&answer), ErrorCode::INVALID_REQUIRED_ACKS);
    assert_eq!(client.end_offset("t"), 1);
}

#[test]
fn transactional_records_are_refused() {
    let mut client = Client::new();
    client.create("t", 1, &[]);
    let id = client.send(4, &init_producer_id()).producer_id.0;
    let mut batch = Batch::counted(1).sequenced(id, 0, 0);
    batch.header.attributes = Attributes(16);
    let mut request = produce_request(&[("t", 0, batch.bytes())]);
    let answer = partition_answers(client.send(9, &request)).remove(0);
    assert_eq!(
        code(&answer),
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    );
    request.transactional_id = Some(kafka_protocol::messages::TransactionalId(text("tx")));
    let answer = partition_answers(client.send(9, &request)).remove(0);
    assert_eq!(code(&answer), ErrorCode::INVALID_TXN_STATE);
    assert_eq!(client.end_offset("t"), 0);
}

#[test]
fn the_broker_sets_what_is_its_own_to_set() {
    let mut client = Client::new();
    client.create("create", 1, &[]);
    client.create("append", 1, &[("message.timestamp.type", "LogAppendTime")]);
    // The header lies about the newest timestamp.
    let mut batch = Batch::keyed(&[(None, b"a", -5), (None, b"b", -2)]);
    batch.header.max_timestamp = 12;
    let mut claiming = batch.clone();
    claiming.header.attributes = Attributes(8);
    let answer = client.produce("append", claiming.bytes());
    assert_eq!(code(&answer), ErrorCode::INVALID_TIMESTAMP);
    // Where the topic does not have it, the claim is taken back.
    client.create("claimed", 1, &[]);
    assert_eq!(
        code(&client.produce("claimed", claiming.bytes())),
        ErrorCode::NONE
    );
    let header = BatchHeader::read(&fetch::stored(&mut client, "claimed")).unwrap();
    assert_eq!(header.attributes, Attributes(0));
    for topic in ["create", "append"] {
        client.produce(topic, Batch::counted(2).bytes());
        let answer = client.produce(topic, batch.bytes());
        let stored = fetch::stored(&mut client, topic);
        let (first, second) = stored.split_at(Batch::counted(2).bytes().len());
        assert_eq!(BatchHeader::read(first).unwrap().base_offset, 0);
        let header = BatchHeader::read(second).unwrap();
        assert_eq!((header.base_offset, header.partition_leader_epoch), (2, 0));
        assert_eq!(header.crc, crc32c(&second[CRC_FROM..]));
        let is_append = topic == "append";
        let (time, kind) = if is_append {
            (NOW_MS, TimestampType::LogAppend)
        } else {
            (NOW_MS - 2, TimestampType::Create)
        };
        assert_eq!(
            (header.max_timestamp, header.attributes.timestamp_type()),
            (time, kind)
        );
        assert_eq!(
            answer.log_append_time_ms,
            if is_append { NOW_MS } else { -1 }
        );
        assert_eq!(&second[HEADER_BYTES..], batch.records);
    }
}

#[test]
fn a_deleted_topic_takes_nothing_more_by_id_and_its_successor_everything_by_name() {
    use kafka_protocol::messages::DeleteTopicsRequest;

    let mut client = Client::new();
    let old = client.create("t", 1, &[]);
    client.produce("t", Batch::counted(5).bytes());
    let delete = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("t")]);
    assert_eq!(client.send(4, &delete).responses[0].error_code, 0);
    client.create("t", 1, &[]);
    assert_eq!(
        client.produce("t", Batch::counted(1).bytes()).base_offset,
        0
    );
    let mut request = produce_request(&[("", 0, Batch::counted(1).bytes())]);
    request.topic_data[0].topic_id = old;
    let answer = partition_answers(client.send(13, &request)).remove(0);
    assert_eq!(code(&answer), ErrorCode::UNKNOWN_TOPIC_ID);
}

#[test]
fn the_null_peer_counts_and_forgets() {
    let mut config = Config::new(Storage::Memory);
    config.discard = true;
    let mut client = Client::with(config);
    client.create("t", 1, &[]);
    let mut batch = Batch::counted(9).bytes();
    // Nothing is looked at.
    batch[17] ^= 1;
    assert_eq!(client.produce("t", batch.clone()).base_offset, 0);
    assert_eq!(client.produce("t", batch).base_offset, 9);
    assert_eq!(client.end_offset("t"), 18);
    assert_eq!(client.offset("t", -2), (0, -1));
}
