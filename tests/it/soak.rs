//! A soak: the embedded broker, a load that goes on and on, loads one after the other, and a dump
//! that follows, all at once; then the memory, descriptors and threads of each must have stayed
//! where they were.
//!
//! Two minutes by default; two hours:
//!
//! ```text
//! RINGMAIN_SOAK_SECONDS=7200 cargo test --release --test it soak::
//! ```
//!
//! *Flat* is a comparison of medians: the last quarter's samples against the second quarter's (the
//! first one is warming up). Medians, for a sample that hits a batch more in flight says nothing.

#![expect(
    clippy::print_stderr,
    reason = "what was sampled, for whoever looks at a failure"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::kafka::jars::{self, Version};
use crate::kafka::judge::{Judge, NewTopic};
use crate::kafka::lines::{Sizes, generate};
use crate::kill::number_of;
use crate::kill::process::{End, Process, read_log, ringmain};

/// In continuous integration.
const SECONDS: u64 = 120;
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// Between the starts of two short loads.
const SHORT_EVERY: Duration = Duration::from_millis(500);

/// What an allocator and a buffer more or less make of a flat line. (Loads and dumps over two
/// minutes varied by 0.3 MiB.)
const KIB_NOISE: u64 = 1 << 10;
/// And what two hours may add: a mebibyte an hour.
const KIB_AN_HOUR: u64 = 1 << 10;
/// A connection or a segment more or less; a leak for each of hundreds of loads is far more.
const DESCRIPTORS_NOISE: u64 = 4;
/// The broker has one for each connection.
const THREADS_NOISE: u64 = 2;

/// What a process takes at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    anonymous_kib: u64,
    descriptors: u64,
    threads: u64,
}

impl Sample {
    /// `None`: the process is gone.
    fn take(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let number = |key: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            anonymous_kib: number("RssAnon:")?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64,
            threads: number("Threads:")?,
        })
    }
}

type Measure = fn(&Sample) -> u64;

/// What is wrong with samples taken at even intervals over `time`, if anything.
fn growth(samples: &[Sample], time: Duration) -> Option<String> {
    let kib_allowed = KIB_NOISE + KIB_AN_HOUR * time.as_secs() / 3_600;
    let measures: [(&str, Measure, u64); 3] = [
        (
            "KiB of anonymous memory",
            |sample| sample.anonymous_kib,
            kib_allowed,
        ),
        (
            "descriptors",
            |sample| sample.descriptors,
            DESCRIPTORS_NOISE,
        ),
        ("threads", |sample| sample.threads, THREADS_NOISE),
    ];
    let quarter = samples.len() / 4;
    if quarter == 0 {
        return Some(format!("{} samples are too few", samples.len()));
    }
    measures.iter().find_map(|(what, of, allowed)| {
        let second = median(&samples[quarter..2 * quarter], *of);
        let last = median(&samples[samples.len() - quarter..], *of);
        let grew = last > second + allowed;
        grew.then(|| format!("{second} {what} became {last}, and {allowed} more are allowed"))
    })
}

fn median(samples: &[Sample], of: Measure) -> u64 {
    let mut values: Vec<u64> = samples.iter().map(of).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// A process that is looked at.
struct Watched {
    name: &'static str,
    process: Process,
    samples: Vec<Sample>,
}

impl Watched {
    fn new(name: &'static str, process: Process) -> Self {
        let samples = Vec::new();
        Self {
            name,
            process,
            samples,
        }
    }

    fn look(&mut self) {
        let sample = Sample::take(self.process.pid());
        let is_over = self.process.has_exited_within(Duration::ZERO);
        assert!(!is_over, "{} ended\n{}", self.name, self.process.log());
        self.samples.push(sample.expect("it runs"));
    }

    #[track_caller]
    fn assert_flat(&self, time: Duration) {
        let quarter = self.samples.len() / 4;
        let (second, last) = (
            &self.samples[quarter..2 * quarter],
            &self.samples[3 * quarter..],
        );
        let medians = |of: Measure| format!("{} to {}", median(second, of), median(last, of));
        eprintln!(
            "soak: {}, {} samples over {time:?}: {} KiB, {} descriptors, {} threads",
            self.name,
            self.samples.len(),
            medians(|sample| sample.anonymous_kib),
            medians(|sample| sample.descriptors),
            medians(|sample| sample.threads),
        );
        if let Some(growth) = growth(&self.samples, time) {
            panic!("{}: {growth}\n{}", self.name, self.process.log());
        }
    }
}

/// The broker's process and its address.
fn broker(directory: &Path) -> (Process, String) {
    let data = directory.join("broker");
    let said = directory.join("broker.out");
    let mut command = ringmain(&["broker", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(&data);
    // Its address is told on standard output, which goes to a file here.
    let process = Process::spawn_into(command, &directory.join("broker.log"), &said);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = fs::read_to_string(&said).unwrap_or_default();
        let address = text
            .lines()
            .find_map(|line| line.strip_prefix("listening on "));
        if let Some(address) = address {
            return (process, address.to_owned());
        }
        assert!(
            Instant::now() < deadline,
            "it does not listen\n{}",
            process.log()
        );
        assert!(
            !process.has_exited_within(Duration::from_millis(10)),
            "{}",
            process.log()
        );
    }
}

struct Soak {
    directory: TempDir,
    bootstrap: String,
    topic: &'static str,
}

impl Soak {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A load of `input`, into the topic.
    fn load(&self, input: &str, more: &[&str]) -> Process {
        let mut command = ringmain(&["load"]);
        command.arg(self.path(input));
        command.args([
            "-t",
            self.topic,
            "-b",
            &self.bootstrap,
            "--no-progress",
            "--state",
        ]);
        command.arg(self.path("state")).args(more);
        Process::spawn(command, &self.path(&format!("{input}.log")))
    }

    /// A dump without an end, to nowhere.
    fn follow(&self) -> Process {
        let arguments = ["dump", "-t", self.topic, "-b", &self.bootstrap];
        let mut command = ringmain(&arguments);
        command.args(["-o", "-", "--until", "never", "--no-progress"]);
        Process::spawn(command, &self.path("dump.log"))
    }
}

#[test]
fn memory_descriptors_and_threads_stay_flat() {
    /// Bytes a second.
    const RATE: u64 = 300_000;
    if jars::find(Version::Newest).is_none() {
        return; // the judge makes the topic
    }
    let time = Duration::from_secs(number_of("RINGMAIN_SOAK_SECONDS").unwrap_or(SECONDS));
    let directory = tempfile::Builder::new()
        .prefix("soak-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("the target directory can be written");
    let (process, bootstrap) = broker(directory.path());
    let soak = Soak {
        directory,
        bootstrap,
        topic: "soaked",
    };
    let judge = Judge::of(&soak.bootstrap);
    // What was followed is deleted: neither the disk nor the broker's index may grow.
    let new = NewTopic::new(soak.topic, 3)
        .config("segment.bytes", 1 << 20)
        .config("retention.bytes", 4 << 20);
    judge.create_topic(&new).expect("the broker is new");
    // A third more than the rate lets through.
    let count = u32::try_from(RATE * (time.as_secs() + 60) / 211 * 4 / 3).expect("hours, not days");
    let lines = generate(1, count, Sizes::Between(23..=400));
    lines
        .write(&soak.path("long"))
        .expect("the directory is ours");
    let lines = generate(2, 2_000, Sizes::Between(23..=400)).task(2);
    lines
        .write(&soak.path("short"))
        .expect("the directory is ours");

    let rate = format!("{}kB", RATE / 1_000);
    let mut watched = vec![
        Watched::new("the broker", process),
        Watched::new("the dump", soak.follow()),
        Watched::new("the load", soak.load("long", &["--rate", &rate])),
    ];
    let begun = Instant::now();
    let mut short = soak.load("short", &[]);
    let mut shorts = 0;
    while begun.elapsed() < time {
        if short.has_exited_within(SAMPLE_EVERY) {
            let end = short.end_within(SAMPLE_EVERY);
            assert_eq!(end, End::Code(0), "{}", read_log(&soak.path("short.log")));
            shorts += 1;
            // The broker remembers every producer for a day, as Apache's does: not too many of them.
            while begun.elapsed() < SHORT_EVERY * shorts {
                watched.iter_mut().for_each(Watched::look);
                watched[0].process.has_exited_within(SAMPLE_EVERY);
            }
            short = soak.load("short", &["--restart"]);
        } else {
            watched.iter_mut().for_each(Watched::look);
        }
        // Loads that are over in no time must not keep the others from being looked at.
        if shorts % 4 == 0 {
            watched.iter_mut().for_each(Watched::look);
        }
    }
    drop(short);
    eprintln!("soak: {shorts} loads one after the other");
    assert!(shorts > 3, "{shorts} short loads in {time:?}");
    judge.forget();
    for watched in &watched {
        watched.assert_flat(time);
    }
}

/// A process that takes more with each line it is sent, if it is told to.
struct Stub(Child);

impl Stub {
    fn spawn(is_leaking: bool) -> Self {
        const LEAKING: &str = r#"
            chunk=$(printf '%0200000d' 1)
            while read -r line; do
                kept=$kept$chunk
                exec {descriptor}</dev/null
                echo done
            done"#;
        const STEADY: &str = r#"
            chunk=$(printf '%0200000d' 1)
            while read -r line; do
                kept=$chunk
                exec 9</dev/null
                echo done
            done"#;
        let script = if is_leaking { LEAKING } else { STEADY };
        let child = Command::new("bash")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Self(child.expect("bash starts"))
    }

    fn samples(&mut self) -> Vec<Sample> {
        let mut to = self.0.stdin.take().expect("it is piped");
        let mut from = BufReader::new(self.0.stdout.take().expect("it is piped"));
        let mut answer = String::new();
        (0..40)
            .map(|_| {
                to.write_all(b"more\n").expect("it reads");
                from.read_line(&mut answer).expect("it answers");
                Sample::take(self.0.id()).expect("it runs")
            })
            .collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.0.kill().expect("it is our child");
        self.0.wait().expect("it is our child");
    }
}

#[test]
fn a_process_that_leaks_is_found_and_one_that_does_not_is_not() {
    let minute = Duration::from_secs(60);
    let steady = Stub::spawn(false).samples();
    assert_eq!(growth(&steady, minute), None);
    let leaking = Stub::spawn(true).samples();
    let found = growth(&leaking, minute).expect("it leaks");
    assert!(found.contains("memory"), "{found}");
    // Each on its own.
    let only = |change: fn(&mut Sample, &Sample)| {
        let mut samples = leaking.clone();
        samples
            .iter_mut()
            .for_each(|sample| change(sample, &steady[20]));
        growth(&samples, minute)
    };
    let descriptors = only(|sample, steady| sample.anonymous_kib = steady.anonymous_kib);
    assert!(descriptors.expect("it leaks").contains("descriptors"));
    let memory = only(|sample, steady| sample.descriptors = steady.descriptors);
    assert!(memory.expect("it leaks").contains("memory"));
    assert!(
        growth(&steady[..3], minute).is_some(),
        "three samples say nothing"
    );
}
