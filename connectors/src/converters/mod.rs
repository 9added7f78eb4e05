//! Converters: between records of values and records of bytes (KIP-26), under the names of Java's
//! classes.
//!
//! A converter is configured once and then used for every record of one key, value or header
//! stream. It writes straight into the buffer that is being filled, and what it reads borrows from
//! the bytes that it was given.

mod boolean;
mod byte_array;
mod json;
mod number;
mod string;

use std::fmt;

use crate::config::{Check, Importance, Key, Props};
use crate::data::{Result, Schema, SchemaAndValue, Value};

pub use boolean::BooleanConverter;
pub use byte_array::ByteArrayConverter;
pub use json::JsonConverter;
pub use number::{
    DoubleConverter, FloatConverter, IntegerConverter, LongConverter, Number, NumberConverter,
    ShortConverter,
};
pub use string::StringConverter;

/// What a converter was asked to convert, as its configuration says (`converter.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConverterType {
    Key,
    Value,
    Header,
}

impl ConverterType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
            Self::Header => "header",
        }
    }
}

/// Set by the runtime, never by people.
pub(crate) const TYPE: Key<String> = Key::new("converter.type")
    .check(Check::OneOf(&["key", "value", "header"]))
    .importance(Importance::Low)
    .doc("How this converter will be used.");

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Encoded {
    /// The bytes were written.
    Written,
    /// There are none: the record has no value, it is a tombstone.
    Null,
}

/// Turns the keys or values of records into bytes and back.
pub trait Converter: fmt::Debug + Send {
    /// Appends the bytes of a value to `out`. After an error `out` is as it was.
    fn encode(
        &mut self,
        topic: &str,
        schema: Option<&Schema>,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Encoded>;

    /// What the bytes say; no bytes are those of a tombstone.
    fn decode<'a>(&mut self, topic: &str, bytes: Option<&'a [u8]>) -> Result<SchemaAndValue<'a>>;
}

/// Turns the values of headers into bytes and back.
pub trait HeaderConverter: fmt::Debug + Send {
    /// Appends the bytes of a header's value to `out`. After an error `out` is as it was.
    fn encode_header(
        &mut self,
        topic: &str,
        key: &str,
        schema: Option<&Schema>,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Encoded>;

    fn decode_header<'a>(
        &mut self,
        topic: &str,
        key: &str,
        bytes: Option<&'a [u8]>,
    ) -> Result<SchemaAndValue<'a>>;
}

/// Every converter of values can be used for headers, and does the same there.
impl<T: Converter> HeaderConverter for T {
    fn encode_header(
        &mut self,
        topic: &str,
        _key: &str,
        schema: Option<&Schema>,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Encoded> {
        self.encode(topic, schema, value, out)
    }

    fn decode_header<'a>(
        &mut self,
        topic: &str,
        _key: &str,
        bytes: Option<&'a [u8]>,
    ) -> Result<SchemaAndValue<'a>> {
        self.decode(topic, bytes)
    }
}

/// The properties with `converter.type` set, as the runtime hands them to a converter.
fn typed(props: &Props, kind: ConverterType) -> Props {
    let mut props = props.clone();
    props.insert(TYPE.spec.name.to_owned(), kind.as_str().to_owned());
    props
}
