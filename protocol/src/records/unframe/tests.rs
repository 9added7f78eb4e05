//! Every level against the records that another implementation wrote, and against the reader.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression as TheirCompression, Record as TheirRecord, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType as TheirTimestampType,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::frame::testing::Random;
use crate::records::builder::{BatchBuilder, Identity, Record, RecordHeader};
use crate::records::header::HEADER_BYTES;
use crate::records::reader::Batch;

/// What came out in all, of however many calls.
#[derive(Debug, Default, PartialEq, Eq)]
struct Out {
    text: Vec<u8>,
    records: u32,
    skipped: u32,
    holding: u32,
    end: Option<Result<Stop, DecodeError>>,
}

/// Which part of a batch is asked for.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    from: i64,
    until: i64,
}

const ALL: Wanted = Wanted {
    from: i64::MIN,
    until: i64::MAX,
};

/// Values, of which one may be missing, with their offsets, the plainest way.
fn naive<'a>(
    records: impl Iterator<Item = Result<(i64, Option<&'a [u8]>), DecodeError>>,
    delimiter: &[u8],
    null: &[u8],
    wanted: Wanted,
) -> Out {
    let mut out = Out::default();
    for record in records {
        let (offset, value) = match record {
            Ok(record) => record,
            Err(error) => {
                out.end = Some(Err(error));
                return out;
            }
        };
        if offset >= wanted.until {
            out.end = Some(Ok(Stop::Until));
            return out;
        }
        if offset < wanted.from {
            out.skipped += 1;
            continue;
        }
        out.text.extend_from_slice(value.unwrap_or(null));
        out.text.extend_from_slice(delimiter);
        out.records += 1;
        let holds = value.is_some_and(|value| {
            !delimiter.is_empty() && value.windows(delimiter.len()).any(|part| part == delimiter)
        });
        out.holding += u32::from(holds);
    }
    out.end = Some(Ok(Stop::End));
    out
}

fn with_reader(batch: &Batch<'_>, section: &[u8], unframer: &Unframer, wanted: Wanted) -> Out {
    let records = batch.records_in(section).expect("the caller has tried it");
    let fields = records.map(|record| record.map(|record| (record.offset, record.value)));
    naive(fields, unframer.finder.needle(), &unframer.null, wanted)
}

/// The same by the code under test, into outputs of these sizes, over and over.
fn walked(
    batch: &Batch<'_>,
    section: &[u8],
    unframer: &Unframer,
    wanted: Wanted,
    rooms: &[(usize, Split)],
) -> Out {
    let records = batch.records_in(section).expect("the caller has tried it");
    let mut walk = Walk::new(&records)
        .from_offset(wanted.from)
        .until_offset(wanted.until);
    let mut out = Out::default();
    let mut rooms = rooms.iter().cycle();
    let mut more = 0;
    loop {
        let &(room, split) = rooms.next().expect("there is a size");
        let was_split = walk.is_split();
        let mut buffer = vec![0xee; room + more];
        let done = match unframer.values(section, &mut walk, &mut buffer, split) {
            Ok(done) => done,
            Err(error) => {
                out.end = Some(Err(error));
                return out;
            }
        };
        assert!(done.whole <= done.written && done.written <= buffer.len());
        assert!(walk.is_split() || done.whole == done.written);
        if walk.is_split() {
            assert!(was_split || split == Split::First, "nobody asked for that");
            assert_eq!((done.whole, done.written), (0, buffer.len()));
        }
        out.text.extend_from_slice(&buffer[..done.written]);
        out.records += done.records;
        out.skipped += done.skipped;
        out.holding += done.holding_delimiter;
        if done.stop != Stop::Full {
            assert!(!walk.is_split(), "it stops behind a record");
            out.end = Some(Ok(done.stop));
            return out;
        }
        // A record for which no output is large enough gets a larger one.
        more = if done.written == 0 { 2 * more + 1 } else { 0 };
    }
}

/// As many bytes as `sizes` have, in which the delimiter's bytes are frequent.
fn text(sizes: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
    vec(select(b"\r\n:abcdefgh\xff\x00".as_slice()), sizes)
}

fn their_record() -> impl Strategy<Value = TheirRecord> {
    let value = prop_oneof![
        8 => text(0..300).prop_map(Some),
        1 => text(300..20_000).prop_map(Some),
        1 => Just(None),
    ];
    let key = proptest::option::of(text(0..200));
    let headers = prop_oneof![3 => Just(vec![]), 1 => vec(proptest::option::of(text(0..9)), 1..4)];
    let blob_of = |bytes: Option<Vec<u8>>| bytes.map(Bytes::from);
    (0..1_i64 << 45, key, value, headers).prop_map(move |(timestamp, key, value, headers)| {
        let named = headers.into_iter().enumerate();
        TheirRecord {
            transactional: false,
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

/// Their batch of these records, whose offsets are set here, with gaps as compaction leaves them.
fn their_batch(records: &mut [TheirRecord], base: i64, gaps: &[u16]) -> Vec<u8> {
    let mut offset = base;
    for (index, record) in records.iter_mut().enumerate() {
        offset += i64::from(gaps[index % gaps.len()]) * i64::from(index > 0);
        record.offset = offset;
        record.sequence = (offset - base) as i32;
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

fn rooms() -> impl Strategy<Value = Vec<(usize, Split)>> {
    let room = prop_oneof![0..40_usize, 40..500_usize, 500..100_000_usize];
    vec(
        (room, select([Split::Never, Split::First].as_slice())),
        1..6,
    )
}

fn delimiter() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(vec![]),
        2 => text(0..12),
    ]
}

proptest! {
    #[test]
    fn what_the_oracle_wrote_comes_out(
        mut theirs in vec(their_record(), 1..60),
        gaps in vec(prop_oneof![4 => Just(0_u16), 1 => any::<u16>()], 1..8),
        delimiter in delimiter(),
        null in text(0..6),
        wanted in (any::<bool>(), -3..80_i64, any::<bool>(), -3..80_i64),
        rooms in rooms(),
    ) {
        const BASE: i64 = 5_000_000_000;
        let bytes = their_batch(&mut theirs, BASE, &gaps);
        let batch = Batch::read(&bytes).unwrap();
        let wanted = Wanted {
            from: if wanted.0 { BASE + wanted.1 } else { i64::MIN },
            until: if wanted.2 { BASE + wanted.3 } else { i64::MAX },
        };
        let fields = theirs.iter().map(|record| Ok((record.offset, record.value.as_deref())));
        let expected = naive(fields, &delimiter, &null, wanted);
        for level in Level::available() {
            let unframer = Unframer::with_level(&delimiter, &null, level);
            let out = walked(&batch, batch.section(), &unframer, wanted, &rooms);
            prop_assert_eq!(&out, &expected, "{:?}", level);
        }
    }
}

/// A batch of one record after the other; each may have what `record` says.
fn batch_of<'a>(bytes: usize, records: impl Iterator<Item = Record<'a>>) -> Vec<u8> {
    let mut buffer = vec![0; bytes];
    let mut builder = BatchBuilder::new(&mut buffer, 0);
    records.for_each(|record| builder.write_record(&record).expect("there is room"));
    let (bytes, _) = builder.finish(Identity::NONE);
    buffer.truncate(bytes);
    buffer
}

#[test]
fn numbers_of_every_length_are_read() {
    const LENGTHS: [usize; 16] = [
        0, 1, 40, 52, 53, 62, 63, 64, 65, 127, 128, 8180, 8192, 16_384, 1_048_570, 1_048_576,
    ];
    let blob = vec![b'x'; 1_048_576];
    for key_bytes in LENGTHS.map(Some).into_iter().chain([None]) {
        let key = key_bytes.map(|bytes| &blob[..bytes]);
        let records = LENGTHS.iter().enumerate().map(|(index, &bytes)| Record {
            timestamp: 1 << (4 * index),
            key,
            value: Some(&blob[..bytes]),
            headers: &[],
        });
        let bytes = batch_of(30 << 20, records);
        let batch = Batch::read(&bytes).unwrap();
        for level in Level::available() {
            let unframer = Unframer::with_level(b"\n", b"", level);
            let expected = with_reader(&batch, batch.section(), &unframer, ALL);
            assert_eq!(expected.records as usize, LENGTHS.len());
            let rooms = [(3 << 20, Split::Never)];
            let out = walked(&batch, batch.section(), &unframer, ALL, &rooms);
            assert!(out == expected, "{level:?}, keys of {key_bytes:?} bytes");
        }
    }
}

#[test]
fn offset_deltas_of_every_length_are_read() {
    const RECORDS: u32 = (1 << 20) + 1000;
    let value = |index: u32| index.to_le_bytes();
    let mut buffer = vec![0; 20 << 20];
    let mut builder = BatchBuilder::new(&mut buffer, 0);
    let mut expected = Vec::new();
    for index in 0..RECORDS {
        let record = Record {
            timestamp: 0,
            key: None,
            value: Some(&value(index)),
            headers: &[],
        };
        builder.write_record(&record).unwrap();
        expected.extend_from_slice(&value(index));
    }
    let (bytes, _) = builder.finish(Identity::NONE);
    let batch = Batch::read(&buffer[..bytes]).unwrap();
    for level in Level::available() {
        let unframer = Unframer::with_level(b"", b"", level);
        for (from, until) in [
            (0, RECORDS),
            (70, 8000),
            (8191, 1 << 20),
            (1 << 20, RECORDS),
        ] {
            let wanted = Wanted {
                from: from.into(),
                until: until.into(),
            };
            let rooms = [(1 << 20, Split::Never)];
            let out = walked(&batch, batch.section(), &unframer, wanted, &rooms);
            assert!(out.text == expected[4 * from as usize..4 * until as usize]);
            assert_eq!((out.records, out.skipped), (until - from, from));
        }
    }
}

#[test]
fn the_next_offset_is_behind_what_is_out_whole() {
    let records = [&b"first"[..], b"second", b"third"].map(|value| Record {
        timestamp: 0,
        key: None,
        value: Some(value),
        headers: &[],
    });
    let bytes = batch_of(1000, records.into_iter());
    let batch = Batch::read(&bytes).unwrap();
    let unframer = Unframer::new(b"\n", b"");
    let mut walk = Walk::new(&batch.records().unwrap());
    let mut out = [0; 8];
    let mut check = |split, text: &[u8], whole, next_offset, stop| {
        let done = unframer
            .values(batch.section(), &mut walk, &mut out, split)
            .unwrap();
        assert_eq!(&out[..done.written], text);
        assert_eq!((done.whole, done.stop), (whole, stop));
        assert_eq!(walk.next_offset(), next_offset);
    };
    check(Split::First, b"first\n", 6, 1, Stop::Full);
    check(Split::Never, b"second\n", 7, 2, Stop::Full);
    check(Split::Never, b"third\n", 6, 3, Stop::End);
    check(Split::Never, b"", 0, 3, Stop::End);

    let mut walk = Walk::new(&batch.records().unwrap());
    let mut pieces = Vec::new();
    for next_offset in [0, 1, 1, 1, 2] {
        let done = unframer
            .values(batch.section(), &mut walk, &mut out[..3], Split::First)
            .unwrap();
        pieces.extend_from_slice(&out[..done.written]);
        assert_eq!(walk.next_offset(), next_offset);
        assert!(walk.is_split() || done.whole == done.written);
    }
    assert_eq!(pieces, b"first\nsecond\n");
}

#[test]
fn what_lies_before_a_broken_record_comes_out_first() {
    let records = [&b"one"[..], b"two"].map(|value| Record {
        timestamp: 0,
        key: None,
        value: Some(value),
        headers: &[],
    });
    let mut bytes = batch_of(1000, records.into_iter());
    *bytes.last_mut().unwrap() = 2; // one header more than there are
    let batch = Batch::read(&bytes).unwrap();
    let unframer = Unframer::new(b"\n", b"");
    let mut walk = Walk::new(&batch.records().unwrap());
    let mut out = [0; 100];
    let mut values = || unframer.values(batch.section(), &mut walk, &mut out, Split::Never);
    let done = values().unwrap();
    assert_eq!((done.written, done.records, done.stop), (4, 1, Stop::Full));
    let error = values().unwrap_err();
    assert!(
        matches!(
            error,
            DecodeError::OutOfRange {
                what: "headers count",
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.position() >= HEADER_BYTES,
        "it counts from the batch's start"
    );
    assert_eq!(values(), Err(error));
}

/// Else everything would be right, and slow.
#[test]
fn the_kernel_takes_what_is_usual() {
    let headers = [RecordHeader {
        key: b"k",
        value: None,
    }];
    let values = [vec![b'x'; 100], vec![b'\n'; 10], vec![b'y'; 5000]];
    let shape = |index: usize| Record {
        timestamp: [0, 100, 1 << 20][index % 3],
        key: index.is_multiple_of(2).then_some(&b"key"[..]),
        value: Some(&values[index % 3]),
        headers: &headers[..usize::from(index.is_multiple_of(7))],
    };
    let bytes = batch_of(1 << 20, (0..200).map(shape));
    let batch = Batch::read(&bytes).unwrap();
    for level in Level::available().filter(|level| *level != Level::Scalar) {
        let unframer = Unframer::with_level(b"\n", b"", level);
        let mut walk = Walk::new(&batch.records().unwrap());
        let job = Job {
            section: batch.section(),
            delimiter: b"\n",
            finder: &unframer.finder,
            records_max: 200,
            last: walk.deltas().unwrap().1,
        };
        let mut progress = Progress {
            read: 0,
            written: 0,
            records: 0,
            least: 0,
            holding: 0,
        };
        unframe::values(level, &job, &mut vec![0; 1 << 20], &mut progress);
        // The last two lie too near the end.
        assert_eq!((progress.records, progress.holding), (198, 66), "{level:?}");
        let mut out = vec![0; 1 << 20];
        let done = unframer
            .values(batch.section(), &mut walk, &mut out, Split::Never)
            .unwrap();
        assert_eq!((done.records, done.holding_delimiter), (200, 67));
    }
}

/// Records of many shapes, long enough for the kernel to have room.
fn motley() -> Vec<u8> {
    let headers = [(&b"k"[..], None), (b"", Some(&b"v"[..]))];
    let headers = headers.map(|(key, value)| RecordHeader { key, value });
    let values: [&[u8]; 4] = [
        b"some value\nof some length",
        b"",
        &[b'y'; 70],
        &[b'z'; 130],
    ];
    let shape = |index: usize| Record {
        timestamp: [0, 100, 1 << 20, 1 << 50][index / 3 % 4],
        key: index.is_multiple_of(3).then_some(&b"key"[..]),
        value: (index % 7 != 5).then_some(values[index % 4]),
        headers: &headers[..[0, 0, 0, 1, 2][index % 5]],
    };
    batch_of(10_000, (0..24).map(shape))
}

#[test]
fn a_million_hostile_sections_are_refused_as_by_the_reader() {
    let mut random = Random::seeded();
    let good = motley();
    let batch = Batch::read(&good).unwrap();
    let unframers: Vec<_> = Level::available()
        .map(|level| Unframer::with_level(b"\n", b"NULL", level))
        .collect();
    let (mut whole, mut walks) = (0, 0);
    let mut section = Vec::new();
    while walks < 1_000_000 {
        section.clear();
        section.extend_from_slice(batch.section());
        random.mutate(&mut section);
        if batch.records_in(&section).is_err() {
            continue;
        }
        // Sections that end at once leave no room for the kernel; these do.
        let spare = random.below(3) * 40;
        section.resize(section.len() + spare, random.next() as u8);
        let wanted = Wanted {
            from: random.below(10) as i64 - 5,
            until: 15 + random.below(20) as i64,
        };
        let split = [Split::Never, Split::First][random.below(2)];
        let rooms = [(random.below(3000), split)];
        let expected = with_reader(&batch, &section, &unframers[0], wanted);
        whole += usize::from(matches!(expected.end, Some(Ok(_))));
        let unframer = &unframers[walks % unframers.len()];
        let out = walked(&batch, &section, unframer, wanted, &rooms);
        assert_eq!(out, expected, "{:?} over {section:02x?}", unframer.level);
        walks += 1;
    }
    // If all or none were sound, nothing would be tested.
    assert!((1000..990_000).contains(&whole), "{whole} of {walks}");
}
