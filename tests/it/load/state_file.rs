//! State that was damaged, is somebody else's, or is in use.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};

use super::run::{Load, SLOWLY, lines};
use crate::kafka::cluster::{Cluster, shared_single};
use crate::kafka::lines::Random;

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
    // The format and the oldest reader stand behind the magic, in both copies.
    let mut newer = good.clone();
    for copy in [0, 4096] {
        newer[copy + 8..copy + 16].copy_from_slice(&[9, 0, 0, 0, 9, 0, 0, 0]);
    }
    check(&newer, &["format 9", "newer"]);
    let mut headless = good.clone();
    headless[..8192].fill(0x55);
    check(&headless, &["no state file of ringmain"]);

    // Restarted, it loads anew, whatever the file was.
    fs::write(&path, b"<html>not found</html>").unwrap();
    load.run(&["--restart"])
        .failed(1, &["no state file of ringmain"]);
    fs::write(&path, &good).unwrap();
    load.run(&[]).saying(&["already loaded"]).done();
    load.assert_holds(cluster.judge(), &[&content]);
    fs::write(&path, &good[..5_000]).unwrap();
    assert_eq!(load.finish(&["--restart"])["records"], 200);
    assert_eq!(load.count(cluster.judge()), 400);
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
        .failed(1, &["another job's", &one.topic, "inputs"]);
    let link = other.state();
    fs::rename(&link, other.path("aside")).unwrap();
    fs::create_dir(&link).unwrap();
    other.run(&[]).failed(1, &["not a regular file"]);
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
    let first = load.generate("a", &lines(840, 6_000));
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
    load.assert_holds(judge, &[&first, &second]);
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
