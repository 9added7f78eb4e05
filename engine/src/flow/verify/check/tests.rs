//! Handmade logs against handmade inputs.

use protocol::records::builder::{BatchBuilder, Identity, Record, RecordHeader, Sealed, seal};
use protocol::records::compression::Compressor;
use protocol::records::hash::RecordDigest;
use protocol::records::header::{Attributes, HEADER_BYTES};

use super::*;
use crate::flow::verify::{DealtPartition, ExpectedRecords};

const OURS: i64 = 4000;
const OTHERS: i64 = 17;

/// A batch of values from `offset` on.
fn batch(producer_id: i64, offset: i64, values: &[&str]) -> Vec<u8> {
    let mut buffer = vec![0; 10_000];
    let mut builder = BatchBuilder::new(&mut buffer, 1_700_000_000_000);
    for value in values {
        let record = Record {
            timestamp: 1_700_000_000_000,
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
        };
        builder.write_record(&record).unwrap();
    }
    let identity = Identity {
        producer_id,
        producer_epoch: 0,
        base_sequence: 0,
        transactional: false,
    };
    let (bytes, _) = builder.finish(identity);
    buffer.truncate(bytes);
    at_offset(&mut buffer, offset);
    buffer
}

/// As a broker does: the offset is not under the checksum.
fn at_offset(batch: &mut [u8], offset: i64) {
    batch[..8].copy_from_slice(&offset.to_be_bytes());
}

/// The same batch with another count of records, sealed again.
fn with_count(batch: &mut [u8], count: i32) {
    batch[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = protocol::records::crc::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

fn compressed(batch: &[u8], compression: Compression) -> Vec<u8> {
    let parsed = Batch::read(batch).unwrap();
    let header = *parsed.header();
    let mut compressor = Compressor::new(compression, None).unwrap();
    let mut made = vec![0; HEADER_BYTES + compressor.bound(parsed.section().len())];
    let written = compressor.compress(parsed.section(), &mut made[HEADER_BYTES..]);
    made.truncate(HEADER_BYTES + written.unwrap());
    let sealed = Sealed {
        attributes: Attributes::default().with_compression(compression),
        base_timestamp: header.base_timestamp,
        max_timestamp: header.max_timestamp,
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        records_count: header.records_count,
    };
    seal(&mut made, sealed);
    at_offset(&mut made, header.base_offset);
    made
}

/// Values, and how many were refused by their size between them.
#[derive(Debug)]
struct Values {
    values: Vec<String>,
    at: usize,
    refused: u64,
}

impl ExpectedRecords for Values {
    fn add_next(&mut self, records: u64, hash: &mut RecordHash) -> Result<u64, ExpectError> {
        let mut added = 0;
        while added < records && self.at < self.values.len() {
            hash.add_value(self.values[self.at].as_bytes());
            self.at += 1;
            added += 1;
        }
        Ok(added)
    }

    fn place(&self) -> String {
        format!("record {}", self.at)
    }

    fn refused(&self) -> u64 {
        self.refused
    }
}

fn input(values: &[&str]) -> Expected<'static> {
    Expected::Records(Box::new(Values {
        values: values.iter().map(|&value| value.to_owned()).collect(),
        at: 0,
        refused: 0,
    }))
}

fn sent(records: u64, first_offset: i64, last_offset: i64) -> Sent {
    Sent {
        partition: 3,
        records,
        refused: 0,
        first_offset,
        last_offset,
        producer_ids: vec![3999, OURS],
    }
}

fn run(sent: &Sent, expected: Expected<'_>, log: &[Vec<u8>]) -> Result<Verified, String> {
    let mut checker = Checker::new(sent, expected, 10_000);
    for bytes in log {
        let batch = Batch::read(bytes).unwrap();
        checker.handle_batch(&batch).map_err(|e| e.to_string())?;
    }
    checker.finish().map_err(|error| error.to_string())
}

#[track_caller]
fn check_refused(outcome: Result<Verified, String>, expected: &str) {
    let text = outcome.expect_err("it is no verified partition");
    assert!(
        text.contains(expected) && text.contains("partition 3"),
        "{text}"
    );
}

const VALUES: [&str; 5] = ["a", "", "line", "line", "e"];

/// Two batches of ours, one of another's between them.
fn log() -> Vec<Vec<u8>> {
    vec![
        batch(OTHERS, 8, &["before"]),
        batch(OURS, 10, &VALUES[..2]),
        batch(OTHERS, 12, &["foreign", "too"]),
        batch(3999, 14, &VALUES[2..]),
        batch(OURS, 17, &["of a later job"]),
    ]
}

fn hash(values: &[&str]) -> RecordHash {
    let mut hash = RecordHash::new();
    values
        .iter()
        .for_each(|value| hash.add_value(value.as_bytes()));
    hash
}

fn digest(values: &[&str]) -> RecordDigest {
    hash(values).digest()
}

/// Takes the fingerprint of the log, and compares it with that of an input.
fn run_dealt(sent: &Sent, log: &[Vec<u8>], hash: RecordHash) -> Result<Verified, String> {
    let input = DealtPartition { hash, refused: 0 };
    let verified = run(sent, Expected::Anything, log)?;
    verified
        .check(sent, &input)
        .map_err(|error| error.to_string())
}

#[test]
fn a_log_that_holds_what_was_sent_is_verified_and_others_are_counted() {
    let sent = sent(5, 10, 16);
    let verified = |digest| Verified {
        records: 5,
        others_batches: 1,
        others_records: 2,
        digest,
    };
    assert_eq!(run(&sent, Expected::Count, &log()), Ok(verified(None)));
    let whole = verified(Some(digest(&VALUES)));
    assert_eq!(run(&sent, input(&VALUES), &log()), Ok(whole.clone()));
    assert_eq!(run(&sent, Expected::Anything, &log()), Ok(whole));
}

#[test]
fn compressed_batches_are_those_of_their_records() {
    for compression in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let mut log = log();
        for batch in &mut log {
            *batch = compressed(batch, compression);
        }
        let outcome = run(&sent(5, 10, 16), input(&VALUES), &log);
        assert_eq!(
            outcome.map(|verified| verified.records),
            Ok(5),
            "{compression}"
        );
    }
}

#[test]
fn the_first_batch_that_differs_is_named_with_its_place_in_the_input() {
    let sent = sent(5, 10, 16);
    for (index, changed) in [(2, "lime"), (4, "E"), (3, ""), (2, "line ")] {
        let mut values = VALUES;
        values[index] = changed;
        let expected = "the records at offsets 14 to 16 are not those that the input holds from \
                        record 2 on";
        check_refused(run(&sent, input(&values), &log()), expected);
        let expected =
            "the 5 records of ours between offsets 10 and 16 are not the 5 that the input holds";
        check_refused(run_dealt(&sent, &log(), hash(&values)), expected);
        // The number is right.
        assert!(run(&sent, Expected::Count, &log()).is_ok());
    }
    let mut values = VALUES;
    values.swap(0, 1);
    check_refused(run(&sent, input(&values), &log()), "at offsets 10 to 11");
}

#[test]
fn a_key_a_header_or_a_null_is_no_bare_value() {
    let sent = sent(1, 0, 0);
    let header = RecordHeader {
        key: b"h",
        value: None,
    };
    type Content<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [RecordHeader<'a>]);
    let records: [Content<'_>; 4] = [
        (Some(b""), Some(b"v"), &[]),
        (None, None, &[]),
        (None, Some(b"v"), &[header]),
        (Some(b"v"), None, &[]),
    ];
    for (key, value, headers) in records {
        let mut buffer = vec![0; 1000];
        let mut builder = BatchBuilder::new(&mut buffer, 0);
        let record = Record {
            timestamp: 0,
            key,
            value,
            headers,
        };
        builder.write_record(&record).unwrap();
        let identity = Identity {
            producer_id: OURS,
            producer_epoch: 0,
            base_sequence: 0,
            transactional: false,
        };
        let (bytes, _) = builder.finish(identity);
        buffer.truncate(bytes);
        let log = [buffer];
        check_refused(run(&sent, input(&["v"]), &log), "at offsets 0 to 0");
        let mut hash = RecordHash::new();
        hash.add(key, value, headers.iter().map(|h| (h.key, h.value)));
        let outcome = run_dealt(&sent, &log, hash);
        assert_eq!(outcome.map(|verified| verified.records), Ok(1));
    }
}

#[test]
fn too_many_and_too_few_records_are_told() {
    let sent = sent(5, 10, 16);
    let mut twice = log();
    // The same records once more, as a job leaves them that is at least once only.
    twice[2] = batch(OURS, 12, &["foreign", "too"]);
    let expected = "7 records of ours lie between offsets 10 and 16, and 5 were sent";
    check_refused(run(&sent, Expected::Count, &twice), expected);
    let mut fewer = log();
    fewer[3] = batch(OTHERS, 14, &VALUES[2..]);
    let expected = "2 records of ours lie between offsets 10 and 16, and 5 were sent";
    check_refused(run(&sent, Expected::Count, &fewer), expected);
    check_refused(run(&sent, input(&VALUES), &fewer), expected);
    let four = &VALUES[..4];
    check_refused(
        run(&sent, input(four), &log()),
        "it ends before the record at offset 14",
    );
    let six = [VALUES.as_slice(), &["more"]].concat();
    let expected = "more records than the 5 that were sent, from record 5 on";
    check_refused(run(&sent, input(&six), &log()), expected);
}

#[test]
fn what_compaction_took_cannot_be_verified() {
    let sent = sent(5, 10, 16);
    // A whole batch of ours is gone.
    let mut gone = log();
    gone.remove(1);
    let expected =
        "2 offsets between 10 and 16 hold nothing any more, the first of them from 10 on";
    check_refused(run(&sent, Expected::Count, &gone), expected);
    check_refused(run(&sent, input(&VALUES), &gone), expected);
    // A record within one is.
    let mut holes = log();
    holes[3] = batch(3999, 14, &VALUES[2..]);
    with_count(&mut holes[3], 2);
    let expected =
        "1 offsets between 10 and 16 hold nothing any more, the first of them from 14 on";
    check_refused(run(&sent, Expected::Count, &holes), expected);
    // What is gone was another's: ours is whole.
    let mut others = log();
    others.remove(2);
    assert!(run(&sent, input(&VALUES), &others).is_ok());
    // At the end.
    let mut end = log();
    end.truncate(3);
    let expected =
        "3 offsets between 10 and 16 hold nothing any more, the first of them from 14 on";
    check_refused(run(&sent, Expected::Count, &end), expected);
}

#[test]
fn refused_records_that_nobody_names_are_the_likelier_reason() {
    let mut sent = sent(5, 10, 16);
    sent.refused = 1;
    let with_refused = ["a", "", "refused", "line", "line", "e"];
    let expected = "1 records of the input were refused, and only 0 of them are known";
    check_refused(run(&sent, input(&with_refused), &log()), expected);
    check_refused(run_dealt(&sent, &log(), hash(&with_refused)), expected);
    // Refused ones that are known leave the true reason.
    let known = Expected::Records(Box::new(Values {
        values: with_refused.map(str::to_owned).to_vec(),
        at: 0,
        refused: 1,
    }));
    check_refused(
        run(&sent, known, &log()),
        "the records at offsets 14 to 16 are not those",
    );
}

#[test]
fn a_section_that_becomes_more_than_a_batch_may_is_damaged() {
    let long = "x".repeat(5000);
    let batch = compressed(&batch(OURS, 0, &[&long]), Compression::Zstd);
    let sent = sent(1, 0, 0);
    let mut checker = Checker::new(&sent, input(&[&long]), 0);
    checker.section_bytes_max = 4000;
    let failure = checker
        .handle_batch(&Batch::read(&batch).unwrap())
        .unwrap_err();
    let text = failure.to_string();
    assert!(
        text.contains("offset 0 is damaged") && text.contains("4000 bytes"),
        "{text}"
    );
}

#[test]
fn a_partition_to_which_nothing_was_sent_is_one_of_which_the_input_holds_nothing() {
    let nothing = sent(0, -1, -1);
    assert!(run(&nothing, input(&[]), &[]).is_ok());
    assert!(run(&nothing, Expected::Count, &[]).is_ok());
    check_refused(
        run(&nothing, input(&["a"]), &[]),
        "more records than the 0 that were sent",
    );
}
