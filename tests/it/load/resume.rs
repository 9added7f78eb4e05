//! The same command again: loaded already, grown, changed, or asked for differently.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::run::{Load, SLOWLY, lines};
use crate::kafka::cluster::shared_single;

fn append(path: &Path, content: &[u8]) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(content).unwrap();
}

#[test]
fn what_is_loaded_is_not_loaded_again_unless_asked_for() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_topic(cluster, 2));
    let content = load.generate("a", &lines(400, 500));
    load.finish(&[]);
    let again = load
        .run(&[])
        .saying(&["already loaded on 20", "--restart"])
        .done();
    assert_eq!(
        (&again["already_loaded"], &again["records"]),
        (&true.into(), &0.into())
    );
    assert_eq!(again["resumed_from"]["records"], 500);
    load.assert_holds(judge, &[&content]);

    let anew = load.finish(&["--restart"]);
    assert_eq!(
        (&anew["already_loaded"], &anew["records"]),
        (&false.into(), &500.into())
    );
    assert_eq!(load.count(judge), 1_000);
    load.run(&[]).saying(&["already loaded"]).done();
    // Named by another path it is the same load.
    let ended = load.spawn_of(&["../inputs/../inputs"], &[]).end();
    ended.saying(&["already loaded"]).done();
    assert_eq!(load.count(judge), 1_000);
}

#[test]
fn partitions_that_were_added_stay_unused() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_small_batches(cluster, 2));
    let content = load.generate("a", &lines(410, 9_000));
    load.interrupt(judge, &[]);
    judge.add_partitions(&load.topic, 5).unwrap();
    load.finish(&[]);
    load.assert_holds(judge, &[&content]);
    assert_eq!(judge.end_offsets(&load.topic).unwrap()[2..], [0, 0, 0]);
    load.run(&[]).saying(&["already loaded"]).done();
}

#[test]
fn a_grown_input_has_its_new_end_loaded_and_nothing_twice() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_small_batches(cluster, 2));
    let first = load.generate("a", &lines(420, 5_000));
    load.finish(&[]);
    // Twice, once within the chunk and once beyond it.
    let more = lines(421, 30).task(2).bytes();
    append(&load.input("a"), &more);
    let summary = load.run(&[]).saying(&["has grown"]).done();
    assert_eq!(summary["records"], 30, "{summary}");
    let most = lines(422, 9_000).task(3).bytes();
    append(&load.input("a"), &most);
    assert_eq!(load.finish(&[])["records"], 9_000);
    load.assert_holds(judge, &[&[first, more, most].concat()]);
    load.run(&[]).saying(&["already loaded"]).done();
}

#[test]
fn what_grows_while_it_is_loaded_is_named_and_loaded_by_the_next_run() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_small_batches(cluster, 2));
    let first = load.generate("a", &lines(430, 5_000));
    let running = load.spawn(SLOWLY);
    load.wait_begun(judge);
    let more = lines(431, 700).task(2).bytes();
    append(&load.input("a"), &more);
    let grown = format!("grew by {} bytes meanwhile", more.len());
    let summary = running.end().saying(&[&grown, "the next run loads"]).done();
    assert_eq!(summary["records"], 5_000, "{summary}");
    assert_eq!(load.finish(&[])["records"], 700);
    load.assert_holds(judge, &[&[first, more].concat()]);
}

#[test]
fn an_input_that_grew_after_an_interruption_has_its_old_end_first() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_small_batches(cluster, 3));
    let first = load.generate("a", &lines(440, 9_000));
    load.interrupt(judge, &[]);
    let more = lines(441, 4_000).task(2).bytes();
    append(&load.input("a"), &more);
    let other = load.generate("b", &lines(442, 50).task(3));
    load.run(&[]).saying(&["has grown"]).done();
    load.assert_holds(judge, &[&[first, more].concat(), &other]);
    load.run(&[]).saying(&["already loaded"]).done();
}

#[test]
fn new_files_may_only_follow() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_topic(cluster, 2));
    // Without a newline: the end of a file ends its record, whatever follows.
    let first = load.generate("b", &lines(450, 500).without_last_delimiter());
    load.finish(&[]);
    let second = load.generate("c", &lines(451, 500).task(2));
    assert_eq!(load.finish(&[])["records"], 500);
    load.assert_holds(judge, &[&first, &second]);
    load.generate("a", &lines(452, 5).task(3));
    load.run(&[])
        .failed(1, &["inputs/a", "has changed", "inputs/b was", "--restart"]);
    fs::remove_file(load.input("a")).unwrap();
    // Only the last file may have grown.
    append(&load.input("b"), b"\nmore\n");
    load.run(&[])
        .failed(1, &["inputs/b", "it has grown", "only the last input may"]);
    load.write("b", &first);
    fs::remove_file(load.input("c")).unwrap();
    load.run(&[])
        .failed(1, &["inputs/c", "no longer among the inputs"]);
    load.assert_holds(judge, &[&first, &second]);
}

#[test]
fn a_last_record_that_grew_is_a_changed_input() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_topic(cluster, 1));
    load.write("a", b"one\ntwo");
    load.finish(&[]);
    append(&load.input("a"), b" and a half\nthree\n");
    load.run(&[]).failed(
        1,
        &[
            "inputs/a",
            "grown in the middle of its last record (at byte 7)",
            "--restart",
        ],
    );
    assert_eq!(load.values(judge), [b"one", b"two"]);
}

#[test]
fn an_input_changed_before_a_resume_stops_it_and_loses_nothing() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_small_batches(cluster, 1));
    let content = load.generate("a", &lines(470, 9_000));
    let path = load.input("a");
    let loaded = load.interrupt(judge, &[])["bytes"].as_u64().unwrap();
    let refused = |parts: &[&str]| {
        let before = load.count(judge);
        let parts = [&["inputs/a", "--restart"], parts].concat();
        load.run(&[]).failed(1, &parts);
        assert_eq!(load.count(judge), before);
    };
    let open = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap()
    };
    let poke = |file: &File, at: u64| {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    };

    open().set_len(1_000).unwrap();
    refused(&[&format!("it had {} bytes and has 1000", content.len())]);
    load.write("a", &content);
    poke(&open(), 7);
    refused(&["its first 1024 bytes are others"]);
    poke(&open(), 7);
    // The bytes just before the position are held against their sum.
    poke(&open(), loaded - 10);
    load.run(&[])
        .failed(1, &["input changed", "before position", "--restart"]);
    poke(&open(), loaded - 10);
    fs::rename(&path, load.path("aside")).unwrap();
    load.write("a", &content);
    refused(&["it is another file"]);

    // As it was, it goes on as if nothing had happened.
    fs::rename(load.path("aside"), &path).unwrap();
    load.finish(&[]);
    load.assert_holds(judge, &[&content]);
}

/// What is done to the input of a running load.
type Change = fn(&Load);

#[test]
fn an_input_changed_while_it_is_read_stops_the_load() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let truncate = |load: &Load| {
        OpenOptions::new()
            .write(true)
            .open(load.input("a"))
            .unwrap()
            .set_len(1_000)
            .unwrap();
    };
    let replace = |load: &Load| {
        fs::rename(load.input("a"), load.path("aside")).unwrap();
        load.write("a", b"another\n");
    };
    let remove = |load: &Load| fs::rename(load.input("a"), load.path("aside")).unwrap();
    let cases: [(Change, &str); 3] = [
        (truncate, "truncated while it was being loaded"),
        (
            replace,
            "replaced by another file while it was being loaded",
        ),
        (remove, "cannot be looked at any more"),
    ];
    for (seed, (change, expected)) in (480..).zip(cases) {
        let load = Load::into_small_batches(cluster, 1);
        let content = load.generate("a", &lines(seed, 15_000));
        let running = load.spawn(SLOWLY);
        load.wait_begun(judge);
        change(&load);
        let ended = running
            .end()
            .failed(1, &["inputs/a", expected, "--restart"]);
        // How far it came, by file and byte.
        let ended = ended.saying(&["everything before byte ", "inputs/a is acknowledged"]);
        assert_eq!(ended.summary()["exit_code"], 1);
        // The state is kept: the right file finishes it.
        let aside = load.path("aside");
        if aside.exists() {
            fs::rename(aside, load.input("a")).unwrap();
        } else {
            load.write("a", &content);
        }
        assert_eq!(load.finish(&[])["resumed"], true);
        load.assert_holds(judge, &[&content]);
    }
}

#[test]
fn settings_that_were_frozen_are_named_with_both_values() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let load_with = |flags: &str| {
        let load = Load::into_topic(cluster, 3);
        load.write("a", b"one\ntwo\n");
        load.finish(&flags.split(' ').collect::<Vec<_>>());
        load
    };
    let check = |load: &Load, flags: &str, was: &str, asked: &str| {
        let parts = [
            &format!("started with {was}"),
            &format!("run with {asked}"),
            "--restart",
        ];
        load.run(&flags.split(' ').collect::<Vec<_>>())
            .failed(2, &parts);
    };
    let load = load_with("-p 1 -z lz4");
    check(&load, "-p 2 -z lz4", "--partition 1", "--partition 2");
    check(&load, "-z lz4", "--partition 1", "no --partition");
    check(
        &load,
        "-p 1 -z zstd",
        "--compression lz4",
        "--compression zstd",
    );
    check(&load, "-p 1", "--compression lz4", "--compression none");
    check(
        &load,
        "-p 1 -z lz4 -D ;",
        "--delimiter '\\n'",
        "--delimiter ';'",
    );
    check(
        &load,
        "-p 1 -z lz4 --crlf strip",
        "--crlf keep",
        "--crlf strip",
    );
    let unsafely = "enable.idempotence=false";
    check(
        &load,
        &format!("-p 1 -z lz4 -X {unsafely}"),
        "enable.idempotence=true",
        unsafely,
    );

    let flags = format!("-X {unsafely} -X acks=1");
    let other = load_with(&format!("--lanes 3 {flags}"));
    check(
        &other,
        &format!("--lanes 3 -X {unsafely}"),
        "acks=1",
        "acks=all",
    );
    check(
        &other,
        &format!("--lanes 1 {flags}"),
        "--lanes 3",
        "--lanes 1",
    );
    // Nothing said about lanes is no other value.
    let flags: Vec<&str> = flags.split(' ').collect();
    other.run(&flags).saying(&["already loaded"]).done();
    for load in [load, other] {
        assert_eq!(load.count(cluster.judge()), 2);
    }
}

#[test]
fn batch_limits_are_frozen_too() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_topic(cluster, 2));
    let content = load.generate("a", &lines(495, 9_000));
    load.interrupt(judge, &["-X", "max.request.size=50000"]);
    let other = ["-X", "max.request.size=40000"];
    load.run(&other)
        .failed(2, &["max.request.size", "50000", "40000", "--restart"]);
    // A topic that takes larger batches now changes nothing.
    judge
        .alter_topic_config(&load.topic, "max.message.bytes", "2000000")
        .unwrap();
    load.finish(&["-X", "max.request.size=50000"]);
    load.assert_holds(judge, &[&content]);
}
