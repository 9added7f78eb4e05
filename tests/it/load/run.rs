//! A load in a directory of its own: its inputs, its state, what it said and how it ended.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;
use tempfile::TempDir;

use crate::kafka::cluster::{Cluster, fresh_topic};
use crate::kafka::judge::{Isolation, Judge, NewTopic};
use crate::kafka::lines::{Expected, Lines, Sizes, check_lines, generate};
use crate::kafka::records::Record;

/// Two busy cores included.
const LIMIT: Duration = Duration::from_secs(150);

/// `ringmain` without the person's own settings.
pub(super) fn ringmain() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    for name in [
        "RINGMAIN_IO",
        "RINGMAIN_LOG",
        "XDG_DATA_HOME",
        "XDG_STATE_HOME",
    ] {
        command.env_remove(name);
    }
    command
}

/// Inputs, state and topic of a load that may be run more than once.
#[derive(Debug)]
pub(super) struct Load {
    directory: TempDir,
    bootstrap: String,
    pub(super) topic: String,
}

impl Load {
    /// Into a topic of its own, which is not made yet.
    pub(super) fn new(bootstrap: &str) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("load-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("the target directory can be written");
        fs::create_dir(directory.path().join("inputs")).expect("the directory is new");
        Self {
            directory,
            bootstrap: bootstrap.to_owned(),
            topic: fresh_topic("loaded"),
        }
    }

    /// Another load into the same topic.
    pub(super) fn beside(&self) -> Self {
        Self {
            topic: self.topic.clone(),
            ..Self::new(&self.bootstrap)
        }
    }

    /// Into a new topic of `partitions` that takes batches of 30,000 bytes: small inputs have many.
    pub(super) fn into_small_batches(cluster: &Cluster, partitions: i32) -> Self {
        let load = Self::new(cluster.bootstrap());
        let topic = NewTopic::new(&load.topic, partitions).config("max.message.bytes", 30_000);
        load.made(cluster.judge(), &topic);
        load
    }

    /// Into a new topic with Kafka's own defaults.
    pub(super) fn into_topic(cluster: &Cluster, partitions: i32) -> Self {
        let load = Self::new(cluster.bootstrap());
        load.made(cluster.judge(), &NewTopic::new(&load.topic, partitions));
        load
    }

    fn made(&self, judge: &Judge, topic: &NewTopic) {
        judge.create_topic(topic).expect("a new topic can be made");
    }

    /// Deletes the topic and makes one of the same name. Brokers apply either after they have said
    /// that it is done: whoever looks too early still finds the old one.
    #[track_caller]
    pub(super) fn make_topic_anew(&self, judge: &Judge, topic: &NewTopic) {
        judge.delete_topic(&self.topic).expect("it is there");
        until("the old topic is gone", || {
            judge.describe_topic(&self.topic).is_err()
        });
        self.made(judge, topic);
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn input(&self, name: &str) -> PathBuf {
        self.directory.path().join("inputs").join(name)
    }

    /// Writes an input; one that is there already keeps its inode.
    pub(super) fn write(&self, name: &str, content: &[u8]) {
        let path = self.input(name);
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("it is ours");
        fs::write(path, content).expect("the directory is ours");
    }

    /// As [`Self::write`]: generated lines, recognised later by their seed.
    pub(super) fn generate(&self, name: &str, lines: &Lines) -> Vec<u8> {
        let content = lines.bytes();
        self.write(name, &content);
        content
    }

    /// The one state file that it has.
    pub(super) fn state(&self) -> PathBuf {
        let entries = fs::read_dir(self.path("state")).expect("a run made it");
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.expect("the directory stays").path())
            .filter(|path| path.extension().is_some_and(|e| e == "state"))
            .collect();
        assert_eq!(paths.len(), 1, "{paths:?}");
        paths.remove(0)
    }

    /// All inputs, into the topic, with these flags.
    pub(super) fn spawn(&self, flags: &[&str]) -> Running {
        let input = self.path("inputs");
        let input = input.to_str().expect("our paths are text");
        self.spawn_of(&[input], flags)
    }

    /// These inputs; relative ones are looked for beside the inputs.
    pub(super) fn spawn_of(&self, inputs: &[&str], flags: &[&str]) -> Running {
        let command = self.command(inputs, flags);
        Running::spawn(command, self.directory.path())
    }

    /// Standard input: a pipe that somebody writes into.
    pub(super) fn spawn_piped(&self, flags: &[&str]) -> (Running, ChildStdin) {
        let mut command = self.command(&["-"], flags);
        command.stdin(Stdio::piped());
        let mut running = Running::spawn_with(command, self.directory.path());
        let stdin = running.child.stdin.take().expect("it is piped");
        (running, stdin)
    }

    fn command(&self, inputs: &[&str], flags: &[&str]) -> Command {
        let mut command = ringmain();
        command
            .arg("load")
            .args(inputs)
            .args(["-t", &self.topic, "--no-progress"])
            .args(["--summary", "../summary"])
            .current_dir(self.path("inputs"));
        if !flags.contains(&"--state") {
            command.args(["--state", "../state"]);
        }
        if !flags.contains(&"-b") {
            command.args(["-b", &self.bootstrap]);
        }
        command.args(flags);
        // What an earlier run wrote says nothing about this one.
        drop(fs::remove_file(self.path("summary")));
        command
    }

    /// Every record of the topic, by the judge's word.
    pub(super) fn records(&self, judge: &Judge) -> Vec<Record> {
        let dump = judge.dump(&self.topic, Isolation::ReadUncommitted);
        let mut records = Vec::new();
        dump.expect("the judge reads")
            .for_each(|record| records.push(record.clone()));
        records
    }

    #[track_caller]
    pub(super) fn run(&self, flags: &[&str]) -> Ended {
        self.spawn(flags).end()
    }

    /// Runs it to its good end; gives the summary.
    #[track_caller]
    pub(super) fn finish(&self, flags: &[&str]) -> Value {
        self.run(flags).done()
    }

    /// Runs it slowly and ends it by SIGTERM when some of it is acknowledged.
    #[track_caller]
    pub(super) fn interrupt(&self, judge: &Judge, flags: &[&str]) -> Value {
        let running = self.spawn(&[flags, SLOWLY].concat());
        self.wait_begun(judge);
        running.signal(Signal::TERM);
        running.end().with_code(143).summary()
    }

    /// Waits until the topic holds something.
    #[track_caller]
    pub(super) fn wait_begun(&self, judge: &Judge) {
        until("the first records arrive", || self.count(judge) > 0);
    }

    /// How many records the topic has, offsets counted.
    pub(super) fn count(&self, judge: &Judge) -> i64 {
        let ends = judge.end_offsets(&self.topic).expect("the topic is there");
        ends.iter().sum()
    }

    /// Every line of the generated inputs exactly once, in order, by the judge's word.
    #[track_caller]
    pub(super) fn assert_holds(&self, judge: &Judge, inputs: &[&[u8]]) {
        let inputs = inputs.iter().map(|input| input.to_vec()).collect();
        let dump = judge.dump(&self.topic, Isolation::ReadUncommitted);
        let dump = dump.expect("the judge reads");
        check_lines(&Expected::new(inputs, b'\n'), &dump).assert_clean();
    }

    /// The values of partition 0, in order.
    pub(super) fn values(&self, judge: &Judge) -> Vec<Vec<u8>> {
        let dump = judge.dump(&self.topic, Isolation::ReadUncommitted);
        dump.expect("the judge reads").values(0)
    }
}

/// About 300 KB/s: a few megabytes take some seconds, in batches of 30 KB.
pub(super) const SLOWLY: &[&str] = &["--rate", "300kB"];

/// Lines of 23 to 400 bytes, about 210 on average.
pub(super) fn lines(seed: u64, count: u32) -> Lines {
    generate(seed, count, Sizes::Between(23..=400))
}

/// A process of ours. Dropped: killed.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    exit: OwnedFd,
    directory: PathBuf,
}

impl Running {
    /// What it says goes to files in `directory`, anew.
    pub(super) fn spawn(mut command: Command, directory: &Path) -> Self {
        command.stdin(Stdio::null());
        Self::spawn_with(command, directory)
    }

    fn spawn_with(mut command: Command, directory: &Path) -> Self {
        let file = |name| File::create(directory.join(name)).expect("the directory is ours");
        let child = command
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("ringmain starts");
        let pid = Pid::from_child(&child);
        Self {
            exit: pidfd_open(pid, PidfdFlags::empty()).expect("it is not reaped before we do it"),
            child,
            directory: directory.to_owned(),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, signal: Signal) {
        match pidfd_send_signal(&self.exit, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(errno) => panic!("sending {signal:?}: {errno}"),
        }
    }

    /// What it has said on stderr so far.
    pub(super) fn said(&self) -> String {
        let bytes = fs::read(self.directory.join("stderr")).expect("it was made");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its end; one that does not come has failed the test.
    #[track_caller]
    pub(super) fn end(mut self) -> Ended {
        let mut wanted = [PollFd::new(&self.exit, PollFlags::IN)];
        let limit = Timespec::try_from(LIMIT).expect("time-outs are short");
        let ready = poll(&mut wanted, Some(&limit)).expect("nobody interrupts a test");
        assert!(ready > 0, "no end within {LIMIT:?}\n{}", self.said());
        let status = self.child.wait().expect("it is our child");
        let code = status.code();
        let code = code.unwrap_or_else(|| -status.signal().expect("no code, so a signal"));
        let summary = fs::read(self.directory.join("summary")).ok();
        Ended {
            code,
            stdout: fs::read(self.directory.join("stdout")).expect("it was made"),
            stderr: self.said(),
            summary: summary.map(|s| serde_json::from_slice(&s).expect("a summary is JSON")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        // Killed, and so soon over; reaped if it was not before.
        if let Err(error) = self.child.wait() {
            assert!(std::thread::panicking(), "waiting for ringmain: {error}");
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub(super) struct Ended {
    /// The exit code, or the negated number of the signal that ended it.
    pub(super) code: i32,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
    summary: Option<Value>,
}

impl Ended {
    #[track_caller]
    pub(super) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.stderr);
        self
    }

    /// All of these are somewhere in what it said.
    #[track_caller]
    pub(super) fn saying(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "no {part:?} in\n{}",
                self.stderr
            );
        }
        self
    }

    /// It failed with this code, and all of these are in the one sentence that says why.
    #[track_caller]
    pub(super) fn failed(self, code: i32, parts: &[&str]) -> Self {
        let ended = self.with_code(code);
        let errors = ended.stderr.lines().filter(|l| l.starts_with("error: "));
        let errors: Vec<&str> = errors.collect();
        assert_eq!(errors.len(), 1, "{}", ended.stderr);
        // With --nocapture a person reads what a person is told.
        eprintln!("{}", errors[0]);
        for part in parts {
            assert!(errors[0].contains(part), "no {part:?} in\n{}", ended.stderr);
        }
        ended
    }

    #[track_caller]
    pub(super) fn summary(self) -> Value {
        self.summary
            .unwrap_or_else(|| panic!("no summary\n{}", self.stderr))
    }

    /// It delivered everything; gives the summary.
    #[track_caller]
    pub(super) fn done(self) -> Value {
        self.with_code(0).summary()
    }
}

/// Looks again and again until `is_so`, or the test has failed.
#[track_caller]
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    const LIMIT: Duration = Duration::from_secs(60);
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {LIMIT:?} for: {what}");
        // Whatever is looked at cannot tell us that it has changed.
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
