//! What an answer to Fetch means: errors sorted into what passes and what stops, batches walked by
//! their headers.

use std::time::Instant;

use super::partition::State;
use super::{
    FetchEvent, FetchFailure, FetchId, FetchTrouble, Fetcher, InFlight, OffsetReset,
    PartitionIndex, Piece, Position,
};
use crate::error_code::ErrorCode;
use crate::frame::wire::WireError;
use crate::hot::TopicKey;
use crate::hot::fetch::{EpochEndOffset, FetchResponse, FetchedPartition, IsolationLevel};
use crate::records::DecodeError;
use crate::records::reader::{AbortedRanges, Batches};

/// What the batches of a partition came to, by their headers.
struct Walked {
    /// Behind the last whole batch that is wanted.
    next: Position,
    /// The bytes of those batches.
    bytes: usize,
    /// How many they are.
    batches: usize,
    /// Whether there are any.
    has_moved: bool,
    /// The bytes that a first batch has which did not come whole.
    needed: Option<usize>,
    /// Where the headers stop making sense.
    error: Option<DecodeError>,
}

impl Fetcher {
    /// The answer to a request, in the version it was asked in. What it brought is appended to
    /// `pieces`, whose ranges count from the start of `body`. With an error the answer as a whole
    /// cannot be read, and its connection should not be believed any more.
    pub fn handle_response(
        &mut self,
        now: Instant,
        id: FetchId,
        version: i16,
        body: &[u8],
        pieces: &mut Vec<Piece>,
    ) -> Result<(), WireError> {
        let InFlight { broker, asked } = self.end(id);
        let response = match FetchResponse::read(version, body) {
            Ok(response) => response,
            Err(error) => {
                for (index, _) in &asked {
                    self.partitions[index.0].fail(now, FetchTrouble::Malformed { broker });
                    self.back_off(now, *index);
                }
                return Err(error);
            }
        };
        if !response.error.is_none() {
            for (index, _) in asked {
                self.handle_error(now, index, broker, response.error);
            }
            return Ok(());
        }
        let mut answered = vec![false; asked.len()];
        for fetched in response.partitions() {
            // Answers stand in the order of the questions; a search makes that no condition.
            let found = asked
                .iter()
                .position(|(index, _)| self.is_of(*index, &fetched));
            let Some(at) = found.filter(|&at| !answered[at]) else {
                continue; // Not asked for, or told twice.
            };
            answered[at] = true;
            let (index, offset) = asked[at];
            let partition = &self.partitions[index.0];
            let is_current = partition.state == State::Fetching
                && partition.position.offset == offset
                && partition.in_flight.is_none();
            if is_current {
                self.handle_partition(now, index, broker, &fetched, body, pieces);
            }
        }
        for ((index, _), answered) in asked.iter().zip(answered) {
            if !answered {
                self.partitions[index.0].fail(now, FetchTrouble::Malformed { broker });
                self.back_off(now, *index);
            }
        }
        Ok(())
    }

    fn is_of(&self, PartitionIndex(index): PartitionIndex, fetched: &FetchedPartition<'_>) -> bool {
        let partition = &self.partitions[index];
        let (name, id) = &self.topics[partition.topic];
        let is_topic = match fetched.topic {
            TopicKey::Name(told) => told == name,
            TopicKey::Id(told) => told == *id,
        };
        is_topic && partition.number == fetched.partition
    }

    fn handle_partition(
        &mut self,
        now: Instant,
        index: PartitionIndex,
        broker: i32,
        fetched: &FetchedPartition<'_>,
        body: &[u8],
        pieces: &mut Vec<Piece>,
    ) {
        if let Some(hint) = fetched.current_leader {
            self.events.push_back(FetchEvent::Leader {
                partition: index,
                hint,
            });
        }
        if !fetched.error.is_none() {
            return self.handle_error(now, index, broker, fetched.error);
        }
        if let Some(diverging) = fetched.diverging_epoch {
            return self.handle_diverging(index, diverging);
        }
        let isolation = self.settings.isolation;
        let partition = &mut self.partitions[index.0];
        partition.succeed();
        let is_committed = isolation == IsolationLevel::ReadCommitted;
        let readable_end = if is_committed && fetched.last_stable_offset >= 0 {
            fetched.last_stable_offset
        } else {
            fetched.high_watermark
        };
        partition.readable_end = (readable_end >= 0).then_some(readable_end);
        let from = partition.position;
        let walked = walk(fetched.records, from, partition.end);
        if walked.next != from {
            let begin = fetched.records.as_ptr().addr() - body.as_ptr().addr();
            let mut aborted = fetched.aborted_transactions.peekable();
            let has_aborted = is_committed && aborted.peek().is_some();
            pieces.push(Piece {
                partition: index,
                continues: partition.continues,
                from: from.offset,
                end: partition.end,
                range: begin..begin + walked.bytes,
                aborted: has_aborted
                    .then(|| AbortedRanges::new(aborted.map(|a| (a.producer_id, a.first_offset)))),
                next: walked.next,
            });
            partition.batch_bytes = walked.bytes / walked.batches.max(1);
            partition.position = walked.next;
            partition.continues = walked.next.offset;
            partition.short_since = None;
            self.order.retain(|other| *other != index);
            self.order.push(index);
        }
        self.handle_walked(now, index, &walked);
    }

    /// What else there is to a partition's answer than whole batches.
    fn handle_walked(&mut self, now: Instant, index: PartitionIndex, walked: &Walked) {
        let partition = &mut self.partitions[index.0];
        if partition
            .end
            .is_some_and(|end| partition.position.offset >= end)
        {
            partition.state = State::Done;
            return;
        }
        if let Some(error) = &walked.error {
            let at = partition.position;
            self.handle_corrupt(index, at, error);
            return;
        }
        if walked.has_moved {
            return;
        }
        if let Some(needed) = walked.needed {
            // Brokers send a first batch whole; one that does not is asked for more.
            partition.bytes_min = i32::try_from(needed).unwrap_or(i32::MAX);
            return;
        }
        // Nothing there, though the log once reached further.
        partition.short_since = match (partition.readable_end, partition.end) {
            (Some(found), Some(end)) if found < end => {
                let since = partition.short_since.map_or(now, |(since, _)| since);
                Some((since, found))
            }
            _ => None,
        };
    }

    /// Where the broker's log and what was read part (KIP-595).
    fn handle_diverging(&mut self, index: PartitionIndex, diverging: EpochEndOffset) {
        let partition = &mut self.partitions[index.0];
        partition.succeed();
        let Position { offset, epoch } = partition.position;
        let at = diverging.end_offset.min(offset);
        if self.settings.reset == OffsetReset::Fail {
            return self.stop(index, FetchFailure::Truncated { offset, epoch, at });
        }
        let epoch = diverging.epoch;
        partition.seek(Position { offset: at, epoch });
        self.events.push_back(FetchEvent::Reset {
            partition: index,
            from: offset,
            to: at,
        });
    }

    pub(super) fn handle_error(
        &mut self,
        now: Instant,
        index: PartitionIndex,
        broker: i32,
        error: ErrorCode,
    ) {
        let partition = &mut self.partitions[index.0];
        match error {
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                partition.succeed();
                partition.state = State::Locating { start: None };
                return;
            }
            ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::UNKNOWN_LEADER_EPOCH
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::REPLICA_NOT_AVAILABLE
            | ErrorCode::KAFKA_STORAGE_ERROR
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::INCONSISTENT_TOPIC_ID
            | ErrorCode::OFFSET_NOT_AVAILABLE
            | ErrorCode::UNKNOWN_SERVER_ERROR => {
                self.events.push_back(FetchEvent::RefreshMetadata);
            }
            // The broker itself found a batch damaged that we never got to see.
            ErrorCode::CORRUPT_MESSAGE => {
                let at = partition.position;
                self.back_off(now, index);
                return self.handle_corrupt(index, at, &error);
            }
            error if error.is_retriable() => {}
            error => return self.stop(index, FetchFailure::Refused { error }),
        }
        partition.fail(now, FetchTrouble::Answer { broker, error });
        self.back_off(now, index);
    }
}

/// Goes over whole batches from `from` on, by their headers.
fn walk(records: &[u8], from: Position, end: Option<i64>) -> Walked {
    let mut walked = Walked {
        next: from,
        bytes: 0,
        batches: 0,
        has_moved: false,
        needed: None,
        error: None,
    };
    let mut batches = Batches::new(records);
    for batch in &mut batches {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                walked.error = Some(error);
                return walked;
            }
        };
        let header = batch.header();
        if end.is_some_and(|end| header.base_offset >= end) {
            walked.next.offset = walked.next.offset.max(end.unwrap_or_default());
            walked.has_moved = true;
            return walked;
        }
        let last = header.last_offset();
        let is_before = last < walked.next.offset;
        // A batch that holds the first offset begins before it; behind that, batches follow each
        // other. One before the position altogether is what an old broker may send.
        let overlaps = walked.next != from && header.base_offset < walked.next.offset;
        if header.base_offset < 0 || overlaps || last == i64::MAX {
            walked.error = Some(DecodeError::OutOfRange {
                what: "base offset",
                position: batch.position(),
                value: header.base_offset,
            });
            return walked;
        }
        walked.bytes = batch.position() + batch.bytes().len();
        walked.batches += 1;
        if !is_before {
            walked.has_moved = true;
            walked.next = Position {
                offset: last + 1,
                epoch: header.partition_leader_epoch,
            };
        }
    }
    walked.needed = batches
        .partial()
        .and_then(|partial| partial.needed)
        .filter(|_| !walked.has_moved);
    walked
}
