//! CreateTopics (key 19), versions 2 to 7.
//!
//! v4 partitions and replicas may be left to the broker (−1) · v5 flexible, the answer tells
//! partitions, replicas and configuration · v7 topic ids
//!
//! There is one node, so the replication factor is 1, and of assignments by hand only that to this
//! node is taken.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use protocol::error_code::ErrorCode;
use uuid::Uuid;

use super::describe_configs::source;
use super::{Answer, Call, RequestError, text};
use crate::broker::NODE_ID;
use crate::faults::When;
use crate::topics::TopicError;
use crate::topics::config::{TOPIC_KEYS, TopicConfig};

/// Why a topic is not created, or not changed.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn of(code: ErrorCode) -> Self {
        let message = code.meaning().to_owned();
        Self { code, message }
    }
}

impl From<TopicError> for Refusal {
    fn from(error: TopicError) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: CreateTopicsRequest = call.request(body)?;
    let mut times = HashMap::<&str, u32>::new();
    for topic in &request.topics {
        *times.entry(topic.name.as_str()).or_default() += 1;
    }
    let mut results = Vec::new();
    for topic in &request.topics {
        let result = if times[topic.name.as_str()] > 1 {
            let message = "the topic is named twice in the request".to_owned();
            Err(Refusal {
                code: ErrorCode::INVALID_REQUEST,
                message,
            })
        } else {
            create(call, topic, request.validate_only)
        };
        let result = result.unwrap_or_else(|Refusal { code, message }| {
            CreatableTopicResult::default()
                .with_error_code(code.0)
                .with_error_message(Some(text(message)))
                .with_num_partitions(-1)
                .with_replication_factor(-1)
        });
        results.push(result.with_name(topic.name.clone()));
    }
    call.respond::<CreateTopicsRequest>(&CreateTopicsResponse::default().with_topics(results))
}

fn create(
    call: &Call<'_>,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<CreatableTopicResult, Refusal> {
    let name = topic.name.as_str();
    let fault = call.fault(Some(name), None);
    if let Some((code, When::Before)) = fault {
        return Err(Refusal::of(code));
    }
    let partitions = partitions(call, topic)?;
    let overrides = topic
        .configs
        .iter()
        .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())));
    let overrides: BTreeMap<_, _> = overrides.collect();
    let config = TopicConfig::new(overrides, &call.broker.config).map_err(TopicError::from)?;
    let described = describe(&config, partitions);
    let id = if validate_only {
        call.broker.topics.check(name, partitions)?;
        Uuid::nil()
    } else {
        let options = call.broker.recovery_options();
        call.broker
            .topics
            .create(name, partitions, config, options)?
            .id
    };
    match fault {
        Some((code, When::After)) => Err(Refusal::of(code)),
        _ => Ok(described.with_topic_id(id)),
    }
}

/// How many partitions the topic is to have.
fn partitions(call: &Call<'_>, topic: &CreatableTopic) -> Result<i32, Refusal> {
    let replication = |message: String| {
        Err(Refusal {
            code: ErrorCode::INVALID_REPLICATION_FACTOR,
            message,
        })
    };
    if topic.assignments.is_empty() {
        return match (topic.replication_factor, topic.num_partitions) {
            (-1 | 1, -1) => Ok(call.broker.config.default_partitions),
            (-1 | 1, partitions) => Ok(partitions),
            (factor, _) => replication(format!(
                "replication factor {factor} cannot be had: there is one broker"
            )),
        };
    }
    let mut indices: Vec<_> = topic
        .assignments
        .iter()
        .map(|one| one.partition_index)
        .collect();
    indices.sort_unstable();
    let is_ours = topic
        .assignments
        .iter()
        .all(|one| matches!(one.broker_ids.as_slice(), [id] if id.0 == NODE_ID));
    if !is_ours
        || indices
            .iter()
            .enumerate()
            .any(|(at, &index)| index != at as i32)
    {
        let message = format!("every partition from 0 on must be assigned to broker {NODE_ID}");
        return Err(Refusal {
            code: ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            message,
        });
    }
    Ok(indices.len() as i32)
}

fn describe(config: &TopicConfig, partitions: i32) -> CreatableTopicResult {
    let configs = TOPIC_KEYS.iter().map(|key| {
        let (value, is_override) = config.value(key);
        CreatableTopicConfigs::default()
            .with_name(text(key.name))
            .with_value(Some(text(value)))
            .with_config_source(source(is_override))
    });
    CreatableTopicResult::default()
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(Some(configs.collect()))
}
