//! Runs a dump's shard to its end, a stop or a failure, and meanwhile watches what it does not:
//! signals, the files' names, the clock of syncs and of progress.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use engine::cluster::Cluster;
use engine::flow::from_kafka::{
    DumpConfig, DumpProgress, DumpReport, FromKafka, OutputStart, PartitionRead,
};
use engine::io::{Choice, Io, Waker};
use engine::memory::release_start_up_code;
use engine::positions::{DumpJob, OutputSlot, SlotWriter};

use super::error::DumpError;
use super::files;
use super::progress::{Counters, Shown};
use crate::signals::Signals;

/// How often the loop looks at signals and the clock.
const TURN: Duration = Duration::from_millis(100);
/// How often data and positions are synced and files looked at: a power loss goes back this far.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// A file that the shard writes, to be synced and watched from here.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

/// What a driven dump came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) slots: Vec<OutputSlot>,
    pub(super) writers: Vec<SlotWriter>,
    pub(super) failures: Vec<DumpError>,
    /// Stopped by this signal.
    pub(super) signal: Option<i32>,
    pub(super) was_stopped: bool,
}

/// Everything that drives.
#[derive(Debug)]
pub(super) struct Drive<'a> {
    pub(super) io: Choice,
    pub(super) progress: Arc<DumpProgress>,
    /// None for standard output.
    pub(super) job: Option<&'a mut DumpJob>,
    pub(super) watched: &'a [Watched],
    pub(super) shown: Shown,
    /// The outputs as they were when their data last reached the disk.
    pub(super) synced: Vec<OutputSlot>,
    /// Whether data did not reach the disk.
    pub(super) is_lost: bool,
}

/// What the shard's thread takes along.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) config: DumpConfig,
    pub(super) cluster: Cluster,
    pub(super) partitions: Vec<PartitionRead>,
    pub(super) outputs: Vec<OutputStart>,
}

enum Message {
    Began { waker: Waker },
    Ended { report: DumpReport },
    Failed { error: DumpError },
}

impl Drive<'_> {
    pub(super) fn run(mut self, shard: Shard, signals: &Signals) -> Result<Outcome, DumpError> {
        release_start_up_code();
        let (sender, messages) = channel();
        let (io, progress) = (self.io, Arc::clone(&self.progress));
        thread::Builder::new()
            .name("shard".to_owned())
            .spawn(move || {
                let ended = shard.run(io, progress, &sender);
                // The other end waits for the last message.
                drop(sender.send(ended));
            })
            .map_err(|error| DumpError::Shard(error.to_string()))?;
        Ok(self.watch(&messages, signals))
    }

    fn watch(&mut self, messages: &Receiver<Message>, signals: &Signals) -> Outcome {
        let mut outcome = Outcome {
            slots: Vec::new(),
            writers: Vec::new(),
            failures: Vec::new(),
            signal: None,
            was_stopped: true,
        };
        let mut waker: Option<Waker> = None;
        let mut sync_at = Instant::now() + SYNC_EVERY;
        loop {
            match messages.recv_timeout(TURN) {
                Ok(Message::Began { waker: began }) => waker = Some(began),
                Ok(Message::Ended { report }) => {
                    outcome.slots = report.slots;
                    outcome.writers = report.writers;
                    if self.is_lost {
                        self.go_back(&mut outcome);
                    }
                    outcome.was_stopped = report.was_stopped;
                    let failures = report.failures.into_iter().map(DumpError::from);
                    outcome.failures.extend(failures);
                    return outcome;
                }
                Ok(Message::Failed { error }) => {
                    outcome.failures.push(error);
                    return outcome;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let error = DumpError::Shard("its thread panicked".to_owned());
                    outcome.failures.push(error);
                    return outcome;
                }
            }
            let now = Instant::now();
            if outcome.signal.is_none() {
                outcome.signal = signals.first();
            }
            if now >= sync_at {
                if outcome.failures.is_empty()
                    && let Err(error) = self.sync()
                {
                    outcome.failures.push(error);
                }
                // From its end: a slow disk is not to be kept busy with syncs alone.
                sync_at = Instant::now() + SYNC_EVERY;
            }
            if !outcome.failures.is_empty() || outcome.signal.is_some() {
                self.progress.request_stop();
                waker.iter().for_each(Waker::wake);
            }
            self.shown.report(now, &Counters::of(&self.progress));
        }
    }

    /// Looks whether the files are still ours, and makes durable what was stored: first the data that
    /// it counts on.
    fn sync(&mut self) -> Result<(), DumpError> {
        let Some(job) = &mut self.job else {
            return Ok(());
        };
        for Watched { file, path } in self.watched {
            if let Some(why) = files::disturbance(file, path, 0) {
                return Err(DumpError::Disturbed { why });
            }
        }
        let Some(checkpoint) = job.store().begin_sync()? else {
            return Ok(());
        };
        let copied = (0..).take(self.synced.len());
        let copied = copied.map(|index| OutputSlot::decode(checkpoint.payload(index)));
        let copied = copied.collect::<Result<Vec<_>, _>>();
        if let Err(error) = sync_data(self.watched) {
            self.is_lost = true;
            return Err(error);
        }
        let written = checkpoint.write();
        job.store().end_sync(written)?;
        self.synced = copied.map_err(DumpError::Shard)?;
        Ok(())
    }

    /// What the disk did not take is lost, though the cache may still show it, and a second sync would
    /// find nothing wrong: the outputs are taken back to where they last were on the disk.
    fn go_back(&self, outcome: &mut Outcome) {
        outcome.slots.clone_from(&self.synced);
        for (writer, slot) in outcome.writers.iter_mut().zip(&self.synced) {
            writer.put_output(slot);
        }
    }
}

/// Has everything that was written reach the disk.
pub(super) fn sync_data(watched: &[Watched]) -> Result<(), DumpError> {
    for Watched { file, path } in watched {
        file.sync_data().map_err(DumpError::file("sync", path))?;
    }
    Ok(())
}

impl Shard {
    fn run(self, io: Choice, progress: Arc<DumpProgress>, sender: &Sender<Message>) -> Message {
        // The ring is made on the thread that uses it.
        let io = match Io::new(io) {
            Ok((io, chosen)) => {
                tracing::debug!("shard over {chosen}");
                io
            }
            Err(error) => {
                return Message::Failed {
                    error: error.into(),
                };
            }
        };
        let Self {
            config,
            cluster,
            partitions,
            outputs,
        } = self;
        let flow = match FromKafka::new(io, config, cluster, partitions, outputs, progress) {
            Ok(flow) => flow,
            Err(error) => {
                return Message::Failed {
                    error: error.into(),
                };
            }
        };
        // Nobody listens only where the process is ending.
        drop(sender.send(Message::Began {
            waker: flow.waker(),
        }));
        Message::Ended { report: flow.run() }
    }
}

/// A second descriptor of the same open file: what it syncs is what the shard has written.
pub(super) fn watch(file: &File, path: &std::path::Path) -> io::Result<Watched> {
    Ok(Watched {
        file: file.try_clone()?,
        path: path.to_owned(),
    })
}

impl Counters {
    fn of(progress: &DumpProgress) -> Self {
        Self {
            records: progress.records.load(Ordering::Relaxed),
            bytes: progress.bytes.load(Ordering::Relaxed),
            offsets: progress.offsets.load(Ordering::Relaxed),
            is_full: progress.is_full.load(Ordering::Relaxed),
        }
    }
}
