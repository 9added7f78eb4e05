//! Records → bytes: how `dump` writes them.
//!
//! ```
//! use connectors::file::format::output::{Compiled, Output, OutputRecord};
//! use protocol::records::header::TimestampType;
//!
//! let record = OutputRecord {
//!     topic: "t",
//!     partition: 0,
//!     broker: 1,
//!     offset: 7,
//!     timestamp: -1,
//!     timestamp_type: TimestampType::Create,
//!     key: Some(b"berlin"),
//!     value: Some(b"12"),
//!     headers: std::iter::empty(),
//! };
//! let output = Output::Format(Compiled::new("%p/%o %k=%s\\n", "")?);
//! let mut out = Vec::new();
//! output.write(&record, &mut out);
//! assert_eq!(out, b"0/7 berlin=12\n");
//! assert!(out.len() <= output.bytes_max(&record));
//! # Ok::<(), connectors::file::format::output::FormatError>(())
//! ```

mod compiled;

use protocol::records::builder::RecordHeader;
use protocol::records::header::TimestampType;

use super::envelope::{envelope_bytes_max, write_envelope};

pub use compiled::{Compiled, FormatError};

/// A record and where it was found.
#[derive(Debug, Clone, Copy)]
pub struct OutputRecord<'a, H> {
    pub topic: &'a str,
    pub partition: u32,
    /// The broker that it came from.
    pub broker: i32,
    pub offset: i64,
    /// In milliseconds since 1970; −1 if it has none.
    pub timestamp: i64,
    pub timestamp_type: TimestampType,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// Its headers, in order.
    pub headers: H,
}

/// What is written of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The value, or `null` where it is null, and the delimiter.
    Values { delimiter: Vec<u8>, null: Vec<u8> },
    /// What a format string says.
    Format(Compiled),
    /// All of it, as a JSON object.
    Envelope,
}

impl Output {
    /// Appends the record to `out`.
    pub fn write<'a, H>(&self, record: &OutputRecord<'a, H>, out: &mut Vec<u8>)
    where
        H: Iterator<Item = RecordHeader<'a>> + Clone,
    {
        match self {
            Self::Values { delimiter, null } => {
                out.extend_from_slice(record.value.unwrap_or(null));
                out.extend_from_slice(delimiter);
            }
            Self::Format(format) => format.write(record, out),
            Self::Envelope => write_envelope(record, out),
        }
    }

    /// [`write`](Self::write) appends no more bytes than that.
    pub fn bytes_max<'a, H>(&self, record: &OutputRecord<'a, H>) -> usize
    where
        H: Iterator<Item = RecordHeader<'a>> + Clone,
    {
        match self {
            Self::Values { delimiter, null } => {
                record.value.unwrap_or(null).len() + delimiter.len()
            }
            Self::Format(format) => format.bytes_max(record),
            Self::Envelope => envelope_bytes_max(record),
        }
    }
}

#[cfg(test)]
mod tests;
