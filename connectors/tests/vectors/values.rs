//! Vectors of `Values`: what texts mean, and from every type to every other.

use connectors::data::{Result, Schema, SchemaAndValue, Value, values};
use serde_json::Value as Json;

use super::{Case, Outcome, check, codec, not_unicode};

fn run(case: &Case) -> Outcome {
    let value = codec::value(&case.json["value"]).ok_or_else(not_unicode)?;
    let schema = codec::schema(&case.json["schema"]).ok_or_else(not_unicode)?;
    if case.text("op") == "parse" {
        let found = match &value {
            Value::String(text) => values::parse_string(text)?,
            _ => None,
        };
        return Ok(codec::of_pair(&found.unwrap_or(SchemaAndValue::NULL)));
    }
    let converted = convert(case.text("to"), schema.as_ref(), value)?;
    Ok(codec::of_value(&converted))
}

fn some<T>(found: Option<T>, make: impl FnOnce(T) -> Value<'static>) -> Value<'static> {
    found.map_or(Value::Null, make)
}

fn convert(to: &str, schema: Option<&Schema>, value: Value<'static>) -> Result<Value<'static>> {
    Ok(match to {
        "boolean" => some(values::convert_to_boolean(schema, &value)?, Value::Boolean),
        "int8" => some(values::convert_to_byte(schema, &value)?, Value::Int8),
        "int16" => some(values::convert_to_short(schema, &value)?, Value::Int16),
        "int32" => some(values::convert_to_integer(schema, &value)?, Value::Int32),
        "int64" => some(values::convert_to_long(schema, &value)?, Value::Int64),
        "float32" => some(values::convert_to_float(schema, &value)?, Value::Float32),
        "float64" => some(values::convert_to_double(schema, &value)?, Value::Float64),
        "string" => some(values::convert_to_string(&value), Value::from),
        "list" => Value::Array(values::convert_to_list(value)?),
        "map" => Value::Map(values::convert_to_map(value)?),
        "struct" => Value::Struct(values::convert_to_struct(value)?),
        "date" => Value::Date(values::convert_to_date(schema, &value)?),
        "time" => Value::Date(values::convert_to_time(schema, &value)?),
        "timestamp" => Value::Date(values::convert_to_timestamp(schema, &value)?),
        "decimal" => Value::decimal(values::convert_to_decimal(&value, 2)?),
        other => panic!("nothing is converted to {other}"),
    })
}

const HALF_A_PAIR: &str = "a string here cannot hold half a surrogate pair";

fn differs(case: &Case) -> Option<&'static str> {
    let has = |json: &Json| json.to_string().contains("utf16");
    has(&case.json["value"]).then_some(HALF_A_PAIR)
}

#[test]
fn values_mean_what_they_mean_to_java() {
    let differ = check("converters/values.jsonl.gz", run, differs);
    assert_eq!(differ, [(HALF_A_PAIR, 3)].into());
}
