//! Whether a value fits a schema: `ConnectSchema.validateValue`, with its messages.
//!
//! A value's type must be exactly the schema's; nothing is widened. A logical type's name decides
//! before the type does.

use std::fmt;

use super::{ConnectError, Date, Decimal, Result, Schema, Time, Timestamp, Type, Value};

/// Whether `value` fits `schema`.
pub fn validate_value(schema: &Schema, value: &Value<'_>) -> Result<()> {
    validate(schema, value, &Location::Value)
}

/// Whether `value` fits `schema`; an error names the member `field`.
pub fn validate_field(field: &str, schema: &Schema, value: &Value<'_>) -> Result<()> {
    validate(schema, value, &Location::Field(field))
}

/// Where in a value something is. Written only if there is something to complain about.
enum Location<'l> {
    Value,
    Field(&'l str),
    Element(&'l Self),
    Key(&'l Self),
    MapValue(&'l Self),
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value => f.write_str("value"),
            Self::Field(name) => write!(f, "field: \"{name}\""),
            Self::Element(outer) => write!(f, "element of array {outer}"),
            Self::Key(outer) => write!(f, "key of map {outer}"),
            Self::MapValue(outer) => write!(f, "value of map {outer}"),
        }
    }
}

fn validate(schema: &Schema, value: &Value<'_>, location: &Location<'_>) -> Result<()> {
    if value.is_null() {
        if schema.is_optional() {
            return Ok(());
        }
        let kind = schema.kind();
        return Err(ConnectError::data(format!(
            "Invalid value: null used for required {location}, schema type: {kind}"
        )));
    }
    if !is_expected(schema, value) {
        return Err(mismatch(schema, value, location));
    }
    // A logical name on an array, map or struct lets another class of value pass; Java's cast fails
    // then.
    match (schema.kind(), value) {
        (Type::Struct, Value::Struct(content)) => {
            if content.schema() != schema {
                return Err(ConnectError::data("Struct schemas do not match."));
            }
            content.validate()
        }
        (Type::Array, Value::Array(list)) => {
            let place = Location::Element(location);
            let element = required(schema.value_schema()?, &place)?;
            list.iter()
                .try_for_each(|value| validate(element, value, &place))
        }
        (Type::Map, Value::Map(map)) => {
            let (key_place, value_place) = (Location::Key(location), Location::MapValue(location));
            let key_schema = required(schema.key_schema()?, &key_place)?;
            let value_schema = required(schema.value_schema()?, &value_place)?;
            map.iter().try_for_each(|(key, value)| {
                validate(key_schema, key, &key_place)?;
                validate(value_schema, value, &value_place)
            })
        }
        (Type::Struct | Type::Array | Type::Map, _) => Err(mismatch(schema, value, location)),
        _ => Ok(()),
    }
}

fn required<'s>(schema: Option<&'s Schema>, location: &Location<'_>) -> Result<&'s Schema> {
    schema.ok_or_else(|| ConnectError::data(format!("No schema defined for {location}")))
}

fn is_expected(schema: &Schema, value: &Value<'_>) -> bool {
    match schema.name() {
        Some(Decimal::NAME) => return matches!(value, Value::Decimal(_)),
        Some(Date::NAME | Time::NAME | Timestamp::NAME) => return matches!(value, Value::Date(_)),
        _ => {}
    }
    match schema.kind() {
        Type::Int8 => matches!(value, Value::Int8(_)),
        Type::Int16 => matches!(value, Value::Int16(_)),
        Type::Int32 => matches!(value, Value::Int32(_)),
        Type::Int64 => matches!(value, Value::Int64(_)),
        Type::Float32 => matches!(value, Value::Float32(_)),
        Type::Float64 => matches!(value, Value::Float64(_)),
        Type::Boolean => matches!(value, Value::Boolean(_)),
        Type::String => matches!(value, Value::String(_)),
        Type::Bytes => matches!(value, Value::Bytes(_)),
        Type::Array => matches!(value, Value::Array(_)),
        Type::Map => matches!(value, Value::Map(_)),
        Type::Struct => matches!(value, Value::Struct(_)),
    }
}

fn mismatch(schema: &Schema, value: &Value<'_>, location: &Location<'_>) -> ConnectError {
    let name = schema
        .name()
        .map(|name| format!(" \"{name}\""))
        .unwrap_or_default();
    let (kind, class) = (schema.kind(), value.java_class());
    ConnectError::data(format!(
        "Invalid Java object for schema{name} with type {kind}: class {class} for {location}"
    ))
}
