//! Records that no buffer holds: found by reading on to their end, sent by reading them again.
//!
//! The first pass finds the record's length and its value's checksum, without keeping a byte; the
//! second streams it, piece by piece, behind a header that is thus known beforehand. Memory does not
//! grow with the record. Long records go uncompressed, which a batch may always be.

use std::ops::Range;
use std::time::Instant;

use protocol::client::producer::BatchId;
use protocol::hot::produce::TAIL_BYTES;
use protocol::records::builder::patch_crc;
use protocol::records::crc::{Crc32c, combine, crc32c};
use protocol::records::header::HEADER_BYTES;
use protocol::records::kernel::{framed_bytes, record_prefix};

use super::batch::{BATCH_AT, produce_to, timestamp_now};
use super::tasks::{Next, Task, Work};
use super::{FlowError, ToKafka};
use crate::flow::LinkId;
use crate::flow::config::{Reject, RejectContent, TooLarge};
use crate::flow::piece::{LongValue, Piece, TAIL_BYTES_MAX, Tail};
use crate::flow::window::Window;
use crate::input::Input;
use crate::io::Payload;
use crate::memory::Buffer;
use crate::net::{LinkError, Waiting};

/// Looks for a long record's end.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) window: Window,
    start: u64,
    crc: Crc32c,
    /// Bytes that the checksum has taken: all but the newest, which may be a carriage return.
    taken: u64,
    /// The batch it is known as already, from an earlier run.
    batch: Option<BatchId>,
}

impl Scan {
    pub(super) fn new(input: &Input, buffer: Buffer, start: u64) -> Self {
        let end = input.file_end(start).min(start + buffer.len() as u64);
        let window = Window::new(buffer, start..end);
        Self {
            window,
            start,
            crc: Crc32c::new(),
            taken: 0,
            batch: None,
        }
    }

    pub(super) fn again(input: &Input, buffer: Buffer, start: u64, batch: BatchId) -> Self {
        Self {
            batch: Some(batch),
            ..Self::new(input, buffer, start)
        }
    }
}

/// Sends a long record.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) batch: BatchId,
    /// Behind the last byte that went to the connection.
    position: u64,
    value: Range<u64>,
    crc: Crc32c,
    link: Option<LinkId>,
    /// The piece being read.
    pub(super) window: Option<Window>,
    /// A buffer that no piece uses right now.
    buffer: Option<Buffer>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// For the connection to have nothing else to send.
    AwaitLink,
    Head,
    Value,
    Tail,
}

impl Stream {
    pub(super) fn new(buffer: Buffer, batch: BatchId) -> Self {
        Self {
            batch,
            position: 0,
            value: 0..0,
            crc: Crc32c::new(),
            link: None,
            window: None,
            buffer: Some(buffer),
            stage: Stage::AwaitLink,
        }
    }
}

impl ToKafka {
    /// The window is full, or as full as the file allows: looks for the delimiter.
    pub(super) fn work_scan(&mut self, now: Instant, task: &mut Task) -> Result<Next, FlowError> {
        let Work::Scan(scan) = &mut task.work else {
            unreachable!()
        };
        let input = &self.config.input;
        let file_end = input.file_end(scan.start);
        if !scan.window.is_complete() {
            return Ok(Next::Read);
        }
        let from = scan.start + scan.taken;
        let bytes = scan.window.bytes(from..scan.window.end());
        let found = self.framer.find(bytes).map(|index| from + index as u64);
        let at_end = scan.window.end() == file_end;
        let Some(raw_end) = found.or(at_end.then_some(file_end)) else {
            // All but the last byte, for that may be a carriage return to be dropped.
            let take = bytes.len() - 1;
            scan.crc.update(&bytes[..take]);
            scan.taken += take as u64;
            let next = scan.start + scan.taken;
            scan.window.advance(next, file_end);
            return Ok(Next::Read);
        };
        let rest = scan.window.bytes(from..raw_end);
        let strip = self.config.rules.crlf_strip && rest.last() == Some(&b'\r');
        let rest = &rest[..rest.len() - usize::from(strip)];
        scan.crc.update(rest);
        let value = LongValue {
            bytes: scan.taken + rest.len() as u64,
            crc: scan.crc.value(),
        };
        let range = scan.start..raw_end + u64::from(found.is_some());
        let tail_start = scan
            .window
            .begin()
            .max(range.end.saturating_sub(TAIL_BYTES_MAX))
            .max(range.start);
        let tail_bytes = scan.window.bytes(tail_start..range.end);
        let tail = Tail {
            crc: crc32c(tail_bytes),
            bytes: u32::try_from(tail_bytes.len()).expect("a tail is short"),
            position: tail_start,
        };
        let batch = scan.batch;
        self.handle_long(now, task, range, value, tail, batch)?;
        Ok(Next::Done)
    }

    /// A long record's length is known: it is sent alone, or refused.
    fn handle_long(
        &mut self,
        now: Instant,
        task: &Task,
        range: Range<u64>,
        value: LongValue,
        tail: Tail,
        batch: Option<BatchId>,
    ) -> Result<(), FlowError> {
        let (lane, index) = (task.lane, task.partition);
        if let Some(id) = batch {
            let partition = &mut self.lanes[lane].partitions[index];
            if let Some(batch) = partition.producer.batch_mut(id) {
                batch.body.long = Some(value);
                batch.body.tail = tail;
                batch.body.timestamp = timestamp_now();
            }
            return Ok(());
        }
        let limit = self.config.record_bytes_max;
        let fits = usize::try_from(value.bytes)
            .ok()
            .filter(|&bytes| bytes <= i32::MAX as usize / 2)
            .is_some_and(|bytes| (HEADER_BYTES + framed_bytes(bytes, 0)) as u64 <= limit);
        if !fits {
            let record = TooLarge {
                dealt: None,
                range: range.clone(),
                value_bytes: value.bytes,
            };
            self.reject_too_large(lane, index, record)?;
        } else {
            let mut piece = Piece::lines(range.clone(), timestamp_now());
            piece.long = Some(value);
            piece.tail = tail;
            self.pace.spend(now, 1, value.bytes);
            self.lanes[lane].partitions[index].producer.push(1, piece);
        }
        let partition = &mut self.lanes[lane].partitions[index];
        partition.cursor.skip_to(&self.config.rules, range.end);
        partition.long_at = None;
        self.settle(lane, index)
    }

    /// Notes a record that the topic does not take, and has the position pass it in its turn.
    pub(super) fn reject_too_large(
        &mut self,
        lane: usize,
        index: usize,
        record: TooLarge,
    ) -> Result<(), FlowError> {
        let reason = record.reason(self.config.record_bytes_max);
        self.reject(lane, index, record.range.clone(), reason, None)?;
        self.lanes[lane].partitions[index].refuse(record.range);
        Ok(())
    }

    /// Notes a refused record durably, before any position passes it.
    pub(super) fn reject(
        &mut self,
        lane: usize,
        index: usize,
        range: Range<u64>,
        reason: String,
        content: Option<RejectContent>,
    ) -> Result<(), FlowError> {
        let noted = &mut self.lanes[lane].partitions[index].noted;
        if let Some(at) = noted.iter().position(|&start| start == range.start) {
            noted.swap_remove(at);
            return Ok(());
        }
        let (file, file_offset) = match &self.sequential {
            Some(sequential) => sequential.locate(range.start),
            None => self.config.input.locate(range.start),
        };
        let partition = self.lanes[lane].partitions[index].index;
        let reject = Reject {
            file,
            file_offset,
            reason,
            partition,
            range,
            content,
        };
        self.observer
            .reject(&reject)
            .map_err(|reason| FlowError::Reject { reason })?;
        crate::flow::config::Progress::add(&self.progress.rejects, 1);
        Ok(())
    }

    /// Moves a stream on as far as its connection and its buffers allow.
    pub(super) fn poll_stream(&mut self, now: Instant, index: usize) -> Result<(), FlowError> {
        let Some(Task {
            work: Work::Stream(stream),
            lane,
            partition,
            ..
        }) = &self.tasks[index]
        else {
            return Ok(());
        };
        if stream.stage != Stage::AwaitLink {
            return Ok(());
        }
        let (lane, partition, id) = (*lane, *partition, stream.batch);
        let link = self.link_of(now, lane, partition);
        let is_due = self.lanes[lane].partitions[partition]
            .producer
            .poll_send(now)
            == Some(id);
        let Some(link) = link.filter(|_| is_due) else {
            let task = self.tasks[index].take().expect("it is there");
            self.end_task(task); // The producer names the batch again when it is due.
            return Ok(());
        };
        if !self.links.claim(link, index) {
            return Ok(()); // The link's next event asks again.
        }
        let Some(frame) = self.frames.take() else {
            self.links.release(&mut self.io, link);
            return Ok(());
        };
        self.send_long_head(now, index, link, frame)
    }

    fn send_long_head(
        &mut self,
        now: Instant,
        index: usize,
        link: LinkId,
        mut frame: Buffer,
    ) -> Result<(), FlowError> {
        let Some(Task {
            work: Work::Stream(stream),
            lane,
            partition,
            ..
        }) = &mut self.tasks[index]
        else {
            unreachable!("the caller looked");
        };
        let (lane, partition, id) = (*lane, *partition, stream.batch);
        stream.link = Some(link);
        stream.stage = Stage::Head;
        let batch = self.lanes[lane].partitions[partition]
            .producer
            .batch_mut(id);
        let body = &batch.expect("it is due").body;
        let value = body.long.expect("a stream sends a long record");
        stream.value = body.range.start..body.range.start + value.bytes;
        stream.position = stream.value.start;
        stream.crc = Crc32c::new();

        let value_bytes = usize::try_from(value.bytes).expect("it was checked against the limit");
        let mut prefix = [0; 32];
        let prefix_bytes = record_prefix(value_bytes, 0, &mut prefix);
        let batch_bytes = HEADER_BYTES + prefix_bytes + value_bytes + 1;
        let sealed = self.sealed(lane, partition, id);
        let header: &mut [u8; HEADER_BYTES] = frame[BATCH_AT..]
            .first_chunk_mut()
            .expect("a frame holds a header");
        let mut crc = sealed.open(batch_bytes, header);
        crc.update(&prefix[..prefix_bytes]);
        let crc = combine(
            combine(crc.value(), value.crc, value.bytes),
            crc32c(&[0]),
            1,
        );
        patch_crc(header, crc);
        let records_at = BATCH_AT + HEADER_BYTES;
        frame[records_at..records_at + prefix_bytes].copy_from_slice(&prefix[..prefix_bytes]);

        let waiting = Waiting::Produce {
            lane,
            partition,
            batch: id,
        };
        let number = self.lanes[lane].partitions[partition].index;
        let to = produce_to(&self.config, number, batch_bytes);
        let before = &mut frame[..BATCH_AT];
        let head_bytes = self
            .links
            .write_produce_head(now, link, waiting, &to, before);
        let payload = Payload::One {
            buffer: frame,
            start: BATCH_AT - head_bytes,
            end: records_at + prefix_bytes,
        };
        self.links.send_part(&mut self.io, link, payload);
        self.note_sent(now, lane, partition, id, batch_bytes as u64, link);
        Ok(())
    }

    /// The connection has taken a part of the stream (or failed): the next one.
    pub(super) fn handle_streamed(
        &mut self,
        now: Instant,
        index: usize,
        result: Result<Buffer, Buffer>,
    ) -> Result<(), FlowError> {
        let Some(mut task) = self.tasks[index].take() else {
            let (Ok(buffer) | Err(buffer)) = result;
            self.put_buffer(buffer);
            return Ok(());
        };
        let Work::Stream(stream) = &mut task.work else {
            unreachable!("a stream was sent")
        };
        let is_read_buffer = matches!(stream.stage, Stage::Value);
        let (is_sent, buffer) = match result {
            Ok(buffer) => (true, buffer),
            Err(buffer) => (false, buffer),
        };
        if is_read_buffer {
            stream.buffer = Some(buffer);
        } else {
            self.put_buffer(buffer);
        }
        if !is_sent {
            return self.go_on(now, index, task, Next::Done);
        }
        self.stream_next(now, index, task)
    }

    fn stream_next(&mut self, now: Instant, index: usize, mut task: Task) -> Result<(), FlowError> {
        let Work::Stream(stream) = &mut task.work else {
            unreachable!("the caller looked")
        };
        let link = stream.link.expect("it has begun");
        if stream.stage == Stage::Tail {
            self.links.release(&mut self.io, link);
            return self.go_on(now, index, task, Next::Done);
        }
        if stream.position < stream.value.end {
            stream.stage = Stage::Value;
            let buffer = stream.buffer.take().expect("its last part is sent");
            let end = stream.value.end.min(stream.position + buffer.len() as u64);
            stream.window = Some(Window::new(buffer, stream.position..end));
            return self.go_on(now, index, task, Next::Read);
        }
        let known = self.lanes[task.lane].partitions[task.partition]
            .producer
            .batch_mut(stream.batch);
        let expected = known
            .and_then(|batch| batch.body.long)
            .map(|value| value.crc);
        if expected.is_some_and(|expected| expected != stream.crc.value()) {
            let position = stream.value.start;
            let error = LinkError::System("the input changed in mid-send".to_owned());
            self.links.close(now, &mut self.io, link, error);
            self.end_task(task);
            return Err(self.changed(position));
        }
        stream.stage = Stage::Tail;
        // The record's empty headers, and the request's tail: all zeroes.
        let mut buffer = Buffer::new(1 + TAIL_BYTES);
        buffer.fill(0);
        let end = buffer.len();
        self.tasks[index] = Some(task);
        self.links.send_part(
            &mut self.io,
            link,
            Payload::One {
                buffer,
                start: 0,
                end,
            },
        );
        Ok(())
    }

    /// A piece of the value was read: it goes to the connection as it lies there.
    pub(super) fn work_stream(&mut self, index: usize, task: &mut Task) -> Result<Next, FlowError> {
        let Work::Stream(stream) = &mut task.work else {
            unreachable!("the caller looked")
        };
        let window = stream.window.take().expect("it was read");
        let (begin, end) = (window.begin(), window.end());
        stream.crc.update(window.bytes(begin..end));
        stream.position = end;
        let buffer = window.into_buffer();
        let length = usize::try_from(end - begin).expect("it fits into its buffer");
        let link = stream.link.expect("it has begun");
        if !self.links.is_claimed(link, index) {
            stream.buffer = Some(buffer);
            return Ok(Next::Done); // The connection went meanwhile.
        }
        self.links.send_part(
            &mut self.io,
            link,
            Payload::One {
                buffer,
                start: 0,
                end: length,
            },
        );
        Ok(Next::Wait)
    }

    /// The connection is gone: what streamed onto it ends, and is sent anew when it is due. Its buffer comes
    /// back from the kernel by itself; one that reads ends when the read is done.
    pub(super) fn end_streams_on(&mut self, link: LinkId) {
        for index in 0..self.tasks.len() {
            let is_on_it = self.tasks[index].as_ref().is_some_and(|task| {
                matches!(&task.work, Work::Stream(stream) if stream.link == Some(link))
                    && task.reading_file.is_none()
            });
            if is_on_it && let Some(task) = self.tasks[index].take() {
                self.end_task(task);
            }
        }
    }

    pub(super) fn put_stream_buffers(&mut self, stream: Stream) {
        if let Some(window) = stream.window {
            self.reads.put(window.into_buffer());
        }
        if let Some(buffer) = stream.buffer {
            self.reads.put(buffer);
        }
    }
}
