//! The records of a partition as the input holds them, in split mode.
//!
//! Found without the code that cuts batches for a load: a mistake there must not be made twice and so
//! go unseen.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use protocol::records::hash::{RecordHash, ValueHash};
use protocol::records::header::HEADER_BYTES;
use protocol::records::kernel::framed_bytes;

use super::{ExpectError, ExpectedRecords};
use crate::flow::CutRules;
use crate::input::Input;

/// Bytes that are in memory at a time: a chunk, and as much again for the record that reaches out of it.
const BUFFER_BYTES: usize = 1 << 20;
/// How far behind a chunk is read at first, and at a time then.
const STEP_BYTES: u64 = 16 << 10;

/// Reads one partition's records, in order.
#[derive(Debug)]
pub struct SplitRecords<'a> {
    input: &'a Input,
    rules: CutRules,
    record_bytes_max: u64,
    /// Positions of records that the brokers refused, in order, and how many are passed.
    refused: Vec<u64>,
    passed: usize,
    too_large: u64,
    chunk: u64,
    position: u64,
    /// A record begins at `position`, if it is in the chunk.
    is_aligned: bool,
    /// The file that holds the position, as a range of the input.
    file: Range<u64>,
    buffer: Vec<u8>,
    buffer_bytes: usize,
    /// Of the buffer's first byte.
    begin: u64,
    open: Option<(usize, File)>,
}

/// A record's value in the buffer, or what is left of one that was too long for it.
enum Value {
    Bytes(Range<usize>),
    Pieces(ValueHash, u64),
}

impl<'a> SplitRecords<'a> {
    /// The records of `partition` as `rules` deal them out. Left out are those of more bytes than
    /// `record_bytes_max` allows, and those that begin at one of the positions `refused`, which are in
    /// order.
    pub fn new(
        input: &'a Input,
        rules: CutRules,
        record_bytes_max: u64,
        partition: u32,
        refused: Vec<u64>,
    ) -> Self {
        let chunk = rules.deal.first_chunk(partition, 0);
        Self {
            input,
            rules,
            record_bytes_max,
            refused,
            passed: 0,
            too_large: 0,
            chunk,
            position: rules.deal.range(chunk).start,
            is_aligned: false,
            file: 0..0,
            buffer: Vec::new(),
            buffer_bytes: BUFFER_BYTES,
            begin: 0,
            open: None,
        }
    }

    /// Goes to where the next record of the partition begins; `false`: there is none.
    fn seek(&mut self) -> Result<bool, ExpectError> {
        loop {
            if self.position >= self.input.bytes() {
                return Ok(false);
            }
            let range = self.rules.deal.range(self.chunk);
            if self.position >= range.end {
                self.chunk = self.rules.deal.next_chunk(self.chunk);
                let start = self.rules.deal.range(self.chunk).start;
                // In the chunk behind, it may be where the last record ended.
                self.is_aligned &= self.position >= start;
                self.position = self.position.max(start);
            } else if self.is_aligned {
                return Ok(true);
            } else if self.input.is_file_start(self.position) {
                self.is_aligned = true;
            } else {
                self.align(range.end)?;
            }
        }
    }

    fn file_end(&mut self, position: u64) -> u64 {
        if !self.file.contains(&position) {
            let (file, offset) = self.input.locate(position);
            let start = position - offset;
            self.file = start..start + self.input.files()[file].size;
        }
        self.file.end
    }

    /// From somewhere in a file to behind the next delimiter or the file, within the chunk.
    fn align(&mut self, chunk_end: u64) -> Result<(), ExpectError> {
        let before = self.position - 1;
        let file_end = self.file_end(before);
        let end = file_end.min(chunk_end);
        (self.begin, self.position) = (before, before);
        self.buffer.clear();
        loop {
            let begun = self.begin + self.buffer.len() as u64;
            self.load(end)?;
            let new = &self.buffer[index(begun - self.begin)..];
            if let Some(at) = memchr::memchr(self.rules.delimiter, new) {
                (self.position, self.is_aligned) = (begun + at as u64 + 1, true);
                return Ok(());
            }
            let loaded = self.begin + self.buffer.len() as u64;
            if loaded >= end {
                (self.position, self.is_aligned) = (end, end == file_end);
                return Ok(());
            }
            if self.buffer.len() == self.buffer_bytes {
                self.begin = loaded;
                self.buffer.clear();
            }
        }
    }

    /// Reads on behind what is in the buffer, at most up to `end`, at least a byte.
    fn load(&mut self, end: u64) -> Result<(), ExpectError> {
        let from = self.begin + self.buffer.len() as u64;
        let chunk_end = self.rules.deal.range(self.chunk).end;
        let wanted = if from < chunk_end {
            chunk_end + STEP_BYTES
        } else {
            from + STEP_BYTES
        };
        let room = (self.buffer_bytes - self.buffer.len()) as u64;
        let bytes = wanted.min(end).min(from + room) - from;
        let (file, offset) = self.input.locate(from);
        let filled = self.buffer.len();
        self.buffer.resize(filled + index(bytes), 0);
        let read = self.read(file, offset, filled);
        let read = match read {
            Ok(0) => Err(ExpectError::Truncated {
                path: self.input.files()[file].path.clone(),
                offset,
            }),
            Ok(read) => Ok(read),
            Err(source) => Err(ExpectError::Read {
                path: self.input.files()[file].path.clone(),
                source,
            }),
        };
        self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
        read.map(drop)
    }

    fn read(&mut self, file: usize, offset: u64, filled: usize) -> io::Result<usize> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != file) {
            self.open = Some((file, File::open(&self.input.files()[file].path)?));
        }
        let (_, open) = self.open.as_ref().expect("it was just opened");
        loop {
            match open.read_at(&mut self.buffer[filled..], offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// The value of the record at the position, behind which the position then stands.
    fn take(&mut self) -> Result<Value, ExpectError> {
        let start = self.position;
        let file_end = self.file_end(start);
        let loaded = self.begin + self.buffer.len() as u64;
        if start < self.begin || start >= loaded {
            self.begin = start;
            self.buffer.clear();
        }
        let mut searched = 0;
        loop {
            let first = index(start - self.begin);
            let known = (self.buffer.len() - first).min(index(file_end - start));
            let line = &self.buffer[first..first + known];
            if let Some(at) = memchr::memchr(self.rules.delimiter, &line[searched..]) {
                let end = searched + at;
                self.position = start + end as u64 + 1;
                return Ok(self.stripped(first, end));
            }
            searched = line.len();
            if start + known as u64 == file_end {
                self.position = file_end;
                return Ok(self.stripped(first, searched));
            }
            if first > 0 && self.buffer.len() == self.buffer_bytes {
                self.buffer.drain(..first);
                self.begin = start;
            } else if self.buffer.len() == self.buffer_bytes {
                return self.take_long(file_end);
            }
            self.load(file_end)?;
        }
    }

    fn stripped(&self, first: usize, bytes: usize) -> Value {
        let end = first + bytes;
        let has_cr = self.rules.crlf_strip && self.buffer[first..end].last() == Some(&b'\r');
        Value::Bytes(first..end - usize::from(has_cr))
    }

    /// The same for a record that no buffer holds. All that is in the buffer is of it.
    fn take_long(&mut self, file_end: u64) -> Result<Value, ExpectError> {
        let mut hash = ValueHash::default();
        let mut bytes = 0;
        // A carriage return that may be the last byte.
        let mut has_cr = false;
        loop {
            let end = memchr::memchr(self.rules.delimiter, &self.buffer);
            let mut piece = &self.buffer[..end.unwrap_or(self.buffer.len())];
            if has_cr && !piece.is_empty() {
                hash.update(b"\r");
                bytes += 1;
                has_cr = false;
            }
            if let [rest @ .., b'\r'] = piece
                && self.rules.crlf_strip
            {
                (piece, has_cr) = (rest, true);
            }
            hash.update(piece);
            bytes += piece.len() as u64;
            if let Some(end) = end {
                self.position = self.begin + end as u64 + 1;
                return Ok(Value::Pieces(hash, bytes));
            }
            self.begin += self.buffer.len() as u64;
            self.buffer.clear();
            if self.begin == file_end {
                self.position = file_end;
                return Ok(Value::Pieces(hash, bytes));
            }
            self.load(file_end)?;
        }
    }

    fn is_refused(&mut self, start: u64) -> bool {
        while self.refused.get(self.passed).is_some_and(|&at| at < start) {
            self.passed += 1;
        }
        let is_next = self.refused.get(self.passed) == Some(&start);
        self.passed += usize::from(is_next);
        is_next
    }

    fn fits(&self, value_bytes: u64) -> bool {
        usize::try_from(value_bytes)
            .ok()
            .filter(|&bytes| bytes <= i32::MAX as usize / 2)
            .is_some_and(|b| (HEADER_BYTES + framed_bytes(b, 0)) as u64 <= self.record_bytes_max)
    }
}

impl ExpectedRecords for SplitRecords<'_> {
    fn add_next(&mut self, records: u64, hash: &mut RecordHash) -> Result<u64, ExpectError> {
        let mut added = 0;
        while added < records && self.seek()? {
            let start = self.position;
            let value = self.take()?;
            let bytes = match &value {
                Value::Bytes(range) => range.len() as u64,
                Value::Pieces(_, bytes) => *bytes,
            };
            if !self.fits(bytes) {
                self.too_large += 1;
            } else if !self.is_refused(start) {
                match value {
                    Value::Bytes(range) => hash.add_value(&self.buffer[range]),
                    Value::Pieces(value, _) => hash.add_pieces(&value),
                }
                added += 1;
            }
        }
        Ok(added)
    }

    fn place(&self) -> String {
        let (file, offset) = self.input.locate(self.position);
        match self.input.files().get(file) {
            Some(file) => format!("byte {offset} of {}", file.path.display()),
            None => "the beginning".to_owned(),
        }
    }

    fn refused(&self) -> u64 {
        self.too_large + self.refused.len() as u64
    }
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).expect("no more than a buffer or a file in memory")
}

#[cfg(test)]
mod tests;
