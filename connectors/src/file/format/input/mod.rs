//! Bytes → records.
//!
//! A [`Grammar`] says how records stand in a file; a [`Splitter`] finds their ends in windows of
//! it; a [`Parser`] finds key, value and headers in one record.
//!
//! ```
//! use connectors::file::format::input::{Grammar, LineOptions, Next, Parser, Splitter};
//!
//! let mut splitter = Splitter::new(Grammar::lines(b"\n"), 1 << 20);
//! let mut parser = Parser::line(LineOptions {
//!     parse_key: true,
//!     ..LineOptions::default()
//! })?;
//! let window = b"berlin\t12\nparis\t9\n";
//! let mut at = 0;
//! let mut keys = Vec::new();
//! while let Next::Record { consumed, value } = splitter.next(&window[at..], true)? {
//!     let record = parser.parse(value.map(|value| &window[at..][value]))?;
//!     keys.push(record.key.expect("a key is parsed").to_vec());
//!     at += consumed;
//! }
//! assert_eq!(keys, [&b"berlin"[..], b"paris"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod headers;
mod length;
mod line;
mod pattern;
mod splitter;

use thiserror::Error;

pub use super::envelope::{EnvelopeError, EnvelopeReader};
pub use engine::record::InputRecord as ParsedRecord;
pub(super) use headers::HeaderRange;
pub use headers::{Headers, HeadersIter};
pub use length::{LengthPrefix, UnknownLengthPrefix};
pub use line::{Header, LineError, LineOptions, LineParser, OptionsError};
pub use splitter::{Grammar, Next, SplitError, Splitter};

/// Why a record could not be parsed. Who knows where it stands says that.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// Finds key, value and headers in a record's bytes.
#[derive(Debug, Clone)]
pub enum Parser {
    /// Of a line as the console producer and kcat have them. Without any option, all of it is the
    /// value.
    Line(LineParser),
    /// Of what `dump --output envelope` and `kcat -J` write, and of a rejects file.
    Envelope(EnvelopeReader),
}

impl Parser {
    pub fn envelope() -> Self {
        Self::Envelope(EnvelopeReader::new())
    }

    pub fn line(options: LineOptions) -> Result<Self, OptionsError> {
        LineParser::new(options).map(Self::Line)
    }

    /// Whether a record's bytes are its value, and nothing else.
    pub fn is_plain(&self) -> bool {
        match self {
            Self::Line(parser) => parser.is_plain(),
            Self::Envelope(_) => false,
        }
    }

    /// What is in a record; `None` where the grammar itself says that the value is null.
    #[inline]
    pub fn parse<'a>(
        &'a mut self,
        record: Option<&'a [u8]>,
    ) -> Result<ParsedRecord<'a>, ParseError> {
        match self {
            Self::Line(parser) => Ok(parser.parse(record)?),
            Self::Envelope(reader) => Ok(reader.read(record.unwrap_or_default())?),
        }
    }
}
