//! Tasks: what reads the input for a partition, and what becomes of the bytes.

use std::io;
use std::ops::Range;
use std::time::Instant;

use protocol::client::producer::BatchId;

use super::batch::Frame;
use super::long::{Scan, Stream};
use super::{FlowError, ToKafka};
use crate::flow::cut::{Cursor, Cut, OpenBatch, cut, frame_until, records_bytes_max};
use crate::flow::window::Window;
use crate::io::{Completion, Returned};
use crate::net::Purpose;

/// Reads for one partition. It ends by itself, and a partition has one at a time.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) lane: usize,
    pub(super) partition: usize,
    pub(super) work: Work,
    /// Read, but waiting for a frame.
    pub(super) is_stalled: bool,
    pub(super) reading_file: Option<usize>,
}

#[derive(Debug)]
pub(super) enum Work {
    /// New batches of the partition's next chunk.
    Cut {
        window: Window,
        cursor: Cursor,
        frame: Option<Frame>,
    },
    /// A batch is framed again as it was.
    Again {
        window: Window,
        batch: BatchId,
        frame: Option<Frame>,
    },
    /// Where the record with index `at` of a refused head begins.
    Split {
        window: Window,
        at: u32,
        frame: Option<Frame>,
    },
    /// The end of a long record.
    Scan(Scan),
    /// A long record, piece by piece onto its connection.
    Stream(Stream),
}

impl Work {
    pub(super) fn window_mut(&mut self) -> &mut Window {
        match self {
            Self::Cut { window, .. } | Self::Again { window, .. } | Self::Split { window, .. } => {
                window
            }
            Self::Scan(scan) => &mut scan.window,
            Self::Stream(stream) => stream.window.as_mut().expect("it reads through a window"),
        }
    }
}

/// What a task does next.
#[derive(Debug)]
pub(super) enum Next {
    Read,
    Stall,
    /// It waits for its connection.
    Wait,
    Done,
}

impl ToKafka {
    /// Starts reading for whatever can be sent soon, lowest positions first, while buffers last.
    pub(super) fn start_tasks(&mut self, now: Instant) -> Result<(), FlowError> {
        self.resume_stalled(now)?;
        let lanes = self.lanes.len();
        let mut without_work = 0;
        while self.reads.available() > 0 && without_work < lanes {
            let lane = self.next_lane % lanes;
            self.next_lane += 1;
            match self.find_work(now, lane) {
                Some((partition, is_long)) => {
                    without_work = 0;
                    self.begin(now, lane, partition, is_long)?;
                }
                None => without_work += 1,
            }
        }
        Ok(())
    }

    /// The partition of the lane that may send and whose input comes first.
    fn find_work(&mut self, now: Instant, lane: usize) -> Option<(usize, bool)> {
        let input_bytes = self.config.input.bytes();
        let mut best: Option<(u64, usize, bool)> = None;
        for index in 0..self.lanes[lane].partitions.len() {
            let partition = &self.lanes[lane].partitions[index];
            let has_work = partition.long_at.is_some() || partition.cursor.position < input_bytes;
            let is_first = best.is_none_or(|(position, ..)| partition.cursor.position < position);
            if partition.is_busy
                || partition.is_splitting
                || !has_work
                || !is_first
                || !partition.producer.has_room()
            {
                continue;
            }
            if self
                .link_of(now, lane, index)
                .is_none_or(|link| !self.links.has_room(link))
            {
                continue;
            }
            let partition = &self.lanes[lane].partitions[index];
            best = Some((
                partition.cursor.position,
                index,
                partition.long_at.is_some(),
            ));
        }
        let (_, index, is_long) = best?;
        self.pace.allows(now).then_some((index, is_long))
    }

    fn begin(
        &mut self,
        now: Instant,
        lane: usize,
        partition: usize,
        is_long: bool,
    ) -> Result<(), FlowError> {
        let buffer = self.reads.take().expect("the caller saw one");
        let cursor = self.lanes[lane].partitions[partition].cursor;
        let input = &self.config.input;
        let work = if is_long {
            Work::Scan(Scan::new(input, buffer, cursor.position))
        } else {
            let window = Window::new(buffer, cursor.window(&self.config.rules, input));
            Work::Cut {
                window,
                cursor,
                frame: None,
            }
        };
        self.add_task(now, lane, partition, work)
    }

    /// Reads a batch again that must be sent again.
    pub(super) fn begin_again(
        &mut self,
        now: Instant,
        lane: usize,
        partition: usize,
        batch: BatchId,
    ) -> Result<bool, FlowError> {
        let Some(buffer) = self.reads.take() else {
            return Ok(false);
        };
        let body = &self.lanes[lane].partitions[partition]
            .producer
            .batch_mut(batch)
            .expect("the producer named it")
            .body;
        let work = match body.long {
            Some(value) if value.bytes == 0 => {
                // Known from an earlier run by its range only.
                Work::Scan(Scan::again(
                    &self.config.input,
                    buffer,
                    body.range.start,
                    batch,
                ))
            }
            Some(_) => Work::Stream(Stream::new(buffer, batch)),
            None => {
                let end = body.range.end.min(body.range.start + buffer.len() as u64);
                Work::Again {
                    window: Window::new(buffer, body.range.start..end),
                    batch,
                    frame: None,
                }
            }
        };
        self.add_task(now, lane, partition, work)?;
        Ok(true)
    }

    /// Reads a refused head to find where its record `at` begins.
    pub(super) fn begin_split(
        &mut self,
        now: Instant,
        lane: usize,
        partition: usize,
        range: Range<u64>,
        at: u32,
    ) -> Result<bool, FlowError> {
        let Some(buffer) = self.reads.take() else {
            return Ok(false);
        };
        let end = range.end.min(range.start + buffer.len() as u64);
        let window = Window::new(buffer, range.start..end);
        self.add_task(
            now,
            lane,
            partition,
            Work::Split {
                window,
                at,
                frame: None,
            },
        )?;
        Ok(true)
    }

    fn add_task(
        &mut self,
        now: Instant,
        lane: usize,
        partition: usize,
        work: Work,
    ) -> Result<(), FlowError> {
        self.lanes[lane].partitions[partition].is_busy = true;
        let task = Task {
            lane,
            partition,
            work,
            is_stalled: false,
            reading_file: None,
        };
        let index = match self.tasks.iter().position(Option::is_none) {
            Some(index) => index,
            None => {
                self.tasks.push(None);
                self.tasks.len() - 1
            }
        };
        let next = if matches!(task.work, Work::Stream(_)) {
            Next::Wait
        } else {
            Next::Read
        };
        self.go_on(now, index, task, next)
    }

    /// Does what a task does next.
    pub(super) fn go_on(
        &mut self,
        now: Instant,
        index: usize,
        mut task: Task,
        next: Next,
    ) -> Result<(), FlowError> {
        match next {
            Next::Read => {
                let window = task.work.window_mut();
                let (read, buffer) = window
                    .take_read(&self.config.input)
                    .expect("an incomplete window has a read");
                task.reading_file = Some(read.file);
                let file = match self.files.open(&mut self.io, read.file) {
                    Ok(file) => file,
                    Err(error) => {
                        self.put_buffer(buffer);
                        self.drop_task(task);
                        return Err(error.into());
                    }
                };
                let token = Purpose::Read { task: index }.token();
                self.io
                    .read(file, read.file_offset, buffer, read.range, token);
                self.tasks[index] = Some(task);
                Ok(())
            }
            Next::Stall | Next::Wait => {
                task.is_stalled = matches!(next, Next::Stall);
                let is_stream = matches!(task.work, Work::Stream(_));
                self.tasks[index] = Some(task);
                if is_stream {
                    self.poll_stream(now, index)
                } else {
                    Ok(())
                }
            }
            Next::Done => {
                self.end_task(task);
                Ok(())
            }
        }
    }

    /// Gives a task's buffers back.
    pub(super) fn end_task(&mut self, task: Task) {
        self.release(&task);
        let (window, frame) = match task.work {
            Work::Cut { window, frame, .. }
            | Work::Again { window, frame, .. }
            | Work::Split { window, frame, .. } => (Some(window), frame),
            Work::Scan(scan) => (Some(scan.window), None),
            Work::Stream(stream) => {
                self.put_stream_buffers(stream);
                (None, None)
            }
        };
        if let Some(window) = window {
            self.reads.put(window.into_buffer());
        }
        if let Some(frame) = frame {
            self.frames.put(frame.buffer);
        }
    }

    /// The partition is free again; what was framed but not sent will be cut again.
    fn release(&mut self, task: &Task) {
        let partition = &mut self.lanes[task.lane].partitions[task.partition];
        partition.is_busy = false;
        if let Work::Cut {
            frame: Some(frame), ..
        } = &task.work
            && frame.records > 0
        {
            partition.cursor = Cursor::new(&self.config.rules, partition.index, frame.range.start);
        }
    }

    /// As `end_task`, where the window's buffer is elsewhere.
    fn drop_task(&mut self, task: Task) {
        self.release(&task);
        let frame = match task.work {
            Work::Cut { frame, .. } | Work::Again { frame, .. } | Work::Split { frame, .. } => {
                frame
            }
            Work::Scan(_) | Work::Stream(_) => None,
        };
        if let Some(frame) = frame {
            self.frames.put(frame.buffer);
        }
    }

    fn resume_stalled(&mut self, now: Instant) -> Result<(), FlowError> {
        for index in 0..self.tasks.len() {
            self.poll_stream(now, index)?;
            let is_stalled = self.tasks[index]
                .as_ref()
                .is_some_and(|task| task.is_stalled);
            if is_stalled && self.frames.available() > 0 {
                let task = self.tasks[index].take().expect("it is there");
                self.work(now, index, task)?;
            }
        }
        Ok(())
    }

    pub(super) fn handle_read(
        &mut self,
        now: Instant,
        index: usize,
        completion: Completion,
    ) -> Result<(), FlowError> {
        let mut task = self.tasks[index].take().expect("a read belongs to a task");
        let Returned::Buffer(buffer) = completion.buffers else {
            panic!("a read gives its buffer back");
        };
        let file = task.reading_file.take().expect("it was reading");
        let bytes = match self.check_read(file, completion.result) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.put_buffer(buffer);
                self.drop_task(task);
                return Err(error);
            }
        };
        if let Err(truncated) =
            task.work
                .window_mut()
                .handle_read(&self.config.input, buffer, bytes)
        {
            self.end_task(task);
            let path = self.config.input.files()[truncated.file].path.clone();
            return Err(FlowError::Truncated {
                path,
                offset: truncated.file_offset,
            });
        }
        self.work(now, index, task)
    }

    fn check_read(&self, file: usize, result: io::Result<usize>) -> Result<usize, FlowError> {
        let path = || self.config.input.files()[file].path.clone();
        result.map_err(|source| FlowError::Read {
            path: path(),
            source,
        })
    }

    /// A task's window has grown: works with it.
    fn work(&mut self, now: Instant, index: usize, mut task: Task) -> Result<(), FlowError> {
        task.is_stalled = false;
        let is_scan = matches!(task.work, Work::Scan(_));
        if !is_scan && !task.work.window_mut().is_complete() {
            return self.go_on(now, index, task, Next::Read);
        }
        if self.draining.is_some() && matches!(task.work, Work::Cut { .. }) {
            return self.go_on(now, index, task, Next::Done);
        }
        let worked = match &mut task.work {
            Work::Cut { .. } => self.work_cut(now, &mut task),
            Work::Again { .. } => self.work_again(now, &mut task),
            Work::Split { .. } => self.work_split(&mut task),
            Work::Scan(_) => self.work_scan(now, &mut task),
            Work::Stream(_) => self.work_stream(index, &mut task),
        };
        match worked {
            Ok(next) => self.go_on(now, index, task, next),
            Err(error) => {
                self.end_task(task);
                Err(error)
            }
        }
    }

    fn work_cut(&mut self, now: Instant, task: &mut Task) -> Result<Next, FlowError> {
        let (lane, index) = (task.lane, task.partition);
        let Work::Cut {
            window,
            cursor,
            frame,
        } = &mut task.work
        else {
            unreachable!()
        };
        loop {
            let Some(open) = self.take_frame(frame) else {
                return Ok(Next::Stall);
            };
            let rules = &self.config.rules;
            let mut batch = open.open_batch(records_bytes_max(rules), cursor.position);
            let stop = cut(
                rules,
                &self.framer,
                &self.config.input,
                window,
                cursor,
                &mut batch,
            );
            let state = batch_state(&batch);
            open.keep(state);
            self.lanes[lane].partitions[index].cursor = *cursor;
            if let Cut::More { end } = stop {
                window.advance(cursor.position, end);
                return Ok(Next::Read);
            }
            if open.records > 0 {
                let full = frame.take().expect("it was filled");
                self.send_new(now, lane, index, full, window)?;
            }
            match stop {
                Cut::Full => {
                    let partition = &self.lanes[lane].partitions[index];
                    if !partition.producer.has_room() || !self.pace.allows(now) {
                        return Ok(Next::Done); // The rest of the chunk is read again.
                    }
                }
                Cut::Long => {
                    self.lanes[lane].partitions[index].long_at = Some(cursor.position);
                    return Ok(Next::Done);
                }
                Cut::ChunkEnd | Cut::Count | Cut::More { .. } => return Ok(Next::Done),
            }
        }
    }

    fn work_again(&mut self, now: Instant, task: &mut Task) -> Result<Next, FlowError> {
        let (lane, index) = (task.lane, task.partition);
        let Work::Again {
            window,
            batch: id,
            frame,
        } = &mut task.work
        else {
            unreachable!()
        };
        let id = *id;
        let Some(open) = self.take_frame(frame) else {
            return Ok(Next::Stall);
        };
        let Some(known) = self.lanes[lane].partitions[index].producer.batch_mut(id) else {
            return Ok(Next::Done); // Settled meanwhile.
        };
        let (range, count) = (known.body.range.clone(), known.count);
        if open.records == 0 {
            open.range = range.start..range.start;
        }
        let rules = &self.config.rules;
        let mut batch = open.open_batch(records_bytes_max(rules), range.start);
        let input = &self.config.input;
        let stop = frame_until(rules, &self.framer, input, window, range.end, &mut batch);
        let state = batch_state(&batch);
        open.keep(state);
        match stop {
            Cut::More { end } => {
                window.advance(open.range.end, end.min(range.end));
                if window.is_complete() {
                    return Err(self.changed(range.start));
                }
                Ok(Next::Read)
            }
            Cut::ChunkEnd if open.records == count && open.range.end == range.end => {
                let full = frame.take().expect("it was filled");
                self.send_again(now, lane, index, id, full, window)?;
                Ok(Next::Done)
            }
            _ => Err(self.changed(range.start)),
        }
    }

    fn work_split(&mut self, task: &mut Task) -> Result<Next, FlowError> {
        let (lane, index) = (task.lane, task.partition);
        let Work::Split { window, at, frame } = &mut task.work else {
            unreachable!()
        };
        let at = *at;
        let Some(open) = self.take_frame(frame) else {
            return Ok(Next::Stall);
        };
        let partition = &mut self.lanes[lane].partitions[index];
        let (head, _) = partition
            .producer
            .refused_head()
            .expect("a refused head is split");
        let range = head.body.range.clone();
        let rules = &self.config.rules;
        let mut batch = open.open_batch(records_bytes_max(rules), range.start);
        batch.records_max = at;
        let input = &self.config.input;
        let stop = frame_until(rules, &self.framer, input, window, range.end, &mut batch);
        let state = batch_state(&batch);
        open.keep(state);
        match stop {
            Cut::More { end } => {
                window.advance(open.range.end, end.min(range.end));
                if window.is_complete() {
                    return Err(self.changed(range.start));
                }
                Ok(Next::Read)
            }
            Cut::Count => {
                let middle = open.range.end;
                self.split_head_at(lane, index, at, middle)?;
                Ok(Next::Done)
            }
            _ => Err(self.changed(range.start)),
        }
    }

    /// The task's frame, or a new one; `None` when all are in use.
    fn take_frame<'a>(&mut self, frame: &'a mut Option<Frame>) -> Option<&'a mut Frame> {
        if frame.is_none() {
            *frame = Some(Frame::new(self.frames.take()?));
        }
        frame.as_mut()
    }

    pub(super) fn changed(&self, position: u64) -> FlowError {
        let (file, offset) = self.config.input.locate(position);
        FlowError::Changed {
            path: self.config.input.files()[file].path.clone(),
            offset,
        }
    }
}

fn batch_state(batch: &OpenBatch<'_>) -> (usize, u32, Range<u64>) {
    (batch.written, batch.records, batch.range.clone())
}
