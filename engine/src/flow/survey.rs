//! Reads the input as a load would cut it, without sending: what a resume needs to know about batches
//! that may have arrived before a crash. Blocking, for it runs before any shard does.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use protocol::records::header::HEADER_BYTES;
use protocol::records::kernel::{Framer, framed_bytes};

use super::config::{SurveyedBatch, TooLarge};
use super::cut::{Cursor, Cut, CutRules, OpenBatch, cut, records_bytes_max};
use super::piece::{Piece, Tail};
use super::window::Window;
use crate::feed::FeedError;
use crate::input::Input;
use crate::memory::Buffer;
use protocol::records::crc::crc32c;

/// Why the input could not be read again.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is read from its beginning could not be read.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// A file is shorter than it was.
    #[error("{} ends at byte {offset}, before what was loaded from it", .path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where it ends.
        offset: u64,
    },
}

/// Batches in the input's order, and what lies between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surveyed {
    /// The batches.
    pub batches: Vec<SurveyedBatch>,
    /// Records before the last of them that were refused for their size.
    pub refused: Vec<TooLarge>,
}

/// Records that were passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Behind the last one.
    pub position: u64,
    /// The bytes before that.
    pub tail: Tail,
    /// Bytes of input that they took.
    pub bytes: u64,
    /// Records between them that were refused for their size.
    pub refused: Vec<TooLarge>,
}

/// What a resume asks of the input.
pub trait Cutting: fmt::Debug {
    /// The checksums of some of its bytes.
    fn crcs(&mut self, wanted: &[Range<u64>]) -> Result<Vec<u32>, SurveyError>;

    /// The batches of `partition` from `position` on, until they hold `records` or more, or its input
    /// ends.
    fn batches(
        &mut self,
        partition: u32,
        position: u64,
        records: u64,
    ) -> Result<Surveyed, SurveyError>;

    /// Passes the next `records` records of `partition`; `None` where there are fewer.
    fn skip(
        &mut self,
        partition: u32,
        position: u64,
        records: u64,
    ) -> Result<Option<Skipped>, SurveyError>;
}

/// What a cursor comes to next.
enum Next {
    Batch(SurveyedBatch),
    /// A record that is too large for the topic.
    Refused(TooLarge),
    /// Nothing more of its chunk.
    ChunkEnd,
}

/// A reader of the input.
#[derive(Debug)]
pub struct Survey<'a> {
    input: &'a Input,
    rules: CutRules,
    record_bytes_max: u64,
    framer: Framer,
    read: Option<Buffer>,
    output: Buffer,
    open: HashMap<usize, File>,
}

impl<'a> Survey<'a> {
    /// Reads `input` as `rules` cut it. Records that pass `record_bytes_max` are refused ones.
    pub fn new(input: &'a Input, rules: CutRules, record_bytes_max: u64) -> Self {
        Self {
            input,
            rules,
            record_bytes_max,
            framer: rules.framer(),
            read: Some(Buffer::new(rules.window_bytes())),
            output: Buffer::new(records_bytes_max(&rules)),
            open: HashMap::new(),
        }
    }

    /// The checksum of `bytes` of the input at `position`.
    pub fn crc(&mut self, position: u64, bytes: u32) -> Result<u32, SurveyError> {
        let mut content = vec![0; bytes as usize];
        self.read_at(position, &mut content)?;
        Ok(crc32c(&content))
    }

    /// One byte of the input.
    pub fn byte(&mut self, position: u64) -> Result<u8, SurveyError> {
        let mut content = [0];
        self.read_at(position, &mut content)?;
        Ok(content[0])
    }

    /// What the cursor's chunk gives next.
    fn next(&mut self, cursor: &mut Cursor, records_max: u32) -> Result<Next, SurveyError> {
        let buffer = self.read.take().expect("it is there between calls");
        let range = cursor.window(&self.rules, self.input);
        let mut window = Window::new(buffer, range);
        let found = self.cut_one(cursor, records_max, &mut window);
        self.read = Some(window.into_buffer());
        let (batch, stop) = found?;
        match (batch, stop) {
            (Some(batch), _) => Ok(Next::Batch(batch)),
            (None, Cut::Long) => self.long_record(cursor),
            (None, _) => Ok(Next::ChunkEnd),
        }
    }

    fn cut_one(
        &mut self,
        cursor: &mut Cursor,
        records_max: u32,
        window: &mut Window,
    ) -> Result<(Option<SurveyedBatch>, Cut), SurveyError> {
        let (mut written, mut records, mut range) = (0, 0, cursor.position..cursor.position);
        loop {
            while !window.is_complete() {
                self.fill(window)?;
            }
            let mut batch = OpenBatch::new(&mut self.output, cursor.position);
            (batch.written, batch.records, batch.range) = (written, records, range);
            batch.records_max = records_max;
            let stop = cut(
                &self.rules,
                &self.framer,
                self.input,
                window,
                cursor,
                &mut batch,
            );
            (written, records, range) = (batch.written, batch.records, batch.range);
            if let Cut::More { end } = stop {
                window.advance(cursor.position, end);
                continue;
            }
            if records == 0 {
                return Ok((None, stop));
            }
            let piece = Piece::lines(range.clone(), 0);
            let tail = self.tail(&piece)?;
            let batch = SurveyedBatch {
                range,
                count: records,
                is_long: false,
                tail,
            };
            return Ok((Some(batch), stop));
        }
    }

    fn tail(&mut self, piece: &Piece) -> Result<Tail, SurveyError> {
        let range = piece.tail_range();
        let bytes = u32::try_from(range.end - range.start).expect("a tail is short");
        Ok(Tail {
            crc: self.crc(range.start, bytes)?,
            bytes,
            position: range.start,
        })
    }

    /// A long record at the cursor: its end, and whether it was sent or refused.
    fn long_record(&mut self, cursor: &mut Cursor) -> Result<Next, SurveyError> {
        let start = cursor.position;
        let file_end = self.input.file_end(start);
        let mut position = start;
        let mut end = None;
        while end.is_none() && position < file_end {
            let step = (self.output.len() as u64).min(file_end - position);
            let step = usize::try_from(step).expect("a buffer's size");
            let mut output = std::mem::replace(&mut self.output, Buffer::new(0));
            let read = self.read_at(position, &mut output[..step]);
            end = self
                .framer
                .find(&output[..step])
                .map(|index| position + index as u64);
            self.output = output;
            read?;
            position += step as u64;
        }
        let raw_end = end.unwrap_or(file_end);
        let mut value_bytes = raw_end - start;
        if self.rules.crlf_strip && value_bytes > 0 && self.byte(raw_end - 1)? == b'\r' {
            value_bytes -= 1;
        }
        let range = start..raw_end + u64::from(end.is_some());
        cursor.skip_to(&self.rules, range.end);
        let fits = usize::try_from(value_bytes)
            .ok()
            .filter(|&bytes| bytes <= i32::MAX as usize / 2)
            .is_some_and(|b| (HEADER_BYTES + framed_bytes(b, 0)) as u64 <= self.record_bytes_max);
        if !fits {
            return Ok(Next::Refused(TooLarge {
                range,
                value_bytes,
                dealt: None,
            }));
        }
        let tail = self.tail(&Piece::lines(range.clone(), 0))?;
        Ok(Next::Batch(SurveyedBatch {
            range,
            count: 1,
            is_long: true,
            tail,
        }))
    }

    fn fill(&mut self, window: &mut Window) -> Result<(), SurveyError> {
        let (read, mut buffer) = window.take_read(self.input).expect("it is not complete");
        let path = self.input.files()[read.file].path.clone();
        let file = self.file(read.file)?;
        let into = &mut buffer[read.range];
        let result = loop {
            match file.read_at(into, read.file_offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let bytes = match result {
            Ok(bytes) => bytes,
            Err(source) => {
                // The buffer goes back into its window before the error goes out.
                window.put_back(buffer);
                return Err(SurveyError::Read { path, source });
            }
        };
        window
            .handle_read(self.input, buffer, bytes)
            .map_err(|truncated| SurveyError::Truncated {
                path,
                offset: truncated.file_offset,
            })
    }

    fn read_at(&mut self, mut position: u64, mut into: &mut [u8]) -> Result<(), SurveyError> {
        while !into.is_empty() {
            let end = position + into.len() as u64;
            let Some(segment) = self.input.segment(position, end) else {
                break;
            };
            let path = self.input.files()[segment.file].path.clone();
            let length = usize::try_from(segment.bytes).expect("no longer than the slice");
            let (now, rest) = into.split_at_mut(length);
            self.file(segment.file)?
                .read_exact_at(now, segment.file_offset)
                .map_err(|source| SurveyError::Read { path, source })?;
            into = rest;
            position += segment.bytes;
        }
        Ok(())
    }

    fn file(&mut self, file: usize) -> Result<&File, SurveyError> {
        if !self.open.contains_key(&file) {
            let path = &self.input.files()[file].path;
            let opened = File::open(path).map_err(|source| SurveyError::Read {
                path: path.clone(),
                source,
            })?;
            if self.open.len() > 16 {
                self.open.clear();
            }
            self.open.insert(file, opened);
        }
        Ok(&self.open[&file])
    }
}

impl Cutting for Survey<'_> {
    fn crcs(&mut self, wanted: &[Range<u64>]) -> Result<Vec<u32>, SurveyError> {
        let crc = |range: &Range<u64>| {
            let bytes = u32::try_from(range.end - range.start).expect("a tail is short");
            self.crc(range.start, bytes)
        };
        wanted.iter().map(crc).collect()
    }

    fn batches(
        &mut self,
        partition: u32,
        position: u64,
        records: u64,
    ) -> Result<Surveyed, SurveyError> {
        let mut found = Surveyed::default();
        let mut refused = Vec::new();
        let mut left = records;
        let mut cursor = Cursor::new(&self.rules, partition, position);
        while left > 0 && !cursor.is_at_end(self.input) {
            match self.next(&mut cursor, u32::MAX)? {
                Next::Batch(batch) => {
                    left = left.saturating_sub(u64::from(batch.count));
                    found.batches.push(batch);
                    // Those behind the last batch are found again by who goes on there.
                    found.refused.append(&mut refused);
                }
                Next::Refused(record) => refused.push(record),
                Next::ChunkEnd => {}
            }
        }
        Ok(found)
    }

    fn skip(
        &mut self,
        partition: u32,
        position: u64,
        records: u64,
    ) -> Result<Option<Skipped>, SurveyError> {
        let mut skipped = Skipped {
            position,
            ..Skipped::default()
        };
        let mut left = records;
        let mut cursor = Cursor::new(&self.rules, partition, position);
        while left > 0 {
            if cursor.is_at_end(self.input) {
                return Ok(None);
            }
            let at_most = u32::try_from(left).unwrap_or(u32::MAX);
            match self.next(&mut cursor, at_most)? {
                Next::Batch(batch) => {
                    left -= u64::from(batch.count);
                    skipped.position = batch.range.end;
                    skipped.bytes += batch.range.end - batch.range.start;
                    skipped.tail = batch.tail;
                }
                Next::Refused(record) => skipped.refused.push(record),
                Next::ChunkEnd => {}
            }
        }
        Ok(Some(skipped))
    }
}
