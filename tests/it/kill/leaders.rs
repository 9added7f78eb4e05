//! Three nodes: leadership moves under load, brokers are restarted one after the other, a leader dies.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::job::Job;
use super::process::End;
use super::{between, harmed_three, seeded};
use crate::kafka::cluster::{Cluster, fresh_topic, shared_three};
use crate::kafka::judge::{Judge, NewTopic};
use crate::kafka::lines::Random;

const PARTITIONS: i32 = 3;

fn replicated(judge: &Judge, name: &str, random: &mut Random, lines: u32) -> Job {
    let topic = fresh_topic(name);
    let new = NewTopic::new(&topic, PARTITIONS).replication(3);
    Job::short_into(
        judge,
        &topic,
        new.config("min.insync.replicas", 2),
        random,
        lines,
    )
}

/// Makes another node the leader of a partition.
fn move_leader(judge: &Judge, topic: &str, random: &mut Random) {
    let partition = random.within(0, 2);
    let leader = judge.describe_topic(topic).unwrap().partitions[partition].leader;
    let next = usize::try_from(leader).unwrap() % 3 + 1;
    judge
        .move_leader(topic, i32::try_from(partition).unwrap(), next)
        .unwrap();
}

#[test]
fn leadership_moves_under_load() {
    let Some(cluster) = shared_three() else {
        return;
    };
    let judge = cluster.judge();
    let mut random = seeded("leadership_moves_under_load");
    let job = replicated(judge, "moved", &mut random, 20_000);
    let process = job.spawn_with(&["--rate", "1MB"]);
    for _ in 0..8 {
        process.has_exited_within(between(&mut random, 0, 200));
        move_leader(judge, job.topic(), &mut random);
    }
    job.assert_done(process.end_within(Duration::from_secs(120)));
    job.assert_exact(judge);
}

#[test]
fn kills_while_leadership_moves_cost_nothing() {
    let Some(cluster) = shared_three() else {
        return;
    };
    let judge = cluster.judge();
    let mut random = seeded("kills_while_leadership_moves");
    let (mut killed, mut jobs) = (0, 0);
    while killed < 16 {
        assert!(
            jobs < 30,
            "{killed} kills in {jobs} jobs: they end too fast"
        );
        let job = replicated(judge, "moved-and-killed", &mut random, 20_000);
        let moves = Random(random.next());
        killed += kill_while_moving(judge, &job, &mut random, moves);
        job.finish();
        job.assert_exact(judge);
        jobs += 1;
    }
    eprintln!("{killed} kills while leadership moved in {jobs} jobs, 0 lost, 0 doubled");
}

/// Kills and starts it, with leadership on the move all the time.
fn kill_while_moving(judge: &Judge, job: &Job, random: &mut Random, mut moves: Random) -> u32 {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                move_leader(judge, job.topic(), &mut moves);
            }
        });
        // Also when an assertion fails: the scope waits for the other thread.
        let _over = SetOnDrop(&is_over);
        let mut killed = 0;
        while killed < 8 {
            let process = job.spawn();
            process.has_exited_within(between(random, 5, 400));
            let end = process.kill9();
            if end != End::Killed {
                job.assert_done(end);
                break;
            }
            killed += 1;
        }
        killed
    })
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_rolling_restart_and_a_dead_leader_cost_nothing() {
    let Some(cluster) = harmed_three() else {
        return;
    };
    let judge = cluster.judge();
    let mut random = seeded("a_rolling_restart");
    let job = replicated(judge, "rolled", &mut random, 30_000);
    // About half a minute, if it is not let loose before.
    let process = job.spawn_with(&["--rate", "200kB"]);
    for id in 1..=3 {
        cluster.restart(id);
    }
    let end = process.kill9();
    assert_eq!(
        end,
        End::Killed,
        "it was to last longer than the restarts\n{}",
        job.log()
    );
    leader_dies(&cluster, &job, &mut random);
    job.finish();
    job.assert_exact(judge);
}

fn leader_dies(cluster: &Cluster, job: &Job, random: &mut Random) {
    let process = job.spawn_with(&["--rate", "500kB"]);
    process.has_exited_within(between(random, 200, 600));
    let leader = cluster
        .judge()
        .describe_topic(job.topic())
        .unwrap()
        .partitions[0]
        .leader;
    let leader = cluster.node(usize::try_from(leader).unwrap());
    leader.kill9();
    process.has_exited_within(between(random, 0, 600));
    assert_eq!(process.kill9(), End::Killed, "{}", job.log());
    // Nobody leads the partition yet, or somebody who has other batches last.
    let process = job.spawn_with(&["--rate", "500kB"]);
    process.has_exited_within(between(random, 200, 2_000));
    cluster.restart_dead();
    process.kill9();
}
