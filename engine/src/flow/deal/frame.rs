//! Batches while they are dealt and until they are acknowledged, and the memory that they share.

use std::ops::Range;

use protocol::hot::produce::HEAD_BYTES_MAX;
use protocol::records::header::HEADER_BYTES;
use protocol::records::kernel::Framed;
use protocol::records::reader::Records;

use crate::flow::BATCH_ROOM_BYTES;
use crate::memory::Buffer;

/// Where records begin in a frame: behind the request's head and the batch's header.
const RECORDS_AT: usize = HEAD_BYTES_MAX + HEADER_BYTES;
/// The smallest frame's records; each class has twice the room of the one before.
const CLASS_BYTES_MIN: usize = 8 << 10;
/// Classes that are kept for reuse.
const CLASSES: usize = 12;

/// Where a record of a batch lies in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// From the range's start on.
    pub(crate) begin: u32,
    /// Its delimiter too.
    pub(crate) bytes: u32,
}

/// A batch's records, framed, and which of the input they are.
#[derive(Debug)]
pub(crate) struct Dealt {
    /// Room for the request's head and the batch's header, the records, room for the request's tail.
    pub(crate) buffer: Buffer,
    /// Bytes of records.
    pub(crate) written: usize,
    pub(crate) records: u32,
    /// From its first record's first byte to behind its last record. Others may lie between.
    pub(crate) range: Range<u64>,
    /// Bytes of input that its records took.
    pub(crate) input_bytes: u64,
    /// Where each record lies. Empty where records are whole lines, side by side.
    pub(crate) places: Vec<Placed>,
    /// The first record's own time, if it has one; else all have the time of sending.
    pub(crate) base_timestamp: Option<i64>,
    pub(crate) max_timestamp: i64,
}

impl Dealt {
    pub(super) fn new(buffer: Buffer, position: u64) -> Self {
        Self {
            buffer,
            written: 0,
            records: 0,
            range: position..position,
            input_bytes: 0,
            places: Vec::new(),
            base_timestamp: None,
            max_timestamp: i64::MIN,
        }
    }

    /// Where the next record goes, so that no more than `bytes_max` are taken by all.
    pub(super) fn room(&mut self, bytes_max: usize) -> &mut [u8] {
        // One record may take more than a batch of several.
        let bytes = bytes_max.min(self.capacity()).max(self.written);
        &mut self.buffer[RECORDS_AT + self.written..RECORDS_AT + bytes]
    }

    /// Bytes of records that the buffer can hold.
    pub(super) fn capacity(&self) -> usize {
        self.buffer.len() - BATCH_ROOM_BYTES - HEADER_BYTES
    }

    /// Behind the first `records` records, where the next one of this batch begins or the batch ends.
    pub(crate) fn end_of(&self, records: u32) -> u64 {
        if records == self.records {
            return self.range.end;
        }
        match self.places.get(records as usize) {
            Some(next) => self.range.start + u64::from(next.begin),
            None => self.range.start + self.bytes_of(records),
        }
    }

    /// Bytes of input that the first `records` records take.
    pub(crate) fn bytes_of(&self, records: u32) -> u64 {
        if records == self.records {
            return self.input_bytes;
        }
        let first = records as usize;
        if let Some(places) = self.places.get(..first) {
            return places.iter().map(|place| u64::from(place.bytes)).sum();
        }
        // Whole lines, side by side: each takes its value and a delimiter.
        let values = records_in(self.section(), self.records).take(first);
        values.map(|value| value as u64 + 1).sum()
    }

    /// The records.
    pub(crate) fn section(&self) -> &[u8] {
        &self.buffer[RECORDS_AT..RECORDS_AT + self.written]
    }

    /// Lines that were framed into the room, from `position` on.
    pub(super) fn add_lines(&mut self, framed: &Framed, position: u64) {
        if framed.records == 0 {
            return;
        }
        if self.records == 0 {
            self.range.start = position;
        }
        self.written += framed.written;
        self.records += framed.records;
        self.input_bytes += framed.consumed as u64;
        self.range.end = position + framed.consumed as u64;
    }
}

/// The values' lengths of a batch that was just framed.
fn records_in(section: &[u8], count: u32) -> impl Iterator<Item = usize> {
    let records = Records::of_section(section, count).expect("we framed it");
    records.map(|record| record.expect("we framed it").value.map_or(0, <[u8]>::len))
}

/// Buffers of frames in classes of size. What is in use is counted; the reader stops at a window's end while
/// it is more than the budget allows.
#[derive(Debug)]
pub(crate) struct FrameMemory {
    free: [Vec<Buffer>; CLASSES],
    free_bytes: usize,
    in_use_bytes: usize,
    budget_bytes: usize,
    /// The most a window may come to.
    window_bytes: usize,
}

impl FrameMemory {
    /// At most `budget_bytes` in all but for one window, which may frame to `window_bytes`.
    pub(crate) fn new(budget_bytes: usize, window_bytes: usize) -> Self {
        Self {
            free: [const { Vec::new() }; CLASSES],
            free_bytes: 0,
            in_use_bytes: 0,
            budget_bytes,
            window_bytes,
        }
    }

    /// Whether another window may be dealt.
    pub(crate) fn has_room(&self) -> bool {
        self.in_use_bytes == 0 || self.in_use_bytes + self.window_bytes <= self.budget_bytes
    }

    /// A buffer for `bytes` of records.
    pub(crate) fn take(&mut self, bytes: usize) -> Buffer {
        let (class, room) = class_of(bytes);
        let size = BATCH_ROOM_BYTES + HEADER_BYTES + room;
        self.in_use_bytes += size;
        if let Some(buffer) = class.and_then(|class| self.free[class].pop()) {
            self.free_bytes -= buffer.len();
            return buffer;
        }
        self.trim(self.budget_bytes.saturating_sub(self.in_use_bytes));
        Buffer::new(size)
    }

    /// Gives one back.
    pub(crate) fn put(&mut self, buffer: Buffer) {
        self.in_use_bytes -= buffer.len();
        let records = buffer.len() - BATCH_ROOM_BYTES - HEADER_BYTES;
        if let (Some(class), room) = class_of(records)
            && room == records
            && self.in_use_bytes + self.free_bytes + buffer.len() <= self.budget_bytes
        {
            self.free_bytes += buffer.len();
            self.free[class].push(buffer);
        }
    }

    /// A buffer with more room that holds what `buffer` does, whose records fill `written` bytes.
    pub(super) fn grow(&mut self, buffer: Buffer, written: usize, bytes: usize) -> Buffer {
        let mut grown = self.take(bytes);
        let range = RECORDS_AT..RECORDS_AT + written;
        grown[range.clone()].copy_from_slice(&buffer[range]);
        self.put(buffer);
        grown
    }

    fn trim(&mut self, bytes: usize) {
        for class in (0..CLASSES).rev() {
            while self.free_bytes > bytes
                && let Some(buffer) = self.free[class].pop()
            {
                self.free_bytes -= buffer.len();
            }
        }
    }
}

/// The class that holds `bytes` of records, and its room; larger ones are made to measure.
fn class_of(bytes: usize) -> (Option<usize>, usize) {
    let fitting = (0..CLASSES)
        .map(|class| (class, CLASS_BYTES_MIN << class))
        .find(|&(_, room)| bytes <= room);
    match fitting {
        Some((class, room)) => (Some(class), room),
        None => (None, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_to_their_class_and_are_counted() {
        let mut memory = FrameMemory::new(1 << 20, 1 << 18);
        assert!(memory.has_room());
        let small = memory.take(100);
        let large = memory.take(900 << 10);
        assert!(!memory.has_room(), "{memory:?}");
        let grown = memory.grow(small, 10, 20 << 10);
        assert!(grown.len() > 20 << 10);
        memory.put(large);
        memory.put(grown);
        assert_eq!(memory.in_use_bytes, 0);
        assert!(memory.free_bytes <= 1 << 20 && memory.free_bytes > 0);
        assert!(memory.has_room());
        let exact = memory.take(CLASS_BYTES_MIN << CLASSES);
        memory.put(exact);
        assert_eq!(memory.in_use_bytes, 0);
    }
}
