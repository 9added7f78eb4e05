//! Loads and dumps through a proxy that does harm ([`crate::proxy`]), with kills mixed in; then an
//! independent reader counts what is there, at the brokers themselves.
//!
//! The harm goes on for five minutes in all, summed over the jobs that suffer it side by side.
//! `RINGMAIN_FAULT_SECONDS` is how long each test goes on; `RINGMAIN_SEED` repeats the shapes of
//! jobs and what becomes of their connections, though not the machine's timing:
//!
//! ```text
//! RINGMAIN_FAULT_SECONDS=3600 cargo test --release --test it faults::
//! ```

#![expect(
    clippy::print_stderr,
    reason = "seeds and counts, for whoever looks at a failure"
)]

mod dump;
mod load;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::kafka::lines::Random;
use crate::kill::number_of;
use crate::proxy::fate::Tally;

/// How long each test goes on, in seconds of jobs.
const SECONDS: u64 = 150;

/// Jobs side by side. They wait most of the time, and cost two cores little.
const WORKERS: usize = 5;

/// Time-outs that a connection which has vanished does not hold a job up with.
const IMPATIENT: [&str; 10] = [
    "-X",
    "request.timeout.ms=1000",
    "-X",
    "socket.connection.setup.timeout.ms=3000",
    "-X",
    "reconnect.backoff.ms=20",
    "-X",
    "reconnect.backoff.max.ms=200",
    "-X",
    "retry.backoff.ms=20",
];

/// A job that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(150);

/// Of each job, at most: it also has to come to an end.
const KILLS_A_JOB: u32 = 4;

/// What all jobs of a test did and suffered.
#[derive(Debug, Default)]
struct Toll {
    suffered: Duration,
    jobs: u32,
    starts: u32,
    kills: u32,
    tally: Tally,
}

/// Runs jobs, several at once, until they have suffered long enough.
fn run_jobs(random: &mut Random, run: impl Fn(&mut Random, u32) -> Toll + Sync) -> Toll {
    let wanted = Duration::from_secs(number_of("RINGMAIN_FAULT_SECONDS").unwrap_or(SECONDS));
    let sum = Mutex::new(Toll::default());
    let worker = |mut random: Random| loop {
        let number = {
            let mut sum = sum.lock().expect("no job has failed");
            if sum.suffered >= wanted {
                return;
            }
            sum.jobs += 1;
            sum.jobs
        };
        let begun = Instant::now();
        let toll = run(&mut random, number);
        let mut sum = sum.lock().expect("no job has failed");
        sum.suffered += toll.suffered;
        sum.starts += toll.starts;
        sum.kills += toll.kills;
        sum.tally.add(&toll.tally);
        eprintln!(
            "job {number}: {:.1} s: {}",
            begun.elapsed().as_secs_f64(),
            toll.tally
        );
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            let random = Random(random.next());
            let worker = &worker;
            scope.spawn(move || worker(random));
        }
    });
    sum.into_inner().expect("no job has failed")
}
