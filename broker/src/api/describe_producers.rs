//! DescribeProducers (key 61), version 0, flexible.
//!
//! Last sequence and *record* timestamp of every producer that the partition knows.

use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use protocol::error_code::ErrorCode;
use uuid::Uuid;

use super::{Answer, Call, RequestError, text};
use crate::sequence::ProducerSummary;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: DescribeProducersRequest = call.request(body)?;
    call.broker.expire_producers();
    let topics = request.topics.iter().map(|topic| {
        let partition = |&index: &i32| describe(call, topic.name.as_str(), index);
        TopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(topic.partition_indexes.iter().map(partition).collect())
    });
    let response = DescribeProducersResponse::default().with_topics(topics.collect());
    call.respond::<DescribeProducersRequest>(&response)
}

fn describe(call: &Call<'_>, topic: &str, index: i32) -> PartitionResponse {
    let response = PartitionResponse::default().with_partition_index(index);
    match producers(call, topic, index) {
        Ok(producers) => response.with_active_producers(producers.into_iter().map(state).collect()),
        Err(code) => response
            .with_error_code(code.0)
            .with_error_message(Some(text(code.meaning()))),
    }
}

fn producers(call: &Call<'_>, topic: &str, index: i32) -> Result<Vec<ProducerSummary>, ErrorCode> {
    if let Some(code) = call.fault_code(Some(topic), Some(index)) {
        return Err(code);
    }
    let topic = call.topic(topic, Uuid::nil())?;
    let log = call.led(&topic, index, -1)?.log();
    match log.closed() {
        Some(code) => Err(code),
        None => Ok(log.producers()),
    }
}

fn state(summary: ProducerSummary) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(summary.producer_id))
        .with_producer_epoch(i32::from(summary.epoch))
        .with_last_sequence(summary.last_sequence)
        .with_last_timestamp(summary.last_timestamp)
        .with_coordinator_epoch(-1)
        .with_current_txn_start_offset(-1)
}
