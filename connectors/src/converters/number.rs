//! `org.apache.kafka.connect.converters.{Short,Integer,Long,Float,Double}Converter`: numbers,
//! big-endian.
//!
//! They look at the value alone; the schema may be any, as in Java.

use std::fmt;
use std::marker::PhantomData;

use super::{Converter, ConverterType, Encoded, TYPE, typed};
use crate::config::{ConfigDef, Props};
use crate::data::{ConnectError, Result, Schema, SchemaAndValue, Value};

/// A type of number that has a converter.
pub trait Number: fmt::Debug + Copy + Send {
    /// As messages call it.
    const NAME: &'static str;
    fn schema() -> Schema;
    fn from_value(value: &Value<'_>) -> Option<Self>;
    fn to_value(self) -> Value<'static>;
    fn write(self, out: &mut Vec<u8>);
    /// From exactly as many bytes as it has.
    fn read(bytes: &[u8]) -> Option<Self>;
}

macro_rules! number {
    ($($type:ty, $variant:ident, $name:literal, $schema:ident, $converter:ident;)*) => {
        $(
            impl Number for $type {
                const NAME: &'static str = $name;

                fn schema() -> Schema {
                    Schema::$schema()
                }

                fn from_value(value: &Value<'_>) -> Option<Self> {
                    match value {
                        Value::$variant(number) => Some(*number),
                        _ => None,
                    }
                }

                fn to_value(self) -> Value<'static> {
                    Value::$variant(self)
                }

                fn write(self, out: &mut Vec<u8>) {
                    out.extend_from_slice(&self.to_be_bytes());
                }

                fn read(bytes: &[u8]) -> Option<Self> {
                    bytes.try_into().ok().map(Self::from_be_bytes)
                }
            }

            pub type $converter = NumberConverter<$type>;
        )*
    };
}

number! {
    i16, Int16, "short", optional_int16, ShortConverter;
    i32, Int32, "integer", optional_int32, IntegerConverter;
    i64, Int64, "long", optional_int64, LongConverter;
    f32, Float32, "float", optional_float32, FloatConverter;
    f64, Float64, "double", optional_float64, DoubleConverter;
}

#[derive(Debug, Clone, Copy)]
pub struct NumberConverter<T>(PhantomData<T>);

impl<T: Number> NumberConverter<T> {
    pub fn config() -> ConfigDef {
        ConfigDef::new(&[TYPE.spec])
    }

    pub fn new(props: &Props, kind: ConverterType) -> Result<Self> {
        Self::config().parse(&typed(props, kind))?;
        Ok(Self(PhantomData))
    }
}

impl<T: Number> Converter for NumberConverter<T> {
    fn encode(
        &mut self,
        _topic: &str,
        _schema: Option<&Schema>,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Encoded> {
        if value.is_null() {
            return Ok(Encoded::Null);
        }
        let Some(number) = T::from_value(value) else {
            let (name, class) = (T::NAME, value.java_class());
            return Err(ConnectError::data(format!(
                "Failed to serialize to {name} (was class {class}): "
            )));
        };
        number.write(out);
        Ok(Encoded::Written)
    }

    fn decode<'a>(&mut self, _topic: &str, bytes: Option<&'a [u8]>) -> Result<SchemaAndValue<'a>> {
        let value = match bytes {
            None => Value::Null,
            Some(bytes) => {
                let message = || format!("Failed to deserialize {}: ", T::NAME);
                T::read(bytes)
                    .ok_or_else(|| ConnectError::data(message()))?
                    .to_value()
            }
        };
        Ok(SchemaAndValue::new(Some(T::schema()), value))
    }
}
