//! The client's rules as state machines without I/O or clock: each takes bytes, events and the time
//! and returns effects; the engine drives them over its rings, tests over a virtual clock.

pub mod connection;
pub mod fetcher;
pub mod metadata;
pub mod producer;

#[cfg(test)]
mod tests;
