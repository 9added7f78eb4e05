//! SyncGroup (key 14), versions 0 to 5.
//!
//! v1 throttle time · v3 static members (KIP-345) · v4 flexible · v5 protocol type and name
//!
//! The answer waits until the leader has brought everybody's assignment.

use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError, text};
use crate::groups::{Claim, Open, Syncing};

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: SyncGroupRequest = call.request(body)?;
    let group = request.group_id.as_str();
    let (syncing, agreed) = match (call.ticket.take(), call.coordinates(group)) {
        (Some(ticket), _) => call.groups(|groups| {
            let syncing = groups.poll_sync(group, ticket);
            (syncing, agreed(groups, group))
        }),
        (None, Err(code)) => (Err(code), None),
        (None, Ok(())) => call.groups(|groups| {
            let syncing = sync(groups, &request);
            (syncing, agreed(groups, group))
        }),
    };
    let response = SyncGroupResponse::default();
    let response = match syncing {
        Ok(Syncing::Wait(ticket)) => return Ok(call.wait_for_group(group, ticket)),
        Ok(Syncing::Assigned(assignment)) => response.with_assignment(assignment),
        Err(code) => response.with_error_code(code.0),
    };
    let response = match agreed {
        Some((protocol_type, protocol)) if call.version >= 5 && response.error_code == 0 => {
            response
                .with_protocol_type(Some(text(protocol_type)))
                .with_protocol_name(Some(text(protocol)))
        }
        _ => response,
    };
    call.respond::<SyncGroupRequest>(&response)
}

/// What a group agreed on.
fn agreed(groups: &Open<'_>, group: &str) -> Option<(String, String)> {
    let (protocol_type, protocol) = groups.protocol(group)?;
    Some((protocol_type.to_owned(), protocol.to_owned()))
}

fn sync(groups: &mut Open<'_>, request: &SyncGroupRequest) -> Result<Syncing, ErrorCode> {
    let group = request.group_id.as_str();
    let claim = Claim {
        member_id: request.member_id.as_str(),
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    if let Some((protocol_type, protocol)) = groups.protocol(group) {
        // Who does not say agrees.
        let is_other = |said: Option<&str>, agreed| said.is_some_and(|said| said != agreed);
        if is_other(request.protocol_type.as_deref(), protocol_type)
            || is_other(request.protocol_name.as_deref(), protocol)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
    }
    let assignments = request.assignments.iter();
    let assignments =
        assignments.map(|given| (given.member_id.to_string(), given.assignment.clone()));
    groups.sync(group, claim, assignments.collect())
}
