//! Signals, a job started twice, two jobs at once, and little rights.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::job::Job;
use super::process::End;
use super::{between, harmed_single, seeded, until};
use crate::kafka::cluster::{fresh_topic, shared_single};
use crate::kafka::judge::{Acl, Isolation, NewTopic};
use crate::kafka::lines::{Checker, Random, Sizes, generate, recognise};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_signal_ends_it_cleanly() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let mut random = seeded("a_signal_ends_it_cleanly");
    let topic = fresh_topic("stopped");
    let job = Job::short(judge, &topic, 3, &mut random, 20_000);
    for round in 0..6 {
        let process = job.spawn_with(&["--rate", "300kB"]);
        let (signal, code) = [(Signal::INT, 130), (Signal::TERM, 143)][round % 2];
        // It takes signals over when the shards begin; before that they end it as they end anybody.
        process.has_exited_within(between(&mut random, 0, 400));
        process.signal(signal);
        let end = process.end_within(SOON);
        let is_early = end == End::Signal(signal.as_raw());
        assert!(is_early || end == End::Code(code), "{end:?}\n{}", job.log());
    }
    job.finish();
    job.assert_exact(judge);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let Some(cluster) = harmed_single() else {
        return;
    };
    let (judge, node) = (cluster.judge(), cluster.node(1));
    let mut random = seeded("a_second_signal_ends_it_at_once");
    let topic = fresh_topic("stopped-twice");
    let job = Job::short(judge, &topic, 3, &mut random, 10_000);
    let process = job.spawn_with(&["--rate", "1MB"]);
    until("an acknowledgement", || {
        judge
            .end_offsets(job.topic())
            .unwrap()
            .iter()
            .any(|&e| e > 0)
    });
    node.stop();
    process.has_exited_within(between(&mut random, 200, 400));
    process.signal(Signal::INT);
    let ended = process.has_exited_within(Duration::from_millis(500));
    assert!(!ended, "it was to wait for acknowledgements\n{}", job.log());
    process.signal(Signal::INT);
    // The wait for acknowledgements would be ten seconds.
    let ended = process.end_within(Duration::from_secs(5));
    node.cont();
    assert_eq!(ended, End::Code(130), "{}", job.log());
    job.finish();
    job.assert_exact(judge);
}

#[test]
fn a_job_that_runs_already_is_named_by_its_pid() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let mut random = seeded("a_job_that_runs_already");
    let topic = fresh_topic("twice");
    let job = Job::short(judge, &topic, 1, &mut random, 20_000);
    let first = job.spawn_with(&["--rate", "100kB"]);
    until("the state of a new job", || job.state().is_some());
    let second = job.spawn();
    assert_eq!(second.end_within(SOON), End::Code(1), "{}", job.log());
    let log = job.log();
    let said = log.lines().find(|line| line.starts_with("error: "));
    let said = said.unwrap_or_else(|| panic!("no error was said\n{log}"));
    assert!(
        said.contains(&first.pid().to_string()),
        "{} is not in {said}",
        first.pid()
    );
    assert_eq!(first.kill9(), End::Killed, "{log}");
    job.finish();
    job.assert_exact(judge);
}

#[test]
fn two_jobs_into_one_topic_do_not_disturb_each_other() {
    const LINE_BYTES: usize = 20_000;
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let mut random = seeded("two_jobs_into_one_topic");
    let topic = fresh_topic("shared");
    let new = NewTopic::new(&topic, 3).config("max.message.bytes", LINE_BYTES);
    judge.create_topic(&new).unwrap();
    let jobs: Vec<(u16, Job, Random)> = (1..=2)
        .map(|task| {
            let lines = generate(random.next(), 20_000, Sizes::Between(23..=400)).task(task);
            let job = Job::new(&topic)
                .to(judge.bootstrap())
                .file(&[lines], LINE_BYTES);
            (task, job, Random(random.next()))
        })
        .collect();
    let killed: u32 = thread::scope(|scope| {
        let run = |(_, job, random): &(u16, Job, Random)| job.run_killed(&mut random.clone(), 6);
        let runs: Vec<_> = jobs
            .iter()
            .map(|job| scope.spawn(move || run(job)))
            .collect();
        runs.into_iter()
            .map(|run| run.join().expect("no start failed"))
            .sum()
    });
    eprintln!("{killed} kills of two jobs");

    let dump = judge.dump(&topic, Isolation::ReadUncommitted).unwrap();
    let mut found = 0;
    for (task, job, _) in &jobs {
        let expected = job.expected();
        let mut checker = Checker::new(&expected);
        dump.for_each(|record| {
            let value = record.value.as_deref().unwrap_or_default();
            if recognise(value).is_some_and(|(of, _)| of == *task) {
                checker.see(record);
            }
        });
        let verdict = checker.finish();
        assert!(verdict.is_clean(), "task {task}: {verdict}\n{}", job.log());
        found += verdict.found;
    }
    let count: u64 = dump.partitions().iter().map(|read| read.count).sum();
    assert_eq!(
        count,
        u64::try_from(found).unwrap(),
        "records of neither job"
    );
}

/// With the right to WRITE only, neither the producers' states nor the log can be asked, nor the topic's
/// configuration.
#[test]
fn the_right_to_write_is_enough_to_go_on() {
    let Some(cluster) = harmed_single() else {
        return;
    };
    let judge = cluster.judge();
    let mut random = seeded("the_right_to_write_is_enough_to_go_on");
    // Told the limit, and not told it: then batches are too large and halved, and where a batch ended
    // nobody can be asked.
    for flags in [&["-X", "max.request.size=20000"][..], &[]] {
        let topic = fresh_topic("write-only");
        let job = Job::short(judge, &topic, 3, &mut random, 20_000).flags(flags);
        let job = job.flags(&["--rate", "8MB"]);
        let right = [Acl::allow(job.topic(), "WRITE")];
        judge.create_acls(&right).unwrap();
        let killed = job.run_killed(&mut random, 8);
        judge.delete_acls(&right).unwrap();
        assert_ne!(killed, 0, "it ended too fast");
        eprintln!("{killed} kills with the right to WRITE only, {flags:?}");
        if flags.is_empty() {
            job.assert_exact_or_said(judge);
        } else {
            job.assert_exact(judge);
        }
    }
}
