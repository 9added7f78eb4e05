//! Opening a log that is there: every header is walked, the index and the producers are known
//! again.
//!
//! A segment that another one follows was whole when that one was begun; if it is not now, the log
//! is damaged and the broker does not start. The last one may end in a batch that was being written
//! when the process died, or (after a power loss) in bytes that never reached the disk: it is cut
//! off at the first byte that is not part of a right batch. CRCs are compared in the last segment
//! only, and only if the broker was not shut down in order.

use std::path::Path;
use std::time::UNIX_EPOCH;
use std::{fs, io};

use protocol::records::crc::crc32c;
use protocol::records::header::CRC_FROM;

use super::segment::{BadBatch, BatchAt, Headers, Next, Segment};
use super::start::{self, LogStart};
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
    /// The leader's epoch from now on: no batch that is there can have a newer one.
    pub(crate) leader_epoch: i32,
}

impl PartitionLog {
    /// Opens the log in `folder`, or makes it.
    pub(crate) fn open(folder: &Path, options: RecoveryOptions) -> Result<Self, BrokerError> {
        fs::create_dir_all(folder).map_err(BrokerError::file("create", folder))?;
        let mut log = Self::with_segments(Place::Folder(folder.to_owned()), Vec::new());
        let start = start::read(folder)?;
        let base_offsets = log.segments_from(folder, start.as_ref())?;
        let LogStart { offset, producers } = start.unwrap_or(LogStart {
            offset: base_offsets[0],
            producers: Vec::new(),
        });
        log.start_offset = offset;
        for (identity, appended) in &producers {
            log.producers.note_recovered(identity, *appended);
        }
        log.carried = producers;
        log.next_offset = base_offsets[0];
        let last = base_offsets.len() - 1;
        for (index, &base_offset) in base_offsets.iter().enumerate() {
            log.recover_segment(folder, base_offset, index == last, options)?;
        }
        log.begin_at_start(folder, options)
            .map_err(BrokerError::file("begin anew in", folder))?;
        log.epochs.truncate_start(log.start_offset);
        log.lead(options.leader_epoch);
        // As Apache's: who is too old is forgotten at once, not at the next check.
        log.producers
            .expire(options.now_ms, options.producer_id_expiration_ms);
        Ok(log)
    }

    /// The base offsets of the segments that are part of the log; never none.
    fn segments_from(
        &self,
        folder: &Path,
        start: Option<&LogStart>,
    ) -> Result<Vec<i64>, BrokerError> {
        let mut found = base_offsets(folder).map_err(BrokerError::file("list", folder))?;
        let Some(&LogStart { offset, .. }) = start else {
            if found.is_empty() {
                found.push(0);
            }
            return Ok(found);
        };
        let after = found.partition_point(|&base_offset| base_offset <= offset);
        for gone in found.drain(..after.saturating_sub(1)) {
            let removed = self.place.remove_segment(gone);
            removed.map_err(BrokerError::file("remove", segment_path(folder, gone)))?;
        }
        match found.first() {
            None => found.push(offset),
            Some(&first) if first > offset => {
                let (expected, found) = (offset, first);
                return Err(BrokerError::Damaged {
                    path: segment_path(folder, first),
                    place: "its name".to_owned(),
                    reason: BadBatch::Offset { expected, found }.to_string(),
                });
            }
            Some(_) => {}
        }
        Ok(found)
    }

    /// Where the log would end before its start, it is empty.
    fn begin_at_start(&mut self, folder: &Path, options: RecoveryOptions) -> io::Result<()> {
        if self.next_offset >= self.start_offset {
            return Ok(());
        }
        let (end, start) = (self.next_offset, self.start_offset);
        tracing::warn!(folder = %folder.display(), end, start, "the log ended before its start");
        let body = self.place.body(start)?;
        for segment in std::mem::take(&mut self.segments) {
            self.place.remove_segment(segment.base_offset)?;
        }
        self.segments
            .push(Segment::new(start, body, options.now_ms));
        self.next_offset = start;
        Ok(())
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
        let mut segment = Segment::new(base_offset, body.clone(), options.now_ms);
        segment.modified_ms = modified_ms(&path).map_err(read)?;
        let checks = Checks {
            crc: is_last && !options.is_clean,
            newest_epoch: options.leader_epoch,
        };
        let bad = self.walk(&mut segment, file_bytes, checks).map_err(read)?;
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
        checks: Checks,
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
            let epoch = batch.header.partition_leader_epoch;
            let oldest = self.epochs.latest().unwrap_or(0);
            if !(oldest..=checks.newest_epoch).contains(&epoch) {
                let bad = BadBatch::Epoch {
                    oldest,
                    newest: checks.newest_epoch,
                    found: epoch,
                };
                return Ok(Some((batch.position, bad)));
            }
            if checks.crc && !has_right_crc(&segment.body, &batch, &mut room)? {
                return Ok(Some((batch.position, BadBatch::Crc)));
            }
            segment.note(&batch.header);
            self.epochs.assign(epoch, found);
            self.next_offset = batch.header.last_offset() + 1;
            if let Some(identity) = batch::identity(&batch.header)
                && batch.header.last_offset() >= self.start_offset
            {
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

/// What a walk compares.
#[derive(Debug, Clone, Copy)]
struct Checks {
    crc: bool,
    newest_epoch: i32,
}

/// When a file was last written to, in milliseconds since 1970.
fn modified_ms(path: &Path) -> io::Result<i64> {
    let modified = fs::metadata(path)?.modified()?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
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
