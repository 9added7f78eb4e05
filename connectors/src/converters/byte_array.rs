//! `org.apache.kafka.connect.converters.ByteArrayConverter`: bytes as they are.

use std::borrow::Cow;

use super::{Converter, ConverterType, Encoded, TYPE};
use crate::config::{ConfigDef, Props};
use crate::data::{ConnectError, Result, Schema, SchemaAndValue, Type, Value};

#[derive(Debug, Clone, Copy)]
pub struct ByteArrayConverter;

impl ByteArrayConverter {
    pub fn config() -> ConfigDef {
        ConfigDef::new(&[TYPE.spec])
    }

    /// Nothing can be set, and Java's looks at nothing.
    pub fn new(_props: &Props, _kind: ConverterType) -> Result<Self> {
        Ok(Self)
    }
}

impl Converter for ByteArrayConverter {
    fn encode(
        &mut self,
        _topic: &str,
        schema: Option<&Schema>,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Encoded> {
        if let Some(kind) = schema.map(Schema::kind).filter(|&kind| kind != Type::Bytes) {
            let message = format!("Invalid schema type for ByteArrayConverter: {kind}");
            return Err(ConnectError::data(message));
        }
        match value {
            Value::Null => Ok(Encoded::Null),
            Value::Bytes(content) => {
                out.extend_from_slice(content);
                Ok(Encoded::Written)
            }
            other => Err(ConnectError::data(format!(
                "ByteArrayConverter is not compatible with objects of type class {}",
                other.java_class()
            ))),
        }
    }

    fn decode<'a>(&mut self, _topic: &str, bytes: Option<&'a [u8]>) -> Result<SchemaAndValue<'a>> {
        let value = bytes.map_or(Value::Null, |bytes| Value::Bytes(Cow::Borrowed(bytes)));
        Ok(SchemaAndValue::new(Some(Schema::optional_bytes()), value))
    }
}
