//! The topic's limit is lowered under a load: batches come back in the middle of five in flight, are
//! halved, and records that are too long even alone are left out; then the process is killed.

use super::job::Job;
use super::process::End;
use super::{between, seeded, until};
use crate::kafka::cluster::{fresh_topic, shared_single};
use crate::kafka::judge::{Judge, NewTopic};
use crate::kafka::lines::{Random, Sizes, generate};

const FIRST: usize = 60_000;
const LOWERED: usize = 12_000;

#[test]
fn halved_batches_survive_a_kill() {
    check("halved", Sizes::Between(23..=400), false);
}

#[test]
fn records_left_out_survive_a_kill() {
    check("left-out", Sizes::Between(23..=400), true);
}

fn check(name: &str, sizes: Sizes, has_long: bool) {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let mut random = seeded(name);
    let (mut killed, mut jobs) = (0, 0);
    while killed < 8 {
        assert!(
            jobs < 20,
            "{killed} kills in {jobs} jobs: they end too fast"
        );
        let topic = fresh_topic(name);
        let new = NewTopic::new(&topic, 3).config("max.message.bytes", FIRST);
        judge.create_topic(&new).unwrap();
        let mut parts = Vec::new();
        for task in 0..20 {
            parts.push(generate(random.next(), 1_000, sizes.clone()).task(task * 2));
            let long = Sizes::Between(LOWERED + 1..=FIRST / 2);
            let count = if has_long { 2 } else { 0 };
            parts.push(generate(random.next(), count, long).task(task * 2 + 1));
        }
        let job = Job::new(&topic).to(judge.bootstrap()).file(&parts, FIRST);
        let job = if has_long {
            job.which_may_be_refused()
        } else {
            job
        };
        killed += lower_and_kill(judge, &job, &mut random);
        job.assert_exact(judge);
        jobs += 1;
    }
    eprintln!("{name}: {killed} kills in {jobs} jobs, 0 lost, 0 doubled");
}

fn lower_and_kill(judge: &Judge, job: &Job, random: &mut Random) -> u32 {
    let process = job.spawn_with(&["--rate", "4MB"]);
    until("an acknowledgement", || {
        judge
            .end_offsets(job.topic())
            .unwrap()
            .iter()
            .any(|&e| e > 0)
    });
    judge
        .alter_topic_config(job.topic(), "max.message.bytes", &LOWERED.to_string())
        .unwrap();
    process.has_exited_within(between(random, 0, 150));
    let end = process.kill9();
    if end != End::Killed {
        job.assert_done(end);
        return 0;
    }
    1 + job.run_killed(random, 4)
}
