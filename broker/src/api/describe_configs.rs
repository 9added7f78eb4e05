//! DescribeConfigs (key 32), versions 1 to 4.
//!
//! v1 sources and synonyms · v3 types and documentation · v4 flexible
//!
//! Topics (resource type 2) and the broker (4) can be asked; nothing can be changed.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use protocol::error_code::ErrorCode;
use uuid::Uuid;

use super::{Answer, Call, RequestError, text};
use crate::broker::{NODE_ID, millis};
use crate::config::Config;
use crate::topics::config::{TOPIC_KEYS, TopicKey, ValueType};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// A value's source: the topic's own, or a default.
pub(super) fn source(is_override: bool) -> i8 {
    const TOPIC_CONFIG: i8 = 1;
    const DEFAULT_CONFIG: i8 = 5;
    if is_override {
        TOPIC_CONFIG
    } else {
        DEFAULT_CONFIG
    }
}

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: DescribeConfigsRequest = call.request(body)?;
    let results = request.resources.iter().map(|resource| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match describe(call, resource) {
            Ok(configs) => result.with_configs(configs),
            Err(code) => result
                .with_error_code(code.0)
                .with_error_message(Some(text(code.meaning()))),
        }
    });
    let response = DescribeConfigsResponse::default().with_results(results.collect());
    call.respond::<DescribeConfigsRequest>(&response)
}

fn describe(
    call: &Call<'_>,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, ErrorCode> {
    let name = resource.resource_name.as_str();
    if let Some(code) = call.fault_code(Some(name), None) {
        return Err(code);
    }
    let mut configs = match resource.resource_type {
        TOPIC => {
            let topic = call.topic(name, Uuid::nil())?;
            let config = &topic.config;
            let topic_row = |key: &TopicKey| {
                let (value, is_override) = config.value(key);
                row(key.name, &value, key.value_type).with_config_source(source(is_override))
            };
            TOPIC_KEYS.iter().map(topic_row).collect()
        }
        // An empty name asks for the defaults of all brokers, of which nobody set any.
        BROKER if name.is_empty() => Vec::new(),
        BROKER if name == NODE_ID.to_string() => broker_rows(&call.broker.config),
        _ => return Err(ErrorCode::INVALID_REQUEST),
    };
    if let Some(wanted) = &resource.configuration_keys {
        configs.retain(|row| wanted.contains(&row.name));
    }
    Ok(configs)
}

fn broker_rows(config: &Config) -> Vec<DescribeConfigsResourceResult> {
    const STATIC_BROKER_CONFIG: i8 = 4;
    let number = |name, value: String| row(name, &value, ValueType::Long);
    let rows = vec![
        row(
            "auto.create.topics.enable",
            &config.auto_create_topics.to_string(),
            ValueType::Boolean,
        ),
        number(
            "connections.max.idle.ms",
            millis(config.idle_max).to_string(),
        ),
        number("log.segment.bytes", config.segment_bytes.to_string()),
        number("message.max.bytes", config.message_bytes_max.to_string()),
        number("node.id", NODE_ID.to_string()),
        number("num.partitions", config.default_partitions.to_string()),
        number(
            "producer.id.expiration.check.interval.ms",
            millis(config.producer_id_expiration_check_interval).to_string(),
        ),
        number(
            "producer.id.expiration.ms",
            millis(config.producer_id_expiration).to_string(),
        ),
        number(
            "socket.request.max.bytes",
            config.request_bytes_max.to_string(),
        ),
    ];
    let fixed = |row: DescribeConfigsResourceResult| {
        row.with_config_source(STATIC_BROKER_CONFIG)
            .with_read_only(true)
    };
    rows.into_iter().map(fixed).collect()
}

fn row(name: &str, value: &str, value_type: ValueType) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(Some(text(value)))
        .with_config_type(value_type as i8)
}
