//! What a load came to: the rejects in order, the state marked, the last line, the summary, the exit code.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::file::inputs::Inputs;
use engine::flow::config::{ClientConfig, LoadConfig, Progress};
use engine::flow::to_kafka::FlowError;
use engine::positions::{JobHeader, JobStart, PartitionSlot};

use super::Begun;
use super::drive::Outcome;
use super::error::LoadError;
use super::kept::Kept;
use super::observer::Observer;
use super::start::now_ms;
use super::target::Topic;
use super::verify::{Done, Verdict};
use crate::options::{Exit, LoadOptions};
use crate::progress::{self, Snapshot};
use crate::signals::Signals;
use crate::summary::{Doubt, PartitionSummary, Promise, ResumedFrom, Summary};

/// A load whose shards have ended.
pub(super) struct Finish<'a> {
    pub(super) options: &'a LoadOptions,
    pub(super) topic: &'a Topic,
    pub(super) client: &'a ClientConfig,
    pub(super) inputs: &'a Inputs,
    pub(super) signals: Option<&'a Signals>,
    pub(super) config: &'a LoadConfig,
    pub(super) job: &'a Arc<Mutex<Kept>>,
    pub(super) slots: &'a [PartitionSlot],
    pub(super) observer: &'a Observer,
    pub(super) progress: &'a Progress,
    pub(super) begun: Begun,
    pub(super) resumed: bool,
    pub(super) elapsed: Duration,
}

impl Finish<'_> {
    pub(super) fn run(self, outcome: Outcome) -> Result<Exit, LoadError> {
        let mut failure = outcome.failure;
        let mut exit = match (outcome.signal, outcome.was_stopped) {
            (Some(signal_hook::consts::SIGINT), true) => Exit::Interrupted,
            (Some(_), true) => Exit::Terminated,
            _ if self.observer.count() > 0 => Exit::Rejects,
            _ => Exit::Done,
        };
        if failure.is_none() && matches!(exit, Exit::Done | Exit::Rejects) {
            failure = self.complete(exit).err();
        } else if let Err(error) = self.sync() {
            failure.get_or_insert(error);
        }
        if failure.is_some() {
            exit = Exit::Failed;
        }
        self.say();
        let mut verdict = None;
        if failure.is_none() && matches!(exit, Exit::Done | Exit::Rejects) {
            match self.verify() {
                Ok(came) => verdict = came,
                Err(error) => (failure, exit) = (Some(error), Exit::Failed),
            }
        }
        exit = verdict.as_ref().map_or(exit, |verdict| verdict.exit(exit));
        self.summarise(exit, verdict.as_ref())?;
        match (failure, verdict.and_then(Verdict::into_error)) {
            (Some(error), _) => Err(self.with_place(error)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(exit),
        }
    }

    fn verify(&self) -> Result<Option<Verdict>, LoadError> {
        let job = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        let done = Done {
            options: self.options,
            topic: self.topic,
            client: self.client,
            inputs: self.inputs,
            header: job.header(),
            slots: self.slots,
            signals: self.signals,
        };
        done.verify()
    }

    /// Everything is loaded: the rejects go in order, and the state says so.
    fn complete(&self, exit: Exit) -> Result<(), LoadError> {
        if let Some(rejects) = self.observer.take_rejects() {
            if self.is_dealt() {
                rejects.finish_numbered()?;
            } else {
                rejects.finish(self.config.rules.delimiter)?;
            }
        }
        let mut job = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        job.sync()?;
        job.finish(now_ms(), exit.code())?;
        Ok(())
    }

    /// One reader deals the input out.
    fn is_dealt(&self) -> bool {
        let job = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        job.header().settings.window_chunks > 0
    }

    fn sync(&self) -> Result<(), LoadError> {
        let mut job = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(job.sync()?)
    }

    fn promise(&self) -> Promise {
        let job = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        promise(job.header())
    }

    fn snapshot(&self) -> Snapshot {
        let Progress {
            records,
            bytes,
            rejects,
            retries,
            ..
        } = self.progress;
        Snapshot {
            records: self.begun.records + records.load(Ordering::Relaxed),
            bytes: self.begun.bytes + bytes.load(Ordering::Relaxed),
            bytes_total: self.begun.bytes_total,
            bytes_in_flight: 0,
            rejects: self.begun.rejects + rejects.load(Ordering::Relaxed),
            retries: retries.load(Ordering::Relaxed),
        }
    }

    fn say(&self) {
        let done = self.snapshot();
        if !self.options.quiet {
            let line = progress::final_line(&done, &self.begun, self.elapsed);
            let line = format!("{line}{}\n", self.appended());
            // Nobody can be told that stderr is gone.
            drop(progress::write_stderr(line.as_bytes()));
        }
    }

    fn summarise(&self, exit: Exit, verdict: Option<&Verdict>) -> Result<(), LoadError> {
        let done = self.snapshot();
        let Some(path) = &self.options.summary else {
            return Ok(());
        };
        let records = done.records - self.begun.records;
        let seconds = self.elapsed.as_secs_f64();
        let resumed_from = self.resumed.then_some(ResumedFrom {
            records: self.begun.records,
            bytes: self.begun.bytes,
        });
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let records_per_second = records as f64 / seconds.max(1e-6);
        let summary = Summary {
            topic: self.topic.name.clone(),
            cluster_id: Some(self.topic.cluster_id.clone()),
            exit_code: exit.code(),
            already_loaded: false,
            records,
            bytes: done.bytes - self.begun.bytes,
            seconds,
            records_per_second,
            partitions: partitions(self.slots),
            rejects: done.rejects,
            retries: done.retries,
            resumed: self.resumed,
            resumed_from,
            promise: self.promise(),
            verification: verdict.map(Verdict::summary),
        };
        summary.write(path)?;
        Ok(())
    }

    /// What was appended to the input while it was loaded, for the last line.
    fn appended(&self) -> String {
        let Some(last) = self.config.input.files().last() else {
            return String::new();
        };
        let now = std::fs::metadata(&last.path).map_or(last.size, |metadata| metadata.len());
        match now.checked_sub(last.size) {
            None | Some(0) => String::new(),
            Some(more) => format!(
                "; {} grew by {more} bytes meanwhile, which the next run loads",
                last.path.display()
            ),
        }
    }

    /// Where a failed load goes on: in the error itself where the input is the trouble.
    fn with_place(&self, error: LoadError) -> LoadError {
        let Some(place) = self.place() else {
            return error;
        };
        let why = match error {
            LoadError::InputChanged { why } => why,
            LoadError::Flow(error @ FlowError::File(_)) => error.to_string(),
            error => {
                tracing::info!("{place} is acknowledged; the same command goes on from there");
                return error;
            }
        };
        LoadError::InputChanged {
            why: format!("{why} ({place} is acknowledged)"),
        }
    }

    /// How far a failed load came, by the first file that is not loaded whole.
    fn place(&self) -> Option<String> {
        if self.is_dealt() {
            let position = self.slots.iter().map(|slot| slot.position).min()?;
            return Some(format!("everything before byte {position} of the input"));
        }
        let deal = self.config.rules.deal;
        let open = (0..)
            .zip(self.slots)
            .filter(|(partition, _)| deal.has_chunks(*partition))
            .map(|(partition, slot)| {
                let chunk = deal.first_chunk(partition, slot.position);
                slot.position.max(deal.range(chunk).start)
            });
        let position = open.min()?;
        let (file, offset) = self
            .config
            .input
            .locate(position.min(self.config.input.bytes()));
        let path = self.config.input.files()[file].path.display();
        Some(format!("everything before byte {offset} of {path}"))
    }
}

fn partitions(slots: &[PartitionSlot]) -> Vec<PartitionSummary> {
    let known = |offset: i64| (offset >= 0).then_some(offset);
    (0..)
        .zip(slots)
        .map(|(partition, slot)| PartitionSummary {
            partition,
            first_offset: known(slot.first_offset),
            last_offset: known(slot.last_offset),
            records: slot.records,
        })
        .collect()
}

/// What can be said of every run of the job together.
fn promise(header: &JobHeader) -> Promise {
    if header.settings.idempotence && header.doubts.is_empty() {
        return Promise::ExactlyOnce;
    }
    let doubts = header.doubts.iter().map(|doubt| Doubt {
        partition: doubt.partition,
        from_position: doubt.position,
    });
    Promise::AtLeastOnce {
        doubts: doubts.collect(),
    }
}

/// A finished job, run again.
pub(super) fn already_loaded(done: Done<'_>, start: JobStart) -> Result<Exit, LoadError> {
    let Done {
        options,
        topic,
        header,
        slots,
        ..
    } = done;
    let JobStart::Finished { at_ms, exit_code } = start else {
        unreachable!("the caller saw that it is finished");
    };
    let when = jiff::Timestamp::from_millisecond(at_ms).map_or_else(
        |_| "an earlier day".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    );
    if !options.quiet {
        let line = format!("already loaded on {when}; --restart loads it again\n");
        drop(progress::write_stderr(line.as_bytes()));
    }
    let is_rejects = exit_code == Exit::Rejects.code();
    let exit = if is_rejects {
        Exit::Rejects
    } else {
        Exit::Done
    };
    let verdict = done.verify()?;
    let exit = verdict.as_ref().map_or(exit, |verdict| verdict.exit(exit));
    if let Some(path) = &options.summary {
        let sum = |of: fn(&PartitionSlot) -> u64| slots.iter().map(of).sum();
        let records = sum(|slot| slot.records);
        let summary = Summary {
            topic: topic.name.clone(),
            cluster_id: Some(topic.cluster_id.clone()),
            exit_code: exit.code(),
            already_loaded: true,
            records: 0,
            bytes: 0,
            seconds: 0.0,
            records_per_second: 0.0,
            partitions: partitions(slots),
            rejects: sum(|slot| slot.rejects),
            retries: 0,
            resumed: true,
            resumed_from: Some(ResumedFrom {
                records,
                bytes: sum(|slot| slot.bytes),
            }),
            promise: promise(header),
            verification: verdict.as_ref().map(Verdict::summary),
        };
        summary.write(path)?;
    }
    verdict.and_then(Verdict::into_error).map_or(Ok(exit), Err)
}
