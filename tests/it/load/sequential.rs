//! What one reader deals out: pipes, compressed files, keys, headers, nulls, envelopes.

use std::io::Write;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::run::{Load, lines, ringmain, until};
use crate::kafka::cluster::{Cluster, shared_single};
use crate::kafka::records::Record;
use crate::kafka::tools::Tool;

type Header = (Vec<u8>, Option<Vec<u8>>);

/// Key, value, headers.
type Found<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [(&'a str, &'a str)]);

/// Key, value and headers of each record of partition 0 that `content` becomes.
#[track_caller]
fn check(cluster: &Cluster, content: &[u8], flags: &[&str], expected: &[Found<'_>]) {
    let load = Load::into_topic(cluster, 1);
    load.write("a", content);
    let summary = load.finish(flags);
    assert_eq!(summary["records"], expected.len(), "{content:?} {flags:?}");
    assert_eq!(summary["bytes"], content.len(), "{content:?} {flags:?}");
    let found: Vec<_> = load
        .records(cluster.judge())
        .into_iter()
        .map(|record| (record.key, record.value, record.headers))
        .collect();
    let header = |(name, value): &(&str, &str)| -> Header {
        (name.as_bytes().to_vec(), Some(value.as_bytes().to_vec()))
    };
    let expected: Vec<_> = expected
        .iter()
        .map(|(key, value, headers)| {
            let headers: Vec<Header> = headers.iter().map(header).collect();
            (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec), headers)
        })
        .collect();
    assert_eq!(found, expected, "{content:?} {flags:?}");
}

#[test]
fn keys_headers_and_nulls_are_found_in_lines() {
    let Some(cluster) = shared_single() else {
        return;
    };
    check(
        cluster,
        b"k:v\n:v\nk:\nk:a:b",
        &["-K", ":"],
        &[
            (Some(b"k"), Some(b"v"), &[]),
            (Some(b""), Some(b"v"), &[]),
            (Some(b"k"), Some(b""), &[]),
            (Some(b"k"), Some(b"a:b"), &[]),
        ],
    );
    check(
        cluster,
        b"k:\n:v\n",
        &["-K", ":", "-Z"],
        &[(Some(b"k"), None, &[]), (None, Some(b"v"), &[])],
    );
    check(
        cluster,
        b"one\ntwo\n",
        &["-k", "key", "-H", "a=1", "-H", "b=2"],
        &[
            (Some(b"key"), Some(b"one"), &[("a", "1"), ("b", "2")]),
            (Some(b"key"), Some(b"two"), &[("a", "1"), ("b", "2")]),
        ],
    );
    check(
        cluster,
        b"x:1,y:2\tk\tNULL\nNULL\tk\tv\n",
        &[
            "--reader-property",
            "parse.headers=true",
            "--property",
            "parse.key=true",
            "--property",
            "null.marker=NULL",
        ],
        &[
            (Some(b"k"), None, &[("x", "1"), ("y", "2")]),
            (Some(b"k"), Some(b"v"), &[]),
        ],
    );
}

#[test]
fn delimiters_of_several_bytes_lengths_and_whole_files() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let values = |values: &[&'static [u8]]| -> Vec<Found<'_>> {
        values
            .iter()
            .map(|value| (None, Some(*value), &[][..]))
            .collect()
    };
    let delimited: &[&[u8]] = &[b"a|b", b"", b"c|"];
    check(cluster, b"a|b||||c|", &["-D", "||"], &values(delimited));
    check(
        cluster,
        b"\0\0\0\x03a\nb\0\0\0\0\0\0\0\x01c",
        &["--input", "length-prefixed"],
        &values(&[b"a\nb", b"", b"c"]),
    );
    check(
        cluster,
        b"one\ntwo\n",
        &["--input", "whole-file"],
        &values(&[b"one\ntwo\n"]),
    );
}

/// Java's console producer sends the same lines; keys must lie where it puts them.
#[test]
fn keyed_lines_are_those_of_the_console_producer() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let ours = Load::into_topic(cluster, 7);
    let theirs = Load::into_topic(cluster, 7);
    let mut content = Vec::new();
    for number in 0..2_000u32 {
        writeln!(content, "{}={number}", (number * number) % 1009).expect("memory takes it");
    }
    ours.write("a", &content);
    ours.finish(&["-K", "="]);
    Tool::new("org.apache.kafka.tools.ConsoleProducer")
        .with(&[
            "--bootstrap-server",
            cluster.bootstrap(),
            "--topic",
            &theirs.topic,
        ])
        .with(&["--reader-property", "parse.key=true"])
        .with(&["--reader-property", "key.separator=="])
        .stdin(&ours.input("a"))
        .run()
        .text();
    let known = |load: &Load| -> Vec<Record> {
        let mut records = load.records(cluster.judge());
        records.iter_mut().for_each(|record| record.timestamp = 0);
        records
    };
    assert_eq!(known(&ours), known(&theirs));
}

#[test]
fn compressed_files_are_loaded_as_what_they_hold() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let load = Load::into_small_batches(cluster, 3);
    let contents: Vec<Vec<u8>> = (0..4)
        .map(|n| lines(n, 4_000).task(n as u16).bytes())
        .collect();
    let gzip = |content: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    };
    // Two members, cut within a line.
    let (begin, end) = contents[0].split_at(contents[0].len() / 3);
    load.write("0.gz", &[gzip(begin), gzip(end)].concat());
    let zstd = zstd::bulk::compress(&contents[1], 3).expect("memory takes it");
    load.write("1", &zstd);
    load.write("2", &contents[2]);
    load.write("3.gz", &gzip(&contents[3]));
    let summary = load.finish(&[]);
    let bytes: usize = contents.iter().map(Vec::len).sum();
    assert_eq!(summary["bytes"], bytes);
    let inputs: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    load.assert_holds(cluster.judge(), &inputs);
    assert_eq!(load.finish(&[])["already_loaded"], true);

    let cut = load.beside();
    cut.write("a.gz", &gzip(&contents[0])[..1000]);
    cut.run(&[]).failed(
        1,
        &["a.gz", "the gzip data ends early, at compressed byte 1000"],
    );
    cut.write("b.gz", b"text");
    cut.spawn_of(&["b.gz"], &[])
        .end()
        .failed(1, &["b.gz", "no gzip, zstd or lz4 data begins"]);
}

#[test]
fn a_pipe_is_loaded_as_it_comes_and_leaves_no_state() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let load = Load::into_topic(cluster, 2);
    let content = lines(7, 5_000).bytes();
    let (running, mut stdin) = load.spawn_piped(&[]);
    stdin.write_all(&content[..100_000]).expect("it reads");
    // What was written arrives although the pipe stays open.
    let whole_lines = content[..100_000]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count();
    until("what was written arrives", || {
        usize::try_from(load.count(judge)).is_ok_and(|count| count == whole_lines)
    });
    stdin.write_all(&content[100_000..]).expect("it reads");
    drop(stdin);
    let ended = running.end();
    ended.saying(&["cannot be read again"]).done();
    load.assert_holds(judge, &[&content]);
    let states = std::fs::read_dir(load.path("state")).map_or(0, Iterator::count);
    assert_eq!(states, 0);
}

#[test]
fn what_cannot_be_a_record_is_rejected_and_can_be_mended() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let load = Load::into_topic(cluster, 2);
    load.write("a", b"k1:v1\nno separator\nk2:v2\n");
    load.run(&["-K", ":"]).failed(
        1,
        &["inputs/a, byte 6", "no key separator", "--max-errors 0"],
    );
    let summary = load
        .run(&["-K", ":", "--max-errors", "1", "--rejects", "../rejects"])
        .with_code(3)
        .summary();
    assert_eq!(
        (&summary["rejects"], &summary["promise"]),
        (&1.into(), &"exactly once".into())
    );
    let text = std::fs::read_to_string(load.path("rejects")).expect("it was written");
    let line: serde_json::Value = serde_json::from_str(&text).expect("one line of JSON");
    assert_eq!(
        (&line["offset"], &line["content"]),
        (&6.into(), &"no separator\n".into())
    );
    let mut values: Vec<_> = load
        .records(cluster.judge())
        .into_iter()
        .map(|r| r.value)
        .collect();
    values.sort();
    assert_eq!(values, [Some(b"v1".to_vec()), Some(b"v2".to_vec())]);
}

/// Keys, values, headers, timestamps, nulls and partitions, there and back.
#[test]
fn what_dump_writes_as_envelopes_is_restored() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let first = Load::into_topic(cluster, 3);
    let mut content = Vec::new();
    for number in 0..500u32 {
        let (key, value) = (number % 13, number * 7);
        write!(content, "h:{number},h:NULL\t{key}\t{value}").expect("memory takes it");
        content.extend_from_slice(b"\xff\n");
    }
    content.extend_from_slice(b"NULL\tNULL\tNULL\nNULL\t\t\n");
    first.write("a", &content);
    let properties = ["parse.headers=true", "parse.key=true", "null.marker=NULL"];
    let flags: Vec<&str> = properties
        .iter()
        .flat_map(|property| ["--property", property])
        .collect();
    first.finish(&flags);
    let second = Load::into_topic(cluster, 3);
    let envelopes = second.input("envelopes");
    let dumped = ringmain()
        .args(["dump", "-q", "-b", cluster.bootstrap(), "-t", &first.topic])
        .args(["--output", "envelope", "-o"])
        .arg(&envelopes)
        .arg("--state")
        .arg(first.path("state"))
        .status()
        .expect("ringmain starts");
    assert!(dumped.success());
    second.finish(&["--input", "envelope", "--keep-partitions"]);
    assert_eq!(second.records(judge), first.records(judge));
    // kcat's own envelopes of what is UTF-8 are read too.
    let third = Load::into_topic(cluster, 1);
    let said = Command::new("kcat")
        .args([
            "-C",
            "-q",
            "-J",
            "-e",
            "-b",
            cluster.bootstrap(),
            "-t",
            &first.topic,
        ])
        .args(["-p", "0", "-o", "0", "-c", "1"])
        .output();
    if let Ok(said) = said {
        third.write("a", &said.stdout);
        third.finish(&["--input", "envelope"]);
        assert_eq!(third.count(judge), 1);
    }
}
