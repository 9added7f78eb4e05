//! The input of a load: the concatenation of files, and the rules that cut it into chunks.
//!
//! Chunk k is the bytes [k·C, (k+1)·C) of the input. A record belongs to the chunk in which its first
//! byte lies; a file's start is a record's start and a file's end ends a record. Chunk k belongs to
//! partition (base + k) mod P, so file range → partition is a function of the bytes and the frozen
//! settings, and a resume needs no list of what was cut where.

use std::ops::Range;
use std::path::PathBuf;

/// A regular file of the input, as it was when the job began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Where it is.
    pub path: PathBuf,
    /// `st_dev`
    pub device: u64,
    /// `st_ino`
    pub inode: u64,
    /// Bytes of it that belong to the input.
    pub size: u64,
}

/// Files one behind the other.
#[derive(Debug, Clone)]
pub struct Input {
    files: Vec<InputFile>,
    /// Position of each file's first byte, and behind them the input's length.
    starts: Vec<u64>,
}

/// A piece of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Which file of the input.
    pub file: usize,
    /// Place of the first byte in that file.
    pub file_offset: u64,
    /// Its position in the input.
    pub position: u64,
    /// Bytes.
    pub bytes: u64,
    /// The piece reaches the end of its file.
    pub ends_file: bool,
}

impl Input {
    /// The files in the order given. Empty ones hold no record and take no place.
    pub fn new(files: Vec<InputFile>) -> Self {
        let mut starts = Vec::with_capacity(files.len() + 1);
        let mut position = 0;
        for file in &files {
            starts.push(position);
            position += file.size;
        }
        starts.push(position);
        Self { files, starts }
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        *self.starts.last().expect("the end is always there")
    }

    /// The files, in order.
    pub fn files(&self) -> &[InputFile] {
        &self.files
    }

    /// The file that holds the byte at `position`, and the byte's place in it. At the input's end: the
    /// end of the last file.
    pub fn locate(&self, position: u64) -> (usize, u64) {
        let last = self.files.len().saturating_sub(1);
        // Empty files share their start with the next one; the last of them holds the byte.
        let file = self
            .starts
            .partition_point(|&start| start <= position)
            .saturating_sub(1)
            .min(last);
        (file, position - self.starts.get(file).copied().unwrap_or(0))
    }

    /// The position of a file's first byte.
    pub fn start_of(&self, file: usize) -> Option<u64> {
        self.files.get(file).map(|_| self.starts[file])
    }

    /// Whether a file begins at `position`.
    pub fn is_file_start(&self, position: u64) -> bool {
        self.starts.binary_search(&position).is_ok()
    }

    /// Where the file that holds `position` ends.
    pub fn file_end(&self, position: u64) -> u64 {
        let (file, _) = self.locate(position);
        self.starts[file + 1]
    }

    /// The piece that begins at `position` and ends at `end` or at its file's end.
    pub fn segment(&self, position: u64, end: u64) -> Option<Segment> {
        if position >= end.min(self.bytes()) {
            return None;
        }
        let (file, file_offset) = self.locate(position);
        let file_end = self.starts[file + 1];
        let end = end.min(file_end);
        let bytes = end - position;
        Some(Segment {
            file,
            file_offset,
            position,
            bytes,
            ends_file: end == file_end,
        })
    }
}

/// How chunks are dealt to partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deal {
    /// Bytes of a chunk.
    pub chunk_bytes: u64,
    /// Partitions that take part.
    pub partitions: u32,
    /// Random at the first start, so that many small jobs do not all fill partition 0.
    pub base: u32,
    /// `--partition`: every chunk goes there.
    pub fixed: Option<u32>,
}

impl Deal {
    /// The partition of chunk `chunk`.
    pub fn partition(&self, chunk: u64) -> u32 {
        let partitions = u64::from(self.partitions);
        self.fixed.unwrap_or_else(|| {
            let index = (u64::from(self.base) + chunk) % partitions;
            u32::try_from(index).expect("less than the number of partitions")
        })
    }

    /// The bytes of chunk `chunk`.
    pub fn range(&self, chunk: u64) -> Range<u64> {
        chunk * self.chunk_bytes..(chunk + 1) * self.chunk_bytes
    }

    /// The first chunk of `partition` that ends behind `position`.
    pub fn first_chunk(&self, partition: u32, position: u64) -> u64 {
        let chunk = position / self.chunk_bytes;
        if self.fixed.is_some() {
            return chunk;
        }
        let ahead = i64::from(partition) - i64::from(self.partition(chunk));
        chunk + ahead.rem_euclid(i64::from(self.partitions)).cast_unsigned()
    }

    /// The chunk of the same partition behind `chunk`.
    pub fn next_chunk(&self, chunk: u64) -> u64 {
        if self.fixed.is_some() {
            chunk + 1
        } else {
            chunk + u64::from(self.partitions)
        }
    }

    /// Whether any chunk goes to `partition`.
    pub fn has_chunks(&self, partition: u32) -> bool {
        self.fixed.is_none_or(|fixed| fixed == partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(sizes: &[u64]) -> Input {
        let files = sizes.iter().enumerate().map(|(i, &size)| InputFile {
            path: PathBuf::from(format!("f{i}")),
            device: 0,
            inode: i as u64,
            size,
        });
        Input::new(files.collect())
    }

    #[test]
    fn segments_cover_the_input_and_end_with_its_files() {
        let input = input(&[3, 0, 5, 0]);
        let first = input.segment(1, 100).unwrap();
        assert_eq!(
            (first.file, first.file_offset, first.bytes, first.ends_file),
            (0, 1, 2, true)
        );
        let second = input.segment(3, 6).unwrap();
        assert_eq!((second.file, second.bytes, second.ends_file), (2, 3, false));
        assert_eq!(input.segment(8, 9), None);
        assert!(input.is_file_start(3) && !input.is_file_start(4));
        assert_eq!(input.bytes(), 8);
    }

    #[test]
    fn every_chunk_has_one_partition_and_first_chunk_finds_it() {
        for partitions in 1..6 {
            for base in 0..partitions {
                let deal = Deal {
                    chunk_bytes: 10,
                    partitions,
                    base,
                    fixed: None,
                };
                for position in 0..200u64 {
                    for partition in 0..partitions {
                        let expected = (position / 10..)
                            .find(|&chunk| deal.partition(chunk) == partition)
                            .unwrap();
                        assert_eq!(deal.first_chunk(partition, position), expected);
                    }
                }
            }
        }
    }
}
