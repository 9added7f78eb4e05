//! `ringmain dump` through the proxy: a file for each partition, byte for byte what Apache's consumer
//! reads.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{IMPATIENT, KILLS_A_JOB, LIMIT, Toll, run_jobs};
use crate::kafka::cluster::{fresh_topic, shared_single};
use crate::kafka::judge::{Isolation, Judge, NewTopic};
use crate::kafka::lines::{Random, Sizes, generate};
use crate::kill::process::{End, Process, read_log, ringmain};
use crate::kill::{between, seeded};
use crate::proxy::Proxy;
use crate::proxy::fate::{Kind, Menu};

/// A fetch brings one batch and takes at least this long.
const LATENCY: Duration = Duration::from_millis(4);

#[test]
fn a_dump_through_faults_loses_and_doubles_nothing() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let mut random = seeded("faults::dump");
    let toll = run_jobs(&mut random, |random, _| suffer(cluster.judge(), random));
    eprintln!(
        "faults::dump: {:.0} s of faults in {} jobs, {} starts, {} kills: 0 lost, 0 doubled; {}",
        toll.suffered.as_secs_f64(),
        toll.jobs,
        toll.starts,
        toll.kills,
        toll.tally,
    );
    let missing = toll.tally.missing(Kind::OF_DUMPS);
    assert!(missing.is_empty(), "never happened: {}", missing.join(", "));
}

/// One topic, dumped to its end, and the verdict.
fn suffer(judge: &Judge, random: &mut Random) -> Toll {
    let directory = tempfile::Builder::new()
        .prefix("faults-dump-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("the target directory can be written");
    let topic = fresh_topic("harmed-dump");
    let partitions = [1, 3][random.within(0, 1)];
    fill(judge, &topic, partitions, directory.path(), random);
    let menu = Menu::of(Kind::OF_DUMPS).with_latency(LATENCY);
    let proxy = Proxy::start(judge.bootstrap(), menu, random.next());
    let dump = Dump {
        directory,
        topic,
        bootstrap: proxy.bootstrap(),
        io: ["uring", "uring:basic", "poll"][random.within(0, 2)],
    };
    let toll = dump.run(&proxy, random);
    let expected = judge
        .dump(&dump.topic, Isolation::ReadUncommitted)
        .expect("the judge reads");
    for partition in 0..partitions {
        let path = dump.path(&format!("out-{partition}"));
        let found = std::fs::read(&path).unwrap_or_default();
        let mut lines = expected.values(partition).join(&b'\n');
        if !lines.is_empty() {
            lines.push(b'\n');
        }
        let differs = found.iter().zip(&lines).position(|(a, b)| a != b);
        assert!(
            found == lines,
            "{path:?}: {} bytes for {}, others from {differs:?} on\n{}",
            found.len(),
            lines.len(),
            dump.log()
        );
    }
    judge.delete_topic(&dump.topic).expect("the topic is there");
    toll
}

/// Some hundreds of small batches.
fn fill(judge: &Judge, topic: &str, partitions: i32, directory: &Path, random: &mut Random) {
    let new = NewTopic::new(topic, partitions);
    judge.create_topic(&new).expect("the topic is new");
    let path = directory.join("lines");
    let lines = generate(random.next(), 15_000, Sizes::Between(23..=400));
    lines.write(&path).expect("the directory is ours");
    let codec = ["none", "none", "lz4", "zstd"][random.within(0, 3)];
    let properties = [
        ("batch.size", "3000"),
        ("acks", "all"),
        ("compression.type", codec),
    ];
    judge
        .produce(topic, None, &path, b'\n', &properties)
        .expect("the Java producer sends");
}

/// A dump that is started as often as it takes.
struct Dump {
    directory: TempDir,
    topic: String,
    bootstrap: String,
    io: &'static str,
}

impl Dump {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn log(&self) -> String {
        read_log(&self.path("log"))
    }

    fn spawn(&self) -> Process {
        let text = |path: PathBuf| path.to_str().expect("our paths are text").to_owned();
        let (output, state) = (text(self.path("out-%p")), text(self.path("state")));
        let mut arguments = vec!["dump", "-t", &self.topic, "-b", &self.bootstrap];
        arguments.extend([
            "-o",
            &output,
            "--state",
            &state,
            "--no-progress",
            "--io",
            self.io,
        ]);
        arguments.extend(IMPATIENT);
        // A batch at a time.
        arguments.extend([
            "-X",
            "fetch.max.bytes=1",
            "-X",
            "max.partition.fetch.bytes=1",
        ]);
        Process::spawn(ringmain(&arguments), &self.path("log"))
    }

    fn run(&self, proxy: &Proxy, random: &mut Random) -> Toll {
        let mut toll = Toll::default();
        let begun = Instant::now();
        loop {
            let left = LIMIT.checked_sub(begun.elapsed());
            let left = left.unwrap_or_else(|| panic!("not done in {LIMIT:?}\n{}", self.log()));
            toll.starts += 1;
            let process = self.spawn();
            let is_killed = toll.kills < KILLS_A_JOB && random.within(0, 1) == 0;
            let end = if is_killed {
                process.has_exited_within(between(random, 50, 3_000));
                process.kill9()
            } else {
                process.end_within(left)
            };
            if end == End::Killed {
                toll.kills += 1;
                continue;
            }
            assert_eq!(end, End::Code(0), "{}", self.log());
            toll.suffered = begun.elapsed();
            toll.tally = proxy.tally();
            return toll;
        }
    }
}
