//! ListGroups (key 16), versions 0 to 5.
//!
//! v1 throttle time · v3 flexible · v4 by state · v5 by type
//!
//! Every group here is of the type "classic" (KIP-848 is not spoken).

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use super::{Answer, Call, RequestError, text};
use crate::broker::NODE_ID;

const TYPE: &str = "classic";

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: ListGroupsRequest = call.request(body)?;
    let response = ListGroupsResponse::default();
    if let Some(code) = call.fault_code(None, None) {
        return call.respond::<ListGroupsRequest>(&response.with_error_code(code.0));
    }
    // Names are compared without regard to case, as Apache's broker does.
    let is_wanted = |wanted: &[StrBytes], name: &str| {
        let mut wanted_names = wanted.iter();
        wanted.is_empty() || wanted_names.any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let mut listed = Vec::new();
    // Another node coordinates none.
    if call.node == NODE_ID && is_wanted(&request.types_filter, TYPE) {
        call.groups(|groups| {
            for (name, group) in groups.all() {
                let state = group.state.name();
                if !is_wanted(&request.states_filter, state) {
                    continue;
                }
                let group = ListedGroup::default()
                    .with_group_id(GroupId(text(name.as_str())))
                    .with_protocol_type(text(group.protocol_type.as_str()));
                listed.push(match call.version {
                    ..4 => group,
                    4 => group.with_group_state(text(state)),
                    5.. => group
                        .with_group_state(text(state))
                        .with_group_type(text(TYPE)),
                });
            }
        });
    }
    call.respond::<ListGroupsRequest>(&response.with_groups(listed))
}
