//! Format strings, kcat's `-f`.
//!
//! | | |
//! |---|---|
//! | `%s` `%k` | value and key; nothing (or the text for nulls) where they are null |
//! | `%S` `%K` | their lengths; −1 where they are null |
//! | `%R` | the value's length as four bytes, the highest first; −1 where it is null |
//! | `%h` | headers as `name=value,name=value`; `NULL` for a null value |
//! | `%t` `%p` `%o` | topic, partition, offset |
//! | `%T` | timestamp in milliseconds since 1970; −1 if there is none |
//! | `%%` | a percent sign |
//! | `%v` | `%s` under rpk's name |
//!
//! Between them stand text and [escapes](super::super::escapes). Differences from kcat 1.7.1: its
//! `-Z` writes `NULL` for what is empty, too; it ends a header's value at its first 0.

use protocol::records::builder::RecordHeader;
use thiserror::Error;

use super::OutputRecord;
use crate::file::format::escapes::{UnknownEscape, unescape};
use crate::file::format::json;

/// The digits and sign of any number that is written.
const NUMBER_BYTES_MAX: usize = 20;
const NULL_HEADER: &[u8] = b"NULL";

/// What is wrong with a format string.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormatError {
    #[error(
        "unknown verb %{0} in the format string: there are %s %S %R %k %K %h %t %p %o %T, and %% \
         for a percent sign"
    )]
    Verb(char),
    #[error("the format string ends in a %: write %% for a percent sign")]
    End,
    #[error("format string: {0}")]
    Escape(#[from] UnknownEscape),
}

/// A format string, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    parts: Vec<Part>,
    null: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Value,
    ValueLength,
    ValueLengthBinary,
    Key,
    KeyLength,
    Headers,
    Topic,
    Partition,
    Offset,
    Timestamp,
}

impl Compiled {
    /// Understands a format string. `null` is written for keys and values that are null.
    pub fn new(format: &str, null: &str) -> Result<Self, FormatError> {
        let mut parts = Vec::new();
        let mut rest = format;
        while let Some((text, behind)) = rest.split_once('%') {
            add_text(&mut parts, &unescape(text)?);
            let verb = behind.chars().next().ok_or(FormatError::End)?;
            match part(verb) {
                Some(part) => parts.push(part),
                None if verb == '%' => add_text(&mut parts, b"%"),
                None => return Err(FormatError::Verb(verb)),
            }
            rest = &behind[verb.len_utf8()..];
        }
        add_text(&mut parts, &unescape(rest)?);
        Ok(Self {
            parts,
            null: null.as_bytes().to_vec(),
        })
    }

    pub(super) fn write<'a, H>(&self, record: &OutputRecord<'a, H>, out: &mut Vec<u8>)
    where
        H: Iterator<Item = RecordHeader<'a>> + Clone,
    {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Value => out.extend_from_slice(record.value.unwrap_or(&self.null)),
                Part::ValueLength => json::number(length(record.value).into(), out),
                Part::ValueLengthBinary => {
                    out.extend_from_slice(&length(record.value).to_be_bytes());
                }
                Part::Key => out.extend_from_slice(record.key.unwrap_or(&self.null)),
                Part::KeyLength => json::number(length(record.key).into(), out),
                Part::Headers => write_headers(record.headers.clone(), out),
                Part::Topic => out.extend_from_slice(record.topic.as_bytes()),
                Part::Partition => json::number(record.partition.into(), out),
                Part::Offset => json::number(record.offset, out),
                Part::Timestamp => json::number(record.timestamp, out),
            }
        }
    }

    pub(super) fn bytes_max<'a, H>(&self, record: &OutputRecord<'a, H>) -> usize
    where
        H: Iterator<Item = RecordHeader<'a>> + Clone,
    {
        let of_header = |header: RecordHeader<'_>| {
            header.key.len() + header.value.unwrap_or(NULL_HEADER).len() + 2
        };
        let bytes = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Value => record.value.unwrap_or(&self.null).len(),
            Part::Key => record.key.unwrap_or(&self.null).len(),
            Part::Headers => record.headers.clone().map(of_header).sum(),
            Part::Topic => record.topic.len(),
            _ => NUMBER_BYTES_MAX,
        };
        self.parts.iter().map(bytes).sum()
    }
}

fn part(verb: char) -> Option<Part> {
    match verb {
        's' | 'v' => Some(Part::Value),
        'S' => Some(Part::ValueLength),
        'R' => Some(Part::ValueLengthBinary),
        'k' => Some(Part::Key),
        'K' => Some(Part::KeyLength),
        'h' => Some(Part::Headers),
        't' => Some(Part::Topic),
        'p' => Some(Part::Partition),
        'o' => Some(Part::Offset),
        'T' => Some(Part::Timestamp),
        _ => None,
    }
}

fn add_text(parts: &mut Vec<Part>, more: &[u8]) {
    match parts.last_mut() {
        _ if more.is_empty() => {}
        Some(Part::Text(text)) => text.extend_from_slice(more),
        _ => parts.push(Part::Text(more.to_vec())),
    }
}

/// Kafka's lengths are `i32`s.
fn length(bytes: Option<&[u8]>) -> i32 {
    bytes.map_or(-1, |bytes| bytes.len() as i32)
}

fn write_headers<'a>(headers: impl Iterator<Item = RecordHeader<'a>>, out: &mut Vec<u8>) {
    for (index, header) in headers.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(header.key);
        out.push(b'=');
        out.extend_from_slice(header.value.unwrap_or(NULL_HEADER));
    }
}
