//! The one broker is killed or stopped while it is loaded; what the dead process sent arrives late.

use std::time::Duration;

use super::job::Job;
use super::process::End;
use super::{between, harmed_single, seeded, until};
use crate::kafka::cluster::fresh_topic;

#[test]
fn a_killed_broker_costs_nothing() {
    let Some(cluster) = harmed_single() else {
        return;
    };
    let (judge, node) = (cluster.judge(), cluster.node(1));
    let mut random = seeded("a_killed_broker_costs_nothing");
    let topic = fresh_topic("broker-killed");
    let job = Job::short(judge, &topic, 3, &mut random, 20_000);

    // About four seconds without what happens meanwhile.
    let process = job.spawn_with(&["--rate", "1MB"]);
    for _ in 0..2 {
        process.has_exited_within(between(&mut random, 100, 900));
        node.kill9();
        cluster.restart(1);
    }
    process.has_exited_within(between(&mut random, 100, 500));
    node.kill9();
    process.has_exited_within(between(&mut random, 0, 300));
    assert_eq!(
        process.kill9(),
        End::Killed,
        "it was to wait for its broker\n{}",
        job.log()
    );
    cluster.restart(1);
    job.finish();
    job.assert_exact(judge);
}

/// The broker is stopped with requests unread; the process that sent them dies; the next one asks what
/// arrived while they still wait to be read.
#[test]
fn requests_of_the_dead_arrive_late() {
    let Some(cluster) = harmed_single() else {
        return;
    };
    let (judge, node) = (cluster.judge(), cluster.node(1));
    let mut random = seeded("requests_of_the_dead_arrive_late");
    let (mut killed, mut jobs) = (0, 0);
    while killed < 20 {
        assert!(
            jobs < 30,
            "{killed} kills in {jobs} jobs: they end too fast"
        );
        let topic = fresh_topic("late");
        let job = Job::short(judge, &topic, [1, 3][jobs % 2], &mut random, 20_000);
        jobs += 1;
        for _ in 0..6 {
            let process = job.spawn();
            process.has_exited_within(between(&mut random, 10, 120));
            node.stop();
            process.has_exited_within(between(&mut random, 0, 20));
            let end = process.kill9();
            killed += usize::from(end == End::Killed);
            let next = job.spawn();
            next.has_exited_within(between(&mut random, 0, 30));
            node.cont();
            next.has_exited_within(between(&mut random, 0, 100));
            if round_ends(&job, next.kill9()) {
                break;
            }
            killed += 1;
        }
        job.finish();
        job.assert_exact(judge);
    }
    eprintln!("{killed} kills around a stopped broker in {jobs} jobs, 0 lost, 0 doubled");
}

/// Whether a process came to its end before it was killed.
fn round_ends(job: &Job, end: End) -> bool {
    if end != End::Killed {
        job.assert_done(end);
    }
    end != End::Killed
}

#[test]
fn a_kill_before_the_first_acknowledgement_costs_nothing() {
    let Some(cluster) = harmed_single() else {
        return;
    };
    let (judge, node) = (cluster.judge(), cluster.node(1));
    let mut random = seeded("a_kill_before_the_first_acknowledgement");
    for round in 0..6 {
        let topic = fresh_topic("unacknowledged");
        let job = Job::short(judge, &topic, 3, &mut random, 3_000);
        let process = job.spawn();
        until("the state of a new job", || job.state().is_some());
        node.stop();
        process.has_exited_within(between(&mut random, 0, 100));
        assert_eq!(process.kill9(), End::Killed, "{}", job.log());
        let next = (round % 2 == 0).then(|| job.spawn());
        node.cont();
        if let Some(next) = next {
            job.assert_done(next.end_within(Duration::from_secs(60)));
        } else {
            job.finish();
        }
        job.assert_exact(judge);
    }
}
