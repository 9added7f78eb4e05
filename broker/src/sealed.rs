//! Small text files that are replaced as a whole and end in a checksum.
//!
//! ```text
//! … lines …
//! crc 1a2b3c4d        CRC-32C of everything before this line
//! ```
//!
//! A file is written under another name, synced, and renamed into place: it is the old one or the
//! new one, never a mixture. The checksum is for what no order of writes can help: bytes that a
//! disk or a person changed are named, never misread.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::str;

use protocol::records::crc::crc32c;

const LABEL: &str = "crc ";
/// The label, eight digits, a newline.
const SEAL_BYTES: usize = LABEL.len() + 9;

/// Puts `text`, whole lines, in the place of the file, past a power loss.
pub(crate) fn replace(path: &Path, mut text: String) -> io::Result<()> {
    debug_assert!(text.ends_with('\n'), "whole lines");
    let crc = crc32c(text.as_bytes());
    text.push_str(&format!("{LABEL}{crc:08x}\n"));
    replace_file(path, text.as_bytes())
}

/// The text that a file's bytes hold, without its checksum; or what is wrong with it.
pub(crate) fn open(bytes: &[u8]) -> Result<&str, &'static str> {
    let begin = bytes.len().checked_sub(SEAL_BYTES);
    let (text, seal) = bytes.split_at(begin.ok_or("it is cut off")?);
    let digits = seal
        .strip_prefix(LABEL.as_bytes())
        .and_then(|seal| seal.strip_suffix(b"\n"))
        .ok_or("the last line is no checksum")?;
    if digits != format!("{:08x}", crc32c(text)).as_bytes() {
        return Err("the checksum is wrong");
    }
    str::from_utf8(text).map_err(|_| "it is no text")
}

/// Puts `bytes` in the place of the file, whole or not at all, and past a power loss.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
