//! Idempotent producing into one partition: what may be sent, again or for the first time, and what
//! an answer means.
//!
//! The broker drops what it has seen (producer id, epoch, first and last sequence, exactly), so a batch
//! keeps its identity and its boundaries until it is acknowledged or definitely refused. The rules
//! were measured on Apache Kafka 4.3 without a transactional id:
//! * five batches on the wire at most, one while the broker's state of this producer is unknown, and
//!   one after the head failed, until the head is acknowledged;
//! * every answer is ambiguous but the codes a broker gives before it appends, and those too if an
//!   earlier send of the same batch went unanswered;
//! * OUT_OF_ORDER_SEQUENCE_NUMBER at the head is settled by asking the leader (DescribeProducers) for
//!   its last sequence and sending the batch that *ends* there once more: its acknowledgement commits
//!   that batch and all before it. The word of DescribeProducers alone never moves anything;
//! * a new epoch is made only for a hole in the sequences, when nothing of the old one is unanswered.
//!
//! Batches are known here by sequence and count; `B` is whatever the caller needs to frame one again.

mod sequence;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use sequence::{Identity, Sequence};

use crate::error_code::{ErrorCode, Outcome};

/// Batches of one partition on the wire at most: the broker remembers the last five.
pub const IN_FLIGHT_MAX: usize = 5;
/// How often a head may be out of order although the broker's state says that it is the next.
const CONTRADICTIONS_MAX: u32 = 20;

/// Names a batch of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// A batch that is not acknowledged yet, or just was.
#[derive(Debug)]
pub struct Batch<B> {
    /// Its name.
    pub id: BatchId,
    /// Sequence of its first record.
    pub first: Sequence,
    /// Records in it.
    pub count: u32,
    /// What the caller needs to frame it again.
    pub body: B,
    status: Status,
    first_sent: Option<Instant>,
    /// A send of it was lost or answered in a way that leaves open whether it was appended.
    maybe_appended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ready,
    OnWire,
    /// Appended and replicated; the offset is unknown where a later duplicate's answer told us.
    Delivered {
        base_offset: Option<i64>,
    },
    /// Given back by the broker before the append.
    Refused(ErrorCode),
}

impl<B> Batch<B> {
    /// Sequence of its last record.
    pub fn last(&self) -> Sequence {
        self.first.plus(self.count - 1)
    }

    /// The offset of its first record, where the broker told it.
    pub fn base_offset(&self) -> Option<i64> {
        match self.status {
            Status::Delivered { base_offset } => base_offset,
            _ => None,
        }
    }
}

/// Times that bound sending.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// `delivery.timeout.ms`: from a batch's first send to its acknowledgement.
    pub delivery: Duration,
    /// `retry.backoff.ms`
    pub backoff: Duration,
    /// `retry.backoff.max.ms`
    pub backoff_max: Duration,
}

/// What the caller does after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Look at [`PartitionProducer::take_delivered`].
    Delivered,
    /// It is sent again by itself, after a back-off.
    Retry,
    /// As `Retry`; the leader may have moved, so metadata should be asked for.
    RetryElsewhere,
    /// Ask the leader's DescribeProducers and give the answer to
    /// [`PartitionProducer::handle_broker_state`].
    AskState,
    /// The head was refused before the append: look at [`PartitionProducer::refused_head`].
    Refused,
}

/// What DescribeProducers said of our producer id in this partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerState {
    /// The producer's epoch there.
    pub epoch: i16,
    /// The last sequence appended.
    pub last: Sequence,
}

/// Why this partition cannot go on. The state on disk says only what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// The broker's last sequence lies before what it acknowledged.
    #[error(
        "the broker lost acknowledged records: its last sequence is {broker}, ours acknowledged {acknowledged}"
    )]
    AcknowledgedLost {
        /// What it acknowledged last.
        acknowledged: Sequence,
        /// What it has.
        broker: Sequence,
    },
    /// Its last sequence is none at which a batch of ours ends.
    #[error("the broker's last sequence {broker} is not the end of a batch that was sent")]
    ForeignSequence {
        /// What it has.
        broker: Sequence,
    },
    /// Another process wrote with our producer id and a higher epoch.
    #[error("another process uses our producer id with epoch {broker} (ours is {ours})")]
    Fenced {
        /// Ours.
        ours: i16,
        /// The one the broker has.
        broker: i16,
    },
    /// `delivery.timeout.ms` has passed.
    #[error("not acknowledged within delivery.timeout.ms ({} ms)", .timeout.as_millis())]
    DeliveryTimeout {
        /// The time-out.
        timeout: Duration,
    },
    /// The head was never sent before, and we may not ask why it is out of order.
    #[error(
        "the broker answers OUT_OF_ORDER_SEQUENCE_NUMBER to sequence {first}, which follows what it \
         acknowledged; why can only be asked with the right to READ the topic"
    )]
    OutOfOrder {
        /// The head's first sequence.
        first: Sequence,
    },
    /// A code after which sending again cannot help.
    #[error("the broker refused: {0}")]
    Fatal(ErrorCode),
    /// The head is out of order again and again, although the broker says that it comes next.
    #[error(
        "the broker answers OUT_OF_ORDER_SEQUENCE_NUMBER to the sequence that it says is next ({next})"
    )]
    Contradiction {
        /// The next sequence by DescribeProducers.
        next: Sequence,
    },
}

/// One partition's batches from framing to acknowledgement.
#[derive(Debug)]
pub struct PartitionProducer<B> {
    identity: Option<Identity>,
    next: Sequence,
    batches: VecDeque<Batch<B>>,
    next_id: u64,
    window: usize,
    /// An acknowledgement has shown that the broker knows this producer, without a break since.
    is_known: bool,
    /// The head failed: nothing else goes on the wire until it is acknowledged.
    is_recovering: bool,
    inquiry: Inquiry,
    failures: u32,
    not_before: Option<Instant>,
    contradictions: u32,
    timing: Timing,
}

/// Where the question for the broker's state stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inquiry {
    None,
    /// DescribeProducers is to be asked, or has been: the head was out of order or, `was_refused`,
    /// refused although an earlier send of it went unanswered.
    Asking {
        was_refused: bool,
    },
    /// The batch that ends at the broker's last sequence is sent again; it speaks for all before it.
    Confirming(BatchId),
}

impl<B> PartitionProducer<B> {
    /// Starts behind what was acknowledged: `next` is the next record's sequence. `is_known` says that
    /// DescribeProducers has just confirmed that state. Without an identity nothing is idempotent and
    /// one batch at a time is on the wire.
    pub fn new(
        identity: Option<Identity>,
        next: Sequence,
        is_known: bool,
        in_flight_max: usize,
        timing: Timing,
    ) -> Self {
        let window = if identity.is_some() {
            in_flight_max.clamp(1, IN_FLIGHT_MAX)
        } else {
            1
        };
        Self {
            identity,
            next,
            batches: VecDeque::new(),
            next_id: 0,
            window,
            is_known,
            is_recovering: false,
            inquiry: Inquiry::None,
            failures: 0,
            not_before: None,
            contradictions: 0,
            timing,
        }
    }

    /// Producer id and epoch of every batch in hand.
    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// The sequence that the next new record gets.
    pub fn next_sequence(&self) -> Sequence {
        self.next
    }

    /// Whether a new batch may be framed and sent at once.
    pub fn has_room(&self) -> bool {
        self.inquiry == Inquiry::None
            && !self.is_recovering
            && self.batches.len() < self.window_now()
            && self
                .batches
                .iter()
                .all(|batch| batch.status == Status::OnWire)
    }

    /// Nothing is unacknowledged.
    pub fn is_idle(&self) -> bool {
        self.batches.is_empty()
    }

    /// Everything that was sent is answered: nothing of ours can come to the log any more.
    pub fn is_settled(&self) -> bool {
        self.batches
            .iter()
            .all(|b| b.status != Status::OnWire && !b.maybe_appended)
    }

    /// Batches on the wire.
    pub fn on_wire(&self) -> usize {
        self.batches
            .iter()
            .filter(|batch| batch.status == Status::OnWire)
            .count()
    }

    /// The batches that are not acknowledged, oldest first.
    pub fn batches(&self) -> impl ExactSizeIterator<Item = &Batch<B>> {
        self.batches.iter()
    }

    /// A batch by its name.
    pub fn batch_mut(&mut self, id: BatchId) -> Option<&mut Batch<B>> {
        self.batches.iter_mut().find(|batch| batch.id == id)
    }

    /// Takes a new batch behind all others and gives it the next sequences.
    pub fn push(&mut self, count: u32, body: B) -> BatchId {
        assert!(count > 0, "a batch holds a record");
        let id = self.new_id();
        let first = self.next;
        self.next = first.plus(count);
        self.batches.push_back(Batch {
            id,
            first,
            count,
            body,
            status: Status::Ready,
            first_sent: None,
            maybe_appended: false,
        });
        id
    }

    fn new_id(&mut self) -> BatchId {
        self.next_id += 1;
        BatchId(self.next_id)
    }

    fn window_now(&self) -> usize {
        if self.is_known { self.window } else { 1 }
    }

    /// The batch to put on the wire now, if any. The caller frames it and says [`Self::handle_sent`].
    pub fn poll_send(&self, now: Instant) -> Option<BatchId> {
        if self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        match self.inquiry {
            Inquiry::Asking { .. } => return None,
            Inquiry::Confirming(id) => {
                let batch = self.batches.iter().find(|batch| batch.id == id)?;
                return (batch.status == Status::Ready && self.on_wire() == 0).then_some(id);
            }
            Inquiry::None => {}
        }
        let on_wire = self.on_wire();
        let limit = if self.is_recovering {
            1
        } else {
            self.window_now()
        };
        if on_wire >= limit {
            return None;
        }
        let mut unsettled = self
            .batches
            .iter()
            .filter(|b| !matches!(b.status, Status::Delivered { .. }));
        // Nothing passes a batch that waits: the first that is not on the wire must be the next to go.
        let waiting = unsettled.find(|batch| batch.status != Status::OnWire)?;
        // Behind a refused head nothing is sent; nor, while recovering, behind anything.
        let is_head = self.first_unsettled() == Some(waiting.id);
        (waiting.status == Status::Ready && (is_head || !self.is_recovering)).then_some(waiting.id)
    }

    fn first_unsettled(&self) -> Option<BatchId> {
        self.batches
            .iter()
            .find(|batch| !matches!(batch.status, Status::Delivered { .. }))
            .map(|batch| batch.id)
    }

    /// The batch goes on the wire.
    pub fn handle_sent(&mut self, now: Instant, id: BatchId) {
        let batch = self.batch_mut(id).expect("poll_send or push named it");
        assert_eq!(
            batch.status,
            Status::Ready,
            "a batch is on the wire once at a time"
        );
        batch.status = Status::OnWire;
        batch.first_sent.get_or_insert(now);
    }

    /// The broker's answer to a batch on the wire.
    pub fn handle_answer(
        &mut self,
        now: Instant,
        id: BatchId,
        error: ErrorCode,
        base_offset: Option<i64>,
    ) -> Result<Verdict, ProducerError> {
        let is_head = self.first_unsettled() == Some(id);
        let is_idempotent = self.identity.is_some();
        let Some(batch) = self.batch_mut(id) else {
            return Ok(Verdict::Retry); // Settled meanwhile by a later batch's confirmation.
        };
        if batch.status != Status::OnWire {
            return Ok(Verdict::Retry);
        }
        batch.status = Status::Ready;
        if error == ErrorCode::NONE || error == ErrorCode::DUPLICATE_SEQUENCE_NUMBER {
            batch.status = Status::Delivered { base_offset };
            self.settle_delivered(id);
            return Ok(Verdict::Delivered);
        }
        if error == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER && self.identity.is_some() {
            return Ok(self.handle_out_of_order(now, id, is_head));
        }
        self.is_recovering = true;
        self.back_off(now);
        let batch = self.batch_mut(id).expect("it was there above");
        match error.produce_outcome() {
            Outcome::Ambiguous => {
                batch.maybe_appended = true;
                if error.is_retriable() {
                    Ok(Verdict::RetryElsewhere)
                } else {
                    Err(ProducerError::Fatal(error))
                }
            }
            _ if error.is_retriable() => Ok(Verdict::Retry),
            _ if is_final(error) => Err(ProducerError::Fatal(error)),
            _ if !is_head => Ok(Verdict::Retry),
            _ if batch.maybe_appended && is_idempotent => {
                self.inquiry = Inquiry::Asking { was_refused: true };
                Ok(Verdict::AskState)
            }
            _ => {
                batch.status = Status::Refused(error);
                Ok(Verdict::Refused)
            }
        }
    }

    fn handle_out_of_order(&mut self, now: Instant, id: BatchId, is_head: bool) -> Verdict {
        match self.inquiry {
            // It ends where the broker's last one does, and is not that one.
            Inquiry::Confirming(confirming) if confirming == id => self.contradictions += 1,
            _ if !is_head => return Verdict::Retry, // It waits for the one before.
            _ => {}
        }
        self.is_recovering = true;
        self.back_off(now);
        self.inquiry = Inquiry::Asking { was_refused: false };
        Verdict::AskState
    }

    /// A delivered batch speaks for all before it when the broker's state is known without a break, for a
    /// duplicate is answered only when the batch it repeats is replicated.
    fn settle_delivered(&mut self, id: BatchId) {
        if self.inquiry == Inquiry::Confirming(id) {
            for batch in self.batches.iter_mut().take_while(|batch| batch.id != id) {
                if !matches!(batch.status, Status::Delivered { .. }) {
                    batch.status = Status::Delivered { base_offset: None };
                }
            }
            self.inquiry = Inquiry::None;
        }
        let head_is_settled = self
            .batches
            .front()
            .is_some_and(|b| matches!(b.status, Status::Delivered { .. }));
        if head_is_settled {
            self.is_recovering = false;
            self.is_known = true;
            self.failures = 0;
            self.contradictions = 0;
            self.not_before = None;
        }
    }

    /// The oldest batch, if it was delivered: the position may move behind it.
    pub fn take_delivered(&mut self) -> Option<Batch<B>> {
        let is_delivered = self
            .batches
            .front()
            .is_some_and(|b| matches!(b.status, Status::Delivered { .. }));
        if is_delivered {
            self.batches.pop_front()
        } else {
            None
        }
    }

    /// The leader's answer to DescribeProducers, after [`Verdict::AskState`] or at the start, with the batches
    /// that may have been sent pushed before. `None`: it does not know our producer id.
    pub fn handle_broker_state(
        &mut self,
        now: Instant,
        state: Option<BrokerState>,
    ) -> Result<(), ProducerError> {
        let ours = self
            .identity
            .expect("only an idempotent producer is asked about")
            .epoch;
        let head = self
            .batches
            .iter()
            .find(|b| !matches!(b.status, Status::Delivered { .. }));
        let next = head.map_or(self.next, |head| head.first);
        let was_refused = self.take_inquiry();
        let state = match state {
            // Without state any sequence is accepted: one at a time until that shows.
            None => {
                self.is_known = false;
                return self.deny_appended(was_refused, next);
            }
            Some(state) if state.epoch > ours => {
                return Err(ProducerError::Fenced {
                    ours,
                    broker: state.epoch,
                });
            }
            Some(state) if state.epoch < ours => {
                self.is_known = false;
                return self.deny_appended(was_refused, next);
            }
            Some(state) => state,
        };
        let acknowledged = next.minus(1);
        let ahead = state.last.distance_from(acknowledged);
        if ahead == 0 {
            return self.deny_appended(was_refused, next);
        }
        if ahead >= Sequence::HALF {
            return Err(ProducerError::AcknowledgedLost {
                acknowledged,
                broker: state.last,
            });
        }
        let ends_there = self
            .batches
            .iter_mut()
            .find(|batch| batch.last() == state.last);
        let batch = ends_there
            .filter(|_| self.contradictions <= CONTRADICTIONS_MAX)
            .ok_or(ProducerError::ForeignSequence { broker: state.last })?;
        batch.maybe_appended = true;
        let id = batch.id;
        match batch.status {
            Status::Ready | Status::Refused(_) => {
                batch.status = Status::Ready;
                self.inquiry = Inquiry::Confirming(id);
                self.is_recovering = true;
                if self.contradictions == 0 {
                    self.not_before = None;
                }
            }
            // Its answer has come already, and spoke for all before it.
            Status::Delivered { .. } => {
                self.inquiry = Inquiry::Confirming(id);
                self.settle_delivered(id);
            }
            Status::OnWire => self.back_off(now),
        }
        Ok(())
    }

    /// Every batch in hand may have been sent by a process that died.
    pub fn assume_sent(&mut self) {
        self.batches
            .iter_mut()
            .for_each(|batch| batch.maybe_appended = true);
    }

    /// We have no right to ask DescribeProducers. All before the head is acknowledged, so a head that may
    /// have been appended and is out of order was: a broker that recognises only its last batch answers
    /// the older ones so. One that is refused would have been refused before, too.
    pub fn handle_broker_state_denied(&mut self) -> Result<Verdict, ProducerError> {
        let was_refused = self.take_inquiry();
        let Some(id) = self.first_unsettled() else {
            return Ok(Verdict::Retry);
        };
        if was_refused {
            self.note_not_appended();
            return Ok(Verdict::Retry);
        }
        let batch = self.batch_mut(id).expect("it was just found");
        if !batch.maybe_appended {
            return Err(ProducerError::OutOfOrder { first: batch.first });
        }
        batch.status = Status::Delivered { base_offset: None };
        self.settle_delivered(id);
        Ok(Verdict::Delivered)
    }

    /// DescribeProducers could not be asked: the head is tried again, and the time-out decides.
    pub fn handle_broker_state_unavailable(&mut self, now: Instant) {
        self.inquiry = Inquiry::None;
        self.back_off(now);
    }

    /// Whether it was asked because of a refusal.
    fn take_inquiry(&mut self) -> bool {
        let was = std::mem::replace(&mut self.inquiry, Inquiry::None);
        was == Inquiry::Asking { was_refused: true }
    }

    /// The broker has nothing of what is in hand. A refused head is then refused for good, when it is
    /// answered so once more; one that is out of order should not be.
    fn deny_appended(&mut self, was_refused: bool, next: Sequence) -> Result<(), ProducerError> {
        if was_refused {
            self.note_not_appended();
            return Ok(());
        }
        self.contradict(next)
    }

    /// What lies behind a batch that was not appended was not either.
    fn note_not_appended(&mut self) {
        self.batches
            .iter_mut()
            .for_each(|batch| batch.maybe_appended = false);
    }

    fn contradict(&mut self, next: Sequence) -> Result<(), ProducerError> {
        self.contradictions += 1;
        if self.contradictions > CONTRADICTIONS_MAX {
            return Err(ProducerError::Contradiction { next });
        }
        Ok(())
    }

    /// The connection is gone: whether what was on the wire was appended is open.
    pub fn handle_lost(&mut self, now: Instant) {
        let mut is_lost = false;
        for batch in &mut self.batches {
            if batch.status == Status::OnWire {
                batch.status = Status::Ready;
                batch.maybe_appended = true;
                is_lost = true;
            }
        }
        if matches!(self.inquiry, Inquiry::Asking { .. }) {
            self.inquiry = Inquiry::None; // The head's next answer asks again.
        }
        if is_lost {
            self.is_recovering = true;
            self.back_off(now);
        }
    }

    fn back_off(&mut self, now: Instant) {
        let factor = 1u32 << self.failures.min(10);
        let delay = self
            .timing
            .backoff
            .saturating_mul(factor)
            .min(self.timing.backoff_max);
        self.failures += 1;
        self.not_before = Some(now + delay);
    }

    /// A head that was refused before the append, once nothing of this partition is on the wire. The
    /// caller splits it or makes a hole.
    pub fn refused_head(&self) -> Option<(&Batch<B>, ErrorCode)> {
        let head = self.batches.front()?;
        match head.status {
            Status::Refused(error) if self.on_wire() == 0 => Some((head, error)),
            _ => None,
        }
    }

    /// Replaces a refused head of several records by parts of it. The parts keep their share of the
    /// sequences; together they hold as many records.
    pub fn split_head(&mut self, parts: Vec<(u32, B)>) {
        let head = self.batches.pop_front().expect("a refused head is split");
        assert!(
            matches!(head.status, Status::Refused(_)),
            "only a refused head is split"
        );
        let total: u32 = parts.iter().map(|(count, _)| count).sum();
        assert_eq!(total, head.count, "the parts hold the head's records");
        let mut first = head.first.plus(head.count);
        for (count, body) in parts.into_iter().rev() {
            assert!(count > 0, "a part holds a record");
            first = first.minus(count);
            let id = self.new_id();
            self.batches.push_front(Batch {
                id,
                first,
                count,
                body,
                status: Status::Ready,
                first_sent: head.first_sent,
                maybe_appended: false,
            });
        }
        self.not_before = None;
    }

    /// Forgets the refused head and everything behind it (nothing of it was appended, and nothing is
    /// on the wire): the caller frames again behind the refused record, from sequence 0 of `identity`.
    pub fn make_hole(&mut self, identity: Option<Identity>) -> Vec<Batch<B>> {
        assert!(
            self.refused_head().is_some(),
            "a hole is made where the head was refused"
        );
        // Those behind it cannot have been appended: the broker knew this producer (else one batch alone
        // would have been on the wire), so their sequences left a gap; a late one is fenced by the epoch.
        let is_clear = self.is_known || self.batches.iter().all(|batch| !batch.maybe_appended);
        assert!(
            is_clear,
            "one batch alone is on the wire while the state is unknown"
        );
        self.identity = identity;
        self.next = Sequence::ZERO;
        self.is_known = false;
        self.is_recovering = false;
        self.not_before = None;
        self.failures = 0;
        self.batches.drain(..).collect()
    }

    /// Fails when the oldest batch has waited for `delivery.timeout.ms`.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ProducerError> {
        match self.batches.front().and_then(|head| head.first_sent) {
            Some(sent) if now >= sent + self.timing.delivery => {
                Err(ProducerError::DeliveryTimeout {
                    timeout: self.timing.delivery,
                })
            }
            _ => Ok(()),
        }
    }

    /// When to look again: the end of a back-off or the head's delivery time-out.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let head = self.batches.front()?;
        let delivery = head.first_sent.map(|sent| sent + self.timing.delivery);
        let waits = !matches!(self.inquiry, Inquiry::Asking { .. })
            && self
                .batches
                .iter()
                .any(|batch| batch.status == Status::Ready);
        let backoff = if waits { self.not_before } else { None };
        match (delivery, backoff) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// Codes that end the job: nothing about the records can mend them.
fn is_final(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::INVALID_PRODUCER_EPOCH
            | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE
            | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
    )
}
