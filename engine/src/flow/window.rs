//! A stretch of the input in one buffer, read piece by piece.
//!
//! ```text
//! begin          start                          end          capacity
//!   │ byte before │ bytes of one file, then maybe of the next │
//! ```
//! Positions are places in the input; the window translates them. It never spans more than its
//! buffer, and it knows where files end, for a file's end ends a record.

use std::ops::Range;

use crate::input::{Input, Segment};
use crate::memory::Buffer;

/// A read that a window wants: `range` of its buffer from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedRead {
    pub(crate) file: usize,
    pub(crate) file_offset: u64,
    pub(crate) range: Range<usize>,
}

/// The file was shorter than when the job began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truncated {
    pub(crate) file: usize,
    pub(crate) file_offset: u64,
}

#[derive(Debug)]
pub(crate) struct Window {
    /// Position of the buffer's first byte.
    begin: u64,
    /// Behind the last byte that was read.
    filled: u64,
    /// Behind the last byte that is wanted.
    end: u64,
    /// In the kernel's hands while a read is under way.
    buffer: Option<Buffer>,
    capacity: u64,
}

impl Window {
    /// A window over `range`, which must fit into the buffer.
    pub(crate) fn new(buffer: Buffer, range: Range<u64>) -> Self {
        let capacity = buffer.len() as u64;
        assert!(
            range.end - range.start <= capacity,
            "a window fits into its buffer"
        );
        Self {
            begin: range.start,
            filled: range.start,
            end: range.end,
            buffer: Some(buffer),
            capacity,
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.filled >= self.end
    }

    pub(crate) fn begin(&self) -> u64 {
        self.begin
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The next read and the buffer for it; `None` when the window is complete.
    pub(crate) fn take_read(&mut self, input: &Input) -> Option<(WantedRead, Buffer)> {
        let Segment {
            file,
            file_offset,
            bytes,
            ..
        } = input.segment(self.filled, self.end)?;
        let start = self.index(self.filled);
        let range = start..start + usize::try_from(bytes).expect("it fits into the buffer");
        let buffer = self.buffer.take().expect("one read at a time");
        Some((
            WantedRead {
                file,
                file_offset,
                range,
            },
            buffer,
        ))
    }

    /// The read gave `bytes` and the buffer back. No bytes before the file's noted end: it shrank.
    pub(crate) fn handle_read(
        &mut self,
        input: &Input,
        buffer: Buffer,
        bytes: usize,
    ) -> Result<(), Truncated> {
        self.buffer = Some(buffer);
        if bytes == 0 {
            let (file, file_offset) = input.locate(self.filled);
            return Err(Truncated { file, file_offset });
        }
        self.filled += bytes as u64;
        assert!(
            self.filled <= self.end,
            "a read gives no more than was asked for"
        );
        Ok(())
    }

    /// The read failed: only its buffer comes back.
    pub(crate) fn put_back(&mut self, buffer: Buffer) {
        self.buffer = Some(buffer);
    }

    /// Bytes `range` of the input.
    pub(crate) fn bytes(&self, range: Range<u64>) -> &[u8] {
        let buffer = self.buffer.as_ref().expect("no read is under way");
        assert!(
            range.start >= self.begin && range.end <= self.filled,
            "the window holds the range"
        );
        &buffer[self.index(range.start)..self.index(range.end)]
    }

    /// Drops what lies before `from` and asks for what follows, up to `end`.
    pub(crate) fn advance(&mut self, from: u64, end: u64) {
        let keep = self.index(from)..self.index(self.filled);
        let buffer = self.buffer.as_mut().expect("no read is under way");
        buffer.copy_within(keep, 0);
        self.begin = from;
        self.end = end.min(from + self.capacity).max(self.filled);
    }

    pub(crate) fn into_buffer(self) -> Buffer {
        self.buffer.expect("no read is under way")
    }

    fn index(&self, position: u64) -> usize {
        usize::try_from(position - self.begin).expect("a window is smaller than memory")
    }
}
