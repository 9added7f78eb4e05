//! Sequential mode: one reader deals records out to the partitions.
//!
//! The input is one stream of bytes, block by block. A [`Grammar`] finds the records; a record goes where
//! its key says, or where the chunk says in which it begins. Each partition has one open batch, which ends
//! where it is full, at a refused record, and where the *window* ends: a fixed stretch of the input,
//! some chunks long. So where batches begin and end is a function of the bytes and the frozen settings,
//! as in split mode, and the batches behind any position can be found again by reading from there. (An
//! input that cannot be read again may flush its open batches at any time.)
//!
//! [`Dealer::poll`] gives effects out, one by one. What was dealt is kept until it is acknowledged.

mod frame;
mod place;
mod survey;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
#[cfg(test)]
use std::ops::Range;

use protocol::partitioner::Partitioner;
use protocol::records::crc::crc32c;
use protocol::records::header::HEADER_BYTES;
use protocol::records::kernel::{Bounds, Framer, Stop};

pub(crate) use frame::{Dealt, FrameMemory, Placed as RecordPlace};
pub(crate) use place::RefusedRecord;
use place::{Placed, Table};
pub use survey::{DealtSurvey, Reading, Reread};

use super::piece::{TAIL_BYTES_MAX, Tail};
use crate::feed::Block;
use crate::input::Deal;
use crate::memory::Buffer;
use crate::record::{Grammar, Next};

/// By how much a record that lies in several blocks is looked at further: as much again as is known of it,
/// and this at least, so that all looks together are linear in its length.
const STEP_BYTES_MIN: usize = 64 << 10;
/// Bytes of a refused record that are kept for the rejects.
const EVIDENCE_BYTES_MAX: usize = 8 << 20;

/// How records are dealt; frozen in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DealRules {
    /// Which partition a chunk belongs to.
    pub deal: Deal,
    /// Chunks of a window.
    pub window_chunks: u64,
    /// A batch in bytes at most, header included, before compression.
    pub batch_bytes_max: u32,
    /// A record's batch at most, header included: the topic's `max.message.bytes`.
    pub record_bytes_max: u64,
    /// How a key names a partition.
    pub partitioner: Partitioner,
    /// The partition that a record itself names counts.
    pub takes_named_partition: bool,
}

impl DealRules {
    /// Bytes of a window.
    pub fn window_bytes(&self) -> u64 {
        self.window_chunks * self.deal.chunk_bytes
    }

    fn records_bytes_max(&self) -> usize {
        self.batch_bytes_max as usize - HEADER_BYTES
    }
}

/// What comes of dealing.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Nothing more without another block.
    NeedsBlock,
    /// A batch is complete. The tail is of bytes that were read.
    Batch {
        partition: u32,
        batch: Dealt,
        tail: Tail,
    },
    /// A record is none, or too large.
    Refused(RefusedRecord),
    /// All records that begin before `position` are in batches that were given out.
    WindowEnd { position: u64, tail: Tail },
    /// No record can be found behind `position`.
    Broken { position: u64, reason: String },
    /// And this is all.
    InputEnd { position: u64 },
}

/// A record too long to be kept, while it is passed.
#[derive(Debug, Default)]
struct Passing {
    /// Its first bytes, for whoever looks into the rejects.
    evidence: Vec<u8>,
    bytes: u64,
}

/// What became of a window's first bytes.
enum Taken {
    Dealt(usize),
    Passed(usize),
    Nothing,
    Broken(String),
}

/// Deals one input out.
#[derive(Debug)]
pub(crate) struct Dealer {
    rules: DealRules,
    grammar: Box<dyn Grammar>,
    /// Where lines are framed without looking into them.
    framer: Option<Framer>,
    table: Table,
    effects: VecDeque<Effect>,
    /// The block in hand, and how much of it is dealt or in `joint`.
    block: Option<Block>,
    at: usize,
    /// An empty block's buffer, to be given back.
    spare: Option<Buffer>,
    /// A record's beginning, from earlier blocks.
    joint: Vec<u8>,
    passing: Option<Passing>,
    /// Where the next record begins, or the one that is under way.
    position: u64,
    window: u64,
    /// The last bytes before the block.
    history: Vec<u8>,
    has_ended: bool,
    is_end_told: bool,
}

impl Dealer {
    /// Begins at `position`, where a record does. Records of a partition that begin before its `from` are
    /// left out.
    pub(crate) fn new(
        rules: DealRules,
        grammar: Box<dyn Grammar>,
        position: u64,
        from: Vec<u64>,
        memory: FrameMemory,
    ) -> Self {
        let framer = grammar
            .whole_lines()
            .map(|delimiter| Framer::new(delimiter, false));
        Self {
            table: Table::new(rules, from, framer.is_none(), memory),
            rules,
            grammar,
            framer,
            effects: VecDeque::new(),
            block: None,
            at: 0,
            spare: None,
            joint: Vec::new(),
            passing: None,
            position,
            window: position / rules.window_bytes(),
            history: Vec::new(),
            has_ended: false,
            is_end_told: false,
        }
    }

    /// The buffers of batches, open and closed.
    pub(crate) fn memory(&mut self) -> &mut FrameMemory {
        &mut self.table.memory
    }

    /// The time in milliseconds since 1970, for records without their own among some that have.
    pub(crate) fn set_now(&mut self, now_ms: i64) {
        self.table.now_ms = now_ms;
    }

    /// The next bytes, after [`Effect::NeedsBlock`].
    pub(crate) fn give(&mut self, block: Block) {
        assert!(self.block.is_none(), "a block is asked for first");
        assert_eq!(
            block.filled.position,
            self.read_to(),
            "blocks lie side by side"
        );
        self.block = Some(block);
        self.at = 0;
    }

    /// The buffer of the last block, when it is dealt.
    pub(crate) fn take_spare(&mut self) -> Option<Buffer> {
        self.spare.take()
    }

    /// Closes all open batches, wherever the input is: only where it is not read again.
    pub(crate) fn flush(&mut self) {
        self.table.close_all();
        self.collect();
    }

    /// Whether something is to be polled that needs no block.
    pub(crate) fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Whether records wait in open batches.
    pub(crate) fn has_open(&self) -> bool {
        self.table.has_open()
    }

    /// All of the input is dealt, and all effects were given out.
    pub(crate) fn is_over(&self) -> bool {
        self.is_end_told
    }

    /// What comes next.
    pub(crate) fn poll(&mut self) -> Effect {
        loop {
            if let Some(effect) = self.effects.pop_front() {
                return effect;
            }
            if self.position / self.rules.window_bytes() != self.window {
                self.end_window();
                continue;
            }
            if self.has_ended {
                if self.table.has_open() {
                    self.flush();
                    continue;
                }
                self.is_end_told = true;
                return Effect::InputEnd {
                    position: self.position,
                };
            }
            if self.block.is_none() {
                return Effect::NeedsBlock;
            }
            self.deal();
            self.collect();
        }
    }

    fn end_window(&mut self) {
        self.flush();
        self.window = self.position / self.rules.window_bytes();
        let tail = self.tail();
        self.effects.push_back(Effect::WindowEnd {
            position: self.position,
            tail,
        });
    }

    /// What the table has done becomes effects.
    fn collect(&mut self) {
        if !self.table.has_done() {
            return;
        }
        let tail = self.tail();
        while let Some(placed) = self.table.take_done() {
            self.effects.push_back(match placed {
                Placed::Batch(partition, batch) => Effect::Batch {
                    partition,
                    batch,
                    tail,
                },
                Placed::Refused(record) => Effect::Refused(record),
            });
        }
    }

    /// Behind the last byte that was taken from a block.
    fn read_to(&self) -> u64 {
        let passing = self.passing.as_ref().map_or(0, |passing| passing.bytes);
        self.position + self.joint.len() as u64 + passing
    }

    /// The bytes before that, as far as they are at hand.
    fn tail(&self) -> Tail {
        let most = usize::try_from(TAIL_BYTES_MAX).expect("a tail is short");
        let bytes = match &self.block {
            Some(block) if self.at > 0 => &block.buffer[..self.at],
            _ => &self.history[..],
        };
        let bytes = &bytes[bytes.len().saturating_sub(most)..];
        Tail {
            crc: crc32c(bytes),
            bytes: u32::try_from(bytes.len()).expect("a tail is short"),
            position: self.read_to() - bytes.len() as u64,
        }
    }

    /// Works on the block in hand, until it is used up, its window ends or something is done.
    fn deal(&mut self) {
        if self.joint.is_empty() {
            self.deal_block();
        } else {
            self.deal_joint();
        }
        let is_under_way = !self.joint.is_empty() || self.passing.is_some();
        if self.is_block_dealt() && !(self.block_ends_file() && is_under_way) {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        let Block { buffer, filled } = self.block.take().expect("it is being dealt");
        let most = usize::try_from(TAIL_BYTES_MAX).expect("a tail is short");
        let bytes = &buffer[..filled.bytes];
        if !bytes.is_empty() {
            self.history.clear();
            let end = &bytes[bytes.len().saturating_sub(most)..];
            self.history.extend_from_slice(end);
        }
        // Whole lines are told apart by their delimiters: one without ends its batch.
        let delimiter = self.grammar.whole_lines();
        if filled.ends_file && delimiter.is_some() && self.history.last().copied() != delimiter {
            self.table.close_all();
        }
        self.has_ended = filled.ends_input;
        self.spare = Some(buffer);
        self.at = 0;
    }

    /// Records that lie in the block whole.
    fn deal_block(&mut self) {
        let window_end = (self.window + 1) * self.rules.window_bytes();
        while self.position < window_end && !self.table.has_done() {
            let is_passed_to_end = self.passing.is_some() && self.block_ends_file();
            if self.is_block_dealt() && !is_passed_to_end {
                return;
            }
            let is_lines = self.framer.is_some() && self.passing.is_none();
            if is_lines && self.frame_lines() {
                continue;
            }
            let block = self.block.as_ref().expect("the caller saw it");
            let rest = &block.buffer[self.at..block.filled.bytes];
            let found = self.grammar.next(rest, block.filled.ends_file);
            match take(
                &mut self.table,
                &mut self.passing,
                found,
                self.position,
                rest,
            ) {
                Taken::Dealt(bytes) => self.advance(bytes),
                Taken::Passed(bytes) => self.at += bytes,
                Taken::Broken(reason) => return self.give_up(reason),
                Taken::Nothing => {
                    assert!(!block.filled.ends_file, "a file's end ends its last record");
                    self.joint.extend_from_slice(rest);
                    self.at = block.filled.bytes;
                    return;
                }
            }
        }
    }

    /// Behind a record of `bytes`, and what was passed of it before.
    fn advance(&mut self, bytes: usize) {
        self.at += bytes;
        self.position += bytes as u64 + self.passing.take().map_or(0, |passing| passing.bytes);
    }

    fn give_up(&mut self, reason: String) {
        let position = self.position;
        self.effects.push_back(Effect::Broken { position, reason });
    }

    fn block_ends_file(&self) -> bool {
        let block = self.block.as_ref().expect("it is in hand");
        block.filled.ends_file
    }

    fn is_block_dealt(&self) -> bool {
        let block = self.block.as_ref().expect("it is in hand");
        self.at == block.filled.bytes
    }

    /// Frames the lines of the chunk at hand. `false`: the record at hand is one for the grammar.
    fn frame_lines(&mut self) -> bool {
        let framer = self.framer.as_ref().expect("the caller saw it");
        let block = self.block.as_ref().expect("the caller saw it");
        let deal = self.rules.deal;
        let chunk = self.position / deal.chunk_bytes;
        let partition = deal.partition(chunk);
        if self.position < self.table.from(partition) {
            return false;
        }
        let bytes_max = self.rules.records_bytes_max();
        let open = self.table.open_whole(partition, self.position);
        let bounds = Bounds {
            begin_before: usize::try_from(deal.range(chunk).end - self.position)
                .expect("a chunk fits into memory"),
            input_ends: block.filled.ends_file,
            records_max: u32::MAX - open.records,
        };
        let rest = &block.buffer[self.at..block.filled.bytes];
        let records = open.records;
        let framed = framer.frame(rest, bounds, open.room(bytes_max), records);
        open.add_lines(&framed, self.position);
        let is_empty = open.records == 0;
        self.at += framed.consumed;
        self.position += framed.consumed as u64;
        match framed.stop {
            Stop::Full | Stop::Count if !is_empty => self.table.close(partition),
            _ => self.table.drop_empty(partition),
        }
        match framed.stop {
            Stop::Bound => true,
            Stop::Full | Stop::Count => !is_empty,
            Stop::Unfinished => false,
        }
    }

    /// A record that began in an earlier block.
    fn deal_joint(&mut self) {
        while !self.joint.is_empty() {
            let before = self.joint.len();
            let block = self.block.as_ref().expect("the caller saw it");
            let rest = &block.buffer[self.at..block.filled.bytes];
            let step = before.max(STEP_BYTES_MIN).min(rest.len());
            self.joint.extend_from_slice(&rest[..step]);
            self.at += step;
            let is_whole = step == rest.len();
            let is_end = block.filled.ends_file && is_whole;
            let found = self.grammar.next(&self.joint, is_end);
            let window = &self.joint[..];
            let taken = take(
                &mut self.table,
                &mut self.passing,
                found,
                self.position,
                window,
            );
            let bytes = match taken {
                Taken::Dealt(bytes) | Taken::Passed(bytes) => bytes,
                Taken::Broken(reason) => return self.give_up(reason),
                Taken::Nothing if is_whole => {
                    assert!(!is_end, "a file's end ends its last record");
                    return;
                }
                Taken::Nothing => continue,
            };
            // What was looked at beyond the record is dealt from the block.
            let unused = self.joint.len() - bytes;
            let given_back = unused.min(step);
            self.at -= given_back;
            self.joint.drain(..bytes);
            self.joint.truncate(unused - given_back);
            if matches!(taken, Taken::Dealt(_)) {
                // The joint's bytes are counted; the block's were when they were taken over.
                self.position += bytes as u64;
                self.position += self.passing.take().map_or(0, |passing| passing.bytes);
            }
        }
    }
}

/// Places what a grammar found in `window`: at `position`, or behind what was passed from there.
fn take(
    table: &mut Table,
    passing: &mut Option<Passing>,
    found: Next<'_>,
    position: u64,
    window: &[u8],
) -> Taken {
    match found {
        Next::Record { bytes, record } => {
            assert!(bytes > 0 && passing.is_none(), "a record is found whole");
            table.place(&record, position, &window[..bytes]);
            Taken::Dealt(bytes)
        }
        Next::Pass { bytes } => {
            assert!(bytes > 0, "a grammar waits, or takes something");
            let passing = passing.get_or_insert_default();
            passing.keep(&window[..bytes]);
            Taken::Passed(bytes)
        }
        Next::Skip { bytes } => {
            assert!(
                bytes > 0 && passing.is_none(),
                "what is passed is of a record"
            );
            Taken::Dealt(bytes)
        }
        Next::Refused { bytes, reason } => {
            let passed = passing.get_or_insert_default();
            let range = position..position + passed.bytes + bytes as u64;
            let mut content = std::mem::take(&mut passed.evidence);
            if passed.bytes == content.len() as u64 {
                content.extend_from_slice(&window[..bytes.min(EVIDENCE_BYTES_MAX)]);
            }
            table.refuse_range(range, content, reason);
            Taken::Dealt(bytes)
        }
        Next::More => Taken::Nothing,
        Next::Broken { reason } => Taken::Broken(reason),
    }
}

impl Passing {
    fn keep(&mut self, bytes: &[u8]) {
        let room = EVIDENCE_BYTES_MAX - self.evidence.len();
        // A gap would make it something else.
        if self.evidence.len() as u64 == self.bytes {
            self.evidence
                .extend_from_slice(&bytes[..room.min(bytes.len())]);
        }
        self.bytes += bytes.len() as u64;
    }
}
