//! Buffers, made once at start and bounded in bytes.

mod pool;

pub use pool::{Buffer, Pool};
