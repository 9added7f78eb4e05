//! One partition of a load: its place in the input, what is in flight, and what is acknowledged.
//!
//! The stored position moves over acknowledged batches and refused records in the input's order, and
//! only over a prefix of them.

use std::collections::VecDeque;
use std::ops::Range;

use protocol::client::producer::{Batch, PartitionProducer};

use super::config::TooLarge;
use super::cut::Cursor;
use super::piece::Piece;
use crate::positions::{PartitionSlot, SlotWriter};

/// Which connection a partition's batches are on, while any is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkId(pub(crate) usize);

#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) index: u32,
    pub(crate) producer: PartitionProducer<Piece>,
    pub(crate) cursor: Cursor,
    pub(crate) slot: PartitionSlot,
    /// `None`: the input cannot be read again, so nothing is kept of how far it is.
    writer: Option<SlotWriter>,
    /// A task reads for it: one at a time.
    pub(crate) is_busy: bool,
    /// Where its batches are on the wire.
    pub(crate) link: Option<LinkId>,
    /// Refused records that the position has not passed yet, in order.
    refused: VecDeque<Range<u64>>,
    /// It ended at a record longer than a batch may be, which is looked at next.
    pub(crate) long_at: Option<u64>,
    /// A refused head is being looked at: nothing new meanwhile.
    pub(crate) is_splitting: bool,
    /// What the broker said when it refused the head.
    pub(crate) refusal: Option<String>,
    /// The record of the head that it named.
    pub(crate) refused_at: Option<u32>,
    /// Where refused records begin that were noted and will be found again.
    pub(crate) noted: Vec<u64>,
    /// Records that an earlier run refused, or was about to: to be noted (again) before the first send.
    pub(crate) to_note: Vec<TooLarge>,
}

impl Partition {
    pub(crate) fn new(
        slot: PartitionSlot,
        writer: Option<SlotWriter>,
        producer: PartitionProducer<Piece>,
        cursor: Cursor,
    ) -> Self {
        Self {
            index: cursor.partition,
            producer,
            cursor,
            slot,
            writer,
            is_busy: false,
            link: None,
            refused: VecDeque::new(),
            long_at: None,
            is_splitting: false,
            refusal: None,
            refused_at: None,
            noted: Vec::new(),
            to_note: Vec::new(),
        }
    }

    /// Stores the slot: the death of the process does not take it back.
    pub(crate) fn store(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.put(&self.slot);
        }
    }

    /// A record was refused; the position passes it when all before it is acknowledged.
    pub(crate) fn refuse(&mut self, range: Range<u64>) {
        self.refused.push_back(range);
    }

    /// Forgets refusals that lie at or behind `position`: they are found again.
    pub(crate) fn rewind(&mut self, position: u64) {
        let again = self.refused.iter().filter(|range| range.start >= position);
        self.noted.extend(again.map(|range| range.start));
        self.refused.retain(|range| range.start < position);
        self.long_at = None;
    }

    /// Moves the slot over what is settled now. Answers whether it has changed, and the batches that
    /// were acknowledged.
    pub(crate) fn settle(&mut self, acknowledged: &mut Vec<Batch<Piece>>) -> bool {
        let before = acknowledged.len();
        let mut has_changed = false;
        loop {
            let pending = self
                .producer
                .batches()
                .next()
                .map(|batch| batch.body.range.start);
            if let Some(refused) = self.refused.front()
                && pending.is_none_or(|start| start >= refused.end)
            {
                self.slot.position = self.slot.position.max(refused.end);
                self.slot.rejects += 1;
                self.refused.pop_front();
                has_changed = true;
                continue;
            }
            let Some(batch) = self.producer.take_delivered() else {
                break;
            };
            self.acknowledge(&batch);
            acknowledged.push(batch);
        }
        has_changed || acknowledged.len() > before
    }

    fn acknowledge(&mut self, batch: &Batch<Piece>) {
        let slot = &mut self.slot;
        let piece = &batch.body;
        slot.position = piece.range.end;
        slot.tail_crc = piece.tail.crc;
        slot.tail_bytes = piece.tail.bytes;
        slot.tail_position = piece.tail.position;
        if self.producer.identity().is_some() {
            slot.next_sequence = batch.last().plus(1).value();
            slot.last_batch_first_sequence = batch.first.value();
        }
        if let Some(base) = batch.base_offset() {
            if slot.first_offset < 0 {
                slot.first_offset = base;
            }
            slot.last_offset = base + i64::from(batch.count) - 1;
        }
        slot.newest_timestamp = slot.newest_timestamp.max(piece.timestamp);
        slot.records += u64::from(batch.count);
        slot.bytes += piece.input_bytes;
        slot.clean = false;
    }

    /// All that was dealt to it is acknowledged or refused.
    pub(crate) fn is_idle(&self) -> bool {
        self.producer.is_idle() && self.refused.is_empty()
    }

    /// All of its input is read, acknowledged or refused.
    pub(crate) fn is_done(&self, input_bytes: u64) -> bool {
        self.cursor.position >= input_bytes
            && !self.is_busy
            && self.long_at.is_none()
            && self.is_idle()
    }
}
