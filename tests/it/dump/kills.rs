//! `ringmain dump` killed at random points of its life: the file in the end is what it would have
//! been.
//!
//! Answers are small (`fetch.max.bytes`), so that a few megabytes are hundreds of them, and a kill
//! finds some under way, written in part, or written and not noted.

use std::fs;

use super::job::{Dump, LIMIT, PLACED, as_lines, assert_all, records};
use crate::kafka::cluster::{Cluster, fresh_topic, shared_single};
use crate::kafka::judge::{Isolation, NewTopic};
use crate::kafka::lines::{Random, Sizes, generate};
use crate::kafka::records::Record;
use crate::kill::process::End;
use crate::kill::{between, number_of, seeded};

/// For each body: three make more than the two hundred that every submission must survive.
const KILLS: u64 = 68;
const KILLS_A_JOB: u32 = 12;

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

/// A topic that many dumps read.
struct Source {
    topic: String,
    records: Vec<Record>,
}

impl Source {
    fn fill(cluster: &Cluster, random: &mut Random, partitions: i32, codec: &str) -> Self {
        let topic = fresh_topic("dumped");
        let judge = cluster.judge();
        judge
            .create_topic(&NewTopic::new(&topic, partitions))
            .unwrap();
        let lines = generate(random.next(), 40_000, Sizes::Between(23..=400)).bytes();
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::write(file.path(), lines).unwrap();
        let properties = [("compression.type", codec), ("batch.size", "30000")];
        judge
            .produce(&topic, None, file.path(), b'\n', &properties)
            .unwrap();
        let records = records(judge, &topic, Isolation::ReadUncommitted);
        assert_eq!(records.len(), 40_000);
        Self { topic, records }
    }
}

fn survive(io: &str) {
    let Some(cluster) = shared_single() else {
        return;
    };
    let mut random = seeded(&format!("dump::kills over {io}"));
    let wanted = number_of("RINGMAIN_KILLS").unwrap_or(KILLS);
    let sources = [(1, "none"), (3, "lz4"), (1, "zstd")];
    let sources =
        sources.map(|(partitions, codec)| Source::fill(cluster, &mut random, partitions, codec));
    let (mut survived, mut jobs) = (0, 0);
    while survived < wanted {
        assert!(
            jobs < 4 * wanted + 20,
            "{survived} kills in {jobs} jobs: they end too fast"
        );
        let source = &sources[usize::try_from(jobs % 3).unwrap()];
        let what = format!("{io}, job {jobs}");
        survived += u64::from(survive_job(
            cluster.bootstrap(),
            source,
            io,
            &mut random,
            &what,
        ));
        jobs += 1;
    }
    eprintln!("dump::kills over {io}: {survived} kills in {jobs} jobs, 0 lost, 0 doubled");
}

/// Gives the number of kills that found the process alive.
fn survive_job(bootstrap: &str, source: &Source, io: &str, random: &mut Random, what: &str) -> u32 {
    let bytes = random.within(8_000, 60_000).to_string();
    let limit = format!("fetch.max.bytes={bytes}");
    let each = format!("max.partition.fetch.bytes={bytes}");
    let dump = Dump::new(bootstrap, &source.topic);
    let dump = dump.flags(&["--io", io, "-X", &limit, "-X", &each]);
    let is_one = source.records.iter().all(|record| record.partition == 0);
    let dump = if is_one {
        dump
    } else {
        dump.flags(&["-f", PLACED])
    };
    // One in three overwrites a longer file in place, and one in three follows what is there.
    let (before, flags): (&[u8], &[&str]) = match random.within(0, 2) {
        0 => (b"", &[]),
        1 => (b"kept\n", &["--append"]),
        _ => (&[b'x'; 12_000_000], &["--overwrite"]),
    };
    if !flags.is_empty() {
        fs::write(dump.path("out"), before).unwrap();
    }
    let mut survived = 0;
    let mut is_done = false;
    for _ in 0..KILLS_A_JOB {
        let process = dump.spawn("out", flags);
        let ended = process.has_exited_within(between(random, 5, 400));
        match process.kill9() {
            End::Killed if !ended => survived += 1,
            End::Code(0) => is_done = true,
            end => panic!("{what}: {end:?}\n{}", dump.log()),
        }
        if is_done {
            break;
        }
    }
    if !is_done {
        let end = dump.spawn("out", flags).end_within(LIMIT);
        assert_eq!(end, End::Code(0), "{what}\n{}", dump.log());
    }
    let written = dump.read("out");
    let written = match flags {
        ["--append"] => written.strip_prefix(before).expect("what was there stays"),
        _ => &written[..],
    };
    if is_one {
        let expected = as_lines(&source.records);
        assert_eq!(written.len(), expected.len(), "{what}\n{}", dump.log());
        assert!(
            written == expected,
            "{what}: the bytes differ\n{}",
            dump.log()
        );
    } else {
        assert_all(written, &source.records, what);
    }
    survived
}
