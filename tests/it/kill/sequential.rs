//! Loads that one reader deals out (keys, compressed files) killed at random points: what is read again is
//! dealt again as it was.

use super::job::{Job, Writing};
use super::{number_of, seeded};
use crate::kafka::cluster::{fresh_topic, shared_single};
use crate::kafka::judge::{Judge, NewTopic};
use crate::kafka::lines::{Random, Sizes, generate};

/// In all.
const KILLS: u64 = 36;
const KILLS_A_JOB: u32 = 6;

#[test]
fn kills_of_what_one_reader_deals_out_lose_and_double_nothing() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let mut random = seeded("kill::sequential");
    let wanted = number_of("RINGMAIN_KILLS").unwrap_or(KILLS);
    let (mut survived, mut jobs) = (0, 0);
    while survived < wanted {
        assert!(
            jobs < 4 * wanted + 20,
            "{survived} kills in {jobs} jobs: they end too fast"
        );
        let seed = random.next();
        survived += u64::from(survive_job(cluster.judge(), jobs, seed));
        jobs += 1;
    }
    eprintln!("kill::sequential: {survived} kills in {jobs} jobs, 0 lost, 0 doubled");
}

/// Gives the number of kills that found the process alive.
fn survive_job(judge: &Judge, number: u64, seed: u64) -> u32 {
    let mut random = Random(seed);
    let drawn = |of: u64| usize::try_from(number % of).expect("a small number");
    // All bodies with all ways of writing, in six jobs.
    let io = ["uring", "poll", "uring:basic"][drawn(3)];
    let writing = [Writing::Keyed, Writing::Gzip, Writing::Keyed, Writing::Zstd][drawn(4)];
    let codec = ["none", "zstd", "none", "lz4", "none"][drawn(5)];
    let partitions = [3, 1, 8][random.within(0, 2)];
    let message_bytes = random.within(4_000, 60_000);
    eprintln!("job {number} over {io}: {writing:?}, {codec}, {partitions} partition(s)");
    let topic = fresh_topic("dealt");
    let new = NewTopic::new(&topic, partitions).config("max.message.bytes", message_bytes);
    judge.create_topic(&new).unwrap();
    let lanes = random.within(1, 3).to_string();
    let job = Job::new(&topic).to(judge.bootstrap()).written(writing);
    let job = job.flags(&[
        "--io", io, "-z", codec, "--lanes", &lanes, "--memory", "8MiB",
    ]);
    let job = match writing {
        Writing::Keyed => job.flags(&["-K", "|"]),
        _ => job,
    };
    let mut lines = |task, count| {
        let lines = generate(random.next(), count, Sizes::Between(23..=400));
        lines.task(task)
    };
    let job = job.file(&[lines(1, 25_000)], message_bytes);
    let job = job.file(&[lines(2, 15_000).without_last_delimiter()], message_bytes);

    let survived = job.run_killed(&mut random, KILLS_A_JOB);
    job.assert_exact(judge);
    judge.delete_topic(&topic).unwrap();
    survived
}
