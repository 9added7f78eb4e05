//! `ringmain load` through the proxy.

use std::time::{Duration, Instant};

use super::{IMPATIENT, KILLS_A_JOB, LIMIT, Toll, run_jobs};
use crate::kafka::cluster::{fresh_topic, shared_single};
use crate::kafka::judge::{Judge, NewTopic};
use crate::kafka::lines::{Random, Sizes, generate};
use crate::kill::job::Job;
use crate::kill::process::End;
use crate::kill::{between, seeded};
use crate::proxy::Proxy;
use crate::proxy::fate::{Ending, Fate, Kind, Menu, Trouble};

#[test]
fn a_load_through_faults_loses_and_doubles_nothing() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let mut random = seeded("faults::load");
    let toll = run_jobs(&mut random, |random, _| suffer(cluster.judge(), random));
    eprintln!(
        "faults::load: {:.0} s of faults in {} jobs, {} starts, {} kills: 0 lost, 0 doubled; \
         {}",
        toll.suffered.as_secs_f64(),
        toll.jobs,
        toll.starts,
        toll.kills,
        toll.tally,
    );
    let missing = toll.tally.missing(Kind::OF_LOADS);
    assert!(missing.is_empty(), "never happened: {}", missing.join(", "));
}

/// The connection takes such a batch for answered and no longer knows of it; nobody sent it again,
/// and the load failed when `delivery.timeout.ms` was over.
#[test]
fn a_batch_whose_answer_makes_no_sense_is_sent_again() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let mut random = seeded("faults::load, answers without their ends");
    let menu = Menu::always(Fate {
        trouble: Trouble::ShortAnswer { number: 5 },
        life: None,
        ending: Ending::Closed,
        latency: Duration::ZERO,
    });
    let proxy = Proxy::start(judge.bootstrap(), menu, random.next());
    let topic = fresh_topic("nonsense");
    let new = NewTopic::new(&topic, 1).config("max.message.bytes", 20_000);
    judge.create_topic(&new).expect("the topic is new");
    let lines = generate(random.next(), 5_000, Sizes::Between(23..=400));
    let job = Job::new(&topic)
        .to(&proxy.bootstrap())
        .flags(&["-X", "delivery.timeout.ms=40000"])
        .file(&[lines], 20_000);
    job.finish();
    assert_ne!(proxy.tally().of(Kind::ShortAnswer), 0);
    job.assert_exact(judge);
}

/// One job, to its end, and the verdict.
fn suffer(judge: &Judge, random: &mut Random) -> Toll {
    let message_bytes = random.within(4_000, 60_000);
    let topic = fresh_topic("harmed");
    let partitions = [1, 3, 8][random.within(0, 2)];
    let new = NewTopic::new(&topic, partitions).config("max.message.bytes", message_bytes);
    judge.create_topic(&new).expect("the topic is new");
    let codec = ["none", "none", "lz4", "zstd"][random.within(0, 3)];
    let io = ["uring", "uring:basic", "poll"][random.within(0, 2)];
    let lanes = random.within(1, 3).to_string();
    let lines = generate(random.next(), 20_000, Sizes::Between(23..=400));
    let proxy = Proxy::start(judge.bootstrap(), Menu::of(Kind::OF_LOADS), random.next());
    let job = Job::new(&topic)
        .to(&proxy.bootstrap())
        .flags(&IMPATIENT)
        // Some five seconds without what happens meanwhile.
        .flags(&[
            "--io", io, "-z", codec, "--lanes", &lanes, "--rate", "800kB",
        ])
        .file(&[lines], message_bytes);
    let toll = run(&job, &proxy, random);
    proxy.set_menu(Menu::CALM);
    job.assert_exact(judge);
    judge.delete_topic(&topic).expect("the topic is there");
    toll
}

/// Starts the job again and again until it is done.
fn run(job: &Job, proxy: &Proxy, random: &mut Random) -> Toll {
    let mut toll = Toll::default();
    let begun = Instant::now();
    loop {
        let left = LIMIT.checked_sub(begun.elapsed());
        let left = left.unwrap_or_else(|| panic!("not done in {LIMIT:?}\n{}", job.log()));
        toll.starts += 1;
        let process = job.spawn();
        if toll.kills < KILLS_A_JOB && random.within(0, 1) == 0 {
            process.has_exited_within(between(random, 50, 3_000));
            match process.kill9() {
                End::Killed => {
                    toll.kills += 1;
                    continue;
                }
                end => job.assert_done(end),
            }
        } else {
            job.assert_done(process.end_within(left));
        }
        toll.suffered = begun.elapsed();
        toll.tally = proxy.tally();
        return toll;
    }
}
