//! One output: bytes go into a buffer, full buffers to the file at growing positions, several at a
//! time; when all before a place is written, the slot says so, with where each partition goes on.
//!
//! Invariant: what the slot says is in the file, up to a record's end. A buffer that ends within a
//! record has no place of its own to be noted.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use protocol::client::fetcher::Position;

use super::purpose::Purpose;
use crate::io::{FileId, Io};
use crate::memory::Buffer;
use crate::positions::{OutputPosition, OutputSlot, SlotWriter};

/// Between two tries of a write that found the disk full.
const FULL_RETRY: Duration = Duration::from_secs(1);

/// What of a file's end is remembered, as in a slot.
const TAIL_BYTES: usize = crate::positions::TAIL_BYTES_MAX as usize;

#[derive(Debug)]
pub(super) struct Output {
    index: usize,
    /// None: a stream, written by a thread of its own.
    file: Option<FileId>,
    pub(super) path: PathBuf,
    /// Where the open buffer begins in the file.
    position: u64,
    open: Option<(Buffer, usize)>,
    /// What was taken into the open buffer, as of its last whole record.
    pending: Noted,
    writes: VecDeque<Write>,
    next_number: u32,
    slot: OutputSlot,
    writer: Option<SlotWriter>,
    /// The last bytes that the open buffer follows.
    tail: Vec<u8>,
}

/// What a buffer brings beside its bytes.
#[derive(Debug, Default)]
struct Noted {
    /// Bytes of the buffer up to the end of its last whole record.
    bytes: usize,
    records: u64,
    ambiguous: u64,
    /// Where partitions are, by their place in the output; the last word counts.
    positions: Vec<(usize, Position)>,
}

/// A buffer on its way.
#[derive(Debug)]
struct Write {
    number: u32,
    position: u64,
    bytes: usize,
    state: WriteState,
    noted: Noted,
    /// The last bytes of the file up to `noted.bytes`, for the slot.
    tail_crc: u32,
    tail_bytes: u32,
}

#[derive(Debug)]
enum WriteState {
    /// To be handed to the kernel.
    Waiting(Buffer),
    /// The disk was full: to be tried again then.
    Full(Buffer, Instant),
    Submitted,
    Done,
}

/// What a completed write changed.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) records: u64,
    pub(super) ambiguous: u64,
    pub(super) bytes: u64,
}

impl Output {
    pub(super) fn new(
        index: usize,
        file: Option<FileId>,
        path: PathBuf,
        slot: OutputSlot,
        tail: Vec<u8>,
        writer: Option<SlotWriter>,
    ) -> Self {
        assert_eq!(
            tail.len(),
            slot.tail_bytes as usize,
            "the tail is the slot's"
        );
        Self {
            index,
            file,
            path,
            position: slot.length,
            open: None,
            pending: Noted::default(),
            writes: VecDeque::new(),
            next_number: 0,
            slot,
            writer,
            tail,
        }
    }

    /// The room that is left, in a buffer that is there.
    pub(super) fn room(&mut self) -> Option<(&mut [u8], bool)> {
        let (buffer, filled) = self.open.as_mut()?;
        let is_empty = *filled == 0;
        Some((&mut buffer[*filled..], is_empty))
    }

    pub(super) fn open(&mut self, buffer: Buffer) {
        assert!(self.open.is_none(), "one buffer is filled at a time");
        self.open = Some((buffer, 0));
    }

    /// Bytes were put into the room; with them so many records ended.
    pub(super) fn fill(&mut self, bytes: usize, records: u64, ambiguous: u64) {
        let Some((_, filled)) = &mut self.open else {
            return;
        };
        *filled += bytes;
        self.pending.records += records;
        self.pending.ambiguous += ambiguous;
    }

    /// A partition is at `position`, and every record before it lies whole in what was filled.
    pub(super) fn note(&mut self, partition: usize, position: Position) {
        let filled = self.open.as_ref().map_or(0, |(_, filled)| *filled);
        self.pending.bytes = filled;
        let noted = &mut self.pending.positions;
        match noted.iter_mut().find(|(known, _)| *known == partition) {
            Some((_, known)) => *known = position,
            None => noted.push((partition, position)),
        }
    }

    /// Whether there is something that could be written.
    pub(super) fn has_open(&self) -> bool {
        self.open.as_ref().is_some_and(|(_, filled)| *filled > 0)
            || !self.pending.positions.is_empty()
    }

    pub(super) fn open_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, |(_, filled)| *filled)
    }

    /// Whether writes are under way or waiting.
    pub(super) fn is_writing(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Ends the open buffer: it is written when [`Self::submit`] is called. An empty one comes back.
    pub(super) fn seal(&mut self) -> Option<Buffer> {
        let (buffer, bytes) = match self.open.take() {
            Some((buffer, 0)) => {
                self.seal_empty();
                return Some(buffer);
            }
            Some(filled) => filled,
            None => {
                self.seal_empty();
                return None;
            }
        };
        let noted = std::mem::take(&mut self.pending);
        let (tail_crc, tail_bytes) = self.tail_up_to(&buffer[..noted.bytes]);
        self.push(
            WriteState::Waiting(buffer),
            bytes,
            noted,
            tail_crc,
            tail_bytes,
        );
        None
    }

    /// Positions moved, and no byte was written for it.
    fn seal_empty(&mut self) {
        if self.pending.positions.is_empty() {
            return;
        }
        let noted = std::mem::take(&mut self.pending);
        let (tail_crc, tail_bytes) = self.tail_up_to(&[]);
        self.push(WriteState::Done, 0, noted, tail_crc, tail_bytes);
    }

    fn push(
        &mut self,
        state: WriteState,
        bytes: usize,
        noted: Noted,
        tail_crc: u32,
        tail_bytes: u32,
    ) {
        if let WriteState::Waiting(buffer) = &state {
            extend_tail(&mut self.tail, &buffer[..bytes]);
        }
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        self.writes.push_back(Write {
            number,
            position: self.position,
            bytes,
            state,
            noted,
            tail_crc,
            tail_bytes,
        });
        self.position += bytes as u64;
    }

    /// The sum over the last bytes of the file if `bytes` follow what there is.
    fn tail_up_to(&self, bytes: &[u8]) -> (u32, u32) {
        let mut tail = self.tail.clone();
        extend_tail(&mut tail, bytes);
        let sum = crate::positions::tail_sum(&tail);
        (sum, u32::try_from(tail.len()).expect("a tail is short"))
    }

    /// Hands the kernel what waits.
    pub(super) fn submit(&mut self, now: Instant, io: &mut Io) {
        let Some(file) = self.file else { return };
        for write in &mut self.writes {
            let is_due = match &write.state {
                WriteState::Waiting(_) => true,
                WriteState::Full(_, at) => now >= *at,
                WriteState::Submitted | WriteState::Done => false,
            };
            if !is_due {
                continue;
            }
            let state = std::mem::replace(&mut write.state, WriteState::Submitted);
            let (WriteState::Waiting(buffer) | WriteState::Full(buffer, _)) = state else {
                unreachable!("it was just looked at");
            };
            let (output, number) = (self.index, write.number);
            let token = Purpose::Write { output, number }.token();
            io.write(file, write.position, buffer, 0..write.bytes, token);
        }
    }

    /// Takes the next buffer for the thread of a stream: one at a time, in order.
    pub(super) fn take_for_stream(&mut self) -> Option<(Buffer, usize)> {
        let is_busy = |write: &Write| matches!(write.state, WriteState::Submitted);
        if self.writes.iter().any(is_busy) {
            return None;
        }
        let waits = |write: &&mut Write| matches!(write.state, WriteState::Waiting(_));
        let write = self.writes.iter_mut().find(waits)?;
        let state = std::mem::replace(&mut write.state, WriteState::Submitted);
        let WriteState::Waiting(buffer) = state else {
            unreachable!("it was just looked at");
        };
        Some((buffer, write.bytes))
    }

    /// The write that the stream's thread had is done.
    pub(super) fn handle_streamed(&mut self) {
        let busy = |write: &&mut Write| matches!(write.state, WriteState::Submitted);
        let write = self.writes.iter_mut().find(busy);
        write.expect("one was handed out").state = WriteState::Done;
    }

    /// A write is done.
    pub(super) fn handle_written(&mut self, number: u32) {
        self.find(number).state = WriteState::Done;
    }

    /// A write found the disk full: how much of it is there is unknown, so all of it goes again.
    pub(super) fn handle_full(&mut self, now: Instant, number: u32, buffer: Buffer) {
        self.find(number).state = WriteState::Full(buffer, now + FULL_RETRY);
    }

    fn find(&mut self, number: u32) -> &mut Write {
        let found = self.writes.iter_mut().find(|write| write.number == number);
        found.expect("a write completes once")
    }

    /// When a write that found the disk full is tried again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let full = self.writes.iter().filter_map(|write| match &write.state {
            WriteState::Full(_, at) => Some(*at),
            _ => None,
        });
        full.min()
    }

    pub(super) fn is_full(&self) -> bool {
        self.poll_timeout().is_some()
    }

    /// Notes what is written up to the first write that is not done.
    pub(super) fn store(&mut self) -> Stored {
        let mut stored = Stored::default();
        let mut has_moved = false;
        while self
            .writes
            .front()
            .is_some_and(|write| matches!(write.state, WriteState::Done))
        {
            let write = self.writes.pop_front().expect("it was just seen");
            stored.bytes += write.bytes as u64;
            if write.noted.positions.is_empty() {
                continue; // It ends within a record that began in it or before.
            }
            has_moved = true;
            let Noted {
                bytes,
                records,
                ambiguous,
                positions,
            } = write.noted;
            stored.records += records;
            stored.ambiguous += ambiguous;
            self.slot.length = write.position + bytes as u64;
            self.slot.tail_crc = write.tail_crc;
            self.slot.tail_bytes = write.tail_bytes;
            self.slot.records += records;
            self.slot.ambiguous += ambiguous;
            for (partition, Position { offset, epoch }) in positions {
                self.slot.positions[partition] = OutputPosition { offset, epoch };
            }
        }
        if has_moved && let Some(writer) = &mut self.writer {
            writer.put_output(&self.slot);
        }
        stored
    }

    /// What the slot says, and where it is stored.
    pub(super) fn into_slot(self) -> (OutputSlot, Option<SlotWriter>) {
        (self.slot, self.writer)
    }
}

/// Appends to the last bytes of a file, and keeps no more of them than a slot's tail has.
fn extend_tail(tail: &mut Vec<u8>, bytes: &[u8]) {
    let kept = TAIL_BYTES.saturating_sub(bytes.len()).min(tail.len());
    tail.drain(..tail.len() - kept);
    tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
}
