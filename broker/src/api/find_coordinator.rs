//! FindCoordinator (key 10), versions 0 to 6.
//!
//! v1 types of coordinators · v3 flexible · v4 many keys · v5 TRANSACTION_ABORTABLE · v6 share
//! groups
//!
//! There are no groups and no transactions here yet, so whoever asks is refused, with
//! UNSUPPORTED_VERSION. It is spoken at all because librdkafka takes a broker without it for one so
//! old that it cannot read LZ4, and sends uncompressed records instead.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError, text};

const MESSAGE: &str = "this broker has no groups and no transactions";
const NOBODY: BrokerId = BrokerId(-1);

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: FindCoordinatorRequest = call.request(body)?;
    let code = call
        .fault_code(None, None)
        .unwrap_or(ErrorCode::UNSUPPORTED_VERSION);
    let response = FindCoordinatorResponse::default();
    let response = match call.version {
        0 => response
            .with_error_code(code.0)
            .with_node_id(NOBODY)
            .with_port(-1),
        1..=3 => response
            .with_error_code(code.0)
            .with_error_message(Some(text(MESSAGE)))
            .with_node_id(NOBODY)
            .with_port(-1),
        _ => {
            let refused = request.coordinator_keys.iter().map(|key| {
                Coordinator::default()
                    .with_key(key.clone())
                    .with_node_id(NOBODY)
                    .with_port(-1)
                    .with_error_code(code.0)
                    .with_error_message(Some(text(MESSAGE)))
            });
            response.with_coordinators(refused.collect())
        }
    };
    call.respond::<FindCoordinatorRequest>(&response)
}
