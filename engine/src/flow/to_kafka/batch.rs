//! From framed records to a request on the wire.
//!
//! ```text
//! a frame:  room for the request's head │ batch header (61) │ records … │ tail (3)
//! ```
//! so that a request is one contiguous piece, and nothing of it is copied again.

use std::ops::Range;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use protocol::client::producer::BatchId;
use protocol::hot::produce::{HEAD_BYTES_MAX, TAIL, TAIL_BYTES};
use protocol::records::builder::{Sealed, seal};
use protocol::records::compression::{Compressor, LevelError};
use protocol::records::crc::crc32c;
use protocol::records::header::{Attributes, Compression, HEADER_BYTES};

use super::{FlowError, ToKafka};
use crate::flow::LinkId;
use crate::flow::config::{LoadConfig, Progress};
use crate::flow::cut::OpenBatch;
use crate::flow::piece::{Piece, Tail};
use crate::flow::window::Window;
use crate::io::Payload;
use crate::memory::Buffer;
use crate::net::{ProduceTo, Waiting};

/// Where a batch begins in a frame.
pub(crate) const BATCH_AT: usize = HEAD_BYTES_MAX;
/// Where its records begin.
pub(crate) const RECORDS_AT: usize = BATCH_AT + HEADER_BYTES;

/// A buffer with an open batch.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) buffer: Buffer,
    pub(super) written: usize,
    pub(super) records: u32,
    pub(super) range: Range<u64>,
}

impl Frame {
    pub(super) fn new(buffer: Buffer) -> Self {
        Self {
            buffer,
            written: 0,
            records: 0,
            range: 0..0,
        }
    }

    /// The batch as it stands, for more records. `bytes_max` bounds all of its records.
    pub(super) fn open_batch(&mut self, bytes_max: usize, position: u64) -> OpenBatch<'_> {
        let range = if self.records > 0 {
            self.range.clone()
        } else {
            position..position
        };
        let output = &mut self.buffer[RECORDS_AT..RECORDS_AT + bytes_max];
        let mut batch = OpenBatch::new(output, position);
        batch.written = self.written;
        batch.records = self.records;
        batch.range = range;
        batch
    }

    pub(super) fn keep(&mut self, (written, records, range): (usize, u32, Range<u64>)) {
        self.written = written;
        self.records = records;
        self.range = range;
    }
}

/// Milliseconds since 1970.
pub(super) fn timestamp_now() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// The end of the range, as far as the window still holds it.
fn tail_of(piece: &Piece, window: &Window) -> Tail {
    let range = piece.tail_range();
    let range = range.start.max(window.begin())..range.end;
    let bytes = window.bytes(range.clone());
    let length = u32::try_from(bytes.len()).expect("a tail is short");
    Tail {
        crc: crc32c(bytes),
        bytes: length,
        position: range.start,
    }
}

impl ToKafka {
    /// A batch that was never sent: gives it its sequences and sends it.
    pub(super) fn send_new(
        &mut self,
        now: Instant,
        lane: usize,
        index: usize,
        frame: Frame,
        window: &Window,
    ) -> Result<(), FlowError> {
        let bytes = frame.range.end - frame.range.start;
        self.pace.spend(now, frame.records, bytes);
        let mut piece = Piece::lines(frame.range.clone(), timestamp_now());
        piece.tail = tail_of(&piece, window);
        let producer = &mut self.lanes[lane].partitions[index].producer;
        let id = producer.push(frame.records, piece);
        self.seal_and_send(now, lane, index, id, frame)
    }

    /// A batch that was read again.
    pub(super) fn send_again(
        &mut self,
        now: Instant,
        lane: usize,
        index: usize,
        id: BatchId,
        frame: Frame,
        window: &Window,
    ) -> Result<(), FlowError> {
        if self.link_of(now, lane, index).is_none()
            || self.lanes[lane].partitions[index].producer.poll_send(now) != Some(id)
        {
            self.frames.put(frame.buffer);
            return Ok(()); // The connection went meanwhile: it is read once more.
        }
        let batch = self.lanes[lane].partitions[index].producer.batch_mut(id);
        let piece = &mut batch.expect("poll_send named it").body;
        if piece.timestamp == 0 {
            piece.timestamp = timestamp_now();
        }
        if piece.tail.bytes == 0 {
            piece.tail = tail_of(piece, window);
        }
        Progress::add(&self.progress.retries, 1);
        self.seal_and_send(now, lane, index, id, frame)
    }

    fn seal_and_send(
        &mut self,
        now: Instant,
        lane: usize,
        index: usize,
        id: BatchId,
        frame: Frame,
    ) -> Result<(), FlowError> {
        let sealed = self.sealed(lane, index, id);
        let plain_bytes = HEADER_BYTES + frame.written;
        let (mut buffer, compression, batch_bytes) = self.compress(frame.buffer, plain_bytes);
        let sealed = Sealed {
            attributes: Attributes::default().with_compression(compression),
            ..sealed
        };
        let crc = seal(&mut buffer[BATCH_AT..BATCH_AT + batch_bytes], sealed);
        let piece = &mut self.lanes[lane].partitions[index]
            .producer
            .batch_mut(id)
            .expect("it is in flight")
            .body;
        if *piece.crc.get_or_insert(crc) != crc {
            let position = piece.range.start;
            self.frames.put(buffer);
            return Err(self.changed(position));
        }
        piece.sent_bytes = batch_bytes as u64;
        let Some(link) = self.link_of(now, lane, index) else {
            self.frames.put(buffer);
            return Ok(()); // It stays ready to be sent.
        };
        buffer[BATCH_AT + batch_bytes..][..TAIL_BYTES].copy_from_slice(&TAIL);
        let waiting = Waiting::Produce {
            lane,
            partition: index,
            batch: id,
        };
        let to = produce_to(
            &self.config,
            self.lanes[lane].partitions[index].index,
            batch_bytes,
        );
        let before = &mut buffer[..BATCH_AT];
        let head_bytes = self
            .links
            .write_produce_head(now, link, waiting, &to, before);
        let payload = Payload::One {
            buffer,
            start: BATCH_AT - head_bytes,
            end: BATCH_AT + batch_bytes + TAIL_BYTES,
        };
        let is_unanswered = self.config.acks == 0;
        self.links
            .send_frame(&mut self.io, link, payload, waiting, is_unanswered);
        self.note_sent(now, lane, index, id, batch_bytes as u64, link);
        Ok(())
    }

    pub(super) fn note_sent(
        &mut self,
        now: Instant,
        lane: usize,
        index: usize,
        id: BatchId,
        bytes: u64,
        link: LinkId,
    ) {
        let partition = &mut self.lanes[lane].partitions[index];
        partition.link = Some(link);
        partition.producer.handle_sent(now, id);
        Progress::add(&self.progress.bytes_in_flight, bytes);
    }

    /// What the header of a batch says, but for its compression.
    pub(super) fn sealed(&mut self, lane: usize, index: usize, id: BatchId) -> Sealed {
        let producer = &mut self.lanes[lane].partitions[index].producer;
        let identity = producer.identity();
        let batch = producer.batch_mut(id).expect("it is in flight");
        let timestamp = batch.body.timestamp;
        Sealed {
            attributes: Attributes::default(),
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id: identity.map_or(-1, |identity| identity.producer_id),
            producer_epoch: identity.map_or(-1, |identity| identity.epoch),
            base_sequence: identity.map_or(-1, |_| batch.first.value()),
            records_count: batch.count.cast_signed(),
        }
    }

    /// Compresses the records into another frame, where that is asked for and makes them smaller.
    fn compress(&mut self, buffer: Buffer, batch_bytes: usize) -> (Buffer, Compression, usize) {
        let Some(compressor) = &mut self.compressor else {
            return (buffer, Compression::None, batch_bytes);
        };
        let mut target = self.scratch.take().expect("a compressor has its scratch");
        let records = &buffer[RECORDS_AT..BATCH_AT + batch_bytes];
        let room = &mut target[RECORDS_AT..RECORDS_AT + records.len()];
        match compressor.compress(records, room) {
            Ok(bytes) => {
                self.scratch = Some(buffer);
                (target, self.config.compression, HEADER_BYTES + bytes)
            }
            // Not smaller: sent as it is, which a batch may always be.
            Err(_) => {
                self.scratch = Some(target);
                (buffer, Compression::None, batch_bytes)
            }
        }
    }
}

pub(super) fn produce_to(config: &LoadConfig, partition: u32, batch_bytes: usize) -> ProduceTo<'_> {
    ProduceTo {
        topic: &config.topic,
        topic_id: config.topic_id,
        partition: partition.cast_signed(),
        acks: config.acks,
        batch_bytes,
    }
}

/// The compressor that the configuration asks for.
pub(super) fn compressor(config: &LoadConfig) -> Result<Option<Compressor>, LevelError> {
    match config.compression {
        Compression::None => Ok(None),
        codec => Compressor::new(codec, config.compression_level).map(Some),
    }
}
