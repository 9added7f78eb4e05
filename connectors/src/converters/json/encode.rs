//! Values → JSON, as `JsonConverter.convertToJson` and Jackson write them.

use super::text::{write_base64, write_double, write_float, write_int, write_string};
use crate::data::{
    ConnectError, Date, Decimal, Map, Result, Schema, Struct, Time, Timestamp, Type, Value,
};

/// Jackson's `StreamWriteConstraints`: how deep containers may nest.
const DEPTH_MAX: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecimalFormat {
    Base64,
    Numeric,
}

/// How values are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writing {
    pub(super) decimal_format: DecimalFormat,
    pub(super) replace_null_with_default: bool,
}

impl Writing {
    /// Appends a value within `depth` containers.
    pub(super) fn value(
        self,
        schema: Option<&Schema>,
        value: &Value<'_>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if value.is_null() {
            return self.null(schema, depth, out);
        }
        let Some(schema) = schema else {
            return self.plain(value, depth, out);
        };
        if let Some(name) = schema.name()
            && let Some(result) = self.logical(schema, name, value, out)
        {
            return result;
        }
        match (schema.kind(), value) {
            (Type::Int8, Value::Int8(number)) => write_int(i64::from(*number), out),
            (Type::Int16, Value::Int16(number)) => write_int(i64::from(*number), out),
            (Type::Int32, Value::Int32(number)) => write_int(i64::from(*number), out),
            (Type::Int64, Value::Int64(number)) => write_int(*number, out),
            (Type::Float32, Value::Float32(number)) => write_float(*number, out),
            (Type::Float64, Value::Float64(number)) => write_double(*number, out),
            (Type::Boolean, Value::Boolean(truth)) => write_boolean(*truth, out),
            (Type::String, Value::String(text)) => write_string(text, out),
            (Type::Bytes, Value::Bytes(bytes)) => write_base64(bytes, out),
            (Type::Array, Value::Array(list)) => {
                return self.array(schema.value_schema()?, list, depth, out);
            }
            (Type::Map, Value::Map(map)) => return self.map(schema, map, depth, out),
            (Type::Struct, Value::Struct(content)) => {
                return self.structure(schema, content, depth, out);
            }
            (kind, other) => {
                let kind = if kind == Type::Bytes {
                    "bytes type"
                } else {
                    kind.as_str()
                };
                let class = other.java_class();
                let message = format!("Invalid type for {kind}: class {class}");
                return Err(ConnectError::data(message));
            }
        }
        Ok(())
    }

    fn null(self, schema: Option<&Schema>, depth: usize, out: &mut Vec<u8>) -> Result<()> {
        if let Some(schema) = schema {
            if let Some(default) = schema.default_value()
                && self.replace_null_with_default
            {
                return self.value(Some(schema), default, depth, out);
            }
            if !schema.is_optional() {
                let message = "Conversion error: null value for field that is required and has \
                               no default value";
                return Err(ConnectError::data(message));
            }
        }
        out.extend_from_slice(b"null");
        Ok(())
    }

    /// A value without schema.
    fn plain(self, value: &Value<'_>, depth: usize, out: &mut Vec<u8>) -> Result<()> {
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Int8(number) => write_int(i64::from(*number), out),
            Value::Int16(number) => write_int(i64::from(*number), out),
            Value::Int32(number) => write_int(i64::from(*number), out),
            Value::Int64(number) => write_int(*number, out),
            Value::Float32(number) => write_float(*number, out),
            Value::Float64(number) => write_double(*number, out),
            Value::Boolean(truth) => write_boolean(*truth, out),
            Value::String(text) => write_string(text, out),
            Value::Bytes(bytes) => write_base64(bytes, out),
            Value::Array(list) => return self.array(None, list, depth, out),
            Value::Map(map) => {
                let is_object = map.iter().all(|(key, _)| matches!(key, Value::String(_)));
                return self.entries(None, None, map, is_object, depth, out);
            }
            // Java compares its schema with none.
            Value::Struct(_) => return Err(ConnectError::data("Mismatching schema.")),
            Value::Decimal(_) | Value::Date(_) | Value::BigInt(_) => {
                return Err(ConnectError::data(format!(
                    "Java class class {} does not have corresponding schema type.",
                    value.java_class()
                )));
            }
        }
        Ok(())
    }

    fn array(
        self,
        element: Option<&Schema>,
        list: &[Value<'_>],
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        check_depth(depth)?;
        out.push(b'[');
        for (index, value) in list.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.value(element, value, depth + 1, out)?;
        }
        out.push(b']');
        Ok(())
    }

    fn map(self, schema: &Schema, map: &Map<'_>, depth: usize, out: &mut Vec<u8>) -> Result<()> {
        let (keys, values) = (schema.key_schema()?, schema.value_schema()?);
        let Some(keys) = keys else {
            let message = "the schema of a map has no schema of its keys";
            return Err(ConnectError::new(
                crate::data::ErrorClass::NullPointer,
                message,
            ));
        };
        let is_object = keys.kind() == Type::String;
        self.entries(Some(keys), values, map, is_object, depth, out)
    }

    /// An object where keys are strings, else an array of pairs.
    fn entries(
        self,
        keys: Option<&Schema>,
        values: Option<&Schema>,
        map: &Map<'_>,
        is_object: bool,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        check_depth(depth)?;
        out.push(if is_object { b'{' } else { b'[' });
        for (index, (key, value)) in map.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if is_object {
                self.name(keys, key, depth, out)?;
                out.push(b':');
                self.value(values, value, depth + 1, out)?;
            } else {
                check_depth(depth + 1)?;
                out.push(b'[');
                self.value(keys, key, depth + 2, out)?;
                out.push(b',');
                self.value(values, value, depth + 2, out)?;
                out.push(b']');
            }
        }
        out.push(if is_object { b'}' } else { b']' });
        Ok(())
    }

    /// The text of a key; that of null is `null`, for Java asks the JSON for its text.
    fn name(
        self,
        schema: Option<&Schema>,
        key: &Value<'_>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let start = out.len();
        self.value(schema, key, depth + 1, out)?;
        if out[start] != b'"' {
            out.insert(start, b'"');
            out.push(b'"');
        }
        Ok(())
    }

    fn structure(
        self,
        schema: &Schema,
        content: &Struct<'_>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if content.schema() != schema {
            return Err(ConnectError::data("Mismatching schema."));
        }
        check_depth(depth)?;
        out.push(b'{');
        for (field, value) in schema.struct_fields().iter().zip(content.slots()) {
            if field.index() > 0 {
                out.push(b',');
            }
            write_string(field.name(), out);
            out.push(b':');
            self.value(Some(field.schema()), value, depth + 1, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// Writes a value of a logical type; nothing if the schema is of none.
    fn logical(
        self,
        schema: &Schema,
        name: &str,
        value: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Result<()>> {
        let wrong = |logical: &str, wanted: &str| {
            let class = value.java_class();
            Err(ConnectError::data(format!(
                "Invalid type for {logical}, expected {wanted} but was class {class}"
            )))
        };
        let result = match (name, value) {
            (Decimal::NAME, Value::Decimal(number)) => match self.decimal_format {
                DecimalFormat::Numeric => {
                    out.extend_from_slice(number.to_string().as_bytes());
                    return Some(Ok(()));
                }
                DecimalFormat::Base64 => {
                    let bytes = Decimal::from_logical(schema, number);
                    return Some(bytes.map(|bytes| write_base64(&bytes, out)));
                }
            },
            (Decimal::NAME, _) => wrong("Decimal", "BigDecimal"),
            (Date::NAME, Value::Date(millis)) => Date::from_logical(schema, *millis).map(i64::from),
            (Date::NAME, _) => wrong("Date", "Date"),
            (Time::NAME, Value::Date(millis)) => Time::from_logical(schema, *millis).map(i64::from),
            (Time::NAME, _) => wrong("Time", "Date"),
            (Timestamp::NAME, Value::Date(millis)) => Timestamp::from_logical(schema, *millis),
            (Timestamp::NAME, _) => wrong("Timestamp", "Date"),
            _ => return None,
        };
        Some(result.map(|number| write_int(number, out)))
    }
}

fn write_boolean(truth: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if truth { b"true" } else { b"false" });
}

fn check_depth(depth: usize) -> Result<()> {
    if depth < DEPTH_MAX {
        return Ok(());
    }
    Err(ConnectError::data(
        "Converting Kafka Connect data to byte[] failed due to serialization error: ",
    ))
}
