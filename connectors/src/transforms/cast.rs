//! `Cast`: turns members, or the whole key or value, into another primitive type, as Java's casts
//! and parsers do.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::require::{self, moved};
use super::schema_cache::SchemaCache;
use super::{Configure, Part, REPLACE_NULL_WITH_DEFAULT, Transform};
use crate::config::{Check, ConfigDef, Key, Props, Setting, invalid};
use crate::data::{
    ConnectError, ConnectRecord, Date, ErrorClass, Field, Map, Result, Schema, SchemaBuilder,
    Struct, Time, Timestamp, Type, Value, validate_field,
};
use crate::java;

const SPEC: Key<Vec<String>> = Key::new("spec")
    .check(Check::Own {
        check: check_spec,
        shown: "list of colon-delimited pairs, e.g. <code>foo:bar,abc:xyz</code>",
    })
    .doc(
        "What to cast, as `field:type`, or one type for the key or value as a whole. Types are \
         int8, int16, int32, int64, float32, float64, boolean and string; bytes can only become a \
         string",
    );

const PURPOSE: &str = "cast types";
const INPUT_TYPES: &[Type] = &[
    Type::Int8,
    Type::Int16,
    Type::Int32,
    Type::Int64,
    Type::Float32,
    Type::Float64,
    Type::Boolean,
    Type::String,
    Type::Bytes,
];
const OUTPUT_TYPES: &[Type] = INPUT_TYPES.split_at(8).0;

fn check_spec(_: &str, setting: &Setting) -> Result<()> {
    match setting {
        Setting::List(items) if !items.is_empty() => Spec::parse(items).map(drop),
        _ => Err(ConnectError::config(
            "Must specify at least one field to cast.",
        )),
    }
}

/// What is cast.
#[derive(Debug)]
enum Spec {
    Whole(Type),
    /// In the order of Java's map, for the first that cannot be cast is the one in the message.
    Fields(Vec<(String, Type)>),
}

impl Spec {
    fn parse(items: &[String]) -> Result<Self> {
        let mut whole = None;
        let mut fields = Vec::new();
        for item in items {
            match java::split(item, ':')[..] {
                [kind] => whole = Some(parse_type(kind)?),
                [field, kind] => {
                    let kind = parse_type(kind)?;
                    java::put(&mut fields, java::trim(field).to_owned(), kind);
                }
                [] => {
                    let message = "Index 1 out of bounds for length 0";
                    return Err(ConnectError::new(
                        ErrorClass::ArrayIndexOutOfBounds,
                        message,
                    ));
                }
                _ => {
                    let list = Setting::List(items.to_vec());
                    let message = format!("Invalid rename mapping: {item}");
                    return Err(invalid("renames", &list, &message));
                }
            }
        }
        match whole {
            Some(_) if items.len() > 1 => Err(ConnectError::config(
                "Cast transformations that specify a type to cast the entire value to may only \
                 specify a single cast in their spec",
            )),
            Some(kind) => Ok(Self::Whole(kind)),
            None => Ok(Self::Fields(java::hash_order(fields, |(field, _)| field))),
        }
    }
}

fn parse_type(text: &str) -> Result<Type> {
    let text = java::trim(text);
    let name = text.to_uppercase();
    let Some(kind) = Type::ALL.into_iter().find(|kind| kind.as_str() == name) else {
        return Err(ConnectError::config(format!(
            "Invalid value java.lang.IllegalArgumentException: No enum constant \
             org.apache.kafka.connect.data.Schema.Type.{name} for configuration Invalid type \
             found in casting spec: {text}"
        )));
    };
    if OUTPUT_TYPES.contains(&kind) {
        return Ok(kind);
    }
    let message = unsupported("to", kind, OUTPUT_TYPES);
    Err(ConnectError::config(message))
}

fn unsupported(way: &str, kind: Type, supported: &[Type]) -> String {
    let supported: Vec<_> = supported.iter().map(|kind| kind.as_str()).collect();
    format!(
        "Cast transformation does not support casting {way} {kind}; supported types are [{}]",
        supported.join(", ")
    )
}

#[derive(Debug)]
pub(super) struct Cast {
    part: Part,
    spec: Spec,
    replace_null_with_default: bool,
    plans: SchemaCache<Plan>,
}

/// For one schema.
#[derive(Debug)]
struct Plan {
    schema: Schema,
    /// What each member is cast to, if to anything.
    casts: Vec<Option<Type>>,
}

impl Configure for Cast {
    fn config() -> ConfigDef {
        ConfigDef::new(&[SPEC.spec, REPLACE_NULL_WITH_DEFAULT.spec])
    }

    fn configure(part: Part, props: &Props) -> Result<Self> {
        let settings = Self::config().parse(props)?;
        Ok(Self {
            part,
            spec: Spec::parse(&settings.get(&SPEC))?,
            replace_null_with_default: settings.get(&REPLACE_NULL_WITH_DEFAULT),
            plans: SchemaCache::default(),
        })
    }
}

impl Transform for Cast {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        if self.part.value(&record).is_null() {
            return Ok(Some(record));
        }
        let (schema, value) = self.part.take(&mut record);
        let Some(schema) = schema else {
            let value = match &self.spec {
                Spec::Whole(kind) => cast(None, value, *kind)?,
                Spec::Fields(fields) => {
                    Value::Map(cast_map(require::map(value, PURPOSE)?, fields)?)
                }
            };
            return Ok(Some(self.part.put(record, None, value)));
        };
        let plan = self.plans.get(&schema, || self.plan(&schema))?;
        let value = match self.spec {
            Spec::Whole(kind) => cast(Some(&schema), value, kind)?,
            Spec::Fields(_) => {
                Value::Struct(self.cast_struct(require::structure(value, PURPOSE)?, &plan)?)
            }
        };
        let updated = Some(plan.schema.clone());
        Ok(Some(self.part.put(record, updated, value)))
    }
}

fn cast_map<'a>(mut map: Map<'a>, fields: &'a [(String, Type)]) -> Result<Map<'a>> {
    for (field, kind) in fields {
        match map.get_str_mut(field) {
            Some(value) => *value = cast(None, std::mem::take(value), *kind)?,
            None => {
                map.insert(field.as_str(), Value::Null);
            }
        }
    }
    Ok(map)
}

impl Cast {
    fn cast_struct<'a>(&self, content: Struct<'a>, plan: &Plan) -> Result<Struct<'a>> {
        let schema = content.schema().clone();
        let old_fields = schema.struct_fields().iter();
        let new_fields = plan.schema.struct_fields().iter();
        let values = content.into_slots().into_iter();
        let mut slots = Vec::with_capacity(plan.casts.len());
        for (((old, new), kind), value) in old_fields.zip(new_fields).zip(&plan.casts).zip(values) {
            slots.push(match kind {
                None => moved(old, value, self.replace_null_with_default)?,
                Some(kind) => self.cast_member(old, new, value, *kind)?,
            });
        }
        Ok(Struct::from_slots(plan.schema.clone(), slots))
    }

    fn cast_member<'a>(
        &self,
        old: &Field,
        new: &Field,
        value: Value<'a>,
        kind: Type,
    ) -> Result<Value<'a>> {
        let value = match old.schema().default_value() {
            Some(default) if value.is_null() && self.replace_null_with_default => default.clone(),
            _ => value,
        };
        let value = cast(Some(old.schema()), value, kind)?;
        validate_field(new.name(), new.schema(), &value)?;
        Ok(value)
    }

    fn plan(&self, schema: &Schema) -> Result<Plan> {
        let mut casts = Vec::new();
        let mut builder = match &self.spec {
            Spec::Whole(kind) => schema.copy_basics(SchemaBuilder::new(*kind)),
            Spec::Fields(fields) => {
                let mut builder = require::struct_like(schema);
                for field in schema.fields()? {
                    let found = fields.iter().find(|(name, _)| name == field.name());
                    let kind = found.map(|(_, kind)| *kind);
                    builder.add_field(
                        field.name(),
                        match kind {
                            Some(kind) => cast_schema(field.schema(), kind)?,
                            None => field.schema().clone(),
                        },
                    )?;
                    casts.push(kind);
                }
                builder
            }
        };
        if schema.is_optional() {
            builder = builder.optional()?;
        }
        if let Some(default) = schema.default_value() {
            let kind = builder.kind();
            builder = builder.default_value(cast(Some(schema), default.clone(), kind)?)?;
        }
        Ok(Plan {
            schema: builder.build(),
            casts,
        })
    }
}

/// The schema of a member that is cast: its optionality and default stay, its name does not.
fn cast_schema(schema: &Schema, kind: Type) -> Result<Schema> {
    let mut builder = SchemaBuilder::new(kind);
    if schema.is_optional() {
        builder = builder.optional()?;
    }
    if let Some(default) = schema.default_value() {
        builder = builder.default_value(cast(Some(schema), default.clone(), kind)?)?;
    }
    Ok(builder.build())
}

fn cast<'a>(schema: Option<&Schema>, value: Value<'a>, kind: Type) -> Result<Value<'a>> {
    if value.is_null() {
        return Ok(value);
    }
    let input = match schema {
        Some(schema) => schema.kind(),
        None => infer(&value)?,
    };
    if !INPUT_TYPES.contains(&input) {
        return Err(ConnectError::data(unsupported("from", input, INPUT_TYPES)));
    }
    if kind == Type::String {
        return Ok(to_text(value));
    }
    let value = match schema {
        Some(schema) => to_base(schema, value)?,
        None => value,
    };
    to_number(&value, kind).unwrap_or_else(|| {
        Err(match value {
            Value::String(text) => ConnectError::data(format!(
                "Value ({text}) was out of range for requested data type"
            )),
            other => ConnectError::data(format!(
                "Unexpected type in Cast transformation: class {}",
                other.java_class()
            )),
        })
    })
}

/// The type of a value without a schema. Java finds none for the classes of logical types.
fn infer(value: &Value<'_>) -> Result<Type> {
    value.kind().ok_or_else(|| {
        ConnectError::data(format!(
            "Cast transformation was passed a value of type class {} which is not supported by \
             Connect's data API",
            value.java_class()
        ))
    })
}

/// A date as the number that its logical type is made of.
fn to_base<'a>(schema: &Schema, value: Value<'a>) -> Result<Value<'a>> {
    let (Some(name), Value::Date(millis)) = (schema.name(), &value) else {
        return Ok(value);
    };
    Ok(match name {
        Date::NAME => Value::Int32(Date::from_logical(schema, *millis)?),
        Time::NAME => Value::Int32(Time::from_logical(schema, *millis)?),
        Timestamp::NAME => Value::Int64(Timestamp::from_logical(schema, *millis)?),
        _ => value,
    })
}

fn to_text(value: Value<'_>) -> Value<'_> {
    match value {
        Value::String(_) => value,
        Value::Bytes(content) => Value::from(BASE64_STANDARD.encode(content)),
        Value::Date(millis) => Value::from(java::iso_text(millis)),
        other => Value::from(other.to_string()),
    }
}

/// A number or truth of the type; nothing if the value is of a type, or text, that it cannot be
/// made of.
fn to_number<'a>(value: &Value<'_>, kind: Type) -> Option<Result<Value<'a>>> {
    if let Value::String(text) = value {
        return parse(text, kind).map(Ok);
    }
    let long = || long_value(value);
    Some(Ok(match kind {
        Type::Int8 => Value::Int8(java::to_byte(i64::from(int_value(value)?))),
        Type::Int16 => Value::Int16(java::to_short(i64::from(int_value(value)?))),
        Type::Int32 => Value::Int32(int_value(value)?),
        Type::Int64 => Value::Int64(long()?),
        Type::Float32 => Value::Float32(float_value(value)?),
        Type::Float64 => Value::Float64(double_value(value)?),
        Type::Boolean => Value::Boolean(long()? != 0),
        _ => return None,
    }))
}

fn parse<'a>(text: &str, kind: Type) -> Option<Value<'a>> {
    Some(match kind {
        Type::Int8 => Value::Int8(i8::try_from(java::parse_long(text)?).ok()?),
        Type::Int16 => Value::Int16(i16::try_from(java::parse_long(text)?).ok()?),
        Type::Int32 => Value::Int32(i32::try_from(java::parse_long(text)?).ok()?),
        Type::Int64 => Value::Int64(java::parse_long(text)?),
        Type::Float32 => Value::Float32(java::parse_float(text)?),
        Type::Float64 => Value::Float64(java::parse_double(text)?),
        // Whatever is not true is false.
        Type::Boolean => Value::Boolean(text.eq_ignore_ascii_case("true")),
        _ => return None,
    })
}

/// `Number.longValue`, and 1 or 0 for a truth.
#[expect(
    clippy::cast_possible_truncation,
    reason = "Java's casts saturate and narrow as Rust's do"
)]
fn long_value(value: &Value<'_>) -> Option<i64> {
    Some(match value {
        Value::Int8(number) => i64::from(*number),
        Value::Int16(number) => i64::from(*number),
        Value::Int32(number) => i64::from(*number),
        Value::Int64(number) => *number,
        Value::Float32(number) => *number as i64,
        Value::Float64(number) => *number as i64,
        Value::Boolean(truth) => i64::from(*truth),
        Value::Decimal(number) => number.long_value(),
        Value::BigInt(number) => java::low_64_bits(number),
        _ => return None,
    })
}

/// `Number.intValue`: fractions saturate at 32 bits, whole numbers lose their high bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "Java's casts saturate and narrow as Rust's do"
)]
fn int_value(value: &Value<'_>) -> Option<i32> {
    Some(match value {
        Value::Float32(number) => *number as i32,
        Value::Float64(number) => *number as i32,
        other => java::to_int(long_value(other)?),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "Java's casts round to the nearest as Rust's do"
)]
fn float_value(value: &Value<'_>) -> Option<f32> {
    Some(match value {
        Value::Int8(number) => f32::from(*number),
        Value::Int16(number) => f32::from(*number),
        Value::Int32(number) => *number as f32,
        Value::Int64(number) => *number as f32,
        Value::Float32(number) => *number,
        Value::Float64(number) => *number as f32,
        Value::Boolean(truth) => f32::from(*truth),
        Value::Decimal(number) => number.float_value(),
        Value::BigInt(number) => java::parse_float(&number.to_string())?,
        _ => return None,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Java's cast rounds to the nearest as Rust's does"
)]
fn double_value(value: &Value<'_>) -> Option<f64> {
    Some(match value {
        Value::Int8(number) => f64::from(*number),
        Value::Int16(number) => f64::from(*number),
        Value::Int32(number) => f64::from(*number),
        Value::Int64(number) => *number as f64,
        Value::Float32(number) => f64::from(*number),
        Value::Float64(number) => *number,
        Value::Boolean(truth) => f64::from(*truth),
        Value::Decimal(number) => number.double_value(),
        Value::BigInt(number) => java::parse_double(&number.to_string())?,
        _ => return None,
    })
}
