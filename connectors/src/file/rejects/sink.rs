//! Writing at a place in a file through a bounded buffer.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

const BUFFER_BYTES: usize = 64 << 10;

pub(super) struct Sink<'a> {
    file: &'a File,
    at: u64,
    buffer: Vec<u8>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(file: &'a File, at: u64) -> Self {
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        Self { file, at, buffer }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.buffer.len() == BUFFER_BYTES {
                self.flush()?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(BUFFER_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Copies a range of another file.
    pub(super) fn copy(&mut self, from: &File, range: Range<u64>) -> io::Result<()> {
        let mut chunk = vec![0; BUFFER_BYTES];
        let mut at = range.start;
        while at < range.end {
            let bytes = (range.end - at).min(BUFFER_BYTES as u64);
            let part = &mut chunk[..usize::try_from(bytes).expect("at most a buffer")];
            from.read_exact_at(part, at)?;
            self.push(part)?;
            at += bytes;
        }
        Ok(())
    }

    /// Writes what is left, and says where it ended.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        Ok(self.at)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.at)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
