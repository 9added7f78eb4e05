//! DescribeGroups (key 15), versions 0 to 6.
//!
//! v1 throttle time · v3 authorised operations · v4 instances · v5 flexible · v6 a group that is not
//! there is an error; before, it is said to be dead
//!
//! What members say and what they were assigned is told of a stable group only.

use bytes::Bytes;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError, text};
use crate::groups::{Group, Member, State};

/// Every operation that there is on a group: read, delete, describe, and its configuration's two.
const GROUP_OPERATIONS: i32 = 0b1101_0100_1000;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: DescribeGroupsRequest = call.request(body)?;
    let groups = request.groups.iter().map(|id| {
        let described = describe(call, id);
        if request.include_authorized_operations {
            described.with_authorized_operations(GROUP_OPERATIONS)
        } else {
            described
        }
    });
    let response = DescribeGroupsResponse::default().with_groups(groups.collect());
    call.respond::<DescribeGroupsRequest>(&response)
}

fn describe(call: &Call<'_>, id: &GroupId) -> DescribedGroup {
    let described = DescribedGroup::default()
        .with_group_id(id.clone())
        .with_error_message(None);
    if let Err(code) = call.coordinates(id.as_str()) {
        return described.with_error_code(code.0);
    }
    call.groups(|groups| match groups.group(id.as_str()) {
        Some(group) => describe_group(call, group, described),
        None if call.version >= 6 => described
            .with_error_code(ErrorCode::GROUP_ID_NOT_FOUND.0)
            .with_error_message(Some(text(format!("group {} not found", id.as_str()))))
            .with_group_state(text("Dead")),
        None => described.with_group_state(text("Dead")),
    })
}

fn describe_group(call: &Call<'_>, group: &Group, described: DescribedGroup) -> DescribedGroup {
    let protocol = group.protocol.as_deref().unwrap_or_default();
    let is_stable = group.state == State::Stable;
    let told = |bytes: Bytes| if is_stable { bytes } else { Bytes::new() };
    let member = |(id, member): (&String, &Member)| {
        let instance = member.instance.as_deref().filter(|_| call.version >= 4);
        DescribedGroupMember::default()
            .with_member_id(text(id.as_str()))
            .with_group_instance_id(instance.map(text))
            .with_client_id(text(member.client_id.as_str()))
            .with_client_host(text(member.client_host.as_str()))
            .with_member_metadata(told(member.metadata(protocol)))
            .with_member_assignment(told(member.assignment.clone()))
    };
    described
        .with_group_state(text(group.state.name()))
        .with_protocol_type(text(group.protocol_type.as_str()))
        .with_protocol_data(text(if is_stable { protocol } else { "" }))
        .with_members(group.members.iter().map(member).collect())
}
