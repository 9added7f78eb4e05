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
mod simple_header;
mod string;

use std::fmt;

use crate::config::{Check, ConfigDef, Importance, Key, Props};
use crate::data::{Result, Schema, SchemaAndValue, Value};

pub use boolean::BooleanConverter;
pub use byte_array::ByteArrayConverter;
pub use json::JsonConverter;
pub use number::{
    DoubleConverter, FloatConverter, IntegerConverter, LongConverter, Number, NumberConverter,
    ShortConverter,
};
pub use simple_header::SimpleHeaderConverter;
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

/// Makes a converter of keys or values with these settings, without the prefix of its side.
pub type MakeConverter = fn(&Props, ConverterType) -> Result<Box<dyn Converter>>;

/// A class of converter that a configuration can name.
#[derive(Debug, Clone, Copy)]
pub struct ConverterClass {
    /// Java's full name.
    pub name: &'static str,
    pub config: fn() -> ConfigDef,
    /// A converter of keys or values; none of a class that is only for headers.
    pub converter: Option<MakeConverter>,
    pub header_converter: fn(&Props) -> Result<Box<dyn HeaderConverter>>,
}

/// A row of the table: a class for keys, values and headers.
macro_rules! class {
    ($name:literal, $type:ty) => {
        ConverterClass {
            name: $name,
            config: <$type>::config,
            converter: Some(|props, kind| Ok(Box::new(<$type>::new(props, kind)?))),
            header_converter: |props| Ok(Box::new(<$type>::new(props, ConverterType::Header)?)),
        }
    };
}

/// Every bundled converter of Kafka 4.3.
pub const CLASSES: &[ConverterClass] = &[
    class!("org.apache.kafka.connect.json.JsonConverter", JsonConverter),
    class!(
        "org.apache.kafka.connect.storage.StringConverter",
        StringConverter
    ),
    class!(
        "org.apache.kafka.connect.converters.ByteArrayConverter",
        ByteArrayConverter
    ),
    class!(
        "org.apache.kafka.connect.converters.BooleanConverter",
        BooleanConverter
    ),
    class!(
        "org.apache.kafka.connect.converters.ShortConverter",
        ShortConverter
    ),
    class!(
        "org.apache.kafka.connect.converters.IntegerConverter",
        IntegerConverter
    ),
    class!(
        "org.apache.kafka.connect.converters.LongConverter",
        LongConverter
    ),
    class!(
        "org.apache.kafka.connect.converters.FloatConverter",
        FloatConverter
    ),
    class!(
        "org.apache.kafka.connect.converters.DoubleConverter",
        DoubleConverter
    ),
    ConverterClass {
        name: "org.apache.kafka.connect.storage.SimpleHeaderConverter",
        config: SimpleHeaderConverter::config,
        converter: None,
        header_converter: |props| {
            Ok(Box::new(SimpleHeaderConverter::new(
                props,
                ConverterType::Header,
            )?))
        },
    },
];

/// The properties with `converter.type` set, as the runtime hands them to a converter.
fn typed(props: &Props, kind: ConverterType) -> Props {
    let mut props = props.clone();
    props.insert(TYPE.spec.name.to_owned(), kind.as_str().to_owned());
    props
}
