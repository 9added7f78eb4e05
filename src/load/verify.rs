//! `--verify`: what lies in the topic against what was sent, when a load is done or was done before.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use connectors::file::inputs::Inputs;
use connectors::file::rejects::{self, Place};
use engine::feed::FeedError;
use engine::flow::config::ClientConfig;
use engine::flow::verify::{
    Expect, ExpectError, Expected, Outcome, Sent, SplitRecords, Verification, Verified,
    VerifyFailure, Watch, dealt_partitions, verify,
};
use engine::input::Input;
use engine::positions::{JobHeader, PartitionSlot};
use signal_hook::consts::SIGINT;

use super::error::LoadError;
use super::reading::Sources;
use super::target::Topic;
use super::{plan, state};
use crate::options::{Exit, LoadOptions, VerifyMode};
use crate::progress;
use crate::signals::Signals;
use crate::summary::{VerifiedPartition, VerifySummary};

/// How often the loop looks at signals.
const TURN: Duration = Duration::from_millis(100);
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Pairs of threads at most: more would only wait for the brokers.
const PAIRS_MAX: usize = 4;
/// Failures that are told one by one.
const TOLD_MAX: usize = 20;

/// A load that is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done<'a> {
    pub(super) options: &'a LoadOptions,
    pub(super) topic: &'a Topic,
    pub(super) client: &'a ClientConfig,
    pub(super) inputs: &'a Inputs,
    pub(super) header: &'a JobHeader,
    pub(super) slots: &'a [PartitionSlot],
    /// Without them a signal just ends the process.
    pub(super) signals: Option<&'a Signals>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Verdict {
    mode: VerifyMode,
    outcomes: Vec<(u32, Outcome)>,
    seconds: f64,
    signal: Option<i32>,
}

impl Done<'_> {
    /// Verifies, if that was asked for, and tells what came of it.
    pub(super) fn verify(&self) -> Result<Option<Verdict>, LoadError> {
        let Some(mode) = self.options.verify else {
            return Ok(None);
        };
        let input = state::input(self.header);
        let refused = self.refused(&input)?;
        let job = self.verification();
        let expect: &Expect<'_> = &|sent| self.expected(mode, &input, &refused, sent);
        let begun = Instant::now();
        let (outcomes, signal) = match Sources::of(self.options, self.inputs, self.header) {
            Some(sources) if mode == VerifyMode::Hash => self.watch_dealt(&job, &sources, &refused),
            _ => self.watch(&job, &Watch::default(), expect),
        };
        let verdict = Verdict {
            mode,
            outcomes,
            seconds: begun.elapsed().as_secs_f64(),
            signal,
        };
        verdict.tell(self.options);
        Ok(Some(verdict))
    }

    fn expected<'i>(
        &self,
        mode: VerifyMode,
        input: &'i Input,
        refused: &[u64],
        sent: &Sent,
    ) -> Expected<'i> {
        if mode == VerifyMode::Count {
            return Expected::Count;
        }
        let settings = &self.header.settings;
        let rules = plan::cut_rules(settings);
        let deal = rules.deal;
        let of_partition =
            |position: &&u64| deal.partition(**position / deal.chunk_bytes) == sent.partition;
        Expected::Records(Box::new(SplitRecords::new(
            input,
            rules,
            u64::from(settings.record_bytes_max),
            sent.partition,
            refused.iter().filter(of_partition).copied().collect(),
        )))
    }

    fn verification(&self) -> Verification {
        let settings = &self.header.settings;
        let deal = plan::cut_rules(settings).deal;
        let partitions = (0..)
            .zip(self.slots)
            .filter(|(partition, _)| deal.has_chunks(*partition))
            .map(|(partition, slot)| self.sent(partition, slot));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let producer = &self.options.producer;
        Verification {
            client: self.client.clone(),
            connect_timeout: producer.connect_timeout_max,
            io: self.options.io,
            topic: self.topic.name.clone(),
            topic_id: self.topic.id,
            timeout: producer.block_max,
            batch_bytes_max: usize::try_from(settings.record_bytes_max).unwrap_or(usize::MAX),
            partitions: partitions.collect(),
            pairs: cores.min(PAIRS_MAX),
        }
    }

    /// The producer ids are the lane's, and the one that a partition may have got when its epochs were
    /// used up.
    fn sent(&self, partition: u32, slot: &PartitionSlot) -> Sent {
        let lane = if self.header.settings.fixed_partition >= 0 {
            0
        } else {
            partition % self.header.settings.lanes
        };
        let lanes = self.header.lane_producers.get(lane as usize);
        let mut producer_ids: Vec<i64> = lanes.map(|producer| producer.id).into_iter().collect();
        if !producer_ids.contains(&slot.producer_id) {
            producer_ids.push(slot.producer_id);
        }
        Sent {
            partition,
            records: slot.records,
            refused: slot.rejects,
            first_offset: slot.first_offset,
            last_offset: slot.last_offset,
            producer_ids,
        }
    }

    /// Where refused records begin in the input, in order, as far as the rejects file tells.
    fn refused(&self, input: &Input) -> Result<Vec<u64>, LoadError> {
        let Some(path) = &self.options.rejects else {
            return Ok(Vec::new());
        };
        let places = rejects::places(path, &state::input_files(self.header))?;
        let position = |place: &Place| {
            let plain = || Some(input.start_of(place.input)? + place.offset);
            place.position.or_else(plain)
        };
        let mut positions: Vec<u64> = places.iter().filter_map(position).collect();
        positions.sort_unstable();
        Ok(positions)
    }

    /// Verifies aside, and meanwhile looks at signals and tells how far it is.
    fn watch(
        &self,
        job: &Verification,
        watch: &Watch,
        expect: &Expect<'_>,
    ) -> (Vec<(u32, Outcome)>, Option<i32>) {
        let (sender, done) = channel();
        let mut signal = None;
        let mut tell_at = Instant::now() + TELL_EVERY;
        let total: u64 = job.partitions.iter().map(|sent| sent.records).sum();
        let outcomes = thread::scope(|scope| {
            scope.spawn(move || drop(sender.send(verify(job, watch, expect))));
            loop {
                match done.recv_timeout(TURN) {
                    Ok(outcomes) => return outcomes,
                    // Its thread panicked: the scope passes that on.
                    Err(RecvTimeoutError::Disconnected) => return Vec::new(),
                    Err(RecvTimeoutError::Timeout) => {}
                }
                signal = signal.or_else(|| self.signals.and_then(Signals::first));
                if signal.is_some() {
                    watch.stop.store(true, Ordering::Relaxed);
                }
                if Instant::now() >= tell_at && self.options.progress {
                    tell_at += TELL_EVERY;
                    let seen = watch.records.load(Ordering::Relaxed);
                    tracing::info!("{seen} of {total} records verified");
                }
            }
        });
        (outcomes, signal)
    }
}

impl Done<'_> {
    /// The same for an input that one reader deals out: it is read once for all partitions, while their
    /// logs are.
    fn watch_dealt(
        &self,
        job: &Verification,
        sources: &Sources,
        refused: &[u64],
    ) -> (Vec<(u32, Outcome)>, Option<i32>) {
        let watch = Watch::default();
        let ((outcomes, signal), dealt) = thread::scope(|scope| {
            let dealing = scope.spawn(|| {
                dealt_partitions(sources, sources.rules(), refused, &watch.stop)
                    .map_err(|error| error.to_string())
            });
            let came = self.watch(job, &watch, &|_| Expected::Anything);
            let dealt = dealing.join();
            (
                came,
                dealt.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            )
        });
        let compare = |(sent, (partition, outcome)): (&Sent, (u32, Outcome))| {
            let compared = match (outcome, &dealt) {
                (Err(failure), _) => Err(failure),
                (Ok(verified), Ok(Some(dealt))) => verified.check(sent, &dealt[partition as usize]),
                (Ok(_), Ok(None)) => Err(VerifyFailure::Stopped { partition }),
                (Ok(_), Err(why)) => Err(VerifyFailure::Input {
                    partition,
                    error: ExpectError::Feed(FeedError(why.clone())),
                }),
            };
            (partition, compared)
        };
        let outcomes = job.partitions.iter().zip(outcomes).map(compare).collect();
        (outcomes, signal)
    }
}

impl Verdict {
    fn verified(&self) -> impl Iterator<Item = (u32, &Verified)> {
        self.outcomes
            .iter()
            .filter_map(|(partition, outcome)| Some((*partition, outcome.as_ref().ok()?)))
    }

    fn failures(&self) -> impl Iterator<Item = &VerifyFailure> {
        self.outcomes
            .iter()
            .filter_map(|(_, outcome)| outcome.as_ref().err())
    }

    fn tell(&self, options: &LoadOptions) {
        if self.signal.is_some() {
            return;
        }
        // The first is part of the error that ends the process.
        for failure in self.failures().take(TOLD_MAX).skip(1) {
            tracing::error!("{failure}");
        }
        if options.quiet || self.failures().next().is_some() {
            return;
        }
        let sum = |of: fn(&Verified) -> u64| self.verified().map(|(_, of_one)| of(of_one)).sum();
        let (records, batches, others): (u64, u64, u64) = (
            sum(|verified| verified.records),
            sum(|verified| verified.others_batches),
            sum(|verified| verified.others_records),
        );
        let partitions = self.outcomes.len();
        let by = self.mode.name();
        let mut line = format!(
            "verified by {by}: {records} records in {partitions} partition(s), {:.1} s",
            self.seconds
        );
        if batches > 0 {
            line.push_str(&format!(
                "; {others} records of others ({batches} batches) lie between them"
            ));
        }
        line.push('\n');
        // Nobody can be told that stderr is gone.
        drop(progress::write_stderr(line.as_bytes()));
    }

    /// The exit code of a load that ended with `exit` before.
    pub(super) fn exit(&self, exit: Exit) -> Exit {
        match self.signal {
            Some(SIGINT) => Exit::Interrupted,
            Some(_) => Exit::Terminated,
            None if self.failures().next().is_some() => Exit::Unverified,
            None => exit,
        }
    }

    pub(super) fn summary(&self) -> VerifySummary {
        let failures = self.failures().take(TOLD_MAX).map(ToString::to_string);
        VerifySummary {
            by: self.mode.name(),
            is_verified: self.signal.is_none() && self.failures().next().is_none(),
            seconds: self.seconds,
            partitions: self
                .verified()
                .map(|(partition, verified)| VerifiedPartition {
                    partition,
                    records: verified.records,
                    others_records: verified.others_records,
                    digest: verified.digest.map(|digest| digest.to_string()),
                })
                .collect(),
            failures: failures.collect(),
        }
    }

    /// Why the load is not verified.
    pub(super) fn into_error(self) -> Option<LoadError> {
        if self.signal.is_some() {
            return None;
        }
        let failed = self.failures().count();
        let failures = self
            .outcomes
            .into_iter()
            .filter_map(|(_, outcome)| outcome.err());
        let first = failures.into_iter().next()?;
        Some(LoadError::Unverified {
            first: Box::new(first),
            others: failed - 1,
        })
    }
}
