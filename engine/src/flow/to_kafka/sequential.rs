//! Sequential mode in a shard: from what one reader deals out to batches on the wire, which are kept until
//! they are acknowledged.
//!
//! The reader stops at a window's end while batches take more memory than they may: that is where slow
//! brokers hold it up. An input that cannot be read again (a pipe) has its open batches sent when it
//! has been silent for a while, and when the load is stopped.

use std::time::{Duration, Instant};

use protocol::client::producer::{Batch, BatchId};
use protocol::hot::produce::{TAIL, TAIL_BYTES};
use protocol::records::builder::seal;
use protocol::records::compression::Decompressor;
use protocol::records::header::{Attributes, Compression, HEADER_BYTES};

use super::batch::{BATCH_AT, RECORDS_AT, produce_to, timestamp_now};
use super::lane::Lane;
use super::{FlowError, ToKafka};
use crate::feed::{Blocks, Feed, FeedError};
use crate::flow::config::{Progress, RejectContent};
use crate::flow::deal::{DealRules, Dealer, Dealt, Effect, FrameMemory, RefusedRecord};
use crate::flow::partition::Partition;
use crate::flow::piece::{Kept, Piece, Tail};
use crate::io::{Io, Payload};
use crate::memory::Buffer;
use crate::net::Waiting;
use crate::record::Grammar;

/// What is read, and how it is dealt.
#[derive(Debug)]
pub struct SequentialConfig {
    /// Its bytes.
    pub feed: Box<dyn Feed>,
    /// Whether the feed may wait or work long, and so needs a thread of its own.
    pub is_threaded: bool,
    /// What finds records in them.
    pub grammar: Box<dyn Grammar>,
    /// How they are dealt.
    pub rules: DealRules,
    /// Where the feed begins; a record does there.
    pub position: u64,
    /// Bytes that batches may take until they are acknowledged.
    pub memory_bytes: usize,
    /// The input can be read again after a crash.
    pub is_rereadable: bool,
    /// `linger.ms`: how long an input that is not read again may be silent before open batches are sent.
    pub linger: Duration,
}

/// The reader's side of a shard.
#[derive(Debug)]
pub struct Sequential {
    pub(super) dealer: Dealer,
    blocks: Blocks,
    /// By partition: lane and index there.
    home: Vec<Option<(usize, usize)>>,
    is_rereadable: bool,
    linger: Duration,
    flush_at: Option<Instant>,
    /// Where files begin: position, file, and the place in the file where reading began.
    starts: Vec<(u64, usize, u64)>,
    /// A block is in hand, or may be.
    has_more: bool,
    pub(super) decompressor: Decompressor,
}

impl Sequential {
    pub(super) fn new(
        io: &Io,
        lanes: &[Lane],
        config: SequentialConfig,
    ) -> Result<Self, FlowError> {
        let partitions = config.rules.deal.partitions as usize;
        let mut home = vec![None; partitions];
        let mut from = vec![u64::MAX; partitions];
        for (lane, of_lane) in lanes.iter().enumerate() {
            for (index, partition) in of_lane.partitions.iter().enumerate() {
                let number = partition.index as usize;
                home[number] = Some((lane, index));
                from[number] = partition.slot.position;
            }
        }
        let window_bytes = usize::try_from(config.rules.window_bytes()).expect("windows are small");
        // Lines of a few bytes frame to several times their size.
        let memory = FrameMemory::new(config.memory_bytes, window_bytes.saturating_mul(4));
        let blocks = if config.is_threaded {
            Blocks::threaded(config.feed, io.waker()).map_err(FlowError::Reap)?
        } else {
            Blocks::inline(config.feed)
        };
        Ok(Self {
            dealer: Dealer::new(config.rules, config.grammar, config.position, from, memory),
            blocks,
            home,
            is_rereadable: config.is_rereadable,
            linger: config.linger,
            flush_at: None,
            starts: Vec::new(),
            has_more: true,
            decompressor: Decompressor::new(),
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.dealer.is_over()
    }

    /// Whether dealing could go on at once.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.flush_at
    }

    /// The file that holds the byte at `position`, and the byte's place in it.
    pub(super) fn locate(&self, position: u64) -> (usize, u64) {
        let at = self
            .starts
            .partition_point(|&(start, ..)| start <= position)
            .saturating_sub(1);
        match self.starts.get(at) {
            Some(&(start, file, offset)) => (file, offset + (position - start)),
            None => (0, position),
        }
    }

    /// Gives the next block to the dealer, if there is one.
    fn feed(&mut self, now: Instant) -> Result<bool, FlowError> {
        if let Some(buffer) = self.dealer.take_spare() {
            self.blocks.put(buffer);
        }
        let Some(block) = self.blocks.take()? else {
            if !self.is_rereadable && self.dealer.has_open() {
                self.flush_at.get_or_insert(now + self.linger);
            }
            return Ok(false);
        };
        self.flush_at = None;
        let filled = block.filled;
        if self
            .starts
            .last()
            .is_none_or(|&(_, file, _)| file != filled.file)
        {
            self.starts
                .push((filled.position, filled.file, filled.file_offset));
        }
        self.dealer.give(block);
        Ok(true)
    }
}

/// Whether all of the partition's batches are here, none in the kernel's hands.
pub(super) fn has_its_frames(partition: &Partition) -> bool {
    let kept = |batch: &Batch<Piece>| {
        batch
            .body
            .kept
            .as_ref()
            .is_none_or(|kept| kept.buffer.is_some())
    };
    partition.producer.batches().all(kept)
}

impl ToKafka {
    fn sequential_mut(&mut self) -> &mut Sequential {
        self.sequential
            .as_mut()
            .expect("only what one reader deals out comes here")
    }

    /// Deals the next block out.
    pub(super) fn deal(&mut self, now: Instant) -> Result<(), FlowError> {
        let is_allowed = self.pace.allows(now);
        let sequential = self.sequential_mut();
        sequential.has_more = false;
        if sequential.flush_at.is_some_and(|at| at <= now) {
            sequential.flush_at = None;
            sequential.dealer.flush();
        }
        if !is_allowed || sequential.dealer.is_over() || !self.has_room() {
            return Ok(());
        }
        let sequential = self.sequential_mut();
        sequential.dealer.set_now(timestamp_now());
        let mut has_fed = false;
        loop {
            let sequential = self.sequential_mut();
            match sequential.dealer.poll() {
                Effect::NeedsBlock if has_fed => {
                    sequential.has_more = true;
                    return Ok(());
                }
                Effect::NeedsBlock => {
                    if !sequential.feed(now)? {
                        return Ok(());
                    }
                    has_fed = true;
                }
                Effect::Batch {
                    partition,
                    batch,
                    tail,
                } => self.keep(now, partition, batch, tail)?,
                Effect::Refused(record) => self.refuse_dealt(record)?,
                Effect::WindowEnd { position, tail } => {
                    self.pass_idle(position, tail);
                    if !self.has_room() {
                        return Ok(());
                    }
                }
                Effect::Broken { position, reason } => return Err(self.broken(position, &reason)),
                Effect::InputEnd { position } => {
                    self.pass_idle(position, Tail::default());
                    return Ok(());
                }
            }
        }
    }

    /// Whether another window may be dealt. What an earlier run had in flight is read up to its end in any
    /// case: the last of it may have to be sent before the first can be let go, and all of it fitted then.
    fn has_room(&mut self) -> bool {
        let is_awaited = |batch: &Batch<Piece>| batch.body.kept.is_none();
        let mut partitions = self.lanes.iter().flat_map(|lane| &lane.partitions);
        partitions.any(|partition| partition.producer.batches().any(is_awaited))
            || self.sequential_mut().dealer.memory().has_room()
    }

    fn broken(&mut self, position: u64, reason: &str) -> FlowError {
        let (file, offset) = self.sequential_mut().locate(position);
        let path = self.config.input.files()[file].path.display();
        FlowError::Feed(FeedError(format!("{path}, byte {offset}: {reason}")))
    }

    /// Whether the input cannot be read again.
    pub(super) fn is_read_once(&self) -> bool {
        self.sequential
            .as_ref()
            .is_some_and(|sequential| !sequential.is_rereadable)
    }

    /// What was read and cannot be read again is sent before the load ends.
    pub(super) fn flush_read_once(&mut self) -> Result<(), FlowError> {
        if !self.is_read_once() {
            return Ok(());
        }
        let now = self.io.now();
        self.sequential_mut().dealer.flush();
        while self.sequential_mut().dealer.has_effects() {
            match self.sequential_mut().dealer.poll() {
                Effect::Batch {
                    partition,
                    batch,
                    tail,
                } => self.keep(now, partition, batch, tail)?,
                Effect::Refused(record) => self.refuse_dealt(record)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Nothing of these partitions lies before `position` any more: that need not be read again.
    fn pass_idle(&mut self, position: u64, tail: Tail) {
        for partition in self.lanes.iter_mut().flat_map(|lane| &mut lane.partitions) {
            if partition.is_idle() && partition.slot.position < position {
                let slot = &mut partition.slot;
                slot.position = position;
                if tail.bytes > 0 {
                    slot.tail_crc = tail.crc;
                    slot.tail_bytes = tail.bytes;
                    slot.tail_position = tail.position;
                }
                partition.store();
            }
        }
    }

    /// A batch is complete: it is known to the producer from now on, and sent when its turn comes.
    fn keep(
        &mut self,
        now: Instant,
        partition: u32,
        batch: Dealt,
        tail: Tail,
    ) -> Result<(), FlowError> {
        let home = self.sequential_mut().home[partition as usize];
        let (lane, index) = home.expect("records are dealt to partitions of this shard");
        self.pace.spend(now, batch.records, batch.input_bytes);
        let producer = &mut self.lanes[lane].partitions[index].producer;
        let awaited = producer.batches().find(|known| known.body.kept.is_none());
        let Some((id, count)) = awaited.map(|known| (known.id, known.count)) else {
            producer.push(batch.records, Piece::dealt(batch, tail));
            return Ok(());
        };
        // It was in flight when an earlier run died.
        let body = &mut producer.batch_mut(id).expect("it was just found").body;
        if (count, &body.range) != (batch.records, &batch.range) {
            let position = body.range.start;
            return Err(FlowError::OtherRecords { position });
        }
        *body = Piece::dealt(batch, tail);
        Ok(())
    }

    fn refuse_dealt(&mut self, record: RefusedRecord) -> Result<(), FlowError> {
        let home = self.sequential_mut().home[record.partition as usize];
        let (lane, index) = home.expect("records are dealt to partitions of this shard");
        let content = Some(RejectContent::Input(record.content));
        self.reject(lane, index, record.range.clone(), record.reason, content)?;
        self.lanes[lane].partitions[index].refuse(record.range);
        self.settle(lane, index)
    }

    /// Sends a batch that is kept, for the first time or again.
    pub(super) fn send_kept(
        &mut self,
        now: Instant,
        lane: usize,
        index: usize,
        id: BatchId,
    ) -> Result<(), FlowError> {
        let is_read_once = self.is_read_once();
        let is_draining = self.draining.is_some();
        let Some(link) = self
            .link_of(now, lane, index)
            .filter(|&l| self.links.has_room(l))
        else {
            return Ok(());
        };
        let batch = self.lanes[lane].partitions[index].producer.batch_mut(id);
        let piece = &mut batch.expect("poll_send named it").body;
        let is_new = piece.crc.is_none();
        // `None`: it is not read again yet, or not back from the kernel.
        let Some(kept) = &mut piece.kept else {
            return Ok(());
        };
        if kept.buffer.is_none() || is_new && is_draining && !is_read_once {
            return Ok(());
        }
        let mut kept = piece.kept.take().expect("it was just seen");
        if piece.timestamp == 0 {
            piece.timestamp = kept.timestamps.map_or_else(timestamp_now, |(_, max)| max);
        }
        let range_start = piece.range.start;
        if kept.compression.is_none() {
            self.compress_kept(&mut kept);
        }
        let mut buffer = kept.buffer.take().expect("it was just seen");
        let mut sealed = self.sealed(lane, index, id);
        sealed.attributes =
            Attributes::default().with_compression(kept.compression.unwrap_or(Compression::None));
        if let Some((base, max)) = kept.timestamps {
            (sealed.base_timestamp, sealed.max_timestamp) = (base, max);
        }
        let batch_bytes = HEADER_BYTES + kept.section_bytes;
        let crc = seal(&mut buffer[BATCH_AT..BATCH_AT + batch_bytes], sealed);
        let batch = self.lanes[lane].partitions[index].producer.batch_mut(id);
        let piece = &mut batch.expect("it is in flight").body;
        piece.kept = Some(kept);
        piece.sent_bytes = batch_bytes as u64;
        assert_eq!(
            *piece.crc.get_or_insert(crc),
            crc,
            "a batch that is kept stays what it was, at {range_start}"
        );
        if !is_new {
            Progress::add(&self.progress.retries, 1);
        }
        buffer[BATCH_AT + batch_bytes..][..TAIL_BYTES].copy_from_slice(&TAIL);
        let owner = Waiting::Produce {
            lane,
            partition: index,
            batch: id,
        };
        let number = self.lanes[lane].partitions[index].index;
        let to = produce_to(&self.config, number, batch_bytes);
        let before = &mut buffer[..BATCH_AT];
        let head_bytes = self.links.write_produce_head(now, link, owner, &to, before);
        let payload = Payload::One {
            buffer,
            start: BATCH_AT - head_bytes,
            end: BATCH_AT + batch_bytes + TAIL_BYTES,
        };
        let is_unanswered = self.config.acks == 0;
        self.links
            .send_frame(&mut self.io, link, payload, owner, is_unanswered);
        self.note_sent(now, lane, index, id, batch_bytes as u64, link);
        Ok(())
    }

    /// Compresses a batch that is sent for the first time, where that is asked for and makes it smaller.
    fn compress_kept(&mut self, kept: &mut Kept) {
        kept.compression = Some(Compression::None);
        let Some(compressor) = &mut self.compressor else {
            return;
        };
        let memory = self
            .sequential
            .as_mut()
            .expect("only what one reader deals out is kept")
            .dealer
            .memory();
        let buffer = kept.buffer.take().expect("the caller saw it");
        let records = &buffer[RECORDS_AT..RECORDS_AT + kept.section_bytes];
        let mut target = memory.take(records.len());
        let room = &mut target[RECORDS_AT..RECORDS_AT + records.len()];
        match compressor.compress(records, room) {
            Ok(bytes) => {
                kept.section_bytes = bytes;
                kept.compression = Some(self.config.compression);
                kept.buffer = Some(target);
                memory.put(buffer);
            }
            // Not smaller: sent as it is, which a batch may always be.
            Err(_) => {
                kept.buffer = Some(buffer);
                memory.put(target);
            }
        }
    }

    /// A batch's buffer comes back from the kernel.
    pub(super) fn keep_again(&mut self, buffer: Buffer, owner: Waiting) {
        let Waiting::Produce {
            lane,
            partition,
            batch,
        } = owner
        else {
            unreachable!("frames are batches");
        };
        let batch = self.lanes[lane].partitions[partition]
            .producer
            .batch_mut(batch);
        match batch.and_then(|batch| batch.body.kept.as_mut()) {
            Some(kept) => kept.buffer = Some(buffer),
            None => self.sequential_mut().dealer.memory().put(buffer), // Acknowledged meanwhile.
        }
    }

    /// Acknowledged batches need not be kept. Those that the kernel still has come back by themselves.
    pub(super) fn release_kept(&mut self, batches: Vec<Batch<Piece>>) {
        let Some(sequential) = &mut self.sequential else {
            return;
        };
        let memory = sequential.dealer.memory();
        let buffers = batches
            .into_iter()
            .filter_map(|batch| batch.body.kept?.buffer);
        buffers.for_each(|buffer| memory.put(buffer));
        // The reader may have waited for that.
        sequential.has_more = !sequential.dealer.is_over();
    }
}
