//! The file of committed offsets.
//!
//! ```text
//! DATA/group-offsets    ringmain groups 1 \n, then entries, one behind the other:
//!   bytes u32 · CRC-32C u32 of what follows · notes [ kind u8 · group · … ]
//!     1  topic · partition i32 · offset i64 · leader epoch i32 · time i64 · metadata
//!     2  topic · partition i32            the offset is no more
//!     3  protocol type                    the group has had members
//!     4                                   the group is no more
//! ```
//!
//! Texts have their length in front as u32. What one request changes is one entry and one write, so
//! that it is there whole or not at all: an entry that a death has torn is cut off at the next
//! start. When most of the file is of no use any more it is written anew and renamed into place.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use protocol::frame::wire::{Reader, WireResult};
use protocol::records::crc::crc32c;

use crate::error::BrokerError;
use crate::sealed::replace_file;

const FIRST_LINE: &[u8] = b"ringmain groups 1\n";
const ENTRY_HEAD_BYTES: usize = 8;
/// A file of fewer bytes is not worth writing anew.
const WORTH_BYTES: u64 = 1 << 20;

/// An offset that a group committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    /// −1 where the client did not say.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    pub(crate) at_ms: i64,
}

/// A change of what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    Committed(String, i32, Committed),
    Forgotten(String, i32),
    ProtocolType(String),
    Gone,
}

/// The file, or nothing where the broker is in memory.
#[derive(Debug)]
pub(crate) struct Store {
    file: Option<(PathBuf, File)>,
    /// Where the next entry begins.
    bytes: u64,
    /// How long the file was when it was last written anew.
    bytes_anew: u64,
    syncs: bool,
    is_closed: bool,
}

impl Store {
    pub(crate) fn in_memory() -> Self {
        Self {
            file: None,
            bytes: 0,
            bytes_anew: 0,
            syncs: false,
            is_closed: false,
        }
    }

    /// Opens the file and hands every note in it to `each`, with its group.
    pub(crate) fn open(
        path: &Path,
        syncs: bool,
        mut each: impl FnMut(&str, Note),
    ) -> Result<Self, BrokerError> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options
            .open(path)
            .map_err(BrokerError::file("open", path))?;
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes);
        read.map_err(BrokerError::file("read", path))?;
        let end = match bytes.strip_prefix(FIRST_LINE) {
            Some(entries) => FIRST_LINE.len() + walk(entries, &mut each),
            // It was being made.
            None if FIRST_LINE.starts_with(&bytes) => 0,
            None => {
                return Err(BrokerError::Damaged {
                    path: path.to_owned(),
                    place: "line 1".to_owned(),
                    reason: "it is no file of a group's offsets".to_owned(),
                });
            }
        };
        if end < bytes.len() {
            let cut = bytes.len() - end;
            tracing::warn!(path = %path.display(), end, cut, "cut off a torn tail");
        }
        if end == 0 {
            let written = file.write_all_at(FIRST_LINE, 0);
            written.map_err(BrokerError::file("write", path))?;
        }
        let end = end.max(FIRST_LINE.len()) as u64;
        file.set_len(end)
            .map_err(BrokerError::file("truncate", path))?;
        Ok(Self {
            file: Some((path.to_owned(), file)),
            bytes: end,
            bytes_anew: 0,
            syncs,
            is_closed: false,
        })
    }

    /// Writes what one request changes.
    pub(crate) fn append<'n>(
        &mut self,
        notes: impl IntoIterator<Item = (&'n str, &'n Note)>,
    ) -> io::Result<()> {
        if self.is_closed {
            return Err(io::Error::other("the broker is shut down"));
        }
        let Some((_, file)) = &self.file else {
            return Ok(());
        };
        let entry = entry(notes)?;
        // After an error the next entry is written over what there is of this one.
        file.write_all_at(&entry, self.bytes)?;
        if self.syncs {
            file.sync_data()?;
        }
        self.bytes += entry.len() as u64;
        Ok(())
    }

    /// Makes everything survive a power loss, and takes nothing more.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.is_closed = true;
        self.file.take().map_or(Ok(()), |(_, file)| file.sync_all())
    }

    /// Whether the file has grown so much that it should be written anew.
    pub(crate) fn is_worn(&self) -> bool {
        self.bytes > WORTH_BYTES.max(4 * self.bytes_anew)
    }

    /// Writes the file anew, an entry for each of these groups.
    pub(crate) fn renew<'n, N>(
        &mut self,
        groups: impl IntoIterator<Item = (&'n str, N)>,
    ) -> io::Result<()>
    where
        N: IntoIterator<Item = Note>,
    {
        let Some((path, file)) = &mut self.file else {
            return Ok(());
        };
        let mut bytes = FIRST_LINE.to_vec();
        for (group, notes) in groups {
            let notes: Vec<_> = notes.into_iter().collect();
            bytes.extend(entry(notes.iter().map(|note| (group, note)))?);
        }
        replace_file(path, &bytes)?;
        *file = OpenOptions::new().read(true).write(true).open(path)?;
        self.bytes = bytes.len() as u64;
        self.bytes_anew = self.bytes;
        Ok(())
    }
}

fn entry<'n>(notes: impl IntoIterator<Item = (&'n str, &'n Note)>) -> io::Result<Vec<u8>> {
    let mut entry = vec![0; ENTRY_HEAD_BYTES];
    for (group, note) in notes {
        write_note(&mut entry, group, note);
    }
    let (head, body) = entry.split_at_mut(ENTRY_HEAD_BYTES);
    let bytes = u32::try_from(body.len()).map_err(io::Error::other)?;
    head[..4].copy_from_slice(&bytes.to_be_bytes());
    head[4..].copy_from_slice(&crc32c(body).to_be_bytes());
    Ok(entry)
}

fn write_note(out: &mut Vec<u8>, group: &str, note: &Note) {
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u32).to_be_bytes());
        out.extend(text.as_bytes());
    };
    let kind = match note {
        Note::Committed(..) => 1,
        Note::Forgotten(..) => 2,
        Note::ProtocolType(_) => 3,
        Note::Gone => 4,
    };
    out.push(kind);
    text(out, group);
    match note {
        Note::Committed(topic, partition, committed) => {
            text(out, topic);
            out.extend(partition.to_be_bytes());
            out.extend(committed.offset.to_be_bytes());
            out.extend(committed.leader_epoch.to_be_bytes());
            out.extend(committed.at_ms.to_be_bytes());
            text(out, &committed.metadata);
        }
        Note::Forgotten(topic, partition) => {
            text(out, topic);
            out.extend(partition.to_be_bytes());
        }
        Note::ProtocolType(protocol_type) => text(out, protocol_type),
        Note::Gone => {}
    }
}

/// Hands the notes of whole entries to `each`, and says where the last of those ends.
fn walk(entries: &[u8], each: &mut impl FnMut(&str, Note)) -> usize {
    let mut rest = entries;
    while let Some((head, after)) = rest.split_first_chunk::<ENTRY_HEAD_BYTES>() {
        let [a, b, c, d, crc @ ..] = *head;
        let bytes = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some((body, after)) = after.split_at_checked(bytes) else {
            break;
        };
        if crc32c(body) != u32::from_be_bytes(crc) {
            break;
        }
        let Ok(notes) = read_notes(body) else {
            break;
        };
        notes
            .into_iter()
            .for_each(|(group, note)| each(group, note));
        rest = after;
    }
    entries.len() - rest.len()
}

fn read_notes(body: &[u8]) -> WireResult<Vec<(&str, Note)>> {
    let mut reader = Reader::new(body);
    let mut notes = Vec::new();
    while reader.left() > 0 {
        let kind = reader.take(1)?[0];
        let group = read_text(&mut reader)?;
        let note = match kind {
            1 => {
                let topic = read_text(&mut reader)?.to_owned();
                let partition = reader.i32()?;
                let committed = Committed {
                    offset: reader.i64()?,
                    leader_epoch: reader.i32()?,
                    at_ms: reader.i64()?,
                    metadata: read_text(&mut reader)?.to_owned(),
                };
                Note::Committed(topic, partition, committed)
            }
            2 => Note::Forgotten(read_text(&mut reader)?.to_owned(), reader.i32()?),
            3 => Note::ProtocolType(read_text(&mut reader)?.to_owned()),
            _ => Note::Gone,
        };
        notes.push((group, note));
    }
    Ok(notes)
}

fn read_text<'a>(reader: &mut Reader<'a>) -> WireResult<&'a str> {
    // What has the right checksum is what was written: text.
    let bytes = reader.bytes_required(false)?;
    Ok(str::from_utf8(bytes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(topic: &str, offset: i64) -> Note {
        let committed = Committed {
            offset,
            leader_epoch: 3,
            metadata: "where".to_owned(),
            at_ms: 5,
        };
        Note::Committed(topic.to_owned(), 7, committed)
    }

    fn read(path: &Path) -> Result<Vec<(String, Note)>, BrokerError> {
        let mut notes = Vec::new();
        Store::open(path, false, |group, note| {
            notes.push((group.to_owned(), note));
        })?;
        Ok(notes)
    }

    #[test]
    fn whatever_a_death_leaves_of_an_entry_the_ones_before_are_there_and_it_is_whole_or_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("group-offsets");
        let mut expected = Vec::new();
        let mut whole = fs_bytes_after(&path, &[], &mut expected);
        let entries = [
            vec![Note::ProtocolType("consumer".to_owned()), offset("a", 1)],
            vec![
                offset("a", 2),
                offset("b", 3),
                Note::Forgotten("a".to_owned(), 7),
            ],
            vec![Note::Gone],
        ];
        for notes in entries {
            let before = whole.len();
            let had = expected.clone();
            whole = fs_bytes_after(&path, &notes, &mut expected);
            assert_eq!(read(&path).unwrap(), expected);
            for cut in before..whole.len() {
                std::fs::write(&path, &whole[..cut]).unwrap();
                assert_eq!(read(&path).unwrap(), had, "{cut}");
                let mut spoilt = whole.clone();
                spoilt[cut] ^= 4;
                std::fs::write(&path, spoilt).unwrap();
                assert_eq!(read(&path).unwrap(), had, "{cut}");
                assert_eq!(std::fs::read(&path).unwrap().len(), before);
            }
            std::fs::write(&path, &whole).unwrap();
        }
        for cut in 0..FIRST_LINE.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read(&path).unwrap(), [], "{cut}");
            assert_eq!(std::fs::read(&path).unwrap(), FIRST_LINE);
        }
        std::fs::write(&path, b"something else").unwrap();
        assert!(matches!(read(&path), Err(BrokerError::Damaged { .. })));
    }

    fn fs_bytes_after(path: &Path, notes: &[Note], all: &mut Vec<(String, Note)>) -> Vec<u8> {
        let mut store = Store::open(path, true, |_, _| {}).unwrap();
        if !notes.is_empty() {
            store.append(notes.iter().map(|note| ("g", note))).unwrap();
        }
        all.extend(notes.iter().map(|note| ("g".to_owned(), note.clone())));
        std::fs::read(path).unwrap()
    }

    #[test]
    fn a_worn_file_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("group-offsets");
        let mut store = Store::open(&path, false, |_, _| {}).unwrap();
        let mut commits = 0;
        while !store.is_worn() {
            commits += 1;
            store.append([("g", &offset("topic", commits))]).unwrap();
        }
        let last = offset("topic", commits);
        store.renew([("g", vec![last.clone()])]).unwrap();
        store.append([("h", &Note::Gone)]).unwrap();
        let expected = [("g".to_owned(), last), ("h".to_owned(), Note::Gone)];
        assert_eq!(read(&path).unwrap(), expected);
        assert!(std::fs::metadata(&path).unwrap().len() < 200);
    }
}
