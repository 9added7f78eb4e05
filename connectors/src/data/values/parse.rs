//! The grammar of header texts: null, booleans, numbers, dates, arrays, maps, and anything else a
//! string.
//!
//! A text that starts as an array or map and goes wrong is a string, all of it. Arrays and maps get
//! the schema that all their elements share, and are converted to it.

use std::sync::LazyLock;

use super::merge::Merger;
use super::number::parse_number;
use super::tokens::{Tokens, is_blank};
use super::{convert, merge};
use crate::data::{
    ConnectError, Date, ErrorClass, Map, Result, Schema, SchemaAndValue, SchemaBuilder, Time,
    Timestamp, Value,
};
use crate::java::date_format::DateFormat;
use crate::java::{decimal_digit, trim};

/// How deep arrays and maps may nest. Java's depth is that of its stack.
const DEPTH_MAX: usize = 1000;

/// What a text says; nothing of `null`.
///
/// The errors are those that Java's parser does not catch itself.
pub fn parse_string(text: &str) -> Result<Option<SchemaAndValue<'_>>> {
    if text.is_empty() {
        return Ok(Some(SchemaAndValue::new(Some(Schema::string()), "")));
    }
    let mut parser = Parser {
        tokens: Tokens::new(text),
        depth: 0,
    };
    parser.parse(false)
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    depth: usize,
}

type Parsed<'a> = Result<Option<SchemaAndValue<'a>>>;

impl<'a> Parser<'a> {
    fn parse(&mut self, is_embedded: bool) -> Parsed<'a> {
        if !self.tokens.has_next() {
            return Ok(None);
        }
        if is_embedded && self.tokens.take_if("\"") {
            return Ok(Some(self.quoted()));
        }
        if self.takes_literal(is_embedded, "null") {
            return Ok(None);
        }
        for (literal, truth) in [("true", true), ("false", false)] {
            if self.takes_literal(is_embedded, literal) {
                return Ok(Some(SchemaAndValue::new(Some(Schema::boolean()), truth)));
            }
        }
        let start = self.tokens.mark();
        match self.container() {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => {}
            Err(error) if error.class() == ErrorClass::Data => self.tokens.rewind(start),
            Err(error) => return Err(error),
        }
        let token = self.tokens.take();
        if is_blank(token) {
            return Ok(Some(SchemaAndValue::new(Some(Schema::string()), token)));
        }
        self.scalar(is_embedded, trim(token))
    }

    /// At the top a literal stands alone, or it is but the start of a string.
    fn takes_literal(&mut self, is_embedded: bool, literal: &str) -> bool {
        let start = self.tokens.mark();
        if self.tokens.take_if(literal) && (is_embedded || !self.tokens.has_next()) {
            return true;
        }
        self.tokens.rewind(start);
        false
    }

    fn container(&mut self) -> Parsed<'a> {
        if self.tokens.take_if("[") {
            self.deeper(Self::array).map(Some)
        } else if self.tokens.take_if("{") {
            self.deeper(Self::map).map(Some)
        } else {
            Ok(None)
        }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEPTH_MAX {
            let message = format!("arrays and maps nest deeper than {DEPTH_MAX}");
            return Err(ConnectError::new(ErrorClass::StackOverflow, message));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn scalar(&mut self, is_embedded: bool, token: &str) -> Parsed<'a> {
        let first = token.chars().next();
        let first = first.expect("a token that is not blank has a character");
        let is_digit = decimal_digit(first).is_some();
        if is_digit && let Some(found) = self.temporal_of_some(token) {
            return Ok(Some(found));
        }
        if (is_digit || matches!(first, '+' | '-'))
            && let Some(number) = parse_number(token)
        {
            return Ok(Some(number));
        }
        if is_embedded {
            return Err(ConnectError::data("Failed to parse embedded value"));
        }
        let all = self.tokens.original();
        Ok(Some(SchemaAndValue::new(Some(Schema::string()), all)))
    }

    /// Times have colons, which are tokens of their own.
    fn temporal_of_some(&mut self, token: &str) -> Option<SchemaAndValue<'a>> {
        let start = self.tokens.mark();
        if let Some(rest) = self.tokens.take_some(4)
            && let Some(found) = temporal(&format!("{token}{rest}"))
        {
            return Some(found);
        }
        self.tokens.rewind(start);
        temporal(token)
    }

    fn quoted(&mut self) -> SchemaAndValue<'a> {
        let mut content = String::new();
        while self.tokens.has_next() {
            if self.tokens.take_if("\"") {
                break;
            }
            content.push_str(self.tokens.take());
        }
        temporal(&content).unwrap_or_else(|| SchemaAndValue::new(Some(Schema::string()), content))
    }

    fn array(&mut self) -> Result<SchemaAndValue<'a>> {
        let mut list = Vec::new();
        let mut elements = Merger::default();
        while self.tokens.has_next() {
            if self.tokens.take_if("]") {
                let Some(element) = elements.common() else {
                    let schema = SchemaBuilder::array_of_null().build();
                    return Ok(SchemaAndValue::new(Some(schema), Value::Array(list)));
                };
                let list: Result<Vec<_>> = list
                    .into_iter()
                    .map(|value| convert::to(element, value))
                    .collect();
                let schema = SchemaBuilder::array(element.clone()).build();
                return Ok(SchemaAndValue::new(Some(schema), Value::Array(list?)));
            }
            if self.tokens.take_if(",") {
                return Err(self.wrong("Unable to parse an empty array element: "));
            }
            let element = self.parse(true)?;
            elements.merge(element.as_ref());
            list.push(element.map_or(Value::Null, |element| element.value));
            let here = self.tokens.mark();
            if self.tokens.take_if("]") {
                self.tokens.rewind(here);
            } else if !self.tokens.take_if(",") {
                return Err(ConnectError::data("Array elements missing ',' delimiter"));
            }
        }
        if self.tokens.previous() == Some(",") {
            return Err(self.wrong("Array is missing element after ',': "));
        }
        Err(self.wrong("Array is missing terminating ']': "))
    }

    fn map(&mut self) -> Result<SchemaAndValue<'a>> {
        let mut map = Map::new();
        let (mut keys, mut values) = (Merger::default(), Merger::default());
        while self.tokens.has_next() {
            if self.tokens.take_if("}") {
                return merge::aligned(map, keys.common(), values.common());
            }
            if self.tokens.take_if(",") {
                return Err(self.wrong("Unable to parse a map entry with no key or value: "));
            }
            let key = self.parse(true)?.filter(|key| !key.value.is_null());
            let Some(key) = key else {
                return Err(self.wrong("Map entry may not have a null key: "));
            };
            if !self.tokens.take_if(":") {
                let (at, text) = (self.tokens.position(), self.tokens.original());
                let message = format!("Map entry is missing ':' at {at} in {text}");
                return Err(ConnectError::data(message));
            }
            let value = self.parse(true)?;
            keys.merge(Some(&key));
            values.merge(value.as_ref());
            map.insert(key.value, value.map_or(Value::Null, |value| value.value));
            self.tokens.take_if(",");
        }
        if self.tokens.previous() == Some(",") {
            return Err(self.wrong("Map is missing element after ',': "));
        }
        Err(self.wrong("Map is missing terminating '}': "))
    }

    fn wrong(&self, what: &str) -> ConnectError {
        ConnectError::data(format!("{what}{}", self.tokens.original()))
    }
}

/// A date, time or timestamp in the one form that each has; told apart by their lengths.
fn temporal(token: &str) -> Option<SchemaAndValue<'static>> {
    static FORMATS: LazyLock<[DateFormat; 3]> = LazyLock::new(|| {
        [
            "HH:mm:ss.SSS'Z'",
            "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
            "yyyy-MM-dd",
        ]
        .map(|pattern| DateFormat::new(pattern, 0).expect("the pattern is right"))
    });
    // Colons may be escaped so that they do not end a token.
    let token = token.replace("\\:", ":");
    // Nothing that long is one, and counting it would take time.
    if token.len() > 24 * 4 {
        return None;
    }
    let (format, schema) = match token.encode_utf16().count() {
        13 => (&FORMATS[0], Time::schema()),
        24 => (&FORMATS[1], Timestamp::schema()),
        10 => (&FORMATS[2], Date::schema()),
        _ => return None,
    };
    let millis = format.parse(&token)?;
    Some(SchemaAndValue::new(Some(schema), Value::Date(millis)))
}
