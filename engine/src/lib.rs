//! The data plane: rings, buffers, shards, flows, and the memory-mapped positions.
//!
//! Nothing here looks inside a record. One thread (a shard) owns one [`io::Io`], its sockets, files,
//! buffers and flows; nothing is shared and nothing is locked on the way from bytes to bytes.
#![warn(missing_docs)]

pub mod limits;
pub mod memory;
pub mod positions;

pub mod io;

pub mod cluster;
pub mod control;
pub mod feed;
pub mod files;
pub mod flow;
pub mod input;
pub mod net;
pub mod record;
