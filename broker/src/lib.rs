//! The embedded broker: a single node that speaks Kafka's protocol, for first steps, tests and
//! benches.
//!
//! It is a real broker in what it does, as strict as Apache Kafka's where a producer could go
//! wrong, and nothing is lost of what it acknowledged when its process is killed. It is no product
//! of its own: what it does not do it refuses with the protocol's own error.
//!
//! ```text
//! server/     sockets: a thread a connection       api/        one file an API
//! session     a request in, an answer out          topics/     names, ids, configurations
//! faults      what a test wants to go wrong        batch/      what a batch must be
//! broker      what all connections share           sequence/   the rules of idempotent producing
//!                                                  groups/     members, rebalances, offsets
//! identity    cluster id, producer ids, the lock   log/        segments on disk, or in memory
//! discard     the null peer's way with Produce
//! sealed      small files that are replaced whole and end in a checksum
//! ```
//!
//! Everything but `server/` and `discard` is free of sockets: [`Broker`] and [`Session`] can be
//! driven in a test's own process and time.

mod api;
mod batch;
mod broker;
mod clock;
mod config;
#[cfg(test)]
mod crash_tests;
mod discard;
mod error;
mod faults;
mod groups;
mod identity;
mod log;
mod sealed;
pub mod sequence;
mod server;
mod session;
mod topics;

pub use broker::{Broker, NODE_ID};
pub use clock::Clock;
pub use config::{Config, Storage};
pub use error::BrokerError;
pub use faults::{Action, Connects, Fault, FaultId, Faults, When};
pub use server::Server;
pub use session::{Handled, Session};
