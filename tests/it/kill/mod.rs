//! Kills and chaos against Apache Kafka: the loader, the brokers, or both at once; then the judge
//! counts what is in the topic.
//!
//! * [`random`]: `ringmain load` killed at random points, over each body of the I/O;
//! * [`sequential`]: the same of keyed and compressed inputs, which one reader deals out;
//! * [`brokers`]: the one broker killed or stopped meanwhile, requests of the dead arriving late;
//! * [`leaders`]: three nodes, leadership moved, all brokers restarted one after the other;
//! * [`forgotten`]: the brokers have forgotten the producer;
//! * [`stops`]: signals, a job started twice, two jobs at once, little rights;
//! * [`refused`]: batches refused in the middle, then a kill;
//! * [`embedded`]: our own broker killed.
//!
//! Every run prints its seed. `RINGMAIN_SEED` repeats one: shapes, inputs and delays are the same
//! again, though the machine's timing is not. `RINGMAIN_KILLS` is the number of kills that each body
//! must survive; more than a thousand in all:
//!
//! ```text
//! RINGMAIN_KILLS=350 cargo test --release --test it kill::random
//! ```

#![expect(
    clippy::print_stderr,
    reason = "seeds and counts, for whoever looks at a failure"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub(crate) mod job;
pub(crate) mod process;

mod brokers;
mod embedded;
mod forgotten;
mod leaders;
mod random;
mod refused;
mod sequential;
mod stops;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::kafka::cluster::{Cluster, Options};
use crate::kafka::lines::Random;

/// A cluster that is killed and stopped, by one test at a time.
#[derive(Debug)]
struct Harmed(OnceLock<Option<Mutex<Cluster>>>);

impl Harmed {
    const fn new() -> Self {
        Self(OnceLock::new())
    }

    fn cluster(&self, options: fn() -> Options) -> Option<MutexGuard<'_, Cluster>> {
        let cluster = self
            .0
            .get_or_init(|| Cluster::start(&options()).map(Mutex::new));
        let cluster = cluster
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A test that failed may have left a node stopped or dead.
        cluster
            .nodes()
            .iter()
            .filter(|node| node.is_running())
            .for_each(|node| node.cont());
        cluster.restart_dead();
        Some(cluster)
    }
}

/// One node, with Kafka's authorizer.
fn harmed_single() -> Option<MutexGuard<'static, Cluster>> {
    static CLUSTER: Harmed = Harmed::new();
    CLUSTER.cluster(|| Options::single().with_acls())
}

fn harmed_three() -> Option<MutexGuard<'static, Cluster>> {
    static CLUSTER: Harmed = Harmed::new();
    CLUSTER.cluster(|| Options::three().with("min.insync.replicas", 2))
}

/// One node that forgets a producer a second after its newest record.
fn forgetful_single() -> Option<MutexGuard<'static, Cluster>> {
    static CLUSTER: Harmed = Harmed::new();
    CLUSTER.cluster(|| {
        Options::single()
            .with("producer.id.expiration.ms", 1_000)
            .with("producer.id.expiration.check.interval.ms", 500)
    })
}

/// Random numbers from `RINGMAIN_SEED`, or from a new seed; which one is printed.
pub(crate) fn seeded(test: &str) -> Random {
    let seed = number_of("RINGMAIN_SEED").unwrap_or_else(|| RandomState::new().hash_one(test));
    eprintln!("{test}: RINGMAIN_SEED={seed}");
    Random(seed)
}

pub(crate) fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// A time between two, in milliseconds; finer than a millisecond.
pub(crate) fn between(random: &mut Random, least: usize, most: usize) -> Duration {
    let micros = random.within(least * 1_000, most * 1_000);
    Duration::from_micros(u64::try_from(micros).expect("times are short"))
}

/// Looks again and again until `is_so`, or the test has failed.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    const LIMIT: Duration = Duration::from_secs(60);
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(
            Instant::now() < deadline,
            "waited {LIMIT:?} in vain: {what}"
        );
        // Whatever is looked at cannot tell us that it has changed.
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
