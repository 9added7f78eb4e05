//! Batches written in place: room for the header, records behind it, then the header with the CRC.
//!
//! [`BatchBuilder`] does all of it in one buffer. Who writes records elsewhere uses the pieces.
//! A compressed batch: frame into another buffer, [compress](super::compression) behind the header's
//! place, [`seal`]. A batch whose values stay where they lie: [`Sealed::open`], a
//! [prefix](super::kernel::record_prefix) for each, [`patch_crc`].

use super::crc::{Crc32c, crc32c};
use super::header::{
    Attributes, BatchHeader, CRC_AT, CRC_FROM, HEADER_BYTES, LENGTH_END, MAGIC, TimestampType,
};
use super::kernel::{Bounds, Framed, Framer};
use super::varint::{signed_bytes, unsigned_bytes, write_signed};

/// What a batch's header says besides what its bytes and place say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the header")]
pub struct Sealed {
    pub attributes: Attributes,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub records_count: i32,
}

impl Sealed {
    /// The header of a batch of `batch_bytes` (header and records), its CRC still 0.
    ///
    /// # Panics
    ///
    /// If there are no records, or more bytes than a batch's length can say.
    pub fn header(&self, batch_bytes: usize) -> BatchHeader {
        assert!(self.records_count > 0, "a batch that is sent has records");
        assert!(batch_bytes >= HEADER_BYTES, "a batch has a header");
        let batch_length = i32::try_from(batch_bytes - LENGTH_END)
            .expect("a batch is smaller than the requests that carry it");
        BatchHeader {
            base_offset: 0,
            batch_length,
            partition_leader_epoch: -1,
            magic: MAGIC,
            crc: 0,
            attributes: self.attributes,
            last_offset_delta: self.records_count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            records_count: self.records_count,
        }
    }

    /// Writes the header of a batch of `batch_bytes` whose records lie elsewhere, and returns the
    /// checksum that has taken what stands in the header. It takes the records, then
    /// [`patch_crc`] completes the header.
    pub fn open(&self, batch_bytes: usize, header: &mut [u8; HEADER_BYTES]) -> Crc32c {
        self.header(batch_bytes).write(header);
        let mut crc = Crc32c::new();
        crc.update(&header[CRC_FROM..]);
        crc
    }
}

/// Writes the header of the batch that fills `batch`, whose records are there already, and returns
/// its CRC.
///
/// # Panics
///
/// If `batch` is shorter than a header, or `sealed` has no records.
pub fn seal(batch: &mut [u8], sealed: Sealed) -> u32 {
    let header = sealed.header(batch.len());
    let head = batch.first_chunk_mut().expect("a batch has a header");
    header.write(head);
    let crc = crc32c(&batch[CRC_FROM..]);
    batch[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
    crc
}

/// Writes the CRC into a header that is otherwise complete.
pub fn patch_crc(header: &mut [u8; HEADER_BYTES], crc: u32) {
    header[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
}

/// A record to be written, its bytes borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// In milliseconds since 1970.
    pub timestamp: i64,
    /// `None` is no key, which is not the same as an empty one.
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone where the topic is compacted.
    pub value: Option<&'a [u8]>,
    /// In this order; a name may occur more than once.
    pub headers: &'a [RecordHeader<'a>],
}

/// A header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// Its name, UTF-8 by Kafka's rule.
    pub key: &'a [u8],
    /// Its value, which may be missing.
    pub value: Option<&'a [u8]>,
}

/// A record that does not fit into what is left of the buffer. Nothing of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot write a record of {needed} bytes: {left} bytes are left in the batch")]
pub struct Full {
    /// The record's bytes.
    pub needed: usize,
    /// The buffer's.
    pub left: usize,
}

/// The exact bytes of `record` in a batch with that base timestamp, as its `delta`-th record.
pub fn record_bytes(record: &Record<'_>, base_timestamp: i64, delta: u32) -> usize {
    let body = body_bytes(record, base_timestamp, delta);
    unsigned_bytes(2 * body as u64) + body
}

fn body_bytes(record: &Record<'_>, base_timestamp: i64, delta: u32) -> usize {
    let mut bytes = 1 // attributes
        + signed_bytes(record.timestamp.wrapping_sub(base_timestamp))
        + signed_bytes(i64::from(delta))
        + blob_bytes(record.key)
        + blob_bytes(record.value)
        + signed_bytes(record.headers.len() as i64);
    for header in record.headers {
        bytes += blob_bytes(Some(header.key)) + blob_bytes(header.value);
    }
    bytes
}

#[inline]
fn blob_bytes(blob: Option<&[u8]>) -> usize {
    blob.map_or(1, |blob| signed_bytes(blob.len() as i64) + blob.len())
}

/// Writes a record, the `delta`-th of its batch, at the start of `out`, and returns the bytes taken. Where
/// records come one by one and the batch is sealed later.
#[inline]
pub fn put_record<'h>(
    out: &mut [u8],
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: impl ExactSizeIterator<Item = (&'h [u8], Option<&'h [u8]>)> + Clone,
    timestamp_delta: i64,
    delta: u32,
) -> Result<usize, Full> {
    let count = headers.len() as i64;
    let mut body = 1 // attributes
        + signed_bytes(timestamp_delta)
        + signed_bytes(i64::from(delta))
        + blob_bytes(key)
        + blob_bytes(value)
        + signed_bytes(count);
    if count > 0 {
        for (name, value) in headers.clone() {
            body += blob_bytes(Some(name)) + blob_bytes(value);
        }
    }
    let needed = unsigned_bytes(2 * body as u64) + body;
    if needed > out.len() || body > i32::MAX as usize {
        let left = out.len();
        return Err(Full { needed, left });
    }
    let out = &mut out[..needed];
    let mut at = write_signed(out, body as i64);
    out[at] = 0; // attributes
    at += 1;
    at += write_signed(&mut out[at..], timestamp_delta);
    at += write_signed(&mut out[at..], i64::from(delta));
    at += write_blob(&mut out[at..], key);
    at += write_blob(&mut out[at..], value);
    at += write_signed(&mut out[at..], count);
    if count > 0 {
        for (name, value) in headers {
            at += write_blob(&mut out[at..], Some(name));
            at += write_blob(&mut out[at..], value);
        }
    }
    Ok(at)
}

#[inline]
fn write_blob(out: &mut [u8], blob: Option<&[u8]>) -> usize {
    let Some(blob) = blob else {
        out[0] = 1; // −1
        return 1;
    };
    let at = write_signed(out, blob.len() as i64);
    out[at..at + blob.len()].copy_from_slice(blob);
    at + blob.len()
}

/// The producer's side of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// −1 without idempotence.
    pub producer_id: i64,
    /// −1 without idempotence.
    pub producer_epoch: i16,
    /// The first record's; −1 without idempotence.
    pub base_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
}

impl Identity {
    /// A producer that does without idempotence.
    pub const NONE: Self = Self {
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        transactional: false,
    };
}

/// One uncompressed batch in a borrowed buffer, header and all.
#[derive(Debug)]
pub struct BatchBuilder<'a> {
    buffer: &'a mut [u8],
    end: usize,
    records: u32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl<'a> BatchBuilder<'a> {
    /// An empty batch in `buffer`. Lines that are framed have the time `base_timestamp`.
    ///
    /// # Panics
    ///
    /// If `buffer` is shorter than a header.
    pub fn new(buffer: &'a mut [u8], base_timestamp: i64) -> Self {
        assert!(buffer.len() >= HEADER_BYTES, "a batch has a header");
        let max_timestamp = base_timestamp;
        Self {
            buffer,
            end: HEADER_BYTES,
            records: 0,
            base_timestamp,
            max_timestamp,
        }
    }

    /// Frames lines behind the records that are there. See [`Framer::frame`].
    pub fn frame_lines(&mut self, framer: &Framer, input: &[u8], bounds: Bounds) -> Framed {
        let framed = framer.frame(input, bounds, &mut self.buffer[self.end..], self.records);
        self.end += framed.written;
        self.records += framed.records;
        framed
    }

    /// Writes one record behind those that are there.
    pub fn write_record(&mut self, record: &Record<'_>) -> Result<(), Full> {
        let body = body_bytes(record, self.base_timestamp, self.records);
        let needed = unsigned_bytes(2 * body as u64) + body;
        let left = self.buffer.len() - self.end;
        if needed > left || self.records > i32::MAX as u32 || body > i32::MAX as usize {
            return Err(Full { needed, left });
        }
        self.put_number(body as i64);
        self.put(&[0]); // attributes
        self.put_number(record.timestamp.wrapping_sub(self.base_timestamp));
        self.put_number(i64::from(self.records));
        self.put_blob(record.key);
        self.put_blob(record.value);
        self.put_number(record.headers.len() as i64);
        for header in record.headers {
            self.put_blob(Some(header.key));
            self.put_blob(header.value);
        }
        self.records += 1;
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        Ok(())
    }

    /// How many records there are.
    pub fn records(&self) -> u32 {
        self.records
    }

    /// The bytes of the batch so far, the header's too.
    pub fn bytes(&self) -> usize {
        self.end
    }

    /// The records' bytes so far.
    pub fn records_section(&self) -> &[u8] {
        &self.buffer[HEADER_BYTES..self.end]
    }

    /// Writes the header. Returns the batch's bytes and its CRC.
    ///
    /// # Panics
    ///
    /// If there are no records.
    pub fn finish(self, identity: Identity) -> (usize, u32) {
        let sealed = Sealed {
            attributes: Attributes::default()
                .with_transactional(identity.transactional)
                .with_timestamp_type(TimestampType::Create),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: identity.producer_id,
            producer_epoch: identity.producer_epoch,
            base_sequence: identity.base_sequence,
            records_count: self.records as i32,
        };
        let crc = seal(&mut self.buffer[..self.end], sealed);
        (self.end, crc)
    }

    fn put_number(&mut self, value: i64) {
        self.end += write_signed(&mut self.buffer[self.end..], value);
    }

    fn put_blob(&mut self, blob: Option<&[u8]>) {
        match blob {
            None => self.put_number(-1),
            Some(blob) => {
                self.put_number(blob.len() as i64);
                self.put(blob);
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }
}

#[cfg(test)]
mod tests;
