//! Opening a log that is there: every header is walked, the index and the producers are known
//! again.
//!
//! A segment that another one follows was whole when that one was begun; if it is not now, the log
//! is damaged and the broker does not start. The last one may end in a batch that was being written
//! when the process died, or (after a power loss) in bytes that never reached the disk: it is cut
//! off at the first byte that is not part of a right batch. CRCs are compared in the last segment
//! only, and only if the broker was not shut down in order.

use std::path::Path;
use std::{fs, io};

use protocol::records::crc::crc32c;
use protocol::records::header::CRC_FROM;

use super::segment::{BadBatch, BatchAt, Headers, Next, Segment};
use super::{Body, PartitionLog, Place, segment_path};
use crate::batch;
use crate::error::BrokerError;
use crate::sequence::Appended;

/// What opening a log needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecoveryOptions {
    /// The broker was shut down in order: the last segment's CRCs need no look.
    pub(crate) is_clean: bool,
    pub(crate) now_ms: i64,
    pub(crate) producer_id_expiration_ms: i64,
}

impl PartitionLog {
    /// Opens the log in `folder`, or makes it.
    pub(crate) fn open(folder: &Path, options: RecoveryOptions) -> Result<Self, BrokerError> {
        fs::create_dir_all(folder).map_err(BrokerError::file("create", folder))?;
        let mut base_offsets = base_offsets(folder).map_err(BrokerError::file("list", folder))?;
        if base_offsets.is_empty() {
            base_offsets.push(0);
        }
        let mut log = Self::with_segments(Place::Folder(folder.to_owned()), Vec::new());
        log.next_offset = base_offsets[0];
        let last = base_offsets.len() - 1;
        for (index, &base_offset) in base_offsets.iter().enumerate() {
            log.recover_segment(folder, base_offset, index == last, options)?;
        }
        // As Apache's: who is too old is forgotten at once, not at the next check.
        log.producers
            .expire(options.now_ms, options.producer_id_expiration_ms);
        Ok(log)
    }

    fn recover_segment(
        &mut self,
        folder: &Path,
        base_offset: i64,
        is_last: bool,
        options: RecoveryOptions,
    ) -> Result<(), BrokerError> {
        let path = segment_path(folder, base_offset);
        let read = |error| BrokerError::file("read", &path)(error);
        let damaged = |position: u64, reason: BadBatch| BrokerError::Damaged {
            path: path.clone(),
            place: format!("byte {position}"),
            reason: reason.to_string(),
        };
        if base_offset != self.next_offset {
            let expected = self.next_offset;
            return Err(damaged(
                0,
                BadBatch::Offset {
                    expected,
                    found: base_offset,
                },
            ));
        }
        let body = Body::open(&path).map_err(BrokerError::file("open", &path))?;
        let file_bytes = body.bytes().map_err(read)?;
        let mut segment = Segment::new(base_offset, body.clone());
        let checks_crc = is_last && !options.is_clean;
        let bad = self
            .walk(&mut segment, file_bytes, checks_crc)
            .map_err(read)?;
        if let Some((position, reason)) = bad {
            if !is_last {
                return Err(damaged(position, reason));
            }
            let cut = file_bytes - position;
            tracing::warn!(path = %path.display(), position, cut, %reason, "cut off a torn tail");
            body.truncate(position)
                .map_err(BrokerError::file("truncate", &path))?;
        }
        self.segments.push(segment);
        Ok(())
    }

    /// Takes every right batch into the segment, and says where and why it stopped before the end.
    fn walk(
        &mut self,
        segment: &mut Segment,
        file_bytes: u64,
        checks_crc: bool,
    ) -> io::Result<Option<(u64, BadBatch)>> {
        let mut headers = Headers::new(segment.body.clone(), 0, file_bytes);
        let mut room = Vec::new();
        loop {
            let batch = match headers.next_batch()? {
                Next::Batch(batch) => batch,
                Next::End => return Ok(None),
                Next::Bad { position, reason } => return Ok(Some((position, reason))),
            };
            let (expected, found) = (self.next_offset, batch.header.base_offset);
            if found != expected {
                return Ok(Some((batch.position, BadBatch::Offset { expected, found })));
            }
            if checks_crc && !has_right_crc(&segment.body, &batch, &mut room)? {
                return Ok(Some((batch.position, BadBatch::Crc)));
            }
            segment.note(&batch.header);
            self.next_offset = batch.header.last_offset() + 1;
            if let Some(identity) = batch::identity(&batch.header) {
                let timestamp = batch.header.max_timestamp;
                self.producers.note_recovered(
                    &identity,
                    Appended {
                        base_offset: found,
                        timestamp,
                    },
                );
            }
        }
    }
}

fn has_right_crc(body: &Body, batch: &BatchAt, room: &mut Vec<u8>) -> io::Result<bool> {
    // The batch lies within the file, so this asks for no more memory than there is file.
    room.resize(usize::try_from(batch.bytes()).map_err(io::Error::other)?, 0);
    body.read_exact_at(batch.position, room)?;
    Ok(crc32c(&room[CRC_FROM..]) == batch.header.crc)
}

/// The base offsets in the names of a folder's segments, in order.
fn base_offsets(folder: &Path) -> io::Result<Vec<i64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
        found.extend(number.and_then(|number| number.parse::<i64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}
