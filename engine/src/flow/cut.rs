//! Cuts the input into batches: which bytes of a chunk make the next one.
//!
//! Batch boundaries are a function of the bytes and the frozen settings, never of what happened to be
//! in a buffer:
//! * a batch never spans chunks, and ends where the next record would pass `batch_bytes_max`;
//! * a record of more than C bytes (C: a chunk), or one that does not fit into a batch by itself, is
//!   *long*: the batch before it ends, and it goes alone.

use std::ops::Range;

use protocol::records::header::HEADER_BYTES;
use protocol::records::kernel::{Bounds, Framer, Stop};

use super::window::Window;
use crate::input::{Deal, Input};

/// What decides where records and batches begin and end. Frozen when the job begins.
#[derive(Debug, Clone, Copy)]
pub struct CutRules {
    /// Chunks and their partitions.
    pub deal: Deal,
    /// A batch's size in bytes at most, header included, before compression.
    pub batch_bytes_max: u32,
    /// The byte that ends a record.
    pub delimiter: u8,
    /// Drop a carriage return before the delimiter.
    pub crlf_strip: bool,
}

/// How far a window reaches behind its chunk, for the last record's rest.
const TAIL_BYTES: u64 = 16 << 10;

impl CutRules {
    /// The framer for these lines.
    pub fn framer(&self) -> Framer {
        Framer::new(self.delimiter, self.crlf_strip)
    }

    /// Bytes that a window's buffer needs.
    pub fn window_bytes(&self) -> usize {
        // The byte before, a chunk, and the rest of its last record; after that record's start the
        // window moves, and C + 1 bytes tell whether it is long.
        usize::try_from(self.deal.chunk_bytes + TAIL_BYTES + 2).expect("chunks fit into memory")
    }
}

/// A place in one partition's chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) partition: u32,
    pub(crate) chunk: u64,
    /// Where the next record begins, or is looked for while `is_aligned` is false.
    pub(crate) position: u64,
    is_aligned: bool,
}

impl Cursor {
    /// Behind everything that begins before `position`.
    pub(crate) fn new(rules: &CutRules, partition: u32, position: u64) -> Self {
        let chunk = rules.deal.first_chunk(partition, position);
        let start = rules.deal.range(chunk).start;
        Self {
            partition,
            chunk,
            position: position.max(start),
            is_aligned: false,
        }
    }

    pub(crate) fn chunk_end(&self, rules: &CutRules) -> u64 {
        rules.deal.range(self.chunk).end
    }

    /// Whether the partition has no more input.
    pub(crate) fn is_at_end(&self, input: &Input) -> bool {
        self.position >= input.bytes()
    }

    fn next_chunk(&mut self, rules: &CutRules) {
        self.chunk = rules.deal.next_chunk(self.chunk);
        let start = rules.deal.range(self.chunk).start;
        // A fixed partition has every chunk: what was aligned stays so.
        self.is_aligned &= self.position >= start;
        self.position = self.position.max(start);
    }

    /// What to read to go on from here.
    pub(crate) fn window(&self, rules: &CutRules, input: &Input) -> Range<u64> {
        let needs_byte_before = !self.is_aligned && !input.is_file_start(self.position);
        let start = self.position - u64::from(needs_byte_before);
        let chunk_end = self.chunk_end(rules).min(input.bytes());
        let file_end = input.file_end(chunk_end - 1);
        start..(chunk_end + TAIL_BYTES).min(file_end)
    }

    /// Goes behind a record that ends at `position`.
    pub(crate) fn skip_to(&mut self, rules: &CutRules, position: u64) {
        *self = Self {
            position,
            is_aligned: true,
            ..*self
        };
        while self.position >= self.chunk_end(rules) {
            self.next_chunk(rules);
        }
    }
}

/// What cutting came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The batch ends here; its chunk has more.
    Full,
    /// The chunk is done, and with it the batch; the cursor stands in the next chunk.
    ChunkEnd,
    /// `records_max` is reached.
    Count,
    /// The window must be read on, up to the position named, from the cursor.
    More { end: u64 },
    /// The record at the cursor is long. If the batch holds records it must be sent before.
    Long,
}

/// A batch while it is framed.
#[derive(Debug)]
pub(crate) struct OpenBatch<'a> {
    /// Where records go: no longer than the batch may become.
    pub(crate) output: &'a mut [u8],
    pub(crate) written: usize,
    pub(crate) records: u32,
    pub(crate) records_max: u32,
    /// Positions of its first record and behind its last.
    pub(crate) range: Range<u64>,
}

impl<'a> OpenBatch<'a> {
    pub(crate) fn new(output: &'a mut [u8], position: u64) -> Self {
        Self {
            output,
            written: 0,
            records: 0,
            records_max: u32::MAX,
            range: position..position,
        }
    }
}

/// The most bytes of records in a batch.
pub(crate) fn records_bytes_max(rules: &CutRules) -> usize {
    rules.batch_bytes_max as usize - HEADER_BYTES
}

/// Frames records from the window into the batch until one of them ends.
pub(crate) fn cut(
    rules: &CutRules,
    framer: &Framer,
    input: &Input,
    window: &Window,
    cursor: &mut Cursor,
    batch: &mut OpenBatch<'_>,
) -> Cut {
    let chunk_end = cursor.chunk_end(rules).min(input.bytes());
    if !cursor.is_aligned {
        align(framer, input, window, cursor, chunk_end);
    }
    if batch.records == 0 {
        batch.range = cursor.position..cursor.position;
    }
    let stop = frame_until(rules, framer, input, window, chunk_end, batch);
    cursor.position = batch.range.end;
    if stop == Cut::ChunkEnd {
        cursor.next_chunk(rules);
    }
    stop
}

/// Frames the records from the batch's end on that begin before `limit`, as far as the window goes.
/// [`Cut::ChunkEnd`] means that `limit` is reached.
pub(crate) fn frame_until(
    rules: &CutRules,
    framer: &Framer,
    input: &Input,
    window: &Window,
    limit: u64,
    batch: &mut OpenBatch<'_>,
) -> Cut {
    let long_bytes = rules.deal.chunk_bytes;
    loop {
        let position = batch.range.end;
        if position >= limit {
            return Cut::ChunkEnd;
        }
        let file_end = input.file_end(position);
        let readable = file_end.min(window.end());
        // Cut so that what is seen of the next record never depends on the buffer.
        let slice_end = readable.min(position + long_bytes + 1);
        let bounds = Bounds {
            begin_before: usize::try_from(limit - position).expect("a batch fits into memory"),
            input_ends: slice_end == file_end,
            records_max: batch.records_max - batch.records,
        };
        let framed = framer.frame(
            window.bytes(position..slice_end),
            bounds,
            &mut batch.output[batch.written..],
            batch.records,
        );
        batch.range.end += framed.consumed as u64;
        batch.written += framed.written;
        batch.records += framed.records;
        let left = slice_end - batch.range.end;
        match framed.stop {
            Stop::Bound => {}
            Stop::Count => return Cut::Count,
            Stop::Full if batch.records == 0 => return Cut::Long,
            Stop::Full => return Cut::Full,
            Stop::Unfinished if slice_end < readable && framed.consumed > 0 => {}
            Stop::Unfinished if left > long_bytes => return Cut::Long,
            Stop::Unfinished => {
                return Cut::More {
                    end: file_end.min(batch.range.end + long_bytes + 1),
                };
            }
        }
    }
}

/// Moves the cursor to the first record that begins in its chunk: the byte before tells whether one
/// starts right here. None may.
fn align(framer: &Framer, input: &Input, window: &Window, cursor: &mut Cursor, chunk_end: u64) {
    cursor.is_aligned = true;
    if input.is_file_start(cursor.position) {
        return;
    }
    let before = cursor.position - 1;
    let file_end = input.file_end(before);
    let end = file_end.min(chunk_end);
    cursor.position = match framer.find(window.bytes(before..end)) {
        Some(index) => before + index as u64 + 1,
        None => end,
    };
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::input::InputFile;
    use crate::memory::Buffer;

    /// A batch: its range, its records, and their bytes; a long record has no bytes here.
    type Piece = (Range<u64>, u32, Vec<u8>);

    /// Files in memory, and how they are read.
    struct Rig {
        rules: CutRules,
        input: Input,
        bytes: Vec<u8>,
        /// The most that a read gives.
        read_bytes: usize,
        /// Whether a new batch goes on in the window of the one before, or reads anew.
        keeps_window: bool,
    }

    impl Rig {
        fn new(rules: CutRules, contents: &[Vec<u8>]) -> Self {
            let files = contents.iter().map(|content| InputFile {
                path: PathBuf::new(),
                device: 0,
                inode: 0,
                size: content.len() as u64,
            });
            Self {
                rules,
                input: Input::new(files.collect()),
                bytes: contents.concat(),
                read_bytes: usize::MAX,
                keeps_window: true,
            }
        }

        fn fill(&self, window: &mut Window) {
            let begin = usize::try_from(window.begin()).unwrap();
            while let Some((read, mut buffer)) = window.take_read(&self.input) {
                let start = begin + read.range.start;
                let count = read.range.len().min(self.read_bytes);
                buffer[read.range.start..][..count]
                    .copy_from_slice(&self.bytes[start..start + count]);
                window.handle_read(&self.input, buffer, count).unwrap();
            }
        }

        /// The batches of a partition from `position` on.
        fn pieces(&self, partition: u32, position: u64) -> Vec<Piece> {
            let framer = self.rules.framer();
            let mut pieces = Vec::new();
            let mut cursor = Cursor::new(&self.rules, partition, position);
            while !cursor.is_at_end(&self.input) {
                let buffer = Buffer::new(self.rules.window_bytes());
                let mut window = Window::new(buffer, cursor.window(&self.rules, &self.input));
                let mut stop = Cut::Full;
                while stop == Cut::Full {
                    stop = self.one(&framer, &mut window, &mut cursor, &mut pieces);
                    if !self.keeps_window {
                        break;
                    }
                }
                if stop == Cut::Long {
                    self.take_long(&mut cursor, &mut pieces);
                }
            }
            pieces
        }

        fn one(
            &self,
            framer: &Framer,
            window: &mut Window,
            cursor: &mut Cursor,
            pieces: &mut Vec<Piece>,
        ) -> Cut {
            let mut output = vec![0; records_bytes_max(&self.rules)];
            let mut batch = OpenBatch::new(&mut output, cursor.position);
            loop {
                self.fill(window);
                let stop = cut(&self.rules, framer, &self.input, window, cursor, &mut batch);
                if let Cut::More { end } = stop {
                    window.advance(cursor.position, end);
                    continue;
                }
                if batch.records > 0 {
                    let bytes = batch.output[..batch.written].to_vec();
                    pieces.push((batch.range.clone(), batch.records, bytes));
                }
                return stop;
            }
        }

        fn take_long(&self, cursor: &mut Cursor, pieces: &mut Vec<Piece>) {
            let start = cursor.position;
            let end = self.input.file_end(start);
            let rest = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
            let found = self.bytes[rest]
                .iter()
                .position(|&byte| byte == self.rules.delimiter);
            let end = found.map_or(end, |index| start + index as u64 + 1);
            pieces.push((start..end, 1, Vec::new()));
            cursor.skip_to(&self.rules, end);
        }
    }

    /// Where the naive splitter says that records begin.
    fn starts(contents: &[Vec<u8>], delimiter: u8) -> Vec<u64> {
        let mut starts = Vec::new();
        let mut position = 0;
        for content in contents {
            for line in content.split_inclusive(|&byte| byte == delimiter) {
                starts.push(position);
                position += line.len() as u64;
            }
        }
        starts
    }

    fn rules() -> impl Strategy<Value = CutRules> {
        (
            1u64..300,
            1u32..5,
            0u32..4,
            70u32..400,
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(
                |(chunk_bytes, partitions, base, batch_bytes_max, crlf_strip, is_fixed)| CutRules {
                    deal: Deal {
                        chunk_bytes,
                        partitions,
                        base: base % partitions,
                        fixed: is_fixed.then_some(0),
                    },
                    batch_bytes_max,
                    delimiter: b'\n',
                    crlf_strip,
                },
            )
    }

    fn contents() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let line = prop_oneof![
            4 => prop::collection::vec(prop_oneof![Just(b'x'), Just(b'\r')], 0..40),
            1 => prop::collection::vec(Just(b'y'), 40..600),
        ];
        let file = (prop::collection::vec(line, 0..20), any::<bool>()).prop_map(|(lines, ends)| {
            let mut content = lines.join(&b'\n');
            content.extend(ends.then_some(b'\n'));
            content
        });
        prop::collection::vec(file, 1..4)
    }

    proptest! {
        #[test]
        fn batches_are_those_of_the_bytes_whatever_is_read_when(
            rules in rules(),
            contents in contents(),
            read_bytes in 1usize..700,
        ) {
            let mut rig = Rig::new(rules, &contents);
            let starts = starts(&contents, rules.delimiter);
            for partition in 0..rules.deal.partitions {
                if !rules.deal.has_chunks(partition) {
                    continue;
                }
                (rig.read_bytes, rig.keeps_window) = (usize::MAX, true);
                let pieces = rig.pieces(partition, 0);
                let mine: Vec<u64> = starts
                    .iter()
                    .copied()
                    .filter(|&start| rules.deal.partition(start / rules.deal.chunk_bytes) == partition)
                    .collect();
                let mut left = mine.as_slice();
                for (range, records, _) in &pieces {
                    let (now, rest) = left.split_at(*records as usize);
                    prop_assert_eq!(now.first(), Some(&range.start));
                    prop_assert!(now.iter().all(|start| range.contains(start)));
                    left = rest;
                }
                prop_assert!(left.is_empty(), "{:?} are in no batch", left);
                (rig.read_bytes, rig.keeps_window) = (read_bytes, false);
                prop_assert_eq!(&rig.pieces(partition, 0), &pieces);
                for (index, (range, ..)) in pieces.iter().enumerate() {
                    let resumed = rig.pieces(partition, range.end);
                    prop_assert_eq!(&resumed[..], &pieces[index + 1..]);
                }
            }
        }
    }
}
