//! DescribeCluster (key 60), versions 0 to 2.
//!
//! flexible · v1 endpoint type · v2 fenced brokers
//!
//! There is one node, and it is no controller that could be asked as one: endpoint type 2 is
//! refused.

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};
use protocol::error_code::ErrorCode;

use super::metadata::CLUSTER_OPERATIONS;
use super::{Answer, Call, RequestError, text};
use crate::broker::NODE_ID;

const BROKERS: i8 = 1;

pub(super) fn handle(call: &mut Call<'_>, body: &[u8]) -> Result<Answer, RequestError> {
    let request: DescribeClusterRequest = call.request(body)?;
    let asks_brokers = call.version == 0 || request.endpoint_type == BROKERS;
    let refused = call
        .fault_code(None, None)
        .or((!asks_brokers).then_some(ErrorCode::UNSUPPORTED_ENDPOINT_TYPE));
    let response = DescribeClusterResponse::default().with_endpoint_type(request.endpoint_type);
    let mut response = match refused {
        Some(code) => response
            .with_error_code(code.0)
            .with_error_message(Some(text(code.meaning()))),
        None => {
            let node = |(id, host, port): (i32, String, u16)| {
                DescribeClusterBroker::default()
                    .with_broker_id(BrokerId(id))
                    .with_host(text(host))
                    .with_port(i32::from(port))
            };
            response
                .with_cluster_id(text(call.broker.cluster_id()))
                .with_controller_id(BrokerId(NODE_ID))
                .with_brokers(call.broker.nodes().into_iter().map(node).collect())
        }
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    call.respond::<DescribeClusterRequest>(&response)
}
