//! `org.apache.kafka.connect.storage.SimpleHeaderConverter`: header values as text that says their
//! type.
//!
//! Dates are in UTC; Java writes and reads them in its machine's zone and says UTC.

use std::borrow::Cow;

use super::{ConverterType, Encoded, HeaderConverter};
use crate::config::{ConfigDef, Props};
use crate::data::{Result, Schema, SchemaAndValue, Value, values};
use crate::java::Charset;

#[derive(Debug, Clone, Copy)]
pub struct SimpleHeaderConverter;

impl SimpleHeaderConverter {
    pub fn config() -> ConfigDef {
        ConfigDef::new(&[])
    }

    /// Nothing can be set.
    pub fn new(_props: &Props, _kind: ConverterType) -> Result<Self> {
        Ok(Self)
    }
}

impl HeaderConverter for SimpleHeaderConverter {
    fn encode_header(
        &mut self,
        _topic: &str,
        _key: &str,
        _schema: Option<&Schema>,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Encoded> {
        match value {
            Value::Null => return Ok(Encoded::Null),
            Value::String(text) => out.extend_from_slice(text.as_bytes()),
            other => {
                let text = values::convert_to_string(other).expect("only null has none");
                out.extend_from_slice(text.as_bytes());
            }
        }
        Ok(Encoded::Written)
    }

    /// What cannot be read as anything, not even as a string, stays bytes.
    fn decode_header<'a>(
        &mut self,
        _topic: &str,
        _key: &str,
        bytes: Option<&'a [u8]>,
    ) -> Result<SchemaAndValue<'a>> {
        let Some(bytes) = bytes else {
            return Ok(SchemaAndValue::NULL);
        };
        let found = match Charset::UTF_8.decode(bytes) {
            Cow::Borrowed(text) => values::parse_string(text),
            Cow::Owned(text) => {
                values::parse_string(&text).map(|found| found.map(SchemaAndValue::into_owned))
            }
        };
        Ok(match found {
            Ok(found) => found.unwrap_or(SchemaAndValue::NULL),
            Err(_) => {
                let content = Value::Bytes(Cow::Borrowed(bytes));
                SchemaAndValue::new(Some(Schema::bytes()), content)
            }
        })
    }
}
