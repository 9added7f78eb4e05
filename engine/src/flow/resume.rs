//! What a crash left: for each partition, from what is acknowledged and what the broker remembers to where
//! sending goes on. Blocking, before any shard runs.
//!
//! The broker's memory of our producer id is asked for first (DescribeProducers, of the leader). Where
//! it knows us, the batches that may have arrived are found by cutting the input again, and the one that
//! ends at its last sequence is sent once more: its acknowledgement commits it and all before it. Where it
//! has forgotten us, the log's tail is read for batches that bear our identity. Where that may not be
//! read either, what may have been in flight is sent again one by one. Nothing is guessed in silence.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::PartitionResponse;
use kafka_protocol::messages::{DescribeProducersRequest, ProducerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use protocol::client::producer::{BrokerState, Identity, Sequence};
use protocol::error_code::ErrorCode;

use super::Tail;
use super::config::{SurveyedBatch, TooLarge, Unconfirmed};
use super::survey::{Cutting, SurveyError, Surveyed};
use super::tail::{OurBatch, TailError, TailRequest, read_tails};
use crate::control::{Control, ControlError, To};
use crate::positions::PartitionSlot;

/// Batches that a process may have had in flight when it died.
const IN_FLIGHT_MAX: usize = 5;

/// Before the brokers are asked once more.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Why a load cannot go on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The cluster did not answer.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The input cannot be read.
    #[error(transparent)]
    Survey(#[from] SurveyError),
    /// The log cannot be read.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// The bytes before a position are others.
    #[error(
        "the input changed since it was loaded: the {bytes} bytes before position {position} \
         (partition {partition}) are others; --restart forgets what was loaded and begins anew"
    )]
    Changed {
        /// The partition that the bytes went to.
        partition: u32,
        /// Behind them.
        position: u64,
        /// How many are compared.
        bytes: u32,
    },
    /// Somebody else wrote with our id.
    #[error(
        "partition {partition}: another process wrote with our producer id {producer_id} (epoch \
         {broker}, ours is {ours}): is the same job running elsewhere?"
    )]
    Fenced {
        /// The partition.
        partition: u32,
        /// Our id.
        producer_id: i64,
        /// Our epoch.
        ours: i16,
        /// The broker's.
        broker: i32,
    },
    /// The broker does not have what it acknowledged.
    #[error(
        "partition {partition}: the broker lost acknowledged records: its last sequence is {broker}, \
         and {acknowledged} was acknowledged (offset {offset}, input position {position}); --restart \
         loads everything anew"
    )]
    AcknowledgedLost {
        /// The partition.
        partition: u32,
        /// The last sequence acknowledged.
        acknowledged: Sequence,
        /// The broker's last one.
        broker: Sequence,
        /// The last offset acknowledged.
        offset: i64,
        /// The input position behind it.
        position: u64,
    },
    /// What the log holds under our id is nothing that we sent.
    #[error(
        "partition {partition}: the log holds sequence {found} under our producer id where {expected} \
         was to come (behind offset {offset}); nothing was sent; --restart loads everything anew"
    )]
    Gap {
        /// The partition.
        partition: u32,
        /// What was to come.
        expected: Sequence,
        /// What is there.
        found: Sequence,
        /// The last offset acknowledged.
        offset: i64,
    },
    /// The broker has more records of ours than the input holds.
    #[error(
        "partition {partition}: the broker has {records} more records of ours than the input holds"
    )]
    Beyond {
        /// The partition.
        partition: u32,
        /// How many it has behind what was acknowledged.
        records: u64,
    },
}

impl ResumeError {
    /// A broker that could not be asked, answered nonsense, or no longer leads: another may answer, or
    /// the same one soon.
    fn is_passing(&self) -> bool {
        match self {
            Self::Control(error) | Self::Tail(TailError::Control(error)) => matches!(
                error,
                ControlError::Lost { .. }
                    | ControlError::Request { .. }
                    | ControlError::Advertised { .. }
                    | ControlError::UnknownBroker { .. }
                    | ControlError::Malformed { .. }
            ),
            Self::Tail(TailError::Refused { error, .. }) => error.is_retriable(),
            Self::Tail(TailError::Malformed { .. }) => true,
            _ => false,
        }
    }
}

/// One partition of a job that goes on.
#[derive(Debug, Clone, Copy)]
pub struct Resumed {
    /// Which.
    pub partition: u32,
    /// What is acknowledged.
    pub slot: PartitionSlot,
    /// Its leader, and the leader's epoch.
    pub leader: (i32, i32),
}

/// Where a partition goes on.
#[derive(Debug)]
pub struct GoOn {
    /// Which.
    pub partition: u32,
    /// What is known to be in the log now.
    pub slot: PartitionSlot,
    /// The broker has just confirmed it.
    pub is_known: bool,
    /// What may have arrived.
    pub unconfirmed: Option<Unconfirmed>,
    /// Refused records that the position has passed just now: they must be noted before it is stored.
    pub passed: Vec<TooLarge>,
    /// From this input position on, records may come to lie in the log twice.
    pub doubt: Option<u64>,
}

/// What the broker says of our producer id.
#[derive(Debug, Clone, Copy)]
enum Memory {
    Knows { epoch: i32, last: Sequence },
    Forgot,
    MayNotAsk,
}

/// What a resume works with.
#[derive(Debug)]
pub struct Resume<'a> {
    /// The cluster.
    pub control: &'a mut Control,
    /// The input.
    pub survey: &'a mut dyn Cutting,
    /// The topic.
    pub topic: &'a str,
    /// Its id.
    pub topic_id: [u8; 16],
    /// How long the leaders' answers are waited for.
    pub timeout: Duration,
    /// `producer.id.expiration.ms`, where it is known.
    pub expiration: Duration,
    /// When the job began, in milliseconds since 1970: nothing of it was sent before.
    pub begun_ms: i64,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
}

impl Resume<'_> {
    /// Decides for each partition. Those of a job without idempotence just go on at their position.
    ///
    /// Brokers die and leaders move while they are asked. Asking changes nothing, so then all is asked
    /// again, of those who lead by then, until time is up.
    pub fn decide(&mut self, mut partitions: Vec<Resumed>) -> Result<Vec<GoOn>, ResumeError> {
        let deadline = self.control.now() + self.timeout;
        loop {
            let error = match self.decide_once(partitions.clone()) {
                Ok(decided) => return Ok(decided),
                Err(error) => error,
            };
            if self.control.now() >= deadline {
                return Err(error);
            }
            let has_moved = match self.refresh_leaders(&mut partitions) {
                Ok(has_moved) => has_moved,
                Err(_) if error.is_passing() => false,
                Err(_) => return Err(error),
            };
            // One who led before may lack what was acknowledged since.
            let was_astray = has_moved && matches!(error, ResumeError::AcknowledgedLost { .. });
            if !was_astray && !error.is_passing() {
                return Err(error);
            }
            tracing::info!("asked again what arrived: {error}");
            self.control.pause(ASK_AGAIN_AFTER)?;
        }
    }

    /// Says whether another leads any of them now.
    fn refresh_leaders(&mut self, partitions: &mut [Resumed]) -> Result<bool, ControlError> {
        let metadata = self.control.metadata(self.topic)?;
        let mut has_moved = false;
        for known in metadata.topics.iter().flat_map(|topic| &topic.partitions) {
            let index = known.partition_index.cast_unsigned();
            let leader = (known.leader_id.0, known.leader_epoch);
            let resumed = partitions
                .iter_mut()
                .find(|resumed| resumed.partition == index);
            if let Some(resumed) = resumed.filter(|r| leader.0 >= 0 && r.leader != leader) {
                resumed.leader = leader;
                has_moved = true;
            }
        }
        Ok(has_moved)
    }

    fn decide_once(&mut self, partitions: Vec<Resumed>) -> Result<Vec<GoOn>, ResumeError> {
        self.check_input(&partitions)?;
        let memories = self.ask_memories(&partitions)?;
        let mut decided = Vec::new();
        let mut to_scan = Vec::new();
        for resumed in partitions {
            let memory = memories.get(&resumed.partition).copied();
            match self.decide_by_memory(resumed, memory)? {
                Some(go_on) => decided.push(go_on),
                None => to_scan.push((resumed, memory)),
            }
        }
        self.scan(to_scan, &mut decided)?;
        decided.sort_by_key(|go_on| go_on.partition);
        Ok(decided)
    }

    fn check_input(&mut self, partitions: &[Resumed]) -> Result<(), ResumeError> {
        let known: Vec<_> = partitions
            .iter()
            .filter(|resumed| resumed.slot.tail_bytes > 0)
            .collect();
        let range = |slot: &PartitionSlot| {
            slot.tail_position..slot.tail_position + u64::from(slot.tail_bytes)
        };
        let wanted: Vec<_> = known.iter().map(|resumed| range(&resumed.slot)).collect();
        let crcs = self.survey.crcs(&wanted)?;
        for (resumed, crc) in known.into_iter().zip(crcs) {
            let slot = &resumed.slot;
            if crc != slot.tail_crc {
                return Err(ResumeError::Changed {
                    partition: resumed.partition,
                    position: range(slot).end,
                    bytes: slot.tail_bytes,
                });
            }
        }
        Ok(())
    }

    /// Asks each leader about its partitions, until all have answered or time is up.
    fn ask_memories(
        &mut self,
        partitions: &[Resumed],
    ) -> Result<HashMap<u32, Memory>, ResumeError> {
        let mut by_leader: HashMap<i32, Vec<Resumed>> = HashMap::new();
        for resumed in partitions
            .iter()
            .filter(|resumed| resumed.slot.producer_id >= 0)
        {
            by_leader
                .entry(resumed.leader.0)
                .or_default()
                .push(*resumed);
        }
        let deadline = self.control.now() + self.timeout;
        let mut memories = HashMap::new();
        for (leader, resumed) in by_leader {
            let mut left = resumed;
            while !left.is_empty() {
                self.ask_leader(leader, &mut left, &mut memories, deadline)?;
            }
        }
        Ok(memories)
    }

    fn ask_leader(
        &mut self,
        leader: i32,
        left: &mut Vec<Resumed>,
        memories: &mut HashMap<u32, Memory>,
        deadline: Instant,
    ) -> Result<(), ResumeError> {
        let indexes = left
            .iter()
            .map(|resumed| resumed.partition.cast_signed())
            .collect();
        let name = TopicName(StrBytes::from_string(self.topic.to_owned()));
        let topic = TopicRequest::default()
            .with_name(name)
            .with_partition_indexes(indexes);
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        let response = self.control.call(To::Broker(leader), &request)?;
        let mut retry = ErrorCode::NONE;
        for described in response.topics.iter().flat_map(|topic| &topic.partitions) {
            let index = described.partition_index.cast_unsigned();
            let Some(at) = left.iter().position(|resumed| resumed.partition == index) else {
                continue;
            };
            match memory(described, left[at].slot.producer_id) {
                Ok(memory) => {
                    memories.insert(index, memory);
                    left.remove(at);
                }
                Err(error) => retry = error,
            }
        }
        if !left.is_empty() {
            if self.control.now() >= deadline || !retry.is_retriable() {
                let error = crate::net::LinkError::System(format!("{retry}: {}", retry.meaning()));
                let api = kafka_protocol::messages::ApiKey::DescribeProducers;
                return Err(ControlError::Lost {
                    api,
                    to: format!("broker {leader}"),
                    error,
                }
                .into());
            }
            self.control.pause(Duration::from_millis(200))?;
        }
        Ok(())
    }

    /// `None`: the log must be read.
    fn decide_by_memory(
        &mut self,
        resumed: Resumed,
        memory: Option<Memory>,
    ) -> Result<Option<GoOn>, ResumeError> {
        let slot = &resumed.slot;
        let Some(memory) = memory else {
            // Without idempotence what was in flight is sent again.
            let doubt = (!slot.clean).then_some(slot.position);
            return Ok(Some(GoOn {
                doubt,
                ..go_on(&resumed, false, None)
            }));
        };
        let (epoch, last) = match memory {
            Memory::Knows { epoch, last } => (epoch, last),
            Memory::Forgot | Memory::MayNotAsk if slot.clean => {
                return Ok(Some(go_on(&resumed, false, None)));
            }
            Memory::Forgot => return Ok(None),
            Memory::MayNotAsk => return self.send_again(resumed).map(Some),
        };
        match epoch.cmp(&i32::from(slot.epoch)) {
            // Nothing of the new epoch has arrived.
            Ordering::Less => Ok(Some(go_on(&resumed, false, None))),
            Ordering::Equal => self.decide_by_sequence(resumed, last),
            Ordering::Greater => Err(ResumeError::Fenced {
                partition: resumed.partition,
                producer_id: slot.producer_id,
                ours: slot.epoch,
                broker: epoch,
            }),
        }
    }

    /// The broker knows our epoch, and `last` is the last sequence that it has.
    fn decide_by_sequence(
        &mut self,
        resumed: Resumed,
        last: Sequence,
    ) -> Result<Option<GoOn>, ResumeError> {
        let Resumed {
            partition, slot, ..
        } = resumed;
        let next = next_sequence(&slot);
        let ahead = last.distance_from(next.minus(1));
        if ahead == 0 {
            return Ok(Some(go_on(&resumed, true, None)));
        }
        if ahead >= Sequence::HALF {
            return Err(ResumeError::AcknowledgedLost {
                partition,
                acknowledged: next.minus(1),
                broker: last,
                offset: slot.last_offset,
                position: slot.position,
            });
        }
        if slot.is_recut {
            return Ok(None); // Where its batches end, only the log knows.
        }
        let ahead = u64::from(ahead);
        let Surveyed { batches, refused } = self.survey.batches(partition, slot.position, ahead)?;
        let records: u64 = batches.iter().map(|batch| u64::from(batch.count)).sum();
        if records < ahead {
            return Err(ResumeError::Beyond {
                partition,
                records: ahead - records,
            });
        }
        if records > ahead {
            return Ok(None); // A half of a batch: the log's headers decide.
        }
        let state = Some(BrokerState {
            epoch: slot.epoch,
            last,
        });
        let unconfirmed = Unconfirmed {
            batches,
            refused,
            state,
        };
        Ok(Some(go_on(&resumed, true, Some(unconfirmed))))
    }

    /// We may not look: what may have been in flight goes again, one by one.
    fn send_again(&mut self, resumed: Resumed) -> Result<GoOn, ResumeError> {
        if resumed.slot.is_recut {
            return Ok(begin_anew(resumed));
        }
        let Resumed {
            partition, slot, ..
        } = resumed;
        let mut batches: Vec<SurveyedBatch> = Vec::new();
        let mut refused = Vec::new();
        let mut position = slot.position;
        while batches.len() < IN_FLIGHT_MAX {
            let more = self.survey.batches(partition, position, 1)?;
            let Some(last) = more.batches.last() else {
                break;
            };
            position = last.range.end;
            batches.extend(more.batches);
            refused.extend(more.refused);
        }
        // Forgotten producers are not recognised, so what arrived would be appended once more.
        let newest_ms = slot.newest_timestamp.max(self.begun_ms);
        let age_ms = self.now_ms.saturating_sub(newest_ms).max(0).cast_unsigned();
        let is_old = Duration::from_millis(age_ms) >= self.expiration;
        let doubt = is_old.then_some(slot.position);
        let unconfirmed = Some(Unconfirmed {
            batches,
            refused,
            state: None,
        });
        Ok(GoOn {
            partition,
            slot,
            is_known: false,
            unconfirmed,
            passed: Vec::new(),
            doubt,
        })
    }

    /// Reads the log's tail of each, and goes on behind what is there.
    fn scan(
        &mut self,
        to_scan: Vec<(Resumed, Option<Memory>)>,
        decided: &mut Vec<GoOn>,
    ) -> Result<(), ResumeError> {
        if to_scan.is_empty() {
            return Ok(());
        }
        let requests = to_scan.iter().map(|(resumed, _)| TailRequest {
            partition: resumed.partition,
            leader: resumed.leader.0,
            leader_epoch: resumed.leader.1,
            from: tail_begin(&resumed.slot),
            producer_id: resumed.slot.producer_id,
        });
        let tails = read_tails(self.control, self.topic, self.topic_id, requests.collect())?;
        for (resumed, memory) in to_scan {
            let tail = &tails[&resumed.partition];
            if tail.is_denied {
                decided.push(self.send_again(resumed)?);
                continue;
            }
            let mut on = self.go_behind(resumed, &tail.batches)?;
            // Retention took what lay between: whether something of ours was there cannot be told.
            if tail.began_at > tail_begin(&resumed.slot) {
                on.doubt = Some(resumed.slot.position);
            }
            if let Some(Memory::Knows { last, .. }) = memory {
                let reached = next_sequence(&on.slot).minus(1);
                // Requests of the dead process may have come between the question and the end of the
                // reading: the log then holds more than was said, and what it holds counts.
                let unread = last.distance_from(reached);
                if unread != 0 && unread < Sequence::HALF {
                    return Err(gap(&resumed, reached.plus(1), last));
                }
                on.is_known = true;
            }
            decided.push(on);
        }
        Ok(())
    }

    fn go_behind(&mut self, resumed: Resumed, ours: &[OurBatch]) -> Result<GoOn, ResumeError> {
        let Resumed {
            partition,
            mut slot,
            ..
        } = resumed;
        let mut next = next_sequence(&slot);
        let mut records = 0;
        for batch in ours.iter().filter(|batch| batch.epoch == slot.epoch) {
            let ahead = batch.first.distance_from(next);
            if ahead >= Sequence::HALF {
                continue; // Acknowledged before.
            }
            if ahead > 0 {
                return Err(gap(&resumed, next, batch.first));
            }
            records += u64::from(batch.count);
            next = next.plus(batch.count);
            if slot.first_offset < 0 {
                slot.first_offset = batch.base_offset;
            }
            slot.last_offset = batch.base_offset + i64::from(batch.count) - 1;
            slot.last_batch_first_sequence = batch.first.value();
            slot.newest_timestamp = slot.newest_timestamp.max(batch.max_timestamp);
        }
        let mut passed = Vec::new();
        // From here on batches are cut by the rules again.
        slot.is_recut = false;
        if records > 0 {
            let found = self.survey.skip(partition, slot.position, records)?;
            let skipped = found.ok_or(ResumeError::Beyond { partition, records })?;
            slot.bytes += skipped.bytes;
            slot.position = skipped.position;
            slot.records += records;
            slot.rejects += skipped.refused.len() as u64;
            passed = skipped.refused;
            slot.next_sequence = next.value();
            let Tail {
                crc,
                bytes,
                position,
            } = skipped.tail;
            (slot.tail_crc, slot.tail_bytes, slot.tail_position) = (crc, bytes, position);
        }
        Ok(GoOn {
            partition,
            slot,
            is_known: false,
            unconfirmed: None,
            passed,
            doubt: None,
        })
    }
}

/// Neither the input nor a broker that may be asked tells where the batches in flight ended: under a new
/// epoch everything behind the position is sent (again).
fn begin_anew(resumed: Resumed) -> GoOn {
    let Resumed {
        partition,
        mut slot,
        ..
    } = resumed;
    slot.epoch += 1;
    slot.next_sequence = -1;
    slot.is_recut = false;
    GoOn {
        partition,
        slot,
        is_known: false,
        unconfirmed: None,
        passed: Vec::new(),
        doubt: Some(slot.position),
    }
}

/// On from what is acknowledged.
fn go_on(resumed: &Resumed, is_known: bool, unconfirmed: Option<Unconfirmed>) -> GoOn {
    let Resumed {
        partition, slot, ..
    } = *resumed;
    GoOn {
        partition,
        slot,
        is_known,
        unconfirmed,
        passed: Vec::new(),
        doubt: None,
    }
}

fn next_sequence(slot: &PartitionSlot) -> Sequence {
    Sequence::new(slot.next_sequence.max(0)).expect("not negative")
}

/// Behind what was acknowledged, or where the log ended when the job began.
fn tail_begin(slot: &PartitionSlot) -> i64 {
    if slot.last_offset >= 0 {
        slot.last_offset + 1
    } else {
        slot.end_offset_at_start.max(0)
    }
}

fn gap(resumed: &Resumed, expected: Sequence, found: Sequence) -> ResumeError {
    let offset = resumed.slot.last_offset;
    ResumeError::Gap {
        partition: resumed.partition,
        expected,
        found,
        offset,
    }
}

/// What a leader says of our id; an error where it should be asked again.
fn memory(described: &PartitionResponse, producer_id: i64) -> Result<Memory, ErrorCode> {
    match ErrorCode(described.error_code) {
        ErrorCode::NONE => {}
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => return Ok(Memory::MayNotAsk),
        error => return Err(error),
    }
    let ours = described
        .active_producers
        .iter()
        .find(|producer| producer.producer_id == ProducerId(producer_id));
    Ok(
        match ours.map(|ours| (ours.producer_epoch, Sequence::new(ours.last_sequence))) {
            Some((epoch, Some(last))) => Memory::Knows { epoch, last },
            _ => Memory::Forgot,
        },
    )
}

/// Who produces, by a slot.
pub fn identity(slot: &PartitionSlot) -> Option<Identity> {
    (slot.producer_id >= 0).then_some(Identity {
        producer_id: slot.producer_id,
        epoch: slot.epoch,
    })
}
