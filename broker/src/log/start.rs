//! Where a log begins, if that is not the first byte of its first segment, and which producers are
//! known although their batches are gone.
//!
//! ```text
//! DATA/topic-3/log-start     ringmain log start 1
//!                            offset 1048576
//!                            producer 17 0 40 9 1048000 1767225600000
//!                            crc 1a2b3c4d
//! ```
//!
//! A producer's line has of its last batch: id, epoch, first sequence, last offset delta, base
//! offset and time. The file is replaced as a whole and synced before anything is removed, so the log's start
//! never goes back, whatever of the removal a crash leaves undone. It is not there as long as
//! nothing was removed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::BrokerError;
use crate::sealed;
use crate::sequence::{Appended, Identity};

const FIRST_LINE: &str = "ringmain log start 1";
/// The file's name, in the partition's folder.
pub(crate) const FILE_NAME: &str = "log-start";

/// A producer's last batch.
pub(crate) type LastBatch = (Identity, Appended);

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogStart {
    pub(crate) offset: i64,
    pub(crate) producers: Vec<LastBatch>,
}

fn path(folder: &Path) -> PathBuf {
    folder.join(FILE_NAME)
}

/// Reads the file, if it is there.
pub(crate) fn read(folder: &Path) -> Result<Option<LogStart>, BrokerError> {
    let path = path(folder);
    let text = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BrokerError::file("read", &path)(error)),
    };
    let damaged = |reason: &str| BrokerError::Damaged {
        path: path.clone(),
        place: "its text".to_owned(),
        reason: reason.to_owned(),
    };
    let text = sealed::open(&text).map_err(damaged)?;
    parse(text)
        .map(Some)
        .ok_or_else(|| damaged("a line is none of ours"))
}

/// Puts the file in the place of what was there, past a power loss.
pub(crate) fn write(folder: &Path, start: &LogStart) -> io::Result<()> {
    let mut text = format!("{FIRST_LINE}\noffset {}\n", start.offset);
    for (identity, appended) in &start.producers {
        let (id, epoch) = (identity.producer_id, identity.epoch);
        let (first, delta) = (identity.first_sequence, identity.last_offset_delta);
        let (offset, timestamp) = (appended.base_offset, appended.timestamp);
        text.push_str(&format!(
            "producer {id} {epoch} {first} {delta} {offset} {timestamp}\n"
        ));
    }
    sealed::replace(&path(folder), text)
}

fn parse(text: &str) -> Option<LogStart> {
    let mut lines = text.lines();
    if lines.next()? != FIRST_LINE {
        return None;
    }
    let offset = lines.next()?.strip_prefix("offset ")?.parse().ok()?;
    let producers = lines.map(parse_producer).collect::<Option<_>>()?;
    Some(LogStart { offset, producers })
}

fn parse_producer(line: &str) -> Option<LastBatch> {
    let mut fields = line.strip_prefix("producer ")?.split(' ');
    let identity = Identity {
        producer_id: fields.next()?.parse().ok()?,
        epoch: fields.next()?.parse().ok()?,
        first_sequence: fields.next()?.parse().ok()?,
        last_offset_delta: fields.next()?.parse().ok()?,
    };
    let appended = Appended {
        base_offset: fields.next()?.parse().ok()?,
        timestamp: fields.next()?.parse().ok()?,
    };
    fields.next().is_none().then_some((identity, appended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_any_other_byte_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        let identity = Identity {
            producer_id: 17,
            epoch: 2,
            first_sequence: 40,
            last_offset_delta: 9,
        };
        let appended = Appended {
            base_offset: 1000,
            timestamp: -1,
        };
        let start = LogStart {
            offset: 1 << 40,
            producers: vec![(identity, appended); 2],
        };
        write(folder.path(), &start).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Some(start));
        let good = fs::read(path(folder.path())).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(path(folder.path()), bad).unwrap();
            let error = read(folder.path()).unwrap_err();
            assert!(
                matches!(error, BrokerError::Damaged { .. }),
                "{at}: {error}"
            );
            fs::write(path(folder.path()), &good[..at]).unwrap();
            assert!(read(folder.path()).is_err(), "{at}");
        }
    }
}
