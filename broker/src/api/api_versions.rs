//! ApiVersions (key 18), versions 0 to 4.
//!
//! v3 flexible (but for the answer's header, which never is), features · v4 features from version 0
//!
//! A newer version is answered in version 0 with UNSUPPORTED_VERSION and, of the APIs, only its own
//! row, so that the client can ask again.

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError, SPOKEN};

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let _: ApiVersionsRequest = call.request(body)?;
    let mut response = ApiVersionsResponse::default().with_api_keys(rows(|_| true));
    if let Some(code) = call.fault_code(None, None) {
        response.error_code = code.0;
    }
    call.respond::<ApiVersionsRequest>(&response)
}

/// Refuses a version of this API itself.
pub(super) fn refuse(call: &mut Call<'_>) -> Result<Answer, RequestError> {
    call.version = 0;
    let response = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UNSUPPORTED_VERSION.0)
        .with_api_keys(rows(|api| api == ApiKey::ApiVersions));
    call.respond::<ApiVersionsRequest>(&response)
}

fn rows(is_wanted: impl Fn(ApiKey) -> bool) -> Vec<ApiVersion> {
    let row = |row: &super::Spoken| {
        ApiVersion::default()
            .with_api_key(row.api as i16)
            .with_min_version(row.min_announced)
            .with_max_version(row.max)
    };
    SPOKEN
        .iter()
        .filter(|row| is_wanted(row.api))
        .map(row)
        .collect()
}
