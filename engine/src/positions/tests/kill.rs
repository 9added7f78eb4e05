//! A real process, really killed.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::*;

const CHILD: &str = "RINGMAIN_TEST_KILLED_CHILD";
const POSITIONS: u32 = 3;

fn slot(number: u64) -> PartitionSlot {
    PartitionSlot {
        position: number,
        records: number,
        bytes: number,
        ..PartitionSlot::default()
    }
}

/// Not a test of its own: the process that is killed. It says which store it has completed.
#[test]
fn storing_child() {
    let Some(path) = env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let found = Store::locate(&path, LOCK_WAIT).unwrap().unwrap();
    let begun = PartitionSlot::decode(found.payload(0)).unwrap().position;
    let mut store = found.adopt().unwrap();
    let mut stdout = std::io::stdout().lock();
    for number in begun + 1.. {
        for index in 0..POSITIONS {
            store.writer(index).unwrap().put(&slot(number));
        }
        if number % 50_000 == 0 {
            store.sync().unwrap();
        }
        if number % 1000 == 0 {
            writeln!(stdout, "stored {number}").unwrap();
        }
    }
}

#[test]
fn a_killed_process_loses_no_store_that_it_completed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("killed.state");
    let initial = slot(0).encode();
    let fresh = Fresh {
        kind: KIND_JOB,
        header: vec![1],
        positions: POSITIONS,
        initial,
    };
    drop(Store::create(&path, &fresh).unwrap().unwrap());
    let mut said = 0;
    for round in 0..12 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "positions::tests::kill::storing_child",
                "--nocapture",
            ])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stored = lines.filter_map(|line| {
            let (_, number) = line
                .unwrap()
                .split_once("stored ")
                .map(|(a, b)| (a.len(), b.to_owned()))?;
            number.parse::<u64>().ok()
        });
        let before = said;
        said = stored.take(1 + round * 3).last().unwrap();
        assert!(said > before, "it went on where it was");
        child.kill().unwrap();
        // Its lock may outlive it for some milliseconds.
        let found = Store::locate(&path, Duration::from_secs(5))
            .unwrap()
            .unwrap();
        for index in 0..POSITIONS {
            let found = PartitionSlot::decode(found.payload(index)).unwrap();
            assert!(
                found.position >= said,
                "{} < {said} in round {round}",
                found.position
            );
            assert_eq!(found, slot(found.position), "a whole store");
        }
        drop(found);
        child.wait().unwrap();
    }
}
