//! LeaveGroup (key 13), versions 0 to 5.
//!
//! v1 throttle time · v3 many members, static ones by their instance (KIP-345) · v4 flexible · v5
//! reason

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError};

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: LeaveGroupRequest = call.request(body)?;
    let response = LeaveGroupResponse::default();
    let response = match call.coordinates(request.group_id.as_str()) {
        Err(code) => response.with_error_code(code.0),
        Ok(()) if call.version < 3 => {
            let only = MemberIdentity::default().with_member_id(request.member_id.clone());
            response.with_error_code(leave(call, &request, &only).0)
        }
        Ok(()) => {
            let member = |member: &MemberIdentity| {
                MemberResponse::default()
                    .with_member_id(member.member_id.clone())
                    .with_group_instance_id(member.group_instance_id.clone())
                    .with_error_code(leave(call, &request, member).0)
            };
            response.with_members(request.members.iter().map(member).collect())
        }
    };
    call.respond::<LeaveGroupRequest>(&response)
}

fn leave(call: &Call<'_>, request: &LeaveGroupRequest, member: &MemberIdentity) -> ErrorCode {
    let group = request.group_id.as_str();
    let instance = member.group_instance_id.as_deref();
    let left = call.groups(|groups| groups.leave(group, member.member_id.as_str(), instance));
    left.err().unwrap_or(ErrorCode::NONE)
}
