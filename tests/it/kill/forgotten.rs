//! The broker has forgotten the producer: the log's tail decides, or it is said that nothing can.

use std::time::Duration;

use rustix::process::Signal;

use super::job::Job;
use super::process::End;
use super::{between, forgetful_single, seeded, until};
use crate::kafka::cluster::fresh_topic;
use crate::kafka::judge::{Isolation, Judge};
use crate::kafka::lines::{Checker, Verdict};
use crate::kafka::records::Dump;

const PARTITIONS: i32 = 2;

fn wait_forgotten(judge: &Judge, topic: &str) {
    until("the broker forgets", || {
        (0..PARTITIONS).all(|p| judge.describe_producers(topic, p).unwrap().is_empty())
    });
}

fn delete_all(judge: &Judge, topic: &str) {
    for partition in 0..PARTITIONS {
        judge.delete_records(topic, partition, -1).unwrap();
    }
}

/// Of what lay in the topic before its records were deleted, and what came after.
fn verdict(job: &Job, before: &Dump, judge: &Judge) -> Verdict {
    let after = judge.dump(job.topic(), Isolation::ReadUncommitted).unwrap();
    let expected = job.expected();
    let mut checker = Checker::new(&expected);
    before.for_each(|record| checker.see(record));
    after.for_each(|record| checker.see(record));
    checker.finish()
}

#[test]
fn what_was_forgotten_is_found_in_the_log() {
    let Some(cluster) = forgetful_single() else {
        return;
    };
    let judge = cluster.judge();
    let mut random = seeded("what_was_forgotten_is_found_in_the_log");
    for _ in 0..4 {
        let topic = fresh_topic("forgotten");
        let job = Job::short(judge, &topic, PARTITIONS, &mut random, 30_000);
        let process = job.spawn();
        until("the state of a new job", || job.state().is_some());
        process.has_exited_within(between(&mut random, 0, 80));
        assert_eq!(process.kill9(), End::Killed, "{}", job.log());
        wait_forgotten(judge, job.topic());
        job.finish();
        job.assert_exact(judge);
    }
}

#[test]
fn records_deleted_and_the_broker_restarted() {
    let Some(cluster) = forgetful_single() else {
        return;
    };
    let (judge, node) = (cluster.judge(), cluster.node(1));
    let mut random = seeded("records_deleted_and_the_broker_restarted");
    for round in 0..2 {
        let topic = fresh_topic("deleted");
        let job = Job::short(judge, &topic, PARTITIONS, &mut random, 30_000);
        let process = job.spawn();
        until("the state of a new job", || job.state().is_some());
        process.has_exited_within(between(&mut random, 10, 80));
        // What is appended behind this was never acknowledged.
        if round == 0 {
            node.stop();
            process.has_exited_within(between(&mut random, 1, 20));
        }
        assert_eq!(process.kill9(), End::Killed, "{}", job.log());
        node.cont();
        wait_forgotten(judge, job.topic());
        let before = judge.dump(job.topic(), Isolation::ReadUncommitted).unwrap();
        delete_all(judge, job.topic());
        cluster.restart(1);

        let summary = job.finish();
        let verdict = verdict(&job, &before, judge);
        assert!(verdict.is_at_least_once(), "{verdict}\n{}", job.log());
        let is_said = summary["promise"] == "at least once";
        assert_eq!(
            is_said,
            job.log().contains("at least once from input position")
        );
        assert!(
            verdict.is_clean() || is_said,
            "doubled in silence: {verdict}\n{}",
            job.log()
        );
    }
}

#[test]
fn a_pause_longer_than_the_brokers_memory() {
    let Some(cluster) = forgetful_single() else {
        return;
    };
    let (judge, node) = (cluster.judge(), cluster.node(1));
    let mut random = seeded("a_pause_longer_than_the_brokers_memory");
    let topic = fresh_topic("paused");
    let job = Job::short(judge, &topic, PARTITIONS, &mut random, 5_000);
    let process = job.spawn_with(&["--rate", "100kB"]);
    for _ in 0..2 {
        process.has_exited_within(between(&mut random, 200, 1_000));
        node.stop();
        process.has_exited_within(between(&mut random, 1_200, 2_000));
        node.cont();
    }
    process.has_exited_within(between(&mut random, 0, 1_000));
    assert_eq!(process.kill9(), End::Killed, "{}", job.log());
    // A batch every second and more in each partition: forgotten between any two.
    let process = job.spawn_with(&["--rate", "16kB"]);
    process.has_exited_within(Duration::from_secs(5));
    assert_eq!(process.kill9(), End::Killed, "{}", job.log());
    job.finish();
    job.assert_exact(judge);
}

/// After a clean stop the position is all there is to know: neither the broker's memory is needed nor
/// the log.
#[test]
fn after_a_clean_stop_nothing_need_be_remembered() {
    let Some(cluster) = forgetful_single() else {
        return;
    };
    let judge = cluster.judge();
    let mut random = seeded("after_a_clean_stop_nothing_need_be_remembered");
    let topic = fresh_topic("clean");
    let job = Job::short(judge, &topic, PARTITIONS, &mut random, 20_000);
    let process = job.spawn_with(&["--rate", "1MB"]);
    until("the state of a new job", || job.state().is_some());
    process.has_exited_within(between(&mut random, 300, 900));
    process.signal(Signal::TERM);
    assert_eq!(
        process.end_within(Duration::from_secs(30)),
        End::Code(143),
        "{}",
        job.log()
    );
    wait_forgotten(judge, job.topic());
    let before = judge.dump(job.topic(), Isolation::ReadUncommitted).unwrap();
    delete_all(judge, job.topic());

    let summary = job.finish();
    assert_eq!(summary["promise"], "exactly once", "{}", job.log());
    let verdict = verdict(&job, &before, judge);
    assert!(verdict.is_clean(), "{verdict}\n{}", job.log());
}
