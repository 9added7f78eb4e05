//! How fast do lines in memory become a record batch, CRC included?
//!
//! Each level of the kernel, against the encoder of the crate `kafka-protocol` on the same lines,
//! which gets its records made beforehand. Criterion reports times; the last lines are ratios of
//! one interleaved run, which is what counts: the aim is 8 times that encoder at 100-byte lines.
#![expect(
    clippy::print_stdout,
    reason = "the ratios are what this program is for"
)]

mod measure;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, Record, RecordBatchEncoder, RecordEncodeOptions,
    TimestampType,
};
use measure::report::{Aim, Report};
use protocol::records::builder::{BatchBuilder, Identity};
use protocol::records::crc::crc32c;
use protocol::records::kernel::{Bounds, Framer, Level, Stop};

/// The input of one batch: a chunk as the loader cuts it.
const CHUNK_BYTES: usize = 768 * 1024;
/// Room for the batch: short lines grow to several times their size.
const BATCH_BYTES: usize = 4 * CHUNK_BYTES;
const TIMESTAMP: i64 = 1_700_000_000_000;

fn main() {
    if !measure::is_asked_for() {
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    for line_bytes in [20, 100, 1000, 10_000] {
        measure(&mut criterion, line_bytes);
    }
    criterion.final_summary();
    println!("framing + CRC from memory, in times kafka-protocol's encoder:");
    let mut report = Report::new("framing");
    for line_bytes in [20, 100, 1000, 10_000] {
        for level in Level::available() {
            let ratio = ratio(level, line_bytes);
            println!(
                "  {line_bytes:>6}-byte lines, {:<7} {ratio:6.1}",
                format!("{level:?}")
            );
            if line_bytes == 100 {
                let what = format!("framing + CRC, 100-byte lines, {level:?}, / kafka-protocol");
                let aim = match level {
                    Level::Scalar => Aim::None,
                    _ => Aim::AtLeast(8.0),
                };
                report.add(&what, ratio, aim, String::new(), String::new());
            }
        }
    }
    report.finish();
}

/// Lines of one length, and of other bytes each.
fn lines(line_bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut input = Vec::with_capacity(CHUNK_BYTES);
    while input.len() + line_bytes < CHUNK_BYTES {
        for _ in 0..line_bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            input.push(b' ' + (state % 95) as u8);
        }
        input.push(b'\n');
    }
    input
}

fn bounds() -> Bounds {
    Bounds {
        begin_before: usize::MAX,
        input_ends: true,
        records_max: u32::MAX,
    }
}

/// The whole way: records, header, CRC.
fn build(framer: &Framer, input: &[u8], batch: &mut [u8]) -> usize {
    let mut builder = BatchBuilder::new(batch, TIMESTAMP);
    let framed = builder.frame_lines(framer, input, bounds());
    assert_eq!(framed.stop, Stop::Bound, "the batch has room for the chunk");
    builder
        .finish(Identity {
            producer_id: 1,
            producer_epoch: 0,
            base_sequence: 0,
            transactional: false,
        })
        .0
}

/// The same lines as the other crate wants them.
fn their_records(input: &[u8]) -> Vec<Record> {
    let framer = Framer::new(b'\n', false);
    let input = Bytes::copy_from_slice(input);
    let mut records = Vec::new();
    let mut start = 0;
    while let Some(length) = framer.find(&input[start..]) {
        let index = records.len();
        records.push(Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id: 1,
            producer_epoch: 0,
            timestamp_type: TimestampType::Creation,
            offset: index as i64,
            sequence: index as i32,
            timestamp: TIMESTAMP,
            key: None,
            value: Some(input.slice(start..start + length)),
            headers: IndexMap::new(),
        });
        start += length + 1;
    }
    records
}

fn encode(records: &[Record], batch: &mut BytesMut) -> usize {
    batch.clear();
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    RecordBatchEncoder::encode(batch, records, &options).expect("the records can be encoded");
    batch.len()
}

fn measure(criterion: &mut Criterion, line_bytes: usize) {
    let input = lines(line_bytes);
    let mut batch = vec![0; BATCH_BYTES];
    let mut group = criterion.benchmark_group(format!("framing/{line_bytes}"));
    group.throughput(Throughput::Bytes(input.len() as u64));
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    for level in Level::available() {
        let framer = Framer::with_level(b'\n', false, level);
        group.bench_function(BenchmarkId::new("frame", format!("{level:?}")), |bencher| {
            bencher.iter(|| framer.frame(black_box(&input), bounds(), &mut batch, 0));
        });
        group.bench_function(BenchmarkId::new("batch", format!("{level:?}")), |bencher| {
            bencher.iter(|| build(&framer, black_box(&input), &mut batch));
        });
    }
    group.bench_function("crc", |bencher| bencher.iter(|| crc32c(black_box(&input))));
    let records = their_records(&input);
    let mut encoded = BytesMut::with_capacity(BATCH_BYTES);
    group.bench_function("kafka-protocol", |bencher| {
        bencher.iter(|| encode(black_box(&records), &mut encoded));
    });
    group.finish();
}

/// Their time over ours, the median of interleaved rounds. Both write the same bytes.
fn ratio(level: Level, line_bytes: usize) -> f64 {
    let input = lines(line_bytes);
    let records = their_records(&input);
    let framer = Framer::with_level(b'\n', false, level);
    let mut ours = vec![0; BATCH_BYTES];
    let mut theirs = BytesMut::with_capacity(BATCH_BYTES);
    let bytes = build(&framer, &input, &mut ours);
    encode(&records, &mut theirs);
    assert!(
        ours[..bytes] == theirs[..],
        "both encoders write the same batch"
    );

    let time = |work: &mut dyn FnMut() -> usize| {
        let start = Instant::now();
        for _ in 0..10 {
            black_box(work());
        }
        start.elapsed().as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..41)
        .map(|_| {
            let ours = time(&mut || build(&framer, black_box(&input), &mut ours));
            time(&mut || encode(black_box(&records), &mut theirs)) / ours
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
