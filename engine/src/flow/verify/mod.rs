//! Verification: what lies in the log of a load against what was to lie there.
//!
//! Of each partition the offsets from the first to the last that were acknowledged are read. Batches that
//! bear other producer ids than ours are passed and counted. What is compared: how many records there are;
//! and, if their content is, keys, values and headers in order, batch by batch, so that the first
//! difference has an offset and a place in the input.
//!
//! A pair of threads takes partition after partition: one fetches while the other compares. What lies
//! between them is bounded.

mod check;
mod dealt;
mod error;
mod log;
mod split;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use protocol::hot::fetch::FetchResponse;
use protocol::records::hash::{RecordDigest, RecordHash};
use protocol::records::reader::Batches;

use super::config::ClientConfig;
use crate::io::Choice;
use check::Checker;
pub use dealt::{DealtPartition, dealt_partitions};
pub use error::{ExpectError, VerifyFailure};
use log::LogReader;
pub use split::SplitRecords;

/// Answers that wait between the two threads of a pair.
const QUEUE: usize = 1;

/// What is known to have been sent to a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The partition.
    pub partition: u32,
    /// Records acknowledged.
    pub records: u64,
    /// Records refused: the input holds them, and the log does not.
    pub refused: u64,
    /// The first offset that was acknowledged; −1: none, the log is not looked at.
    pub first_offset: i64,
    /// The last one; −1: none.
    pub last_offset: i64,
    /// Every producer id under which it was written.
    pub producer_ids: Vec<i64>,
}

/// What the records of a partition are compared with.
#[derive(Debug)]
pub enum Expected<'a> {
    /// They are only counted.
    Count,
    /// The input, read again.
    Records(Box<dyn ExpectedRecords + 'a>),
    /// Whatever they are: their fingerprint is taken, for [`Verified::check`].
    Anything,
}

/// A partition's records as the input holds them, in order.
pub trait ExpectedRecords: fmt::Debug + Send {
    /// Adds the next `records` records; says how many there were: fewer only at the input's end.
    fn add_next(&mut self, records: u64, hash: &mut RecordHash) -> Result<u64, ExpectError>;

    /// Where the next one begins, for a person.
    fn place(&self) -> String;

    /// Records that were left out because they were refused; all of them once the input has ended.
    fn refused(&self) -> u64;
}

/// Makes a partition's expectation.
pub type Expect<'a> = dyn Fn(&Sent) -> Expected<'a> + Sync + 'a;

/// A load to verify.
#[derive(Debug, Clone)]
pub struct Verification {
    /// How the cluster is reached.
    pub client: ClientConfig,
    /// How connecting for the first time may take.
    pub connect_timeout: Duration,
    /// How I/O is done.
    pub io: Choice,
    /// The topic.
    pub topic: String,
    /// Its id.
    pub topic_id: [u8; 16],
    /// How long a leader that does not answer is waited for.
    pub timeout: Duration,
    /// The largest batch that the topic takes: a compressed one becomes no larger.
    pub batch_bytes_max: usize,
    /// The partitions to which something was sent, or might have been.
    pub partitions: Vec<Sent>,
    /// Pairs of threads.
    pub pairs: usize,
}

/// A verification from outside while it runs.
#[derive(Debug, Default)]
pub struct Watch {
    /// Records of ours that were seen.
    pub records: AtomicU64,
    /// Bytes of answers that were read.
    pub bytes: AtomicU64,
    /// Ends it.
    pub stop: AtomicBool,
}

/// A partition that holds what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Records of ours.
    pub records: u64,
    /// Batches of others between ours.
    pub others_batches: u64,
    /// And the records in them.
    pub others_records: u64,
    /// The fingerprint of ours, if their content was compared.
    pub digest: Option<RecordDigest>,
}

impl Verified {
    /// Whether its records are those that an input holds for the partition.
    pub fn check(self, sent: &Sent, input: &DealtPartition) -> Outcome {
        let partition = sent.partition;
        if self.digest == Some(input.hash.digest()) {
            return Ok(self);
        }
        if input.refused < sent.refused {
            return Err(VerifyFailure::UnknownRefused {
                partition,
                refused: sent.refused,
                known: input.refused,
            });
        }
        Err(VerifyFailure::DigestDiffers {
            partition,
            found: self.records,
            held: input.hash.records(),
            first: sent.first_offset,
            last: sent.last_offset,
        })
    }
}

/// What came of a partition.
pub type Outcome = Result<Verified, VerifyFailure>;

/// What goes from the thread that fetches to the one that compares.
enum Part {
    Begin(usize),
    Answer(Answer),
    End(Result<(), VerifyFailure>),
}

/// An answer to Fetch whose first `good_bytes` of records are whole batches with good checksums.
#[derive(Debug)]
struct Answer {
    version: i16,
    body: Vec<u8>,
    good_bytes: usize,
}

/// What the threads share.
struct Shared<'a, 'e> {
    job: &'a Verification,
    watch: &'a Watch,
    expect: &'a Expect<'e>,
    /// The next partition that nobody has taken yet.
    next: AtomicUsize,
    outcomes: Mutex<Vec<(u32, Outcome)>>,
}

/// Verifies all partitions. The outcomes are in the partitions' order.
pub fn verify(job: &Verification, watch: &Watch, expect: &Expect<'_>) -> Vec<(u32, Outcome)> {
    let shared = Shared {
        job,
        watch,
        expect,
        next: AtomicUsize::new(0),
        outcomes: Mutex::new(Vec::new()),
    };
    thread::scope(|scope| {
        for _ in 0..job.pairs.clamp(1, job.partitions.len().max(1)) {
            scope.spawn(|| shared.pair());
        }
    });
    let mut outcomes = shared
        .outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(partition, _)| *partition);
    outcomes
}

impl Shared<'_, '_> {
    fn pair(&self) {
        // The partition, plus one, of which nothing more is wanted.
        let abandoned = AtomicUsize::new(0);
        let (sender, parts) = sync_channel(QUEUE);
        thread::scope(|scope| {
            scope.spawn(|| self.fetch(sender, &abandoned));
            self.compare(&parts, &abandoned);
        });
    }

    fn fetch(&self, sender: SyncSender<Part>, abandoned: &AtomicUsize) {
        let mut reader = LogReader::new(self.job, self.watch);
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(sent) = self.job.partitions.get(index) else {
                return;
            };
            // The other end takes all until this one is dropped.
            drop(sender.send(Part::Begin(index)));
            let mut hand_over = |answer| {
                drop(sender.send(Part::Answer(answer)));
                abandoned.load(Ordering::Relaxed) != index + 1
            };
            let ended = reader.read(sent, &mut hand_over);
            drop(sender.send(Part::End(ended)));
        }
    }

    fn compare(&self, parts: &Receiver<Part>, abandoned: &AtomicUsize) {
        let mut open: Option<(usize, Result<Checker<'_>, VerifyFailure>)> = None;
        for part in parts {
            match (part, &mut open) {
                (Part::Begin(index), open) => {
                    let sent = &self.job.partitions[index];
                    let checker = Checker::new(sent, (self.expect)(sent), self.job.batch_bytes_max);
                    *open = Some((index, Ok(checker)));
                }
                (Part::Answer(answer), Some((index, state))) => {
                    if let Ok(checker) = state
                        && let Err(failure) = handle(checker, &answer, self.watch)
                    {
                        *state = Err(failure);
                        abandoned.store(*index + 1, Ordering::Relaxed);
                    }
                }
                (Part::End(ended), open) => {
                    let (index, state) = open.take().expect("a partition begins before it ends");
                    let outcome = state.and_then(|checker| ended.and_then(|()| checker.finish()));
                    let partition = self.job.partitions[index].partition;
                    let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                    outcomes.push((partition, outcome));
                }
                (Part::Answer(_), None) => unreachable!("an answer is of a partition"),
            }
        }
    }
}

fn handle(checker: &mut Checker<'_>, answer: &Answer, watch: &Watch) -> Result<(), VerifyFailure> {
    let response = FetchResponse::read(answer.version, &answer.body);
    let response = response.expect("it was read before it was handed over");
    let fetched = response.partitions().next();
    let records = fetched.expect("one partition was asked for").records;
    for batch in Batches::new(&records[..answer.good_bytes]) {
        let batch = batch.expect("it was walked before it was handed over");
        let seen = checker.handle_batch(&batch)?;
        watch.records.fetch_add(seen, Ordering::Relaxed);
    }
    watch
        .bytes
        .fetch_add(answer.body.len() as u64, Ordering::Relaxed);
    Ok(())
}
