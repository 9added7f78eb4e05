//! How fast do the records of a batch in memory become lines, the check of the CRC included?
//!
//! Each level of the kernel, and the reader, which looks at every field, against the decoder of the
//! crate `kafka-protocol` on the same batch, which checks the CRC too and copies no value. Criterion
//! reports times; the last lines are ratios of one interleaved run, which is what counts: the aim
//! is 8 times that decoder at 100-byte records.
#![expect(
    clippy::print_stdout,
    reason = "the ratios are what this program is for"
)]

mod measure;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use kafka_protocol::records::RecordBatchDecoder;
use measure::report::{Aim, Report};
use protocol::records::builder::{BatchBuilder, Identity, Record};
use protocol::records::crc::crc32c;
use protocol::records::kernel::Level;
use protocol::records::reader::{Batch, RecordView};
use protocol::records::unframe::{Split, Stop, Unframer, Walk};

/// A batch that the second-level cache holds together with its values.
const BATCH_BYTES: usize = 256 * 1024;
const TIMESTAMP: i64 = 1_700_000_000_000;

fn main() {
    if !measure::is_asked_for() {
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    for value_bytes in [20, 100, 1000, 10_000] {
        measure(&mut criterion, &Sample::new(value_bytes, Extras::None));
    }
    criterion.final_summary();
    println!("unframing + CRC from memory, in times kafka-protocol's decoder:");
    let mut report = Report::new("unframing");
    for extras in [Extras::None, Extras::Key, Extras::KeyAndHeader] {
        for value_bytes in [20, 100, 1000, 10_000] {
            compare(&mut report, &Sample::new(value_bytes, extras));
        }
    }
    report.finish();
}

/// What records have besides a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extras {
    None,
    Key,
    KeyAndHeader,
}

/// A batch, and the lines in it.
struct Sample {
    value_bytes: usize,
    extras: Extras,
    batch: Bytes,
    lines: Vec<u8>,
}

impl Sample {
    /// Values of one length, and of other bytes each; a millisecond passes every 100 records.
    fn new(value_bytes: usize, extras: Extras) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let (mut buffer, mut lines) = (vec![0; BATCH_BYTES], Vec::new());
        let mut builder = BatchBuilder::new(&mut buffer, TIMESTAMP);
        let headers = [protocol::records::builder::RecordHeader {
            key: b"trace",
            value: Some(b"0123456789abcdef"),
        }];
        for index in 0.. {
            let start = lines.len();
            for _ in 0..value_bytes {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                lines.push(b' ' + (state % 95) as u8);
            }
            let record = Record {
                timestamp: TIMESTAMP + index / 100,
                key: (extras != Extras::None).then_some(&b"user-123456"[..]),
                value: Some(&lines[start..]),
                headers: &headers[..usize::from(extras == Extras::KeyAndHeader)],
            };
            if builder.write_record(&record).is_err() {
                lines.truncate(start);
                break;
            }
            lines.push(b'\n');
        }
        let (bytes, _) = builder.finish(Identity::NONE);
        let batch = Bytes::copy_from_slice(&buffer[..bytes]);
        Self {
            value_bytes,
            extras,
            batch,
            lines,
        }
    }
}

/// The whole way: header, CRC, values.
fn unframe(unframer: &Unframer, batch: &[u8], out: &mut [u8]) -> usize {
    let batch = Batch::read(batch).expect("the batch is whole");
    batch.check_crc().expect("the CRC is right");
    let mut walk = Walk::new(&batch.records().expect("it is not compressed"));
    let done = unframer
        .values(batch.section(), &mut walk, out, Split::Never)
        .expect("the records are sound");
    assert_eq!(done.stop, Stop::End, "there is room for all values");
    done.written
}

/// Every field of every record, and the CRC.
fn read(batch: &[u8], mut each: impl FnMut(&RecordView<'_>)) -> usize {
    let batch = Batch::read(batch).expect("the batch is whole");
    batch.check_crc().expect("the CRC is right");
    let mut count = 0;
    for record in batch.records().expect("it is not compressed") {
        each(&record.expect("the records are sound"));
        count += 1;
    }
    count
}

fn decode(batch: &Bytes) -> usize {
    let mut batch = batch.clone();
    let decoded = RecordBatchDecoder::decode(&mut batch).expect("the batch can be decoded");
    decoded.records.len()
}

fn measure(criterion: &mut Criterion, sample: &Sample) {
    let batch = &sample.batch;
    let mut out = vec![0; BATCH_BYTES];
    let mut group = criterion.benchmark_group(format!("unframing/{}", sample.value_bytes));
    group.throughput(Throughput::Bytes(batch.len() as u64));
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    for level in Level::available() {
        let unframer = Unframer::with_level(b"\n", b"", level);
        let id = BenchmarkId::new("values", format!("{level:?}"));
        group.bench_function(id, |bencher| {
            bencher.iter(|| unframe(&unframer, black_box(batch), &mut out));
        });
    }
    group.bench_function("crc", |bencher| bencher.iter(|| crc32c(black_box(batch))));
    group.bench_function("reader", |bencher| {
        bencher.iter(|| {
            read(black_box(batch), |record| {
                black_box(record);
            })
        });
    });
    group.bench_function("kafka-protocol", |bencher| {
        bencher.iter(|| decode(black_box(batch)));
    });
    group.finish();
}

/// Their time over ours, for each level and for the reader.
fn compare(report: &mut Report, sample: &Sample) {
    let Sample {
        value_bytes,
        extras,
        batch,
        lines,
    } = sample;
    let mut out = vec![0; BATCH_BYTES];
    for level in Level::available() {
        let unframer = Unframer::with_level(b"\n", b"", level);
        let written = unframe(&unframer, batch, &mut out);
        assert!(out[..written] == lines[..], "the values are the lines");
        let ratio = ratio(batch, &mut || {
            unframe(&unframer, black_box(batch), &mut out)
        });
        let name = format!("{level:?}");
        println!("  {value_bytes:>6} bytes, {extras:?}, {name:<7} {ratio:6.1}");
        if *value_bytes == 100 && *extras == Extras::None {
            let what = format!("unframing + CRC, 100-byte records, {name}, / kafka-protocol");
            let aim = match level {
                Level::Scalar => Aim::None,
                _ => Aim::AtLeast(8.0),
            };
            report.add(&what, ratio, aim, String::new(), String::new());
        }
    }
    let mut reader = || {
        read(black_box(batch), |record| {
            black_box(record);
        })
    };
    let ratio = ratio(batch, &mut reader);
    println!("  {value_bytes:>6} bytes, {extras:?}, reader  {ratio:6.1}");
}

/// The median of interleaved rounds.
fn ratio(batch: &Bytes, ours: &mut dyn FnMut() -> usize) -> f64 {
    let time = |work: &mut dyn FnMut() -> usize| {
        let start = Instant::now();
        for _ in 0..10 {
            black_box(work());
        }
        start.elapsed().as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..41)
        .map(|_| {
            let ours = time(ours);
            time(&mut || decode(black_box(batch))) / ours
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
