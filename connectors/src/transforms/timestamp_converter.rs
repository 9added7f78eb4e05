//! `TimestampConverter`: turns times from text, Unix time or a logical type into another of these.

use super::require::{self, moved, null_pointer};
use super::schema_cache::SchemaCache;
use super::timestamp_router::now;
use super::{Configure, Part, REPLACE_NULL_WITH_DEFAULT, Transform};
use crate::config::{Check, ConfigDef, Importance, Key, Props};
use crate::data::{
    ConnectError, ConnectRecord, Date, MILLIS_PER_DAY, Map, Result, Schema, Struct, Time,
    Timestamp, Type, Value, validate_field,
};
use crate::java::date_format::DateFormat;

const FIELD: Key<String> = Key::new("field")
    .default("")
    .doc("Name of the field that holds the time; empty if the key or value is the time itself");
const TARGET_TYPE: Key<String> = Key::new("target.type")
    .check(Check::OneOf(&[
        "string",
        "unix",
        "Date",
        "Time",
        "Timestamp",
    ]))
    .doc("What the time becomes: string, unix, Date, Time or Timestamp");
const FORMAT: Key<String> = Key::new("format")
    .default("")
    .importance(Importance::Medium)
    .doc("How times look as text, in the letters of Java's SimpleDateFormat");
const UNIX_PRECISION: Key<String> = Key::new("unix.precision")
    .default("milliseconds")
    .check(Check::OneOf(&[
        "nanoseconds",
        "microseconds",
        "milliseconds",
        "seconds",
    ]))
    .importance(Importance::Low)
    .doc(
        "What Unix times count: seconds, milliseconds, microseconds or nanoseconds. What is finer \
         than a millisecond gets lost",
    );

const PURPOSE: &str = "converting timestamp formats";

/// What a time can be kept as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    String,
    Unix,
    Date,
    Time,
    Timestamp,
}

impl Kind {
    fn of_schema(schema: &Schema) -> Result<Self> {
        Ok(match (schema.name(), schema.kind()) {
            (Some(Timestamp::NAME), _) => Self::Timestamp,
            (Some(Date::NAME), _) => Self::Date,
            (Some(Time::NAME), _) => Self::Time,
            (_, Type::String) => Self::String,
            (_, Type::Int64) => Self::Unix,
            _ => {
                return Err(ConnectError::connect(format!(
                    "Schema {schema} does not correspond to a known timestamp type format"
                )));
            }
        })
    }

    fn of_value(value: &Value<'_>) -> Result<Self> {
        Ok(match value {
            Value::Date(_) => Self::Timestamp,
            Value::Int64(_) => Self::Unix,
            Value::String(_) => Self::String,
            other => {
                return Err(ConnectError::data(format!(
                    "TimestampConverter does not support class {} objects as timestamps",
                    other.java_class()
                )));
            }
        })
    }

    fn schema(self, optional: bool) -> Schema {
        let required = match self {
            Self::String => Schema::string(),
            Self::Unix => Schema::int64(),
            Self::Date => Date::schema(),
            Self::Time => Time::schema(),
            Self::Timestamp => Timestamp::schema(),
        };
        required.with_optional(optional)
    }

    fn unexpected(self, value: &Value<'_>) -> ConnectError {
        let (name, wanted) = match self {
            Self::String => ("string timestamp", "String"),
            Self::Unix => ("Unix timestamp", "Long"),
            Self::Date => ("Date", "java.util.Date"),
            Self::Time => ("Time", "java.util.Date"),
            Self::Timestamp => ("Timestamp", "java.util.Date"),
        };
        ConnectError::data(format!(
            "Expected {name} to be a {wanted}, but found class {}",
            value.java_class()
        ))
    }
}

/// What Unix times count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Precision {
    fn to_millis(self, time: i64) -> i64 {
        match self {
            Self::Seconds => time.saturating_mul(1_000),
            Self::Milliseconds => time,
            Self::Microseconds => time / 1_000,
            Self::Nanoseconds => time / 1_000_000,
        }
    }

    fn of_millis(self, millis: i64) -> i64 {
        match self {
            Self::Seconds => millis / 1_000,
            Self::Milliseconds => millis,
            Self::Microseconds => millis.saturating_mul(1_000),
            Self::Nanoseconds => millis.saturating_mul(1_000_000),
        }
    }
}

#[derive(Debug)]
pub(super) struct TimestampConverter {
    part: Part,
    field: String,
    target: Kind,
    format: Option<DateFormat>,
    precision: Precision,
    replace_null_with_default: bool,
    plans: SchemaCache<Schema>,
}

impl Configure for TimestampConverter {
    fn config() -> ConfigDef {
        ConfigDef::new(&[
            FIELD.spec,
            TARGET_TYPE.spec,
            FORMAT.spec,
            UNIX_PRECISION.spec,
            REPLACE_NULL_WITH_DEFAULT.spec,
        ])
    }

    fn configure(part: Part, props: &Props) -> Result<Self> {
        let settings = Self::config().parse(props)?;
        let target = match &*settings.get(&TARGET_TYPE) {
            "string" => Kind::String,
            "unix" => Kind::Unix,
            "Date" => Kind::Date,
            "Time" => Kind::Time,
            _ => Kind::Timestamp,
        };
        let pattern = settings.get(&FORMAT);
        if target == Kind::String && pattern.trim().is_empty() {
            return Err(ConnectError::config(
                "TimestampConverter requires format option to be specified when using string \
                 timestamps",
            ));
        }
        Ok(Self {
            part,
            field: settings.get(&FIELD),
            target,
            format: compile(&pattern)?,
            precision: match &*settings.get(&UNIX_PRECISION) {
                "seconds" => Precision::Seconds,
                "microseconds" => Precision::Microseconds,
                "nanoseconds" => Precision::Nanoseconds,
                _ => Precision::Milliseconds,
            },
            replace_null_with_default: settings.get(&REPLACE_NULL_WITH_DEFAULT),
            plans: SchemaCache::default(),
        })
    }
}

fn compile(pattern: &str) -> Result<Option<DateFormat>> {
    if pattern.trim().is_empty() {
        return Ok(None);
    }
    let format = DateFormat::new(pattern, now()).map_err(|error| {
        ConnectError::config(format!(
            "Invalid value java.lang.IllegalArgumentException: {error} for configuration \
             TimestampConverter requires a SimpleDateFormat-compatible pattern for string \
             timestamps: {pattern}"
        ))
    })?;
    Ok(Some(format))
}

impl Transform for TimestampConverter {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        let (schema, value) = self.part.take(&mut record);
        let (schema, value) = match schema {
            None => (None, self.convert_untyped(value)?),
            Some(schema) if self.field.is_empty() => {
                let updated = self.target.schema(schema.is_optional());
                let kind = Kind::of_schema(&schema)?;
                (Some(updated), self.convert(value, kind)?)
            }
            Some(schema) => {
                let content = match value {
                    Value::Null => None,
                    value => Some(require::structure(value, PURPOSE)?),
                };
                let updated = self.plans.get(&schema, || self.plan(&schema))?;
                let value = match content {
                    Some(content) => Value::Struct(self.convert_struct(content, &updated)?),
                    None => Value::Null,
                };
                (Some((*updated).clone()), value)
            }
        };
        Ok(Some(self.part.put(record, schema, value)))
    }
}

impl TimestampConverter {
    fn convert_untyped<'a>(&'a self, value: Value<'a>) -> Result<Value<'a>> {
        let convert = |value: Value<'a>| match value {
            Value::Null => Ok(Value::Null),
            value => {
                let kind = Kind::of_value(&value)?;
                self.convert(value, kind)
            }
        };
        if value.is_null() || self.field.is_empty() {
            return convert(value);
        }
        let mut map: Map<'_> = require::map(value, PURPOSE)?;
        match map.get_str_mut(&self.field) {
            Some(value) => *value = convert(std::mem::take(value))?,
            None => {
                map.insert(self.field.as_str(), Value::Null);
            }
        }
        Ok(Value::Map(map))
    }

    fn convert_struct<'a>(&self, content: Struct<'a>, schema: &Schema) -> Result<Struct<'a>> {
        let old_schema = content.schema().clone();
        let fields = old_schema
            .struct_fields()
            .iter()
            .zip(schema.struct_fields());
        let mut slots = Vec::with_capacity(schema.struct_fields().len());
        for ((old, new), value) in fields.zip(content.into_slots()) {
            if old.name() != self.field {
                slots.push(moved(new, value, self.replace_null_with_default)?);
                continue;
            }
            let value = match old.schema().default_value() {
                Some(default) if value.is_null() && self.replace_null_with_default => {
                    default.clone()
                }
                _ => value,
            };
            let value = self.convert(value, Kind::of_schema(old.schema())?)?;
            validate_field(new.name(), new.schema(), &value)?;
            slots.push(value);
        }
        Ok(Struct::from_slots(schema.clone(), slots))
    }

    fn plan(&self, schema: &Schema) -> Result<Schema> {
        let mut builder = require::struct_like(schema);
        for field in schema.fields()? {
            let member = field.schema();
            let member = if field.name() == self.field {
                self.target.schema(member.is_optional())
            } else {
                member.clone()
            };
            builder.add_field(field.name(), member)?;
        }
        let updated = builder.build().with_optional(schema.is_optional());
        let Some(default) = schema.default_value().and_then(Value::as_struct) else {
            return Ok(updated);
        };
        let default = self.convert_struct(default.clone(), &updated)?;
        Ok(updated.with_default(Value::Struct(default)))
    }

    fn convert<'a>(&self, value: Value<'a>, from: Kind) -> Result<Value<'a>> {
        if value.is_null() {
            return Ok(value);
        }
        let millis = self.millis(&value, from)?;
        Ok(match self.target {
            Kind::String => {
                let mut text = String::new();
                let format = self.format.as_ref();
                let format = format.expect("a converter to text is not made without a format");
                format.format(millis, &mut text);
                Value::from(text)
            }
            Kind::Unix => Value::Int64(self.precision.of_millis(millis)),
            Kind::Date => {
                let midnight = millis.wrapping_sub(millis.rem_euclid(MILLIS_PER_DAY));
                Value::Date(midnight)
            }
            Kind::Time => Value::Date(millis.rem_euclid(MILLIS_PER_DAY)),
            Kind::Timestamp => Value::Date(millis),
        })
    }

    fn millis(&self, value: &Value<'_>, from: Kind) -> Result<i64> {
        match (from, value) {
            (Kind::String, Value::String(text)) => {
                let Some(format) = &self.format else {
                    return Err(null_pointer(
                        "Cannot invoke \"java.text.SimpleDateFormat.parse(String)\" because \
                         \"config.format\" is null",
                    ));
                };
                format.parse(text).ok_or_else(|| {
                    ConnectError::data(format!(
                        "Could not parse timestamp: value ({text}) does not match pattern ({})",
                        format.pattern()
                    ))
                })
            }
            (Kind::Unix, Value::Int64(time)) => Ok(self.precision.to_millis(*time)),
            (Kind::Date | Kind::Time | Kind::Timestamp, Value::Date(millis)) => Ok(*millis),
            _ => Err(from.unexpected(value)),
        }
    }
}
