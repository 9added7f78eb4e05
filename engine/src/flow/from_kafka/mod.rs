//! Kafka → file: one shard's loop.
//!
//! [`Reading`] asks the leaders of partitions for records and keeps the answers where they were
//! received; a [`Taker`] takes the records out of them. For a dump that is `outputs`: values and
//! delimiters are copied from the answer into a write buffer, which is the one copy there is, and
//! written at growing positions while more is read. When all before a place is written, the output's
//! slot is stored: how long the file is, and where each of its partitions goes on.
//!
//! Everything is bounded by the buffers: no answer is asked for before there is a place to receive it,
//! and when no write buffer is free, answers wait and brokers with them.

mod config;
mod error;
mod link;
mod output;
mod outputs;
mod purpose;
mod reading;
mod stream;
mod values;
mod walk;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

pub use config::{
    DumpConfig, DumpProgress, DumpRecord, Format, OutputStart, OutputTarget, PartitionRead,
    ReadConfig, RecordFormat,
};
pub use error::{DumpError, ReadError};
use outputs::Outputs;
pub use reading::Reading;
pub use walk::{BatchView, Cursor, Taker};

use crate::cluster::Cluster;
use crate::io::{Completion, Io};
use crate::positions::{OutputSlot, SlotWriter};

/// How long what is being written is waited for after a stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest wait without looking at the stop flag; wakers end it sooner.
const TICK: Duration = Duration::from_millis(500);

/// A dump: a thread, its I/O, what it reads and where that goes.
#[derive(Debug)]
pub struct FromKafka {
    io: Io,
    reading: Reading,
    outputs: Outputs,
    progress: Arc<DumpProgress>,
    /// Set when nothing more is read, and until when writes are waited for.
    draining: Option<Instant>,
    failure: Option<DumpError>,
    /// Partitions that cannot be read any further, while the others go on.
    stopped: Vec<ReadError>,
    /// Whether one partition's failure ends the dump: where the others have no end.
    is_endless: bool,
    completions: Vec<Completion>,
}

/// What came of a dump's shard.
#[derive(Debug)]
pub struct DumpReport {
    /// The outputs as they are; stored already.
    pub slots: Vec<OutputSlot>,
    /// Where that is stored; standard output has none.
    pub writers: Vec<SlotWriter>,
    /// It was stopped before its end, by itself or from outside.
    pub was_stopped: bool,
    /// Why it stopped by itself, the first reason first.
    pub failures: Vec<DumpError>,
}

impl FromKafka {
    /// A dump of `partitions` into one output, or one for each in the same order.
    pub fn new(
        mut io: Io,
        config: DumpConfig,
        cluster: Cluster,
        partitions: Vec<PartitionRead>,
        outputs: Vec<OutputStart>,
        progress: Arc<DumpProgress>,
    ) -> Result<Self, DumpError> {
        let reading = Reading::new(&io, config.read.clone(), cluster, &partitions);
        let is_endless = partitions.iter().any(|partition| partition.end.is_none());
        let outputs = Outputs::new(&mut io, config, partitions, outputs)?;
        Ok(Self {
            io,
            reading,
            outputs,
            progress,
            draining: None,
            failure: None,
            stopped: Vec::new(),
            is_endless,
            completions: Vec::new(),
        })
    }

    /// A handle that ends the loop's wait, after [`DumpProgress::request_stop`].
    pub fn waker(&self) -> crate::io::Waker {
        self.io.waker()
    }

    /// Runs until everything is read and written, a stop, or a failure. Whatever happens, what was
    /// written is stored.
    pub fn run(mut self) -> DumpReport {
        loop {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => return self.into_report(),
                Err(error) => {
                    self.failure.get_or_insert(error);
                    return self.into_report();
                }
            }
        }
    }

    /// One turn of [`Self::run`]. `false`: there is nothing more to do. Apart from it so that a test
    /// can drop the shard between any two turns, as the death of the process does.
    pub fn turn(&mut self) -> Result<bool, DumpError> {
        let now = self.io.now();
        if self.draining.is_none() && self.progress.is_stopping() {
            self.draining = Some(now + DRAIN_TIMEOUT);
        }
        if let Err(error) = self.step(now) {
            self.fail(now, error);
        }
        self.note_progress();
        if self.is_over(now) {
            return Ok(false);
        }
        let until = self.next_look(now);
        let mut completions = std::mem::take(&mut self.completions);
        let reaped = self.io.reap(Some(until), &mut completions);
        let now = self.io.now();
        for completion in completions.drain(..) {
            if let Err(error) = self.handle_completion(now, completion) {
                self.fail(now, error);
            }
        }
        self.completions = completions;
        reaped.map_err(ReadError::Reap)?;
        Ok(true)
    }

    /// What came of it, behind the last turn.
    pub fn into_report(self) -> DumpReport {
        let is_whole = self.reading.is_done() && !self.outputs.has_open();
        let is_written = is_whole && !self.outputs.is_writing();
        let first = self.failure.into_iter();
        let stopped = self.stopped.into_iter().map(DumpError::Read);
        let failures: Vec<DumpError> = first.chain(stopped).collect();
        let (slots, writers) = self.outputs.into_slots();
        DumpReport {
            slots,
            writers,
            was_stopped: !is_written || !failures.is_empty(),
            failures,
        }
    }

    /// The first failure is the job's; what was taken is still written.
    fn fail(&mut self, now: Instant, error: DumpError) {
        if self.failure.is_none() {
            self.failure = Some(error);
            self.draining.get_or_insert(now + DRAIN_TIMEOUT);
            self.progress.request_stop();
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        let is_written = !self.outputs.is_writing() && !self.outputs.has_open();
        // What failed to be written will not be, and a full disk may stay so: nobody waits for that.
        let is_lost = matches!(
            self.failure,
            Some(DumpError::Write { .. } | DumpError::Gone { .. })
        );
        match self.draining {
            Some(until) => is_written || is_lost || self.outputs.is_full() || now >= until,
            None => is_written && self.reading.is_done(),
        }
    }

    fn step(&mut self, now: Instant) -> Result<(), DumpError> {
        self.outputs.poll_stream()?;
        if self.draining.is_none() {
            self.reading.step(now, &mut self.io)?;
            self.reading.take(now, &mut self.io, &mut self.outputs);
            while let Some(error) = self.reading.poll_failure() {
                if self.is_endless {
                    return Err(error.into());
                }
                tracing::warn!("{error}; the other partitions go on");
                self.stopped.push(error);
            }
        }
        let is_end = self.draining.is_some() || self.reading.is_done();
        if is_end || !self.reading.has_answers() {
            self.outputs.flush(is_end);
        }
        self.outputs.submit(now, &mut self.io);
        Ok(())
    }

    fn note_progress(&mut self) {
        let stored = self.outputs.store();
        let progress = &self.progress;
        if stored.bytes > 0 || stored.records > 0 {
            progress
                .records
                .fetch_add(stored.records, Ordering::Relaxed);
            progress.bytes.fetch_add(stored.bytes, Ordering::Relaxed);
            progress
                .ambiguous
                .fetch_add(stored.ambiguous, Ordering::Relaxed);
        }
        progress
            .offsets
            .store(self.outputs.offsets, Ordering::Relaxed);
        progress
            .is_full
            .store(self.outputs.is_full(), Ordering::Relaxed);
    }

    fn next_look(&self, now: Instant) -> Instant {
        let mut until = now + TICK;
        let others = [
            self.draining,
            self.reading.poll_timeout(now),
            self.outputs.poll_timeout(),
        ];
        for at in others.into_iter().flatten().filter(|&at| at > now) {
            until = until.min(at);
        }
        until
    }

    fn handle_completion(&mut self, now: Instant, completion: Completion) -> Result<(), DumpError> {
        if Reading::owns(&completion) {
            self.reading
                .handle_completion(now, &mut self.io, completion)?;
            return Ok(());
        }
        self.outputs.handle_completion(now, completion)
    }
}
