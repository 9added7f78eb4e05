//! Values as Java's `String.valueOf` shows them: in messages, and in what StringConverter and the
//! file sink write.

use std::fmt;

use super::{ConnectRecord, Map, Origin, Schema, Struct, TimestampType, Value};
use crate::java;

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Int8(number) => number.fmt(f),
            Self::Int16(number) => number.fmt(f),
            Self::Int32(number) => number.fmt(f),
            Self::Int64(number) => number.fmt(f),
            Self::Float32(number) => java::FloatText(*number).fmt(f),
            Self::Float64(number) => java::DoubleText(*number).fmt(f),
            Self::Boolean(truth) => truth.fmt(f),
            Self::String(text) => f.write_str(text),
            // Java shows where the array lies in memory; that tells nobody anything.
            Self::Bytes(_) => f.write_str("[B@0"),
            Self::Array(list) => write_list(f, list),
            Self::Map(map) => map.fmt(f),
            Self::Struct(content) => content.fmt(f),
            Self::Decimal(number) => number.fmt(f),
            Self::Date(millis) => java::DateText(*millis).fmt(f),
            Self::BigInt(number) => number.fmt(f),
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, list: &[Value<'_>]) -> fmt::Result {
    f.write_str("[")?;
    for (index, value) in list.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(f, "{comma}{value}")?;
    }
    f.write_str("]")
}

impl fmt::Display for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (key, value)) in self.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{key}={value}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Struct<'_> {
    /// Members that are null are left out; defaults are not filled in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Struct{")?;
        let members = self.schema().struct_fields().iter().zip(self.slots());
        let present = members.filter(|(_, value)| !value.is_null());
        for (index, (field, value)) in present.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{}={value}", field.name())?;
        }
        f.write_str("}")
    }
}

/// What may be absent, which Java shows as `null`.
struct OrNull<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for OrNull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(content) => content.fmt(f),
            None => f.write_str("null"),
        }
    }
}

impl fmt::Display for ConnectRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Source(origin) => write!(
                f,
                "SourceRecord{{sourcePartition={}, sourceOffset={}}} ",
                OrNull(origin.partition.as_ref()),
                OrNull(origin.offset.as_ref())
            )?,
            Origin::Sink(origin) => {
                let kind = match origin.timestamp_type {
                    TimestampType::NoTimestampType => "NoTimestampType",
                    TimestampType::CreateTime => "CreateTime",
                    TimestampType::LogAppendTime => "LogAppendTime",
                };
                write!(
                    f,
                    "SinkRecord{{kafkaOffset={}, timestampType={kind}, originalTopic={}, \
                     originalKafkaPartition={}, originalKafkaOffset={}}} ",
                    origin.kafka_offset,
                    OrNull(origin.original_topic.as_ref()),
                    OrNull(origin.original_kafka_partition),
                    origin.original_kafka_offset
                )?;
            }
        }
        let schema = |schema: &Option<Schema>| OrNull(schema.clone());
        write!(
            f,
            "ConnectRecord{{topic='{}', kafkaPartition={}, key={}, keySchema={}, value={}, \
             valueSchema={}, timestamp={}, headers=ConnectHeaders(headers=",
            OrNull(self.topic.as_ref()),
            OrNull(self.kafka_partition),
            self.key,
            schema(&self.key_schema),
            self.value,
            schema(&self.value_schema),
            OrNull(self.timestamp)
        )?;
        for (index, header) in self.headers.iter().enumerate() {
            let before = if index > 0 { ", " } else { "[" };
            let (key, value) = (&header.key, &header.value);
            let schema = schema(&header.schema);
            write!(
                f,
                "{before}ConnectHeader(key={key}, value={value}, schema={schema})"
            )?;
        }
        f.write_str(if self.headers.is_empty() { ")}" } else { "])}" })
    }
}
