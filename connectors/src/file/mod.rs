//! Files: which are read, what became of records that were refused, and replacing one atomically.

pub mod atomic;
pub mod feed;
pub mod format;
pub mod inputs;
pub mod rejects;
pub mod stream;
