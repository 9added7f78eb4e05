//! Records into bytes: values and delimiters straight from the batch into the write buffer, or
//! whatever a [`RecordFormat`] makes of a record, by way of a scratch.
//!
//! Both end where a record ends, unless no buffer holds the record.

use protocol::records::DecodeError;
use protocol::records::reader::RecordView;
use protocol::records::unframe::{Split, Stop, Unframer, Walk};

use super::config::{DumpRecord, Format, RecordFormat};
use super::walk::{BatchView, Cursor};

/// What a filling came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Filled {
    /// Bytes written.
    pub(super) bytes: usize,
    /// Records of which the last byte was written.
    pub(super) records: u64,
    /// Those of them whose value holds the delimiter.
    pub(super) ambiguous: u64,
    /// Whether the batch has more than there was room for.
    pub(super) is_full: bool,
}

/// The format of a dump, and what it needs to work.
#[derive(Debug)]
pub(super) enum Formatter {
    Values(Box<Unframer>),
    Records {
        format: Box<dyn RecordFormat>,
        scratch: Vec<u8>,
    },
}

impl Formatter {
    pub(super) fn new(format: Format) -> Self {
        match format {
            Format::Values { delimiter, null } => {
                Self::Values(Box::new(Unframer::new(&delimiter, &null)))
            }
            Format::Records(format) => Self::Records {
                format,
                scratch: Vec::new(),
            },
        }
    }

    /// Fills `room` with what comes from the cursor on. `is_empty`: it is a whole buffer. Only then a
    /// record is begun that it does not hold, for then no buffer does: the cursor notes how much is out.
    pub(super) fn fill(
        &mut self,
        (topic, partition): (&str, u32),
        batch: &BatchView<'_>,
        cursor: &mut Cursor,
        room: &mut [u8],
        is_empty: bool,
    ) -> Result<Filled, DecodeError> {
        match self {
            Self::Values(unframer) => fill_values(unframer, batch, cursor, room, is_empty),
            Self::Records { format, scratch } => {
                let mut make = |record: RecordView<'_>, scratch: &mut Vec<u8>| {
                    let record = DumpRecord {
                        topic,
                        partition,
                        broker: batch.broker,
                        timestamp_type: batch.timestamp_type(),
                        record,
                    };
                    format.write(&record, scratch);
                };
                fill_records(&mut make, scratch, batch, cursor, room, is_empty)
            }
        }
    }
}

fn fill_values(
    unframer: &Unframer,
    batch: &BatchView<'_>,
    cursor: &mut Cursor,
    room: &mut [u8],
    is_empty: bool,
) -> Result<Filled, DecodeError> {
    let walk = match &mut cursor.walk {
        Some(walk) => walk,
        None => {
            let walk = Walk::new(&batch.iter()?).from_offset(cursor.from);
            let end = cursor.end.unwrap_or(i64::MAX);
            cursor.walk.insert(walk.until_offset(end))
        }
    };
    let split = if is_empty { Split::First } else { Split::Never };
    let done = unframer.values(batch.records, walk, room, split)?;
    if done.records > 0 {
        cursor.from = walk.next_offset();
    }
    cursor.is_split = walk.is_split();
    Ok(Filled {
        bytes: done.written,
        records: done.records.into(),
        ambiguous: done.holding_delimiter.into(),
        is_full: done.stop == Stop::Full,
    })
}

fn fill_records(
    make: &mut dyn FnMut(RecordView<'_>, &mut Vec<u8>),
    scratch: &mut Vec<u8>,
    batch: &BatchView<'_>,
    cursor: &mut Cursor,
    room: &mut [u8],
    is_empty: bool,
) -> Result<Filled, DecodeError> {
    let mut filled = Filled::default();
    let mut records = batch.iter()?;
    for _ in 0..cursor.records {
        records.next().transpose()?;
    }
    for record in records {
        let record = record?;
        if record.offset < cursor.from {
            cursor.records += 1;
            continue;
        }
        if cursor.end.is_some_and(|end| record.offset >= end) {
            return Ok(filled);
        }
        scratch.clear();
        make(record, scratch);
        let left = &scratch[cursor.partial..];
        let rest = &mut room[filled.bytes..];
        if left.len() > rest.len() && !(is_empty && filled.bytes == 0) {
            filled.is_full = true;
            return Ok(filled);
        }
        let copied = left.len().min(rest.len());
        rest[..copied].copy_from_slice(&left[..copied]);
        filled.bytes += copied;
        if copied < left.len() {
            cursor.partial += copied;
            cursor.is_split = true;
            filled.is_full = true;
            return Ok(filled);
        }
        (cursor.partial, cursor.is_split) = (0, false);
        cursor.records += 1;
        cursor.from = record.offset + 1;
        filled.records += 1;
    }
    Ok(filled)
}
