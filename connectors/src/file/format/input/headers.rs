//! A parsed record's headers: the engine's type, so that they go into a batch as they are.

pub use engine::record::{Header, Headers, HeadersIter};

pub(in crate::file::format) use engine::record::HeaderRange;
