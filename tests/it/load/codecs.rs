//! What we write is what Apache's own tools read, whatever the codec.

use std::collections::HashMap;

use super::run::Load;
use crate::kafka::cluster::shared_single;
use crate::kafka::judge::{Isolation, Judge};
use crate::kafka::tools;

const PARTITIONS: i32 = 2;
const LINES: u32 = 12_000;

/// A line of `DumpLogSegments` about a batch, by its words.
#[derive(Debug)]
struct Batch<'a>(HashMap<&'a str, &'a str>);

impl<'a> Batch<'a> {
    /// `baseOffset: 0 lastOffset: 9 count: 10 …`
    fn parse(line: &'a str) -> Option<Self> {
        if !line.starts_with("baseOffset: ") {
            return None;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let pairs = words.chunks_exact(2);
        Some(Self(
            pairs.map(|p| (p[0].trim_end_matches(':'), p[1])).collect(),
        ))
    }

    fn word(&self, name: &str) -> &str {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    fn number(&self, name: &str) -> i64 {
        self.word(name)
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number in {self:?}"))
    }
}

#[test]
fn every_codec_is_read_by_apaches_tools() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let content = compressible();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let load = Load::into_small_batches(cluster, PARTITIONS);
        load.write("a", &content);
        let summary = load.finish(&["-z", codec]);
        assert_eq!(summary["records"], LINES, "{codec}");
        check_judge(&load, cluster.judge(), &content);
        check_console_consumer(&load, cluster.bootstrap(), &content);
        let segments: Vec<_> = (0..PARTITIONS)
            .flat_map(|partition| tools::segments(cluster, 1, &load.topic, partition))
            .collect();
        check_dump(&tools::dump_log_segments(&segments).text(), codec);
    }
}

/// Lines in ascending order, as alike as lines of a log are: a codec that gains nothing is left out
/// of a batch, and random letters give some codecs nothing to gain.
fn compressible() -> Vec<u8> {
    let line = |n| format!("{n:08} INFO request {} served in {} ms\n", n * 7919, n % 97);
    let mut content: Vec<u8> = (0..LINES).flat_map(|n| line(n).into_bytes()).collect();
    assert_eq!(content.pop(), Some(b'\n'));
    content.extend_from_slice(&[b' ', 0, 0xff, b'\n']);
    content
}

/// Every line once, and in each partition in the input's order, which is that of their bytes.
fn check_judge(load: &Load, judge: &Judge, content: &[u8]) {
    let dump = judge.dump(&load.topic, Isolation::ReadCommitted).unwrap();
    let mut all = Vec::new();
    for partition in 0..PARTITIONS {
        let values = dump.values(partition);
        assert!(values.is_sorted(), "partition {partition}");
        all.extend(values);
    }
    all.sort_unstable();
    let whole = content.strip_suffix(b"\n").expect("it ends in a newline");
    let expected = whole.split(|&byte| byte == b'\n');
    assert!(all.iter().eq(expected), "{} records", all.len());
}

/// Partitions come in any order, so the lines are compared as a set of all of them.
fn check_console_consumer(load: &Load, bootstrap: &str, content: &[u8]) {
    let mut consumed = tools::console_consumer(bootstrap, &load.topic, LINES.into()).lines();
    consumed.sort_unstable();
    let whole = content.strip_suffix(b"\n").expect("it ends in a newline");
    let mut expected: Vec<&[u8]> = whole.split(|&byte| byte == b'\n').collect();
    expected.sort_unstable();
    assert_eq!(consumed, expected);
}

/// Valid batches of magic 2 and this codec, offsets and sequences without a gap.
fn check_dump(dumped: &str, codec: &str) {
    let (mut records, mut batches) = (0, 0);
    // By partition: the offset and the sequence that come next, and who produced.
    let mut next = (0, 0, None);
    for line in dumped.lines() {
        if line.starts_with("Dumping ") {
            next = (0, 0, None);
        }
        let Some(batch) = Batch::parse(line) else {
            continue;
        };
        let at = format!("{codec}: {line}");
        assert_eq!(batch.word("isvalid"), "true", "{at}");
        assert_eq!(batch.word("magic"), "2", "{at}");
        assert_eq!(batch.word("compresscodec").to_lowercase(), codec, "{at}");
        assert_eq!(batch.word("isTransactional"), "false", "{at}");
        let count = batch.number("count");
        assert_eq!(batch.number("baseOffset"), next.0, "{at}");
        assert_eq!(batch.number("lastOffset"), next.0 + count - 1, "{at}");
        assert_eq!(batch.number("baseSequence"), next.1, "{at}");
        assert_eq!(batch.number("lastSequence"), next.1 + count - 1, "{at}");
        assert_eq!(batch.number("producerEpoch"), 0, "{at}");
        let producer = batch.number("producerId");
        assert!(producer >= 0, "{at}");
        assert_eq!(*next.2.get_or_insert(producer), producer, "{at}");
        next = (next.0 + count, next.1 + count, next.2);
        records += count;
        batches += 1;
    }
    assert_eq!(records, i64::from(LINES), "{codec}");
    assert!(batches > 10, "{codec}: {batches} batches only");
    let deep = dumped.lines().filter(|line| line.starts_with("| offset: "));
    assert_eq!(deep.count(), LINES as usize, "{codec}");
}
