//! Finding offsets by time.
//!
//! The index knows the newest timestamp of its entries; inside of the batch that it leads to the
//! records decide. In a batch with log append time every record has the batch's.

use std::io;

use protocol::records::header::TimestampType;

use super::PartitionLog;
use super::segment::{BatchAt, Headers, Next, Segment};
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
            let mut from = self.start_offset;
            while segment.bytes > 0
                && segment.max_timestamp() >= timestamp
                && let Some(batch) = segment.find_timestamp(timestamp, from)?
            {
                let found = first_record_since(segment, &batch, timestamp, from)?;
                if found.is_some() {
                    return Ok(found);
                }
                // Its new records lie before the log's start.
                from = batch.header.last_offset() + 1;
            }
        }
        Ok(None)
    }

    /// The first of the newest records.
    pub(crate) fn newest(&self) -> io::Result<Option<OffsetAndTimestamp>> {
        let mut newest = -1;
        for segment in &self.segments {
            newest = newest.max(if segment.base_offset < self.start_offset {
                self.newest_in_cut(segment)?
            } else {
                segment.max_timestamp()
            });
        }
        if newest < 0 {
            return Ok(None);
        }
        self.first_since(newest)
    }

    /// The newest timestamp in a segment that begins before the log's start.
    fn newest_in_cut(&self, segment: &Segment) -> io::Result<i64> {
        let mut newest = -1;
        let mut headers = Headers::new(segment.body.clone(), 0, segment.bytes);
        while let Next::Batch(batch) = headers.next_batch()? {
            if batch.header.last_offset() < self.start_offset {
                continue;
            }
            for_each_time(segment, &batch, |offset, time| {
                if offset >= self.start_offset {
                    newest = newest.max(time);
                }
            })?;
        }
        Ok(newest)
    }
}

fn first_record_since(
    segment: &Segment,
    batch: &BatchAt,
    timestamp: i64,
    from: i64,
) -> io::Result<Option<OffsetAndTimestamp>> {
    let mut found = None;
    for_each_time(segment, batch, |offset, time| {
        if found.is_none() && time >= timestamp && offset >= from {
            found = Some(OffsetAndTimestamp {
                offset,
                timestamp: time,
            });
        }
    })?;
    Ok(found)
}

/// The offset and time of every record of a batch.
fn for_each_time(
    segment: &Segment,
    batch: &BatchAt,
    mut each: impl FnMut(i64, i64),
) -> io::Result<()> {
    let header = &batch.header;
    if header.attributes.timestamp_type() == TimestampType::LogAppend {
        (header.base_offset..=header.last_offset())
            .for_each(|offset| each(offset, header.max_timestamp));
        return Ok(());
    }
    let mut bytes = vec![0; usize::try_from(batch.bytes()).map_err(io::Error::other)?];
    segment.body.read_exact_at(batch.position, &mut bytes)?;
    let walked = batch::for_each_record(header, &bytes, |record| {
        let time = header.base_timestamp.saturating_add(record.timestamp_delta);
        each(header.base_offset + i64::from(record.offset_delta), time);
    });
    walked.map_err(|refusal| io::Error::new(io::ErrorKind::InvalidData, refusal.message))
}
