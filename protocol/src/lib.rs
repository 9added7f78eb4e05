//! Kafka's bytes and rules. No I/O, no clock, no threads: state machines take bytes, events and the
//! time, and return effects.
#![warn(missing_docs)]

pub mod api;
pub mod error_code;
pub mod frame;
pub mod hot;

pub mod records;

pub mod client;

pub mod partitioner;
