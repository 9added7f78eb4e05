//! What another implementation wrote, read here; and what nobody should have written.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression as TheirCompression, Record as TheirRecord, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType as TheirTimestampType,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::records::builder::{BatchBuilder, Identity, Record, Sealed, seal};
use crate::records::header::Attributes;

fn blob_of(bytes: Option<Vec<u8>>) -> Option<Bytes> {
    bytes.map(Bytes::from)
}

fn their_record() -> impl Strategy<Value = TheirRecord> {
    let blob = || proptest::option::of(vec(any::<u8>(), 0..200));
    let headers = vec(blob(), 0..4);
    (0..1_i64 << 45, blob(), blob(), headers).prop_map(|(timestamp, key, value, headers)| {
        let named = headers.into_iter().enumerate();
        TheirRecord {
            transactional: true,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: 8,
            producer_id: 9,
            producer_epoch: 3,
            timestamp_type: TheirTimestampType::Creation,
            offset: 0,
            sequence: 0,
            timestamp,
            key: blob_of(key),
            value: blob_of(value),
            headers: named
                .map(|(i, value)| (StrBytes::from_string(format!("h{i}")), blob_of(value)))
                .collect::<IndexMap<_, _>>(),
        }
    })
}

/// Their batch of these records, whose offsets and sequences are set here, with some missing, as
/// compaction leaves them.
fn their_batch(records: &mut [TheirRecord], base: i64, gaps: &[bool]) -> Vec<u8> {
    let mut offset = base;
    for (record, gap) in records.iter_mut().zip(gaps.iter().cycle()) {
        offset += i64::from(*gap);
        record.offset = offset;
        record.sequence = (offset - base) as i32 + 70;
        offset += 1;
    }
    let options = RecordEncodeOptions {
        version: 2,
        compression: TheirCompression::None,
    };
    let mut bytes = BytesMut::new();
    RecordBatchEncoder::encode(&mut bytes, records.iter(), &options).unwrap();
    bytes.to_vec()
}

fn same(ours: &RecordView<'_>, theirs: &TheirRecord) {
    assert_eq!(
        (ours.offset, ours.timestamp),
        (theirs.offset, theirs.timestamp)
    );
    assert_eq!(ours.key, theirs.key.as_deref());
    assert_eq!(ours.value, theirs.value.as_deref());
    assert_eq!(ours.headers.len(), theirs.headers.len());
    for (header, (key, value)) in ours.headers.zip(&theirs.headers) {
        assert_eq!(
            (header.key, header.value),
            (key.as_bytes(), value.as_deref())
        );
    }
}

proptest! {
    #[test]
    fn what_the_oracle_writes_is_read_in_place(
        mut one in vec(their_record(), 1..40),
        mut two in vec(their_record(), 1..40),
        gaps in vec(any::<bool>(), 1..10),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = their_batch(&mut one, 5_000_000_000, &gaps);
        let first_bytes = bytes.len();
        bytes.extend(their_batch(&mut two, 6_000_000_000, &gaps));

        let mut batches = Batches::new(&bytes);
        for theirs in [&one, &two] {
            let batch = batches.next().unwrap().unwrap();
            batch.check_crc().unwrap();
            prop_assert_eq!(batch.header().base_sequence, theirs[0].sequence);
            prop_assert_eq!(batch.header().last_offset(), theirs.last().unwrap().offset);
            let ours: Vec<_> = batch.records().unwrap().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(ours.len(), theirs.len());
            ours.iter().zip(theirs).for_each(|(ours, theirs)| same(ours, theirs));
        }
        prop_assert!(batches.next().is_none());
        prop_assert_eq!(batches.partial(), None);

        // Cut anywhere: whole batches, then a partial one that knows its size once it says it.
        let cut = cut.index(bytes.len());
        let mut batches = Batches::new(&bytes[..cut]);
        let whole = batches.by_ref().map(Result::unwrap).count();
        prop_assert_eq!(whole, usize::from(cut >= first_bytes));
        let start = whole * first_bytes;
        let size = if whole == 1 { bytes.len() - first_bytes } else { first_bytes };
        let available = cut - start;
        let needed = (available > MAGIC_AT).then_some(size);
        let partial = (available > 0).then_some(Partial { position: start, available, needed });
        prop_assert_eq!(batches.partial(), partial);
    }
}

const SEALED: Sealed = Sealed {
    attributes: Attributes(0),
    base_timestamp: 1000,
    max_timestamp: 2000,
    producer_id: 7,
    producer_epoch: 0,
    base_sequence: 0,
    records_count: 1,
};

/// A batch around `records`, with a right CRC.
fn batch(sealed: Sealed, records: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes.extend_from_slice(records);
    seal(&mut bytes, sealed);
    bytes
}

fn first_error(bytes: &[u8]) -> DecodeError {
    let batch = Batch::read(bytes).unwrap();
    batch.check_crc().unwrap();
    match batch.records() {
        Err(error) => error,
        Ok(records) => records
            .map(|record| record.map(drop))
            .find_map(Result::err)
            .unwrap(),
    }
}

#[test]
fn broken_records_are_named_with_their_place() {
    // length 6 · attributes · timestamp delta · offset delta · no key · no value · no headers
    let good = [12, 0, 0, 0, 1, 1, 0];
    assert!(
        Batch::read(&batch(SEALED, &good))
            .unwrap()
            .records()
            .unwrap()
            .all(|r| r.is_ok())
    );
    let check = |at: usize, byte: u8, what: &str, position: usize| {
        let mut records = good;
        records[at] = byte;
        let error = first_error(&batch(SEALED, &records));
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(error.position(), HEADER_BYTES + position, "{error}");
    };
    check(0, 11, "record length", 0); // −6
    check(0, 14, "a record", 1); // longer than the batch
    check(0, 10, "headers count", 6); // ends early
    check(0, 0x80, "record attributes", 2); // with the 0 behind it: no bytes
    check(3, 1, "offset delta", 3); // −1
    check(3, 2, "offset delta", 3); // past the batch's last
    check(4, 3, "key length", 4); // −2
    check(4, 60, "a key", 5);
    check(5, 3, "value length", 5);
    check(5, 60, "a value", 6);
    check(6, 1, "headers count", 6);
    check(6, 2, "headers count", 6);
}

#[test]
fn counts_and_leftovers_are_checked() {
    let good = [12, 0, 0, 0, 1, 1, 0];
    let error = first_error(&batch(
        Sealed {
            records_count: 2,
            ..SEALED
        },
        &good,
    ));
    assert!(
        matches!(
            error,
            DecodeError::OutOfRange {
                position: 57,
                value: 2,
                ..
            }
        ),
        "{error}"
    );
    let error = first_error(&batch(SEALED, &[12, 0, 0, 0, 1, 1, 0, 9]));
    assert_eq!(
        error,
        DecodeError::TrailingBytes {
            position: HEADER_BYTES + 7,
            left: 1
        }
    );
    let error = first_error(&batch(SEALED, &[14, 0, 0, 0, 1, 1, 0, 9]));
    assert_eq!(
        error,
        DecodeError::RecordTooLong {
            position: HEADER_BYTES,
            left: 1
        }
    );
    let twice = [12, 0, 0, 2, 1, 1, 0, 12, 0, 0, 2, 1, 1, 0];
    let error = first_error(&batch(
        Sealed {
            records_count: 2,
            ..SEALED
        },
        &twice,
    ));
    assert!(
        matches!(
            error,
            DecodeError::OutOfRange {
                what: "offset delta",
                ..
            }
        ),
        "{error}"
    );
    let bytes = batch(SEALED, &good);
    assert!(matches!(
        Batch::read(&bytes[..67]),
        Err(DecodeError::Truncated { needed: 68, .. })
    ));
    let error = Batch::read(&[bytes, vec![0]].concat()).unwrap_err();
    assert_eq!(
        error,
        DecodeError::TrailingBytes {
            position: 68,
            left: 1
        }
    );
}

#[test]
fn a_changed_byte_is_seen_by_the_crc_and_old_formats_by_their_magic() {
    let good = batch(SEALED, &[12, 0, 0, 0, 1, 1, 0]);
    let mut two = [good.clone(), good.clone()].concat();
    two[good.len() + 64] ^= 1;
    let found: Vec<_> = Batches::new(&two).map(Result::unwrap).collect();
    found[0].check_crc().unwrap();
    let error = found[1].check_crc().unwrap_err();
    assert!(
        matches!(error, DecodeError::CrcMismatch { position: 68, .. }),
        "{error}"
    );

    two[good.len() + MAGIC_AT] = 1;
    // Even when the response is cut right behind it.
    for end in [good.len() + MAGIC_AT + 1, two.len()] {
        let mut batches = Batches::new(&two[..end]);
        assert!(batches.next().unwrap().is_ok());
        let error = batches.next().unwrap().unwrap_err();
        assert_eq!(
            error,
            DecodeError::OldMagic {
                position: 68 + MAGIC_AT,
                magic: 1
            }
        );
        assert!(batches.next().is_none() && batches.partial().is_none());
    }
}

#[test]
fn log_append_time_is_the_batchs_for_every_record() {
    let attributes = Attributes(0).with_timestamp_type(TimestampType::LogAppend);
    let bytes = batch(
        Sealed {
            attributes,
            ..SEALED
        },
        &[12, 0, 6, 0, 1, 1, 0],
    );
    let record = Batch::read(&bytes)
        .unwrap()
        .records()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(record.timestamp, 2000);
    let bytes = batch(SEALED, &[12, 0, 6, 0, 1, 1, 0]);
    let record = Batch::read(&bytes)
        .unwrap()
        .records()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(record.timestamp, 1003);
    let late = Sealed {
        base_timestamp: i64::MAX,
        ..SEALED
    };
    let error = first_error(&batch(late, &[12, 0, 6, 0, 1, 1, 0]));
    assert!(
        matches!(
            error,
            DecodeError::OutOfRange {
                what: "timestamp delta",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn compressed_records_are_refused_until_they_are_decompressed() {
    let attributes = Attributes(0).with_compression(Compression::Gzip);
    let bytes = batch(
        Sealed {
            attributes,
            ..SEALED
        },
        b"not walked",
    );
    let read = Batch::read(&bytes).unwrap();
    let error = read.records().unwrap_err();
    let compression = Compression::Gzip;
    assert_eq!(
        error,
        DecodeError::Compressed {
            position: HEADER_BYTES,
            compression
        }
    );
    let mut records = read.records_in(&[12, 0, 0, 0, 1, 1, 0]).unwrap();
    assert!(records.next().unwrap().is_ok() && records.next().is_none());
}

/// A batch of one record at `offset`, of a producer's transaction or its marker.
fn transactional(offset: i64, producer_id: i64, marker: Option<u8>) -> Vec<u8> {
    let mut buffer = [0; 200];
    let mut builder = BatchBuilder::new(&mut buffer, 5);
    let key = marker.map(|kind| [0, 0, 0, kind]);
    let value: &[u8] = if marker.is_some() {
        &[0, 0, 0, 0, 0, 17]
    } else {
        b"data"
    };
    let key = key.as_ref().map(|key| &key[..]);
    let record = Record {
        timestamp: 5,
        key,
        value: Some(value),
        headers: &[],
    };
    builder.write_record(&record).unwrap();
    let (bytes, _) = builder.finish(Identity::NONE);
    let attributes = Attributes(0)
        .with_transactional(true)
        .with_control(marker.is_some());
    seal(
        &mut buffer[..bytes],
        Sealed {
            attributes,
            producer_id,
            ..SEALED
        },
    );
    buffer[..8].copy_from_slice(&offset.to_be_bytes());
    buffer[..bytes].to_vec()
}

#[test]
fn aborted_transactions_end_at_their_markers() {
    const ABORT: Option<u8> = Some(0);
    const COMMIT: Option<u8> = Some(1);
    // (producer, marker, whether its records are passed over)
    let log = [
        (1, None, true),
        (2, None, false),
        (1, ABORT, false),
        (1, None, false), // the next transaction, which is committed
        (2, COMMIT, false),
        (3, None, true),
        (1, COMMIT, false),
        (1, None, true), // and one more that is not
        (3, ABORT, false),
        (3, None, false),
        (1, ABORT, false),
    ];
    let bytes: Vec<u8> = (100..)
        .zip(&log)
        .flat_map(|(offset, (id, marker, _))| transactional(offset, *id, *marker))
        .collect();
    let mut ranges = AbortedRanges::new([(1, 107), (3, 105), (1, 100)]);
    let mut batches = 0;
    for (batch, (_, marker, aborted)) in Batches::new(&bytes).zip(&log) {
        let batch = batch.unwrap();
        assert_eq!(
            ranges.is_aborted(&batch),
            Ok(*aborted),
            "at {}",
            batch.header().base_offset
        );
        let control = batch.control().unwrap();
        let kind = marker.map(|kind| [ControlKind::Abort, ControlKind::Commit][usize::from(kind)]);
        assert_eq!(control.map(|control| control.kind), kind);
        if let Some(control) = control {
            assert_eq!(control.coordinator_epoch, Some(17));
            assert_eq!(control.offset, batch.header().base_offset);
        }
        batches += 1;
    }
    assert_eq!(batches, log.len());
}

#[test]
fn odd_control_records_are_errors_or_passed_over() {
    let marker = transactional(1, 1, Some(0));
    let with_key_type = |kind: u8| {
        let mut bytes = marker.clone();
        bytes[HEADER_BYTES + 8] = kind;
        Batch::read(&bytes).unwrap().control()
    };
    assert_eq!(with_key_type(1).unwrap().unwrap().kind, ControlKind::Commit);
    assert_eq!(
        with_key_type(6).unwrap().unwrap().kind,
        ControlKind::Other(6)
    );
    let attributes = Attributes(0).with_control(true);
    let bytes = batch(
        Sealed {
            attributes,
            ..SEALED
        },
        &[12, 0, 0, 0, 1, 1, 0],
    );
    let error = Batch::read(&bytes).unwrap().control().unwrap_err();
    assert!(
        matches!(error, DecodeError::Truncated { needed: 4, .. }),
        "{error}"
    );
    assert_eq!(
        Batch::read(&batch(SEALED, &[])).unwrap().control(),
        Ok(None)
    );
}

/// A small generator, so that a failure can be repeated from its seed alone.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Reads everything there is to read; returns how many records came.
fn read_all(bytes: &[u8]) -> usize {
    let mut records = 0;
    let mut ranges = AbortedRanges::new([(1, 0), (7, i64::MAX)]);
    let mut batches = Batches::new(bytes);
    for batch in batches.by_ref() {
        let Ok(batch) = batch else { break };
        assert!(batch.bytes().len() <= bytes.len());
        std::hint::black_box(ranges.is_aborted(&batch).is_ok());
        std::hint::black_box(batch.check_crc().is_ok());
        let Ok(walk) = batch
            .records()
            .or_else(|_| batch.records_in(batch.section()))
        else {
            continue;
        };
        assert!(walk.left() <= bytes.len() / RECORD_BYTES_MIN);
        for record in walk {
            let Ok(record) = record else { break };
            records += 1;
            let headers = record.headers.map(|header| header.key.len()).sum::<usize>();
            let key = record.key.map_or(0, <[u8]>::len);
            assert!(headers + key + record.value.map_or(0, <[u8]>::len) <= bytes.len());
            assert_eq!(record.headers.count(), record.headers.len());
        }
    }
    if let Some(partial) = batches.partial() {
        assert_eq!(partial.position + partial.available, bytes.len());
        assert!(
            partial
                .needed
                .is_none_or(|needed| needed > partial.available)
        );
    }
    records
}

/// Changes some bytes, or the length, in the ways that hurt decoders.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            3 => {
                let end = (at + 1 + random.below(10)).min(bytes.len());
                bytes[at..end].fill(0xff);
            }
            4 => bytes.truncate(at.max(1)),
            _ => {
                let copied = bytes[random.below(bytes.len())..].to_vec();
                bytes.splice(at..at, copied.into_iter().take(20));
            }
        }
    }
}

#[test]
fn a_million_hostile_responses_are_errors_at_worst() {
    let seed = std::env::var("RINGMAIN_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(0x9e37_79b9_7f4a_7c15);
    println!("seed {seed} (another: RINGMAIN_SEED)");
    let mut random = Random(seed);

    let mut buffer = [0; 1000];
    let mut builder = BatchBuilder::new(&mut buffer, 5);
    let headers = [
        RecordHeader {
            key: b"k",
            value: None,
        },
        RecordHeader {
            key: b"",
            value: Some(b"v"),
        },
    ];
    for index in 0..5_usize {
        let key = (index % 2 == 0).then_some(&b"key"[..]);
        let value = (index != 3).then_some(&b"some value of some length"[..]);
        let headers = &headers[..index % 3];
        let timestamp = 5 + index as i64 * 1000;
        builder
            .write_record(&Record {
                timestamp,
                key,
                value,
                headers,
            })
            .unwrap();
    }
    let (bytes, _) = builder.finish(Identity::NONE);
    let mut good = buffer[..bytes].to_vec();
    good.extend(transactional(9, 1, Some(0)));
    assert_eq!(read_all(&good), 6);

    let mut survivors = 0;
    let mut mutated = Vec::new();
    for _ in 0..1_000_000 {
        mutated.clear();
        mutated.extend_from_slice(&good);
        mutate(&mut mutated, &mut random);
        survivors += usize::from(read_all(&mutated) == 6);
    }
    // Most changes hit values and break nothing; if none did, nothing would be tested.
    assert!(
        (1000..999_000).contains(&survivors),
        "{survivors} of 1,000,000 were read whole"
    );
}
