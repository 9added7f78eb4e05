//! `ringmain broker` and kcat as members of groups at it, as processes that can be killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::kafka::guarded::Guarded;
use crate::kafka::node::answers_within;
use crate::kafka::ports::Port;

/// Two busy cores included.
const LIMIT: Duration = Duration::from_secs(60);

/// Looks again and again until `is_so`, or the test has failed.
#[track_caller]
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool, say: impl Fn() -> String) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(
            Instant::now() < deadline,
            "waited {LIMIT:?} for: {what}\n{}",
            say()
        );
        // Files cannot tell that they have changed.
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A broker that keeps its port and its data through kills.
#[derive(Debug)]
pub(super) struct Broker {
    directory: tempfile::TempDir,
    port: Port,
    process: Option<Guarded>,
}

impl Broker {
    /// Topics have four partitions.
    pub(super) fn start() -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let mut broker = Self {
            directory: directory.expect("the target directory can be written"),
            port: Port::free(),
            process: None,
        };
        fs::create_dir(broker.path("data")).expect("the directory is new");
        broker.run();
        broker
    }

    fn run(&mut self) {
        let data = self.path("data");
        let address = self.address();
        let program = env!("CARGO_BIN_EXE_ringmain");
        let fixed = [
            "broker",
            "--partitions",
            "4",
            "--listen",
            &address,
            "--data-dir",
        ];
        let mut command = vec![program];
        command.extend(fixed);
        command.push(data.to_str().expect("our paths are text"));
        let log = self.path("broker");
        let process = Guarded::spawn(&command, &log, &data);
        let answers = answers_within(self.port.number(), &process, LIMIT);
        assert!(answers, "no start\n{}", read(&log));
        self.process = Some(process);
    }

    /// Kills it and starts it again.
    pub(super) fn kill_and_restart(&mut self) {
        self.kill();
        self.run();
    }

    fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.signal(Signal::KILL);
            assert!(process.has_exited_within(LIMIT), "SIGKILL ends anybody");
            process.end_keeping_data();
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    /// Sends lines to a topic, spread over its partitions.
    #[track_caller]
    pub(super) fn send(&self, topic: &str, lines: &[String]) {
        let input = self.path("sent");
        fs::write(&input, lines.join("\n") + "\n").expect("the directory is ours");
        let address = self.address();
        let flags = ["60", "kcat", "-P", "-b", &address, "-t", topic];
        let sticky = ["-X", "sticky.partitioning.linger.ms=0"];
        let sent = Command::new("timeout")
            .args(flags)
            .args(sticky)
            .stdin(fs::File::open(&input).expect("it was written"))
            .output()
            .expect("timeout is of coreutils");
        let said = String::from_utf8_lossy(&sent.stderr);
        assert!(sent.status.success(), "{}\n{said}", sent.status);
    }
}

/// kcat in a group. Dropped: killed.
#[derive(Debug)]
pub(super) struct Member {
    process: Guarded,
    read: PathBuf,
    said: PathBuf,
}

impl Member {
    /// Joins a group to read one topic; what it reads and says goes to files of this name.
    pub(super) fn join(
        broker: &Broker,
        group: &str,
        topic: &str,
        name: &str,
        flags: &[&str],
    ) -> Self {
        let (read, said) = (broker.path(&format!("{name}.read")), broker.path(name));
        let address = broker.address();
        // kcat's own words go to the guard's log, what it reads to a file of its own.
        let script = r#"out=$1; shift; exec "$@" >"$out""#;
        let out = read.to_str().expect("our paths are text");
        let mut command = vec!["/bin/sh", "-c", script, "kcat", out];
        command.extend(["kcat", "-u", "-b", &address, "-G", group]);
        command.extend([
            "-X",
            "auto.offset.reset=earliest",
            "-X",
            "session.timeout.ms=6000",
        ]);
        // Both Java's consumer and librdkafka offer it.
        command.extend(["-X", "partition.assignment.strategy=range"]);
        command.extend(flags);
        command.push(topic);
        let root = broker.path(&format!("{name}.root"));
        let process = Guarded::spawn(&command, &said, &root);
        Self {
            process,
            read,
            said,
        }
    }

    /// What it said; "% Group … rebalanced (…): assigned: t [0], t [1]" among it.
    pub(super) fn said(&self) -> String {
        read(&self.said)
    }

    /// How often it was assigned something, and of how many partitions the last time.
    pub(super) fn assignments(&self) -> (usize, usize) {
        let said = self.said();
        let mut lines = said.lines().filter(|line| line.contains("assigned:"));
        let count = lines.clone().count();
        let last = lines
            .next_back()
            .map_or(0, |line| line.matches('[').count());
        (count, last)
    }

    /// Waits until it has so many partitions.
    #[track_caller]
    pub(super) fn has(&self, partitions: usize) {
        let what = format!("{partitions} partitions");
        until(&what, || self.assignments().1 == partitions, || self.said());
    }

    /// The lines that it has read, sorted.
    pub(super) fn lines(&self) -> Vec<String> {
        let read = read(&self.read);
        let mut lines: Vec<_> = read.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    }

    /// Waits until it has read so many lines.
    #[track_caller]
    pub(super) fn reads(&self, count: usize) {
        let what = format!("{count} lines");
        until(&what, || self.lines().len() >= count, || self.said());
    }

    /// Ends it in order: it commits and leaves.
    #[track_caller]
    pub(super) fn leave(self) {
        self.end(Signal::TERM);
    }

    /// Ends it without a word.
    #[track_caller]
    pub(super) fn kill(self) {
        self.end(Signal::KILL);
    }

    fn end(self, signal: Signal) {
        self.process.signal(signal);
        let has_ended = self.process.has_exited_within(LIMIT);
        assert!(has_ended, "{}", self.said());
    }
}

/// kcat may not be there.
pub(super) fn has_kcat() -> bool {
    let mut version = Command::new("kcat");
    let version = version
        .arg("-V")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    version.status().is_ok()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
