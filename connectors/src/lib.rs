//! The outside world: what feeds the engine and what it feeds, and how it is configured.

pub mod config;
pub mod converters;
pub mod data;
pub mod file;
pub mod java;
pub mod predicates;
pub mod registry;
pub mod transforms;
