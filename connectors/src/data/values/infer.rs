//! The schema that a value without one would have.

use crate::data::{Map, Schema, SchemaBuilder, Type, Value};

/// The schema of a value; nothing if it has none, as a date or a mixed list has.
pub fn infer_schema(value: &Value<'_>) -> Option<Schema> {
    Some(match value {
        Value::String(_) => Schema::string(),
        Value::Boolean(_) => Schema::boolean(),
        Value::Int8(_) => Schema::int8(),
        Value::Int16(_) => Schema::int16(),
        Value::Int32(_) => Schema::int32(),
        Value::Int64(_) => Schema::int64(),
        Value::Float32(_) => Schema::float32(),
        Value::Float64(_) => Schema::float64(),
        Value::Bytes(_) => Schema::bytes(),
        Value::Array(list) => {
            let element = common(list.iter())?;
            SchemaBuilder::array(element).build()
        }
        Value::Map(map) => of_map(map)?,
        Value::Struct(content) => content.schema().clone(),
        Value::Null | Value::Decimal(_) | Value::Date(_) | Value::BigInt(_) => return None,
    })
}

fn of_map(map: &Map<'_>) -> Option<Schema> {
    let keys = common(map.iter().map(|(key, _)| key))?;
    let values = common(map.iter().map(|(_, value)| value))?;
    Some(SchemaBuilder::map(keys, values).build())
}

/// A schema of the one type that all have, optional if one is null. Java makes it of the type
/// alone.
fn common<'v, 'a: 'v>(values: impl Iterator<Item = &'v Value<'a>>) -> Option<Schema> {
    let mut known: Option<Type> = None;
    let mut has_null = false;
    for value in values {
        if value.is_null() {
            has_null = true;
            continue;
        }
        let kind = infer_schema(value)?.kind();
        if known.is_some_and(|known| known != kind) {
            return None;
        }
        known = Some(kind);
    }
    Some(SchemaBuilder::new(known?).build().with_optional(has_null))
}
