//! `InsertField`: adds members with what is known of the record (topic, partition, offset,
//! timestamp) or with a fixed text.

use super::require::{self, moved};
use super::schema_cache::SchemaCache;
use super::{Configure, Part, REPLACE_NULL_WITH_DEFAULT, Transform};
use crate::config::{ConfigDef, Importance, Key, Props, invalid};
use crate::data::{
    ConnectError, ConnectRecord, Origin, Result, Schema, Struct, Timestamp, Value, validate_field,
};

const TOPIC_FIELD: Key<Option<String>> = field_key(
    "topic.field",
    "Name of the field that gets the topic. `!` at its end makes it required, `?` optional, as it \
     is without",
);
const PARTITION_FIELD: Key<Option<String>> = field_key(
    "partition.field",
    "Name of the field that gets the partition; ends in `!` if required, may end in `?`",
);
const OFFSET_FIELD: Key<Option<String>> = field_key(
    "offset.field",
    "Name of the field that gets the offset, which only sinks have; ends in `!` if required, may \
     end in `?`",
);
const TIMESTAMP_FIELD: Key<Option<String>> = field_key(
    "timestamp.field",
    "Name of the field that gets the timestamp; ends in `!` if required, may end in `?`",
);
const STATIC_FIELD: Key<Option<String>> = field_key(
    "static.field",
    "Name of the field that gets `static.value`; ends in `!` if required, may end in `?`",
);
const STATIC_VALUE: Key<Option<String>> =
    field_key("static.value", "What `static.field` gets in every record");

const fn field_key(name: &'static str, doc: &'static str) -> Key<Option<String>> {
    Key::new(name)
        .null_default()
        .importance(Importance::Medium)
        .doc(doc)
}

const PURPOSE: &str = "field insertion";

/// What is inserted, in Java's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static,
}

#[derive(Debug)]
struct Insertion {
    content: Content,
    name: String,
    optional: bool,
}

impl Insertion {
    fn parse(content: Content, text: Option<String>) -> Option<Self> {
        let text = text?;
        let (name, optional) = match text.strip_suffix(['?', '!']) {
            Some(name) => (name.to_owned(), text.ends_with('?')),
            None => (text, true),
        };
        Some(Self {
            content,
            name,
            optional,
        })
    }

    fn schema(&self) -> Schema {
        let required = match self.content {
            Content::Topic | Content::Static => Schema::string(),
            Content::Partition => Schema::int32(),
            Content::Offset => Schema::int64(),
            Content::Timestamp => Timestamp::schema(),
        };
        required.with_optional(self.optional)
    }
}

#[derive(Debug)]
pub(super) struct InsertField {
    part: Part,
    insertions: Vec<Insertion>,
    static_value: Option<String>,
    replace_null_with_default: bool,
    schemas: SchemaCache<Schema>,
}

impl Configure for InsertField {
    fn config() -> ConfigDef {
        ConfigDef::new(&[
            TOPIC_FIELD.spec,
            PARTITION_FIELD.spec,
            OFFSET_FIELD.spec,
            TIMESTAMP_FIELD.spec,
            STATIC_FIELD.spec,
            STATIC_VALUE.spec,
            REPLACE_NULL_WITH_DEFAULT.spec,
        ])
    }

    fn configure(part: Part, props: &Props) -> Result<Self> {
        let settings = Self::config().parse(props)?;
        let insertions: Vec<_> = [
            (Content::Topic, &TOPIC_FIELD),
            (Content::Partition, &PARTITION_FIELD),
            (Content::Offset, &OFFSET_FIELD),
            (Content::Timestamp, &TIMESTAMP_FIELD),
            (Content::Static, &STATIC_FIELD),
        ]
        .into_iter()
        .filter_map(|(content, key)| Insertion::parse(content, settings.get(key)))
        .collect();
        if insertions.is_empty() {
            return Err(ConnectError::config("No field insertion configured"));
        }
        let static_value = settings.get(&STATIC_VALUE);
        let is_static = |insertion: &&Insertion| insertion.content == Content::Static;
        if let Some(insertion) = insertions.iter().find(is_static)
            && static_value.is_none()
        {
            return Err(no_static_value(&insertion.name));
        }
        Ok(Self {
            part,
            insertions,
            static_value,
            replace_null_with_default: settings.get(&REPLACE_NULL_WITH_DEFAULT),
            schemas: SchemaCache::default(),
        })
    }
}

/// Java shows an object of its own behind the colon, by its address.
fn no_static_value(field: &str) -> ConnectError {
    let message = format!("No value specified for static field: {field}");
    invalid(STATIC_VALUE.spec.name, &"null", &message)
}

impl Transform for InsertField {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        if self.part.value(&record).is_null() {
            return Ok(Some(record));
        }
        let (schema, value) = self.part.take(&mut record);
        if schema.is_none() {
            let mut map = require::map(value, PURPOSE)?;
            for insertion in &self.insertions {
                if let Some(value) = self.content(insertion.content, &record, false)? {
                    map.insert(insertion.name.as_str(), value);
                }
            }
            return Ok(Some(self.part.put(record, None, Value::Map(map))));
        }
        let content = require::structure(value, PURPOSE)?;
        let updated = self.insert(content, &record)?;
        let schema = Some(updated.schema().clone());
        Ok(Some(self.part.put(record, schema, Value::Struct(updated))))
    }
}

impl InsertField {
    fn insert<'a>(&'a self, content: Struct<'a>, record: &ConnectRecord<'a>) -> Result<Struct<'a>> {
        let schema = content.schema().clone();
        let updated = self.schemas.get(&schema, || self.plan(&schema))?;
        let fields = updated.struct_fields();
        let mut slots = Vec::with_capacity(fields.len());
        for (field, value) in fields.iter().zip(content.into_slots()) {
            slots.push(moved(field, value, self.replace_null_with_default)?);
        }
        for insertion in &self.insertions {
            let field = &fields[slots.len()];
            let value = self.content(insertion.content, record, true)?;
            if let Some(value) = &value {
                validate_field(field.name(), field.schema(), value)?;
            }
            slots.push(value.unwrap_or_default());
        }
        Ok(Struct::from_slots((*updated).clone(), slots))
    }

    /// What is inserted; nothing if the record has no such thing, where Java puts nothing.
    fn content<'a>(
        &'a self,
        content: Content,
        record: &ConnectRecord<'a>,
        has_schema: bool,
    ) -> Result<Option<Value<'a>>> {
        Ok(match content {
            Content::Topic => Some(match &record.topic {
                Some(topic) => Value::String(topic.clone()),
                None => Value::Null,
            }),
            Content::Partition => record.kafka_partition.map(Value::Int32),
            Content::Offset => match &record.origin {
                Origin::Sink(sink) => Some(Value::Int64(sink.kafka_offset)),
                Origin::Source(_) => {
                    return Err(ConnectError::data(format!(
                        "Only SinkRecord supported for [{PURPOSE}], found: \
                         org.apache.kafka.connect.source.SourceRecord"
                    )));
                }
            },
            Content::Timestamp if has_schema => record.timestamp.map(Value::Date),
            Content::Timestamp => record.timestamp.map(Value::Int64),
            Content::Static => self.static_value.as_deref().map(Value::from),
        })
    }

    fn plan(&self, schema: &Schema) -> Result<Schema> {
        let mut builder = require::struct_like(schema);
        for field in schema.fields()? {
            builder.add_field(field.name(), field.schema().clone())?;
        }
        for insertion in &self.insertions {
            builder.add_field(&insertion.name, insertion.schema())?;
        }
        Ok(builder.build())
    }
}
