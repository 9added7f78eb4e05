//! `ringmain load` killed at random points of its life, over each body of the I/O and many shapes of
//! jobs.
//!
//! Batches are small (`max.message.bytes`), so that a few megabytes are hundreds of them and a kill
//! finds some in flight. A job is killed several times: while it starts, before the first
//! acknowledgement, in the middle, at the end.

use super::job::Job;
use super::{number_of, seeded};
use crate::kafka::cluster::{fresh_topic, shared_single};
use crate::kafka::judge::{Judge, NewTopic};
use crate::kafka::lines::{Lines, Random, Sizes, generate};

/// For each body; times three is more than the fifty that every submission must survive.
const KILLS: u64 = 24;
const KILLS_A_JOB: u32 = 8;

#[test]
fn kills_over_io_uring_lose_and_double_nothing() {
    survive("uring");
}

#[test]
fn kills_over_basic_io_uring_lose_and_double_nothing() {
    survive("uring:basic");
}

#[test]
fn kills_over_poll_lose_and_double_nothing() {
    survive("poll");
}

fn survive(io: &str) {
    let Some(cluster) = shared_single() else {
        return;
    };
    let mut random = seeded(&format!("kill::random over {io}"));
    let wanted = number_of("RINGMAIN_KILLS").unwrap_or(KILLS);
    let (mut survived, mut jobs) = (0, 0);
    while survived < wanted {
        assert!(
            jobs < 4 * wanted + 20,
            "{survived} kills in {jobs} jobs: they end too fast"
        );
        let seed = random.next();
        survived += u64::from(survive_job(cluster.judge(), io, jobs, seed));
        jobs += 1;
    }
    eprintln!("kill::random over {io}: {survived} kills in {jobs} jobs, 0 lost, 0 doubled");
}

/// What is loaded, and into what.
#[derive(Debug)]
struct Shape {
    partitions: i32,
    /// `max.message.bytes`
    message_bytes: usize,
    compression: &'static str,
    lanes: usize,
    content: Content,
}

#[derive(Clone, Copy, Debug)]
enum Content {
    /// One file of short lines.
    Short,
    /// Hundreds of files, some of them empty.
    Tiny,
    /// Lines longer than a chunk among short ones.
    Long,
    /// Some longer than the topic takes.
    Refused,
}

impl Shape {
    /// The first jobs go through all contents, so that a short run has each.
    fn draw(random: &mut Random, job: u64) -> Self {
        let contents = [
            Content::Short,
            Content::Refused,
            Content::Long,
            Content::Tiny,
        ];
        let content = contents[usize::try_from(job % 4).expect("below 4")];
        let codecs = ["none", "lz4", "none", "zstd", "snappy", "gzip"];
        Self {
            partitions: [1, 3, 8][random.within(0, 2)],
            message_bytes: match content {
                Content::Long => 3_000_000,
                _ => random.within(4_000, 60_000),
            },
            compression: codecs[random.within(0, codecs.len() - 1)],
            lanes: random.within(1, 4),
            content,
        }
    }

    fn fill(&self, random: &mut Random, job: Job) -> Job {
        let mut lines =
            |task, count, sizes| -> Lines { generate(random.next(), count, sizes).task(task) };
        let short = Sizes::Between(23..=400);
        let max = self.message_bytes;
        match self.content {
            Content::Short => job.file(&[lines(1, 40_000, short).without_last_delimiter()], max),
            Content::Tiny => (0..400).fold(job, |job, task| {
                let count = if task % 7 == 0 { 0 } else { 40 };
                job.file(&[lines(task, count, short.clone())], max)
            }),
            Content::Long => {
                let long = Sizes::Between(700_000..=2_500_000);
                let parts = [
                    lines(1, 1, long.clone()),
                    lines(2, 5_000, short.clone()),
                    lines(3, 3, long.clone()),
                    lines(4, 10_000, short),
                    lines(5, 2, long),
                ];
                job.file(&parts, max)
            }
            Content::Refused => {
                let long = Sizes::Between(max + 1..=max + 1_000_000);
                let mut parts = Vec::new();
                for task in 0..12 {
                    parts.push(lines(task * 2, 1_500, short.clone()));
                    parts.push(lines(task * 2 + 1, 1, long.clone()));
                }
                job.file(&parts[..12], max).file(&parts[12..], max)
            }
        }
    }
}

/// Gives the number of kills that found the process alive.
fn survive_job(judge: &Judge, io: &str, number: u64, seed: u64) -> u32 {
    let mut random = Random(seed);
    let shape = Shape::draw(&mut random, number);
    eprintln!("{io}, job {number}: {shape:?}");
    let topic = fresh_topic("killed");
    let new = NewTopic::new(&topic, shape.partitions);
    judge
        .create_topic(&new.config("max.message.bytes", shape.message_bytes))
        .unwrap();
    let lanes = shape.lanes.to_string();
    let job = Job::new(&topic).to(judge.bootstrap());
    let job = job.flags(&["--io", io, "-z", shape.compression, "--lanes", &lanes]);
    let job = shape.fill(&mut random, job);

    let survived = job.run_killed(&mut random, KILLS_A_JOB);
    job.assert_exact(judge);
    judge.delete_topic(&topic).unwrap();
    survived
}
