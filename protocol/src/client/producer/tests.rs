//! Random schedules against a model of what Apache Kafka 4.3 was measured to do.

use std::collections::VecDeque;

use super::*;

/// xorshift64*: enough for schedules, and the seed is all there is to print.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone, Copy)]
struct Request {
    id: BatchId,
    identity: Identity,
    first: Sequence,
    count: u32,
    record: u64,
}

/// First and last sequence, and base offset.
type Remembered = (Sequence, Sequence, i64);

/// One partition's log and its memory of the one producer.
#[derive(Default)]
struct ModelBroker {
    log: Vec<u64>,
    /// Its epoch, and its last batches.
    state: Option<(i16, VecDeque<Remembered>)>,
}

impl ModelBroker {
    fn produce(&mut self, request: Request) -> (ErrorCode, Option<i64>) {
        let last = request.first.plus(request.count - 1);
        let epoch = request.identity.epoch;
        if let Some((known, recent)) = &self.state {
            if epoch < *known {
                return (ErrorCode::INVALID_PRODUCER_EPOCH, None);
            }
            if epoch > *known && request.first != Sequence::ZERO {
                return (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, None);
            }
            if epoch == *known {
                if let Some(same) = recent.iter().find(|b| b.0 == request.first && b.1 == last) {
                    return (ErrorCode::NONE, Some(same.2));
                }
                if recent.back().is_none_or(|b| b.1.plus(1) != request.first) {
                    return (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, None);
                }
            } else {
                self.state = None;
            }
        }
        let base = self.log.len() as i64;
        self.log
            .extend((0..u64::from(request.count)).map(|i| request.record + i));
        let (_, recent) = self.state.get_or_insert_with(|| (epoch, VecDeque::new()));
        recent.push_back((request.first, last, base));
        if recent.len() > IN_FLIGHT_MAX {
            recent.pop_front();
        }
        (ErrorCode::NONE, Some(base))
    }

    /// After a restart only the last batch is recognised.
    fn restart(&mut self) {
        if let Some((_, recent)) = &mut self.state {
            recent.drain(..recent.len() - 1);
        }
    }

    fn describe(&self) -> Option<BrokerState> {
        let (epoch, recent) = self.state.as_ref()?;
        recent.back().map(|batch| BrokerState {
            epoch: *epoch,
            last: batch.1,
        })
    }
}

#[derive(Clone, Copy)]
struct Hazards {
    lose: u64,
    restart: u64,
    forget: u64,
    errors: u64,
    refuse: u64,
}

struct Schedule {
    random: Random,
    now: Instant,
    producer: PartitionProducer<u64>,
    broker: ModelBroker,
    wire: VecDeque<Request>,
    /// Requests of closed connections that the broker still reads.
    orphans: VecDeque<Request>,
    hazards: Hazards,
    identity: Identity,
    rejected: Vec<u64>,
    next_record: u64,
    acknowledged: u64,
    total: u64,
}

const TIMING: Timing = Timing {
    delivery: Duration::from_secs(1_000_000),
    backoff: Duration::from_millis(100),
    backoff_max: Duration::from_secs(1),
};

impl Schedule {
    fn new(seed: u64, start: Sequence, hazards: Hazards) -> Self {
        let in_flight = if hazards.forget > 0 { 1 } else { IN_FLIGHT_MAX };
        let identity = Identity {
            producer_id: 7,
            epoch: 0,
        };
        Self {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: Instant::now_for_tests(),
            producer: PartitionProducer::new(Some(identity), start, false, in_flight, TIMING),
            broker: ModelBroker::default(),
            wire: VecDeque::new(),
            orphans: VecDeque::new(),
            hazards,
            identity,
            rejected: Vec::new(),
            next_record: 0,
            acknowledged: 0,
            total: 200,
        }
    }

    fn run(&mut self) -> Result<(), ProducerError> {
        let mut steps = 0;
        while self.acknowledged < self.total {
            steps += 1;
            assert!(steps < 200_000, "the schedule ends");
            self.send();
            match self.random.below(4) {
                0 | 1 => self.answer()?,
                2 => self.disturb(),
                _ => self.now += Duration::from_millis(self.random.below(400)),
            }
            if self.random.chance(30)
                && let Some(orphan) = self.orphans.pop_front()
            {
                self.broker.produce(orphan);
            }
        }
        Ok(())
    }

    fn send(&mut self) {
        if self.producer.has_room() && self.next_record < self.total {
            let count = (1 + self.random.below(7)).min(self.total - self.next_record);
            self.producer
                .push(u32::try_from(count).unwrap(), self.next_record);
            self.next_record += count;
        }
        while let Some(id) = self.producer.poll_send(self.now) {
            self.producer.handle_sent(self.now, id);
            let identity = self.producer.identity().unwrap();
            let batch = self.producer.batch_mut(id).unwrap();
            let (first, count, record) = (batch.first, batch.count, batch.body);
            self.wire.push_back(Request {
                id,
                identity,
                first,
                count,
                record,
            });
        }
    }

    fn answer(&mut self) -> Result<(), ProducerError> {
        let Some(request) = self.wire.pop_front() else {
            return Ok(());
        };
        let before = [
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::CORRUPT_MESSAGE,
        ];
        let is_refused = self.random.chance(self.hazards.refuse)
            || self.rejected.contains(&request.record) && request.count == 1;
        let (error, base) = if self.random.chance(self.hazards.errors) {
            (before[self.random.below(2) as usize], None)
        } else if is_refused && self.is_next(request) {
            (ErrorCode::MESSAGE_TOO_LARGE, None)
        } else {
            let answer = self.broker.produce(request);
            if self.random.chance(self.hazards.errors) {
                (ErrorCode::REQUEST_TIMED_OUT, None)
            } else {
                answer
            }
        };
        let verdict = self
            .producer
            .handle_answer(self.now, request.id, error, base)?;
        if verdict == Verdict::AskState {
            if self.random.chance(20) {
                self.producer.handle_broker_state_unavailable(self.now);
            } else {
                self.producer
                    .handle_broker_state(self.now, self.broker.describe())?;
            }
        }
        self.settle();
        Ok(())
    }

    fn is_next(&self, request: Request) -> bool {
        self.broker
            .describe()
            .is_none_or(|state| state.last.plus(1) == request.first)
    }

    fn settle(&mut self) {
        while let Some(batch) = self.producer.take_delivered() {
            assert_eq!(batch.body, self.acknowledged, "acknowledged in order");
            self.acknowledged += u64::from(batch.count);
            if let Some(base) = batch.base_offset() {
                assert_eq!(
                    self.broker.log[base as usize], batch.body,
                    "the offset is the record's"
                );
            }
        }
        let Some((head, _)) = self.producer.refused_head() else {
            return;
        };
        let (count, record) = (head.count, head.body);
        if count > 1 {
            let half = count / 2;
            self.producer.split_head(vec![
                (half, record),
                (count - half, record + u64::from(half)),
            ]);
        } else {
            self.identity.epoch += 1;
            self.producer.make_hole(Some(self.identity));
            self.rejected.push(record);
            self.next_record = record + 1;
            self.acknowledged = record + 1;
        }
    }

    fn disturb(&mut self) {
        if self.random.chance(self.hazards.lose) {
            self.orphans.extend(self.wire.drain(..));
            self.producer.handle_lost(self.now);
        }
        if self.random.chance(self.hazards.restart) {
            self.orphans.clear();
            self.orphans
                .extend(self.wire.drain(..).take(self.random.below(3) as usize));
            self.producer.handle_lost(self.now);
            while let Some(orphan) = self.orphans.pop_front() {
                self.broker.produce(orphan);
            }
            self.broker.restart();
        }
        if self.random.chance(self.hazards.forget) && self.orphans.is_empty() {
            self.broker.state = None;
        }
    }
}

trait NowForTests {
    fn now_for_tests() -> Self;
}

impl NowForTests for Instant {
    #[expect(clippy::disallowed_methods, reason = "an origin for the virtual clock")]
    fn now_for_tests() -> Self {
        Self::now()
    }
}

fn check(seed: u64, start: Sequence, hazards: Hazards) {
    let mut schedule = Schedule::new(seed, start, hazards);
    schedule
        .run()
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let expected: Vec<u64> = (0..schedule.total)
        .filter(|record| !schedule.rejected.contains(record))
        .collect();
    assert_eq!(
        schedule.broker.log, expected,
        "seed {seed}: every record once, in order"
    );
}

const CALM: Hazards = Hazards {
    lose: 0,
    restart: 0,
    forget: 0,
    errors: 0,
    refuse: 0,
};

#[test]
fn nothing_is_lost_or_doubled_under_cuts_restarts_and_errors() {
    let hazards = Hazards {
        lose: 20,
        restart: 10,
        errors: 8,
        ..CALM
    };
    for seed in 0..4_000 {
        let start = if seed % 2 == 0 {
            Sequence::ZERO
        } else {
            Sequence::ZERO.minus(50)
        };
        check(seed, start, hazards);
    }
}

#[test]
fn refusals_split_and_leave_holes_without_loss() {
    let hazards = Hazards {
        refuse: 5,
        errors: 5,
        ..CALM
    };
    (0..3_000).for_each(|seed| check(seed, Sequence::ZERO, hazards));
}

#[test]
fn one_at_a_time_survives_a_forgotten_state() {
    let hazards = Hazards {
        forget: 10,
        errors: 0,
        ..CALM
    };
    (0..3_000).for_each(|seed| check(seed, Sequence::ZERO, hazards));
}

#[test]
fn a_broker_behind_what_it_acknowledged_is_an_error() {
    let now = Instant::now_for_tests();
    let identity = Identity {
        producer_id: 1,
        epoch: 0,
    };
    let next = Sequence::new(100).unwrap();
    let mut producer = PartitionProducer::<()>::new(Some(identity), next, true, 5, TIMING);
    producer.push(10, ());
    let state = BrokerState {
        epoch: 0,
        last: Sequence::new(89).unwrap(),
    };
    let error = producer.handle_broker_state(now, Some(state)).unwrap_err();
    assert!(
        matches!(error, ProducerError::AcknowledgedLost { .. }),
        "{error}"
    );
}

#[test]
fn a_last_sequence_inside_a_batch_is_an_error() {
    let now = Instant::now_for_tests();
    let identity = Identity {
        producer_id: 1,
        epoch: 0,
    };
    let mut producer =
        PartitionProducer::<()>::new(Some(identity), Sequence::ZERO, true, 5, TIMING);
    producer.push(10, ());
    let state = BrokerState {
        epoch: 0,
        last: Sequence::new(4).unwrap(),
    };
    let error = producer.handle_broker_state(now, Some(state)).unwrap_err();
    assert!(
        matches!(error, ProducerError::ForeignSequence { .. }),
        "{error}"
    );
}

/// A job killed behind a batch that was cut smaller: the last sequence is the end of a batch by the
/// rules, but of none that was sent. It asked and sent for ever, without a pause.
#[test]
fn a_last_batch_of_another_size_is_an_error_in_the_end() {
    let mut now = Instant::now_for_tests();
    let identity = Identity {
        producer_id: 1,
        epoch: 0,
    };
    let mut producer =
        PartitionProducer::<()>::new(Some(identity), Sequence::ZERO, true, 5, TIMING);
    producer.push(3, ());
    let second = producer.push(1, ());
    let state = Some(BrokerState {
        epoch: 0,
        last: Sequence::new(3).unwrap(),
    });
    let mut sent = 0;
    let error = loop {
        if let Err(error) = producer.handle_broker_state(now, state) {
            break error;
        }
        while producer.poll_send(now) != Some(second) {
            now = producer.poll_timeout().expect("it waits for the clock");
        }
        producer.handle_sent(now, second);
        let code = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
        let verdict = producer.handle_answer(now, second, code, None).unwrap();
        assert_eq!(verdict, Verdict::AskState);
        sent += 1;
        assert!(sent < 100, "it never gives up");
    };
    assert!(
        matches!(error, ProducerError::ForeignSequence { .. }),
        "{error}"
    );
}

/// Such a head was sent again and again until `delivery.timeout.ms` had passed.
#[test]
fn a_head_refused_behind_a_lost_connection_is_asked_about_and_then_refused() {
    let now = Instant::now_for_tests();
    let later = now + Duration::from_secs(60);
    let identity = Identity {
        producer_id: 1,
        epoch: 0,
    };
    for is_denied in [false, true] {
        let mut producer =
            PartitionProducer::<()>::new(Some(identity), Sequence::ZERO, true, 5, TIMING);
        let id = producer.push(3, ());
        producer.handle_sent(now, id);
        producer.handle_lost(now);
        assert_eq!(producer.poll_send(later), Some(id));
        producer.handle_sent(later, id);
        let code = ErrorCode::INVALID_RECORD;
        let verdict = producer.handle_answer(later, id, code, None).unwrap();
        assert_eq!(verdict, Verdict::AskState);
        if is_denied {
            assert_eq!(producer.handle_broker_state_denied(), Ok(Verdict::Retry));
        } else {
            producer.handle_broker_state(later, None).unwrap();
        }
        let later = later + Duration::from_secs(60);
        assert_eq!(producer.poll_send(later), Some(id));
        producer.handle_sent(later, id);
        let verdict = producer.handle_answer(later, id, code, None).unwrap();
        assert_eq!(verdict, Verdict::Refused);
    }
}

#[test]
fn a_sent_batch_fails_after_the_delivery_timeout() {
    let now = Instant::now_for_tests();
    let timing = Timing {
        delivery: Duration::from_secs(120),
        ..TIMING
    };
    let identity = Identity {
        producer_id: 1,
        epoch: 0,
    };
    let mut producer =
        PartitionProducer::<()>::new(Some(identity), Sequence::ZERO, true, 5, timing);
    let id = producer.push(1, ());
    assert!(
        producer.handle_timeout(now + timing.delivery).is_ok(),
        "not sent yet"
    );
    producer.handle_sent(now, id);
    assert_eq!(producer.poll_timeout(), Some(now + timing.delivery));
    assert!(producer.handle_timeout(now + timing.delivery).is_err());
}
