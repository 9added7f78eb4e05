//! Records into bytes: values and delimiters straight from the batch into the write buffer, or
//! whatever a [`RecordFormat`] makes of a record, by way of a scratch.

use protocol::records::DecodeError;
use protocol::records::reader::RecordView;

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

/// The format of a dump, and the room for a record that is made by it.
#[derive(Debug)]
pub(super) struct Formatter {
    format: Format,
    scratch: Vec<u8>,
}

impl Formatter {
    pub(super) fn new(format: Format) -> Self {
        let scratch = Vec::new();
        Self { format, scratch }
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
        match &mut self.format {
            Format::Values { delimiter, null } => {
                let values = Values { delimiter, null };
                fill_each(values, batch, cursor, room, is_empty)
            }
            Format::Records(format) => {
                let made = Made {
                    topic,
                    partition,
                    batch,
                    format: format.as_mut(),
                    scratch: &mut self.scratch,
                };
                fill_each(made, batch, cursor, room, is_empty)
            }
        }
    }
}

/// What becomes of a record, in two parts.
trait Render {
    fn render<'a>(&'a mut self, record: &RecordView<'a>) -> (&'a [u8], &'a [u8]);

    /// Whether a reader of the output would take the record for several.
    fn is_ambiguous(&self, record: &RecordView<'_>) -> bool;
}

struct Values<'f> {
    delimiter: &'f [u8],
    null: &'f [u8],
}

impl Render for Values<'_> {
    fn render<'a>(&'a mut self, record: &RecordView<'a>) -> (&'a [u8], &'a [u8]) {
        (record.value.unwrap_or(self.null), self.delimiter)
    }

    fn is_ambiguous(&self, record: &RecordView<'_>) -> bool {
        let value = record.value.unwrap_or_default();
        match self.delimiter {
            [] => false,
            [byte] => memchr::memchr(*byte, value).is_some(),
            bytes => memchr::memmem::find(value, bytes).is_some(),
        }
    }
}

struct Made<'f> {
    topic: &'f str,
    partition: u32,
    batch: &'f BatchView<'f>,
    format: &'f mut dyn RecordFormat,
    scratch: &'f mut Vec<u8>,
}

impl Render for Made<'_> {
    fn render<'a>(&'a mut self, record: &RecordView<'a>) -> (&'a [u8], &'a [u8]) {
        self.scratch.clear();
        let record = DumpRecord {
            topic: self.topic,
            partition: self.partition,
            broker: self.batch.broker,
            timestamp_type: self.batch.timestamp_type(),
            record: *record,
        };
        self.format.write(&record, self.scratch);
        (self.scratch, &[])
    }

    fn is_ambiguous(&self, _: &RecordView<'_>) -> bool {
        false // What a format makes of a delimiter is the format's business.
    }
}

fn fill_each(
    mut render: impl Render,
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
        let is_ambiguous = render.is_ambiguous(&record);
        let (first, second) = render.render(&record);
        let rest = &mut room[filled.bytes..];
        let left = first.len() + second.len() - cursor.partial;
        if left > rest.len() && !(is_empty && filled.bytes == 0) {
            filled.is_full = true;
            return Ok(filled);
        }
        let copied = copy_from(first, second, cursor.partial, rest);
        filled.bytes += copied;
        if copied < left {
            cursor.partial += copied;
            filled.is_full = true;
            return Ok(filled);
        }
        cursor.partial = 0;
        cursor.records += 1;
        cursor.from = record.offset + 1;
        filled.records += 1;
        filled.ambiguous += u64::from(is_ambiguous);
    }
    Ok(filled)
}

/// Copies what follows the first `skipped` bytes of both, as much as there is room for.
fn copy_from(first: &[u8], second: &[u8], skipped: usize, room: &mut [u8]) -> usize {
    let mut copied = 0;
    let behind = skipped.saturating_sub(first.len());
    let parts = [&first[skipped.min(first.len())..], &second[behind..]];
    for part in parts {
        let bytes = part.len().min(room.len() - copied);
        room[copied..copied + bytes].copy_from_slice(&part[..bytes]);
        copied += bytes;
    }
    copied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copying_goes_on_anywhere() {
        for skipped in 0..=5 {
            for room in 0..8 {
                let mut out = vec![0; room];
                let copied = copy_from(b"abc", b"de", skipped, &mut out);
                let whole = &b"abcde"[skipped..];
                assert_eq!(copied, whole.len().min(room));
                assert_eq!(&out[..copied], &whole[..copied]);
            }
        }
    }
}
