//! Produce (key 0), versions 3 to 13.
//!
//! v3 record batches of magic 2 · v5 log start offset · v7 zstd · v8 record errors · v9 flexible ·
//! v10 leader hints · v11, v12 transactions v2 · v13 topic ids
//!
//! ApiVersions says from version 0 on, as Apache's does since 4.0: librdkafka up to 2.8 takes the
//! absence of the old versions for the absence of compression. Asked for, they cost the connection.
//!
//! Edges, as measured: two batches in one entry are refused; of two entries for one partition only
//! the last is looked at, the other is lost without a word; with acks=0 an error costs the
//! connection.

pub(crate) mod request;

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};
use kafka_protocol::messages::{BrokerId, ProduceRequest as GeneratedRequest, ProduceResponse};
use protocol::error_code::ErrorCode;
use protocol::records::header::{BatchHeader, TimestampType};

use super::{Answer, Call, RequestError, text, topic_name};
use crate::batch::{self, Refusal};
use crate::broker::Broker;
use crate::faults::When;
use crate::log::{AppendOptions, AppendResult};
use crate::topics::{Leader, Partition, Topic};
use request::{Entry, ProduceRequest, TopicRef};

/// What ApiVersions says is the lowest version.
pub(super) const MIN_ANNOUNCED: i16 = 0;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request = ProduceRequest::read(call.version, body)?;
    call.broker.expire_producers();
    let refused = refuse_all(&request);
    let mut topics = HashMap::<TopicRef<'_>, Result<Arc<Topic>, ErrorCode>>::new();
    let mut answers = Vec::<(TopicRef<'_>, Vec<PartitionProduceResponse>)>::new();
    let mut has_error = false;
    let mut has_appended = false;
    for entry in request.last_entries() {
        let topic = topics
            .entry(entry.topic)
            .or_insert_with(|| find(call.broker, entry.topic));
        let outcome = match &refused {
            Some(refusal) => Err(refusal.clone()),
            None => produce(call, entry, topic),
        };
        has_error |= outcome.is_err();
        has_appended |= outcome
            .as_ref()
            .is_ok_and(|produced| !produced.is_duplicate);
        let leader = leader_of(topic, entry.partition);
        let answer = answer(entry.partition, leader, outcome);
        match answers.iter_mut().find(|(topic, _)| *topic == entry.topic) {
            Some((_, partitions)) => partitions.push(answer),
            None => answers.push((entry.topic, vec![answer])),
        }
    }
    if has_appended {
        call.broker.announce();
    }
    match (request.acks, has_error) {
        (0, false) => Ok(Answer::NoReply),
        // There is no other way to tell.
        (0, true) => Ok(Answer::Close),
        _ => respond(call, answers),
    }
}

/// The partitions that a request speaks of, none if it is malformed.
pub(crate) fn targets(broker: &Broker, version: i16, body: &[u8]) -> Vec<(String, i32)> {
    let Ok(request) = ProduceRequest::read(version, body) else {
        return Vec::new();
    };
    let target = |entry: &Entry<'_>| {
        let topic = find(broker, entry.topic).ok()?;
        Some((topic.name.clone(), entry.partition))
    };
    request.last_entries().filter_map(target).collect()
}

fn find(broker: &Broker, topic: TopicRef<'_>) -> Result<Arc<Topic>, ErrorCode> {
    match topic {
        TopicRef::Name(name) => broker
            .topics
            .by_name(name)
            .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        TopicRef::Id(id) => broker.topics.by_id(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID),
    }
}

/// What is wrong with the request as a whole.
fn refuse_all(request: &ProduceRequest<'_>) -> Option<Refusal> {
    if !(-1..=1).contains(&request.acks) {
        let message = format!("acks must be -1, 0 or 1, not {}", request.acks);
        return Some(Refusal::new(ErrorCode::INVALID_REQUIRED_ACKS, message));
    }
    let is_transactional = |entry: &Entry<'_>| {
        let header = entry
            .records
            .and_then(|records| BatchHeader::read(records).ok());
        header.is_some_and(|header| header.attributes.is_transactional())
    };
    if !request.last_entries().any(is_transactional) {
        return None;
    }
    // No transaction is ever begun here, so none is going on.
    Some(match request.transactional_id {
        None => Refusal::new(
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "transactional records need a transactional id",
        ),
        Some(_) => Refusal::new(
            ErrorCode::INVALID_TXN_STATE,
            "the records are not part of an ongoing transaction: there are none here",
        ),
    })
}

/// What became of a batch.
#[derive(Debug, Clone, Copy)]
struct Produced {
    base_offset: i64,
    append_time_ms: i64,
    log_start_offset: i64,
    is_duplicate: bool,
}

fn produce(
    call: &Call<'_>,
    entry: &Entry<'_>,
    topic: &Result<Arc<Topic>, ErrorCode>,
) -> Result<Produced, Refusal> {
    let refused = |code: ErrorCode| Refusal::new(code, code.meaning());
    let topic = topic.as_ref().map_err(|&code| refused(code))?;
    let fault = call.fault(Some(&topic.name), Some(entry.partition));
    if let Some((code, When::Before)) = fault {
        return Err(refused(code));
    }
    let partition = call.led(topic, entry.partition, -1).map_err(refused)?;
    let produced = if call.broker.config.discard {
        forget(entry, partition)
    } else {
        append(call, entry, topic, partition)?
    };
    match fault {
        Some((code, When::After)) => Err(refused(code)),
        _ => Ok(produced),
    }
}

fn append(
    call: &Call<'_>,
    entry: &Entry<'_>,
    topic: &Topic,
    partition: &Partition,
) -> Result<Produced, Refusal> {
    let rules = &topic.config.rules;
    let bytes = batch::the_one_batch(entry.records.unwrap_or_default(), call.version)?;
    let checked = batch::check(bytes, rules, call.now_ms);
    let is_log_append = rules.timestamp_type == TimestampType::LogAppend;
    let options = AppendOptions {
        now_ms: call.now_ms,
        is_log_append,
        rules: topic.config.log,
        sync: call.broker.config.sync_appends,
    };
    let mut log = partition.log();
    let log_start_offset = log.start_offset();
    let result = checked.and_then(|batch| log.append(&batch, options));
    let AppendResult {
        appended,
        is_duplicate,
    } = result.map_err(|refusal| {
        if tells_log_start(refusal.code) {
            Refusal {
                log_start_offset,
                ..refusal
            }
        } else {
            refusal
        }
    })?;
    Ok(Produced {
        base_offset: appended.base_offset,
        // For a duplicate Apache's tells the batch's time, whoever set it.
        append_time_ms: if is_log_append || is_duplicate {
            appended.timestamp
        } else {
            -1
        },
        log_start_offset,
        is_duplicate,
    })
}

/// Whether an answer with this code tells where the log begins, as Apache's have it.
fn tells_log_start(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::CORRUPT_MESSAGE
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::MESSAGE_TOO_LARGE
            | ErrorCode::RECORD_LIST_TOO_LARGE
            | ErrorCode::KAFKA_STORAGE_ERROR
    )
}

/// The null peer's append: counts the records that the header claims.
fn forget(entry: &Entry<'_>, partition: &Partition) -> Produced {
    let count = request::claimed_count(entry.records.unwrap_or_default());
    let base_offset = partition.forget_records(count);
    Produced {
        base_offset,
        append_time_ms: -1,
        log_start_offset: 0,
        is_duplicate: false,
    }
}

fn leader_of(topic: &Result<Arc<Topic>, ErrorCode>, partition: i32) -> Option<Leader> {
    let partition = topic.as_ref().ok()?.partition(partition)?;
    Some(partition.leader())
}

fn answer(
    partition: i32,
    leader: Option<Leader>,
    outcome: Result<Produced, Refusal>,
) -> PartitionProduceResponse {
    let answer = PartitionProduceResponse::default().with_index(partition);
    let refusal = match outcome {
        Ok(produced) => {
            return answer
                .with_base_offset(produced.base_offset)
                .with_log_append_time_ms(produced.append_time_ms)
                .with_log_start_offset(produced.log_start_offset);
        }
        Err(refusal) => refusal,
    };
    let record_errors = refusal.records.into_iter().map(|(index, message)| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(index)
            .with_batch_index_error_message(Some(text(message)))
    });
    let answer = answer
        .with_error_code(refusal.code.0)
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(refusal.log_start_offset)
        .with_record_errors(record_errors.collect())
        .with_error_message(Some(text(refusal.message)));
    match leader.filter(|_| wants_leader(refusal.code)) {
        None => answer,
        Some(leader) => answer.with_current_leader(
            LeaderIdAndEpoch::default()
                .with_leader_id(BrokerId(leader.node))
                .with_leader_epoch(leader.epoch),
        ),
    }
}

/// Whether who gets this code is told who leads.
fn wants_leader(code: ErrorCode) -> bool {
    code == ErrorCode::NOT_LEADER_OR_FOLLOWER
}

fn respond(
    call: &mut Call<'_>,
    answers: Vec<(TopicRef<'_>, Vec<PartitionProduceResponse>)>,
) -> Result<Answer, RequestError> {
    let mut names_leader = false;
    let responses = answers.into_iter().map(|(topic, partitions)| {
        let wants = |answer: &PartitionProduceResponse| wants_leader(ErrorCode(answer.error_code));
        names_leader |= partitions.iter().any(wants);
        let response = TopicProduceResponse::default().with_partition_responses(partitions);
        match topic {
            TopicRef::Name(name) => response.with_name(topic_name(name)),
            TopicRef::Id(id) => response.with_topic_id(id),
        }
    });
    let mut response = ProduceResponse::default().with_responses(responses.collect());
    if names_leader {
        let node = |(id, host, port): (i32, String, u16)| {
            NodeEndpoint::default()
                .with_node_id(BrokerId(id))
                .with_host(text(host))
                .with_port(i32::from(port))
        };
        response.node_endpoints = call.broker.nodes().into_iter().map(node).collect();
    }
    call.respond::<GeneratedRequest>(&response)
}
