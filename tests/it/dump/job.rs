//! A dump in a directory of its own: its output, its state, what it said and how it ended.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::kafka::judge::{Isolation, Judge};
use crate::kafka::records::Record;
use crate::kill::process::{End, Process, read_log, ringmain};

/// Two busy cores included.
pub(super) const LIMIT: Duration = Duration::from_secs(150);

/// A dump that may be run more than once.
#[derive(Debug)]
pub(super) struct Dump {
    directory: TempDir,
    topic: String,
    flags: Vec<String>,
    log: PathBuf,
}

impl Dump {
    pub(super) fn new(bootstrap: &str, topic: &str) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("dump-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("the target directory can be written");
        Self {
            log: directory.path().join("log"),
            directory,
            topic: topic.to_owned(),
            flags: Vec::new(),
        }
        .flags(&["-b", bootstrap])
    }

    pub(super) fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|&flag| flag.to_owned()));
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("it was dumped")
    }

    pub(super) fn command(&self, output: &str, flags: &[&str]) -> Command {
        let mut command = ringmain(&["dump", "-t", &self.topic, "-o", output]);
        command
            .args(["--no-progress", "--state", "state", "--summary", "summary"])
            .args(&self.flags)
            .args(flags)
            .current_dir(self.directory.path());
        command
    }

    pub(super) fn spawn(&self, output: &str, flags: &[&str]) -> Process {
        Process::spawn(self.command(output, flags), &self.log)
    }

    /// Runs it to its end; what it says is in the log.
    #[track_caller]
    pub(super) fn run(&self, output: &str, flags: &[&str]) -> End {
        self.spawn(output, flags).end_within(LIMIT)
    }

    /// Runs it to its good end; gives the summary.
    #[track_caller]
    pub(super) fn finish(&self, output: &str, flags: &[&str]) -> Value {
        let end = self.run(output, flags);
        assert_eq!(end, End::Code(0), "{}", self.log());
        let summary = fs::read(self.path("summary")).expect("a run writes it");
        serde_json::from_slice(&summary).expect("a summary is JSON")
    }

    /// Runs it to a bad end with this code, all of these in what it said.
    #[track_caller]
    pub(super) fn fails(&self, output: &str, flags: &[&str], code: i32, parts: &[&str]) {
        drop(fs::remove_file(&self.log));
        let end = self.run(output, flags);
        let said = self.log();
        assert_eq!(end, End::Code(code), "{said}");
        for part in parts {
            assert!(said.contains(part), "no {part:?} in\n{said}");
        }
    }

    /// What it writes to its standard output.
    #[track_caller]
    pub(super) fn stdout(&self, flags: &[&str]) -> Vec<u8> {
        let file = File::create(self.path("stdout")).expect("the directory is ours");
        let log = File::create(&self.log).expect("the directory is ours");
        let status = self
            .command("-", flags)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(log)
            .status()
            .expect("ringmain starts");
        assert!(status.success(), "{}", self.log());
        self.read("stdout")
    }

    pub(super) fn log(&self) -> String {
        read_log(&self.log)
    }
}

/// A topic as Java's consumer reads it, in each partition's order.
pub(super) fn records(judge: &Judge, topic: &str, isolation: Isolation) -> Vec<Record> {
    let mut records = Vec::new();
    let dump = judge.dump(topic, isolation).expect("the judge reads");
    dump.for_each(|record| records.push(record.clone()));
    records
}

/// What a dump of these by value and newline is.
pub(super) fn as_lines<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend_from_slice(record.value.as_deref().unwrap_or_default());
        bytes.push(b'\n');
    }
    bytes
}

/// The format of which [`assert_all`] can tell what lies where: values must hold no newline.
pub(super) const PLACED: &str = "%p %o %s\\n";

/// Every record once, in each partition's order, in a file that [`PLACED`] was written to.
#[track_caller]
pub(super) fn assert_all(written: &[u8], records: &[Record], what: &str) {
    let mut by_partition: Vec<(i32, Vec<&[u8]>)> = Vec::new();
    for line in written.split_inclusive(|&byte| byte == b'\n') {
        let space = line.iter().position(|&byte| byte == b' ').unwrap_or(0);
        let number = std::str::from_utf8(&line[..space]).unwrap_or_default();
        let number: i32 = number.parse().unwrap_or_else(|_| {
            panic!(
                "{what}: no partition in {:?}",
                String::from_utf8_lossy(line)
            )
        });
        match by_partition.iter_mut().find(|(known, _)| *known == number) {
            Some((_, lines)) => lines.push(line),
            None => by_partition.push((number, vec![line])),
        }
    }
    let mut found = 0;
    for (partition, lines) in by_partition {
        let expected: Vec<Vec<u8>> = records
            .iter()
            .filter(|record| record.partition == partition)
            .map(|record| {
                let mut line = format!("{partition} {} ", record.offset).into_bytes();
                line.extend_from_slice(record.value.as_deref().unwrap_or_default());
                line.push(b'\n');
                line
            })
            .collect();
        let differs = lines.iter().zip(&expected).position(|(a, b)| a != b);
        let shown =
            |line: Option<&[u8]>| String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
        if let Some(at) = differs {
            panic!(
                "{what}: partition {partition}, record {at}: {:?} where {:?} should be",
                shown(Some(lines[at])),
                shown(Some(&expected[at]))
            );
        }
        assert_eq!(lines.len(), expected.len(), "{what}: partition {partition}");
        found += lines.len();
    }
    assert_eq!(found, records.len(), "{what}");
}
