//! Files of lines, the same bytes each time, kept from bench to bench.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

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
        let length = std::fs::metadata(&input.path).map(|metadata| metadata.len());
        if !length.is_ok_and(|length| length == input.bytes) {
            write(&input.path, line_bytes, records, first)
                .unwrap_or_else(|error| panic!("writing {}: {error}", input.path.display()));
        }
        input
    }
}

/// Synced, so that writing it back does not disturb what is measured.
fn write(path: &Path, line_bytes: usize, records: u64, first: usize) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut letters = Letters(0x9e37_79b9_7f4a_7c15);
    let mut line = Vec::new();
    if first > 0 {
        letters.fill(&mut line, first);
        file.write_all(&line)?;
    }
    for _ in 0..records {
        letters.fill(&mut line, line_bytes);
        file.write_all(&line)?;
    }
    file.into_inner()?.sync_all()
}

/// Xorshift, as letters.
struct Letters(u64);

impl Letters {
    fn fill(&mut self, line: &mut Vec<u8>, bytes: usize) {
        line.clear();
        while line.len() < bytes {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let word = self.0.to_le_bytes().map(|byte| b'@' + byte % 32);
            line.extend_from_slice(&word[..word.len().min(bytes - line.len())]);
        }
        line.push(b'\n');
    }
}
