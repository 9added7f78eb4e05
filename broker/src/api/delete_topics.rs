//! DeleteTopics (key 20), versions 1 to 6.
//!
//! v4 flexible · v5 error messages · v6 topics by id
//!
//! When the answer is there, the topic is gone; its name may be used again at once.

use std::sync::Arc;

use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError, text, topic_name};
use crate::faults::When;
use crate::topics::Topic;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: DeleteTopicsRequest = call.request(body)?;
    let by_name = request
        .topic_names
        .iter()
        .map(|name| DeleteTopicState::default().with_name(Some(name.clone())));
    let asked: Vec<_> = by_name.chain(request.topics.iter().cloned()).collect();
    let responses = asked.iter().map(|asked| delete(call, asked)).collect();
    let response = DeleteTopicsResponse::default().with_responses(responses);
    call.respond::<DeleteTopicsRequest>(&response)
}

fn delete(call: &Call<'_>, asked: &DeleteTopicState) -> DeletableTopicResult {
    let name = asked.name.as_ref().map_or("", |name| name.as_str());
    let found = call.topic(name, asked.topic_id);
    let result = DeletableTopicResult::default();
    let (result, deleted) = match &found {
        Ok(topic) => {
            let name = Some(topic_name(&topic.name));
            (
                result.with_name(name).with_topic_id(topic.id),
                delete_topic(call, topic),
            )
        }
        Err(code) => {
            let named = result
                .with_name(asked.name.clone())
                .with_topic_id(asked.topic_id);
            (named, Err((*code, code.meaning().to_owned())))
        }
    };
    match deleted {
        Ok(()) => result,
        Err((code, message)) => result
            .with_error_code(code.0)
            .with_error_message(Some(text(message))),
    }
}

fn delete_topic(call: &Call<'_>, topic: &Arc<Topic>) -> Result<(), (ErrorCode, String)> {
    let fault = call.fault(Some(&topic.name), None);
    let refused = |code: ErrorCode| (code, code.meaning().to_owned());
    if let Some((code, When::Before)) = fault {
        return Err(refused(code));
    }
    call.broker
        .topics
        .delete(topic)
        .map_err(|error| (error.code(), error.to_string()))?;
    // A topic of the same name would begin where readers of this one were.
    call.groups(|groups| groups.forget_topic(&topic.name));
    call.broker.announce();
    match fault {
        Some((code, When::After)) => Err(refused(code)),
        _ => Ok(()),
    }
}
