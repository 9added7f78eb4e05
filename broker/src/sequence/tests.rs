//! The table of what Apache Kafka 4.3.0 was measured to do, line by line, and a model that is too
//! simple to be wrong.

use proptest::prelude::*;

use super::*;

const ID: i64 = 7;

fn batch(epoch: i16, first_sequence: i32, count: i32) -> Identity {
    Identity {
        producer_id: ID,
        epoch,
        first_sequence,
        last_offset_delta: count - 1,
    }
}

/// A partition: the rules and the next offset.
#[derive(Default)]
struct Partition {
    producers: Producers,
    next_offset: i64,
}

impl Partition {
    fn send(&mut self, identity: Identity) -> Verdict {
        self.send_at(identity, self.next_offset)
    }

    fn send_at(&mut self, identity: Identity, timestamp: i64) -> Verdict {
        let verdict = self.producers.judge(&identity);
        if verdict == Verdict::Append {
            let appended = Appended {
                base_offset: self.next_offset,
                timestamp,
            };
            self.producers.note(&identity, appended);
            self.next_offset += i64::from(identity.last_offset_delta) + 1;
        }
        verdict
    }

    /// Sends batches of ten from sequence `first` on.
    fn fill(&mut self, epoch: i16, first: i32, batches: i32) {
        for n in 0..batches {
            assert_eq!(self.send(batch(epoch, first + n * 10, 10)), Verdict::Append);
        }
    }

    fn restart(&mut self) {
        let mut producers = Producers::default();
        for (&producer_id, producer) in &self.producers.by_id {
            for batch in &producer.batches {
                let identity = Identity {
                    producer_id,
                    epoch: producer.epoch,
                    first_sequence: batch.first_sequence,
                    last_offset_delta: batch.last_sequence - batch.first_sequence,
                };
                producers.note_recovered(&identity, batch.appended);
            }
        }
        self.producers = producers;
    }
}

const GAP: Verdict = Verdict::Refuse(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
const FENCED: Verdict = Verdict::Refuse(ErrorCode::INVALID_PRODUCER_EPOCH);

#[test]
fn the_last_five_batches_answer_as_the_first_time_and_older_ones_are_out_of_order() {
    let mut partition = Partition::default();
    partition.fill(0, 0, 8);
    for n in 3..8 {
        let Verdict::Duplicate(appended) = partition.send(batch(0, n * 10, 10)) else {
            panic!("batch {n} is one of the last five");
        };
        assert_eq!(appended.base_offset, i64::from(n) * 10);
    }
    assert_eq!(partition.next_offset, 80);
    for n in 0..3 {
        assert_eq!(partition.send(batch(0, n * 10, 10)), GAP);
    }
}

#[test]
fn other_boundaries_over_the_same_sequences_are_out_of_order() {
    let mut partition = Partition::default();
    partition.fill(0, 0, 3);
    for identity in [
        batch(0, 20, 5),
        batch(0, 25, 5),
        batch(0, 10, 20),
        batch(0, 20, 11),
    ] {
        assert_eq!(partition.send(identity), GAP, "{identity:?}");
    }
}

#[test]
fn after_a_restart_only_the_last_batch_is_known_and_the_window_refills() {
    let mut partition = Partition::default();
    partition.fill(0, 0, 5);
    partition.restart();
    assert_eq!(partition.send(batch(0, 30, 10)), GAP);
    assert!(matches!(
        partition.send(batch(0, 40, 10)),
        Verdict::Duplicate(_)
    ));
    partition.fill(0, 50, 4);
    assert!(matches!(
        partition.send(batch(0, 40, 10)),
        Verdict::Duplicate(_)
    ));
    partition.fill(0, 90, 1);
    assert_eq!(partition.send(batch(0, 40, 10)), GAP);
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    for identity in [
        batch(0, 0, 1),
        batch(9, 12_345, 10),
        batch(i16::MAX, i32::MAX, 3),
    ] {
        assert_eq!(Partition::default().send(identity), Verdict::Append);
    }
}

#[test]
fn what_was_overtaken_while_nothing_was_known_can_never_be_written() {
    let mut partition = Partition::default();
    // The first batch (0..10) was refused for its CRC; the second came behind it.
    assert_eq!(partition.send(batch(0, 10, 10)), Verdict::Append);
    assert_eq!(partition.send(batch(0, 0, 10)), GAP);
}

#[test]
fn a_gap_changes_nothing() {
    let mut partition = Partition::default();
    partition.fill(3, 0, 2);
    assert_eq!(partition.send(batch(3, 30, 10)), GAP);
    assert_eq!(partition.send(batch(3, 20, 10)), Verdict::Append);
}

#[test]
fn epochs_fence() {
    let mut partition = Partition::default();
    partition.fill(3, 0, 2);
    assert_eq!(partition.send(batch(2, 20, 10)), FENCED);
    assert_eq!(partition.send(batch(2, 0, 10)), FENCED);
    // Even a batch that is in the log, once its epoch is over.
    assert_eq!(partition.send(batch(9, 20, 10)), GAP);
    assert_eq!(partition.send(batch(9, 0, 10)), Verdict::Append);
    assert_eq!(partition.send(batch(3, 10, 10)), FENCED);
    assert_eq!(partition.send(batch(9, 10, 10)), Verdict::Append);
}

#[test]
fn without_an_epoch_only_duplicates_are_known() {
    let mut partition = Partition::default();
    partition.fill(-1, 0, 1);
    assert!(matches!(
        partition.send(batch(-1, 0, 10)),
        Verdict::Duplicate(_)
    ));
    assert_eq!(partition.send(batch(-1, 77, 10)), Verdict::Append);
    assert_eq!(partition.send(batch(-2, 0, 10)), FENCED);
    assert_eq!(partition.send(batch(3, 77, 10)), Verdict::Append);
    assert_eq!(partition.send(batch(3, 77, 1)), GAP);
}

#[test]
fn sequences_wrap_inside_a_batch_and_between_batches() {
    let mut partition = Partition::default();
    assert_eq!(partition.send(batch(0, i32::MAX - 3, 10)), Verdict::Append);
    assert_eq!(batch(0, i32::MAX - 3, 10).last_sequence(), 5);
    assert_eq!(partition.send(batch(0, 6, 1)), Verdict::Append);
    assert!(matches!(
        partition.send(batch(0, i32::MAX - 3, 10)),
        Verdict::Duplicate(_)
    ));

    let mut partition = Partition::default();
    assert_eq!(partition.send(batch(0, i32::MAX - 9, 10)), Verdict::Append);
    assert_eq!(partition.send(batch(0, 1, 1)), GAP);
    assert_eq!(partition.send(batch(0, 0, 1)), Verdict::Append);
}

#[test]
fn a_producer_is_forgotten_by_the_timestamp_of_its_last_batch() {
    let day = 86_400_000;
    let now = 100 * day;
    for (timestamp, known) in [
        (now, true),
        (now - day + 1, true),
        (now - day, false),
        (-1, false),
    ] {
        let mut partition = Partition::default();
        assert_eq!(partition.send_at(batch(0, 0, 10), now), Verdict::Append);
        assert_eq!(
            partition.send_at(batch(0, 10, 10), timestamp),
            Verdict::Append
        );
        partition.producers.expire(now, day);
        assert_eq!(
            partition.producers.summaries().len(),
            usize::from(known),
            "{timestamp}"
        );
    }
}

#[test]
fn the_summary_shows_the_last_batch() {
    let mut partition = Partition::default();
    partition.fill(4, 0, 3);
    assert_eq!(
        partition.producers.summaries(),
        [ProducerSummary {
            producer_id: ID,
            epoch: 4,
            last_sequence: 29,
            last_timestamp: 20
        }]
    );
    partition.producers.forget();
    assert_eq!(partition.producers.summaries(), []);
}

proptest! {
    /// However sends and repeats are mixed, as long as at most five batches are between a batch
    /// and its repeat, everything is in the log once and in order.
    #[test]
    fn repeats_within_the_window_add_nothing(
        counts in prop::collection::vec(1..50i32, 1..60),
        repeats in prop::collection::vec((0..60usize, 1..=BATCHES_KEPT), 0..100),
        first in prop_oneof![Just(0), Just(i32::MAX - 100), 0..=i32::MAX],
    ) {
        let mut partition = Partition::default();
        let mut sent: Vec<(Identity, i64)> = Vec::new();
        let mut sequence = first;
        for (index, &count) in counts.iter().enumerate() {
            let identity = batch(0, sequence, count);
            sent.push((identity, partition.next_offset));
            prop_assert_eq!(partition.send(identity), Verdict::Append);
            sequence = next_sequence(identity.last_sequence());
            for &(at, back) in &repeats {
                if at == index && back <= sent.len() {
                    let (identity, base_offset) = sent[sent.len() - back];
                    let appended = Appended { base_offset, timestamp: base_offset };
                    prop_assert_eq!(partition.send(identity), Verdict::Duplicate(appended));
                }
            }
        }
        let total: i64 = counts.iter().map(|&count| i64::from(count)).sum();
        prop_assert_eq!(partition.next_offset, total);
    }
}
