//! IncrementalAlterConfigs (key 44), versions 0 and 1.
//!
//! v1 flexible
//!
//! Topics can be changed, by setting, deleting, and for lists appending and subtracting. The
//! broker's own configuration is its command line; changing it is refused.

use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use protocol::error_code::ErrorCode;

use super::create_topics::Refusal;
use super::{Answer, Call, RequestError, text};
use crate::faults::When;
use crate::topics::TopicError;
use crate::topics::config::{Change, TopicConfig};

const TOPIC: i8 = 2;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: IncrementalAlterConfigsRequest = call.request(body)?;
    let responses = request.resources.iter().map(|resource| {
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match alter(call, resource, request.validate_only) {
            Ok(()) => response.with_error_message(None),
            Err(Refusal { code, message }) => response
                .with_error_code(code.0)
                .with_error_message(Some(text(message))),
        }
    });
    let response = IncrementalAlterConfigsResponse::default().with_responses(responses.collect());
    call.respond::<IncrementalAlterConfigsRequest>(&response)
}

fn alter(
    call: &Call<'_>,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    let name = resource.resource_name.as_str();
    let fault = call.fault(Some(name), None);
    if let Some((code, When::Before)) = fault {
        return Err(Refusal::of(code));
    }
    if resource.resource_type != TOPIC {
        return Err(Refusal {
            code: ErrorCode::INVALID_REQUEST,
            message: "only topics can be configured here: the broker is by its command line"
                .to_owned(),
        });
    }
    let changes = resource.configs.iter().map(change);
    let changes: Vec<_> = changes.collect::<Result<_, _>>()?;
    let changed = |config: &TopicConfig| {
        let config = config.changed(&changes, &call.broker.config);
        config.map_err(TopicError::from)
    };
    if validate_only {
        let topic = call.broker.topics.by_name(name);
        let topic = topic.ok_or_else(|| TopicError::Unknown(name.to_owned()))?;
        changed(&topic.config)?;
    } else {
        call.broker.topics.reconfigure(name, changed)?;
    }
    match fault {
        Some((code, When::After)) => Err(Refusal::of(code)),
        _ => Ok(()),
    }
}

fn change(config: &AlterableConfig) -> Result<(String, Change), Refusal> {
    let value = || config.value.as_ref().map(ToString::to_string);
    let change = match (config.config_operation, value()) {
        (0, Some(value)) => Change::Set(value),
        (1, _) => Change::Delete,
        (2, Some(value)) => Change::Append(value),
        (3, Some(value)) => Change::Subtract(value),
        (operation, _) => {
            return Err(Refusal {
                code: ErrorCode::INVALID_REQUEST,
                message: format!("operation {operation} on {} with no value", config.name),
            });
        }
    };
    Ok((config.name.to_string(), change))
}
