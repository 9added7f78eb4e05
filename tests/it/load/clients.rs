//! Apache's clients and kcat at the embedded broker, end to end.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::run::{Load, Running, lines, ringmain, until};
use crate::kafka::jars::{self, Version};
use crate::kafka::judge::{Isolation, Judge, NewTopic};
use crate::kafka::lines::{Expected, check_lines};
use crate::kafka::tools;

/// A `ringmain broker`. Dropped: killed.
#[derive(Debug)]
pub(super) struct Broker {
    _running: Running,
    pub(super) address: String,
}

impl Broker {
    /// What it says goes to files in `directory`.
    pub(super) fn start(directory: &Path, flags: &[&str]) -> Self {
        let mut command = ringmain();
        command
            .args(["broker", "--listen", "127.0.0.1:0"])
            .args(flags);
        let running = Running::spawn(command, directory);
        let mut said = String::new();
        until("the broker listens", || {
            said = fs::read_to_string(directory.join("stdout")).unwrap();
            said.ends_with('\n')
        });
        let address = said.trim().strip_prefix("listening on ").expect(&said);
        Self {
            address: address.to_owned(),
            _running: running,
        }
    }
}

/// The broker, its directory, and Apache's clients at it.
fn started() -> Option<(tempfile::TempDir, Broker, Judge)> {
    jars::find(Version::Newest)?;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let data = directory.path().join("data");
    let broker = Broker::start(directory.path(), &["--data-dir", data.to_str().unwrap()]);
    let judge = Judge::of(&broker.address);
    Some((directory, broker, judge))
}

fn kcat(arguments: &[&str], stdin: Option<&Path>) -> Option<Vec<u8>> {
    if Command::new("kcat").arg("-V").output().is_err() {
        eprintln!("kcat is not installed: left out");
        return None;
    }
    let stdin = stdin.map_or_else(Stdio::null, |path| fs::File::open(path).unwrap().into());
    let output = Command::new("timeout")
        .args(["--signal=KILL", "60", "kcat"])
        .args(arguments)
        .stdin(stdin)
        .output()
        .expect("timeout is of coreutils");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "kcat {arguments:?}: {}\n{stderr}",
        output.status
    );
    Some(output.stdout)
}

fn kcat_reads(address: &str, topic: &str, sorted: &[&[u8]]) {
    let read = kcat(&["-C", "-b", address, "-t", topic, "-e", "-q"], None);
    let Some(read) = read else { return };
    let whole = read.strip_suffix(b"\n").expect("kcat ends lines");
    let mut found: Vec<&[u8]> = whole.split(|&byte| byte == b'\n').collect();
    found.sort_unstable();
    assert_eq!(found, sorted);
}

fn sorted(content: &[u8]) -> Vec<&[u8]> {
    let whole = content.strip_suffix(b"\n").unwrap_or(content);
    let mut lines: Vec<&[u8]> = whole.split(|&byte| byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_javas_producer_sends_everybody_reads() {
    let Some((directory, broker, judge)) = started() else {
        return;
    };
    judge.create_topic(&NewTopic::new("console", 3)).unwrap();
    let content = lines(900, 1_000).bytes();
    let input = directory.path().join("input");
    fs::write(&input, &content).unwrap();
    tools::console_producer(&broker.address, "console", &input).text();
    let dump = judge.dump("console", Isolation::ReadCommitted).unwrap();
    let expected = Expected::new(vec![content.clone()], b'\n');
    check_lines(&expected, &dump).assert_clean();
    kcat_reads(&broker.address, "console", &sorted(&content));
    judge.forget();
}

#[test]
fn what_kcat_sends_javas_consumer_reads() {
    let Some((directory, broker, judge)) = started() else {
        return;
    };
    for (task, codec) in (0..).zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        let topic = format!("from-kcat-{codec}");
        judge.create_topic(&NewTopic::new(&topic, 2)).unwrap();
        let content = lines(910, 1_000).task(task).bytes();
        let input = directory.path().join(codec);
        fs::write(&input, &content).unwrap();
        let flags = ["-P", "-b", &broker.address, "-t", &topic, "-z", codec];
        let properties = ["-X", "enable.idempotence=true"];
        if kcat(&[flags.as_slice(), &properties].concat(), Some(&input)).is_none() {
            return;
        }
        // Spread at random: only that each is there once can be said.
        let mut found: Vec<Vec<u8>> = Vec::new();
        let dump = judge.dump(&topic, Isolation::ReadCommitted).unwrap();
        dump.for_each(|record| found.push(record.value.clone().unwrap()));
        found.sort_unstable();
        assert_eq!(found, sorted(&content), "{codec}");
        kcat_reads(&broker.address, &topic, &sorted(&content));
    }
    judge.forget();
}

#[test]
fn what_we_load_into_the_embedded_broker_everybody_reads() {
    let Some((_directory, broker, judge)) = started() else {
        return;
    };
    for (seed, codec) in (920..).zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        let load = Load::new(&broker.address);
        let content = load.generate("a", &lines(seed, 6_000));
        let flags = ["-z", codec, "--create-topic", "partitions=2"];
        assert_eq!(load.finish(&flags)["records"], 6_000);
        load.assert_holds(&judge, &[&content]);
        kcat_reads(&broker.address, &load.topic, &sorted(&content));
    }
    judge.forget();
}
