//! What a produced batch must be before it may go into a log.
//!
//! The order of the checks is Apache's, because a batch with two faults must get the same answer:
//! shape (87), base offset (87), size (10), CRC (2), the header against itself (87), the records (87
//! or 32). Whether it is a duplicate or out of order is asked only after all of these
//! ([`crate::sequence`]).
//!
//! Stricter than Apache's, so that a mistake of ours shows: record attributes must be 0, offset deltas
//! must count from 0 in uncompressed batches too (there Apache stores what it gets), nothing may
//! follow the batch, and no producer may say that its timestamps are the log's.

pub(crate) mod records;

use protocol::error_code::ErrorCode;
use protocol::records::compression::Decompressor;
use protocol::records::crc::{Crc32c, crc32c};
use protocol::records::header::{
    BatchHeader, CRC_AT, CRC_FROM, Compression, HEADER_BYTES, LENGTH_END, MAGIC, MAGIC_AT,
    TimestampType,
};

use crate::sequence::Identity;
use records::RecordInfo;

/// What a compressed batch may become: no honest producer makes of so much as little as a batch.
const PLAIN_BYTES_MAX: usize = 256 << 20;

/// What a topic asks of its batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchRules {
    /// `max.message.bytes`
    pub(crate) batch_bytes_max: i32,
    /// `message.timestamp.type`
    pub(crate) timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`
    pub(crate) timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`
    pub(crate) timestamp_after_max_ms: i64,
    /// Whether `cleanup.policy` has `compact`: every record needs a key.
    pub(crate) is_compacted: bool,
}

/// A batch that was found to be right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckedBatch<'a> {
    /// As the producer wrote it.
    pub(crate) header: BatchHeader,
    /// The whole batch, as the producer wrote it.
    pub(crate) bytes: &'a [u8],
    /// The newest of its records' timestamps, whatever the header says.
    pub(crate) max_timestamp: i64,
}

/// Why a batch was not appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The answer.
    pub(crate) code: ErrorCode,
    /// For a person.
    pub(crate) message: String,
    /// The records that are to blame: index in the batch, and why.
    pub(crate) records: Vec<(i32, String)>,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            records: Vec::new(),
        }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::INVALID_RECORD, message)
    }
}

/// Checks the records of one partition in a Produce request of `version`.
pub(crate) fn check<'a>(
    records: Option<&'a [u8]>,
    version: i16,
    rules: &BatchRules,
    now_ms: i64,
) -> Result<CheckedBatch<'a>, Refusal> {
    let bytes = the_one_batch(records.unwrap_or_default())?;
    if bytes[..8] != [0; 8] {
        return Err(Refusal::invalid("the batch's base offset is not 0"));
    }
    check_size(bytes, rules.batch_bytes_max)?;
    check_crc(bytes)?;
    let header = BatchHeader::read(bytes).map_err(|error| Refusal::invalid(error.to_string()))?;
    check_header(&header, version)?;
    let max_timestamp = check_records(&header, bytes, rules, now_ms)?;
    Ok(CheckedBatch {
        header,
        bytes,
        max_timestamp,
    })
}

/// Who numbered the batch, if it was an idempotent producer.
pub(crate) fn identity(header: &BatchHeader) -> Option<Identity> {
    (header.producer_id >= 0).then_some(Identity {
        producer_id: header.producer_id,
        epoch: header.producer_epoch,
        first_sequence: header.base_sequence,
        last_offset_delta: header.last_offset_delta,
    })
}

/// Exactly one batch of magic 2, or why not.
fn the_one_batch(records: &[u8]) -> Result<&[u8], Refusal> {
    let none = || Refusal::invalid("a partition's records must be one whole batch");
    let prefix = records.first_chunk::<{ MAGIC_AT + 1 }>().ok_or_else(none)?;
    if prefix[MAGIC_AT] as i8 != MAGIC {
        let magic = prefix[MAGIC_AT] as i8;
        let message = format!("only record batches of magic 2 are taken, this one has {magic}");
        return Err(Refusal::invalid(message));
    }
    let [.., a, b, c, d] = *prefix
        .first_chunk::<LENGTH_END>()
        .expect("12 is less than 17");
    let length = usize::try_from(i32::from_be_bytes([a, b, c, d])).ok();
    let bytes = length
        .filter(|&length| length + LENGTH_END >= HEADER_BYTES)
        .ok_or_else(|| {
            let message = "the batch's length is smaller than its header";
            Refusal::new(ErrorCode::CORRUPT_MESSAGE, message)
        })?;
    match records.split_at_checked(bytes + LENGTH_END) {
        Some((batch, [])) => Ok(batch),
        Some(_) => Err(Refusal::invalid(
            "a partition's records must be exactly one batch",
        )),
        None => Err(none()),
    }
}

fn check_size(batch: &[u8], batch_bytes_max: i32) -> Result<(), Refusal> {
    if batch.len() as u64 <= u64::try_from(batch_bytes_max).unwrap_or(0) {
        return Ok(());
    }
    let bytes = batch.len();
    let message = format!("the batch has {bytes} bytes, max.message.bytes is {batch_bytes_max}");
    Err(Refusal::new(ErrorCode::MESSAGE_TOO_LARGE, message))
}

fn check_crc(batch: &[u8]) -> Result<(), Refusal> {
    let stored = &batch[CRC_AT..CRC_FROM];
    let computed = crc32c(&batch[CRC_FROM..]);
    if stored == computed.to_be_bytes() {
        return Ok(());
    }
    let message = format!("the batch is corrupt: its bytes have CRC {computed:#010x}, not its own");
    Err(Refusal::new(ErrorCode::CORRUPT_MESSAGE, message))
}

fn check_header(header: &BatchHeader, version: i16) -> Result<(), Refusal> {
    let count = header.records_count;
    if count == 0 || header.last_offset_delta != count - 1 {
        let delta = header.last_offset_delta;
        let message = format!("{count} records cannot have the last offset delta {delta}");
        return Err(Refusal::invalid(message));
    }
    if header.attributes.is_control() {
        return Err(Refusal::invalid("clients may not write control records"));
    }
    if header.producer_id >= 0 && header.base_sequence < 0 {
        return Err(Refusal::invalid(
            "a batch with a producer id needs a sequence",
        ));
    }
    let unsupported = |message: String| {
        Err(Refusal::new(
            ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            message,
        ))
    };
    match header.attributes.compression() {
        Err(error) => unsupported(error.to_string()),
        Ok(Compression::Zstd) if version < 7 => unsupported(format!(
            "zstd needs Produce version 7, this is version {version}"
        )),
        Ok(_) => Ok(()),
    }
}

/// Checks every record, and returns the newest timestamp.
fn check_records(
    header: &BatchHeader,
    batch: &[u8],
    rules: &BatchRules,
    now_ms: i64,
) -> Result<i64, Refusal> {
    let mut errors = RecordErrors::default();
    let mut max_timestamp = -1;
    for_each_record(header, batch, |record| {
        let timestamp = header.base_timestamp.saturating_add(record.timestamp_delta);
        max_timestamp = max_timestamp.max(timestamp);
        errors.check(&record, timestamp, header, rules, now_ms);
    })?;
    errors.into_result()?;
    Ok(max_timestamp)
}

/// Walks the records of a whole batch.
pub(crate) fn for_each_record(
    header: &BatchHeader,
    batch: &[u8],
    each: impl FnMut(RecordInfo),
) -> Result<(), Refusal> {
    let compression = header.attributes.compression();
    let compression = compression.map_err(|error| Refusal::invalid(error.to_string()))?;
    let mut decompressor = Decompressor::new();
    let records = decompressor.decompress(compression, &batch[HEADER_BYTES..], PLAIN_BYTES_MAX);
    let records = records.map_err(|error| Refusal::invalid(error.to_string()))?;
    records::walk(records, header.records_count, each)
        .map_err(|malformed| Refusal::invalid(malformed.to_string()))
}

/// The records that a batch is refused for.
#[derive(Debug, Default)]
struct RecordErrors {
    records: Vec<(i32, String)>,
    has_timestamp_error: bool,
}

impl RecordErrors {
    fn check(
        &mut self,
        record: &RecordInfo,
        timestamp: i64,
        header: &BatchHeader,
        rules: &BatchRules,
        now_ms: i64,
    ) {
        if rules.is_compacted && !record.has_key {
            let message = "a compacted topic takes no record without a key".to_owned();
            self.records.push((record.index, message));
        } else if record.offset_delta != record.index {
            let message = format!("its offset delta is {}", record.offset_delta);
            self.records.push((record.index, message));
        } else if let Some(message) = timestamp_error(timestamp, header, rules, now_ms) {
            self.has_timestamp_error = true;
            self.records.push((record.index, message));
        }
    }

    fn into_result(self) -> Result<(), Refusal> {
        if self.records.is_empty() {
            return Ok(());
        }
        let (code, reason) = if self.has_timestamp_error {
            (ErrorCode::INVALID_TIMESTAMP, "their timestamps")
        } else {
            (ErrorCode::INVALID_RECORD, "what they hold")
        };
        let message = format!("{} records were refused for {reason}", self.records.len());
        Err(Refusal {
            code,
            message,
            records: self.records,
        })
    }
}

fn timestamp_error(
    timestamp: i64,
    header: &BatchHeader,
    rules: &BatchRules,
    now_ms: i64,
) -> Option<String> {
    if header.attributes.timestamp_type() == TimestampType::LogAppend {
        return Some("a producer may not set log append time".to_owned());
    }
    if rules.timestamp_type == TimestampType::LogAppend || timestamp == -1 {
        return None;
    }
    let age = now_ms.saturating_sub(timestamp);
    let is_in_range = age <= rules.timestamp_before_max_ms
        && age.saturating_neg() <= rules.timestamp_after_max_ms;
    (!is_in_range).then(|| format!("its timestamp {timestamp} is out of range at {now_ms}"))
}

/// What stands before a batch's records in the log: the producer's header with what the broker sets.
pub(crate) fn header_for_log(
    batch: &CheckedBatch<'_>,
    base_offset: i64,
    leader_epoch: i32,
    appended_ms: Option<i64>,
) -> (BatchHeader, [u8; HEADER_BYTES]) {
    let mut header = batch.header;
    header.base_offset = base_offset;
    header.partition_leader_epoch = leader_epoch;
    header.max_timestamp = appended_ms.unwrap_or(batch.max_timestamp);
    if appended_ms.is_some() {
        header.attributes = header
            .attributes
            .with_timestamp_type(TimestampType::LogAppend);
    }
    let mut bytes = [0; HEADER_BYTES];
    header.write(&mut bytes);
    if header.max_timestamp != batch.header.max_timestamp || appended_ms.is_some() {
        let mut crc = Crc32c::new();
        crc.update(&bytes[CRC_FROM..]);
        crc.update(&batch.bytes[HEADER_BYTES..]);
        header.crc = crc.value();
        header.write(&mut bytes);
    }
    (header, bytes)
}
