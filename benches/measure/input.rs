//! Files of lines, the same bytes each time.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Write};
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
        Self::with_first_line(line_bytes, bytes, 0)
    }

    /// The same behind one line of `first` bytes; 0: no such line.
    pub(crate) fn with_first_line(line_bytes: usize, bytes: u64, first: usize) -> Self {
        let records = (bytes / (line_bytes as u64 + 1)).max(1);
        let first_bytes = if first > 0 { first as u64 + 1 } else { 0 };
        let input = Self {
            path: super::scratch().join(format!("lines-{line_bytes}-{records}-{first}")),
            records: records + u64::from(first > 0),
            bytes: records * (line_bytes as u64 + 1) + first_bytes,
        };
        if is_first_use(&input.path) {
            write(&input.path, line_bytes, records, first)
                .unwrap_or_else(|error| panic!("writing {}: {error}", input.path.display()));
        }
        input
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
fn write(path: &Path, line_bytes: usize, records: u64, first: usize) -> std::io::Result<()> {
    // Anew, for an old one may have been dropped from the cache and read in again.
    std::fs::remove_file(path).or_else(|error| match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let mut file = File::create(path)?;
    let mut letters = Letters(0x9e37_79b9_7f4a_7c15);
    let mut waiting = Vec::with_capacity(2 * PIECE);
    if first > 0 {
        letters.append_line(&mut waiting, first);
    }
    for _ in 0..records {
        letters.append_line(&mut waiting, line_bytes);
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
