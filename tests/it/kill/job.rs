//! A load that is started as often as it takes, and what must have come of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

use super::between;
use super::process::{End, Process, read_log, ringmain};
use crate::kafka::judge::{Isolation, Judge, NewTopic};
use crate::kafka::lines::{
    Expected, Lines, Random, Sizes, Verdict, check_lines, generate, recognise,
};

/// A load that nobody disturbs any more.
const LIMIT: Duration = Duration::from_secs(150);

/// The limit of most topics: a hundred lines or so make a batch.
pub(crate) const MESSAGE_BYTES: usize = 20_000;

/// The files of a job and the flags that every start of it has.
#[derive(Debug)]
pub(crate) struct Job {
    directory: TempDir,
    topic: String,
    flags: Vec<String>,
    files: Vec<Vec<u8>>,
    /// Lines that are too long: file, and where in it.
    refused: Vec<Refused>,
    /// Which lines are refused shows only in the end: the rejects file says it.
    may_refuse: bool,
    writing: Writing,
}

/// How lines stand in the files: what is expected is the lines themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    Plain,
    /// Behind a key and a `|`.
    Keyed,
    Gzip,
    Zstd,
}

/// Some keys are frequent, some rare.
fn key(number: usize) -> Vec<u8> {
    format!("key-{}", (number * number) % 97).into_bytes()
}

impl Writing {
    fn bytes(self, content: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => content.to_vec(),
            Self::Keyed => {
                let lines = (0..).zip(content.split_inclusive(|&byte| byte == b'\n'));
                let keyed =
                    lines.flat_map(|(number, line)| [&key(number), &b"|"[..], line].concat());
                keyed.collect()
            }
            Self::Gzip => {
                // Two members: the input's middle is the first one's end.
                let middle = content.len() / 2;
                let member = |part: &[u8]| {
                    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                    encoder.write_all(part).expect("memory takes it");
                    encoder.finish().expect("memory takes it")
                };
                [member(&content[..middle]), member(&content[middle..])].concat()
            }
            Self::Zstd => zstd::bulk::compress(content, 1).expect("memory takes it"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Refused {
    file: usize,
    offset: u64,
    length: u64,
    name: (u16, u32),
}

impl Job {
    pub(crate) fn new(topic: &str) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("kill-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("the target directory can be written");
        std::fs::create_dir(directory.path().join("inputs")).expect("the directory is new");
        Self {
            directory,
            topic: topic.to_owned(),
            flags: Vec::new(),
            files: Vec::new(),
            refused: Vec::new(),
            may_refuse: false,
            writing: Writing::Plain,
        }
    }

    /// How the files that follow are written.
    pub(crate) fn written(self, writing: Writing) -> Self {
        Self { writing, ..self }
    }

    /// One file of short lines for a new topic of small batches.
    pub(crate) fn short(
        judge: &Judge,
        topic: &str,
        partitions: i32,
        random: &mut Random,
        lines: u32,
    ) -> Self {
        Self::short_into(
            judge,
            topic,
            NewTopic::new(topic, partitions),
            random,
            lines,
        )
    }

    pub(crate) fn short_into(
        judge: &Judge,
        topic: &str,
        new: NewTopic,
        random: &mut Random,
        lines: u32,
    ) -> Self {
        let new = new.config("max.message.bytes", MESSAGE_BYTES);
        judge.create_topic(&new).expect("the topic is new");
        let lines = generate(random.next(), lines, Sizes::Between(23..=400));
        Self::new(topic)
            .to(judge.bootstrap())
            .file(&[lines], MESSAGE_BYTES)
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    pub(crate) fn to(self, bootstrap: &str) -> Self {
        self.flags(&["-b", bootstrap])
    }

    pub(crate) fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|&flag| flag.to_owned()));
        self
    }

    /// One more file: these, one behind the other. Those longer than `line_bytes_max` are refused.
    pub(crate) fn file(mut self, parts: &[Lines], line_bytes_max: usize) -> Self {
        let index = self.files.len();
        let mut content = Vec::new();
        for part in parts {
            let bytes = part.bytes();
            let mut at = content.len();
            for (number, line) in (0..).zip(bytes.split_inclusive(|&b| b == part.delimiter)) {
                let length = line.len() - usize::from(line.last() == Some(&part.delimiter));
                if length > line_bytes_max {
                    let (offset, length) = (at as u64, length as u64);
                    let name = (part.task, number);
                    self.refused.push(Refused {
                        file: index,
                        offset,
                        length,
                        name,
                    });
                }
                at += line.len();
            }
            content.extend(bytes);
        }
        let bytes = self.writing.bytes(&content);
        std::fs::write(self.file_path(index), bytes).expect("the directory is ours");
        self.files.push(content);
        self
    }

    /// The broker may refuse lines that are longer than it takes by then.
    pub(crate) fn which_may_be_refused(self) -> Self {
        Self {
            may_refuse: true,
            ..self
        }
    }

    fn file_path(&self, index: usize) -> PathBuf {
        self.directory.path().join(format!("inputs/{index:05}"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn log(&self) -> String {
        read_log(&self.path("log"))
    }

    /// Where its state lies, once it has one.
    pub(crate) fn state(&self) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.path("state")).ok()?;
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths.find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "state")
        })
    }

    pub(crate) fn spawn(&self) -> Process {
        self.spawn_with(&[])
    }

    /// Starts it, with more flags.
    pub(crate) fn spawn_with(&self, more: &[&str]) -> Process {
        let text = |path: &Path| path.to_str().expect("our paths are text").to_owned();
        let mut arguments = vec!["load".to_owned(), text(&self.path("inputs"))];
        arguments.extend([
            "-t".to_owned(),
            self.topic.clone(),
            "--no-progress".to_owned(),
        ]);
        arguments.extend(["--state".to_owned(), text(&self.path("state"))]);
        arguments.extend(["--summary".to_owned(), text(&self.path("summary"))]);
        if self.may_refuse || !self.refused.is_empty() {
            let most = if self.may_refuse {
                1_000
            } else {
                self.refused.len()
            };
            arguments.extend(["--rejects".to_owned(), text(&self.path("rejects"))]);
            arguments.extend(["--max-errors".to_owned(), most.to_string()]);
        }
        arguments.extend(self.flags.iter().cloned());
        arguments.extend(more.iter().map(|&flag| flag.to_owned()));
        Process::spawn(ringmain(&arguments), &self.path("log"))
    }

    /// What it exits with when all is delivered.
    fn done(&self) -> End {
        let has_refused = !self.refused.is_empty() || !self.rejects().is_empty();
        End::Code(if has_refused { 3 } else { 0 })
    }

    /// Fails the test unless this is the end of a load that delivered everything.
    #[track_caller]
    pub(crate) fn assert_done(&self, end: End) {
        assert_eq!(end, self.done(), "{}", self.log());
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn finish(&self) -> Value {
        self.assert_done(self.spawn().end_within(LIMIT));
        self.summary()
    }

    pub(crate) fn summary(&self) -> Value {
        let bytes = std::fs::read(self.path("summary")).expect("a run that ended wrote it");
        serde_json::from_slice(&bytes).expect("a summary is JSON")
    }

    /// Starts it until it is done, killed up to `kills` times on the way. Gives the number of kills
    /// that found it alive.
    #[track_caller]
    pub(crate) fn run_killed(&self, random: &mut Random, kills: u32) -> u32 {
        let mut survived = 0;
        while survived < kills {
            let process = self.spawn();
            process.has_exited_within(moment(random));
            match process.kill9() {
                End::Killed => survived += 1,
                end => {
                    self.assert_done(end);
                    return survived;
                }
            }
        }
        self.finish();
        survived
    }

    pub(crate) fn expected(&self) -> Expected {
        let mut expected = Expected::new(self.files.clone(), b'\n');
        if self.writing == Writing::Keyed {
            expected = expected.with_keys(key);
        }
        if self.may_refuse {
            for (file, offset, length) in self.rejects() {
                let start = usize::try_from(offset).expect("files are small");
                let end = start + usize::try_from(length).expect("lines are short");
                let name = recognise(&self.files[file][start..end]);
                let (task, number) = name.expect("whole lines are refused");
                expected.refuse(task, number);
            }
        }
        for Refused {
            name: (task, number),
            ..
        } in &self.refused
        {
            expected.refuse(*task, *number);
        }
        expected
    }

    pub(crate) fn verdict(&self, judge: &Judge) -> Verdict {
        let dump = judge.dump(&self.topic, Isolation::ReadUncommitted);
        check_lines(&self.expected(), &dump.expect("the judge reads"))
    }

    /// As [`Self::assert_exact`], or lines are there again, and it was said that they might be.
    #[track_caller]
    pub(crate) fn assert_exact_or_said(&self, judge: &Judge) {
        let verdict = self.verdict(judge);
        let is_said = self.log().contains("at least once from input position");
        let is_kept = verdict.is_clean() || is_said && verdict.is_at_least_once();
        assert!(is_kept, "{verdict}\n{}", self.log());
        self.assert_rejects();
    }

    /// Every line once, in order; each refused one once in the rejects file; and a further start
    /// finds that nothing is to be done.
    #[track_caller]
    pub(crate) fn assert_exact(&self, judge: &Judge) {
        let verdict = self.verdict(judge);
        assert!(verdict.is_clean(), "{verdict}\n{}", self.log());
        self.assert_rejects();
        assert!(!self.log().contains("at least once"), "{}", self.log());
        let again = self.finish();
        assert_eq!(again["already_loaded"], true, "{again}");
        let offsets = judge.end_offsets(&self.topic).expect("the judge asks");
        let found: usize = offsets
            .iter()
            .map(|&end| usize::try_from(end).expect("from 0"))
            .sum();
        assert_eq!(
            found,
            verdict.found,
            "a further start sent something\n{}",
            self.log()
        );
    }

    /// File, offset and length of each line in the rejects file.
    fn rejects(&self) -> Vec<(usize, u64, u64)> {
        let text = std::fs::read_to_string(self.path("rejects")).unwrap_or_default();
        let rejects = text.lines().map(|line| {
            let line: Value = serde_json::from_str(line).expect("a reject is JSON");
            let number = |key: &str| {
                line[key]
                    .as_u64()
                    .unwrap_or_else(|| panic!("{key}: {line}"))
            };
            let file = usize::try_from(number("input")).expect("counted from 1") - 1;
            (file, number("offset"), number("length"))
        });
        rejects.collect()
    }

    /// Each once, in the input's order.
    #[track_caller]
    fn assert_rejects(&self) {
        let found = self.rejects();
        assert!(
            found.is_sorted_by(|a, b| a < b),
            "the rejects {found:?}\n{}",
            self.log()
        );
        if !self.may_refuse {
            let expected: Vec<_> = self
                .refused
                .iter()
                .map(|r| (r.file, r.offset, r.length))
                .collect();
            assert_eq!(found, expected, "the rejects\n{}", self.log());
        }
    }
}

/// A moment to kill a process at. The start-up is short and has much in it, so it has a scale of its own; how long
/// the rest takes depends on the job and the machine, so there are three scales.
fn moment(random: &mut Random) -> Duration {
    let most = [12, 40, 120, 400][random.within(0, 3)];
    between(random, 0, most)
}
