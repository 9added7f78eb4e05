//! Which bytes make which records, in which order and in which partition.

use std::time::{SystemTime, UNIX_EPOCH};

use super::run::{Load, lines};
use crate::kafka::cluster::{Cluster, shared_single};
use crate::kafka::judge::{Isolation, NewTopic};
use crate::kafka::lines::{Sizes, generate};
use crate::kafka::tools;

/// Loads `content` with `flags` into one partition, whose values must be `expected`.
#[track_caller]
fn check(cluster: &Cluster, content: &[u8], flags: &[&str], expected: &[&[u8]]) {
    let load = Load::into_topic(cluster, 1);
    load.write("a", content);
    let summary = load.finish(flags);
    assert_eq!(summary["records"], expected.len(), "{content:?} {flags:?}");
    assert_eq!(summary["bytes"], content.len(), "{content:?} {flags:?}");
    let values = load.values(cluster.judge());
    assert_eq!(values, expected, "{content:?} {flags:?}");
}

#[test]
fn bytes_in_are_bytes_out() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let strip: &[&str] = &["--crlf", "strip"];
    check(cluster, b"one\ntwo\n", &[], &[b"one", b"two"]);
    check(cluster, b"one\ntwo", &[], &[b"one", b"two"]);
    check(cluster, b"\n\n a \n\n", &[], &[b"", b"", b" a ", b""]);
    check(cluster, b"", &[], &[]);
    check(
        cluster,
        b"a\r\nb\r\r\n\r\nc\r",
        &[],
        &[b"a\r", b"b\r\r", b"\r", b"c\r"],
    );
    // One CR in front of a delimiter is stripped; one at the end of the file has none behind it.
    check(
        cluster,
        b"a\r\nb\r\r\n\r\nc\rd\n",
        strip,
        &[b"a", b"b\r", b"", b"c\rd"],
    );
    check(cluster, b"a;b\nc;;", &["-D", ";"], &[b"a", b"b\nc", b""]);
    check(cluster, b"a\0\n\0", &["-D", "\\0"], &[b"a", b"\n"]);
    check(cluster, b"a\xffb\xff", &["-D", "\\xff"], &[b"a", b"b"]);
    let all: Vec<u8> = (0..=255).filter(|&byte| byte != b'\n').collect();
    let twice = [&all[..], b"\n", &all, b"\n"].concat();
    check(cluster, &twice, &[], &[&all, &all]);
    // Not text, and not UTF-8.
    check(
        cluster,
        b"\xc3\x28\n\xef\xbb\xbfbom\n",
        &[],
        &[b"\xc3\x28", b"\xef\xbb\xbfbom"],
    );
}

#[test]
fn binary_records_arrive_byte_for_byte() {
    let Some(cluster) = shared_single() else {
        return;
    };
    for (seed, codec) in (200..).zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        let load = Load::into_topic(cluster, 3);
        let recipe = generate(seed, 4_000, Sizes::Mixed).binary();
        let content = load.generate("a", &recipe.without_last_delimiter());
        load.finish(&["-z", codec]);
        load.assert_holds(cluster.judge(), &[&content]);
    }
}

#[test]
fn records_are_dealt_over_all_partitions() {
    let Some(cluster) = shared_single() else {
        return;
    };
    // More chunks than eight, fewer than 256.
    let recipe = lines(210, 45_000);
    for partitions in [1, 8, 256] {
        let load = Load::into_small_batches(cluster, partitions);
        let content = load.generate("a", &recipe);
        let summary = load.finish(&[]);
        load.assert_holds(cluster.judge(), &[&content]);
        let ends = cluster.judge().end_offsets(&load.topic).unwrap();
        let used = ends.iter().filter(|&&end| end > 0).count();
        assert!((12.min(ends.len())..).contains(&used), "{ends:?}");
        assert_follow(&ends);
        for (partition, end) in ends.iter().enumerate() {
            assert_eq!(
                summary["partitions"][partition]["records"], *end,
                "{summary}"
            );
        }
        cluster.judge().delete_topic(&load.topic).unwrap();
    }
}

/// Chunks go to one partition after the other, from a random one on.
fn assert_follow(ends: &[i64]) {
    let around = ends.iter().zip(ends.iter().cycle().skip(1));
    let begins = around.filter(|(before, end)| **before == 0 && **end > 0);
    assert!(begins.count() <= 1, "{ends:?}");
}

#[test]
fn one_partition_gets_everything_when_it_is_named() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let load = Load::into_small_batches(cluster, 3);
    let content = load.generate("a", &lines(220, 9_000));
    load.finish(&["--partition", "2"]);
    load.assert_holds(cluster.judge(), &[&content]);
    assert_eq!(
        cluster.judge().end_offsets(&load.topic).unwrap(),
        [0, 0, 9_000]
    );

    let load = Load::into_topic(cluster, 3);
    load.write("a", b"line\n");
    load.run(&["--partition", "3"])
        .failed(2, &["--partition 3", &load.topic, "partitions 0 to 2"]);
}

#[test]
fn files_follow_in_the_order_named_and_patterns_in_that_of_bytes() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let load = |inputs: &[&str]| {
        let load = Load::into_topic(cluster, 1);
        for name in [
            "b.log",
            "a.log",
            "B.log",
            "d/z.log",
            "d/é.log",
            "c.txt",
            ".hidden.log",
        ] {
            // Without a newline at its end: a file's end ends its last record.
            load.write(name, format!("{name} 1\n{name} 2").as_bytes());
        }
        let ended = load.spawn_of(inputs, &[]).end();
        ended.done();
        let values = load.values(cluster.judge());
        let names = values.chunks(2).map(|pair| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let (first, second) = (text(&pair[0]), text(&pair[1]));
            let name = first.strip_suffix(" 1").unwrap().to_owned();
            assert_eq!(second, format!("{name} 2"));
            name
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(load(&["c.txt", "b.log"]), ["c.txt", "b.log"]);
    assert_eq!(load(&["*.log"]), ["B.log", "a.log", "b.log"]);
    assert_eq!(load(&["d", "c.txt"]), ["d/z.log", "d/é.log", "c.txt"]);
    assert_eq!(
        load(&["**/*.log"]),
        ["B.log", "a.log", "b.log", "d/z.log", "d/é.log"]
    );
}

#[test]
fn lines_from_nothing_to_five_megabytes() {
    let Some(cluster) = shared_single() else {
        return;
    };
    const LIMIT: usize = 6_000_000;
    let load = Load::new(cluster.bootstrap());
    let topic = NewTopic::new(&load.topic, 2).config("max.message.bytes", LIMIT);
    cluster.judge().create_topic(&topic).unwrap();
    // Around the size of a chunk, of a read, and of the limit of a batch.
    let sizes = [
        0, 1, 5_000_000, 1, 786_431, 786_432, 786_433, 63, 64, 65, 2_000_000, 1_048_576, 100,
        5_242_880, 0, 3_333_333,
    ];
    let record = |(index, size): (usize, usize)| -> Vec<u8> {
        let letter = b'a' + u8::try_from(index).unwrap();
        vec![letter; size]
    };
    let records: Vec<Vec<u8>> = sizes.into_iter().enumerate().map(record).collect();
    load.write("a", &records.join(&b'\n'));
    let summary = load.finish(&[]);
    assert_eq!(summary["records"], sizes.len());

    let mut found = Vec::new();
    let dump = cluster
        .judge()
        .dump(&load.topic, Isolation::ReadUncommitted)
        .unwrap();
    let mut last = [None; 2];
    dump.for_each(|read| {
        let value = read.value.clone().unwrap();
        // Empty ones look alike, and take part in the count only.
        if let Some(&letter) = value.first() {
            let place = &mut last[usize::try_from(read.partition).unwrap()];
            assert!(
                *place < Some(letter),
                "order within partition {}",
                read.partition
            );
            *place = Some(letter);
        }
        found.push(value);
    });
    let mut expected = records;
    expected.sort_unstable();
    found.sort_unstable();
    assert!(
        found == expected,
        "{} of {} records",
        found.len(),
        expected.len()
    );
}

#[test]
fn a_topic_that_stamps_by_itself() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let now = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(now.as_millis()).unwrap()
    };
    for kind in ["LogAppendTime", "CreateTime"] {
        let load = Load::new(cluster.bootstrap());
        let topic = NewTopic::new(&load.topic, 2)
            .config("message.timestamp.type", kind)
            .config("max.message.bytes", 30_000);
        cluster.judge().create_topic(&topic).unwrap();
        let content = load.generate("a", &lines(230, 5_000));
        let before = now();
        load.finish(&["-z", "lz4"]);
        let after = now();
        load.assert_holds(cluster.judge(), &[&content]);
        for read in cluster
            .judge()
            .read(&load.topic, Isolation::ReadCommitted)
            .unwrap()
        {
            let stamped =
                read.count == 0 || (before <= read.timestamp_min && read.timestamp_max <= after);
            assert!(stamped, "{kind}: {read:?} not within {before} and {after}");
        }
        let segments: Vec<_> = (0..2)
            .flat_map(|p| tools::segments(cluster, 1, &load.topic, p))
            .collect();
        let dumped = tools::dump_log_segments(&segments).text();
        let mut batches = dumped
            .lines()
            .filter(|line| line.starts_with("baseOffset: "));
        assert!(
            batches.all(|line| line.contains(kind) && line.contains("isvalid: true")),
            "{kind}"
        );
    }
}
