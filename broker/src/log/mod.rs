//! A partition's log: batches in segments, and what is known of the producers that wrote them.
//!
//! ```text
//! DATA/topic-3/00000000000000000000.log    batches as produced, with offset, leader epoch and
//!              00000000000001048576.log    (where the topic says so) append time by the broker
//!              log-start                   where the log begins, once something was removed
//! ```
//!
//! Invariants: offsets have no gaps, from segment to segment too; a batch is written whole before
//! it is acknowledged, so that a killed process has lost nothing that it acknowledged; bytes behind
//! a segment's last whole batch are from a write that nobody was told of, and are written over or,
//! at the next start, cut off. A segment is synced before the next one is begun, so that after a
//! power loss too only the last one can be torn. Neither end of the log ever goes back, but for
//! [`PartitionLog::truncate`], which is asked for by tests.

pub(crate) mod body;
mod epochs;
mod recovery;
mod retention;
pub(crate) mod segment;
mod start;
mod timestamps;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use protocol::error_code::ErrorCode;

use crate::batch::{self, CheckedBatch, Refusal};
use crate::sequence::{Appended, ProducerSummary, Producers, Verdict};
use body::Body;
use epochs::Epochs;
use segment::Segment;
use start::LastBatch;

pub(crate) use epochs::EpochEnd;
pub(crate) use recovery::RecoveryOptions;
pub(crate) use start::FILE_NAME as LOG_START_FILE;
pub(crate) use timestamps::OffsetAndTimestamp;

/// Segments in memory are rolled at this size at the latest: a vector that grows is copied.
const MEMORY_SEGMENT_BYTES: u64 = 64 << 20;

/// Where a log keeps its segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// As files in this folder.
    Folder(PathBuf),
    Memory,
}

/// What a topic says of its segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogRules {
    /// `segment.bytes`
    pub(crate) segment_bytes: u64,
    /// `segment.ms`
    pub(crate) segment_ms: i64,
    /// `retention.bytes`; none for all there is.
    pub(crate) retention_bytes: Option<u64>,
    /// `retention.ms`; none for ever.
    pub(crate) retention_ms: Option<i64>,
    /// Whether `cleanup.policy` has `delete`.
    pub(crate) deletes: bool,
}

/// What an append needs besides the batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AppendOptions {
    pub(crate) now_ms: i64,
    /// The time of the append goes into the batch.
    pub(crate) is_log_append: bool,
    pub(crate) rules: LogRules,
    pub(crate) sync: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AppendResult {
    pub(crate) appended: Appended,
    /// It was there already.
    pub(crate) is_duplicate: bool,
}

/// Part of a log, to be read without its lock.
#[derive(Debug)]
pub(crate) struct Slice {
    body: Body,
    position: u64,
    /// Whole batches, but the last may be cut off.
    pub(crate) bytes: usize,
}

impl Slice {
    /// Appends the bytes to `out`.
    pub(crate) fn read(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let begin = out.len();
        out.resize(begin + self.bytes, 0);
        let read = self.body.read_exact_at(self.position, &mut out[begin..]);
        if read.is_err() {
            out.truncate(begin);
        }
        read
    }
}

/// What a read finds.
#[derive(Debug)]
pub(crate) enum Found {
    Batches(Slice),
    /// The log ends here, or its next batch is larger than asked for.
    Nothing,
    /// The log does not reach there.
    OutOfRange,
}

/// A partition's log.
#[derive(Debug)]
pub(crate) struct PartitionLog {
    place: Place,
    /// By base offset; never empty.
    segments: Vec<Segment>,
    /// Not before the first segment's.
    start_offset: i64,
    next_offset: i64,
    /// What is appended is written under this epoch.
    leader_epoch: i32,
    epochs: Epochs,
    producers: Producers,
    /// What the file of the log's start says of producers.
    carried: Vec<LastBatch>,
    /// Something was written and not synced.
    is_dirty: bool,
    /// No longer to be used: its topic is gone, or a sync failed and the kernel may have dropped
    /// what was written.
    closed: Option<ErrorCode>,
}

impl PartitionLog {
    /// An empty log in memory.
    pub(crate) fn in_memory(options: RecoveryOptions) -> Self {
        let first = Segment::new(0, Body::memory(), options.now_ms);
        let mut log = Self::with_segments(Place::Memory, vec![first]);
        log.lead(options.leader_epoch);
        log
    }

    fn with_segments(place: Place, segments: Vec<Segment>) -> Self {
        Self {
            place,
            segments,
            start_offset: 0,
            next_offset: 0,
            leader_epoch: 0,
            epochs: Epochs::default(),
            producers: Producers::default(),
            carried: Vec::new(),
            is_dirty: false,
            closed: None,
        }
    }

    /// From now on appends are of this epoch.
    pub(crate) fn lead(&mut self, epoch: i32) {
        self.leader_epoch = epoch;
        self.epochs.assign(epoch, self.next_offset);
    }

    /// The epoch of what is appended now.
    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// Which epoch wrote the record at this offset.
    pub(crate) fn epoch_of(&self, offset: i64) -> Option<i32> {
        self.epochs.of_offset(offset)
    }

    /// Where an epoch ended, or the largest one before it.
    pub(crate) fn end_of_epoch(&self, epoch: i32) -> Option<EpochEnd> {
        self.epochs.end_of(epoch, self.next_offset)
    }

    /// The first offset that is there.
    pub(crate) fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset that the next record gets.
    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Why the log cannot be used, if it cannot.
    pub(crate) fn closed(&self) -> Option<ErrorCode> {
        self.closed
    }

    /// From now on everything is refused with `code`.
    pub(crate) fn close(&mut self, code: ErrorCode) {
        self.closed = Some(code);
    }

    /// Appends the batch, or finds that it is there.
    pub(crate) fn append(
        &mut self,
        batch: &CheckedBatch<'_>,
        options: AppendOptions,
    ) -> Result<AppendResult, Refusal> {
        if let Some(code) = self.closed {
            return Err(Refusal::new(code, "the partition's log is closed"));
        }
        let bytes = batch.bytes.len() as u64;
        if bytes > options.rules.segment_bytes {
            let message = format!("a batch of {bytes} bytes is larger than a segment");
            return Err(Refusal::new(ErrorCode::RECORD_LIST_TOO_LARGE, message));
        }
        let identity = batch::identity(&batch.header);
        match identity.map_or(Verdict::Append, |identity| self.producers.judge(&identity)) {
            Verdict::Append => {}
            Verdict::Duplicate(appended) => {
                return Ok(AppendResult {
                    appended,
                    is_duplicate: true,
                });
            }
            Verdict::Refuse(code) => {
                let message = format!("{identity:?} is not what follows");
                return Err(Refusal::new(code, message));
            }
        }
        let appended = self.write(batch, options).map_err(|error| {
            tracing::error!(place = ?self.place, %error, "cannot append");
            Refusal::new(ErrorCode::KAFKA_STORAGE_ERROR, error.to_string())
        })?;
        if let Some(identity) = identity {
            self.producers.note(&identity, appended);
        }
        Ok(AppendResult {
            appended,
            is_duplicate: false,
        })
    }

    fn write(&mut self, batch: &CheckedBatch<'_>, options: AppendOptions) -> io::Result<Appended> {
        let append_time_ms = options.is_log_append.then_some(options.now_ms);
        let (header, head) =
            batch::header_for_log(batch, self.next_offset, self.leader_epoch, append_time_ms);
        if self.must_roll(batch.bytes.len() as u64, header.max_timestamp, options) {
            self.roll(options.now_ms)?;
            self.retain(options.rules, options.now_ms);
        }
        self.is_dirty = true;
        let active = self.segments.last_mut().expect("a log has a segment");
        active
            .body
            .append(active.bytes, [&head, &batch.bytes[head.len()..]])?;
        if options.sync {
            if let Err(error) = active.sync(&self.place) {
                // A second sync would say that all is well although what was written is gone.
                self.closed = Some(ErrorCode::KAFKA_STORAGE_ERROR);
                return Err(error);
            }
            self.is_dirty = false;
        }
        active.note(&header);
        active.modified_ms = options.now_ms;
        self.epochs.assign(self.leader_epoch, header.base_offset);
        self.next_offset = header.last_offset() + 1;
        Ok(Appended {
            base_offset: header.base_offset,
            timestamp: header.max_timestamp,
        })
    }

    /// Whether a batch is for the next segment: by size, or by the time between the first batch of
    /// the segment and this one, as their records tell it.
    fn must_roll(&self, bytes: u64, newest_ms: i64, options: AppendOptions) -> bool {
        let active = self.segments.last().expect("a log has a segment");
        let segment_bytes = match self.place {
            Place::Folder(_) => options.rules.segment_bytes,
            Place::Memory => options.rules.segment_bytes.min(MEMORY_SEGMENT_BYTES),
        };
        let age_ms = match active.first_timestamp() {
            Some(first_ms) => newest_ms.saturating_sub(first_ms),
            None => options.now_ms.saturating_sub(active.created_ms),
        };
        active.bytes > 0
            && (active.bytes + bytes > segment_bytes || age_ms > options.rules.segment_ms)
    }

    /// Begins the next segment.
    fn roll(&mut self, now_ms: i64) -> io::Result<()> {
        if let Err(error) = self.sync() {
            self.closed = Some(ErrorCode::KAFKA_STORAGE_ERROR);
            return Err(error);
        }
        let body = self.place.body(self.next_offset)?;
        let next = Segment::new(self.next_offset, body, now_ms);
        self.segments.push(next);
        Ok(())
    }

    /// Finds up to `bytes_max` bytes of batches, beginning with the one that holds `offset`. If
    /// even that one is larger, it is found whole where `at_least_one` says so.
    pub(crate) fn read(
        &self,
        offset: i64,
        bytes_max: usize,
        at_least_one: bool,
    ) -> io::Result<Found> {
        if offset < self.start_offset() || offset > self.next_offset {
            return Ok(Found::OutOfRange);
        }
        if offset == self.next_offset {
            return Ok(Found::Nothing);
        }
        let segment = self.segment_of(offset);
        let Some(first) = segment.find_offset(offset)? else {
            return Ok(Found::Nothing);
        };
        let first_bytes = usize::try_from(first.bytes()).map_err(io::Error::other)?;
        if first_bytes > bytes_max && !at_least_one {
            return Ok(Found::Nothing);
        }
        let left = usize::try_from(segment.bytes - first.position).map_err(io::Error::other)?;
        Ok(Found::Batches(Slice {
            body: segment.body.clone(),
            position: first.position,
            bytes: left.min(bytes_max.max(first_bytes)),
        }))
    }

    fn segment_of(&self, offset: i64) -> &Segment {
        let after = self
            .segments
            .partition_point(|segment| segment.base_offset <= offset);
        &self.segments[after.saturating_sub(1)]
    }

    /// The producers that are known.
    pub(crate) fn producers(&self) -> Vec<ProducerSummary> {
        self.producers.summaries()
    }

    /// Forgets producers by `producer.id.expiration.ms`.
    pub(crate) fn expire_producers(&mut self, now_ms: i64, expiration_ms: i64) {
        self.producers.expire(now_ms, expiration_ms);
    }

    /// Forgets every producer, as if their time had come.
    pub(crate) fn forget_producers(&mut self) {
        self.producers.forget();
    }

    /// Makes everything survive a power loss.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if !self.is_dirty {
            return Ok(());
        }
        let active = self.segments.last().expect("a log has a segment");
        active.body.sync()?;
        self.place.sync()?;
        self.is_dirty = false;
        Ok(())
    }
}

impl Place {
    /// Makes the names of new segments survive a power loss.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let Self::Folder(folder) = self else {
            return Ok(());
        };
        File::open(folder)?.sync_all()?;
        folder
            .parent()
            .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }

    fn body(&self, base_offset: i64) -> io::Result<Body> {
        match self {
            Self::Folder(folder) => Body::open(&segment_path(folder, base_offset)),
            Self::Memory => Ok(Body::memory()),
        }
    }

    /// Removes what is there, for good. The folder gets another name first, so that a half removed
    /// one cannot be taken for a log.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let Self::Folder(folder) = self else {
            return Ok(());
        };
        let mut doomed = folder.clone().into_os_string();
        doomed.push(DELETED_SUFFIX);
        match fs::rename(folder, &doomed) {
            Ok(()) => fs::remove_dir_all(&doomed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The end of the name of a folder that is being removed.
pub(crate) const DELETED_SUFFIX: &str = "-delete";

fn segment_path(folder: &Path, base_offset: i64) -> PathBuf {
    folder.join(format!("{base_offset:020}.log"))
}

#[cfg(test)]
mod tests;
