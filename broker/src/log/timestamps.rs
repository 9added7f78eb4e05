//! Finding offsets by time.
//!
//! The index knows the newest timestamp of its entries; inside of the batch that it leads to the
//! records decide. In a batch with log append time every record has the batch's.

use std::io;

use protocol::records::header::TimestampType;

use super::PartitionLog;
use super::segment::{BatchAt, Segment};
use crate::batch;

/// A record's place and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetAndTimestamp {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
}

impl PartitionLog {
    /// The first record that is as new as `timestamp`.
    pub(crate) fn first_since(&self, timestamp: i64) -> io::Result<Option<OffsetAndTimestamp>> {
        for segment in &self.segments {
            if segment.bytes > 0
                && segment.max_timestamp() >= timestamp
                && let Some(batch) = segment.find_timestamp(timestamp)?
            {
                return first_record_since(segment, &batch, timestamp);
            }
        }
        Ok(None)
    }

    /// The first of the newest records.
    pub(crate) fn newest(&self) -> io::Result<Option<OffsetAndTimestamp>> {
        let newest = self
            .segments
            .iter()
            .map(Segment::max_timestamp)
            .max()
            .unwrap_or(-1);
        if newest < 0 {
            return Ok(None);
        }
        self.first_since(newest)
    }
}

fn first_record_since(
    segment: &Segment,
    batch: &BatchAt,
    timestamp: i64,
) -> io::Result<Option<OffsetAndTimestamp>> {
    let header = &batch.header;
    if header.attributes.timestamp_type() == TimestampType::LogAppend {
        let (offset, timestamp) = (header.base_offset, header.max_timestamp);
        return Ok(Some(OffsetAndTimestamp { offset, timestamp }));
    }
    let mut bytes = vec![0; usize::try_from(batch.bytes()).map_err(io::Error::other)?];
    segment.body.read_exact_at(batch.position, &mut bytes)?;
    let mut found = None;
    let walked = batch::for_each_record(header, &bytes, |record| {
        let time = header.base_timestamp.saturating_add(record.timestamp_delta);
        if found.is_none() && time >= timestamp {
            let offset = header.base_offset + i64::from(record.offset_delta);
            found = Some(OffsetAndTimestamp {
                offset,
                timestamp: time,
            });
        }
    });
    match walked {
        Ok(()) => Ok(found),
        Err(refusal) => Err(io::Error::new(io::ErrorKind::InvalidData, refusal.message)),
    }
}
