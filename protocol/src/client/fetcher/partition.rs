//! One partition of a fetcher: where it is, and what keeps it.

use std::time::Instant;

use super::{FetchId, FetchTrouble, Position};
use crate::hot::LeaderHint;
use crate::hot::fetch::FetchPartition;

/// What a partition does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Records are asked for.
    Fetching,
    /// The log does not hold the position: where it begins, then where it ends, is asked for.
    Locating {
        /// Where it begins, once that is known.
        start: Option<i64>,
    },
    /// Everything up to its end was given out.
    Done,
    /// It cannot go on.
    Stopped,
}

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) topic: usize,
    pub(super) number: i32,
    pub(super) leader: Option<LeaderHint>,
    pub(super) position: Position,
    /// Where the last piece ended: another place than the position only after a reset.
    pub(super) continues: i64,
    pub(super) end: Option<i64>,
    pub(super) state: State,
    /// The request that asks for it.
    pub(super) in_flight: Option<FetchId>,
    /// What readers may see ends here, as the last answer told.
    pub(super) readable_end: Option<i64>,
    /// More than the settings say, where a batch did not come whole.
    pub(super) bytes_min: i32,
    /// What a batch of the last answer had on average; 0: nothing is known.
    pub(super) batch_bytes: usize,
    /// Where a batch was damaged.
    pub(super) corrupt_at: Option<i64>,
    pub(super) not_before: Option<Instant>,
    pub(super) failures: u32,
    /// What keeps it, and since when.
    pub(super) trouble: Option<(Instant, FetchTrouble)>,
    /// Since when the log has ended at this offset, before the end that is wanted.
    pub(super) short_since: Option<(Instant, i64)>,
}

impl Partition {
    pub(super) fn new(
        now: Instant,
        topic: usize,
        number: i32,
        position: Position,
        end: Option<i64>,
    ) -> Self {
        let is_done = end.is_some_and(|end| position.offset >= end);
        Self {
            topic,
            number,
            leader: None,
            position,
            continues: position.offset,
            end,
            state: if is_done {
                State::Done
            } else {
                State::Fetching
            },
            in_flight: None,
            readable_end: None,
            bytes_min: 0,
            batch_bytes: 0,
            corrupt_at: None,
            not_before: None,
            failures: 0,
            trouble: Some((now, FetchTrouble::NoLeader)),
            short_since: None,
        }
    }

    /// Whether something is to be asked for, sooner or later.
    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.state, State::Fetching | State::Locating { .. })
    }

    /// Whether it was not stopped.
    pub(super) fn is_alive(&self) -> bool {
        self.state != State::Stopped
    }

    /// Whether `broker` is to be asked now.
    pub(super) fn is_due(&self, now: Instant, broker: i32) -> bool {
        self.is_wanted()
            && self.in_flight.is_none()
            && self.leader.is_some_and(|leader| leader.leader_id == broker)
            && self.not_before.is_none_or(|at| now >= at)
    }

    pub(super) fn lag(&self) -> Option<i64> {
        let end = match (self.readable_end?, self.end) {
            (readable, Some(end)) => readable.min(end),
            (readable, None) => readable,
        };
        Some((end - self.position.offset).max(0))
    }

    /// How it stands in a request.
    pub(super) fn request(&self, bytes_max: i32) -> FetchPartition {
        FetchPartition {
            partition: self.number,
            current_leader_epoch: self.leader.map_or(-1, |leader| leader.leader_epoch),
            fetch_offset: self.position.offset,
            last_fetched_epoch: self.position.epoch,
            bytes_max: whole_batches(bytes_max, self.batch_bytes).max(self.bytes_min),
        }
    }

    /// Something keeps it. The time counts from the first of a row of failures.
    pub(super) fn fail(&mut self, now: Instant, trouble: FetchTrouble) {
        let since = self.trouble.as_ref().map_or(now, |(since, _)| *since);
        self.trouble = Some((since, trouble));
    }

    /// Its leader answered.
    pub(super) fn succeed(&mut self) {
        self.trouble = None;
        self.not_before = None;
        self.failures = 0;
    }

    /// Goes on from `position`.
    pub(super) fn seek(&mut self, position: Position) {
        self.position = position;
        self.readable_end = None;
        self.short_since = None;
        self.in_flight = None;
        let is_done = self.end.is_some_and(|end| position.offset >= end);
        self.state = if is_done {
            State::Done
        } else {
            State::Fetching
        };
    }
}

/// Batches of less than this share of an answer are not reckoned with.
const SMALL_BATCH: i32 = 16;

/// The bytes of as many batches as fit into `bytes_max` if the next are about as large as
/// those before. Brokers cut an answer in the middle of a batch, and the beginning of that one has
/// come for nothing: with batches of 0.6 MB, two fifths of all bytes of answers of 1 MiB.
fn whole_batches(bytes_max: i32, batch_bytes: usize) -> i32 {
    let Ok(batch) = i32::try_from(batch_bytes) else {
        return bytes_max;
    };
    if batch <= bytes_max / SMALL_BATCH || batch >= bytes_max {
        return bytes_max;
    }
    let batch = batch + batch / 64 + 64;
    match bytes_max / batch {
        0 => bytes_max,
        batches => batches * batch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_batches_are_asked_for_as_come_whole() {
        let check = |bytes_max, batch_bytes, batches: Option<i32>| {
            let asked = whole_batches(bytes_max, batch_bytes);
            let Some(batches) = batches else {
                return assert_eq!(asked, bytes_max, "batches of {batch_bytes} bytes");
            };
            let whole = batches * i32::try_from(batch_bytes).unwrap();
            let more = asked - whole;
            assert!(0 < more && more <= whole / 32, "{asked} for {batch_bytes}");
        };
        check(1 << 20, 0, None);
        check(1 << 20, 16_384, None);
        check(1 << 20, 65_536, None);
        check(1 << 20, 200_000, Some(5));
        check(1 << 20, 627_000, Some(1));
        check(1 << 20, 1_030_000, Some(1));
        check(1 << 20, 1_048_000, None);
        check(1 << 20, 1 << 20, None);
        check(1 << 20, usize::MAX, None);
        check(1, 627_000, None);
    }
}
