//! `org.apache.kafka.connect.storage.StringConverter`: text in some encoding; of what is no text,
//! Java's `toString`.

use std::io::Write as _;

use super::{Converter, ConverterType, Encoded, TYPE, typed};
use crate::config::{ConfigDef, Key, Props, Width};
use crate::data::{ConnectError, ErrorClass, Result, Schema, SchemaAndValue, Value};
use crate::java::Charset;

const ENCODING: Key<String> = Key::new("converter.encoding")
    .default("UTF-8")
    .width(Width::Medium)
    .display("Encoding")
    .doc("The name of the Java character set to use for encoding strings as byte arrays.");

#[derive(Debug, Clone, Copy)]
pub struct StringConverter {
    encoder: Charset,
    decoder: Charset,
}

impl StringConverter {
    pub fn config() -> ConfigDef {
        ConfigDef::new(&[TYPE.spec, ENCODING.spec])
    }

    /// Kafka's own serializers look for keys of theirs first: `key.serializer.encoding` and the
    /// like.
    pub fn new(props: &Props, kind: ConverterType) -> Result<Self> {
        let settings = Self::config().parse(&typed(props, kind))?;
        let encoding = settings.get(&ENCODING);
        let side = if kind == ConverterType::Key {
            "key"
        } else {
            "value"
        };
        let of = |half: &str| {
            let own = props.get(&format!("{side}.{half}.encoding"));
            charset(own.unwrap_or(&encoding))
        };
        Ok(Self {
            encoder: of("serializer")?,
            decoder: of("deserializer")?,
        })
    }
}

fn charset(name: &str) -> Result<Charset> {
    Charset::by_name(name).ok_or_else(|| {
        let message = format!("Unsupported encoding {name}");
        ConnectError::new(ErrorClass::Serialization, message)
    })
}

impl Converter for StringConverter {
    fn encode(
        &mut self,
        _topic: &str,
        _schema: Option<&Schema>,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Encoded> {
        match value {
            Value::Null => return Ok(Encoded::Null),
            Value::String(text) => self.encoder.encode(text, out),
            other if self.encoder.is_utf8() => {
                write!(out, "{other}").expect("a vector takes any number of bytes");
            }
            other => self.encoder.encode(&other.to_string(), out),
        }
        Ok(Encoded::Written)
    }

    fn decode<'a>(&mut self, _topic: &str, bytes: Option<&'a [u8]>) -> Result<SchemaAndValue<'a>> {
        let value = match bytes {
            None => Value::Null,
            Some(bytes) => Value::String(self.decoder.decode(bytes)),
        };
        Ok(SchemaAndValue::new(Some(Schema::optional_string()), value))
    }
}
