//! What the Java producer wrote is what comes out, whatever it wrote; by the word of Java's consumer
//! and of kcat.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::job::{Dump, as_lines, records};
use crate::kafka::cluster::{Cluster, fresh_topic, shared_single};
use crate::kafka::judge::{Isolation, NewTopic};
use crate::kafka::lines::{Sizes, generate};
use crate::kafka::records::Record;
use crate::kafka::tools;

/// A topic into which the Java producer wrote records of every kind.
fn mixed(cluster: &Cluster, topic: &NewTopic, name: &str, transactional: bool, codec: &str) {
    let judge = cluster.judge();
    judge.create_topic(topic).unwrap();
    judge
        .produce_mixed(
            name,
            3_000,
            7,
            transactional,
            &[("compression.type", codec)],
        )
        .unwrap();
}

/// As `%h` is documented: name=value, with commas between, NULL for null.
fn headers(record: &Record) -> String {
    let mut text = String::new();
    for (index, (name, value)) in record.headers.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let value = value
            .as_deref()
            .map_or("NULL".into(), String::from_utf8_lossy);
        write!(text, "{comma}{}={value}", String::from_utf8_lossy(name)).unwrap();
    }
    text
}

/// What `-f '%p %o %T %K %S %k|%h|%s;\n'` is to make of a record.
fn formatted(record: &Record) -> Vec<u8> {
    let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(-1, |b| b.len() as i64);
    let mut line = format!(
        "{} {} {} {} {} ",
        record.partition,
        record.offset,
        record.timestamp,
        length(&record.key),
        length(&record.value)
    )
    .into_bytes();
    line.extend_from_slice(record.key.as_deref().unwrap_or_default());
    line.extend_from_slice(format!("|{}|", headers(record)).as_bytes());
    line.extend_from_slice(record.value.as_deref().unwrap_or_default());
    line.extend_from_slice(b";\n");
    line
}

const FORMAT: &str = "%p %o %T %K %S %k|%h|%s;\\n";

#[test]
fn every_codec_comes_out_as_java_reads_it() {
    let Some(cluster) = shared_single() else {
        return;
    };
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = fresh_topic("codecs");
        mixed(cluster, &NewTopic::new(&topic, 1), &topic, false, codec);
        let expected = records(cluster.judge(), &topic, Isolation::ReadUncommitted);
        assert_eq!(expected.len(), 3_000, "{codec}");
        let dump = Dump::new(cluster.bootstrap(), &topic);
        let summary = dump.finish("values", &[]);
        assert_eq!(summary["records"], 3_000, "{codec}");
        assert_eq!(summary["promise"], "exactly once");
        assert!(dump.read("values") == as_lines(&expected), "{codec}");
        dump.finish("formatted", &["-f", FORMAT]);
        let all: Vec<u8> = expected.iter().flat_map(formatted).collect();
        assert!(dump.read("formatted") == all, "{codec}: by format");
    }
}

#[test]
fn transactions_that_were_aborted_are_left_out_where_that_is_asked() {
    let Some(cluster) = shared_single() else {
        return;
    };
    for codec in ["none", "lz4"] {
        let topic = fresh_topic("transactions");
        mixed(cluster, &NewTopic::new(&topic, 2), &topic, true, codec);
        let committed = records(cluster.judge(), &topic, Isolation::ReadCommitted);
        let all = records(cluster.judge(), &topic, Isolation::ReadUncommitted);
        assert!(
            committed.len() > 500 && all.len() > committed.len() + 500,
            "both kinds"
        );
        let dump = Dump::new(cluster.bootstrap(), &topic);
        for (isolation, expected) in [("read_committed", committed), ("read_uncommitted", all)] {
            for partition in ["0", "1"] {
                let property = format!("isolation.level={isolation}");
                let name = format!("{isolation}-{partition}");
                dump.finish(&name, &["-p", partition, "-X", &property, "-f", FORMAT]);
                let number: i32 = partition.parse().unwrap();
                let of = expected.iter().filter(|record| record.partition == number);
                let of: Vec<u8> = of.flat_map(formatted).collect();
                assert!(dump.read(&name) == of, "{codec}, {name}");
            }
        }
    }
}

#[test]
fn envelopes_hold_everything() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let topic = fresh_topic("envelopes");
    let new = NewTopic::new(&topic, 1).config("message.timestamp.type", "LogAppendTime");
    mixed(cluster, &new, &topic, false, "none");
    let expected = records(cluster.judge(), &topic, Isolation::ReadUncommitted);
    let dump = Dump::new(cluster.bootstrap(), &topic);
    dump.finish("out", &["--output", "envelope"]);
    let written = dump.read("out");
    let lines: Vec<Value> = written
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), expected.len());
    for (line, record) in lines.iter().zip(&expected) {
        assert_eq!(line["offset"], record.offset);
        assert_eq!(line["ts"], record.timestamp);
        assert_eq!(line["tstype"], "logappend");
        let text = |bytes: &Option<Vec<u8>>| match bytes {
            Some(bytes) => Value::from(String::from_utf8(bytes.clone()).unwrap()),
            None => Value::Null,
        };
        assert_eq!(line["key"], text(&record.key), "{line}");
        assert_eq!(line["payload"], text(&record.value), "{line}");
        let headers = line["headers"].as_array().map_or(0, Vec::len);
        assert_eq!(headers, 2 * record.headers.len(), "{line}");
    }
}

#[test]
fn gaps_of_compaction_are_passed_over() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let topic = fresh_topic("compacted");
    let new = NewTopic::new(&topic, 1)
        .config("cleanup.policy", "compact")
        .config("min.cleanable.dirty.ratio", "0.0001")
        .config("segment.bytes", "1048576")
        .config("max.compaction.lag.ms", "1")
        .config("delete.retention.ms", "1");
    let judge = cluster.judge();
    judge.create_topic(&new).unwrap();
    judge.produce_mixed_keyed(&topic, 20_000, 11).unwrap();
    let count = || judge.read(&topic, Isolation::ReadUncommitted).unwrap()[0].count;
    crate::kill::until("the cleaner has taken some", || count() < 15_000);
    let dump = Dump::new(cluster.bootstrap(), &topic);
    // The cleaner may work on: what both agree on before and after is what there was.
    for attempt in 0..20 {
        let before = records(judge, &topic, Isolation::ReadUncommitted);
        dump.finish("out", &["--restart", "-f", FORMAT]);
        let after = records(judge, &topic, Isolation::ReadUncommitted);
        if before == after {
            let all: Vec<u8> = before.iter().flat_map(formatted).collect();
            assert!(dump.read("out") == all);
            return;
        }
        eprintln!("attempt {attempt}: the cleaner came between");
    }
    panic!("the cleaner never rests");
}

#[test]
fn places_and_partitions_are_what_they_say() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let topic = fresh_topic("places");
    let judge = cluster.judge();
    judge.create_topic(&NewTopic::new(&topic, 4)).unwrap();
    judge.produce_mixed(&topic, 2_000, 3, false, &[]).unwrap();
    let all = records(judge, &topic, Isolation::ReadUncommitted);
    let dump = Dump::new(cluster.bootstrap(), &topic);
    let check = |name: &str, flags: &[&str], wanted: &dyn Fn(&Record) -> bool| {
        dump.finish(&format!("{name}-%p"), &[&["-f", FORMAT], flags].concat());
        for partition in 0..4 {
            let of = all.iter().filter(|r| r.partition == partition && wanted(r));
            let expected: Vec<u8> = of.flat_map(formatted).collect();
            let path = dump.path(&format!("{name}-{partition}"));
            let written = fs::read(path).unwrap_or_default();
            assert!(
                written == expected,
                "{name}, partition {partition}\n{}",
                dump.log()
            );
        }
    };
    let end = |partition| all.iter().filter(|r| r.partition == partition).count() as i64;
    let middle = all[all.len() / 8].timestamp;
    check("all", &[], &|_| true);
    check("some", &["-p", "0,2-3"], &|r| r.partition != 1);
    check("offset", &["--from", "17"], &|r| r.offset >= 17);
    check("until", &["--until", "17"], &|r| r.offset < 17);
    check("last", &["--from", "-5"], &|r| {
        r.offset >= end(r.partition) - 5
    });
    check("end", &["--from", "end"], &|_| false);
    // The first record that is as young, and all behind it.
    let time = format!("@{middle}");
    let from_time = |r: &Record| {
        let mut of = all.iter().filter(|o| o.partition == r.partition);
        let first = of.find(|o| o.timestamp >= middle);
        first.is_some_and(|first| r.offset >= first.offset)
    };
    check("time", &["--from", &time], &from_time);
}

/// Values of one partition, of a size that makes several answers, as kcat and Java's console consumer
/// print them.
#[test]
fn kcat_and_the_console_consumer_agree() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let topic = fresh_topic("agreed");
    let judge = cluster.judge();
    judge.create_topic(&NewTopic::new(&topic, 1)).unwrap();
    let lines = generate(5, 60_000, Sizes::Between(23..=400)).bytes();
    let dump = Dump::new(cluster.bootstrap(), &topic);
    fs::write(dump.path("lines"), &lines).unwrap();
    let properties = [("compression.type", "lz4")];
    judge
        .produce(&topic, Some(0), &dump.path("lines"), b'\n', &properties)
        .unwrap();
    dump.finish("out", &[]);
    let written = dump.read("out");
    assert!(written == lines, "the lines that were sent");
    assert!(dump.stdout(&[]) == lines, "to standard output");
    let console = tools::console_consumer(cluster.bootstrap(), &topic, 60_000);
    assert!(console.stdout == lines, "the console consumer");
    let kcat = Command::new("kcat")
        .args([
            "-C",
            "-q",
            "-e",
            "-b",
            cluster.bootstrap(),
            "-t",
            &topic,
            "-p",
            "0",
        ])
        .output();
    match kcat {
        Ok(kcat) => assert!(kcat.stdout == lines, "kcat"),
        Err(error) => eprintln!("left out: kcat ({error})"),
    }
}

/// A batch that is larger than any buffer, values longer than a write, and empty ones.
#[test]
fn records_that_no_buffer_holds_come_out_whole() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let topic = fresh_topic("large");
    let judge = cluster.judge();
    let new = NewTopic::new(&topic, 1).config("max.message.bytes", "30000000");
    judge.create_topic(&new).unwrap();
    let mut content = Vec::new();
    for (index, bytes) in [10, 5_000_000, 0, 20, 1_300_000, 3_000_000, 1]
        .into_iter()
        .enumerate()
    {
        content.extend(std::iter::repeat_n(b'a' + index as u8, bytes));
        content.push(b'\n');
    }
    let dump = Dump::new(cluster.bootstrap(), &topic);
    fs::write(dump.path("lines"), &content).unwrap();
    for codec in ["none", "gzip"] {
        let properties = [
            ("compression.type", codec),
            ("max.request.size", "30000000"),
            ("batch.size", "20000000"),
            ("buffer.memory", "90000000"),
            ("linger.ms", "200"),
        ];
        judge
            .produce(&topic, Some(0), &dump.path("lines"), b'\n', &properties)
            .unwrap();
    }
    dump.finish("out", &[]);
    assert!(dump.read("out") == [&content[..], &content].concat());
    dump.finish(
        "small",
        &[
            "-X",
            "fetch.max.bytes=1000",
            "-X",
            "max.partition.fetch.bytes=1",
        ],
    );
    assert!(dump.read("small") == [&content[..], &content].concat());
}
