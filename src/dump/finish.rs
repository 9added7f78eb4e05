//! What a dump came to: the files cut to what counts, the state marked, the last line, the summary,
//! the exit code.

use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::flow::from_kafka::{DumpError as FlowError, DumpProgress};
use engine::positions::{DumpHeader, DumpJob, FoundDump, OutputSlot};
use serde_json::json;
use signal_hook::consts::SIGINT;

use super::drive::{Outcome, Watched};
use super::error::DumpError;
use super::options::{DumpOptions, OutputTo};
use super::progress::{Counters, final_line};
use super::topic::Topic;
use super::{files, job};
use crate::options::Exit;
use crate::progress::write_stderr;
use crate::summary;

/// A dump whose shard has ended.
pub(super) struct Finish<'a> {
    pub(super) options: &'a DumpOptions,
    pub(super) topic: &'a Topic,
    pub(super) progress: &'a DumpProgress,
    pub(super) resumed: bool,
    pub(super) elapsed: Duration,
}

impl Finish<'_> {
    /// Standard output keeps nothing.
    pub(super) fn stream(self, mut outcome: Outcome) -> Result<Exit, DumpError> {
        let is_gone = |error: &DumpError| matches!(error, DumpError::Flow(FlowError::Gone { .. }));
        // Whoever read the first lines and went away has what they wanted.
        if outcome.failures.iter().any(is_gone) {
            outcome.failures.clear();
            outcome.was_stopped = false;
        }
        let exit = exit_of(&outcome);
        self.say(exit, None)?;
        end(outcome, exit)
    }

    /// `before`: the slots as they were when this run began.
    pub(super) fn files(
        self,
        mut outcome: Outcome,
        job: &mut DumpJob,
        before: &[OutputSlot],
        watched: &[Watched],
    ) -> Result<Exit, DumpError> {
        let exit = exit_of(&outcome);
        // A shard that panicked gave no slots: the files stay as they are, and the next start cuts.
        let finished = self.settle(&outcome.slots, job, watched);
        if exit == Exit::Done {
            finished?;
            job.finish(job::now_ms(), exit.code())?;
        } else if let Err(error) = finished {
            let is_same = |other: &DumpError| other.to_string() == error.to_string();
            if !outcome.failures.iter().any(is_same) {
                outcome.failures.push(error);
            }
        }
        let slots = if outcome.slots.is_empty() {
            before
        } else {
            &outcome.slots
        };
        self.say(exit, Some((job, slots)))?;
        if exit != Exit::Done {
            tracing::info!("what was written is noted; the same command goes on from there");
        }
        end(outcome, exit)
    }

    /// Cuts the files to what counts, and makes that, then the state, durable.
    fn settle(
        &self,
        slots: &[OutputSlot],
        job: &mut DumpJob,
        watched: &[Watched],
    ) -> Result<(), DumpError> {
        for (Watched { file, path }, slot) in watched.iter().zip(slots) {
            if let Some(why) = files::disturbance(file, path, slot.length) {
                return Err(DumpError::Disturbed { why });
            }
            files::finish(file, path, slot.length)?;
        }
        Ok(job.store().sync()?)
    }

    fn say(&self, exit: Exit, state: Option<(&DumpJob, &[OutputSlot])>) -> Result<(), DumpError> {
        let progress = self.progress;
        let counters = Counters {
            records: progress.records.load(Ordering::Relaxed),
            bytes: progress.bytes.load(Ordering::Relaxed),
            offsets: progress.offsets.load(Ordering::Relaxed),
            is_full: progress.is_full.load(Ordering::Relaxed),
        };
        let ambiguous = progress.ambiguous.load(Ordering::Relaxed);
        if ambiguous > 0 {
            tracing::warn!(
                "{ambiguous} of the records written hold the delimiter: who reads the output takes \
                 each of them for several; --output envelope keeps them apart"
            );
        }
        let sum = |of: fn(&OutputSlot) -> u64| {
            state.map_or(0, |(_, slots)| slots.iter().map(of).sum::<u64>())
        };
        let records = sum(|slot| slot.records).max(counters.records);
        if !self.options.quiet {
            let mut line = final_line(&counters, self.elapsed);
            if self.resumed {
                let before = records - counters.records;
                line.push_str(&format!("; {before} records were written before"));
            }
            line.push('\n');
            // Nobody can be told that stderr is gone.
            drop(write_stderr(line.as_bytes()));
        }
        let Some(path) = &self.options.summary else {
            return Ok(());
        };
        let outputs = state.map_or_else(Vec::new, |(job, slots)| outputs_json(job.header(), slots));
        let seconds = self.elapsed.as_secs_f64();
        let value = json!({
            "topic": self.topic.name,
            "cluster_id": self.topic.cluster_id,
            "exit_code": exit.code(),
            "already_dumped": false,
            "records": counters.records,
            "bytes": counters.bytes,
            "seconds": seconds,
            "records_per_second": counters.records as f64 / seconds.max(1e-6),
            "records_of_all_runs": records,
            "ambiguous": ambiguous,
            "resumed": self.resumed,
            "outputs": outputs,
            "promise": promise(self.options),
        });
        Ok(summary::write_value(&value, path)?)
    }
}

fn promise(options: &DumpOptions) -> &'static str {
    match options.output {
        OutputTo::Stdout => "at least once",
        _ => "exactly once",
    }
}

/// The outputs of a dump, and how far they are.
pub(super) fn outputs_json(header: &DumpHeader, slots: &[OutputSlot]) -> Vec<serde_json::Value> {
    let outputs = header.outputs.iter().zip(slots).enumerate();
    let shown = outputs.map(|(index, (output, slot))| {
        let partitions = header.partitions_of(index).iter().zip(&slot.positions);
        let partitions = partitions.map(|(partition, position)| {
            json!({
                "partition": partition.number,
                "start_offset": partition.start,
                "end_offset": (partition.end >= 0).then_some(partition.end),
                "next_offset": position.offset,
            })
        });
        json!({
            "path": output.path,
            "bytes": slot.length,
            "records": slot.records,
            "partitions": partitions.collect::<Vec<_>>(),
        })
    });
    shown.collect()
}

fn exit_of(outcome: &Outcome) -> Exit {
    match outcome.signal {
        _ if !outcome.failures.is_empty() => Exit::Failed,
        Some(SIGINT) if outcome.was_stopped => Exit::Interrupted,
        Some(_) if outcome.was_stopped => Exit::Terminated,
        _ if outcome.was_stopped => Exit::Failed,
        _ => Exit::Done,
    }
}

/// The first failure is the dump's; the others have been said.
fn end(outcome: Outcome, exit: Exit) -> Result<Exit, DumpError> {
    let mut failures = outcome.failures.into_iter();
    let first = failures.next();
    for failure in failures {
        tracing::error!("{failure}");
    }
    match first {
        Some(error) => Err(error),
        None => Ok(exit),
    }
}

/// A finished job, run again.
pub(super) fn already_dumped(
    options: &DumpOptions,
    topic: &Topic,
    found: &FoundDump,
) -> Result<Exit, DumpError> {
    let header = &found.header;
    let when = jiff::Timestamp::from_millisecond(header.finished_ms).map_or_else(
        |_| "an earlier day".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    );
    if !options.quiet {
        let line = format!("already dumped on {when}; --restart dumps it again\n");
        drop(write_stderr(line.as_bytes()));
    }
    if let Some(path) = &options.summary {
        let records: u64 = found.slots.iter().map(|slot| slot.records).sum();
        let value = json!({
            "topic": topic.name,
            "cluster_id": topic.cluster_id,
            "exit_code": Exit::Done.code(),
            "already_dumped": true,
            "records": 0,
            "bytes": 0,
            "records_of_all_runs": records,
            "resumed": true,
            "promise": promise(options),
        });
        summary::write_value(&value, path)?;
    }
    Ok(Exit::Done)
}
