//! Heartbeat (key 12), versions 0 to 4.
//!
//! v1 throttle time · v3 static members (KIP-345) · v4 flexible
//!
//! REBALANCE_IN_PROGRESS tells a member to join again.

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError};
use crate::groups::Claim;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: HeartbeatRequest = call.request(body)?;
    let group = request.group_id.as_str();
    let claim = Claim {
        member_id: request.member_id.as_str(),
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let heard = call
        .coordinates(group)
        .and_then(|()| call.groups(|groups| groups.heartbeat(group, claim)));
    let code = heard.err().unwrap_or(ErrorCode::NONE);
    call.respond::<HeartbeatRequest>(&HeartbeatResponse::default().with_error_code(code.0))
}
