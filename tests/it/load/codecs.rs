//! What we write is what Apache's own tools read, whatever the codec.

use std::collections::HashMap;

use super::run::{Load, lines};
use crate::kafka::cluster::shared_single;
use crate::kafka::tools;

const PARTITIONS: i32 = 2;
const LINES: u32 = 6_000;

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
    for (seed, codec) in (100..).zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        let load = Load::into_small_batches(cluster, PARTITIONS);
        let content = load.generate("a", &lines(seed, LINES));
        let summary = load.finish(&["-z", codec]);
        assert_eq!(summary["records"], LINES, "{codec}");
        load.assert_holds(cluster.judge(), &[&content]);
        check_console_consumer(&load, cluster.bootstrap(), &content);
        let segments: Vec<_> = (0..PARTITIONS)
            .flat_map(|partition| tools::segments(cluster, 1, &load.topic, partition))
            .collect();
        check_dump(&tools::dump_log_segments(&segments).text(), codec);
    }
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
