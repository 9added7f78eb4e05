//! Record batches read in place: the batches in what a Fetch brought, then the records in a batch.
//!
//! Nothing is copied and nothing allocated. The bytes come from outside, so every length is
//! compared with its parent's before it is used, every count with the bytes that so many things
//! would take at least, and a walk always moves forward and ends. Positions in errors count from
//! the start of the bytes the walk was given: the response's for batches and uncompressed records,
//! the decompressed section's for the records of a compressed batch.

mod aborted;
mod usual;

use super::DecodeError;
use super::builder::RecordHeader;
use super::builder::Sealed;
use super::crc::crc32c;
use super::header::{
    Attributes, BatchHeader, CRC_FROM, Compression, HEADER_BYTES, MAGIC_AT, TimestampType,
};
use super::varint::Cursor;

pub use aborted::AbortedRanges;

/// A record without key, value and headers: seven fields of a byte each.
const RECORD_BYTES_MIN: usize = 7;
/// A record's header without name and value.
const RECORD_HEADER_BYTES_MIN: usize = 2;

/// The batches in the records of a Fetch response's partition, one by one. Ends at the first error.
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    at: usize,
    partial: Option<Partial>,
}

/// The beginning of a batch, where a response's bytes end inside it. Brokers cut at the byte that
/// was asked for, so this is no error: the batch is fetched again from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// Where it begins.
    pub position: usize,
    /// How many of its bytes are there.
    pub available: usize,
    /// How many it has, if so much is there that it says so.
    pub needed: Option<usize>,
}

impl<'a> Batches<'a> {
    /// The batches in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            partial: None,
        }
    }

    /// The batch that the bytes end in. Known once the iterator has ended.
    pub fn partial(&self) -> Option<Partial> {
        self.partial
    }

    fn read(&self, rest: &'a [u8]) -> Result<Result<Batch<'a>, Partial>, DecodeError> {
        let mut partial = Partial {
            position: self.at,
            available: rest.len(),
            needed: None,
        };
        if rest.len() <= MAGIC_AT {
            return Ok(Err(partial));
        }
        if let Some(head) = rest.first_chunk::<HEADER_BYTES>() {
            let header = BatchHeader::read(head)?;
            if let Some(bytes) = rest.get(..header.batch_bytes()) {
                return Ok(Ok(Batch {
                    header,
                    bytes,
                    position: self.at,
                }));
            }
            partial.needed = Some(header.batch_bytes());
        } else {
            // Too short to be read as a whole, but what is there must be the start of a batch.
            let mut head = [0; HEADER_BYTES];
            head[..MAGIC_AT + 1].copy_from_slice(&rest[..MAGIC_AT + 1]);
            partial.needed = Some(BatchHeader::read(&head)?.batch_bytes());
        }
        Ok(Err(partial))
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() || self.partial.is_some() {
            return None;
        }
        match self.read(rest) {
            Ok(Ok(batch)) => {
                self.at += batch.bytes.len();
                Some(Ok(batch))
            }
            Ok(Err(partial)) => {
                self.partial = Some(partial);
                None
            }
            Err(error) => {
                let error = error.moved_by(self.at);
                self.at = self.bytes.len();
                Some(Err(error))
            }
        }
    }
}

/// One whole batch.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Batch<'a> {
    /// The only batch in `bytes`: nothing follows it, nothing is missing.
    pub fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let header = BatchHeader::read(bytes)?;
        let needed = header.batch_bytes();
        if needed > bytes.len() {
            let available = bytes.len();
            return Err(DecodeError::Truncated {
                what: "a batch",
                position: 0,
                needed,
                available,
            });
        }
        if needed < bytes.len() {
            let left = bytes.len() - needed;
            return Err(DecodeError::TrailingBytes {
                position: needed,
                left,
            });
        }
        Ok(Self {
            header,
            bytes,
            position: 0,
        })
    }

    /// Its header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All of its bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where it begins in the bytes that were walked.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Its records as they lie there, compressed or not.
    pub fn section(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// How [`section`](Self::section) is compressed.
    pub fn compression(&self) -> Result<Compression, DecodeError> {
        self.header
            .attributes
            .compression()
            .map_err(|error| error.moved_by(self.position))
    }

    /// Compares the CRC in the header with that of the bytes.
    pub fn check_crc(&self) -> Result<(), DecodeError> {
        let actual = crc32c(&self.bytes[CRC_FROM..]);
        if actual != self.header.crc {
            let expected = self.header.crc;
            return Err(DecodeError::CrcMismatch {
                position: self.position,
                expected,
                actual,
            });
        }
        Ok(())
    }

    /// The records of a batch that is not compressed. If it is, decompress
    /// [`section`](Self::section) and use [`records_in`](Self::records_in).
    pub fn records(&self) -> Result<Records<'a>, DecodeError> {
        let compression = self.compression()?;
        if compression != Compression::None {
            let position = self.position + HEADER_BYTES;
            return Err(DecodeError::Compressed {
                position,
                compression,
            });
        }
        self.walk(self.section(), self.position + HEADER_BYTES)
    }

    /// The records in `section`, which is this batch's section decompressed.
    pub fn records_in<'s>(&self, section: &'s [u8]) -> Result<Records<'s>, DecodeError> {
        self.walk(section, 0)
    }

    /// The transaction's marker in a control batch; `None` if this is none, or holds no record
    /// any more.
    pub fn control(&self) -> Result<Option<ControlRecord>, DecodeError> {
        if !self.header.attributes.is_control() {
            return Ok(None);
        }
        match self.records()?.next() {
            None => Ok(None),
            Some(record) => ControlRecord::read(&record?, self.position + HEADER_BYTES).map(Some),
        }
    }

    fn walk<'s>(&self, section: &'s [u8], moved_by: usize) -> Result<Records<'s>, DecodeError> {
        let count = self.header.records_count as usize;
        if count > section.len() / RECORD_BYTES_MIN {
            return Err(DecodeError::OutOfRange {
                what: "records count",
                position: self.position + 57,
                value: i64::from(self.header.records_count),
            });
        }
        Ok(Records {
            cursor: Cursor::new(section, 0),
            left: count,
            delta_least: 0,
            header: self.header,
            moved_by,
            failed: false,
        })
    }
}

/// The records of a batch, one by one. Ends at the first error. Bytes behind the last record are
/// one too.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    cursor: Cursor<'a>,
    left: usize,
    /// The least that the next record's offset delta may be.
    delta_least: i64,
    header: BatchHeader,
    moved_by: usize,
    failed: bool,
}

impl<'a> Records<'a> {
    /// The `count` records of a section whose header is not written yet. Their offsets and times are as
    /// in a batch at offset 0 and time 0.
    pub fn of_section(section: &'a [u8], count: u32) -> Result<Self, DecodeError> {
        let left = count as usize;
        if left > section.len() / RECORD_BYTES_MIN {
            let (what, value) = ("records count", i64::from(count));
            return Err(DecodeError::OutOfRange {
                what,
                position: 0,
                value,
            });
        }
        let header = Sealed {
            attributes: Attributes::default(),
            base_timestamp: 0,
            max_timestamp: 0,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            records_count: count.cast_signed(),
        };
        Ok(Self {
            cursor: Cursor::new(section, 0),
            left,
            delta_least: 0,
            header: header.header(HEADER_BYTES + section.len()),
            moved_by: 0,
            failed: false,
        })
    }

    /// How many records are left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Where the next record begins in the batch's section.
    pub fn position(&self) -> usize {
        self.cursor.position()
    }

    /// Where the walk is, without the bytes that it walks through.
    pub(in crate::records) fn place(&self) -> Place {
        Place {
            position: self.cursor.position(),
            left: self.left,
            delta_least: self.delta_least,
            header: self.header,
            moved_by: self.moved_by,
        }
    }

    fn read(&mut self) -> Result<RecordView<'a>, DecodeError> {
        let start = self.cursor.position();
        let length = length(&mut self.cursor, "record length")?;
        let mut body = self.cursor.split("a record", length)?;
        body.take("record attributes", 1)?;
        let timestamp_at = body.position();
        let timestamp_delta = body.i64("timestamp delta")?;
        let delta_at = body.position();
        let delta = body.i32("offset delta")?;
        let key = blob(&mut body, "key length", "a key")?;
        let value = blob(&mut body, "value length", "a value")?;
        let headers = headers(&mut body)?;
        if body.remaining() > 0 {
            return Err(DecodeError::RecordTooLong {
                position: start,
                left: body.remaining(),
            });
        }
        let offset = self.offset(delta).ok_or(DecodeError::OutOfRange {
            what: "offset delta",
            position: delta_at,
            value: i64::from(delta),
        })?;
        let timestamp = self
            .timestamp(timestamp_delta)
            .ok_or(DecodeError::OutOfRange {
                what: "timestamp delta",
                position: timestamp_at,
                value: timestamp_delta,
            })?;
        Ok(RecordView {
            offset,
            timestamp,
            key,
            value,
            headers,
        })
    }

    /// Offsets within a batch grow, and stay below the next batch's.
    fn offset(&mut self, delta: i32) -> Option<i64> {
        let delta = i64::from(delta);
        if delta < self.delta_least || delta > i64::from(self.header.last_offset_delta) {
            return None;
        }
        self.delta_least = delta + 1;
        self.header.base_offset.checked_add(delta)
    }

    fn timestamp(&self, delta: i64) -> Option<i64> {
        match self.header.attributes.timestamp_type() {
            TimestampType::LogAppend => Some(self.header.max_timestamp),
            TimestampType::Create => self.header.base_timestamp.checked_add(delta),
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left > 0
            && !self.failed
            && let Some(record) = self.read_usual()
        {
            self.left -= 1;
            return Some(Ok(record));
        }
        self.next_unusual()
    }
}

impl<'a> Records<'a> {
    /// A record that is not as usual, an error, or the end.
    #[inline(never)]
    fn next_unusual(&mut self) -> Option<Result<RecordView<'a>, DecodeError>> {
        if self.failed {
            return None;
        }
        let result = if self.left > 0 {
            self.left -= 1;
            self.read()
        } else {
            let left = self.cursor.remaining();
            if left == 0 {
                return None;
            }
            Err(DecodeError::TrailingBytes {
                position: self.cursor.position(),
                left,
            })
        };
        self.failed = result.is_err();
        Some(result.map_err(|error| error.moved_by(self.moved_by)))
    }
}

/// A place in the walk through a batch's records.
#[derive(Debug, Clone, Copy)]
pub(in crate::records) struct Place {
    /// Where the next record begins in the batch's section.
    pub(in crate::records) position: usize,
    /// How many records are left.
    pub(in crate::records) left: usize,
    /// The least that the next record's offset delta may be.
    pub(in crate::records) delta_least: i64,
    pub(in crate::records) header: BatchHeader,
    moved_by: usize,
}

impl Place {
    /// Goes on from here. `section` is what the walk began with.
    pub(in crate::records) fn records(self, section: &[u8]) -> Records<'_> {
        Records {
            cursor: Cursor::new(section, self.position),
            left: self.left,
            delta_least: self.delta_least,
            header: self.header,
            moved_by: self.moved_by,
            failed: false,
        }
    }
}

/// A record, borrowed from the batch.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    /// Its place in the log.
    pub offset: i64,
    /// In milliseconds since 1970; −1 if it has none.
    pub timestamp: i64,
    /// `None` is no key, which is not the same as an empty one.
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone where the topic is compacted.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order.
    pub headers: Headers<'a>,
}

/// A record's headers, one by one. They were all read once when the record was, so no error is
/// left to be found.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> Iterator for Headers<'a> {
    type Item = RecordHeader<'a>;

    fn next(&mut self) -> Option<RecordHeader<'a>> {
        self.left = self.left.checked_sub(1)?;
        header(&mut self.cursor).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// What a control batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlRecord {
    /// Its offset: markers take one too.
    pub offset: i64,
    /// What became of the transaction.
    pub kind: ControlKind,
    /// The epoch of the transaction's coordinator, for an abort or a commit.
    pub coordinator_epoch: Option<i32>,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlKind {
    /// Its records do not count.
    Abort,
    /// Its records count.
    Commit,
    /// A type that consumers pass over.
    Other(i16),
}

impl ControlRecord {
    /// Key: version, type. Value of an abort or commit: version, coordinator epoch.
    fn read(record: &RecordView<'_>, position: usize) -> Result<Self, DecodeError> {
        let short = |what, needed, field: Option<&[u8]>| {
            let available = field.map_or(0, <[u8]>::len);
            DecodeError::Truncated {
                what,
                position,
                needed,
                available,
            }
        };
        let Some([_, _, high, low, ..]) = record.key else {
            return Err(short("a control record's key", 4, record.key));
        };
        let kind = match i16::from_be_bytes([*high, *low]) {
            0 => ControlKind::Abort,
            1 => ControlKind::Commit,
            other => ControlKind::Other(other),
        };
        let coordinator_epoch = match (kind, record.value) {
            (ControlKind::Other(_), _) => None,
            (_, Some([_, _, a, b, c, d, ..])) => Some(i32::from_be_bytes([*a, *b, *c, *d])),
            (_, value) => return Err(short("a transaction marker", 6, value)),
        };
        Ok(Self {
            offset: record.offset,
            kind,
            coordinator_epoch,
        })
    }
}

/// A length or a count: a varint that is not negative.
fn length(cursor: &mut Cursor<'_>, what: &'static str) -> Result<usize, DecodeError> {
    let position = cursor.position();
    let value = cursor.i32(what)?;
    usize::try_from(value).map_err(|_| {
        let value = i64::from(value);
        DecodeError::OutOfRange {
            what,
            position,
            value,
        }
    })
}

/// Bytes behind their length, of which −1 means that there are none.
fn blob<'a>(
    cursor: &mut Cursor<'a>,
    length_what: &'static str,
    what: &'static str,
) -> Result<Option<&'a [u8]>, DecodeError> {
    let position = cursor.position();
    match cursor.i32(length_what)? {
        -1 => Ok(None),
        value => {
            let length = usize::try_from(value).map_err(|_| {
                let value = i64::from(value);
                DecodeError::OutOfRange {
                    what: length_what,
                    position,
                    value,
                }
            })?;
            cursor.take(what, length).map(Some)
        }
    }
}

fn headers<'a>(body: &mut Cursor<'a>) -> Result<Headers<'a>, DecodeError> {
    let position = body.position();
    let count = length(body, "headers count")?;
    if count > body.remaining() / RECORD_HEADER_BYTES_MIN {
        let value = count as i64;
        return Err(DecodeError::OutOfRange {
            what: "headers count",
            position,
            value,
        });
    }
    let headers = Headers {
        cursor: *body,
        left: count,
    };
    for _ in 0..count {
        header(body)?;
    }
    Ok(headers)
}

/// Whether `bytes` are a record's headers from their count on, and nothing else.
#[cfg(target_arch = "x86_64")]
pub(in crate::records) fn are_headers(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes, 0);
    headers(&mut cursor).is_ok() && cursor.remaining() == 0
}

fn header<'a>(cursor: &mut Cursor<'a>) -> Result<RecordHeader<'a>, DecodeError> {
    let key_length = length(cursor, "header name length")?;
    let key = cursor.take("a header's name", key_length)?;
    let value = blob(cursor, "header value length", "a header's value")?;
    Ok(RecordHeader { key, value })
}

#[cfg(test)]
mod tests;
