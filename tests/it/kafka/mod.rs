//! Apache Kafka in the test suite: brokers that the tests start, and an independent judge of what
//! ringmain wrote.
//!
//! * [`cluster`]: brokers of one node or three, killed, stopped and restarted at will;
//! * [`judge`]: Apache's own clients in one warm JVM (`tests/kafka/Judge.java`);
//! * [`lines`]: input whose every line can be recognised, and the verdict about what arrived;
//! * [`tools`]: Kafka's command-line tools;
//! * [`jars`]: where all of that comes from, made once and kept in the target directory.
//!
//! A test begins with
//!
//! ```ignore
//! let Some(cluster) = cluster::shared_single() else { return };
//! ```
//!
//! `None` means that Kafka is not to be had on this machine, which has been said in one line; with
//! `CI` set it is a failure instead. No process and no directory outlives the test binary, however
//! that ends: each broker has a guard (see [`guarded`]).

#![allow(clippy::print_stderr, reason = "what a failed test has to say")]
#![allow(
    dead_code,
    reason = "a kit: what one target leaves out another uses, and the benches include it too"
)]

pub(crate) mod cluster;
pub(crate) mod guarded;
pub(crate) mod jars;
pub(crate) mod judge;
pub(crate) mod lines;
pub(crate) mod node;
pub(crate) mod ports;
pub(crate) mod records;
pub(crate) mod tools;

#[cfg(test)]
mod tests;
