//! Runs the shards of a load to their end, a stop or a failure, and meanwhile watches what shards do not:
//! signals, the inputs, the clock of syncs and of progress.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use engine::cluster::Cluster;
use engine::flow::config::{LoadConfig, LoadObserver, PartitionStart, Progress};
use engine::flow::to_kafka::{ShardReport, ToKafka};
use engine::input::Input;
use engine::io::{Choice, Io, Waker};
use engine::memory::release_start_up_code;
use engine::positions::PartitionSlot;
use kafka_protocol::messages::MetadataResponse;

use super::error::LoadError;
use super::kept::{Kept, sync_aside};
use super::reading::Sources;
use crate::progress::{self, Snapshot};
use crate::signals::Signals;

/// How often the loop looks at signals and the clock.
const TURN: Duration = Duration::from_millis(100);
/// How often positions are synced and files looked at: a power loss goes back this far.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// What a driven load came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) slots: Vec<(u32, PartitionSlot)>,
    pub(super) failure: Option<LoadError>,
    /// Stopped by this signal.
    pub(super) signal: Option<i32>,
    pub(super) was_stopped: bool,
}

/// Everything that drives.
#[derive(Debug)]
pub(super) struct Drive<'a> {
    pub(super) config: &'a LoadConfig,
    pub(super) io: Choice,
    pub(super) metadata: &'a MetadataResponse,
    pub(super) progress: Arc<Progress>,
    pub(super) observer: Arc<dyn LoadObserver>,
    pub(super) job: Arc<Mutex<Kept>>,
    /// The counters when this run began.
    pub(super) begun: Snapshot,
    pub(super) shows_progress: bool,
    /// What one reader deals out.
    pub(super) sources: Option<&'a Sources>,
}

enum Message {
    Began { waker: Waker },
    Ended { report: Box<ShardReport> },
    Failed { error: LoadError },
}

impl Drive<'_> {
    /// Runs `shards`, each a list of lanes.
    pub(super) fn run(
        self,
        shards: Vec<Vec<Vec<PartitionStart>>>,
        signals: &Signals,
    ) -> Result<Outcome, LoadError> {
        release_start_up_code();
        let (sender, messages) = channel();
        let count = shards.len();
        for lanes in shards {
            let sender = sender.clone();
            let shard = self.shard()?;
            thread::Builder::new()
                .name("shard".to_owned())
                .spawn(move || {
                    let ended = shard.run(lanes, &sender);
                    // The other end waits for every shard's last message.
                    drop(sender.send(ended));
                })
                .map_err(|error| LoadError::Shard(error.to_string()))?;
        }
        drop(sender);
        Ok(self.watch(count, &messages, signals))
    }

    fn shard(&self) -> Result<Shard, LoadError> {
        let backoff = (self.config.timing.backoff, self.config.timing.backoff_max);
        let cluster = Cluster::new(
            Instant::now(),
            &self.config.client,
            backoff,
            &self.config.topic,
            self.config.topic_id,
            self.metadata,
        )?;
        Ok(Shard {
            choice: self.io,
            config: self.config.clone(),
            cluster,
            progress: Arc::clone(&self.progress),
            observer: Arc::clone(&self.observer),
            sources: self.sources.cloned(),
        })
    }

    fn watch(&self, shards: usize, messages: &Receiver<Message>, signals: &Signals) -> Outcome {
        let mut outcome = Outcome {
            slots: Vec::new(),
            failure: None,
            signal: None,
            was_stopped: false,
        };
        let mut wakers: Vec<Waker> = Vec::new();
        let mut left = shards;
        let mut shown = progress::Progress::start(self.shows_progress, Instant::now(), &self.begun);
        let mut report_at = Instant::now() + shown.interval();
        let mut sync_at = Instant::now() + SYNC_EVERY;
        let mut looks = 0;
        while left > 0 {
            match messages.recv_timeout(TURN) {
                Ok(Message::Began { waker }) => wakers.push(waker),
                Ok(Message::Ended { report }) => {
                    left -= 1;
                    outcome.slots.extend(report.slots);
                    outcome.was_stopped |= report.was_stopped;
                    if let Some(error) = report.failure {
                        outcome.failure.get_or_insert(error.into());
                    }
                }
                Ok(Message::Failed { error }) => {
                    left -= 1;
                    outcome.was_stopped = true;
                    outcome.failure.get_or_insert(error);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    outcome.was_stopped = true;
                    let error = LoadError::Shard("its thread panicked".to_owned());
                    outcome.failure.get_or_insert(error);
                    break;
                }
            }
            let now = Instant::now();
            if outcome.signal.is_none() {
                outcome.signal = signals.first();
            }
            if now >= sync_at {
                sync_at = now + SYNC_EVERY;
                let looked = self
                    .sync()
                    .and_then(|()| check_inputs(&self.config.input, looks));
                looks += 1;
                if let Err(error) = looked {
                    outcome.failure.get_or_insert(error);
                }
            }
            if outcome.failure.is_some() || outcome.signal.is_some() {
                self.progress.request_stop();
                wakers.iter().for_each(Waker::wake);
            }
            if now >= report_at {
                report_at = now + shown.interval();
                shown.report(now, &self.snapshot());
            }
        }
        outcome
    }

    /// Makes durable what shards have stored, without holding them up.
    fn sync(&self) -> Result<(), LoadError> {
        Ok(sync_aside(&self.job)?)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let Progress {
            records,
            bytes,
            bytes_in_flight,
            rejects,
            retries,
            ..
        } = &*self.progress;
        Snapshot {
            records: self.begun.records + records.load(Ordering::Relaxed),
            bytes: self.begun.bytes + bytes.load(Ordering::Relaxed),
            bytes_total: self.begun.bytes_total,
            bytes_in_flight: bytes_in_flight.load(Ordering::Relaxed),
            rejects: self.begun.rejects + rejects.load(Ordering::Relaxed),
            retries: retries.load(Ordering::Relaxed),
        }
    }
}

/// What a shard's thread takes along.
struct Shard {
    choice: Choice,
    config: LoadConfig,
    cluster: Cluster,
    progress: Arc<Progress>,
    observer: Arc<dyn LoadObserver>,
    sources: Option<Sources>,
}

impl Shard {
    fn run(
        self,
        lanes: Vec<Vec<PartitionStart>>,
        sender: &std::sync::mpsc::Sender<Message>,
    ) -> Message {
        // The ring is made on the thread that uses it.
        let io = match Io::new(self.choice) {
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
            progress,
            observer,
            ..
        } = self;
        let made = match self.sources {
            None => ToKafka::new(io, config, cluster, lanes, progress, observer),
            Some(sources) => {
                let positions = lanes.iter().flatten().map(|start| start.slot.position);
                let sequential = sources.config(positions.min().unwrap_or(0));
                ToKafka::sequential(io, config, cluster, lanes, progress, observer, sequential)
            }
        };
        let flow = match made {
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
        Message::Ended {
            report: Box::new(flow.run()),
        }
    }
}

/// Files that are looked at a second; of more, these many in turn.
const LOOKED_AT_MAX: usize = 64;

/// Whether the inputs are still the files that they were, as far as their paths tell.
fn check_inputs(input: &Input, turn: usize) -> Result<(), LoadError> {
    let turns = input.files().len().div_ceil(LOOKED_AT_MAX).max(1);
    let first = (turn % turns) * LOOKED_AT_MAX;
    for file in input.files().iter().skip(first).take(LOOKED_AT_MAX) {
        if file.inode == 0 {
            continue; // A pipe.
        }
        let path = file.path.display();
        let why = match std::fs::metadata(&file.path) {
            Err(error) => format!("{path} cannot be looked at any more: {error}"),
            Ok(now) if (now.dev(), now.ino()) != (file.device, file.inode) => {
                format!("{path} was replaced by another file while it was being loaded")
            }
            Ok(now) if now.len() < file.size => format!(
                "{path} was truncated while it was being loaded: it is {} bytes long, and was {}",
                now.len(),
                file.size
            ),
            Ok(_) => continue,
        };
        let why =
            format!("{why}; what was acknowledged is kept, --restart forgets it and loads anew");
        return Err(LoadError::InputChanged { why });
    }
    Ok(())
}
