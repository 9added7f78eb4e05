//! The end of a load: the rejects file is written once more, in the order of the input and with the
//! number of each record's line. Contents are copied from file to file; what is held in memory is
//! where each line lies.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::line::{Head, Line};
use super::sink::Sink;
use super::{Rejects, RejectsError};
use crate::file::atomic::Replacement;

const CHUNK_BYTES: usize = 256 << 10;

/// Where a line lies, and the number of its record.
struct Entry {
    input: usize,
    offset: u64,
    start: u64,
    content: u64,
    end: u64,
    /// `None` keeps the number that the line has.
    number: Option<u64>,
}

impl Rejects {
    /// Puts the lines in order and gives them their numbers. Returns how many there are.
    pub fn finish(mut self, delimiter: u8) -> Result<u64, RejectsError> {
        let mut entries = self.index()?;
        self.number(&mut entries, delimiter)?;
        self.write_in_order(&entries)
    }

    /// Puts the lines in order that had their numbers when they were written
    /// ([`Rejects::write_record`]) or have none ([`Rejects::write_dealt`]). Returns how many there
    /// are.
    pub fn finish_numbered(mut self) -> Result<u64, RejectsError> {
        let entries = self.index()?;
        self.write_in_order(&entries)
    }

    fn write_in_order(&mut self, entries: &[Entry]) -> Result<u64, RejectsError> {
        let replacement = Replacement::create(&self.path).map_err(|e| self.write_failed(e))?;
        let mut sink = Sink::new(replacement.file(), 0);
        for entry in entries {
            self.rewrite(entry, &mut sink)
                .map_err(|e| self.write_failed(e))?;
        }
        let end = sink.finish().map_err(|e| self.write_failed(e))?;
        self.replace(replacement, end)?;
        Ok(entries.len() as u64)
    }

    fn index(&self) -> Result<Vec<Entry>, RejectsError> {
        let mut entries = Vec::new();
        self.scan(|line: &Line| {
            // A torn line was reported when its writing failed.
            entries.extend(line.head.as_ref().map(|head| Entry {
                input: head.index(),
                offset: head.offset,
                start: line.start,
                content: line.content,
                end: line.end,
                number: None,
            }));
        })?;
        entries.sort_by_key(|entry| (entry.input, entry.offset, entry.start));
        entries.dedup_by_key(|entry| (entry.input, entry.offset));
        Ok(entries)
    }

    /// Counts delimiters in one pass over each input, as far as its last reject.
    fn number(&mut self, entries: &mut [Entry], delimiter: u8) -> Result<(), RejectsError> {
        for of_input in entries.chunk_by_mut(|a, b| a.input == b.input) {
            let input = of_input[0].input;
            let path = self.inputs[input].path.clone();
            self.open_source(input)?;
            let source = self.source();
            let (mut at, mut before) = (0, 0);
            for entry in of_input {
                let counted = count(source, at, entry.offset, delimiter);
                before += counted.map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => {
                        RejectsError::InputChanged { path: path.clone() }
                    }
                    _ => RejectsError::Input {
                        path: path.clone(),
                        offset: at,
                        source: error,
                    },
                })?;
                at = entry.offset;
                entry.number = Some(before + 1);
            }
        }
        Ok(())
    }

    fn rewrite(&self, entry: &Entry, sink: &mut Sink<'_>) -> io::Result<()> {
        let bytes = usize::try_from(entry.content - entry.start).expect("a head is short");
        let mut head = vec![0; bytes];
        self.file.read_exact_at(&mut head, entry.start)?;
        let mut head = Head::parse(&head).ok_or(io::ErrorKind::InvalidData)?;
        head.line = entry.number.or(head.line);
        sink.push(&head.open_json())?;
        sink.copy(&self.file, entry.content..entry.end)
    }
}

/// How many delimiters lie in a range of a file.
fn count(file: &File, from: u64, to: u64, delimiter: u8) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut at, mut found) = (from, 0);
    while at < to {
        let bytes = (to - at).min(CHUNK_BYTES as u64);
        let part = &mut chunk[..usize::try_from(bytes).expect("at most a chunk")];
        file.read_exact_at(part, at)?;
        found += part.iter().filter(|byte| **byte == delimiter).count() as u64;
        at += bytes;
    }
    Ok(found)
}
