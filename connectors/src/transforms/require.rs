//! What transforms ask of a value before they begin, and small things that many of them do to one.

use crate::config::{Check, Setting};
use crate::data::{
    ConnectError, ErrorClass, Field, Map, Result, Schema, SchemaBuilder, Struct, Value,
    validate_field,
};

fn found(value: &Value<'_>) -> &'static str {
    value.java_class()
}

/// The map of a record without a schema.
pub(super) fn map<'a>(value: Value<'a>, purpose: &str) -> Result<Map<'a>> {
    match value {
        Value::Map(map) => Ok(map),
        other => Err(no_map(&other, purpose)),
    }
}

pub(super) fn no_map(value: &Value<'_>, purpose: &str) -> ConnectError {
    ConnectError::data(format!(
        "Only Map objects supported in absence of schema for [{purpose}], found: {}",
        found(value)
    ))
}

/// The struct of a record with a schema.
pub(super) fn structure<'a>(value: Value<'a>, purpose: &str) -> Result<Struct<'a>> {
    match value {
        Value::Struct(content) => Ok(content),
        other => Err(no_struct(&other, purpose)),
    }
}

pub(super) fn no_struct(value: &Value<'_>, purpose: &str) -> ConnectError {
    ConnectError::data(format!(
        "Only Struct objects supported for [{purpose}], found: {}",
        found(value)
    ))
}

/// A value on its way from one struct into another whose member has the same schema: all that can
/// be wrong with it is that it is null.
pub(super) fn moved<'a>(
    field: &Field,
    value: Value<'a>,
    replace_null_with_default: bool,
) -> Result<Value<'a>> {
    if !value.is_null() {
        return Ok(value);
    }
    let schema = field.schema();
    match schema.default_value() {
        Some(default) if replace_null_with_default => Ok(default.clone()),
        _ if schema.is_optional() => Ok(Value::Null),
        _ => validate_field(field.name(), schema, &Value::Null).map(|()| Value::Null),
    }
}

/// A new struct schema with another's name, version, documentation and parameters, but not its
/// optionality and default.
pub(super) fn struct_like(schema: &Schema) -> SchemaBuilder {
    schema.copy_basics(SchemaBuilder::structure())
}

/// A key of a map must be a string; Java's cast fails otherwise.
pub(super) fn string_key<'k>(key: &'k Value<'_>) -> Result<&'k str> {
    key.as_str()
        .ok_or_else(|| class_cast(key, "java.lang.String"))
}

/// A cast between two classes of Java's own library.
pub(super) fn class_cast(value: &Value<'_>, to: &str) -> ConnectError {
    let from = value.java_class();
    ConnectError::new(
        ErrorClass::ClassCast,
        format!(
            "class {from} cannot be cast to class {to} ({from} and {to} are in module java.base of \
             loader 'bootstrap')"
        ),
    )
}

pub(super) fn null_pointer(message: &str) -> ConnectError {
    ConnectError::new(ErrorClass::NullPointer, message)
}

/// A list with at least one item: the check of lists that came before Kafka 4.3's.
pub(super) const NON_EMPTY_LIST: Check = Check::Own {
    check: |name, setting| match setting {
        Setting::List(items) if !items.is_empty() => Ok(()),
        _ => Err(crate::config::invalid(name, setting, "Empty list")),
    },
    shown: "non-empty list",
};
