//! What is removed from a log: by size, by age, by request, and for tests from its end.
//!
//! Whole segments go, the oldest first, by Apache's rules: as long as what stays has at least
//! `retention.bytes`, and if the newest record is older than `retention.ms`. The active segment may
//! go too; then an empty one takes its place. By request (DeleteRecords) the log begins at any
//! offset, and segments that lie before it go.
//!
//! Invariant: the new start is on disk before the first file is removed.

use std::io;

use protocol::error_code::ErrorCode;

use super::segment::{Headers, Next, Segment};
use super::start::{self, LogStart};
use super::{LogRules, PartitionLog, Place, segment_path};
use crate::batch;
use crate::sequence::Appended;

/// DeleteRecords up to the high watermark.
const HIGH_WATERMARK: i64 = -1;

/// Why records cannot be deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeleteError {
    #[error("the offset {offset} lies behind the log's end {end}")]
    OutOfRange { offset: i64, end: i64 },
    #[error("the topic's cleanup.policy does not let records be deleted")]
    Policy,
    #[error("the log is closed")]
    Closed(ErrorCode),
    #[error("cannot store the log's start: {0}")]
    Storage(#[from] io::Error),
}

impl DeleteError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
            Self::Policy => ErrorCode::POLICY_VIOLATION,
            Self::Closed(code) => *code,
            Self::Storage(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

impl PartitionLog {
    /// Removes segments that are too old or too many. Says whether any went.
    pub(crate) fn retain(&mut self, rules: LogRules, now_ms: i64) -> bool {
        if !rules.deletes || self.closed.is_some() {
            return false;
        }
        let by_time = rules.retention_ms.map_or(0, |retention_ms| {
            let is_old = |segment: &Segment| {
                segment.bytes > 0 && now_ms.saturating_sub(segment.newest_ms()) > retention_ms
            };
            count_while(&self.segments, is_old)
        });
        let bytes: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        let by_size = rules.retention_bytes.map_or(0, |retention_bytes| {
            let mut too_many = bytes.saturating_sub(retention_bytes);
            let is_spare = |segment: &Segment| {
                let fits = segment.bytes > 0 && segment.bytes <= too_many;
                too_many -= if fits { segment.bytes } else { 0 };
                fits
            };
            count_while(&self.segments, is_spare)
        });
        let count = by_time.max(by_size);
        if count == 0 {
            return false;
        }
        if let Err(error) = self.remove_first(count, now_ms) {
            tracing::error!(place = ?self.place, %error, "cannot remove old segments");
            return false;
        }
        true
    }

    fn remove_first(&mut self, count: usize, now_ms: i64) -> io::Result<()> {
        if count == self.segments.len() {
            self.roll(now_ms)?;
        }
        let offset = self.segments[count].base_offset.max(self.start_offset);
        // Producers whose batches go stay known, as Apache's are by its snapshots.
        let producers = self.producers.last_batches();
        self.move_start(LogStart { offset, producers })
    }

    /// Lets the log begin at `offset`; −1 is its end. Returns where it begins now.
    pub(crate) fn delete_records(
        &mut self,
        offset: i64,
        rules: LogRules,
    ) -> Result<i64, DeleteError> {
        if let Some(code) = self.closed {
            return Err(DeleteError::Closed(code));
        }
        if !rules.deletes {
            return Err(DeleteError::Policy);
        }
        let end = self.next_offset;
        let before = if offset == HIGH_WATERMARK {
            end
        } else {
            offset
        };
        if !(0..=end).contains(&before) {
            return Err(DeleteError::OutOfRange { offset, end });
        }
        if before > self.start_offset {
            // Who wrote only what is deleted is forgotten at the next start: measured so.
            self.move_start(LogStart {
                offset: before,
                producers: Vec::new(),
            })?;
        }
        Ok(self.start_offset)
    }

    /// The log begins there from now on, and what lies before it goes.
    fn move_start(&mut self, start: LogStart) -> io::Result<()> {
        if let Place::Folder(folder) = &self.place {
            start::write(folder, &start)?;
        }
        self.start_offset = start.offset;
        self.carried = start.producers;
        self.epochs.truncate_start(start.offset);
        let after = self
            .segments
            .partition_point(|segment| segment.base_offset <= start.offset);
        let gone: Vec<_> = self.segments.drain(..after.saturating_sub(1)).collect();
        for segment in gone {
            // What stays there is removed by the next start.
            if let Err(error) = self.place.remove_segment(segment.base_offset) {
                tracing::warn!(place = ?self.place, %error, "cannot remove a segment");
            }
        }
        Ok(())
    }

    /// Cuts the log's end off, from the batch that holds `offset` on: what an election of a replica
    /// that was behind does to a log. For tests.
    pub(crate) fn truncate(&mut self, offset: i64, now_ms: i64) -> io::Result<()> {
        let offset = offset.max(self.start_offset);
        while self.segments.len() > 1
            && let Some(last) = self.segments.pop_if(|last| last.base_offset >= offset)
        {
            self.place.remove_segment(last.base_offset)?;
        }
        let last = self.segments.pop().expect("a log has a segment");
        let position = match last.find_offset(offset)? {
            Some(batch) => batch.position,
            None => last.bytes,
        };
        last.body.truncate(position)?;
        self.is_dirty = true;
        let mut cut = Segment::new(last.base_offset, last.body, last.created_ms);
        cut.modified_ms = now_ms;
        self.segments.push(cut);
        self.note_all_again()
    }

    /// Learns end, last segment and producers from the headers that are there.
    fn note_all_again(&mut self) -> io::Result<()> {
        self.producers.forget();
        for (identity, appended) in &self.carried {
            self.producers.note_recovered(identity, *appended);
        }
        let last_at = self.segments.len() - 1;
        for (at, segment) in self.segments.iter_mut().enumerate() {
            let mut headers = Headers::new(segment.body.clone(), 0, segment.body.bytes()?);
            self.next_offset = segment.base_offset;
            while let Next::Batch(batch) = headers.next_batch()? {
                if at == last_at {
                    segment.note(&batch.header);
                }
                self.next_offset = batch.header.last_offset() + 1;
                if let Some(identity) = batch::identity(&batch.header) {
                    let (base_offset, timestamp) =
                        (batch.header.base_offset, batch.header.max_timestamp);
                    let appended = Appended {
                        base_offset,
                        timestamp,
                    };
                    self.producers.note_recovered(&identity, appended);
                }
            }
        }
        self.next_offset = self.next_offset.max(self.start_offset);
        self.epochs.truncate_end(self.next_offset);
        Ok(())
    }
}

impl Place {
    pub(super) fn remove_segment(&self, base_offset: i64) -> io::Result<()> {
        match self {
            Self::Folder(folder) => std::fs::remove_file(segment_path(folder, base_offset)),
            Self::Memory => Ok(()),
        }
    }
}

fn count_while(segments: &[Segment], is_wanted: impl FnMut(&Segment) -> bool) -> usize {
    let mut is_wanted = is_wanted;
    segments
        .iter()
        .take_while(|segment| is_wanted(segment))
        .count()
}
