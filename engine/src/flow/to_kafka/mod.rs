//! File → Kafka: one shard's loop.
//!
//! In split mode a lane owns some partitions, a producer id, and a connection to each broker that leads one of them. A
//! task reads a window of the input for one partition; when it is read, its lines are framed into the
//! open batch, the batch is sealed and sent, and all that is kept is its range (a `Piece`). What must be
//! sent again is read and framed again. The answer comes back along one path: link → producer →
//! partition's slot → observer.
//!
//! In sequential mode one reader deals records out ([`Sequential`]); a batch is kept until it is acknowledged.
//!
//! Everything is bounded: a task needs a read buffer made at start, a batch a frame, and what is kept has a
//! budget.

mod answers;
mod batch;
mod error;
mod kept;
mod lane;
mod long;
mod pace;
mod sequential;
mod tasks;

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::records::compression::Compressor;
use protocol::records::kernel::Framer;

pub use error::FlowError;
use lane::Lane;
use pace::Pace;
pub use sequential::{Sequential, SequentialConfig};
use tasks::Task;

use super::config::{LoadConfig, LoadObserver, PartitionStart, Progress};
use super::partition::Partition;
use crate::cluster::Cluster;
use crate::files::Files;
use crate::io::{Completion, Io};
use crate::limits;
use crate::memory::{Buffer, Pool};
use crate::net::{LinkEvent, Links, Purpose, Waiting};
use crate::positions::PartitionSlot;

/// How long what is in flight is waited for after a stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest wait without looking at the stop flag; wakers end it sooner.
const TICK: Duration = Duration::from_millis(500);

/// One shard of a load: a thread, its I/O, and the lanes that it drives.
#[derive(Debug)]
pub struct ToKafka {
    io: Io,
    config: LoadConfig,
    framer: Framer,
    lanes: Vec<Lane>,
    links: Links,
    cluster: Cluster,
    tasks: Vec<Option<Task>>,
    files: Files,
    reads: Pool,
    frames: Pool,
    frame_bytes: usize,
    compressor: Option<Compressor>,
    /// What is compressed goes here, and the buffers change places.
    scratch: Option<Buffer>,
    /// Where one reader deals records out.
    sequential: Option<Sequential>,
    pace: Pace,
    progress: Arc<Progress>,
    observer: Arc<dyn LoadObserver>,
    /// Set when nothing new is sent any more, and until when answers are waited for.
    draining: Option<Instant>,
    failure: Option<FlowError>,
    next_lane: usize,
    /// Room for what a turn reaps.
    completions: Vec<Completion>,
}

/// What came of a shard.
#[derive(Debug)]
pub struct ShardReport {
    /// What is acknowledged, by partition; stored already.
    pub slots: Vec<(u32, PartitionSlot)>,
    /// It was stopped before the end of its input, by itself or from outside.
    pub was_stopped: bool,
    /// Why it stopped by itself.
    pub failure: Option<FlowError>,
}

impl ToKafka {
    /// A shard that drives `lanes`, each the starts of its partitions. `cluster` knows the topic.
    pub fn new(
        io: Io,
        config: LoadConfig,
        cluster: Cluster,
        lanes: Vec<Vec<PartitionStart>>,
        progress: Arc<Progress>,
        observer: Arc<dyn LoadObserver>,
    ) -> Result<Self, FlowError> {
        let buffers = (
            limits::read_buffers(lanes.len()),
            limits::frame_buffers(lanes.len()),
        );
        Self::with_buffers(io, config, cluster, lanes, progress, observer, buffers)
    }

    /// As [`Self::new`], for an input that one reader deals out.
    pub fn sequential(
        io: Io,
        config: LoadConfig,
        cluster: Cluster,
        lanes: Vec<Vec<PartitionStart>>,
        progress: Arc<Progress>,
        observer: Arc<dyn LoadObserver>,
        sequential: SequentialConfig,
    ) -> Result<Self, FlowError> {
        let none = (0, 0);
        let mut flow = Self::with_buffers(io, config, cluster, lanes, progress, observer, none)?;
        flow.scratch = None;
        flow.sequential = Some(Sequential::new(&flow.io, &flow.lanes, sequential)?);
        Ok(flow)
    }

    fn with_buffers(
        io: Io,
        config: LoadConfig,
        cluster: Cluster,
        lanes: Vec<Vec<PartitionStart>>,
        progress: Arc<Progress>,
        observer: Arc<dyn LoadObserver>,
        (read_buffers, frame_buffers): (usize, usize),
    ) -> Result<Self, FlowError> {
        let now = io.now();
        let reads = Pool::new(read_buffers, config.rules.window_bytes());
        let window_bytes = config.rules.window_bytes();
        let frame_bytes = limits::frame_bytes(config.rules.batch_bytes_max);
        // Buffers that come back are told apart by their size.
        let frame_bytes = frame_bytes + usize::from(frame_bytes == window_bytes);
        let frames = Pool::new(frame_buffers, frame_bytes);
        let lanes = lanes
            .into_iter()
            .map(|starts| Lane::new(now, &config, starts))
            .collect::<Result<Vec<_>, _>>()?;
        let compressor = batch::compressor(&config)?;
        let mut flow = Self {
            scratch: compressor.as_ref().map(|_| Buffer::new(frame_bytes)),
            compressor,
            framer: config.rules.framer(),
            links: Links::new(config.client.clone(), io.chance()),
            files: Files::new(Arc::clone(&config.input)),
            pace: Pace::new(config.rate, now),
            io,
            config,
            lanes,
            cluster,
            tasks: Vec::new(),
            sequential: None,
            reads,
            frames,
            frame_bytes,
            progress,
            observer,
            draining: None,
            failure: None,
            next_lane: 0,
            completions: Vec::new(),
        };
        flow.note_refused()?;
        Ok(flow)
    }

    /// The rejects' file keeps what positions have passed, and no position has passed these yet.
    fn note_refused(&mut self) -> Result<(), FlowError> {
        for lane in 0..self.lanes.len() {
            for index in 0..self.lanes[lane].partitions.len() {
                for record in std::mem::take(&mut self.lanes[lane].partitions[index].to_note) {
                    self.reject_too_large(lane, index, record)?;
                }
            }
        }
        Ok(())
    }

    /// A handle that ends the loop's wait, after [`Progress::request_stop`].
    pub fn waker(&self) -> crate::io::Waker {
        self.io.waker()
    }

    /// Runs until all of its partitions are loaded, a stop, or a failure. Whatever happens, every
    /// acknowledgement that came is stored.
    pub fn run(mut self) -> ShardReport {
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

    /// One turn of [`Self::run`]. `false`: there is nothing more to do. Apart from it so that a test can
    /// drop the shard between any two turns, as the death of the process does.
    pub fn turn(&mut self) -> Result<bool, FlowError> {
        let now = self.io.now();
        if self.draining.is_none() && self.progress.is_stopping() {
            self.draining = Some(now + DRAIN_TIMEOUT);
            if let Err(error) = self.flush_read_once() {
                self.fail(now, error);
            }
        }
        if let Err(error) = self.step(now) {
            self.fail(now, error);
        }
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
        reaped.map(|()| true).map_err(FlowError::Reap)
    }

    /// What came of it, behind the last turn.
    pub fn into_report(mut self) -> ShardReport {
        let was_stopped = !self.is_finished();
        let mut slots = Vec::new();
        for partition in self.lanes.iter_mut().flat_map(|lane| &mut lane.partitions) {
            if partition.producer.is_settled() {
                partition.slot.clean = true;
                partition.store();
            }
            slots.push((partition.index, partition.slot));
        }
        ShardReport {
            slots,
            was_stopped,
            failure: self.failure,
        }
    }

    /// The first failure is the job's; the rest of what is in flight is waited for.
    fn fail(&mut self, now: Instant, error: FlowError) {
        if self.failure.is_none() {
            self.failure = Some(error);
            self.draining = Some(now + DRAIN_TIMEOUT);
            self.progress.request_stop();
        }
    }

    fn is_finished(&self) -> bool {
        if let Some(sequential) = &self.sequential {
            return sequential.is_over() && self.is_idle();
        }
        let input_bytes = self.config.input.bytes();
        let all = |lane: &Lane| lane.partitions.iter().all(|p| p.is_done(input_bytes));
        self.lanes.iter().all(all)
    }

    fn is_over(&self, now: Instant) -> bool {
        match self.draining {
            Some(until) if now >= until => true,
            // What was read and cannot be read again is not left behind.
            Some(_) if self.failure.is_none() && self.is_read_once() => self.is_idle(),
            Some(_) => self.on_wire() == 0 && self.tasks_under_way() == 0,
            None => self.is_finished(),
        }
    }

    fn is_idle(&self) -> bool {
        let mut partitions = self.lanes.iter().flat_map(|lane| &lane.partitions);
        partitions.all(Partition::is_idle)
    }

    fn on_wire(&self) -> usize {
        let partitions = self.lanes.iter().flat_map(|lane| &lane.partitions);
        partitions
            .map(|partition| partition.producer.on_wire())
            .sum()
    }

    fn tasks_under_way(&self) -> usize {
        self.tasks.iter().flatten().count()
    }

    fn step(&mut self, now: Instant) -> Result<(), FlowError> {
        self.cluster.poll(now, &mut self.io, &mut self.links);
        let result = self.step_lanes(now);
        // Whatever became of them: what is in flight must time out, or a failed load waits in vain.
        self.links.poll(now, &mut self.io);
        result
    }

    fn step_lanes(&mut self, now: Instant) -> Result<(), FlowError> {
        self.handle_link_events(now)?;
        // Before the lanes are looked after: what was dealt is sent now, and not at the next event, for which
        // there may be no cause.
        if self.draining.is_none() && self.sequential.is_some() {
            self.deal(now)?;
        }
        for lane in 0..self.lanes.len() {
            self.look_after(now, lane)?;
        }
        if self.draining.is_none() && self.sequential.is_none() {
            self.start_tasks(now)?;
        }
        Ok(())
    }

    fn next_look(&self, now: Instant) -> Instant {
        if self.draining.is_none() && self.sequential.as_ref().is_some_and(Sequential::has_more) {
            return now;
        }
        let mut until = now + TICK;
        let producers = self.lanes.iter().flat_map(|lane| &lane.partitions);
        let timeouts = producers.filter_map(|partition| partition.producer.poll_timeout());
        let others = [
            self.draining,
            self.cluster.poll_timeout(now),
            self.links.poll_timeout(),
            self.pace.poll_timeout(),
            self.sequential.as_ref().and_then(Sequential::poll_timeout),
        ];
        // What was due at `now` was tried: what could not go on waits for an event, not for the clock.
        for at in timeouts
            .chain(others.into_iter().flatten())
            .filter(|&at| at > now)
        {
            until = until.min(at);
        }
        until
    }

    fn handle_completion(&mut self, now: Instant, completion: Completion) -> Result<(), FlowError> {
        match Purpose::from_token(completion.token) {
            Purpose::Read { task } => self.handle_read(now, task, completion),
            Purpose::Link { .. } => {
                self.links.handle_completion(now, &mut self.io, completion);
                self.handle_link_events(now)
            }
        }
    }

    fn handle_link_events(&mut self, now: Instant) -> Result<(), FlowError> {
        while let Some(event) = self.links.poll_event() {
            match event {
                LinkEvent::Ready => {}
                LinkEvent::Frame { buffer, owner } => self.handle_frame(buffer, owner),
                LinkEvent::Unanswered { waiting } => self.handle_unanswered(now, waiting)?,
                LinkEvent::Streamed { task, result } => self.handle_streamed(now, task, result)?,
                LinkEvent::Reply {
                    link,
                    waiting,
                    version,
                    body,
                } => {
                    self.handle_reply(now, link, waiting, version, &body)?;
                }
                LinkEvent::Lost {
                    link,
                    waiting,
                    error,
                } => {
                    self.handle_lost(now, link, &waiting, &error);
                }
            }
        }
        Ok(())
    }

    fn handle_frame(&mut self, buffer: Buffer, owner: Option<Waiting>) {
        match owner {
            Some(owner) if self.sequential.is_some() => self.keep_again(buffer, owner),
            _ => self.put_buffer(buffer),
        }
    }

    fn put_buffer(&mut self, buffer: Buffer) {
        let window_bytes = self.config.rules.window_bytes();
        match buffer.len() {
            len if len == window_bytes => self.reads.put(buffer),
            len if len == self.frame_bytes => self.frames.put(buffer),
            _ => {} // A long record's last bytes.
        }
    }
}
