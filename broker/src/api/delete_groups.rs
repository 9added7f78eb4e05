//! DeleteGroups (key 42), versions 0 to 2.
//!
//! v2 flexible
//!
//! A group without members is deleted with all that it has committed.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId};
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError};

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: DeleteGroupsRequest = call.request(body)?;
    let result = |id: &GroupId| {
        let deleted = call
            .coordinates(id.as_str())
            .and_then(|()| call.groups(|groups| groups.delete(id.as_str())));
        DeletableGroupResult::default()
            .with_group_id(id.clone())
            .with_error_code(deleted.err().unwrap_or(ErrorCode::NONE).0)
    };
    let results = request.groups_names.iter().map(result).collect();
    call.respond::<DeleteGroupsRequest>(&DeleteGroupsResponse::default().with_results(results))
}
