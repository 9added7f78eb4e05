//! The rules of idempotent producing in one partition, as Apache Kafka 4.3 was measured to keep
//! them.
//!
//! ```text
//! nothing known of the producer       any epoch, any sequence is taken
//! lower epoch                         INVALID_PRODUCER_EPOCH
//! same epoch, one of the last five    the answer it had the first time, nothing appended
//!   batches again: same first and
//!   last sequence
//! same epoch, the next sequence       taken; 2³¹−1 is followed by 0, in a batch or between two
//! same epoch, any other               OUT_OF_ORDER_SEQUENCE_NUMBER
//! higher epoch, sequence 0            taken, it fences the old one; nobody need have given it out
//! higher epoch, any other             OUT_OF_ORDER_SEQUENCE_NUMBER
//! ```
//!
//! Epoch −1 is no epoch: what was last written under it holds nobody to anything but duplicates.
//!
//! A duplicate is known by its numbers alone: other bytes under the same numbers are dropped in
//! silence. What is known of a producer is forgotten [`Producers::expire`] after the *newest record
//! timestamp* of its last batch, whatever the time of the append was. After a restart only the last
//! batch is known ([`Producers::note_recovered`]).
//!
//! Pure: no clock, no log. The log calls [`Producers::judge`] before and [`Producers::note`] after
//! it appended.

use std::collections::HashMap;

use protocol::error_code::ErrorCode;

/// The epoch of who has none.
const NO_EPOCH: i16 = -1;

/// Batches of a producer that are recognised when they come again.
pub const BATCHES_KEPT: usize = 5;

/// The identity of a batch: what a producer numbers it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The producer's id, not negative.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The sequence of the batch's first record.
    pub first_sequence: i32,
    /// The last record's offset less the first's.
    pub last_offset_delta: i32,
}

impl Identity {
    /// The sequence of the batch's last record: sequences wrap at 2³¹−1.
    pub fn last_sequence(&self) -> i32 {
        let wide = i64::from(self.first_sequence) + i64::from(self.last_offset_delta);
        (wide & i64::from(i32::MAX)) as i32
    }
}

/// A batch that is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The offset of its first record.
    pub base_offset: i64,
    /// The newest record's timestamp, or the time of the append where the topic says so.
    pub timestamp: i64,
}

/// What the rules say of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is next: append it.
    Append,
    /// It is in the log already: answer as the first time.
    Duplicate(Appended),
    /// It must not be appended.
    Refuse(ErrorCode),
}

/// One producer, as DescribeProducers shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerSummary {
    /// Its id.
    pub producer_id: i64,
    /// The newest epoch seen.
    pub epoch: i16,
    /// The last sequence in the log.
    pub last_sequence: i32,
    /// The timestamp of the last batch.
    pub last_timestamp: i64,
}

#[derive(Debug, Clone, Copy)]
struct Batch {
    first_sequence: i32,
    last_sequence: i32,
    appended: Appended,
}

#[derive(Debug, Clone)]
struct Producer {
    epoch: i16,
    /// The newest last; never empty, at most [`BATCHES_KEPT`].
    batches: Vec<Batch>,
}

/// What a partition knows of its producers.
#[derive(Debug, Clone, Default)]
pub struct Producers {
    by_id: HashMap<i64, Producer>,
}

impl Producers {
    /// What is to be done with a batch of this identity.
    pub fn judge(&self, identity: &Identity) -> Verdict {
        let Some(producer) = self.by_id.get(&identity.producer_id) else {
            return Verdict::Append;
        };
        if identity.epoch < producer.epoch {
            return Verdict::Refuse(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        let is_anything_taken = producer.epoch == NO_EPOCH;
        if identity.epoch > producer.epoch {
            return if identity.first_sequence == 0 || is_anything_taken {
                Verdict::Append
            } else {
                Verdict::Refuse(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
            };
        }
        let (first, last) = (identity.first_sequence, identity.last_sequence());
        let same = |batch: &&Batch| batch.first_sequence == first && batch.last_sequence == last;
        if let Some(batch) = producer.batches.iter().find(same) {
            return Verdict::Duplicate(batch.appended);
        }
        if first == next_sequence(producer.last().last_sequence) || is_anything_taken {
            Verdict::Append
        } else {
            Verdict::Refuse(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
        }
    }

    /// Takes down that a batch, found to be next, was appended.
    pub fn note(&mut self, identity: &Identity, appended: Appended) {
        self.note_last(identity, appended, BATCHES_KEPT);
    }

    /// The same for a batch found in the log at start: the one before it is forgotten.
    pub fn note_recovered(&mut self, identity: &Identity, appended: Appended) {
        self.note_last(identity, appended, 1);
    }

    /// Forgets every producer whose last batch is `expiration_ms` old by its own timestamp.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.by_id.retain(|_, producer| {
            now_ms.saturating_sub(producer.last().appended.timestamp) < expiration_ms
        });
    }

    /// Forgets every producer.
    pub fn forget(&mut self) {
        self.by_id.clear();
    }

    /// Every producer known, by id.
    pub fn summaries(&self) -> Vec<ProducerSummary> {
        let mut summaries: Vec<_> = self
            .by_id
            .iter()
            .map(|(&producer_id, producer)| ProducerSummary {
                producer_id,
                epoch: producer.epoch,
                last_sequence: producer.last().last_sequence,
                last_timestamp: producer.last().appended.timestamp,
            })
            .collect();
        summaries.sort_unstable_by_key(|summary| summary.producer_id);
        summaries
    }

    /// The last batch of every producer known, by id: what [`Self::note_recovered`] takes.
    pub fn last_batches(&self) -> Vec<(Identity, Appended)> {
        let mut batches: Vec<_> = self
            .by_id
            .iter()
            .map(|(&producer_id, producer)| {
                let batch = producer.last();
                let (first, last) = (batch.first_sequence, batch.last_sequence);
                let identity = Identity {
                    producer_id,
                    epoch: producer.epoch,
                    first_sequence: first,
                    // Sequences wrap at 2³¹−1.
                    last_offset_delta: last.wrapping_sub(first) & i32::MAX,
                };
                (identity, batch.appended)
            })
            .collect();
        batches.sort_unstable_by_key(|(identity, _)| identity.producer_id);
        batches
    }

    fn note_last(&mut self, identity: &Identity, appended: Appended, kept: usize) {
        let batch = Batch {
            first_sequence: identity.first_sequence,
            last_sequence: identity.last_sequence(),
            appended,
        };
        let producer = self
            .by_id
            .entry(identity.producer_id)
            .or_insert_with(|| Producer {
                epoch: identity.epoch,
                batches: Vec::new(),
            });
        if producer.epoch != identity.epoch {
            producer.epoch = identity.epoch;
            producer.batches.clear();
        }
        if producer.batches.len() >= kept {
            producer.batches.drain(..=producer.batches.len() - kept);
        }
        producer.batches.push(batch);
    }
}

impl Producer {
    fn last(&self) -> &Batch {
        self.batches
            .last()
            .expect("a producer is known by at least one batch")
    }
}

fn next_sequence(last: i32) -> i32 {
    last.checked_add(1).unwrap_or(0)
}

#[cfg(test)]
mod tests;
