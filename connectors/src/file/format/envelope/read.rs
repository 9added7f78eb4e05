//! Envelopes into records.
//!
//! The bytes come from outside: every one is looked at once, nesting has a limit, and nothing grows
//! beyond the line's own length. What is taken is copied, without its escapes, into a scratch
//! buffer that the next line uses again.

use std::ops::Range;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use thiserror::Error;

use super::super::input::{HeaderRange, Headers, ParsedRecord};
use super::super::json::plain_bytes;

/// How deep the values of fields may nest that are ignored.
const DEPTH_MAX: usize = 64;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a line is no envelope. Positions count the line's bytes from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    #[error("the line is no JSON object: {expected} is expected at byte {position}")]
    Json {
        position: usize,
        expected: &'static str,
    },
    #[error("the envelope's {field} should be {expected}, at byte {position} of the line")]
    Field {
        position: usize,
        field: &'static str,
        expected: &'static str,
    },
    #[error("the envelope has more than one {field}, at byte {position} of the line")]
    Twice {
        position: usize,
        field: &'static str,
    },
    #[error(
        "the object has no payload, so it is no envelope: ndjson is loaded as lines, without \
         --input envelope"
    )]
    NoPayload,
    #[error(
        "the rejects file's record was never parsed, so its key and headers are not known: load \
         its content in the format that it was in"
    )]
    Unparsed,
    #[error("the line nests deeper than 64 levels, at byte {position}")]
    TooDeep { position: usize },
}

/// Reads envelope after envelope.
#[derive(Debug, Clone, Default)]
pub struct EnvelopeReader {
    /// The strings of the line that was read last.
    scratch: Vec<u8>,
    ranges: Vec<HeaderRange>,
    /// A string in base64 that had escapes.
    encoded: Vec<u8>,
}

/// The fields that are taken, and those that would stand in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Partition,
    Timestamp,
    Headers,
    HeadersBase64,
    Key,
    KeyBase64,
    Payload,
    PayloadBase64,
    Unparsed,
}

impl Field {
    fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"partition" => Some(Self::Partition),
            b"ts" => Some(Self::Timestamp),
            b"headers" => Some(Self::Headers),
            b"headers_base64" => Some(Self::HeadersBase64),
            b"key" => Some(Self::Key),
            b"key_base64" => Some(Self::KeyBase64),
            b"payload" | b"content" => Some(Self::Payload),
            b"payload_base64" | b"content_base64" => Some(Self::PayloadBase64),
            b"unparsed" => Some(Self::Unparsed),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Timestamp => "ts",
            Self::Headers | Self::HeadersBase64 => "headers",
            Self::Key | Self::KeyBase64 => "key",
            Self::Payload | Self::PayloadBase64 => "payload",
            Self::Unparsed => "unparsed",
        }
    }

    /// One bit for those that exclude one another.
    fn bit(self) -> u8 {
        match self {
            Self::Partition => 1,
            Self::Timestamp => 2,
            Self::Headers | Self::HeadersBase64 => 4,
            Self::Key | Self::KeyBase64 => 8,
            Self::Payload | Self::PayloadBase64 => 16,
            Self::Unparsed => 32,
        }
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    seen: u8,
    partition: Option<u32>,
    timestamp: Option<i64>,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    is_unparsed: bool,
}

impl EnvelopeReader {
    pub fn new() -> Self {
        Self::default()
    }

    /// The record in a line.
    pub fn read(&mut self, line: &[u8]) -> Result<ParsedRecord<'_>, EnvelopeError> {
        self.scratch.clear();
        self.ranges.clear();
        let mut reading = Reading {
            line,
            at: 0,
            into: self,
        };
        let found = reading.envelope()?;
        if found.is_unparsed {
            return Err(EnvelopeError::Unparsed);
        }
        if found.seen & Field::Payload.bit() == 0 {
            return Err(EnvelopeError::NoPayload);
        }
        let bytes = |range: Range<usize>| &self.scratch[range];
        Ok(ParsedRecord {
            key: found.key.map(bytes),
            value: found.value.map(bytes),
            headers: Headers::new(&[], &self.ranges, &self.scratch),
            timestamp: found.timestamp,
            partition: found.partition,
        })
    }
}

/// A line while it is read.
struct Reading<'a> {
    line: &'a [u8],
    at: usize,
    into: &'a mut EnvelopeReader,
}

impl<'a> Reading<'a> {
    fn envelope(&mut self) -> Result<Found, EnvelopeError> {
        let mut found = Found::default();
        self.object(|this| {
            let name = this.string("a field's name")?;
            let field = Field::of(&this.into.scratch[name.clone()]);
            this.into.scratch.truncate(name.start);
            this.expect(b':', "a colon")?;
            match field {
                None => this.skip_value(0),
                Some(field) => this.field(field, &mut found),
            }
        })?;
        self.skip_blanks();
        if self.at < self.line.len() {
            return Err(self.wrong("the line's end"));
        }
        Ok(found)
    }

    fn field(&mut self, field: Field, found: &mut Found) -> Result<(), EnvelopeError> {
        if found.seen & field.bit() != 0 {
            return Err(EnvelopeError::Twice {
                position: self.at,
                field: field.name(),
            });
        }
        found.seen |= field.bit();
        self.skip_blanks();
        match field {
            Field::Partition => {
                let wrong = self.bad(field, "the number of a partition");
                let number = self.number().and_then(|number| u32::try_from(number).ok());
                let is_one = |number: &u32| *number <= i32::MAX as u32;
                found.partition = Some(number.filter(is_one).ok_or(wrong)?);
            }
            Field::Timestamp => {
                let wrong = self.bad(field, "a number of milliseconds");
                // −1 is Kafka's for none.
                let number = self.number().ok_or(wrong)?;
                found.timestamp = Some(number).filter(|number| *number != -1);
            }
            Field::Key => found.key = self.nullable(field, false)?,
            Field::KeyBase64 => found.key = self.nullable(field, true)?,
            Field::Payload => found.value = self.nullable(field, false)?,
            Field::PayloadBase64 => found.value = self.nullable(field, true)?,
            Field::Headers => self.headers(false)?,
            Field::HeadersBase64 => self.headers(true)?,
            Field::Unparsed => {
                let wrong = self.bad(field, "true or false");
                found.is_unparsed = self.word("true");
                if !found.is_unparsed && !self.word("false") {
                    return Err(wrong);
                }
            }
        }
        Ok(())
    }

    /// Headers in any of their forms.
    fn headers(&mut self, is_base64: bool) -> Result<(), EnvelopeError> {
        match self.peek() {
            _ if self.word("null") => Ok(()),
            Some(b'{') if !is_base64 => self.object(|this| {
                let name = this.string("a header's name")?;
                this.expect(b':', "a colon")?;
                this.header_values(&name)
            }),
            Some(b'[') => {
                let mut name = None;
                self.array(|this| this.header_element(&mut name, is_base64))?;
                match name {
                    None => Ok(()),
                    Some(_) => Err(self.bad(Field::Headers, "names and values in turn")),
                }
            }
            _ => Err(self.bad(Field::Headers, "an array")),
        }
    }

    /// A name or a value in turn, or both as a pair.
    fn header_element(
        &mut self,
        name: &mut Option<Range<usize>>,
        is_base64: bool,
    ) -> Result<(), EnvelopeError> {
        if self.peek() != Some(b'[') || name.is_some() {
            return self.header_text(name, is_base64);
        }
        let wrong = self.bad(Field::Headers, "pairs of name and value");
        let mut elements = 0;
        self.array(|this| {
            elements += 1;
            match elements {
                1 | 2 => this.header_text(name, is_base64),
                _ => Err(wrong),
            }
        })?;
        if elements == 2 { Ok(()) } else { Err(wrong) }
    }

    fn header_text(
        &mut self,
        name: &mut Option<Range<usize>>,
        is_base64: bool,
    ) -> Result<(), EnvelopeError> {
        let wrong = self.bad(Field::Headers, "strings (null for a value that is null)");
        let text = match self.peek() {
            Some(b'"') => Some(self.bytes(Field::Headers, is_base64)?),
            _ if self.word("null") => None,
            _ => return Err(wrong),
        };
        *name = match (name.take(), text) {
            (None, name @ Some(_)) => name,
            (None, None) => return Err(wrong),
            (Some(name), value) => {
                self.into.ranges.push(HeaderRange { name, value });
                None
            }
        };
        Ok(())
    }

    /// The value of a header in an object, or all of its values.
    fn header_values(&mut self, name: &Range<usize>) -> Result<(), EnvelopeError> {
        self.skip_blanks();
        if self.peek() == Some(b'[') {
            self.array(|this| this.header_value(name))
        } else {
            self.header_value(name)
        }
    }

    fn header_value(&mut self, name: &Range<usize>) -> Result<(), EnvelopeError> {
        let value = self.nullable(Field::Headers, false)?;
        let name = name.clone();
        self.into.ranges.push(HeaderRange { name, value });
        Ok(())
    }

    fn nullable(
        &mut self,
        field: Field,
        is_base64: bool,
    ) -> Result<Option<Range<usize>>, EnvelopeError> {
        match self.peek() {
            Some(b'"') => self.bytes(field, is_base64).map(Some),
            _ if self.word("null") => Ok(None),
            _ => Err(self.bad(field, "a string or null")),
        }
    }

    fn bytes(&mut self, field: Field, is_base64: bool) -> Result<Range<usize>, EnvelopeError> {
        let wrong = self.bad(field, "base64");
        let from = self.at;
        let text = self.string("a string")?;
        if !is_base64 {
            return Ok(text);
        }
        let EnvelopeReader {
            scratch, encoded, ..
        } = &mut *self.into;
        let raw = &self.line[from + 1..self.at - 1];
        let raw = if raw.len() == text.len() {
            raw
        } else {
            encoded.clear();
            encoded.extend_from_slice(&scratch[text.clone()]);
            encoded
        };
        scratch.resize(text.start + base64::decoded_len_estimate(raw.len()), 0);
        let decoded = BASE64.decode_slice(raw, &mut scratch[text.start..]);
        let end = text.start + decoded.map_err(|_| wrong)?;
        scratch.truncate(end);
        Ok(text.start..end)
    }

    /// A string, unescaped into the scratch.
    fn string(&mut self, expected: &'static str) -> Result<Range<usize>, EnvelopeError> {
        self.expect(b'"', expected)?;
        let start = self.into.scratch.len();
        loop {
            let rest = &self.line[self.at..];
            let plain = plain_bytes(rest);
            self.into.scratch.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(start..self.into.scratch.len());
                }
                Some(b'\\') => self.unescape()?,
                Some(_) => return Err(self.wrong("an escape in place of a control character")),
                None => return Err(self.wrong("a string's end")),
            }
        }
    }

    fn unescape(&mut self) -> Result<(), EnvelopeError> {
        let wrong = self.wrong("an escape");
        let byte = match self.line.get(self.at + 1).ok_or(wrong)? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 0x08,
            b'f' => 0x0c,
            same @ (b'"' | b'\\' | b'/') => *same,
            b'u' => return self.unescape_character().ok_or(wrong),
            _ => return Err(wrong),
        };
        self.into.scratch.push(byte);
        self.at += 2;
        Ok(())
    }

    /// `\uXXXX`, or two that are one character together.
    fn unescape_character(&mut self) -> Option<()> {
        let first = self.unit()?;
        let number = match first {
            0xd800..0xdc00 => match self.unit()? {
                second @ 0xdc00..0xe000 => 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                _ => return None,
            },
            _ => first,
        };
        let mut utf8 = [0; 4];
        let character = char::from_u32(number)?.encode_utf8(&mut utf8);
        self.into.scratch.extend_from_slice(character.as_bytes());
        Some(())
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.line[self.at..]
            .strip_prefix(b"\\u")?
            .first_chunk::<4>()?;
        let mut number = 0;
        for digit in digits {
            number = number << 4 | char::from(*digit).to_digit(16)?;
        }
        self.at += 6;
        Some(number)
    }

    /// An integer, as far as an `i64` goes.
    fn number(&mut self) -> Option<i64> {
        let rest = &self.line[self.at..];
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let bytes = rest.iter().take_while(is_part).count();
        let text = std::str::from_utf8(&rest[..bytes]).ok()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        self.at += bytes;
        text.parse().ok().filter(|_| is_number)
    }

    /// Goes behind a word, if it stands here.
    fn word(&mut self, word: &str) -> bool {
        let stands = self.line[self.at..].starts_with(word.as_bytes());
        self.at += if stands { word.len() } else { 0 };
        stands
    }

    /// Goes behind a value of any kind.
    fn skip_value(&mut self, depth: usize) -> Result<(), EnvelopeError> {
        if depth > DEPTH_MAX {
            return Err(EnvelopeError::TooDeep { position: self.at });
        }
        self.skip_blanks();
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b'{') => self.object(|this| {
                this.skip_string()?;
                this.expect(b':', "a colon")?;
                this.skip_value(depth + 1)
            }),
            Some(b'[') => self.array(|this| this.skip_value(depth + 1)),
            _ if self.word("null") || self.word("true") || self.word("false") => Ok(()),
            Some(b'-' | b'0'..=b'9') => {
                let is_part =
                    |byte: &&u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                self.at += self.line[self.at..].iter().take_while(is_part).count();
                Ok(())
            }
            _ => Err(self.wrong("a value")),
        }
    }

    fn skip_string(&mut self) -> Result<(), EnvelopeError> {
        let text = self.string("a string")?;
        self.into.scratch.truncate(text.start);
        Ok(())
    }

    fn object(
        &mut self,
        member: impl FnMut(&mut Self) -> Result<(), EnvelopeError>,
    ) -> Result<(), EnvelopeError> {
        self.expect(b'{', "an opening brace")?;
        self.members(b'}', "a comma or a closing brace", member)
    }

    fn array(
        &mut self,
        member: impl FnMut(&mut Self) -> Result<(), EnvelopeError>,
    ) -> Result<(), EnvelopeError> {
        self.expect(b'[', "an opening bracket")?;
        self.members(b']', "a comma or a closing bracket", member)
    }

    fn members(
        &mut self,
        end: u8,
        expected: &'static str,
        mut member: impl FnMut(&mut Self) -> Result<(), EnvelopeError>,
    ) -> Result<(), EnvelopeError> {
        self.skip_blanks();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip_blanks();
            member(self)?;
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == end => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.wrong(expected)),
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), EnvelopeError> {
        self.skip_blanks();
        if self.peek() != Some(byte) {
            return Err(self.wrong(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn wrong(&self, expected: &'static str) -> EnvelopeError {
        EnvelopeError::Json {
            position: self.at,
            expected,
        }
    }

    fn bad(&self, field: Field, expected: &'static str) -> EnvelopeError {
        EnvelopeError::Field {
            position: self.at,
            field: field.name(),
            expected,
        }
    }
}
