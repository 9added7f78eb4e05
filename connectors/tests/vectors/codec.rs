//! Values, schemas and records as the vectors write them; the recorder's `Codec` and `Records` in
//! Rust.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connectors::data::{
    BigDecimal, ConnectHeaders, ConnectRecord, Map, Origin, Schema, SchemaAndValue, SchemaBuilder,
    SinkOrigin, SourceOrigin, Struct, TimestampType, Type, Value,
};
use serde_json::{Value as Json, json};

/// Whether two outcomes say the same: entries of a map may stand in any order, for Java's maps have
/// none.
pub(crate) fn is_same(theirs: &Json, ours: &Json) -> bool {
    match (theirs, ours) {
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| match (key.as_str(), a, b.get(key)) {
                        ("map" | "parameters", Json::Array(a), Some(Json::Array(b))) => {
                            same_entries(a, b)
                        }
                        (_, a, Some(b)) => is_same(a, b),
                        (_, _, None) => false,
                    })
        }
        _ => theirs == ours,
    }
}

fn same_entries(a: &[Json], b: &[Json]) -> bool {
    a.len() == b.len()
        && a.iter()
            .all(|entry| b.iter().any(|other| is_same(entry, other)))
}

/// A value; nothing if it is a string that is not Unicode.
pub(crate) fn value(json: &Json) -> Option<Value<'static>> {
    let Some(object) = json.as_object() else {
        return Some(Value::Null);
    };
    let (kind, content) = object.iter().next().expect("a value has a kind");
    let int = || content.as_i64().expect("an integer");
    let text = || content.as_str().expect("a text");
    Some(match kind.as_str() {
        "int8" => Value::Int8(int().try_into().expect("in range")),
        "int16" => Value::Int16(int().try_into().expect("in range")),
        "int32" => Value::Int32(int().try_into().expect("in range")),
        "int64" => Value::Int64(int()),
        "float32" => Value::Float32(f32::from_bits(
            u32::from_str_radix(text(), 16).expect("hex"),
        )),
        "float64" => Value::Float64(f64::from_bits(
            u64::from_str_radix(text(), 16).expect("hex"),
        )),
        "boolean" => Value::Boolean(content.as_bool().expect("a boolean")),
        "string" => Value::from(text().to_owned()),
        "utf16" => return None,
        "bytes" => Value::bytes(BASE64.decode(text()).expect("base64")),
        "decimal" => {
            let scale = content[1]
                .as_i64()
                .expect("a scale")
                .try_into()
                .expect("in range");
            let unscaled = content[0]
                .as_str()
                .expect("digits")
                .parse()
                .expect("digits");
            Value::decimal(BigDecimal::new(unscaled, scale))
        }
        "bigint" => Value::BigInt(Box::new(text().parse().expect("digits"))),
        "date" => Value::Date(int()),
        "array" => Value::Array(items(content).iter().map(value).collect::<Option<_>>()?),
        "map" => {
            let mut map = Map::new();
            for entry in items(content) {
                map.insert(value(&entry[0])?, value(&entry[1])?);
            }
            Value::Map(map)
        }
        "struct" => {
            let schema = schema(&content["schema"])?.expect("a struct has a schema");
            let slots = items(&content["slots"]).iter().map(value);
            Value::Struct(Struct::from_slots(schema, slots.collect::<Option<_>>()?))
        }
        other => panic!("no value is of kind {other}"),
    })
}

fn items(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

/// A schema, which may be none; nothing if a string in it is not Unicode.
#[expect(clippy::option_option, reason = "no schema is a schema too")]
pub(crate) fn schema(json: &Json) -> Option<Option<Schema>> {
    if json.is_null() {
        return Some(None);
    }
    let name = json["type"].as_str().expect("a schema has a type");
    let kind = Type::ALL
        .into_iter()
        .find(|kind| kind.as_str() == name)
        .expect("a type");
    let inner = |key: &str| schema(&json[key]);
    let mut builder = match kind {
        Type::Map => match (inner("keys")?, inner("values")?) {
            (Some(keys), Some(values)) => SchemaBuilder::map(keys, values),
            (Some(keys), None) => SchemaBuilder::map_with_null_values(keys),
            _ => SchemaBuilder::map_of_null(),
        },
        Type::Array => match inner("values")? {
            Some(values) => SchemaBuilder::array(values),
            None => SchemaBuilder::array_of_null(),
        },
        _ => SchemaBuilder::new(kind),
    };
    for field in items(&json["fields"]) {
        let member = schema(&field[1])?.expect("a member has a schema");
        let name = field[0].as_str().expect("a member has a name");
        builder.add_field(name, member).expect("names differ");
    }
    for entry in items(&json["parameters"]) {
        let (name, value) = (entry[0].as_str(), entry[1].as_str());
        builder = builder.parameter(name.expect("a name"), value.expect("a value"));
    }
    if let Some(name) = json["name"].as_str() {
        builder = builder.name(name).expect("set once");
    }
    if let Some(version) = json["version"].as_i64() {
        builder = builder
            .version(version.try_into().expect("in range"))
            .expect("set once");
    }
    if let Some(doc) = json["doc"].as_str() {
        builder = builder.doc(doc).expect("set once");
    }
    if json["optional"] == true {
        builder = builder.optional().expect("set once");
    }
    let default = value(&json["default"])?;
    let built = builder.build();
    Some(Some(match default {
        Value::Null => built,
        // Unlike a builder, this takes structs too.
        default => built.with_default(default),
    }))
}

pub(crate) fn of_value(value: &Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int8(number) => json!({ "int8": number }),
        Value::Int16(number) => json!({ "int16": number }),
        Value::Int32(number) => json!({ "int32": number }),
        Value::Int64(number) => json!({ "int64": number }),
        Value::Float32(number) if number.is_nan() => json!({ "float32": "7fc00000" }),
        Value::Float32(number) => json!({ "float32": format!("{:08x}", number.to_bits()) }),
        Value::Float64(number) if number.is_nan() => json!({ "float64": "7ff8000000000000" }),
        Value::Float64(number) => json!({ "float64": format!("{:016x}", number.to_bits()) }),
        Value::Boolean(truth) => json!({ "boolean": truth }),
        Value::String(text) => json!({ "string": text }),
        Value::Bytes(content) => json!({ "bytes": BASE64.encode(content) }),
        Value::Array(list) => json!({ "array": list.iter().map(of_value).collect::<Vec<_>>() }),
        Value::Map(map) => {
            let entry = |(key, value)| json!([of_value(key), of_value(value)]);
            json!({ "map": map.iter().map(entry).collect::<Vec<_>>() })
        }
        Value::Struct(content) => {
            let slots: Vec<Json> = content.slots().iter().map(of_value).collect();
            json!({ "struct": { "schema": of_schema(Some(content.schema())), "slots": slots } })
        }
        Value::Decimal(number) => {
            json!({ "decimal": [number.unscaled().to_string(), number.scale()] })
        }
        Value::Date(millis) => json!({ "date": millis }),
        Value::BigInt(number) => json!({ "bigint": number.to_string() }),
    }
}

pub(crate) fn of_schema(schema: Option<&Schema>) -> Json {
    let Some(schema) = schema else {
        return Json::Null;
    };
    let mut json = json!({ "type": schema.kind().as_str() });
    let mut put = |name: &str, value: Json| json[name] = value;
    if schema.is_optional() {
        put("optional", true.into());
    }
    if let Some(name) = schema.name() {
        put("name", name.into());
    }
    if let Some(version) = schema.version() {
        put("version", version.into());
    }
    if let Some(doc) = schema.doc() {
        put("doc", doc.into());
    }
    if let Some(default) = schema.default_value() {
        put("default", of_value(default));
    }
    if let Some(parameters) = schema.parameters() {
        let entries: Vec<Json> = parameters.iter().map(|(k, v)| json!([k, v])).collect();
        put("parameters", entries.into());
    }
    let inner = |schema: Option<&Schema>| of_schema(schema);
    match schema.kind() {
        Type::Struct => {
            let member = |f: &connectors::data::Field| json!([f.name(), inner(Some(f.schema()))]);
            let members: Vec<Json> = schema.struct_fields().iter().map(member).collect();
            put("fields", members.into());
        }
        Type::Map => {
            put("keys", inner(schema.key_schema().expect("a map")));
            put("values", inner(schema.value_schema().expect("a map")));
        }
        Type::Array => put("values", inner(schema.value_schema().expect("an array"))),
        _ => {}
    }
    json
}

pub(crate) fn of_pair(pair: &SchemaAndValue<'_>) -> Json {
    json!({ "schema": of_schema(pair.schema.as_ref()), "value": of_value(&pair.value) })
}

/// A record; nothing if a string in it is not Unicode.
pub(crate) fn record(json: &Json) -> Option<ConnectRecord<'static>> {
    let text = |name: &str| json[name].as_str().map(|text| Cow::Owned(text.to_owned()));
    let int = |name: &str| json[name].as_i64().map(|n| n.try_into().expect("in range"));
    let mut headers = ConnectHeaders::new();
    for header in items(&json["headers"]) {
        let content = SchemaAndValue::new(schema(&header[1])?, value(&header[2])?);
        let key = header[0].as_str().expect("a header has a key").to_owned();
        headers.add_unchecked(key, content);
    }
    let map = |name: &str| match value(&json[name]) {
        Some(Value::Map(map)) => Some(map),
        _ => None,
    };
    let origin = match json["kind"].as_str() {
        Some("sink") => {
            let times = [
                ("CREATE_TIME", TimestampType::CreateTime),
                ("LOG_APPEND_TIME", TimestampType::LogAppendTime),
            ];
            let named = times
                .into_iter()
                .find(|(name, _)| json["timestampType"] == *name);
            Origin::Sink(SinkOrigin {
                kafka_offset: json["offset"].as_i64().unwrap_or_default(),
                timestamp_type: named.map_or(TimestampType::NoTimestampType, |(_, kind)| kind),
                original_topic: text("originalTopic").or_else(|| text("topic")),
                original_kafka_partition: int("originalPartition").or(Some(0)),
                original_kafka_offset: json["originalOffset"].as_i64().unwrap_or_default(),
            })
        }
        _ => Origin::Source(SourceOrigin {
            partition: map("sourcePartition"),
            offset: map("sourceOffset"),
        }),
    };
    Some(ConnectRecord {
        topic: text("topic"),
        kafka_partition: int("partition"),
        key_schema: schema(&json["keySchema"])?,
        key: value(&json["key"])?,
        value_schema: schema(&json["valueSchema"])?,
        value: value(&json["value"])?,
        timestamp: json["timestamp"].as_i64(),
        headers,
        origin,
    })
}

pub(crate) fn of_record(record: &ConnectRecord<'_>) -> Json {
    let mut json = json!({
        "keySchema": of_schema(record.key_schema.as_ref()),
        "key": of_value(&record.key),
        "valueSchema": of_schema(record.value_schema.as_ref()),
        "value": of_value(&record.value),
    });
    if let Some(topic) = &record.topic {
        json["topic"] = (**topic).into();
    }
    if let Some(partition) = record.kafka_partition {
        json["partition"] = partition.into();
    }
    if let Some(timestamp) = record.timestamp {
        json["timestamp"] = timestamp.into();
    }
    let header = |header: &connectors::data::Header<'_>| {
        json!([
            header.key,
            of_schema(header.schema.as_ref()),
            of_value(&header.value)
        ])
    };
    json["headers"] = record.headers.iter().map(header).collect::<Vec<_>>().into();
    match &record.origin {
        Origin::Source(origin) => {
            let map = |map: &Option<Map<'_>>| {
                let map = map.clone();
                map.map_or(Json::Null, |map| of_value(&Value::Map(map)))
            };
            json["kind"] = "source".into();
            json["sourcePartition"] = map(&origin.partition);
            json["sourceOffset"] = map(&origin.offset);
        }
        Origin::Sink(origin) => {
            json["kind"] = "sink".into();
            json["offset"] = origin.kafka_offset.into();
            json["timestampType"] = match origin.timestamp_type {
                TimestampType::NoTimestampType => "NO_TIMESTAMP_TYPE",
                TimestampType::CreateTime => "CREATE_TIME",
                TimestampType::LogAppendTime => "LOG_APPEND_TIME",
            }
            .into();
            json["originalTopic"] = origin.original_topic.as_deref().into();
            json["originalPartition"] = origin.original_kafka_partition.into();
            json["originalOffset"] = origin.original_kafka_offset.into();
        }
    }
    json
}

#[test]
fn records_come_through_unchanged() {
    let source = json!({
        "kind": "source", "topic": "t", "partition": 3, "timestamp": 5,
        "headers": [["h", null, { "int8": 1 }]],
        "keySchema": null, "key": { "map": [[{ "string": "k" }, null]] },
        "valueSchema": { "type": "STRING" },
        "value": { "string": "v" }, "sourcePartition": { "map": [] }, "sourceOffset": null,
    });
    let sink = json!({
        "kind": "sink", "topic": "t", "partition": 3, "headers": [], "keySchema": null, "key": null,
        "valueSchema": null, "value": null, "offset": 7, "timestampType": "CREATE_TIME",
        "originalTopic": "o", "originalPartition": 4, "originalOffset": 8,
    });
    for json in [source, sink] {
        assert_eq!(of_record(&record(&json).expect("all is Unicode")), json);
    }
}
