//! JoinGroup (key 11), versions 0 to 9.
//!
//! v1 rebalance time-out · v2 throttle time · v4 who has no id must come again with the one given
//! (KIP-394) · v5 static members (KIP-345) · v6 flexible · v7 protocol type · v8 reason · v9 an
//! assignment may be skipped (KIP-814)
//!
//! The answer waits until all members have joined, or their time is up. Session time-outs must lie
//! between 6 s and 30 min, as Apache's broker has it by default.

use std::ops::RangeInclusive;

use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError, text};
use crate::groups::{JoinRequest, Joined, JoinedMember, Joining, NotJoined, Protocol};

/// `group.min.session.timeout.ms` and `group.max.session.timeout.ms`
const SESSION_MS: RangeInclusive<i32> = 6000..=1_800_000;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: JoinGroupRequest = call.request(body)?;
    let group = request.group_id.as_str();
    let joining = match (call.ticket.take(), refuse(call, &request)) {
        (Some(ticket), _) => call.groups(|groups| groups.poll_join(group, &ticket)),
        (None, Some(code)) => Joining::Refused(NotJoined {
            code,
            member_id: request.member_id.to_string(),
        }),
        (None, None) => {
            let asked = asked(call, &request);
            call.groups(|groups| groups.join(group, asked))
        }
    };
    match joining {
        Joining::Joined(joined) => {
            let response = response(call, joined);
            call.respond::<JoinGroupRequest>(&response)
        }
        Joining::Refused(NotJoined { code, member_id }) => {
            let response = JoinGroupResponse::default()
                .with_error_code(code.0)
                .with_generation_id(-1)
                .with_protocol_name(name(call, None))
                .with_member_id(text(member_id));
            call.respond::<JoinGroupRequest>(&response)
        }
        Joining::Wait(ticket) => Ok(call.wait_for_group(group, ticket)),
    }
}

fn refuse(call: &Call<'_>, request: &JoinGroupRequest) -> Option<ErrorCode> {
    let group = request.group_id.as_str();
    if let Err(code) = call.coordinates(group) {
        return Some(code);
    }
    (!SESSION_MS.contains(&request.session_timeout_ms))
        .then_some(ErrorCode::INVALID_SESSION_TIMEOUT)
}

fn asked(call: &Call<'_>, request: &JoinGroupRequest) -> JoinRequest {
    let session_ms = i64::from(request.session_timeout_ms);
    let rebalance_ms = match call.version {
        0 => session_ms,
        _ => i64::from(request.rebalance_timeout_ms.max(0)),
    };
    let protocol = |protocol: &JoinGroupRequestProtocol| Protocol {
        name: protocol.name.to_string(),
        metadata: protocol.metadata.clone(),
    };
    JoinRequest {
        member_id: request.member_id.to_string(),
        instance: request.group_instance_id.as_ref().map(ToString::to_string),
        client_id: call.client_id.to_owned(),
        client_host: call.client_host.to_owned(),
        session_ms,
        rebalance_ms,
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.iter().map(protocol).collect(),
        comes_again: call.version >= 4,
        may_skip: call.version >= 9,
    }
}

/// A protocol's name, which before version 7 cannot be null.
fn name(call: &Call<'_>, name: Option<String>) -> Option<StrBytes> {
    match name {
        Some(name) => Some(text(name)),
        None => (call.version < 7).then(StrBytes::default),
    }
}

fn response(call: &Call<'_>, joined: Joined) -> JoinGroupResponse {
    let member = |member: JoinedMember| {
        JoinGroupResponseMember::default()
            .with_member_id(text(member.id))
            .with_group_instance_id(member.instance.filter(|_| call.version >= 5).map(text))
            .with_metadata(member.metadata)
    };
    let response = JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_name(name(call, Some(joined.protocol)))
        .with_leader(text(joined.leader))
        .with_member_id(text(joined.member_id))
        .with_members(joined.members.into_iter().map(member).collect());
    let response = match call.version {
        7.. => response.with_protocol_type(Some(text(joined.protocol_type))),
        _ => response,
    };
    // Only who asked in version 9 is told to skip anything.
    response.with_skip_assignment(joined.skips_assignment)
}
