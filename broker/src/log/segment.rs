//! A run of a partition's log: whole batches, one behind the other, and an index of some of them.
//!
//! The index is in memory only and made by walking headers, at start and with every append: an
//! entry each [`INDEX_INTERVAL_BYTES`], so that a search reads a few headers and a log of small
//! batches costs little memory.

use std::io;

use protocol::records::DecodeError;
use protocol::records::header::{BatchHeader, HEADER_BYTES};

use super::Place;
use super::body::Body;

/// `log.index.interval.bytes`
const INDEX_INTERVAL_BYTES: u64 = 4096;

/// A batch in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchAt {
    /// Its first byte in the segment.
    pub(crate) position: u64,
    pub(crate) header: BatchHeader,
}

impl BatchAt {
    pub(crate) fn bytes(&self) -> u64 {
        self.header.batch_bytes() as u64
    }

    pub(crate) fn end(&self) -> u64 {
        self.position + self.bytes()
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    base_offset: i64,
    position: u64,
    /// The newest timestamp from here to the next entry.
    max_timestamp: i64,
}

/// A run of a log.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The offset of its first record, there or not yet.
    pub(crate) base_offset: i64,
    /// The bytes of its whole batches.
    pub(crate) bytes: u64,
    pub(crate) body: Body,
    /// When it was begun, or found at start.
    pub(crate) created_ms: i64,
    /// When it was last written to.
    pub(crate) modified_ms: i64,
    index: Vec<Entry>,
    /// The newest timestamp of the first batch, −1 if it has none.
    first_timestamp: i64,
    max_timestamp: i64,
}

impl Segment {
    pub(crate) fn new(base_offset: i64, body: Body, now_ms: i64) -> Self {
        Self {
            base_offset,
            bytes: 0,
            body,
            created_ms: now_ms,
            modified_ms: now_ms,
            index: Vec::new(),
            first_timestamp: -1,
            max_timestamp: -1,
        }
    }

    /// Takes down that a batch stands at the end.
    pub(crate) fn note(&mut self, header: &BatchHeader) {
        let is_due = self
            .index
            .last()
            .is_none_or(|entry| self.bytes - entry.position >= INDEX_INTERVAL_BYTES);
        let max_timestamp = header.max_timestamp;
        if self.bytes == 0 {
            self.first_timestamp = max_timestamp;
        }
        if is_due {
            let base_offset = header.base_offset;
            self.index.push(Entry {
                base_offset,
                position: self.bytes,
                max_timestamp,
            });
        } else if let Some(entry) = self.index.last_mut() {
            entry.max_timestamp = entry.max_timestamp.max(max_timestamp);
        }
        self.max_timestamp = self.max_timestamp.max(max_timestamp);
        self.bytes += header.batch_bytes() as u64;
    }

    /// Makes what was written behind the noted batches survive a power loss.
    pub(crate) fn sync(&self, place: &Place) -> io::Result<()> {
        self.body.sync()?;
        // The first write to a segment is the one that needs its name.
        if self.bytes == 0 {
            place.sync()
        } else {
            Ok(())
        }
    }

    /// The newest timestamp of its first batch.
    pub(crate) fn first_timestamp(&self) -> Option<i64> {
        (self.first_timestamp >= 0).then_some(self.first_timestamp)
    }

    /// What its age is counted from: its newest record, or where records have no time its last
    /// write.
    pub(crate) fn newest_ms(&self) -> i64 {
        if self.max_timestamp >= 0 {
            self.max_timestamp
        } else {
            self.modified_ms
        }
    }

    /// The newest timestamp in the segment, −1 if it has none.
    pub(crate) fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// The batch that holds `offset`.
    pub(crate) fn find_offset(&self, offset: i64) -> io::Result<Option<BatchAt>> {
        let after = self
            .index
            .partition_point(|entry| entry.base_offset <= offset);
        let Some(entry) = after.checked_sub(1).and_then(|at| self.index.get(at)) else {
            return Ok(None);
        };
        self.first_from(entry.position, |header| header.last_offset() >= offset)
    }

    /// The first batch that reaches up to `offset` and is as new as `timestamp`.
    pub(crate) fn find_timestamp(
        &self,
        timestamp: i64,
        offset: i64,
    ) -> io::Result<Option<BatchAt>> {
        let is_wanted = |header: &BatchHeader| {
            header.max_timestamp >= timestamp && header.last_offset() >= offset
        };
        // The last entry up to the offset may hold its batch.
        let after = self
            .index
            .partition_point(|entry| entry.base_offset <= offset);
        let entries = &self.index[after.saturating_sub(1)..];
        match entries
            .iter()
            .find(|entry| entry.max_timestamp >= timestamp)
        {
            None => Ok(None),
            Some(entry) => self.first_from(entry.position, is_wanted),
        }
    }

    fn first_from(
        &self,
        position: u64,
        is_wanted: impl Fn(&BatchHeader) -> bool,
    ) -> io::Result<Option<BatchAt>> {
        let mut headers = Headers::new(self.body.clone(), position, self.bytes);
        loop {
            match headers.next_batch()? {
                Next::Batch(batch) if is_wanted(&batch.header) => return Ok(Some(batch)),
                Next::Batch(_) => {}
                Next::End => return Ok(None),
                Next::Bad { position, reason } => {
                    let message = format!("the log is damaged at byte {position}: {reason}");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
        }
    }
}

/// What stands at a place in a segment.
#[derive(Debug)]
pub(crate) enum Next {
    /// A batch that lies whole within the segment, as far as its header says.
    Batch(BatchAt),
    /// Nothing: here the segment ends.
    End,
    /// No batch, or not the whole of one.
    Bad { position: u64, reason: BadBatch },
}

/// Why bytes of a log are no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBatch {
    #[error("{0}")]
    Header(DecodeError),
    #[error("the batch's last {missing} bytes are missing")]
    Torn { missing: u64 },
    #[error("the offset is {found}, {expected} is next")]
    Offset { expected: i64, found: i64 },
    #[error("the leader epoch is {found}, it must lie between {oldest} and {newest}")]
    Epoch {
        oldest: i32,
        newest: i32,
        found: i32,
    },
    #[error("the CRC is wrong")]
    Crc,
}

/// Small batches lie many to a window; the header of a large one costs one read of this.
const WINDOW_BYTES: usize = 4096;

/// Walks the headers of a segment, a window at a time.
#[derive(Debug)]
pub(crate) struct Headers {
    body: Body,
    position: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl Headers {
    /// From a batch at `position` to the segment's end.
    pub(crate) fn new(body: Body, position: u64, end: u64) -> Self {
        Self {
            body,
            position,
            end,
            window: Vec::new(),
            window_at: position,
        }
    }

    pub(crate) fn next_batch(&mut self) -> io::Result<Next> {
        let position = self.position;
        let left = self.end - position;
        if left == 0 {
            return Ok(Next::End);
        }
        let bytes = self.window_from(position, HEADER_BYTES)?;
        let bad = |reason| Ok(Next::Bad { position, reason });
        let header = match BatchHeader::read(bytes) {
            Ok(header) => header,
            Err(error) => return bad(BadBatch::Header(error)),
        };
        let batch = BatchAt { position, header };
        if batch.bytes() > left {
            return bad(BadBatch::Torn {
                missing: batch.bytes() - left,
            });
        }
        self.position = batch.end();
        Ok(Next::Batch(batch))
    }

    /// Up to `wanted` bytes at `position`, fewer where the segment ends.
    fn window_from(&mut self, position: u64, wanted: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.end - position).unwrap_or(usize::MAX);
        let wanted = wanted.min(left);
        let held = position >= self.window_at
            && position + wanted as u64 <= self.window_at + self.window.len() as u64;
        if !held {
            self.window.resize(WINDOW_BYTES.min(left), 0);
            self.body.read_exact_at(position, &mut self.window)?;
            self.window_at = position;
        }
        let begin = (position - self.window_at) as usize;
        Ok(&self.window[begin..begin + wanted])
    }
}
