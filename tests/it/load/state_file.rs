//! State that was damaged, is somebody else's, or is in use.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};

use protocol::records::crc::crc32c;
use serde_json::{Value, json};

use super::run::{Load, SLOWLY, lines, ringmain};
use crate::kafka::cluster::{Cluster, shared_single};
use crate::kafka::judge::Isolation;
use crate::kafka::lines::{Checker, Expected, Random, recognise};

/// A small load that is done.
fn loaded(cluster: &Cluster, seed: u64) -> (Load, Vec<u8>) {
    let load = Load::into_topic(cluster, 2);
    let content = load.generate("a", &lines(seed, 200));
    load.finish(&[]);
    (load, content)
}

#[test]
fn damage_is_named_and_never_taken_for_a_state() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (load, content) = loaded(cluster, 800);
    let path = load.state();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let good = fs::read(&path).unwrap();
    let check = |bytes: &[u8], expected: &[&str]| {
        fs::write(&path, bytes).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        load.run(&[])
            .failed(1, &[&["state file", name], expected].concat());
        assert_eq!(
            fs::read(&path).unwrap(),
            bytes,
            "what cannot be used is left as it is"
        );
    };
    check(&good[..good.len() - 1], &["it was cut", "--restart"]);
    check(&good[..5_000], &["it was cut", "--restart"]);
    check(
        &[good.as_slice(), b"more"].concat(),
        &["appended", "--restart"],
    );
    check(b"<html>not found</html>", &["no state file of ringmain"]);
    check(&b"line\n".repeat(10_000), &["no state file of ringmain"]);
    // The format and the oldest reader stand behind the magic, in both copies, each with a sum.
    let mut newer = good.clone();
    for copy in [0, 4096] {
        newer[copy + 8..copy + 16].copy_from_slice(&[9, 0, 0, 0, 9, 0, 0, 0]);
        let sum = crc32c(&newer[copy..copy + 124]);
        newer[copy + 124..copy + 128].copy_from_slice(&sum.to_le_bytes());
    }
    check(&newer, &["format 9", "newer"]);
    let mut headless = good.clone();
    headless[..8192].fill(0x55);
    check(&headless, &["no state file of ringmain"]);

    fs::write(&path, &good).unwrap();
    load.run(&[]).saying(&["already loaded"]).done();
    load.assert_holds(cluster.judge(), &[&content]);
    // Restarted, it loads anew, whatever the file was.
    for bytes in [&good[..5_000], b"<html>not found</html>"] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(load.finish(&["--restart"])["records"], 200);
    }
    assert_eq!(load.count(cluster.judge()), 600);
}

#[test]
fn any_byte_that_changed_is_healed_or_named() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (load, content) = loaded(cluster, 810);
    let path = load.state();
    let good = fs::read(&path).unwrap();
    let seed = 811;
    let mut random = Random(seed);
    let mut healed = 0;
    for round in 0..40 {
        let at = match round {
            // Where something is: the preambles, then anywhere.
            0..8 => random.within(0, 127) + 4096 * (round % 2),
            _ => random.within(8192, good.len() - 1),
        };
        let mut torn = good.clone();
        torn[at] ^= 1 << random.within(0, 7);
        fs::write(&path, &torn).unwrap();
        let ended = load.run(&[]);
        // One byte is in one of two copies: it is healed, and what it said is still said.
        let ended = ended.with_code(0).saying(&["already loaded"]);
        healed += usize::from(ended.stderr.contains("the other one was used"));
    }
    assert!(healed > 0, "seed {seed}: no damage was noticed");
    load.assert_holds(cluster.judge(), &[&content]);
}

#[test]
fn the_state_of_another_load_is_not_taken() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (one, _) = loaded(cluster, 820);
    let (other, _) = loaded(cluster, 821);
    fs::copy(one.state(), other.state()).unwrap();
    other
        .run(&[])
        .failed(1, &["belongs to another job", &one.topic, &other.topic]);
    let link = other.state();
    fs::rename(&link, other.path("aside")).unwrap();
    fs::create_dir(&link).unwrap();
    other.run(&[]).failed(1, &["not a regular file"]);
}

#[test]
fn a_file_that_another_load_brought_into_the_topic_gets_a_warning() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (load, _) = loaded(cluster, 825);
    load.generate("b", &lines(826, 10).task(2));
    let ended = load.spawn_of(&["b", "a"], &[]).end();
    let ended = ended.saying(&["inputs/a was loaded into this topic by another job"]);
    assert_eq!(ended.done()["records"], 210);
    // Into another topic it is no matter.
    let other = Load::into_topic(cluster, 1);
    let (input, state) = (load.input("a"), load.path("state"));
    let input = input.to_str().unwrap();
    let ended = other
        .spawn_of(&[input], &["--state", state.to_str().unwrap()])
        .end();
    assert!(!ended.stderr.contains("another job"), "{}", ended.stderr);
    ended.done();
}

#[test]
fn an_empty_state_file_is_begun_anew_with_a_warning() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (load, _) = loaded(cluster, 830);
    OpenOptions::new()
        .write(true)
        .open(load.state())
        .unwrap()
        .set_len(0)
        .unwrap();
    let ended = load.run(&[]);
    // Nothing was ever stored in it: the power went while it was made.
    let summary = ended.done();
    assert_eq!(
        (&summary["resumed"], &summary["records"]),
        (&false.into(), &200.into())
    );
}

#[test]
fn two_loads_share_a_directory_but_not_a_state() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let load = Load::into_small_batches(cluster, 2);
    let first = load.generate("a", &lines(840, 12_000));
    let running = load.spawn_of(&["a"], SLOWLY);
    load.wait_begun(judge);
    // The same one a second time: named by the process that has it.
    let other = load.beside();
    let (input, state) = (load.input("a"), load.path("state"));
    let (input, state) = (input.to_str().unwrap(), state.to_str().unwrap());
    let again = other.spawn_of(&[input], &["--state", state]).end();
    again.failed(1, &["in use by process", &running.pid().to_string()]);
    // Another one at the same time: both are whole.
    let second = other.generate("b", &lines(841, 2_000).task(2));
    let summary = other.spawn_of(&["b"], &["--state", state]).end().done();
    assert_eq!(summary["records"], 2_000);
    running.end().done();
    // Each in its own order; between the two there is none.
    let dump = judge.dump(&load.topic, Isolation::ReadUncommitted).unwrap();
    for (task, content) in [(1, first), (2, second)] {
        let expected = Expected::new(vec![content], b'\n');
        let mut checker = Checker::new(&expected);
        dump.for_each(|record| {
            let value = record.value.as_deref().unwrap_or_default();
            if recognise(value).is_none_or(|(of, _)| of == task) {
                checker.see(record);
            }
        });
        checker.finish().assert_clean();
    }
    assert_eq!(fs::read_dir(state).unwrap().count(), 2);
}

#[test]
fn positions_that_point_nowhere_are_refused() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (load, content) = loaded(cluster, 850);
    // All copies of everything behind the preambles.
    let file = OpenOptions::new().write(true).open(load.state()).unwrap();
    let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
    file.write_all_at(&vec![0xa5; length - 8192], 8192).unwrap();
    load.run(&[])
        .failed(1, &["state file", "damaged", "--restart"]);
    load.assert_holds(cluster.judge(), &[&content]);
}

#[test]
fn a_state_file_can_be_looked_at() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let load = Load::into_small_batches(cluster, 2);
    let content = load.generate("a", &lines(860, 9_000));
    let show = |flags: &[&str]| {
        let mut command = ringmain();
        command.args(["offsets", "show"]).args(flags);
        let output = command.arg(load.state()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    load.interrupt(judge, &[]);
    let shown: Value = serde_json::from_str(&show(&["--json"])).unwrap();
    assert_eq!(
        (&shown["job"], &shown["finished_ms"]),
        (&json!("load"), &Value::Null)
    );
    check_shown(&shown, &judge.end_offsets(&load.topic).unwrap());

    load.finish(&[]);
    let shown: Value = serde_json::from_str(&show(&["--json"])).unwrap();
    assert_eq!(
        (&shown["topic"], &shown["exit_code"]),
        (&json!(load.topic), &json!(0))
    );
    assert_eq!(shown["input_bytes"], content.len());
    check_shown(&shown, &judge.end_offsets(&load.topic).unwrap());
    let text = show(&[]);
    assert!(
        text.contains(&load.topic) && text.contains("PARTITION"),
        "{text}"
    );
}

/// What it says of each partition is what the broker has.
fn check_shown(shown: &Value, ends: &[i64]) {
    for (partition, &end) in ends.iter().enumerate() {
        let told = &shown["partitions"][partition];
        assert_eq!(
            (&told["records"], &told["clean"]),
            (&json!(end), &json!(true)),
            "{shown}"
        );
        let last = (end > 0).then_some(end - 1);
        assert_eq!(told["last_offset"], json!(last), "{shown}");
    }
}
