//! `--verify`: what lies in a topic against what was sent, and what a person is told where it is not.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::run::{Load, lines, ringmain};
use crate::kafka::cluster::{Cluster, shared_single};
use crate::kafka::judge::NewTopic;

const HASH: &[&str] = &["--verify", "hash"];
const COUNT: &[&str] = &["--verify", "count"];

/// The verification of a summary that says so; gives the records of others between ours.
#[track_caller]
fn check_verified(summary: &Value, by: &str, records: u64) -> u64 {
    let verification = &summary["verification"];
    assert_eq!(
        (&verification["by"], &verification["verified"]),
        (&by.into(), &true.into()),
        "{summary}"
    );
    let partitions = verification["partitions"].as_array().unwrap();
    let sum = |key: &str| {
        partitions
            .iter()
            .map(|one| one[key].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(sum("records"), records, "{summary}");
    let has_digest = partitions.iter().all(|one| one["digest"].is_string());
    assert_eq!(has_digest, by == "hash", "{summary}");
    sum("others_records")
}

/// Puts bytes into a file where others were; nothing else about the file changes.
fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_load_is_verified_when_it_is_done_and_later() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let load = Load::into_small_batches(cluster, 3);
    load.generate("a", &lines(700, 6_000));
    let summary = load.finish(HASH);
    assert_eq!(check_verified(&summary, "hash", 6_000), 0);
    let again = load.run(HASH).with_code(0);
    let again = again.saying(&["already loaded on", "verified by hash: 6000 records"]);
    let again = again.summary();
    check_verified(&again, "hash", 6_000);
    assert_eq!(
        again["verification"]["partitions"],
        summary["verification"]["partitions"]
    );
    check_verified(&load.finish(COUNT), "count", 6_000);
}

#[test]
fn batches_of_others_in_between_are_passed_and_counted() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_small_batches(cluster, 2));
    load.generate("a", &lines(701, 9_000));
    load.interrupt(judge, &[]);
    let foreign = load.path("foreign");
    fs::write(&foreign, "one\ntwo\nthree\n").unwrap();
    for partition in [0, 1] {
        let sent = judge.produce(&load.topic, Some(partition), &foreign, b'\n', &[]);
        assert_eq!(sent.unwrap(), 3);
    }
    let summary = load.finish(HASH);
    assert_eq!(check_verified(&summary, "hash", 9_000), 6);
    assert_eq!(check_verified(&load.finish(COUNT), "count", 9_000), 6);
}

#[test]
fn compressed_batches_are_verified_too() {
    let Some(cluster) = shared_single() else {
        return;
    };
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let load = Load::into_small_batches(cluster, 2);
        load.generate("a", &lines(702, 2_000));
        let summary = load.finish(&[HASH, &["-z", codec]].concat());
        check_verified(&summary, "hash", 2_000);
    }
}

#[test]
fn an_input_that_changed_since_is_told_by_offset_and_byte() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let load = Load::into_small_batches(cluster, 1);
    let content = load.generate("a", &lines(703, 3_000));
    load.finish(&[]);
    let at = content.len() as u64 / 2;
    let byte = content[content.len() / 2] ^ 1;
    overwrite(&load.input("a"), at, &[byte]);
    let path = load.input("a");
    let ended = load.run(HASH).failed(
        4,
        &[
            "not verified: partition 0: the records at offsets",
            path.to_str().unwrap(),
        ],
    );
    let summary = ended.summary();
    assert_eq!(summary["exit_code"], 4);
    assert_eq!(summary["verification"]["verified"], false);
    // The place is that of the batch, not far before the byte that changed.
    let told = summary["verification"]["failures"][0].as_str().unwrap();
    let byte: u64 = told
        .split("byte ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(byte <= at && at - byte < 40_000, "{told}");
    // As many are there as were sent.
    check_verified(&load.finish(COUNT), "count", 3_000);
}

#[test]
fn what_was_deleted_cannot_be_verified() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_small_batches(cluster, 2));
    load.generate("a", &lines(704, 3_000));
    load.finish(&[]);
    judge.delete_records(&load.topic, 1, 100).unwrap();
    for how in [HASH, COUNT] {
        load.run(how).failed(
            4,
            &[
                "cannot verify partition 1",
                "begins at offset 100",
                "up to 100 records",
            ],
        );
    }
    judge.delete_records(&load.topic, 0, -1).unwrap();
    load.run(HASH)
        .failed(4, &["cannot verify partition 0", "another partition"]);
}

#[test]
fn refused_records_are_left_out() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let load = Load::into_small_batches(cluster, 2);
    let mut content = load.generate("a", &lines(705, 1_000));
    content.extend_from_slice(&[b'x'; 40_000]);
    content.extend_from_slice(b"\nbehind\n");
    load.write("a", &content);
    let rejects = ["--max-errors", "1", "--rejects", "../rejects"];
    let ended = load.run(&[HASH, &rejects].concat()).with_code(3);
    check_verified(&ended.summary(), "hash", 1_001);
    // A record that is too large is known by its size, whoever has the file.
    let ended = load.run(HASH).with_code(3);
    check_verified(&ended.summary(), "hash", 1_001);
}

#[test]
fn without_idempotence_there_is_nothing_to_go_by() {
    let load = Load::new("127.0.0.1:1");
    load.write("a", b"line\n");
    for how in [HASH, COUNT] {
        let flags = [how, &["-X", "enable.idempotence=false"]].concat();
        load.run(&flags)
            .failed(2, &["--verify: without idempotence"]);
    }
    load.run(&[HASH, &["--dry-run"]].concat())
        .failed(2, &["--verify: a dry run"]);
}

/// The one segment of a partition below the data of an embedded broker.
fn segment(data: &Path) -> PathBuf {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "log") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(data, &mut found);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_log_that_was_cut_off_is_told() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("input"), lines(706, 6_000).bytes()).unwrap();
    let load = |more: &[&str]| {
        let embedded = format!("--embedded={}", path("data").display());
        let mut command = ringmain();
        command
            .arg("load")
            .arg(path("input"))
            .args(["-t", "cut", "--state"])
            .arg(path("state"))
            .arg(embedded)
            .args(more);
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, stderr) = load(HASH);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("verified by hash: 6000 records"),
        "{stderr}"
    );
    let segment = segment(&path("data"));
    let bytes = fs::metadata(&segment).unwrap().len();
    let file = fs::File::options().write(true).open(&segment).unwrap();
    file.set_len(bytes - 1).unwrap();
    for how in [HASH, COUNT] {
        let (code, stderr) = load(how);
        assert_eq!(code, Some(4), "{stderr}");
        assert!(
            stderr.contains("error: not verified: partition 0: the log ends at offset"),
            "{stderr}"
        );
    }
}

/// Another topic of the same name is told before anything is compared.
#[test]
fn a_topic_made_anew_is_not_the_one_that_was_loaded() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let cluster: &Cluster = cluster;
    let load = Load::into_topic(cluster, 1);
    load.write("a", b"line\n");
    load.finish(HASH);
    load.make_topic_anew(cluster.judge(), &NewTopic::new(&load.topic, 1));
    load.run(HASH)
        .failed(1, &[&load.topic, "deleted and made again since"]);
}

#[test]
fn keyed_and_compressed_inputs_are_verified_in_one_pass() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let load = Load::into_small_batches(cluster, 3);
    let mut content = Vec::new();
    for number in 0..4_000 {
        let line = match number % 7 {
            0 => format!("key-{number}:\n"),
            1 => "same:value\n".to_owned(),
            _ => format!("key-{}:value {number}\n", number % 50),
        };
        content.extend_from_slice(line.as_bytes());
    }
    load.write("a", &content);
    let keyed = [HASH, &["-K", ":"]].concat();
    check_verified(&load.finish(&keyed), "hash", 4_000);
    check_verified(&load.finish(&keyed), "hash", 4_000);
    // One value, the keys as they were.
    let at = content.len() as u64 - 3;
    overwrite(&load.input("a"), at, b"x");
    load.run(&keyed).failed(
        4,
        &[
            "not verified: partition ",
            "are not the ",
            " that the input holds",
        ],
    );
    check_verified(
        &load.finish(&["-K", ":", "--verify", "count"]),
        "count",
        4_000,
    );
}

#[test]
fn what_can_be_read_but_once_is_counted_and_not_compared() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let load = Load::into_topic(cluster, 2);
    let run = |how: &[&str]| {
        let input = load.path("lines");
        fs::write(&input, lines(707, 1_000).bytes()).unwrap();
        let output = ringmain()
            .args(["load", "-", "-t", &load.topic, "-b", cluster.bootstrap()])
            .args(how)
            .stdin(fs::File::open(&input).map(piped).unwrap())
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, stderr) = run(HASH);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("--verify count"), "{stderr}");
    assert_eq!(load.count(cluster.judge()), 0);
    let (code, stderr) = run(COUNT);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("verified by count: 1000 records"),
        "{stderr}"
    );
}

/// A pipe into which somebody writes what is in the file.
fn piped(mut file: fs::File) -> std::process::Stdio {
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::thread::spawn(move || std::io::copy(&mut file, &mut writer));
    reader.into()
}
