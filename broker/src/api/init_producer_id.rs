//! InitProducerId (key 22), versions 0 to 5.
//!
//! v2 flexible · v3 the id and epoch that the producer has · v4 PRODUCER_FENCED · v5
//! TRANSACTION_ABORTABLE
//!
//! Without a transactional id the answer is always a new id with epoch 0, whatever the producer
//! had: that is how Apache's broker was measured to behave. There are no transactions here; a
//! transactional id is refused with UNSUPPORTED_VERSION.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use protocol::error_code::ErrorCode;

use super::{Answer, Call, RequestError};

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: InitProducerIdRequest = call.request(body)?;
    let response = match new_id(call, &request) {
        Ok(id) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(0),
        Err(code) => InitProducerIdResponse::default()
            .with_error_code(code.0)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    };
    call.respond::<InitProducerIdRequest>(&response)
}

fn new_id(call: &Call<'_>, request: &InitProducerIdRequest) -> Result<i64, ErrorCode> {
    if let Some(code) = call.fault_code(None, None) {
        return Err(code);
    }
    if request.transactional_id.is_some() {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    call.broker.next_producer_id().map_err(|error| {
        tracing::error!(%error, "cannot store the next producer id");
        ErrorCode::KAFKA_STORAGE_ERROR
    })
}
