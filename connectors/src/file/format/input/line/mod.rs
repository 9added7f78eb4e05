//! Key, headers and value in a line: the console producer's grammar under its names
//! (`org.apache.kafka.tools.LineMessageReader`), with kcat's `-K`, `-k`, `-H` and `-Z`.
//!
//! ```text
//! name:value,name:value ⇥ key ⇥ value
//! ```
//!
//! | | |
//! |---|---|
//! | a separator is missing | an error; with `ignore.error` what it would have ended is not there |
//! | `null.marker` | a key, value, header's value, or all headers, that equal it are null |
//! | `-Z` | an empty value is null, and so is an empty key that the line has |
//! | `-k` | the key where the line has none |
//! | `-H` | headers before those of the line |
//!
//! Bytes are bytes: unlike Java's, this reader does not replace what is not UTF-8. It does not skip
//! empty lines as kcat does, and unlike kcat it does not take a line without separator for a value.

mod options;

use std::ops::Range;

use memchr::memmem::Finder;
use thiserror::Error;

use super::ParsedRecord;
use super::headers::{HeaderRange, Headers};
use super::pattern;

pub use super::headers::Header;
pub use options::{LineOptions, OptionsError};

/// Why a line is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LineError {
    #[error(
        "the line has no key separator (key.separator, -K); with ignore.error=true all of it would \
         be the value"
    )]
    NoKeySeparator,
    #[error(
        "the line has no headers delimiter (headers.delimiter); with ignore.error=true it would \
         have no headers"
    )]
    NoHeadersDelimiter,
    #[error(
        "header {0} of the line has no separator between name and value (headers.key.separator)"
    )]
    NoHeaderSeparator(usize),
    #[error("header {0} of the line has the null marker for a name (null.marker)")]
    NullHeaderName(usize),
}

/// Parses line after line.
#[derive(Debug, Clone)]
pub struct LineParser {
    key_separator: Option<Needle>,
    headers: Option<HeaderRules>,
    null_marker: Option<Vec<u8>>,
    ignores_errors: bool,
    empty_is_null: bool,
    fixed_key: Option<Vec<u8>>,
    fixed_headers: Vec<Header>,
    /// The headers of the line that was parsed last.
    ranges: Vec<HeaderRange>,
}

#[derive(Debug, Clone)]
struct HeaderRules {
    delimiter: Needle,
    separator: Needle,
    key_separator: Needle,
}

/// A text to look for.
#[derive(Debug, Clone)]
enum Needle {
    Byte(u8),
    Bytes(Box<Finder<'static>>),
}

impl Needle {
    fn new(needle: &[u8]) -> Self {
        match needle {
            [byte] => Self::Byte(*byte),
            bytes => Self::Bytes(Box::new(Finder::new(bytes).into_owned())),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Bytes(finder) => finder.needle().len(),
        }
    }

    #[inline]
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Byte(byte) => memchr::memchr(*byte, bytes),
            Self::Bytes(finder) => finder.find(bytes),
        }
    }
}

impl LineParser {
    pub fn new(options: LineOptions) -> Result<Self, OptionsError> {
        let headers_separator = options.check()?;
        let headers = options.parse_headers.then(|| HeaderRules {
            delimiter: Needle::new(options.headers_delimiter.as_bytes()),
            separator: Needle::new(headers_separator.as_bytes()),
            key_separator: Needle::new(options.headers_key_separator.as_bytes()),
        });
        let key_separator = options
            .parse_key
            .then(|| Needle::new(&options.key_separator));
        Ok(Self {
            key_separator,
            headers,
            null_marker: options.null_marker.map(String::into_bytes),
            ignores_errors: options.ignore_error,
            empty_is_null: options.empty_is_null,
            fixed_key: options.key,
            fixed_headers: options.headers,
            ranges: Vec::new(),
        })
    }

    /// Whether every line is a value and nothing else.
    pub fn is_plain(&self) -> bool {
        self.key_separator.is_none()
            && self.headers.is_none()
            && self.null_marker.is_none()
            && !self.empty_is_null
            && self.fixed_key.is_none()
            && self.fixed_headers.is_empty()
    }

    /// What is in a line; `None` is a null value.
    #[inline]
    pub fn parse<'a>(&'a mut self, line: Option<&'a [u8]>) -> Result<ParsedRecord<'a>, LineError> {
        self.ranges.clear();
        let Some(line) = line else {
            return Ok(self.record(self.fixed_key.as_deref(), None, &[]));
        };
        let value_at = self.parse_headers(line)?;
        let rest = &line[value_at..];
        let (key, value) = self.parse_key(rest)?;
        let value = Some(value)
            .filter(|value| !(self.is_null(value) || self.empty_is_null && value.is_empty()));
        Ok(self.record(key, value, line))
    }

    #[inline]
    fn record<'a>(
        &'a self,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        line: &'a [u8],
    ) -> ParsedRecord<'a> {
        ParsedRecord {
            key,
            value,
            headers: Headers::new(&self.fixed_headers, &self.ranges, line),
            timestamp: None,
            partition: None,
        }
    }

    #[inline]
    fn is_null(&self, bytes: &[u8]) -> bool {
        self.null_marker.as_deref() == Some(bytes)
    }

    /// The key, and what is behind it.
    #[inline]
    fn parse_key<'a>(&'a self, rest: &'a [u8]) -> Result<(Option<&'a [u8]>, &'a [u8]), LineError> {
        let fixed = self.fixed_key.as_deref();
        let Some(separator) = &self.key_separator else {
            return Ok((fixed, rest));
        };
        match separator.find(rest) {
            Some(0) if self.empty_is_null => Ok((fixed, &rest[separator.len()..])),
            Some(end) => {
                let key = Some(&rest[..end]).filter(|key| !self.is_null(key));
                Ok((key, &rest[end + separator.len()..]))
            }
            None if self.ignores_errors => Ok((fixed, rest)),
            None => Err(LineError::NoKeySeparator),
        }
    }

    /// Notes where the headers are, and says where they end.
    #[inline]
    fn parse_headers(&mut self, line: &[u8]) -> Result<usize, LineError> {
        let Some(rules) = &self.headers else {
            return Ok(0);
        };
        let end = match rules.delimiter.find(line) {
            Some(end) => end,
            None if self.ignores_errors => return Ok(0),
            None => return Err(LineError::NoHeadersDelimiter),
        };
        let behind = end + rules.delimiter.len();
        let null_marker = self.null_marker.as_deref();
        if null_marker != Some(&line[..end]) {
            let mut found = Found {
                rules,
                null_marker,
                ignores_errors: self.ignores_errors,
                line,
                ranges: &mut self.ranges,
            };
            found.split(end)?;
        }
        Ok(behind)
    }
}

/// The headers of a line while they are found.
struct Found<'a> {
    rules: &'a HeaderRules,
    null_marker: Option<&'a [u8]>,
    ignores_errors: bool,
    line: &'a [u8],
    ranges: &'a mut Vec<HeaderRange>,
}

impl Found<'_> {
    /// As Java splits: what is empty behind the last pair that is not is no pair, unless there is
    /// no separator at all.
    fn split(&mut self, end: usize) -> Result<(), LineError> {
        let separator = &self.rules.separator;
        let mut at = 0;
        let mut empty = 0;
        while let Some(bytes) = separator.find(&self.line[at..end]) {
            if bytes == 0 {
                empty += 1;
            } else {
                self.add_empty(std::mem::take(&mut empty))?;
                self.add(at..at + bytes)?;
            }
            at += bytes + separator.len();
        }
        if at < end || at == 0 {
            self.add_empty(empty)?;
            self.add(at..end)?;
        }
        Ok(())
    }

    fn add_empty(&mut self, count: usize) -> Result<(), LineError> {
        (0..count).try_for_each(|_| self.add(0..0))
    }

    fn add(&mut self, pair: Range<usize>) -> Result<(), LineError> {
        let number = self.ranges.len() + 1;
        let is_null = |range: &Range<usize>| self.null_marker == Some(&self.line[range.clone()]);
        let key_separator = &self.rules.key_separator;
        let (name, value) = match key_separator.find(&self.line[pair.clone()]) {
            Some(bytes) => {
                let name = pair.start..pair.start + bytes;
                if is_null(&name) {
                    return Err(LineError::NullHeaderName(number));
                }
                let value = name.end + key_separator.len()..pair.end;
                (name, Some(value).filter(|value| !is_null(value)))
            }
            None if self.ignores_errors => (pair, None),
            None => return Err(LineError::NoHeaderSeparator(number)),
        };
        self.ranges.push(HeaderRange { name, value });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
