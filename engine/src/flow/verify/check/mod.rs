//! One partition's batches, in the log's order, against what was expected of it.

use protocol::records::compression::Decompressor;
use protocol::records::hash::RecordHash;
use protocol::records::header::Compression;
use protocol::records::reader::Batch;

use super::{ExpectError, Expected, Sent, Verified, VerifyFailure};

/// What a decompressed section may have beyond the largest batch: codecs' frames and headers.
const SECTION_BYTES_SPARE: usize = 64 << 10;

/// Compares batch after batch.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    sent: &'a Sent,
    expected: Expected<'a>,
    /// Of the log.
    found: RecordHash,
    /// Of the input.
    wanted: RecordHash,
    records: u64,
    others_batches: u64,
    others_records: u64,
    /// Where the next batch begins, if nothing is missing.
    next_offset: i64,
    /// Offsets between batches that hold nothing, and the first of them.
    missing: Option<(u64, i64)>,
    section_bytes_max: usize,
    decompressor: Decompressor,
}

impl<'a> Checker<'a> {
    pub(super) fn new(sent: &'a Sent, expected: Expected<'a>, batch_bytes_max: usize) -> Self {
        Self {
            sent,
            expected,
            found: RecordHash::new(),
            wanted: RecordHash::new(),
            records: 0,
            others_batches: 0,
            others_records: 0,
            next_offset: sent.first_offset,
            missing: None,
            section_bytes_max: batch_bytes_max.saturating_add(SECTION_BYTES_SPARE),
            decompressor: Decompressor::new(),
        }
    }

    /// Says how many records of ours it holds.
    pub(super) fn handle_batch(&mut self, batch: &Batch<'_>) -> Result<u64, VerifyFailure> {
        let header = *batch.header();
        let (first, last) = (header.base_offset, header.last_offset());
        if last < self.sent.first_offset || first > self.sent.last_offset {
            return Ok(0);
        }
        let offsets = last.abs_diff(first) + 1;
        let records = u64::try_from(header.records_count).unwrap_or(0);
        self.note_missing(first.saturating_sub(self.next_offset), self.next_offset);
        self.next_offset = last.saturating_add(1);
        let is_ours =
            self.sent.producer_ids.contains(&header.producer_id) && !header.attributes.is_control();
        if !is_ours {
            self.others_batches += 1;
            self.others_records += if header.attributes.is_control() {
                0
            } else {
                records
            };
            return Ok(0);
        }
        if records < offsets {
            let missing = offsets - records;
            self.note_missing(i64::try_from(missing).unwrap_or(i64::MAX), first);
            return Err(self.compacted());
        }
        self.records += records;
        if !matches!(self.expected, Expected::Count) {
            self.compare(batch, records)?;
        }
        Ok(records)
    }

    fn note_missing(&mut self, offsets: i64, from: i64) {
        if let Ok(offsets @ 1..) = u64::try_from(offsets) {
            let (before, at) = self.missing.unwrap_or((0, from));
            self.missing = Some((before + offsets, at));
        }
    }

    fn compare(&mut self, batch: &Batch<'_>, records: u64) -> Result<(), VerifyFailure> {
        self.hash(batch)?;
        let Expected::Records(input) = &mut self.expected else {
            return Ok(());
        };
        let (partition, header) = (self.sent.partition, batch.header());
        let place = input.place();
        let failed = |error| VerifyFailure::Input { partition, error };
        let added = input.add_next(records, &mut self.wanted).map_err(failed)?;
        if added == records && self.wanted == self.found {
            return Ok(());
        }
        let failure = if added < records {
            VerifyFailure::InputEnds {
                partition,
                offset: header.base_offset,
            }
        } else {
            VerifyFailure::Differs {
                partition,
                first: header.base_offset,
                last: header.last_offset(),
                place,
            }
        };
        Err(self.explain(failure))
    }

    /// Adds the records to the log's fingerprint.
    fn hash(&mut self, batch: &Batch<'_>) -> Result<(), VerifyFailure> {
        let (partition, offset) = (self.sent.partition, batch.header().base_offset);
        let damaged = |why: String| VerifyFailure::Damaged {
            partition,
            offset,
            why,
        };
        let compression = batch.compression().map_err(|e| damaged(e.to_string()))?;
        let section = if compression == Compression::None {
            batch.section()
        } else {
            self.decompressor
                .decompress(compression, batch.section(), self.section_bytes_max)
                .map_err(|error| damaged(error.to_string()))?
        };
        let records = batch
            .records_in(section)
            .map_err(|e| damaged(e.to_string()))?;
        for record in records {
            let record = record.map_err(|error| damaged(error.to_string()))?;
            if record.key.is_none()
                && record.headers.len() == 0
                && let Some(value) = record.value
            {
                self.found.add_value(value);
                continue;
            }
            let headers = record.headers.map(|header| (header.key, header.value));
            self.found.add(record.key, record.value, headers);
        }
        Ok(())
    }

    /// The likelier reason for a difference, if one is known.
    fn explain(&mut self, failure: VerifyFailure) -> VerifyFailure {
        if self.missing.is_some() {
            return self.compacted();
        }
        match self.known_refused() {
            Ok(known) if known < self.sent.refused => VerifyFailure::UnknownRefused {
                partition: self.sent.partition,
                refused: self.sent.refused,
                known,
            },
            Ok(_) => failure,
            Err(error) => VerifyFailure::Input {
                partition: self.sent.partition,
                error,
            },
        }
    }

    /// Refused records that can be told in the input: it is read to its end for that.
    fn known_refused(&mut self) -> Result<u64, ExpectError> {
        let Expected::Records(input) = &mut self.expected else {
            return Ok(self.sent.refused);
        };
        if self.sent.refused > 0 {
            input.add_next(u64::MAX, &mut RecordHash::new())?;
        }
        Ok(input.refused())
    }

    fn compacted(&self) -> VerifyFailure {
        let (offsets, at) = self.missing.expect("some are missing");
        VerifyFailure::Compacted {
            partition: self.sent.partition,
            offsets,
            at,
            first: self.sent.first_offset,
            last: self.sent.last_offset,
        }
    }

    /// The log was read to the last offset.
    pub(super) fn finish(mut self) -> Result<Verified, VerifyFailure> {
        let Sent {
            partition,
            records,
            first_offset: first,
            last_offset: last,
            ..
        } = *self.sent;
        if first >= 0 {
            self.note_missing(last.saturating_add(1) - self.next_offset, self.next_offset);
        }
        if self.records != records {
            if self.missing.is_some() && self.records < records {
                return Err(self.compacted());
            }
            return Err(VerifyFailure::Count {
                partition,
                sent: records,
                found: self.records,
                first,
                last,
            });
        }
        let digest = self.found.digest();
        match &mut self.expected {
            Expected::Count => return Ok(self.verified(None)),
            Expected::Anything => {}
            Expected::Records(input) => {
                let place = input.place();
                let failed = |error| VerifyFailure::Input { partition, error };
                if input.add_next(1, &mut self.wanted).map_err(failed)? > 0 {
                    let failure = VerifyFailure::InputGoesOn {
                        partition,
                        records,
                        place,
                    };
                    return Err(self.explain(failure));
                }
            }
        }
        Ok(self.verified(Some(digest)))
    }

    fn verified(&self, digest: Option<protocol::records::hash::RecordDigest>) -> Verified {
        Verified {
            records: self.records,
            others_batches: self.others_batches,
            others_records: self.others_records,
            digest,
        }
    }
}

#[cfg(test)]
mod tests;
