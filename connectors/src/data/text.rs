//! Values as Java's `String.valueOf` shows them: in messages, and in what StringConverter and the
//! file sink write.

use std::fmt;

use super::{Map, Struct, Value};
use crate::java;

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Int8(number) => number.fmt(f),
            Self::Int16(number) => number.fmt(f),
            Self::Int32(number) => number.fmt(f),
            Self::Int64(number) => number.fmt(f),
            Self::Float32(number) => java::FloatText(*number).fmt(f),
            Self::Float64(number) => java::DoubleText(*number).fmt(f),
            Self::Boolean(truth) => truth.fmt(f),
            Self::String(text) => f.write_str(text),
            // Java shows where the array lies in memory; that tells nobody anything.
            Self::Bytes(_) => f.write_str("[B@0"),
            Self::Array(list) => write_list(f, list),
            Self::Map(map) => map.fmt(f),
            Self::Struct(content) => content.fmt(f),
            Self::Decimal(number) => number.fmt(f),
            Self::Date(millis) => java::DateText(*millis).fmt(f),
            Self::BigInt(number) => number.fmt(f),
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, list: &[Value<'_>]) -> fmt::Result {
    f.write_str("[")?;
    for (index, value) in list.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(f, "{comma}{value}")?;
    }
    f.write_str("]")
}

impl fmt::Display for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (key, value)) in self.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{key}={value}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Struct<'_> {
    /// Members that are null are left out; defaults are not filled in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Struct{")?;
        let members = self.schema().struct_fields().iter().zip(self.slots());
        let present = members.filter(|(_, value)| !value.is_null());
        for (index, (field, value)) in present.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{}={value}", field.name())?;
        }
        f.write_str("}")
    }
}
