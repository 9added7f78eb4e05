//! FindCoordinator (key 10), versions 0 to 6.
//!
//! v1 types of coordinators · v3 flexible · v4 many keys · v5 TRANSACTION_ABORTABLE · v6 share
//! groups
//!
//! The broker coordinates every group. There are no transactions and no share groups here: whoever
//! asks for those is refused, with UNSUPPORTED_VERSION.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError, text};
use crate::broker::NODE_ID;

const GROUP: i8 = 0;
const MESSAGE: &str = "this broker has no transactions and no share groups";
const NOBODY: (i32, String, i32) = (-1, String::new(), -1);

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: FindCoordinatorRequest = call.request(body)?;
    let response = FindCoordinatorResponse::default();
    let response = if call.version >= 4 {
        let coordinators = request.coordinator_keys.iter().map(|key| {
            let (code, (id, host, port)) = find(call, request.key_type, key.as_str());
            Coordinator::default()
                .with_key(key.clone())
                .with_node_id(BrokerId(id))
                .with_host(text(host))
                .with_port(port)
                .with_error_code(code.0)
                .with_error_message(Some(text(message(code))))
        });
        response.with_coordinators(coordinators.collect())
    } else {
        let (code, (id, host, port)) = find(call, request.key_type, request.key.as_str());
        let response = response
            .with_error_code(code.0)
            .with_node_id(BrokerId(id))
            .with_host(text(host))
            .with_port(port);
        match call.version {
            0 => response,
            _ => response.with_error_message(Some(text(message(code)))),
        }
    };
    call.respond::<FindCoordinatorRequest>(&response)
}

fn find(call: &Call<'_>, key_type: i8, key: &str) -> (ErrorCode, (i32, String, i32)) {
    if let Some(code) = call.fault_code(Some(key), None) {
        return (code, NOBODY);
    }
    if key_type != GROUP {
        return (ErrorCode::UNSUPPORTED_VERSION, NOBODY);
    }
    let node = call
        .broker
        .nodes()
        .into_iter()
        .find(|(id, ..)| *id == NODE_ID);
    match node {
        Some((id, host, port)) => (ErrorCode::NONE, (id, host, i32::from(port))),
        None => (ErrorCode::COORDINATOR_NOT_AVAILABLE, NOBODY),
    }
}

fn message(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::NONE => "",
        ErrorCode::UNSUPPORTED_VERSION => MESSAGE,
        other => other.meaning(),
    }
}
