//! Files of lines, the same bytes each time.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Lines of one length in a file.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Input {
    /// About `bytes` of lines of `line_bytes` letters each.
    pub(crate) fn lines(line_bytes: usize, bytes: u64) -> Self {
        Self::new("lines", line_bytes, bytes, 0)
    }

    /// The same, of which the first tenth of each is a key with a colon behind it.
    pub(crate) fn keyed_lines(line_bytes: usize, bytes: u64) -> Self {
        Self::new("keyed", line_bytes, bytes, line_bytes / 10)
    }

    fn new(name: &str, line_bytes: usize, bytes: u64, colon_at: usize) -> Self {
        let records = (bytes / (line_bytes as u64 + 1)).max(1);
        let input = Self {
            path: super::scratch().join(format!("{name}-{line_bytes}-{records}")),
            records,
            bytes: records * (line_bytes as u64 + 1),
        };
        if is_first_use(&input.path) {
            write(&input.path, line_bytes, records, colon_at)
                .unwrap_or_else(|error| panic!("writing {}: {error}", input.path.display()));
        }
        input
    }

    /// Makes one line, or as many as there were, of the first lines, about `bytes` in all; returns
    /// how many records the file then has. Its pages stay as they are, so that a load of the one and
    /// a load of the other differ in nothing else.
    pub(crate) fn join_first_lines(&self, bytes: usize, is_joined: bool) -> u64 {
        let line_bytes = (self.bytes / self.records) as usize;
        let lines = bytes / line_bytes;
        let file = OpenOptions::new().write(true).open(&self.path);
        let file = file.expect("it was written before");
        let end = if is_joined { b"@" } else { b"\n" };
        for line in 1..lines {
            let at = (line * line_bytes - 1) as u64;
            file.write_all_at(end, at).expect("it is in the page cache");
        }
        // Else the writing back would disturb what is measured.
        file.sync_data().expect("the disk is sound");
        match is_joined {
            true => self.records - lines as u64 + 1,
            false => self.records,
        }
    }
}

/// Whether this process asks for the file for the first time.
fn is_first_use(path: &Path) -> bool {
    static USED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut used = USED.lock().expect("nobody panics with it");
    used.insert(path.to_owned())
}

/// A file's pieces lie aligned in it.
const PIECE: usize = 1 << 20;

/// Synced, so that writing it back does not disturb what is measured. Each piece is one aligned
/// write, as of a program that copies: then the page cache keeps it in large folios. In small ones,
/// as readahead leaves them, reading costs every contender half as much again.
fn write(path: &Path, line_bytes: usize, records: u64, colon_at: usize) -> std::io::Result<()> {
    // Anew, for an old one may have been dropped from the cache and read in again.
    std::fs::remove_file(path).or_else(|error| match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let mut file = File::create(path)?;
    let mut letters = Letters(0x9e37_79b9_7f4a_7c15);
    let mut waiting = Vec::with_capacity(2 * PIECE);
    for _ in 0..records {
        let start = waiting.len();
        letters.append_line(&mut waiting, line_bytes);
        if colon_at > 0 {
            waiting[start + colon_at] = b':';
        }
        let whole = waiting.len() - waiting.len() % PIECE;
        if whole > 0 {
            file.write_all(&waiting[..whole])?;
            waiting.drain(..whole);
        }
    }
    file.write_all(&waiting)?;
    file.sync_all()
}

/// Xorshift, as letters.
struct Letters(u64);

impl Letters {
    fn append_line(&mut self, bytes: &mut Vec<u8>, length: usize) {
        let end = bytes.len() + length;
        while bytes.len() < end {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let word = self.0.to_le_bytes().map(|byte| b'@' + byte % 32);
            bytes.extend_from_slice(&word[..word.len().min(end - bytes.len())]);
        }
        bytes.push(b'\n');
    }
}
