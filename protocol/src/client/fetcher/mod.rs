//! Reading partitions: which are asked for next and from where, and what an answer means.
//!
//! A partition has a position: the next offset to ask for, and the leader epoch of the record before
//! it. An answer moves it over whole batches, by their headers alone, so that the next request can
//! be sent before the records are looked into; what was found there is given out as [`Piece`]s,
//! ranges of the answer. If a piece turns out to be damaged, [`Fetcher::handle_corrupt`] goes back
//! to it, once.
//!
//! Invariants:
//! * of a partition at most one Fetch is under way, and an answer counts only if it is to the
//!   position of now;
//! * offsets move forward only, over control batches, over what compaction took and over batches
//!   that are empty, and never over a batch that was not given out whole;
//! * nothing is skipped: what cannot be read stops the partition with a [`FetchFailure`];
//! * every failure that passes has a back-off, and, where a time-out is set, an end.
//!
//! A log that was truncated under us (KIP-320) is found out by the Fetch itself: it carries the
//! epoch of the record before the position, and since version 12 (KIP-595) the broker answers with
//! where the logs part. That needs no OffsetForLeaderEpoch before, and leaves no time between the
//! check and the read. Requests are without sessions (KIP-227): each names all of its partitions,
//! which costs some bytes a partition and leaves nothing that a broker could forget.

mod answer;
mod locate;
mod partition;

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::error_code::ErrorCode;
use crate::hot::LeaderHint;
use crate::hot::fetch::{FetchPartition, FetchRequest, FetchSession, FetchTopic, IsolationLevel};
use crate::records::reader::AbortedRanges;
use partition::{Partition, State};

/// What a fetcher is told, by Kafka's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetcherSettings {
    /// `client.id`
    pub client_id: String,
    /// `fetch.max.bytes`: of an answer, but for a first batch that is larger.
    pub bytes_max: i32,
    /// `max.partition.fetch.bytes`: of a partition in an answer, with the same exception.
    pub partition_bytes_max: i32,
    /// `fetch.min.bytes`
    pub bytes_min: i32,
    /// `fetch.max.wait.ms`
    pub wait_max: Duration,
    /// `isolation.level`
    pub isolation: IsolationLevel,
    /// `auto.offset.reset`, also for logs that were truncated.
    pub reset: OffsetReset,
    /// `retry.backoff.ms`
    pub backoff: Duration,
    /// `retry.backoff.max.ms`
    pub backoff_max: Duration,
    /// How long a partition may fail without end; none: for ever, as who follows a topic wants it.
    pub timeout: Option<Duration>,
}

impl Default for FetcherSettings {
    fn default() -> Self {
        Self {
            client_id: "ringmain".to_owned(),
            bytes_max: 50 << 20,
            partition_bytes_max: 1 << 20,
            bytes_min: 1,
            wait_max: Duration::from_millis(500),
            isolation: IsolationLevel::ReadUncommitted,
            reset: OffsetReset::Fail,
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(1),
            timeout: Some(Duration::from_secs(60)),
        }
    }
}

/// What happens where the log does not hold the position (any more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// The partition stops.
    #[default]
    Fail,
    /// It goes on where the log begins, or where it was truncated.
    Earliest,
    /// It goes on where the log ends, or where it was truncated.
    Latest,
}

/// A place in a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The next offset wanted.
    pub offset: i64,
    /// The leader epoch of the record before it; −1: not known.
    pub epoch: i32,
}

impl Position {
    /// A place of which only the offset is known.
    pub fn at(offset: i64) -> Self {
        Self { offset, epoch: -1 }
    }
}

/// A partition's place among those of a fetcher, in the order in which they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionIndex(pub usize);

/// A request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FetchId(usize);

/// What an answer brought of a partition: whole batches, not looked into beyond their headers.
#[derive(Debug)]
pub struct Piece {
    /// Of which partition.
    pub partition: PartitionIndex,
    /// It follows what was given out up to this offset. Where it does not, something before it was
    /// found damaged after it was asked for, and it must be thrown away.
    pub continues: i64,
    /// Records before this offset are not wanted: a batch may begin earlier. Other than `continues`
    /// only after a [`FetchEvent::Reset`].
    pub from: i64,
    /// Nor are those from here on.
    pub end: Option<i64>,
    /// Where its batches lie in the answer's body.
    pub range: Range<usize>,
    /// Which of them belong to aborted transactions; to be asked about each batch in order.
    /// `None`: with read_uncommitted, or if there are none.
    pub aborted: Option<AbortedRanges>,
    /// Where the partition is when the piece has been taken.
    pub next: Position,
}

/// Something that the owner must know or do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchEvent {
    /// Who leads what is out of date.
    RefreshMetadata,
    /// A broker says who leads a partition now.
    Leader {
        /// Which partition.
        partition: PartitionIndex,
        /// Who, and since when.
        hint: LeaderHint,
    },
    /// The position was not in the log; it is another now, as [`OffsetReset`] says.
    Reset {
        /// Which partition.
        partition: PartitionIndex,
        /// Where it was.
        from: i64,
        /// Where it is.
        to: i64,
    },
    /// A partition cannot go on.
    Stopped {
        /// Which partition.
        partition: PartitionIndex,
        /// Why.
        failure: FetchFailure,
    },
}

/// Why a partition cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchFailure {
    /// The log begins behind the position.
    #[error(
        "offset {offset} is not in the log any more, which begins at {start}: retention or \
         DeleteRecords took the records before that"
    )]
    BelowStart {
        /// What was wanted.
        offset: i64,
        /// Where the log begins.
        start: i64,
    },
    /// The log ends before the position.
    #[error("offset {offset} is behind the log's end, which is {end}")]
    BehindEnd {
        /// What was wanted.
        offset: i64,
        /// Where the log ends.
        end: i64,
    },
    /// The log does not continue what was read.
    #[error(
        "the log was truncated below offset {offset}, which was read up to in leader epoch {epoch}: \
         it parts from what was read at offset {at}; what was read from there on is not in the log \
         any more"
    )]
    Truncated {
        /// The position.
        offset: i64,
        /// The epoch of the record before it.
        epoch: i32,
        /// Where the logs part.
        at: i64,
    },
    /// The log ended, and stayed, before the end that was asked for.
    #[error("the log ends at {found}, before offset {end} where it ended once: it lost records")]
    Short {
        /// The end wanted.
        end: i64,
        /// Where it is now.
        found: i64,
    },
    /// A batch is damaged, twice.
    #[error("the batch at offset {offset} cannot be read: {reason}; it was fetched twice")]
    Corrupt {
        /// The position in it.
        offset: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// The broker refuses it.
    #[error("{error}: {}", error.meaning())]
    Refused {
        /// With what.
        error: ErrorCode,
    },
    /// It failed for too long.
    #[error("nothing could be read for {} s: {why}", after.as_secs())]
    TimedOut {
        /// How long.
        after: Duration,
        /// The last failure.
        why: FetchTrouble,
    },
}

/// What keeps a partition from being read, for now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchTrouble {
    /// Nobody leads it.
    #[error("it has no leader")]
    NoLeader,
    /// The connection to its leader fails.
    #[error("broker {broker} cannot be reached, or does not answer")]
    Unreachable {
        /// The leader.
        broker: i32,
    },
    /// The leader answers with an error.
    #[error("broker {broker} answers {error}: {}", error.meaning())]
    Answer {
        /// The leader.
        broker: i32,
        /// The error.
        error: ErrorCode,
    },
    /// The answer cannot be read.
    #[error("the answer of broker {broker} is malformed")]
    Malformed {
        /// The leader.
        broker: i32,
    },
}

/// How many partitions that are known to have more are asked for in one request: enough to fill an
/// answer, few enough that a broker does not look into hundreds of logs that have no room in it.
const LAGGING_MAX: usize = 8;

/// The rules of reading; see the module.
#[derive(Debug)]
pub struct Fetcher {
    settings: FetcherSettings,
    topics: Vec<(String, [u8; 16])>,
    partitions: Vec<Partition>,
    /// The order in which partitions are asked for: who got records goes to its end.
    order: Vec<PartitionIndex>,
    in_flight: Vec<Option<InFlight>>,
    events: VecDeque<FetchEvent>,
    random: u64,
}

/// A Fetch, or a question for offsets, that was sent.
#[derive(Debug)]
struct InFlight {
    broker: i32,
    /// The partitions asked for, in the request's order, and the offset asked for of each.
    asked: Vec<(PartitionIndex, i64)>,
}

impl Fetcher {
    /// A fetcher without partitions. `random` is any number, for the jitter of back-offs.
    pub fn new(settings: FetcherSettings, random: u64) -> Self {
        Self {
            settings,
            topics: Vec::new(),
            partitions: Vec::new(),
            order: Vec::new(),
            in_flight: Vec::new(),
            events: VecDeque::new(),
            random: random | 1,
        }
    }

    /// A topic; its number is what [`add_partition`](Self::add_partition) wants. The id is zero
    /// where the cluster has none.
    pub fn add_topic(&mut self, name: &str, id: [u8; 16]) -> usize {
        self.topics.push((name.to_owned(), id));
        self.topics.len() - 1
    }

    /// A partition to be read from `position` up to `end`, or for ever.
    pub fn add_partition(
        &mut self,
        now: Instant,
        topic: usize,
        number: i32,
        position: Position,
        end: Option<i64>,
    ) -> PartitionIndex {
        assert!(topic < self.topics.len(), "a topic that was added");
        let index = PartitionIndex(self.partitions.len());
        self.partitions
            .push(Partition::new(now, topic, number, position, end));
        self.order.push(index);
        index
    }

    /// How many partitions there are.
    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Topic and number of a partition.
    pub fn partition(&self, PartitionIndex(index): PartitionIndex) -> (&str, i32) {
        let partition = &self.partitions[index];
        (&self.topics[partition.topic].0, partition.number)
    }

    /// What is asked for next of a partition.
    pub fn position(&self, PartitionIndex(index): PartitionIndex) -> Position {
        self.partitions[index].position
    }

    /// How many records there are behind the position, as far as the last answer told.
    pub fn lag(&self, PartitionIndex(index): PartitionIndex) -> Option<i64> {
        self.partitions[index].lag()
    }

    /// Whether all of a partition has been asked for and answered, or it was stopped.
    pub fn is_done(&self, PartitionIndex(index): PartitionIndex) -> bool {
        matches!(self.partitions[index].state, State::Done | State::Stopped)
    }

    /// Whether nothing is left to be asked for.
    pub fn is_all_done(&self) -> bool {
        (0..self.partitions.len()).all(|index| self.is_done(PartitionIndex(index)))
    }

    /// Who leads a partition, as metadata has it.
    pub fn handle_leader(
        &mut self,
        now: Instant,
        index: PartitionIndex,
        leader: Option<LeaderHint>,
    ) {
        let partition = &mut self.partitions[index.0];
        if partition.leader == leader {
            return;
        }
        partition.leader = leader;
        if leader.is_none() {
            partition.fail(now, FetchTrouble::NoLeader);
        } else {
            // Whatever the old leader could not do, the new one may.
            partition.not_before = None;
        }
    }

    /// The brokers that lead a partition which is wanted.
    pub fn brokers(&self) -> impl Iterator<Item = i32> + '_ {
        let wanted = self.partitions.iter().filter(|p| p.is_wanted());
        wanted.filter_map(|p| Some(p.leader?.leader_id))
    }

    /// Whether there is anything to ask `broker` for on its connection number `lane` of `lanes`.
    pub fn has_work(&self, now: Instant, broker: i32, (lane, lanes): (usize, usize)) -> bool {
        let of_lane = self.partitions.iter().skip(lane).step_by(lanes);
        of_lane.into_iter().any(|p| p.is_due(now, broker))
    }

    /// The next Fetch to `broker` on its connection number `lane` of `lanes`: to be written with
    /// [`write`](Self::write), sent, and ended with [`handle_response`](Self::handle_response) or
    /// [`handle_lost`](Self::handle_lost).
    pub fn poll_fetch(
        &mut self,
        now: Instant,
        broker: i32,
        (lane, lanes): (usize, usize),
    ) -> Option<FetchId> {
        let mut asked = Vec::new();
        let mut lagging = 0;
        for &index in &self.order {
            let partition = &self.partitions[index.0];
            if index.0 % lanes != lane || !partition.is_due(now, broker) {
                continue;
            }
            if partition.state != State::Fetching {
                continue;
            }
            if partition.lag().is_some_and(|lag| lag > 0) {
                lagging += 1;
                if lagging > LAGGING_MAX {
                    continue;
                }
            }
            asked.push((index, partition.position.offset));
        }
        self.begin(broker, asked)
    }

    fn begin(&mut self, broker: i32, asked: Vec<(PartitionIndex, i64)>) -> Option<FetchId> {
        if asked.is_empty() {
            return None;
        }
        let free = self.in_flight.iter().position(Option::is_none);
        let id = free.unwrap_or_else(|| {
            self.in_flight.push(None);
            self.in_flight.len() - 1
        });
        for (index, _) in &asked {
            self.partitions[index.0].in_flight = Some(FetchId(id));
        }
        self.in_flight[id] = Some(InFlight { broker, asked });
        Some(FetchId(id))
    }

    fn end(&mut self, FetchId(id): FetchId) -> InFlight {
        let ended = self.in_flight[id].take().expect("a request ends once");
        for (index, _) in &ended.asked {
            let partition = &mut self.partitions[index.0];
            if partition.in_flight == Some(FetchId(id)) {
                partition.in_flight = None;
            }
        }
        ended
    }

    /// Appends the request to `out`, as a frame.
    pub fn write(
        &self,
        FetchId(id): FetchId,
        version: i16,
        correlation_id: i32,
        out: &mut Vec<u8>,
    ) {
        let InFlight { asked, .. } = self.in_flight[id].as_ref().expect("it is under way");
        let mut by_topic: Vec<(usize, Vec<FetchPartition>)> = Vec::new();
        for (index, _) in asked {
            let partition = &self.partitions[index.0];
            let wanted = partition.request(self.settings.partition_bytes_max);
            match by_topic
                .iter_mut()
                .find(|(topic, _)| *topic == partition.topic)
            {
                Some((_, partitions)) => partitions.push(wanted),
                None => by_topic.push((partition.topic, vec![wanted])),
            }
        }
        let topics: Vec<FetchTopic<'_>> = by_topic
            .iter()
            .map(|(topic, partitions)| FetchTopic {
                name: &self.topics[*topic].0,
                id: self.topics[*topic].1,
                partitions,
            })
            .collect();
        let settings = &self.settings;
        let request = FetchRequest {
            version,
            correlation_id,
            client_id: &settings.client_id,
            wait_ms_max: i32::try_from(settings.wait_max.as_millis()).unwrap_or(i32::MAX),
            bytes_min: settings.bytes_min,
            bytes_max: settings.bytes_max,
            isolation: settings.isolation,
            session: FetchSession::NONE,
            topics: &topics,
            forgotten: &[],
            rack: "",
        };
        request.write(out);
    }

    /// The answer to a request will not come: its connection is lost. The broker may be, too.
    pub fn handle_lost(&mut self, now: Instant, id: FetchId) {
        let InFlight { broker, asked } = self.end(id);
        for (index, _) in asked {
            self.partitions[index.0].fail(now, FetchTrouble::Unreachable { broker });
        }
        self.events.push_back(FetchEvent::RefreshMetadata);
    }

    /// A broker cannot be connected to.
    pub fn handle_unreachable(&mut self, now: Instant, broker: i32) {
        for partition in &mut self.partitions {
            if partition.is_wanted() && partition.leader.is_some_and(|l| l.leader_id == broker) {
                partition.fail(now, FetchTrouble::Unreachable { broker });
            }
        }
        self.events.push_back(FetchEvent::RefreshMetadata);
    }

    /// The batch at the piece's offset `at` turned out to be damaged when its records were looked
    /// into: it is fetched once more; the second time the partition stops. Whatever else came of
    /// the partition behind it must be thrown away.
    pub fn handle_corrupt(
        &mut self,
        index: PartitionIndex,
        at: Position,
        error: &dyn std::fmt::Display,
    ) {
        let partition = &mut self.partitions[index.0];
        if !partition.is_alive() {
            return;
        }
        if partition.corrupt_at == Some(at.offset) {
            let (offset, reason) = (at.offset, error.to_string());
            self.stop(index, FetchFailure::Corrupt { offset, reason });
            return;
        }
        partition.corrupt_at = Some(at.offset);
        partition.position = at;
        partition.continues = at.offset;
        partition.in_flight = None; // Its answer is to another offset, and will not count.
        partition.state = State::Fetching;
    }

    /// Time-outs.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(after) = self.settings.timeout else {
            return;
        };
        for index in 0..self.partitions.len() {
            let partition = &mut self.partitions[index];
            if !partition.is_wanted() {
                continue;
            }
            let index = PartitionIndex(index);
            if let Some((since, why)) = &partition.trouble
                && now >= *since + after
            {
                let why = why.clone();
                self.stop(index, FetchFailure::TimedOut { after, why });
            } else if let Some((since, found)) = partition.short_since
                && now >= since + after
            {
                let end = partition.end.unwrap_or(found);
                self.stop(index, FetchFailure::Short { end, found });
            }
        }
    }

    /// When there is something to do though nothing came.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let wanted = self.partitions.iter().filter(|p| p.is_wanted());
        let timeout = self.settings.timeout;
        let times = wanted.flat_map(|partition| {
            let since = partition.trouble.as_ref().map(|(since, _)| *since);
            let short = partition.short_since.map(|(since, _)| since);
            let ends = [since, short].map(|since| Some(since? + timeout?));
            [partition.not_before, ends[0], ends[1]]
                .into_iter()
                .flatten()
        });
        times.min()
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<FetchEvent> {
        self.events.pop_front()
    }

    fn stop(&mut self, partition: PartitionIndex, failure: FetchFailure) {
        let stopped = &mut self.partitions[partition.0];
        stopped.state = State::Stopped;
        stopped.in_flight = None;
        self.events
            .push_back(FetchEvent::Stopped { partition, failure });
    }

    fn back_off(&mut self, now: Instant, PartitionIndex(index): PartitionIndex) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let FetcherSettings {
            backoff,
            backoff_max,
            ..
        } = self.settings;
        let partition = &mut self.partitions[index];
        let pause = backoff.saturating_mul(1 << partition.failures.min(16));
        // ± 20 %, so that partitions that failed together do not come back together.
        let percent = 80 + u32::try_from(self.random % 41).expect("less than 41");
        partition.not_before = Some(now + pause.min(backoff_max) * percent / 100);
        partition.failures = partition.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
