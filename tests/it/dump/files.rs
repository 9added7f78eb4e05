//! What a dump does with files that are there, and with what happens to its own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use rustix::process::Signal;

use super::job::{Dump, LIMIT, as_lines, records};
use crate::kafka::cluster::{Cluster, fresh_topic, shared_single};
use crate::kafka::judge::{Isolation, NewTopic};
use crate::kafka::lines::{Sizes, generate};
use crate::kill::process::End;
use crate::kill::until;

/// A topic of one partition and some megabytes, and a dump of it that takes its time.
fn slow(cluster: &Cluster) -> (Dump, Vec<u8>) {
    let topic = fresh_topic("files");
    let judge = cluster.judge();
    judge.create_topic(&NewTopic::new(&topic, 1)).unwrap();
    let lines = generate(5, 60_000, Sizes::Between(23..=400)).bytes();
    let dump = Dump::new(cluster.bootstrap(), &topic).flags(&SLOWLY);
    fs::write(dump.path("lines"), &lines).unwrap();
    let properties = [("batch.size", "4000")];
    judge
        .produce(&topic, Some(0), &dump.path("lines"), b'\n', &properties)
        .unwrap();
    let expected = as_lines(&records(judge, &topic, Isolation::ReadUncommitted));
    assert!(expected == lines);
    (dump, lines)
}

/// A batch at a time: thousands of answers.
const SLOWLY: [&str; 4] = [
    "-X",
    "fetch.max.bytes=1",
    "-X",
    "max.partition.fetch.bytes=1",
];

fn size(dump: &Dump, name: &str) -> u64 {
    fs::metadata(dump.path(name)).map_or(0, |metadata| metadata.len())
}

#[test]
fn files_that_are_not_ours_are_refused_appended_to_or_overwritten() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (dump, lines) = slow(cluster);
    fs::write(dump.path("out"), "of another\n").unwrap();
    dump.fails(
        "out",
        &[],
        2,
        &["--append writes behind", "--overwrite replaces it"],
    );
    assert_eq!(dump.read("out"), b"of another\n");
    dump.finish("out", &["--append"]);
    assert!(dump.read("out") == [b"of another\n", &lines[..]].concat());
    let already = dump.finish("out", &["--append"]);
    assert_eq!(already["already_dumped"], true);
    // What was there before the dump stays, whatever is forgotten of the dump.
    dump.finish("out", &["--append", "--restart"]);
    assert!(dump.read("out") == [b"of another\n", &lines[..]].concat());
    fs::write(dump.path("longer"), vec![b'x'; lines.len() + 5_000]).unwrap();
    let inode = fs::metadata(dump.path("longer")).unwrap().ino();
    dump.finish("longer", &["--overwrite"]);
    assert!(dump.read("longer") == lines);
    assert_eq!(
        fs::metadata(dump.path("longer")).unwrap().ino(),
        inode,
        "in place"
    );
    fs::create_dir(dump.path("directory")).unwrap();
    dump.fails("directory", &[], 2, &["is a directory"]);
    dump.fails("none/out", &[], 1, &["No such file"]);
}

#[test]
fn a_signal_stops_it_and_the_same_command_goes_on() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (dump, lines) = slow(cluster);
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let before = size(&dump, "out");
        let process = dump.spawn("out", &[]);
        until("some is written", || size(&dump, "out") > before + 50_000);
        process.signal(signal);
        assert_eq!(process.end_within(LIMIT), End::Code(code), "{}", dump.log());
        let written = dump.read("out");
        assert!(
            lines.starts_with(&written) && written.ends_with(b"\n"),
            "whole records"
        );
    }
    let other = dump.command("out", &["--null", "x"]);
    let process = crate::kill::process::Process::spawn(other, &dump.path("other"));
    assert_eq!(process.end_within(LIMIT), End::Code(2));
    let said = fs::read_to_string(dump.path("other")).unwrap();
    assert!(
        said.contains("--null '' and is now asked to run with --null 'x'"),
        "{said}"
    );
    let summary = dump.finish("out", &[]);
    assert_eq!(summary["resumed"], true);
    assert_eq!(summary["records_of_all_runs"], 60_000);
    assert!(dump.read("out") == lines);
}

#[test]
fn a_file_that_was_changed_meanwhile_is_not_gone_on_with() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (dump, lines) = slow(cluster);
    let stop = |dump: &Dump| {
        let before = size(dump, "out");
        let process = dump.spawn("out", &[]);
        until("some is written", || size(dump, "out") > before + 20_000);
        process.signal(Signal::TERM);
        assert_eq!(process.end_within(LIMIT), End::Code(143), "{}", dump.log());
    };
    stop(&dump);
    let whole = dump.read("out");
    fs::write(dump.path("out"), &whole[..whole.len() - 1]).unwrap();
    dump.fails(
        "out",
        &[],
        1,
        &["is not the file that this dump was writing", "--restart"],
    );
    let mut changed = whole.clone();
    let at = changed.len() - 3_000;
    changed[at] ^= 1;
    fs::write(dump.path("out"), &changed).unwrap();
    dump.fails("out", &[], 1, &["are others than were written"]);
    fs::rename(dump.path("out"), dump.path("moved")).unwrap();
    dump.fails("out", &[], 1, &["it is gone"]);
    fs::write(dump.path("out"), &whole).unwrap();
    dump.fails("out", &[], 1, &["its inode was"]);
    fs::rename(dump.path("moved"), dump.path("out")).unwrap();
    fs::write(dump.path("out"), [&whole[..], b"more"].concat()).unwrap();
    dump.finish("out", &[]);
    assert!(dump.read("out") == lines, "what came behind is cut");
}

#[test]
fn a_path_that_is_replaced_stops_it() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (dump, lines) = slow(cluster);
    let process = dump.spawn("out", &[]);
    until("some is written", || size(&dump, "out") > 20_000);
    fs::rename(dump.path("out"), dump.path("moved")).unwrap();
    fs::write(dump.path("out"), "another").unwrap();
    assert_eq!(process.end_within(LIMIT), End::Code(1), "{}", dump.log());
    let said = dump.log();
    assert!(said.contains("was replaced by another file"), "{said}");
    assert_eq!(dump.read("out"), b"another", "it is not ours");
    fs::rename(dump.path("moved"), dump.path("out")).unwrap();
    dump.finish("out", &[]);
    assert!(dump.read("out") == lines);
}

#[test]
fn two_at_once_are_told_apart() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (dump, lines) = slow(cluster);
    let process = dump.spawn("out", &["--until", "never"]);
    until("some is written", || size(&dump, "out") > 20_000);
    // The same job, started again.
    let second = dump.command("out", &["--until", "never"]);
    let second = crate::kill::process::Process::spawn(second, &dump.path("second"));
    assert_eq!(second.end_within(LIMIT), End::Code(1));
    let said = fs::read_to_string(dump.path("second")).unwrap();
    assert!(said.contains("in use by process"), "{said}");
    until("all is written", || {
        size(&dump, "out") >= lines.len() as u64
    });
    process.signal(Signal::TERM);
    assert_eq!(process.end_within(LIMIT), End::Code(143));
    assert!(dump.read("out") == lines);
}

/// Ends when its reader does: what it read is what it wanted.
#[test]
fn who_reads_the_first_lines_of_standard_output_may_go() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (dump, _) = slow(cluster);
    let mut child = dump
        .command("-", &[])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{said}");
    assert!(said.contains("standard output is at least once"), "{said}");
    assert!(line.ends_with('\n'));
}

/// A file system of one megabyte, where that can be had.
#[test]
fn a_full_disk_is_waited_for() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (dump, lines) = slow(cluster);
    let disk = dump.path("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "ringmain-test"])
        .arg(&disk)
        .output();
    if !mounted
        .as_ref()
        .is_ok_and(|mounted| mounted.status.success())
    {
        eprintln!("left out: no file system can be mounted here ({mounted:?})");
        return;
    }
    let _unmounted = Mounted(disk.clone());
    let process = dump.spawn("disk/out", &[]);
    until("the disk is full", || {
        dump.log().contains("waiting for room")
    });
    assert!(
        !process.has_exited_within(Duration::from_millis(1_500)),
        "{}",
        dump.log()
    );
    process.signal(Signal::TERM);
    assert_eq!(process.end_within(LIMIT), End::Code(143), "{}", dump.log());
    let written = dump.read("disk/out");
    assert!(
        lines.starts_with(&written) && !written.is_empty(),
        "whole records"
    );
    let process = dump.spawn("disk/out", &[]);
    let said = dump.log().len();
    until("it is full again", || {
        dump.log()[said..].contains("waiting for room")
    });
    let larger = std::process::Command::new("mount")
        .args(["-o", "remount,size=64m"])
        .arg(&disk)
        .status()
        .unwrap();
    assert!(larger.success());
    assert_eq!(process.end_within(LIMIT), End::Code(0), "{}", dump.log());
    assert!(dump.read("disk/out") == lines);
}

/// A file system that goes with the test.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let status = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
        assert!(status.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}
