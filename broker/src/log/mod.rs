//! A partition's log: batches in segments, and what is known of the producers that wrote them.
//!
//! ```text
//! DATA/topic-3/00000000000000000000.log    batches as produced, with offset, leader epoch and
//!              00000000000001048576.log    (where the topic says so) append time by the broker
//! ```
//!
//! Invariants: offsets have no gaps, from segment to segment too; a batch is written whole before
//! it is acknowledged, so that a killed process has lost nothing that it acknowledged; bytes behind
//! a segment's last whole batch are from a write that nobody was told of, and are written over or,
//! at the next start, cut off.

pub(crate) mod body;
mod recovery;
pub(crate) mod segment;
mod timestamps;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use protocol::error_code::ErrorCode;

use crate::batch::{self, CheckedBatch, Refusal};
use crate::sequence::{Appended, ProducerSummary, Producers, Verdict};
use body::Body;
use segment::Segment;

pub(crate) use recovery::RecoveryOptions;
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

/// What an append needs besides the batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AppendOptions {
    pub(crate) leader_epoch: i32,
    /// The time to write into the batch, where the topic asks for it.
    pub(crate) append_time_ms: Option<i64>,
    pub(crate) segment_bytes: u64,
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
    next_offset: i64,
    producers: Producers,
    /// No longer to be used: its topic is gone, or a sync failed and the kernel may have dropped
    /// what was written.
    closed: Option<ErrorCode>,
}

impl PartitionLog {
    /// An empty log in memory.
    pub(crate) fn in_memory() -> Self {
        Self::with_segments(Place::Memory, vec![Segment::new(0, Body::memory())])
    }

    fn with_segments(place: Place, segments: Vec<Segment>) -> Self {
        Self {
            place,
            segments,
            next_offset: 0,
            producers: Producers::default(),
            closed: None,
        }
    }

    /// The first offset that is there.
    pub(crate) fn start_offset(&self) -> i64 {
        self.segments
            .first()
            .map_or(0, |segment| segment.base_offset)
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
        if bytes > options.segment_bytes {
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
        let (header, head) = batch::header_for_log(
            batch,
            self.next_offset,
            options.leader_epoch,
            options.append_time_ms,
        );
        let active = self.segments.last().expect("a log has a segment");
        let bytes = batch.bytes.len() as u64;
        let segment_bytes = match self.place {
            Place::Folder(_) => options.segment_bytes,
            Place::Memory => options.segment_bytes.min(MEMORY_SEGMENT_BYTES),
        };
        if active.bytes > 0 && active.bytes + bytes > segment_bytes {
            let body = self.place.body(self.next_offset)?;
            self.segments.push(Segment::new(self.next_offset, body));
        }
        let active = self.segments.last_mut().expect("a log has a segment");
        active
            .body
            .append(active.bytes, [&head, &batch.bytes[head.len()..]])?;
        if options.sync
            && let Err(error) = active.sync(&self.place)
        {
            // A second sync would say that all is well although what was written is gone.
            self.closed = Some(ErrorCode::KAFKA_STORAGE_ERROR);
            return Err(error);
        }
        active.note(&header);
        self.next_offset = header.last_offset() + 1;
        Ok(Appended {
            base_offset: header.base_offset,
            timestamp: header.max_timestamp,
        })
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
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.segments
            .last()
            .map_or(Ok(()), |segment| segment.body.sync())
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
