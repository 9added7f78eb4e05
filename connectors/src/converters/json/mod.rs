//! `org.apache.kafka.connect.json.JsonConverter`: JSON, in an envelope with its schema or without
//! one.
//!
//! Java makes a tree of everything; here a text is read once onto a [`tape::Tape`] that is used
//! again for the next, and a value is written straight into the caller's buffer. Of a stream of
//! records with one schema, the envelope up to the payload is compared with that of the record
//! before, and is neither read nor written anew.

mod decode;
mod encode;
mod encoding;
mod schema;
mod tape;
mod text;

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Converter, ConverterType, Encoded, TYPE, typed};
use crate::config::{Check, ConfigDef, Importance, Key, Props, Width};
use crate::data::{ConnectError, Result, Schema, SchemaAndValue, Value};

use decode::Reading;
use encode::{DecimalFormat, Writing};
use tape::{Kind, Node, Tape};

const SCHEMAS_ENABLE: Key<bool> = Key::new("schemas.enable")
    .default("true")
    .group("Schemas", 0)
    .width(Width::Medium)
    .display("Enable Schemas")
    .doc("Include schemas within each of the serialized values and keys.");
const SCHEMAS_CACHE_SIZE: Key<i32> = Key::new("schemas.cache.size")
    .default("1000")
    .group("Schemas", 1)
    .width(Width::Medium)
    .display("Schema Cache Size")
    .doc("The maximum number of schemas that can be cached in this converter instance.");
const SCHEMA_CONTENT: Key<Option<String>> = Key::new("schema.content")
    .null_default()
    .group("Schemas", 2)
    .width(Width::Medium)
    .display("Schema Content")
    .doc(
        "When set, this is used as the schema for all messages, and the schemas within each of the \
         message will be ignored.Otherwise, the schema will be included in the content of each \
         message. This configuration applies only 'schemas.enable' is true, and it exclusively \
         affects the sink connector.",
    );
const DECIMAL_FORMAT: Key<String> = Key::new("decimal.format")
    .default("BASE64")
    .check(Check::OneOfAnyCase(&["NUMERIC", "BASE64"]))
    .importance(Importance::Low)
    .group("Serialization", 0)
    .width(Width::Medium)
    .display("Decimal Format")
    .doc(
        "Controls which format this converter will serialize decimals in. This value is case \
         insensitive and can be either 'BASE64' (default) or 'NUMERIC'",
    );
const REPLACE_NULL_WITH_DEFAULT: Key<bool> = Key::new("replace.null.with.default")
    .default("true")
    .importance(Importance::Low)
    .group("Serialization", 1)
    .width(Width::Medium)
    .display("Replace null with default")
    .doc(
        "Whether to replace fields that have a default value and that are null to the default \
         value. When set to true, the default value is used, otherwise null is used.",
    );

const NOT_JSON: &str =
    "Converting byte[] to Kafka Connect data failed due to serialization error: ";
const NO_ENVELOPE: &str = "JsonConverter with schemas.enable requires \"schema\" and \"payload\" \
     fields and may not contain additional fields. If you are trying to deserialize plain JSON \
     data, set schemas.enable=false in your converter configuration.";

/// The text of an envelope before its payload, and the schema that it names.
#[derive(Debug)]
struct Prefix {
    text: Box<str>,
    schema: Option<Schema>,
}

#[derive(Debug)]
pub struct JsonConverter {
    schemas_enabled: bool,
    cache_size: usize,
    reading: Reading,
    writing: Writing,
    /// What all values have, whatever they say themselves.
    fixed_schema: Option<Schema>,
    tape: Tape,
    /// The envelope that was read last.
    last_read: Option<Prefix>,
    /// Schemas by their texts.
    read_schemas: HashMap<Box<str>, Schema>,
    /// The envelope that was written last, and its schema.
    last_written: Option<(Schema, Box<[u8]>)>,
    /// Envelopes by their schemas.
    written_schemas: HashMap<Schema, Box<[u8]>>,
}

impl JsonConverter {
    pub fn config() -> ConfigDef {
        ConfigDef::new(&[
            TYPE.spec,
            SCHEMAS_ENABLE.spec,
            SCHEMAS_CACHE_SIZE.spec,
            SCHEMA_CONTENT.spec,
            DECIMAL_FORMAT.spec,
            REPLACE_NULL_WITH_DEFAULT.spec,
        ])
    }

    pub fn new(props: &Props, kind: ConverterType) -> Result<Self> {
        let settings = Self::config().parse(&typed(props, kind))?;
        let replace_null_with_default = settings.get(&REPLACE_NULL_WITH_DEFAULT);
        let is_numeric = settings
            .get(&DECIMAL_FORMAT)
            .eq_ignore_ascii_case("NUMERIC");
        let mut converter = Self {
            schemas_enabled: settings.get(&SCHEMAS_ENABLE),
            cache_size: settings.get(&SCHEMAS_CACHE_SIZE).try_into().unwrap_or(0),
            reading: Reading {
                replace_null_with_default,
                has_lost_value: false,
            },
            writing: Writing {
                decimal_format: if is_numeric {
                    DecimalFormat::Numeric
                } else {
                    DecimalFormat::Base64
                },
                replace_null_with_default,
            },
            fixed_schema: None,
            tape: Tape::default(),
            last_read: None,
            read_schemas: HashMap::new(),
            last_written: None,
            written_schemas: HashMap::new(),
        };
        if let Some(content) = settings
            .get(&SCHEMA_CONTENT)
            .filter(|text| !text.trim().is_empty())
        {
            converter.fixed_schema = converter.read_fixed_schema(&content)?;
        }
        Ok(converter)
    }

    fn read_fixed_schema(&mut self, content: &str) -> Result<Option<Schema>> {
        self.tape.read(content, 0, 0).map_err(|_| {
            let message = "Failed to parse schema in converter config due to serialization error: ";
            ConnectError::data(message)
        })?;
        schema::read(self.tape.root(content), self.reading)
    }

    fn encode_enveloped(
        &mut self,
        schema: Option<&Schema>,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        match schema {
            Some(schema) => out.extend_from_slice(self.envelope(schema)?),
            None => out.extend_from_slice(b"{\"schema\":null,\"payload\":"),
        }
        self.writing.value(schema, value, 1, out)?;
        out.push(b'}');
        Ok(())
    }

    /// The text of an envelope up to its payload.
    fn envelope(&mut self, schema: &Schema) -> Result<&[u8]> {
        let is_last = self
            .last_written
            .as_ref()
            .is_some_and(|(last, _)| last.is_same(schema));
        if !is_last {
            let text = match self.written_schemas.get(schema) {
                Some(text) => text.clone(),
                None => self.write_envelope(schema)?,
            };
            self.last_written = Some((schema.clone(), text));
        }
        let (_, text) = self.last_written.as_ref().expect("it was just set");
        Ok(text)
    }

    fn write_envelope(&mut self, schema: &Schema) -> Result<Box<[u8]>> {
        let mut text = b"{\"schema\":".to_vec();
        schema::write(Some(schema), self.writing, &mut text)?;
        text.extend_from_slice(b",\"payload\":");
        let text = text.into_boxed_slice();
        if self.written_schemas.len() >= self.cache_size {
            self.written_schemas.clear();
        }
        if self.cache_size > 0 {
            self.written_schemas.insert(schema.clone(), text.clone());
        }
        Ok(text)
    }

    fn decode_text<'a>(&mut self, text: &'a str) -> Result<SchemaAndValue<'a>> {
        self.reading.has_lost_value = false;
        if let Some(result) = self.decode_like_last(text) {
            return result;
        }
        self.tape
            .read(text, 0, 0)
            .map_err(|_| ConnectError::data(NOT_JSON))?;
        let mut reading = self.reading;
        if !self.schemas_enabled {
            let value = reading.plain(self.tape.root(text));
            return Ok(SchemaAndValue::new(None, value));
        }
        if let Some(schema) = &self.fixed_schema {
            let value = reading.with_schema(schema, Some(self.tape.root(text)))?;
            return Ok(SchemaAndValue::new(Some(schema.clone()), value));
        }
        let root = self.tape.root(text);
        let (schema_node, payload) = envelope_of(root)?;
        let known = self.read_schemas.get(&text[schema_node.range()]);
        let schema = match known {
            Some(schema) => Some(schema.clone()),
            None => schema::read(schema_node, reading)?,
        };
        let value = match &schema {
            Some(schema) => reading.with_schema(schema, Some(payload))?,
            None => reading.plain(payload),
        };
        let (of_schema, of_payload) = (schema_node.range(), payload.start());
        self.remember(text, of_schema, of_payload, schema.as_ref());
        Ok(SchemaAndValue::new(schema, value))
    }

    /// The value of a text that starts as the last one did; nothing if it does not, or does not end
    /// so.
    fn decode_like_last<'a>(&mut self, text: &'a str) -> Option<Result<SchemaAndValue<'a>>> {
        let last = self.last_read.as_ref()?;
        if !text.starts_with(&*last.text) {
            return None;
        }
        let end = self.tape.read(text, last.text.len(), 1).ok()?;
        let end = tape::skip_blanks(text.as_bytes(), end);
        if text.as_bytes().get(end) != Some(&b'}') {
            return None;
        }
        let root = self.tape.root(text);
        let mut reading = self.reading;
        let value = match &last.schema {
            Some(schema) => reading.with_schema(schema, Some(root)),
            None => Ok(reading.plain(root)),
        };
        Some(value.map(|value| SchemaAndValue::new(last.schema.clone(), value)))
    }

    /// Keeps what the next text will probably start with. A text whose payload comes first starts
    /// otherwise.
    fn remember(
        &mut self,
        text: &str,
        of_schema: std::ops::Range<usize>,
        payload: usize,
        schema: Option<&Schema>,
    ) {
        if self.cache_size == 0 {
            return;
        }
        if of_schema.start < payload {
            self.last_read = Some(Prefix {
                text: text[..payload].into(),
                schema: schema.cloned(),
            });
        }
        if let Some(schema) = schema
            && !self.read_schemas.contains_key(&text[of_schema.clone()])
        {
            if self.read_schemas.len() >= self.cache_size {
                self.read_schemas.clear();
            }
            self.read_schemas
                .insert(text[of_schema].into(), schema.clone());
        }
    }
}

/// Schema and payload of an envelope, which has nothing else.
fn envelope_of<'t, 'a>(root: Node<'t, 'a>) -> Result<(Node<'t, 'a>, Node<'t, 'a>)> {
    let no_envelope = || ConnectError::data(NO_ENVELOPE);
    let mut found = (None, None);
    if root.kind() != Kind::Object {
        return Err(no_envelope());
    }
    for (name, value) in root.members() {
        match name.string().as_deref() {
            Some("schema") => found.0 = Some(value),
            Some("payload") => found.1 = Some(value),
            _ => return Err(no_envelope()),
        }
    }
    match found {
        (Some(schema), Some(payload)) => Ok((schema, payload)),
        _ => Err(no_envelope()),
    }
}

impl Converter for JsonConverter {
    fn encode(
        &mut self,
        _topic: &str,
        schema: Option<&Schema>,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Encoded> {
        if schema.is_none() && value.is_null() {
            return Ok(Encoded::Null);
        }
        let start = out.len();
        let written = if self.schemas_enabled {
            self.encode_enveloped(schema, value, out)
        } else {
            self.writing.value(schema, value, 0, out)
        };
        if written.is_err() {
            out.truncate(start);
        }
        written.map(|()| Encoded::Written)
    }

    fn decode<'a>(&mut self, _topic: &str, bytes: Option<&'a [u8]>) -> Result<SchemaAndValue<'a>> {
        let Some(bytes) = bytes else {
            return Ok(SchemaAndValue::NULL);
        };
        match encoding::text(bytes).ok_or_else(|| ConnectError::data(NOT_JSON))? {
            Cow::Borrowed(text) => self.decode_text(text),
            Cow::Owned(text) => Ok(self.decode_text(&text)?.into_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
