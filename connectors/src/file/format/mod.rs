//! How records stand in files: where one ends and the next begins, where its key and headers are,
//! and how it is written out.
//!
//! * [`input`]: bytes → records, in two steps. A [`Splitter`](input::Splitter) finds where records
//!   end, whatever the pieces in which the bytes come; a [`Parser`](input::Parser) finds key, value
//!   and headers in one.
//! * [`output`]: records → bytes.
//! * `envelope`: a record with all that belongs to it as a line of JSON, in both directions.
//! * [`Records`]: both of these, as the engine asks for records.
//! * [`escapes`]: `\n`, `\x00` and the like in options.
//!
//! All of it is pure: no file, no socket, no clock. Nothing is allocated for a record; results are
//! borrowed from the bytes that were given, or from a scratch buffer that is used again.

pub mod escapes;
pub mod input;

pub(in crate::file) mod envelope;
pub(in crate::file) mod json;

pub mod output;
mod records;

pub use records::Records;
