//! Flows: one task each, as a state machine between files and Kafka.

mod ask;
pub mod config;
mod cut;
mod deal;
pub mod from_kafka;
mod partition;
mod piece;
pub mod resume;
pub mod survey;
mod tail;
pub mod to_kafka;
pub mod verify;
mod window;

pub use cut::CutRules;
pub use deal::{DealRules, DealtSurvey, Reading, Reread};
pub use piece::Tail;
pub use tail::TailError;

pub(crate) use partition::LinkId;

/// Room around a batch in a frame: the request's head before it, its tail behind.
pub(crate) const BATCH_ROOM_BYTES: usize =
    protocol::hot::produce::HEAD_BYTES_MAX + protocol::hot::produce::TAIL_BYTES;
