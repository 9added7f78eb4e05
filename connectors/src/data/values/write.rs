//! Values as header texts.

use std::fmt::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::data::{Struct, Value};
use crate::java;

/// The text of a value; nothing of null.
pub fn convert_to_string(value: &Value<'_>) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let mut text = String::new();
    write_string(value, &mut text).expect("a string takes any text");
    Some(text)
}

/// Writes the text of a value. A string that stands alone has no quotes.
pub fn write_string(value: &Value<'_>, out: &mut impl Write) -> fmt::Result {
    append(value, false, out)
}

fn append(value: &Value<'_>, is_embedded: bool, out: &mut impl Write) -> fmt::Result {
    match value {
        Value::String(text) if is_embedded => quoted(text, out),
        Value::Bytes(content) => {
            let text = STANDARD.encode(content);
            let quote = if is_embedded { "\"" } else { "" };
            write!(out, "{quote}{text}{quote}")
        }
        Value::Array(list) => {
            out.write_char('[')?;
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    out.write_char(',')?;
                }
                append(value, true, out)?;
            }
            out.write_char(']')
        }
        Value::Map(map) => {
            out.write_char('{')?;
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    out.write_char(',')?;
                }
                append(key, true, out)?;
                out.write_char(':')?;
                append(value, true, out)?;
            }
            out.write_char('}')
        }
        Value::Struct(content) => append_struct(content, out),
        Value::Date(millis) => out.write_str(&java::iso_text(*millis)),
        other => write!(out, "{other}"),
    }
}

fn append_struct(content: &Struct<'_>, out: &mut impl Write) -> fmt::Result {
    out.write_char('{')?;
    for field in content.schema().struct_fields() {
        if field.index() > 0 {
            out.write_char(',')?;
        }
        quoted(field.name(), out)?;
        out.write_char(':')?;
        append(content.get_field(field), true, out)?;
    }
    out.write_char('}')
}

fn quoted(text: &str, out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.write_char('\\')?;
        }
        out.write_char(c)?;
    }
    out.write_char('"')
}
