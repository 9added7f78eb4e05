//! What answers do: the one path on which anything flows back.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Instant;

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, InitProducerIdRequest,
    InitProducerIdResponse, ProducerId, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use protocol::client::producer::{BatchId, BrokerState, Identity, Sequence, Verdict};
use protocol::error_code::ErrorCode;
use protocol::hot::produce::{PartitionAnswer, ProduceResponse};

use super::sequential::has_its_frames;
use super::{FlowError, ToKafka};
use crate::flow::config::Progress;
use crate::flow::cut::Cursor;
use crate::flow::partition::LinkId;
use crate::flow::piece::Piece;
use crate::net::{LinkError, Waiting, decode};

/// The last epoch that a producer id can have here; Kafka keeps 32,767 for fencing.
const EPOCH_MAX: i16 = 32_766;

impl ToKafka {
    /// The ready connection for the partition's next batch. While some of its batches are on the wire it
    /// stays the one they are on.
    pub(super) fn link_of(&mut self, now: Instant, lane: usize, index: usize) -> Option<LinkId> {
        let partition = &self.lanes[lane].partitions[index];
        let number = partition.index;
        let leader = self.cluster.leader(number)?;
        let current = partition.link.filter(|_| partition.producer.on_wire() > 0);
        let lane_links = &mut self.lanes[lane].links;
        let link = match lane_links.get(&leader) {
            Some(&link) => link,
            None => {
                let address = self.cluster.address(leader)?;
                let link = self.links.add(leader, address);
                lane_links.insert(leader, link);
                link
            }
        };
        if current.is_some_and(|current| current != link) {
            return None;
        }
        self.links.ensure(now, &mut self.io, link);
        self.links.is_ready(link).then_some(link)
    }

    /// Time-outs, refusals and what must be sent again, for each of the lane's partitions.
    pub(super) fn look_after(&mut self, now: Instant, lane: usize) -> Result<(), FlowError> {
        for index in 0..self.lanes[lane].partitions.len() {
            let partition = &mut self.lanes[lane].partitions[index];
            if partition.producer.is_idle() {
                continue;
            }
            if let Err(error) = partition.producer.handle_timeout(now) {
                let number = partition.index;
                let at = self.whom(number);
                return Err(FlowError::producer_at(&self.config, number, error, at));
            }
            if partition.is_busy {
                continue;
            }
            if partition.producer.refused_head().is_some() {
                self.handle_refused(now, lane, index)?;
                continue;
            }
            self.send_waiting(now, lane, index)?;
        }
        Ok(())
    }

    /// Who did not answer, for a message.
    fn whom(&self, partition: u32) -> String {
        let unknown = self.cluster.topic_error();
        match self.cluster.leader(partition) {
            _ if !unknown.is_none() => format!(" ({unknown}: {})", unknown.meaning()),
            Some(leader) => format!(", led by {}", self.cluster.describe(leader)),
            None => " (it has no leader)".to_owned(),
        }
    }

    fn send_waiting(&mut self, now: Instant, lane: usize, index: usize) -> Result<(), FlowError> {
        let Some(id) = self.lanes[lane].partitions[index].producer.poll_send(now) else {
            return Ok(());
        };
        if self.sequential.is_some() {
            return self.send_kept(now, lane, index, id);
        }
        if self.link_of(now, lane, index).is_some() {
            self.begin_again(now, lane, index, id)?;
        }
        Ok(())
    }

    pub(super) fn handle_reply(
        &mut self,
        now: Instant,
        link: LinkId,
        waiting: Waiting,
        version: i16,
        body: &[u8],
    ) -> Result<(), FlowError> {
        match waiting {
            Waiting::Produce {
                lane,
                partition,
                batch,
            } => {
                let response = ProduceResponse::read(version, body);
                let answer = response.ok().and_then(|r| r.partitions().next());
                self.handle_produced(now, link, lane, partition, batch, answer)
            }
            Waiting::State { lane, partition } => {
                let response = decode::<DescribeProducersRequest>(version, body);
                self.handle_state(now, lane, partition, response.as_ref())
            }
            Waiting::NewProducer { lane, partition } => {
                let response = decode::<InitProducerIdRequest>(version, body);
                self.handle_new_producer(lane, partition, response.as_ref())
            }
            Waiting::Control => Ok(()),
            Waiting::Metadata => {
                self.cluster
                    .handle_metadata(now, version, body)
                    .map_err(|error| FlowError::Cluster {
                        topic: self.config.topic.clone(),
                        error,
                    })
            }
        }
    }

    /// A request is out that nobody answers (acks=0): it counts as delivered.
    pub(super) fn handle_unanswered(
        &mut self,
        now: Instant,
        waiting: Waiting,
    ) -> Result<(), FlowError> {
        let Waiting::Produce {
            lane,
            partition,
            batch,
        } = waiting
        else {
            return Ok(());
        };
        let number = self.lanes[lane].partitions[partition].index;
        self.note_answered(lane, partition, batch);
        let producer = &mut self.lanes[lane].partitions[partition].producer;
        producer
            .handle_answer(now, batch, ErrorCode::NONE, None)
            .map_err(|error| FlowError::producer(&self.config, number, error))?;
        self.settle(lane, partition)
    }

    /// The batch's bytes are not on the wire any more.
    fn note_answered(&mut self, lane: usize, index: usize, id: BatchId) {
        if let Some(batch) = self.lanes[lane].partitions[index].producer.batch_mut(id) {
            let bytes = std::mem::take(&mut batch.body.sent_bytes);
            self.progress
                .bytes_in_flight
                .fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    fn handle_produced(
        &mut self,
        now: Instant,
        link: LinkId,
        lane: usize,
        index: usize,
        id: BatchId,
        answer: Option<PartitionAnswer<'_>>,
    ) -> Result<(), FlowError> {
        let number = self.lanes[lane].partitions[index].index;
        let expected = number.cast_signed();
        let Some(answer) = answer.filter(|answer| answer.partition == expected) else {
            // Bytes that make no sense: the connection is of no use, and everything on it is open.
            let error = LinkError::System("an answer to Produce makes no sense".to_owned());
            self.links.close(now, &mut self.io, link, error);
            // This one too, though the connection takes it for answered and will not name it.
            self.note_answered(lane, index, id);
            let partition = &mut self.lanes[lane].partitions[index];
            partition.producer.handle_lost(now);
            partition.link = None;
            return Ok(());
        };
        if let Some(hint) = answer.current_leader {
            self.cluster.handle_hint(number, hint);
        }
        self.note_answered(lane, index, id);
        let base = (answer.base_offset >= 0).then_some(answer.base_offset);
        if answer.error.is_none() {
            self.check_offset(lane, index, base)?;
        }
        if answer.error == ErrorCode::INVALID_RECORD {
            let named = answer.record_errors.clone().next();
            let reason = named.and_then(|e| e.message).or(answer.error_message);
            let partition = &mut self.lanes[lane].partitions[index];
            partition.refusal = reason.map(str::to_owned);
            partition.refused_at = named.and_then(|e| u32::try_from(e.batch_index).ok());
        }
        let producer = &mut self.lanes[lane].partitions[index].producer;
        let verdict = producer
            .handle_answer(now, id, answer.error, base)
            .map_err(|error| {
                let message = answer.error_message.map(str::to_owned);
                FlowError::refused(&self.config, number, error, message)
            })?;
        match verdict {
            Verdict::Delivered => self.settle(lane, index),
            Verdict::Retry | Verdict::Refused => Ok(()),
            Verdict::RetryElsewhere => {
                self.cluster.request_refresh();
                Ok(())
            }
            Verdict::AskState => {
                self.ask_state(now, link, lane, index);
                Ok(())
            }
        }
    }

    /// Below Produce 13 a topic made anew is written into unnoticed, unless offsets are watched.
    fn check_offset(&self, lane: usize, index: usize, base: Option<i64>) -> Result<(), FlowError> {
        let slot = &self.lanes[lane].partitions[index].slot;
        let Some(base) = base else { return Ok(()) };
        let is_behind = if slot.last_offset >= 0 {
            // A duplicate is answered with its original offset, which is behind the last one too.
            base <= slot.last_offset
        } else {
            base < slot.end_offset_at_start
        };
        if is_behind {
            return Err(FlowError::TopicReplaced {
                topic: self.config.topic.clone(),
                partition: self.lanes[lane].partitions[index].index,
                offset: base,
                expected: slot.last_offset.max(slot.end_offset_at_start - 1),
            });
        }
        Ok(())
    }

    /// Stores what is acknowledged now, and counts it.
    pub(super) fn settle(&mut self, lane: usize, index: usize) -> Result<(), FlowError> {
        let partition = &mut self.lanes[lane].partitions[index];
        let records = partition.slot.records;
        let mut acknowledged = Vec::new();
        if partition.settle(&mut acknowledged) {
            partition.store();
            Progress::add(&self.progress.records, partition.slot.records - records);
            let batches: u64 = acknowledged.iter().map(|b| b.body.input_bytes).sum();
            Progress::add(&self.progress.bytes, batches);
            self.release_kept(acknowledged);
        }
        Ok(())
    }

    fn ask_state(&mut self, now: Instant, link: LinkId, lane: usize, index: usize) {
        let number = self.lanes[lane].partitions[index].index.cast_signed();
        let name = TopicName(StrBytes::from_string(self.config.topic.clone()));
        let topic = TopicRequest::default()
            .with_name(name)
            .with_partition_indexes(vec![number]);
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        let waiting = Waiting::State {
            lane,
            partition: index,
        };
        if self
            .links
            .request(now, &mut self.io, link, &request, waiting)
            .is_err()
        {
            let producer = &mut self.lanes[lane].partitions[index].producer;
            producer.handle_broker_state_unavailable(now);
        }
    }

    fn handle_state(
        &mut self,
        now: Instant,
        lane: usize,
        index: usize,
        response: Option<&DescribeProducersResponse>,
    ) -> Result<(), FlowError> {
        let producer = &mut self.lanes[lane].partitions[index].producer;
        let Some(identity) = producer.identity() else {
            return Ok(());
        };
        let described = response
            .and_then(|r| r.topics.first())
            .and_then(|t| t.partitions.first());
        let denied = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        if described.is_some_and(|partition| ErrorCode(partition.error_code) == denied) {
            let number = self.lanes[lane].partitions[index].index;
            let producer = &mut self.lanes[lane].partitions[index].producer;
            producer
                .handle_broker_state_denied()
                .map_err(|error| FlowError::producer(&self.config, number, error))?;
            return self.settle(lane, index);
        }
        let Some(described) = described.filter(|partition| partition.error_code == 0) else {
            producer.handle_broker_state_unavailable(now);
            self.cluster.request_refresh();
            return Ok(());
        };
        let ours = described
            .active_producers
            .iter()
            .find(|producer| producer.producer_id == ProducerId(identity.producer_id));
        let state = ours.and_then(|ours| {
            let last = Sequence::new(ours.last_sequence)?;
            Some(BrokerState {
                epoch: i16::try_from(ours.producer_epoch).ok()?,
                last,
            })
        });
        let number = self.lanes[lane].partitions[index].index;
        let producer = &mut self.lanes[lane].partitions[index].producer;
        producer
            .handle_broker_state(now, state)
            .map_err(|error| FlowError::producer(&self.config, number, error))?;
        self.settle(lane, index)
    }

    pub(super) fn handle_lost(
        &mut self,
        now: Instant,
        link: LinkId,
        waiting: &[Waiting],
        error: &LinkError,
    ) {
        let mut partitions = Vec::new();
        for waiting in waiting {
            match *waiting {
                Waiting::Produce {
                    lane,
                    partition,
                    batch,
                } => {
                    partitions.push((lane, partition));
                    self.note_answered(lane, partition, batch);
                }
                Waiting::State { lane, partition } => {
                    let producer = &mut self.lanes[lane].partitions[partition].producer;
                    producer.handle_broker_state_unavailable(now);
                }
                Waiting::NewProducer { lane, partition } => {
                    self.lanes[lane].partitions[partition].is_splitting = false;
                }
                Waiting::Metadata => self.cluster.handle_metadata_lost(now),
                Waiting::Control => {}
            }
        }
        self.end_streams_on(link);
        for (lane, index) in partitions {
            let partition = &mut self.lanes[lane].partitions[index];
            partition.producer.handle_lost(now);
            partition.link = None;
        }
        tracing::info!("connection to {} lost: {error}", self.links.describe(link));
        self.cluster.handle_lost(&mut self.links, link);
        self.cluster.request_refresh();
    }

    /// A head that was refused before the append: cut smaller, or left out.
    fn handle_refused(&mut self, now: Instant, lane: usize, index: usize) -> Result<(), FlowError> {
        let partition = &mut self.lanes[lane].partitions[index];
        let Some((head, error)) = partition.producer.refused_head() else {
            return Ok(());
        };
        // What the kernel still has comes back by itself.
        if self.sequential.is_some() && !has_its_frames(partition) {
            return Ok(());
        }
        let (count, range) = (head.count, head.body.range.clone());
        if count == 1 {
            return self.leave_out(now, lane, index, range, error);
        }
        let at = match partition.refused_at.filter(|&at| at < count) {
            Some(0) => 1,
            Some(at) => at,
            None => count / 2,
        };
        if self.sequential.is_some() {
            self.split_kept(lane, index, at)?;
        } else if !self.begin_split(now, lane, index, range, at)? {
            return Ok(());
        }
        self.lanes[lane].partitions[index].refused_at = None;
        Ok(())
    }

    /// The head's record `at` begins at `middle`.
    pub(super) fn split_head_at(
        &mut self,
        lane: usize,
        index: usize,
        at: u32,
        middle: u64,
    ) -> Result<(), FlowError> {
        let partition = &mut self.lanes[lane].partitions[index];
        let (head, _) = partition
            .producer
            .refused_head()
            .expect("it is being split");
        let (count, piece) = (head.count, &head.body);
        let first = Piece::lines(piece.range.start..middle, piece.timestamp);
        let second = Piece::lines(middle..piece.range.end, piece.timestamp);
        partition
            .producer
            .split_head(vec![(at, first), (count - at, second)]);
        self.note_recut(lane, index)
    }

    /// The partition's batches are not all cut by the rules any more.
    pub(super) fn note_recut(&mut self, lane: usize, index: usize) -> Result<(), FlowError> {
        let partition = &mut self.lanes[lane].partitions[index];
        if !partition.slot.is_recut {
            // Before the first of them is sent: whoever resumes must not take them for the whole.
            partition.slot.is_recut = true;
            partition.store();
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), FlowError> {
        self.observer
            .sync()
            .map_err(|reason| FlowError::State { reason })
    }

    /// A single record was refused: its sequence stays a hole, so a new epoch begins behind it. That is
    /// noted durably before anything is sent in it.
    fn leave_out(
        &mut self,
        now: Instant,
        lane: usize,
        index: usize,
        range: Range<u64>,
        error: ErrorCode,
    ) -> Result<(), FlowError> {
        let identity = self.lanes[lane].partitions[index].producer.identity();
        if let Some(identity) = identity
            && identity.epoch >= EPOCH_MAX
        {
            if !self.lanes[lane].partitions[index].is_splitting {
                self.ask_new_producer(now, lane, index);
            }
            return Ok(());
        }
        let next = identity.map(|identity| Identity {
            epoch: identity.epoch + 1,
            ..identity
        });
        self.make_hole(lane, index, range, error, next)
    }

    fn make_hole(
        &mut self,
        lane: usize,
        index: usize,
        range: Range<u64>,
        error: ErrorCode,
        identity: Option<Identity>,
    ) -> Result<(), FlowError> {
        let said = self.lanes[lane].partitions[index].refusal.take();
        let reason = match said {
            Some(said) => format!("{error}: {said}"),
            None => format!("{error}: {}", error.meaning()),
        };
        let content = self.kept_record(lane, index)?;
        self.reject(lane, index, range.clone(), reason, content)?;
        let partition = &mut self.lanes[lane].partitions[index];
        let left = partition.producer.make_hole(identity);
        partition.refused_at = None;
        let is_recut = if self.sequential.is_some() {
            self.send_under_new_epoch(lane, index, left)
        } else {
            partition.rewind(range.end);
            partition.cursor = Cursor::new(&self.config.rules, partition.index, range.end);
            false
        };
        let partition = &mut self.lanes[lane].partitions[index];
        let slot = &mut partition.slot;
        slot.position = slot.position.max(range.end);
        slot.rejects += 1;
        if let Some(identity) = identity {
            slot.producer_id = identity.producer_id;
            slot.epoch = identity.epoch;
            slot.next_sequence = -1;
        }
        slot.clean = false;
        slot.is_recut = is_recut;
        partition.store();
        self.sync()?;
        // Refused records that were dealt behind it may be the next that the position passes.
        self.settle(lane, index)
    }

    fn ask_new_producer(&mut self, now: Instant, lane: usize, index: usize) {
        let Some(link) = self.link_of(now, lane, index) else {
            return;
        };
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let waiting = Waiting::NewProducer {
            lane,
            partition: index,
        };
        if self
            .links
            .request(now, &mut self.io, link, &request, waiting)
            .is_ok()
        {
            self.lanes[lane].partitions[index].is_splitting = true;
        }
    }

    fn handle_new_producer(
        &mut self,
        lane: usize,
        index: usize,
        response: Option<&InitProducerIdResponse>,
    ) -> Result<(), FlowError> {
        self.lanes[lane].partitions[index].is_splitting = false;
        let Some(response) = response.filter(|response| response.error_code == 0) else {
            return Ok(()); // Asked again at the next look.
        };
        let identity = Identity {
            producer_id: response.producer_id.0,
            epoch: response.producer_epoch,
        };
        let partition = &self.lanes[lane].partitions[index];
        let Some((head, error)) = partition.producer.refused_head() else {
            return Ok(());
        };
        let range = head.body.range.clone();
        self.make_hole(lane, index, range, error, Some(identity))
    }
}
