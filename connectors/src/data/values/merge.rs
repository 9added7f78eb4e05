//! The schema that the elements of an array, or the keys and values of a map, have in common.

use super::convert;
use crate::data::{Map, Result, Schema, SchemaAndValue, SchemaBuilder, Type, Value};

#[derive(Debug, Default)]
pub(super) struct Merger {
    common: Option<Schema>,
    is_broken: bool,
}

impl Merger {
    /// Null fits anything.
    pub(super) fn merge(&mut self, latest: Option<&SchemaAndValue<'_>>) {
        let Some(latest) = latest.and_then(|latest| latest.schema.as_ref()) else {
            return;
        };
        if self.is_broken {
            return;
        }
        self.common = match self.common.take() {
            None => Some(latest.clone()),
            Some(common) => merged(&common, latest),
        };
        self.is_broken = self.common.is_none();
    }

    pub(super) fn common(&self) -> Option<&Schema> {
        self.common.as_ref()
    }
}

/// Numbers from the narrowest to the widest.
fn width(kind: Type) -> Option<u8> {
    match kind {
        Type::Int8 => Some(0),
        Type::Int16 => Some(1),
        Type::Int32 => Some(2),
        Type::Int64 => Some(3),
        Type::Float32 => Some(4),
        Type::Float64 => Some(5),
        _ => None,
    }
}

fn merged(previous: &Schema, latest: &Schema) -> Option<Schema> {
    if previous.kind() != latest.kind() {
        let (have, want) = (width(previous.kind())?, width(latest.kind())?);
        return Some(if want > have { latest } else { previous }.clone());
    }
    if previous.is_optional() == latest.is_optional() {
        return Some(
            if previous.is_optional() {
                previous
            } else {
                latest
            }
            .clone(),
        );
    }
    (previous == latest).then(|| previous.clone())
}

/// A map converted to the schemas that its keys and values share, as far as they share one.
pub(super) fn aligned<'a>(
    map: Map<'a>,
    keys: Option<&Schema>,
    values: Option<&Schema>,
) -> Result<SchemaAndValue<'a>> {
    let Some(keys) = keys else {
        let schema = SchemaBuilder::map_of_null().build();
        return Ok(SchemaAndValue::new(Some(schema), Value::Map(map)));
    };
    let mut result = Map::new();
    for (key, value) in map {
        let value = match values {
            Some(values) => (convert::to(keys, key)?, convert::to(values, value)?),
            None => (convert::to(keys, key)?, value),
        };
        result.insert(value.0, value.1);
    }
    let builder = match values {
        Some(values) => SchemaBuilder::map(keys.clone(), values.clone()),
        None => SchemaBuilder::map_with_null_values(keys.clone()),
    };
    Ok(SchemaAndValue::new(
        Some(builder.build()),
        Value::Map(result),
    ))
}
