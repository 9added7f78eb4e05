//! A record with everything that belongs to it, as a JSON object a line.
//!
//! ```text
//! {"topic":"t","partition":0,"offset":7,"tstype":"create","ts":1700000000000,"broker":1,
//!  "headers":["a","1","b",null],"key":null,"payload":"…"}                      (all on one line)
//! ```
//!
//! These are the fields of `kcat -J`, in its order and with its escapes, so that what reads the one
//! reads the other. Unlike kcat's, these lines are JSON whatever the record holds, and every record
//! comes back exactly:
//!
//! | the record has | kcat writes | we write |
//! |---|---|---|
//! | a key that is not UTF-8 | its bytes as they are: no JSON | `key_base64` in place of `key` |
//! | a value that is not UTF-8 | likewise | `payload_base64` in place of `payload` |
//! | a header that is not UTF-8 | likewise | `headers_base64` in place of `headers`, all in base64 |
//! | no timestamp | no `tstype`, no `ts` | the same |
//!
//! A reader takes more than a writer writes: fields in any order, unknown ones (which are ignored),
//! kcat's bytes that are not UTF-8, headers as pairs (`[["a","1"]]`) or as an object
//! (`{"a":"1","b":["2",null]}`), and the lines of a rejects file, in which `content` is the value.

mod read;
mod write;

pub use read::{EnvelopeError, EnvelopeReader};
pub(super) use write::{envelope_bytes_max, write_envelope};
pub(in crate::file) use write::{write_bytes, write_headers};

#[cfg(test)]
mod tests;
