//! CreatePartitions (key 37), versions 0 to 3.
//!
//! v2 flexible · v3 THROTTLING_QUOTA_EXCEEDED, which is never given here
//!
//! A topic can only get more partitions. There is one node, so of assignments by hand only those of
//! every new partition to this node are taken.

use std::collections::HashMap;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use protocol::error_code::ErrorCode;

use super::create_topics::Refusal;
use super::{Answer, Call, RequestError, text};
use crate::broker::NODE_ID;
use crate::faults::When;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: CreatePartitionsRequest = call.request(body)?;
    let mut times = HashMap::<&str, u32>::new();
    for topic in &request.topics {
        *times.entry(topic.name.as_str()).or_default() += 1;
    }
    let results = request.topics.iter().map(|topic| {
        let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
        let created = if times[topic.name.as_str()] > 1 {
            Err(Refusal {
                code: ErrorCode::INVALID_REQUEST,
                message: "the topic is named twice in the request".to_owned(),
            })
        } else {
            create(call, topic, request.validate_only)
        };
        match created {
            Ok(()) => result.with_error_message(None),
            Err(Refusal { code, message }) => result
                .with_error_code(code.0)
                .with_error_message(Some(text(message))),
        }
    });
    let response = CreatePartitionsResponse::default().with_results(results.collect());
    call.respond::<CreatePartitionsRequest>(&response)
}

fn create(
    call: &Call<'_>,
    asked: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), Refusal> {
    let name = asked.name.as_str();
    let fault = call.fault(Some(name), None);
    if let Some((code, When::Before)) = fault {
        return Err(Refusal::of(code));
    }
    let topic = call.broker.topics.check_growth(name, asked.count)?;
    if let Some(assignments) = &asked.assignments {
        let wanted = asked.count as usize - topic.partitions.len();
        let is_ours = |ids: &[_]| matches!(ids, [id] if *id == NODE_ID);
        let ids = |assignment: &Assignment| -> Vec<i32> {
            assignment.broker_ids.iter().map(|id| id.0).collect()
        };
        if assignments.len() != wanted || !assignments.iter().all(|one| is_ours(&ids(one))) {
            let code = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
            let message = format!("each of the {wanted} new partitions must be on node {NODE_ID}");
            return Err(Refusal { code, message });
        }
    }
    if !validate_only {
        let options = call.broker.recovery_options();
        call.broker.topics.grow(name, asked.count, options)?;
    }
    match fault {
        Some((code, When::After)) => Err(Refusal::of(code)),
        _ => Ok(()),
    }
}

type Assignment = kafka_protocol::messages::create_partitions_request::CreatePartitionsAssignment;
