//! `MaskField` (KIP-437): replaces the values of some members by their type's zero, or by a given
//! one.

use num_bigint::BigInt;

use super::require::{self, moved};
use super::schema_cache::SchemaCache;
use super::{Configure, Part, REPLACE_NULL_WITH_DEFAULT, Transform};
use crate::config::{Check, ConfigDef, Importance, Key, Props};
use crate::data::{
    BigDecimal, ConnectError, ConnectRecord, Map, Result, Schema, Struct, Value, validate_field,
};
use crate::java;

const FIELDS: Key<Vec<String>> = Key::new("fields")
    .check(Check::UniqueList {
        may_be_empty: false,
    })
    .doc("Names of the fields to mask");
const REPLACEMENT: Key<Option<String>> = Key::new("replacement")
    .null_default()
    .check(Check::NonEmptyString)
    .importance(Importance::Low)
    .doc("What the fields get instead, if they are numbers or strings");

const PURPOSE: &str = "mask fields";

#[derive(Debug)]
pub(super) struct MaskField {
    part: Part,
    /// In the order of Java's set, for the first that cannot be masked is the one in the message.
    fields: Vec<String>,
    replacement: Option<String>,
    replace_null_with_default: bool,
    plans: SchemaCache<Vec<bool>>,
}

impl Configure for MaskField {
    fn config() -> ConfigDef {
        ConfigDef::new(&[
            FIELDS.spec,
            REPLACEMENT.spec,
            REPLACE_NULL_WITH_DEFAULT.spec,
        ])
    }

    fn configure(part: Part, props: &Props) -> Result<Self> {
        let settings = Self::config().parse(props)?;
        Ok(Self {
            part,
            fields: java::hash_order(settings.get(&FIELDS), String::as_str),
            replacement: settings.get(&REPLACEMENT),
            replace_null_with_default: settings.get(&REPLACE_NULL_WITH_DEFAULT),
            plans: SchemaCache::default(),
        })
    }
}

impl Transform for MaskField {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        let (schema, value) = self.part.take(&mut record);
        let value = if schema.is_none() {
            let mut map = require::map(value, PURPOSE)?;
            for field in &self.fields {
                match map.get_str_mut(field) {
                    Some(value) => *value = self.masked(value)?,
                    None => {
                        map.insert(field.as_str(), Value::Null);
                    }
                }
            }
            Value::Map(map)
        } else {
            Value::Struct(self.mask(require::structure(value, PURPOSE)?)?)
        };
        Ok(Some(self.part.put(record, schema, value)))
    }
}

impl MaskField {
    fn mask<'a>(&'a self, mut content: Struct<'a>) -> Result<Struct<'a>> {
        let schema = content.schema().clone();
        let masks = self.plans.get(&schema, || Ok(self.plan(&schema)))?;
        let slots = content.slots_mut().iter_mut();
        for ((field, slot), &mask) in schema.struct_fields().iter().zip(slots).zip(&**masks) {
            if slot.is_null() {
                *slot = moved(field, Value::Null, self.replace_null_with_default)?;
            }
            if mask {
                *slot = self.masked(slot)?;
                validate_field(field.name(), field.schema(), slot)?;
            }
        }
        Ok(content)
    }

    /// Which slots are masked.
    fn plan(&self, schema: &Schema) -> Vec<bool> {
        let fields = schema.struct_fields().iter();
        fields
            .map(|field| self.fields.iter().any(|name| name == field.name()))
            .collect()
    }

    fn masked<'a>(&'a self, value: &Value<'a>) -> Result<Value<'a>> {
        match &self.replacement {
            _ if value.is_null() => Ok(Value::Null),
            Some(replacement) => replaced(value, replacement),
            None => zero(value),
        }
    }
}

/// What a type has for nothing.
fn zero<'a>(value: &Value<'_>) -> Result<Value<'a>> {
    Ok(match value {
        Value::Boolean(_) => Value::Boolean(false),
        Value::Int8(_) => Value::Int8(0),
        Value::Int16(_) => Value::Int16(0),
        Value::Int32(_) => Value::Int32(0),
        Value::Int64(_) => Value::Int64(0),
        Value::Float32(_) => Value::Float32(0.0),
        Value::Float64(_) => Value::Float64(0.0),
        Value::BigInt(_) => Value::BigInt(Box::new(BigInt::ZERO)),
        Value::Decimal(_) => Value::decimal(BigDecimal::from(0)),
        Value::Date(_) => Value::Date(0),
        Value::String(_) => Value::from(""),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Map(_) => Value::Map(Map::new()),
        Value::Bytes(_) | Value::Struct(_) | Value::Null => {
            return Err(ConnectError::data(format!(
                "Cannot mask value of type: class {}",
                value.java_class()
            )));
        }
    })
}

/// The replacement as a value of the same type.
fn replaced<'a>(value: &Value<'_>, replacement: &'a str) -> Result<Value<'a>> {
    let long = || Ok::<_, ConnectError>(number(replacement, "a number")?.long_value());
    let double = || Ok::<_, ConnectError>(number(replacement, "a number")?.double_value());
    Ok(match value {
        Value::Int8(_) => Value::Int8(java::to_byte(long()?)),
        Value::Int16(_) => Value::Int16(java::to_short(long()?)),
        Value::Int32(_) => Value::Int32(java::to_int(long()?)),
        Value::Int64(_) => Value::Int64(long()?),
        Value::Float32(_) => Value::Float32(java::to_float(double()?)),
        Value::Float64(_) => Value::Float64(double()?),
        Value::String(_) => Value::from(replacement),
        Value::Decimal(_) => Value::decimal(number(replacement, "number")?),
        Value::BigInt(_) => {
            let number = replacement.parse::<BigInt>();
            Value::BigInt(Box::new(
                number.map_err(|_| no_number(replacement, "number"))?,
            ))
        }
        _ => {
            return Err(ConnectError::data(format!(
                "Cannot mask value of type class {} with custom replacement.",
                value.java_class()
            )));
        }
    })
}

fn number(text: &str, said: &str) -> Result<BigDecimal> {
    text.parse().map_err(|_| no_number(text, said))
}

fn no_number(text: &str, said: &str) -> ConnectError {
    ConnectError::data(format!(
        "Unable to convert {text} (class java.lang.String) to {said}"
    ))
}
