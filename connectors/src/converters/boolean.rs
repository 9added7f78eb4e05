//! `org.apache.kafka.connect.converters.BooleanConverter`: one byte, 1 or 0.

use super::{Converter, ConverterType, Encoded, TYPE, typed};
use crate::config::{ConfigDef, Props};
use crate::data::{ConnectError, Result, Schema, SchemaAndValue, Type, Value};

#[derive(Debug, Clone, Copy)]
pub struct BooleanConverter;

impl BooleanConverter {
    pub fn config() -> ConfigDef {
        ConfigDef::new(&[TYPE.spec])
    }

    pub fn new(props: &Props, kind: ConverterType) -> Result<Self> {
        Self::config().parse(&typed(props, kind))?;
        Ok(Self)
    }
}

impl Converter for BooleanConverter {
    fn encode(
        &mut self,
        _topic: &str,
        schema: Option<&Schema>,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Encoded> {
        if let Some(kind) = schema
            .map(Schema::kind)
            .filter(|&kind| kind != Type::Boolean)
        {
            let message = format!("Invalid schema type for BooleanConverter: {kind}");
            return Err(ConnectError::data(message));
        }
        match value {
            Value::Null => Ok(Encoded::Null),
            Value::Boolean(truth) => {
                out.push(u8::from(*truth));
                Ok(Encoded::Written)
            }
            other => Err(ConnectError::data(format!(
                "BooleanConverter is not compatible with objects of type class {}",
                other.java_class()
            ))),
        }
    }

    fn decode<'a>(&mut self, _topic: &str, bytes: Option<&'a [u8]>) -> Result<SchemaAndValue<'a>> {
        let value = match bytes {
            None => Value::Null,
            Some([0]) => Value::Boolean(false),
            Some([1]) => Value::Boolean(true),
            Some(_) => return Err(ConnectError::data("Failed to deserialize boolean: ")),
        };
        Ok(SchemaAndValue::new(Some(Schema::optional_boolean()), value))
    }
}
