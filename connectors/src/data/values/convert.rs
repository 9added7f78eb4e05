//! From every type to every other: `Values.convertTo…`.

use super::{convert_to_string, parse_string};
use crate::data::{
    BigDecimal, ConnectError, Date, Decimal, ErrorClass, MILLIS_PER_DAY, Map, Result, Schema,
    SchemaBuilder, Struct, Time, Timestamp, Type, Value,
};
use crate::java::{Civil, low_64_bits, to_byte, to_float, to_int, to_short};

/// Converts to a schema that elements share.
pub(super) fn to<'a>(schema: &Schema, value: Value<'a>) -> Result<Value<'a>> {
    if value.is_null() {
        return if schema.is_optional() {
            Ok(Value::Null)
        } else {
            Err(null())
        };
    }
    Ok(match schema.kind() {
        Type::Bytes if Decimal::is_schema(schema) => Value::decimal(decimal(schema, &value)?),
        Type::Bytes => bytes(schema, value)?,
        Type::String => match value {
            Value::String(text) => Value::String(text),
            other => Value::from(convert_to_string(&other).unwrap_or_default()),
        },
        Type::Boolean => Value::Boolean(boolean(None, &value)?),
        Type::Int8 => Value::Int8(to_byte(long(&value, None)?)),
        Type::Int16 => Value::Int16(to_short(long(&value, None)?)),
        Type::Int32 => match schema.name() {
            Some(Date::NAME) => Value::Date(convert_to_date(None, &value)?),
            Some(Time::NAME) => Value::Date(convert_to_time(None, &value)?),
            _ => Value::Int32(to_int(long(&value, None)?)),
        },
        Type::Int64 => match schema.name() {
            Some(Timestamp::NAME) => Value::Date(convert_to_timestamp(None, &value)?),
            _ => Value::Int64(long(&value, None)?),
        },
        Type::Float32 => Value::Float32(float(&value, None)?),
        Type::Float64 => Value::Float64(double(&value, None)?),
        Type::Array => Value::Array(list(schema, value)?),
        Type::Map => Value::Map(map(schema, value)?),
        Type::Struct => match value {
            Value::Struct(content) => Value::Struct(content),
            other => return Err(unable(&other, schema)),
        },
    })
}

fn null() -> ConnectError {
    ConnectError::data("Unable to convert a null value to a schema that requires a value")
}

fn unable(value: &Value<'_>, to: &dyn std::fmt::Display) -> ConnectError {
    let class = value.java_class();
    ConnectError::data(format!("Unable to convert {value} (class {class}) to {to}"))
}

/// What a string says, where another value is wanted.
fn parsed<'v>(value: &'v Value<'_>) -> Result<Option<Value<'v>>> {
    let Value::String(text) = value else {
        return Ok(None);
    };
    match parse_string(text)? {
        Some(found) => Ok(Some(found.value)),
        // Java asks nothing for its value.
        None => {
            let message = "the text \"null\" has no value";
            Err(ConnectError::new(ErrorClass::NullPointer, message))
        }
    }
}

macro_rules! optional {
    ($($(#[$doc:meta])* $name:ident $type:ty, $variant:ident, $convert:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(schema: Option<&Schema>, value: &Value<'_>) -> Result<Option<$type>> {
                match value {
                    Value::Null => Ok(None),
                    Value::$variant(content) => Ok(Some(*content)),
                    other => {
                        let convert: fn(Option<&Schema>, &Value<'_>) -> Result<$type> = $convert;
                        convert(schema, other).map(Some)
                    }
                }
            }
        )*
    };
}

optional! {
    /// Null stays null; numbers are false if they are 0.
    convert_to_boolean bool, Boolean, boolean;
    convert_to_byte i8, Int8, |schema, value| long(value, schema).map(to_byte);
    convert_to_short i16, Int16, |schema, value| long(value, schema).map(to_short);
    convert_to_integer i32, Int32, |schema, value| long(value, schema).map(to_int);
    convert_to_long i64, Int64, |schema, value| long(value, schema);
    convert_to_float f32, Float32, |schema, value| float(value, schema);
    convert_to_double f64, Float64, |schema, value| double(value, schema);
}

fn boolean(schema: Option<&Schema>, value: &Value<'_>) -> Result<bool> {
    if let Value::Boolean(truth) = value {
        return Ok(*truth);
    }
    if let Some(Value::Boolean(truth)) = parsed(value)? {
        return Ok(truth);
    }
    Ok(long(value, schema)? != 0)
}

/// The low 64 bits of the whole part. A date is the number that its schema makes of it.
#[expect(clippy::cast_possible_truncation, reason = "Java saturates too")]
fn long(value: &Value<'_>, schema: Option<&Schema>) -> Result<i64> {
    match value {
        Value::Int8(number) => return Ok(i64::from(*number)),
        Value::Int16(number) => return Ok(i64::from(*number)),
        Value::Int32(number) => return Ok(i64::from(*number)),
        Value::Int64(number) => return Ok(*number),
        Value::Float32(number) => return Ok(*number as i64),
        Value::Float64(number) => return Ok(*number as i64),
        Value::Decimal(number) => return Ok(number.long_value()),
        Value::BigInt(number) => return Ok(low_64_bits(number)),
        Value::String(text) => {
            if let Ok(number) = text.parse::<BigDecimal>() {
                return Ok(number.long_value());
            }
        }
        _ => {}
    }
    let Some(schema) = schema else {
        return Err(unable(value, &"a number"));
    };
    match (schema.name(), value) {
        (Some(Date::NAME), Value::Date(millis)) => {
            Date::from_logical(schema, *millis).map(i64::from)
        }
        (Some(Time::NAME), Value::Date(millis)) => {
            Time::from_logical(schema, *millis).map(i64::from)
        }
        (Some(Timestamp::NAME), Value::Date(millis)) => Timestamp::from_logical(schema, *millis),
        _ => Err(unable(value, schema)),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the nearest is what is asked for"
)]
fn double(value: &Value<'_>, schema: Option<&Schema>) -> Result<f64> {
    Ok(match value {
        Value::Float32(number) => f64::from(*number),
        Value::Float64(number) => *number,
        Value::Decimal(number) => number.double_value(),
        Value::BigInt(number) => BigDecimal::new((**number).clone(), 0).double_value(),
        Value::String(text) => match text.parse::<BigDecimal>() {
            Ok(number) => number.double_value(),
            Err(_) => long(value, schema)? as f64,
        },
        other => long(other, schema)? as f64,
    })
}

/// Through a double, as in Java.
fn float(value: &Value<'_>, schema: Option<&Schema>) -> Result<f32> {
    match value {
        Value::Float32(number) => Ok(*number),
        other => double(other, schema).map(to_float),
    }
}

/// A decimal of this scale if it comes as bytes; any other number keeps its own.
pub fn convert_to_decimal(value: &Value<'_>, scale: i32) -> Result<BigDecimal> {
    if value.is_null() {
        return Err(null());
    }
    decimal(&Decimal::schema(scale), value)
}

fn decimal(schema: &Schema, value: &Value<'_>) -> Result<BigDecimal> {
    match value {
        Value::Bytes(content) => Decimal::to_logical(schema, content),
        Value::Decimal(number) => Ok((**number).clone()),
        Value::String(text) => text.parse(),
        // By way of the text that Java writes of a double.
        number if number.is_number() => crate::java::DoubleText(double(number, None)?)
            .to_string()
            .parse(),
        other => Err(unable(other, schema)),
    }
}

fn bytes<'a>(schema: &Schema, value: Value<'a>) -> Result<Value<'a>> {
    match value {
        Value::Bytes(content) => Ok(Value::Bytes(content)),
        Value::Decimal(number) => Decimal::from_logical(schema, &number).map(Value::bytes),
        other => Err(unable(&other, schema)),
    }
}

/// Which logical type a value without other information is of.
fn is_named(schema: &Schema, name: &str) -> bool {
    schema.name() == Some(name)
}

/// Milliseconds of a date: of a number of days, a text, or the day of a timestamp.
pub fn convert_to_date(schema: Option<&Schema>, value: &Value<'_>) -> Result<i64> {
    let text = present(value)?;
    let value = text.as_ref().unwrap_or(value);
    if let Value::Date(millis) = value {
        match schema {
            None => return Ok(*millis),
            Some(schema) if is_named(schema, Date::NAME) => return Ok(*millis),
            Some(schema) if is_named(schema, Timestamp::NAME) => {
                return Date::to_logical(&Date::schema(), to_int(millis / MILLIS_PER_DAY));
            }
            Some(_) => {}
        }
    }
    Date::to_logical(&Date::schema(), to_int(long(value, schema)?))
}

/// Milliseconds of a time: of a number of them, a text, or the time of day of a timestamp.
pub fn convert_to_time(schema: Option<&Schema>, value: &Value<'_>) -> Result<i64> {
    let text = present(value)?;
    let value = text.as_ref().unwrap_or(value);
    if let Value::Date(millis) = value {
        match schema {
            None => return Ok(*millis),
            Some(schema) if is_named(schema, Time::NAME) => return Ok(*millis),
            Some(schema) if is_named(schema, Timestamp::NAME) => {
                return Time::to_logical(&Time::schema(), to_int(on_first_day(*millis)));
            }
            Some(_) => {}
        }
    }
    Time::to_logical(&Time::schema(), to_int(long(value, schema)?))
}

/// The same time of 1 January 1970; of a timestamp before Christ, that of 1970 BC: Java's calendar
/// sets the year but not the era.
fn on_first_day(millis: i64) -> i64 {
    const JANUARY_1970_BC: i64 = -1_438_707;
    let of_day = millis.rem_euclid(MILLIS_PER_DAY);
    if Civil::from_millis(millis).year > 0 {
        return of_day;
    }
    JANUARY_1970_BC * MILLIS_PER_DAY + of_day
}

/// Milliseconds of a timestamp: of a number of them, a text, a date or a time.
pub fn convert_to_timestamp(schema: Option<&Schema>, value: &Value<'_>) -> Result<i64> {
    let text = present(value)?;
    let value = text.as_ref().unwrap_or(value);
    if let Value::Date(millis) = value {
        match schema {
            None => return Ok(*millis),
            Some(schema) if is_named(schema, Date::NAME) => {
                return Ok(i64::from(Date::from_logical(schema, *millis)?) * MILLIS_PER_DAY);
            }
            Some(schema) if is_named(schema, Time::NAME) => {
                return Time::from_logical(schema, *millis).map(i64::from);
            }
            Some(schema) if is_named(schema, Timestamp::NAME) => return Ok(*millis),
            Some(_) => {}
        }
    }
    long(value, schema)
}

/// What a string says; an error of null.
fn present<'v>(value: &'v Value<'_>) -> Result<Option<Value<'v>>> {
    if value.is_null() {
        return Err(null());
    }
    parsed(value)
}

/// The list that a value is, or that its text says.
pub fn convert_to_list<'a>(value: Value<'a>) -> Result<Vec<Value<'a>>> {
    list(&SchemaBuilder::array(Schema::string()).build(), value)
}

/// The map that a value is, or that its text says.
pub fn convert_to_map<'a>(value: Value<'a>) -> Result<Map<'a>> {
    let schema = SchemaBuilder::map(Schema::string(), Schema::string()).build();
    map(&schema, value)
}

/// The struct that a value is.
pub fn convert_to_struct<'a>(value: Value<'a>) -> Result<Struct<'a>> {
    match value {
        Value::Null => Err(null()),
        Value::Struct(content) => Ok(content),
        other => Err(unable(&other, &SchemaBuilder::structure().build())),
    }
}

fn list<'a>(schema: &Schema, value: Value<'a>) -> Result<Vec<Value<'a>>> {
    let value = match parsed(&value)? {
        Some(text) => text.into_owned(),
        None => value,
    };
    match value {
        Value::Array(list) => Ok(list),
        other => Err(container_error(&other, schema)),
    }
}

fn map<'a>(schema: &Schema, value: Value<'a>) -> Result<Map<'a>> {
    let value = match parsed(&value)? {
        Some(text) => text.into_owned(),
        None => value,
    };
    match value {
        Value::Map(map) => Ok(map),
        other => Err(container_error(&other, schema)),
    }
}

fn container_error(value: &Value<'_>, schema: &Schema) -> ConnectError {
    if value.is_null() {
        null()
    } else {
        unable(value, schema)
    }
}
