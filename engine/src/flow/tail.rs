//! Reads the end of partitions' logs for batches of our own, by their headers alone.
//!
//! A request of a dead process may still be appended after it died (up to 43 ms were seen), so the end
//! counts as reached when nothing of ours has come for two seconds.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::client::producer::Sequence;
use protocol::error_code::ErrorCode;
use protocol::hot::fetch::{FetchPartition, FetchResponse, FetchedPartition};
use protocol::records::reader::Batches;

use super::ask::{Ask, End};
use crate::control::{Control, ControlError};

/// How long nothing of ours must come.
const QUIET: Duration = Duration::from_secs(2);
/// Bytes of one answer.
const ANSWER_BYTES: i32 = 8 << 20;
/// Bytes of one partition in an answer.
const PARTITION_BYTES: i32 = 1 << 20;
/// How long leaders that cannot answer are asked again.
const LEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Which tail to read.
#[derive(Debug, Clone)]
pub(crate) struct TailRequest {
    pub(crate) partition: u32,
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    /// The first offset.
    pub(crate) from: i64,
    /// Whose batches.
    pub(crate) producer_id: i64,
}

/// A batch that bears our producer id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OurBatch {
    pub(crate) epoch: i16,
    pub(crate) first: Sequence,
    pub(crate) count: u32,
    pub(crate) base_offset: i64,
    pub(crate) max_timestamp: i64,
}

/// What lies in a tail.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// Ours, in the log's order.
    pub(crate) batches: Vec<OurBatch>,
    /// We may not read the topic.
    pub(crate) is_denied: bool,
    /// The first offset that could be read: behind the one asked for where retention took it.
    pub(crate) began_at: i64,
}

/// Why a tail could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The leader did not answer.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// It answered with an error.
    #[error("cannot read the end of partition {partition}: {error}: {}", error.meaning())]
    Refused {
        /// The partition.
        partition: u32,
        /// The error.
        error: ErrorCode,
    },
    /// What it answered makes no sense, or was altered on its way.
    #[error("cannot read the end of partition {partition}: its batches are malformed")]
    Malformed {
        /// The partition, or the first of those asked for.
        partition: u32,
    },
}

struct Reading {
    request: TailRequest,
    offset: i64,
    tail: Tail,
    is_done: bool,
    /// The log does not hold its offset.
    is_out_of_range: bool,
}

/// Reads the tails, all partitions of a leader together.
pub(crate) fn read_tails(
    control: &mut Control,
    topic: &str,
    topic_id: [u8; 16],
    requests: Vec<TailRequest>,
) -> Result<HashMap<u32, Tail>, TailError> {
    let mut by_leader: HashMap<i32, Vec<Reading>> = HashMap::new();
    for request in requests {
        let tail = Tail {
            began_at: request.from,
            ..Tail::default()
        };
        let reading = Reading {
            offset: request.from,
            tail,
            is_done: false,
            is_out_of_range: false,
            request,
        };
        by_leader
            .entry(reading.request.leader)
            .or_default()
            .push(reading);
    }
    let mut tails = HashMap::new();
    for (leader, mut readings) in by_leader {
        read_leader(control, topic, topic_id, leader, &mut readings)?;
        tails.extend(readings.into_iter().map(|r| (r.request.partition, r.tail)));
    }
    Ok(tails)
}

fn read_leader(
    control: &mut Control,
    topic: &str,
    topic_id: [u8; 16],
    leader: i32,
    readings: &mut [Reading],
) -> Result<(), TailError> {
    let ask = Ask {
        topic,
        topic_id,
        leader,
    };
    let begun = control.now();
    let mut news = begun;
    // The end of what is there when nothing has come is waited for, however long the log.
    loop {
        let now = control.now();
        if readings.iter().all(|reading| reading.is_done) {
            return Ok(());
        }
        // A connection that breaks in the quiet at the end must not make all be read again.
        let body = control.until(now + LEADER_TIMEOUT, |control| {
            fetch(control, &ask, readings)
        })?;
        let first = readings[0].request.partition;
        let malformed = |_| TailError::Malformed { partition: first };
        let response = FetchResponse::read(body.0, &body.1).map_err(malformed)?;
        let mut has_moved = false;
        for fetched in response.partitions() {
            let index = fetched.partition.cast_unsigned();
            let reading = readings.iter_mut().find(|r| r.request.partition == index);
            let Some(reading) = reading else { continue };
            has_moved |= handle_fetched(reading, &fetched, now, begun)?;
        }
        for reading in readings.iter_mut().filter(|r| r.is_out_of_range) {
            go_to_beginning(control, &ask, reading)?;
        }
        if has_moved {
            news = control.now();
        } else if control.now() >= news + QUIET {
            return Ok(());
        }
    }
}

/// Where what was to be read is gone, goes on with what the log has left. An offset behind the log's end
/// is an error: the log lost what was acknowledged.
fn go_to_beginning(
    control: &mut Control,
    ask: &Ask<'_>,
    reading: &mut Reading,
) -> Result<(), TailError> {
    let partition = reading.request.partition;
    let deadline = control.now() + LEADER_TIMEOUT;
    let answer = control.until(deadline, |control| {
        ask.end(control, partition, End::Earliest)
    })?;
    let error = match answer.ok_or(TailError::Malformed { partition })? {
        Ok(offset) if offset > reading.offset => {
            reading.offset = offset;
            reading.tail.began_at = offset;
            reading.is_out_of_range = false;
            return Ok(());
        }
        Ok(_) => ErrorCode::OFFSET_OUT_OF_RANGE,
        Err(error) => error,
    };
    Err(TailError::Refused { partition, error })
}

fn fetch(
    control: &mut Control,
    ask: &Ask<'_>,
    readings: &[Reading],
) -> Result<(i16, Vec<u8>), ControlError> {
    let partitions: Vec<FetchPartition> = readings
        .iter()
        .filter(|reading| !reading.is_done)
        .map(|reading| FetchPartition {
            partition: reading.request.partition.cast_signed(),
            current_leader_epoch: reading.request.leader_epoch,
            fetch_offset: reading.offset,
            last_fetched_epoch: -1,
            bytes_max: PARTITION_BYTES,
        })
        .collect();
    ask.fetch(control, &partitions, ANSWER_BYTES)
}

/// Notes what is ours. Says whether anything new came.
fn handle_fetched(
    reading: &mut Reading,
    fetched: &FetchedPartition<'_>,
    now: Instant,
    begun: Instant,
) -> Result<bool, TailError> {
    let partition = reading.request.partition;
    match fetched.error {
        ErrorCode::NONE => {}
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
            reading.tail.is_denied = true;
            reading.is_done = true;
            return Ok(false);
        }
        // Apache's broker does not say here where its log begins.
        ErrorCode::OFFSET_OUT_OF_RANGE => {
            reading.is_out_of_range = true;
            return Ok(true);
        }
        // Somebody else leads it by now: the caller finds out who.
        error @ (ErrorCode::NOT_LEADER_OR_FOLLOWER
        | ErrorCode::FENCED_LEADER_EPOCH
        | ErrorCode::UNKNOWN_LEADER_EPOCH) => {
            return Err(TailError::Refused { partition, error });
        }
        error if error.is_retriable() && now < begun + LEADER_TIMEOUT => return Ok(true),
        error => return Err(TailError::Refused { partition, error }),
    }
    let mut has_moved = false;
    let mut batches = Batches::new(fetched.records);
    for batch in &mut batches {
        // A header that was altered on its way would make a batch of ours another's, or the reverse.
        let batch = batch.and_then(|batch| batch.check_crc().map(|()| batch));
        let batch = batch.map_err(|_| TailError::Malformed { partition })?;
        let header = batch.header();
        if header.last_offset() < reading.offset {
            continue; // A batch that holds the offset asked for begins before it.
        }
        let is_ours = header.producer_id == reading.request.producer_id;
        let count = u32::try_from(header.records_count).unwrap_or(0);
        if let Some(first) = Sequence::new(header.base_sequence).filter(|_| is_ours && count > 0) {
            reading.tail.batches.push(OurBatch {
                epoch: header.producer_epoch,
                first,
                count,
                base_offset: header.base_offset,
                max_timestamp: header.max_timestamp,
            });
        }
        reading.offset = header.last_offset() + 1;
        has_moved = true;
    }
    Ok(has_moved)
}
