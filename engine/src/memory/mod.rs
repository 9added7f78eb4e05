//! Buffers, made once at start and bounded in bytes; and what else of memory can be given back.

mod code;
mod pool;

pub use code::release_start_up_code;
pub use pool::{Buffer, Pool};
