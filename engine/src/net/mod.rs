//! Connections to brokers: sockets that drive [`protocol::client::connection`].

mod link;
mod links;
mod purpose;
mod resolve;

pub(crate) use links::{LinkEvent, Links, ProduceTo};
pub(crate) use purpose::{LinkOp, Purpose};
pub use resolve::LinkError;
pub(crate) use resolve::resolve;

use protocol::client::producer::BatchId;

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// A batch.
    Produce {
        lane: usize,
        partition: usize,
        batch: BatchId,
    },
    /// A partition that asked what the broker knows of its producer.
    State { lane: usize, partition: usize },
    /// A partition whose epochs have run out.
    NewProducer { lane: usize, partition: usize },
    /// The cluster's metadata.
    Metadata,
    /// The caller of a blocking request.
    Control,
}

/// An answer's body as a message; `None` where it cannot be read.
pub(crate) fn decode<R: kafka_protocol::protocol::Request>(
    version: i16,
    body: &[u8],
) -> Option<R::Response> {
    protocol::frame::decode_response::<R>(version, body).ok()
}
