//! The values of a batch's records, copied out one behind the other with a delimiter behind each:
//! what a dump writes unless it is told to write more.
//!
//! ```
//! use protocol::records::builder::{BatchBuilder, Identity, Record};
//! use protocol::records::reader::Batch;
//! use protocol::records::unframe::{Split, Stop, Unframer, Walk};
//!
//! let mut buffer = [0; 200];
//! let mut builder = BatchBuilder::new(&mut buffer, 5);
//! for value in [Some(&b"one"[..]), None, Some(b"three")] {
//!     let record = Record { timestamp: 5, key: None, value, headers: &[] };
//!     builder.write_record(&record)?;
//! }
//! let (bytes, _) = builder.finish(Identity::NONE);
//! let batch = Batch::read(&buffer[..bytes])?;
//! batch.check_crc()?;
//!
//! let unframer = Unframer::new(b"\n", b"NULL");
//! let mut walk = Walk::new(&batch.records()?);
//! let mut out = [0; 10];
//! let done = unframer.values(batch.section(), &mut walk, &mut out, Split::Never)?;
//! assert_eq!((done.stop, &out[..done.written]), (Stop::Full, &b"one\nNULL\n"[..]));
//! let done = unframer.values(batch.section(), &mut walk, &mut out, Split::Never)?;
//! assert_eq!((done.stop, &out[..done.written]), (Stop::End, &b"three\n"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants: the same records are accepted, and the same refused with the same error, as by
//! [`reader`](super::reader), which is what reads a record that the
//! [kernel](super::kernel) leaves alone; output is written only within its slice (behind what
//! counts as written it may hold anything); nothing is allocated, and nothing is copied twice.

use memchr::memmem::Finder;

use super::DecodeError;
use super::header::{BatchHeader, TimestampType};
use super::kernel::Level;
use super::kernel::unframe::{self, DELIMITER_BYTES_MAX, Job, Progress};
use super::reader::{Place, Records};

/// Timestamps that no delta of the kernel's brings to an end of their range.
const TIMESTAMP_USUAL: u64 = 1 << 62;

/// Copies values out.
#[derive(Debug, Clone)]
pub struct Unframer {
    finder: Finder<'static>,
    null: Box<[u8]>,
    level: Level,
}

/// Whether a record's text may be cut where the output ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// No: what does not fit waits for another output.
    Never,
    /// Only the first one's, which would not fit even if the output held nothing else: for outputs
    /// that are as large as they get.
    First,
}

/// What was copied out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unframed {
    /// The bytes of output that hold text.
    pub written: usize,
    /// How many of them belong to records that are out whole, the end of one that was split before
    /// among them.
    pub whole: usize,
    /// The records that were finished.
    pub records: u32,
    /// The records before the first offset that is wanted.
    pub skipped: u32,
    /// How many of the finished records' values hold the delimiter.
    pub holding_delimiter: u32,
    /// Why there is no more.
    pub stop: Stop,
}

/// Why copying stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// That was the batch's last record.
    End,
    /// The next record lies at or behind the offset to stop at.
    Until,
    /// What comes next does not fit into what is left of the output.
    Full,
}

/// Where in a batch's records the copying is. It holds no bytes, so that their buffer can be put
/// aside while there is no room.
#[derive(Debug, Clone)]
pub struct Walk {
    place: Place,
    /// The bytes of the next record's text that are out already.
    split_at: usize,
    from: i64,
    until: i64,
    is_usual: bool,
}

impl Walk {
    /// From where `records` is. The records of a control batch are no text: who walks looks first.
    pub fn new(records: &Records<'_>) -> Self {
        let place = records.place();
        Self {
            place,
            split_at: 0,
            from: i64::MIN,
            until: i64::MAX,
            is_usual: has_usual_numbers(&place.header),
        }
    }

    /// Passes over records with lower offsets: a fetch may begin in the middle of a batch.
    #[must_use]
    pub fn from_offset(self, from: i64) -> Self {
        Self { from, ..self }
    }

    /// Stops at the first record whose offset is not lower.
    #[must_use]
    pub fn until_offset(self, until: i64) -> Self {
        Self { until, ..self }
    }

    /// The least offset that the record behind those that are out whole (or passed over) can have.
    /// When the [end](Stop::End) is reached, the batch's last offset says more: compaction may have
    /// taken the records before it.
    pub fn next_offset(&self) -> i64 {
        let base = self.place.header.base_offset;
        base.saturating_add(self.place.delta_least)
    }

    /// Where the next record that is not out whole begins in the batch's section.
    pub fn position(&self) -> usize {
        self.place.position
    }

    /// Whether the text that was last copied out ends inside a record.
    pub fn is_split(&self) -> bool {
        self.split_at > 0
    }

    /// The offset deltas that are wanted and may come, if there can be any.
    fn deltas(&self) -> Option<(u32, u32)> {
        let base = self.place.header.base_offset;
        let from = self.from.saturating_sub(base).max(self.place.delta_least);
        let until = self.until.saturating_sub(base);
        let last = i64::from(self.place.header.last_offset_delta).min(until.saturating_sub(1));
        let (first, last) = (u32::try_from(from).ok()?, u32::try_from(last).ok()?);
        (first <= last).then_some((first, last))
    }
}

/// Whether no record that the kernel takes can have an offset or timestamp out of its range.
fn has_usual_numbers(header: &BatchHeader) -> bool {
    let stamped = header.attributes.timestamp_type() == TimestampType::LogAppend;
    let timestamp = header.base_timestamp.unsigned_abs();
    header.last_offset() < i64::MAX && (stamped || timestamp < TIMESTAMP_USUAL)
}

impl Unframer {
    /// Values with `delimiter` behind each, as fast as this processor allows; `null` stands for a
    /// value that is missing.
    pub fn new(delimiter: &[u8], null: &[u8]) -> Self {
        Self::with_level(delimiter, null, Level::detect())
    }

    /// The same, at a given level.
    ///
    /// # Panics
    ///
    /// If this processor cannot do that.
    pub fn with_level(delimiter: &[u8], null: &[u8], level: Level) -> Self {
        assert!(level.is_available(), "this processor has no {level:?}");
        Self {
            finder: Finder::new(delimiter).into_owned(),
            null: null.into(),
            level,
        }
    }

    /// Copies out the values of `section`, which is the one that `walk` was made for, from where
    /// `walk` is on, and moves `walk` on behind what is out whole. Text that was split goes on at
    /// the start of `out`.
    ///
    /// # Errors
    ///
    /// A record that is none. What lies before it comes out first, as if the output were full.
    ///
    /// # Panics
    ///
    /// If `walk` is further on than `section` reaches.
    pub fn values(
        &self,
        section: &[u8],
        walk: &mut Walk,
        out: &mut [u8],
        split: Split,
    ) -> Result<Unframed, DecodeError> {
        assert!(
            walk.place.position <= section.len(),
            "a walk goes on through the section that it began in"
        );
        let mut done = Unframed {
            written: 0,
            whole: 0,
            records: 0,
            skipped: 0,
            holding_delimiter: 0,
            stop: Stop::Full,
        };
        loop {
            if walk.split_at == 0 && walk.is_usual {
                self.values_as_usual(section, walk, out, &mut done);
            }
            match self.value(section, walk, out, split, &mut done) {
                Ok(None) => {}
                Ok(Some(stop)) => return Ok(Unframed { stop, ..done }),
                Err(_) if done.records > 0 || done.skipped > 0 => return Ok(done),
                Err(error) => return Err(error),
            }
        }
    }

    /// As far as the kernel gets.
    fn values_as_usual(
        &self,
        section: &[u8],
        walk: &mut Walk,
        out: &mut [u8],
        done: &mut Unframed,
    ) {
        let delimiter = self.finder.needle();
        let Some((least, last)) = walk.deltas() else {
            return;
        };
        if delimiter.len() > DELIMITER_BYTES_MAX {
            return;
        }
        let place = &mut walk.place;
        let job = Job {
            section,
            delimiter,
            finder: &self.finder,
            records_max: u32::try_from(place.left).unwrap_or(u32::MAX),
            last,
        };
        let mut progress = Progress {
            read: place.position,
            written: done.written,
            records: 0,
            least,
            holding: 0,
        };
        unframe::values(self.level, &job, out, &mut progress);
        if progress.records == 0 {
            return;
        }
        place.position = progress.read;
        place.left -= progress.records as usize;
        place.delta_least = i64::from(progress.least);
        done.written = progress.written;
        done.whole = progress.written;
        done.records += progress.records;
        done.holding_delimiter += progress.holding;
    }

    /// One record, or the reason to stop.
    fn value(
        &self,
        section: &[u8],
        walk: &mut Walk,
        out: &mut [u8],
        split: Split,
        done: &mut Unframed,
    ) -> Result<Option<Stop>, DecodeError> {
        let mut records = walk.place.records(section);
        let Some(record) = records.next().transpose()? else {
            return Ok(Some(Stop::End));
        };
        if record.offset >= walk.until {
            return Ok(Some(Stop::Until));
        }
        if record.offset < walk.from {
            walk.place = records.place();
            done.skipped += 1;
            return Ok(None);
        }
        let delimiter = self.finder.needle();
        let text = record.value.unwrap_or(&self.null);
        let needed = text.len() + delimiter.len() - walk.split_at;
        let room = &mut out[done.written..];
        let may_split = walk.split_at > 0 || (split == Split::First && done.written == 0);
        if needed > room.len() && !may_split {
            return Ok(Some(Stop::Full));
        }
        let mut copied = put(room, text.get(walk.split_at..).unwrap_or_default());
        let behind_text = (walk.split_at + copied).saturating_sub(text.len());
        if walk.split_at + copied >= text.len() {
            copied += put(&mut room[copied..], &delimiter[behind_text..]);
        }
        done.written += copied;
        if copied < needed {
            walk.split_at += copied;
            return Ok(Some(Stop::Full));
        }
        walk.split_at = 0;
        walk.place = records.place();
        done.whole = done.written;
        done.records += 1;
        let holds = |value| !delimiter.is_empty() && self.finder.find(value).is_some();
        done.holding_delimiter += u32::from(record.value.is_some_and(holds));
        Ok(None)
    }
}

/// Copies as much of `text` as there is room for, and returns how much that is.
fn put(room: &mut [u8], text: &[u8]) -> usize {
    let bytes = text.len().min(room.len());
    room[..bytes].copy_from_slice(&text[..bytes]);
    bytes
}

#[cfg(test)]
mod tests;
