//! Records: what goes from a source through transforms to converters, and back to a sink.

use std::borrow::Cow;

use super::{ConnectHeaders, Map, Schema, Value};

/// What time a record's timestamp is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    #[default]
    NoTimestampType,
    CreateTime,
    LogAppendTime,
}

/// Where a source had a record from; it keeps this for ever (`SourceRecord`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceOrigin<'a> {
    pub partition: Option<Map<'a>>,
    pub offset: Option<Map<'a>>,
}

/// Where in Kafka a record was read (`SinkRecord`). The originals outlive transforms that rename
/// the topic (KIP-793).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SinkOrigin<'a> {
    pub kafka_offset: i64,
    pub timestamp_type: TimestampType,
    pub original_topic: Option<Cow<'a, str>>,
    pub original_kafka_partition: Option<i32>,
    pub original_kafka_offset: i64,
}

/// Which side a record came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin<'a> {
    Source(SourceOrigin<'a>),
    Sink(SinkOrigin<'a>),
}

/// A record. Transforms take it and give it back, so that what they do not touch is not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectRecord<'a> {
    pub topic: Option<Cow<'a, str>>,
    pub kafka_partition: Option<i32>,
    pub key_schema: Option<Schema>,
    pub key: Value<'a>,
    pub value_schema: Option<Schema>,
    pub value: Value<'a>,
    pub timestamp: Option<i64>,
    pub headers: ConnectHeaders<'a>,
    pub origin: Origin<'a>,
}

impl<'a> ConnectRecord<'a> {
    /// A source's record with nothing but a topic.
    pub fn source(topic: impl Into<Cow<'a, str>>) -> Self {
        Self::empty(Some(topic.into()), Origin::Source(SourceOrigin::default()))
    }

    /// A sink's record with nothing but its place in Kafka.
    pub fn sink(topic: impl Into<Cow<'a, str>>, partition: i32, offset: i64) -> Self {
        let topic = topic.into();
        let origin = SinkOrigin {
            kafka_offset: offset,
            timestamp_type: TimestampType::NoTimestampType,
            original_topic: Some(topic.clone()),
            original_kafka_partition: Some(partition),
            original_kafka_offset: offset,
        };
        let mut record = Self::empty(Some(topic), Origin::Sink(origin));
        record.kafka_partition = Some(partition);
        record
    }

    fn empty(topic: Option<Cow<'a, str>>, origin: Origin<'a>) -> Self {
        Self {
            topic,
            kafka_partition: None,
            key_schema: None,
            key: Value::Null,
            value_schema: None,
            value: Value::Null,
            timestamp: None,
            headers: ConnectHeaders::new(),
            origin,
        }
    }

    #[must_use]
    pub fn with_key(mut self, schema: Option<Schema>, key: impl Into<Value<'a>>) -> Self {
        self.key_schema = schema;
        self.key = key.into();
        self
    }

    #[must_use]
    pub fn with_value(mut self, schema: Option<Schema>, value: impl Into<Value<'a>>) -> Self {
        self.value_schema = schema;
        self.value = value.into();
        self
    }
}
