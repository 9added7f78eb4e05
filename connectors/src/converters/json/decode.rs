//! JSON → values, as `JsonConverter.convertToConnect` does it.
//!
//! Scalars are not checked against the schema: what does not fit becomes 0, false or null. Null is
//! refused only where a struct is put together.

use std::borrow::Cow;

use super::tape::{Kind, Node};
use super::text::read_base64;
use crate::data::{
    BigDecimal, ConnectError, Date, Decimal, Field, Map, Result, Schema, Struct, Time, Timestamp,
    Type, Value, validate_field,
};
use crate::java;

/// How values are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) replace_null_with_default: bool,
    /// Whether null came of something that was not null, which nobody has checked yet.
    pub(super) has_lost_value: bool,
}

impl Reading {
    /// A value without schema: whole numbers are INT64, others FLOAT64, objects maps.
    pub(super) fn plain<'a>(&mut self, node: Node<'_, 'a>) -> Value<'a> {
        match node.kind() {
            Kind::Missing | Kind::Null => Value::Null,
            Kind::True => Value::Boolean(true),
            Kind::False => Value::Boolean(false),
            Kind::Whole => Value::Int64(whole(node.text())),
            Kind::Number => Value::Float64(double(node.text())),
            Kind::String | Kind::Escaped => Value::String(string(node)),
            Kind::Array => Value::Array(node.elements().map(|node| self.plain(node)).collect()),
            Kind::Object => {
                let mut map = Map::new();
                for (name, value) in node.members() {
                    map.insert(Value::String(string(name)), self.plain(value));
                }
                Value::Map(map)
            }
        }
    }

    /// A value of a schema; no node is a member that is not there.
    pub(super) fn with_schema<'a>(
        &mut self,
        schema: &Schema,
        node: Option<Node<'_, 'a>>,
    ) -> Result<Value<'a>> {
        let Some(node) = node.filter(|node| node.kind() != Kind::Null) else {
            return self.null(schema);
        };
        if let Some(value) = logical(schema, node) {
            return value;
        }
        Ok(match schema.kind() {
            Type::Int8 => Value::Int8(java::to_byte(number_as_long(node))),
            Type::Int16 => Value::Int16(java::to_short(number_as_long(node))),
            Type::Int32 => Value::Int32(java::to_int(number_as_long(node))),
            Type::Int64 => Value::Int64(number_as_long(node)),
            Type::Float32 => Value::Float32(match node.kind() {
                Kind::Whole | Kind::Number => float(node.text()),
                _ => 0.0,
            }),
            Type::Float64 => Value::Float64(match node.kind() {
                Kind::Whole | Kind::Number => double(node.text()),
                _ => 0.0,
            }),
            Type::Boolean => Value::Boolean(node.kind() == Kind::True),
            Type::String => match node.string() {
                Some(text) => Value::String(text),
                None => self.lost(),
            },
            Type::Bytes => match node.string() {
                Some(text) => {
                    let bytes = read_base64(&text);
                    let invalid = || ConnectError::data("Invalid bytes field");
                    Value::bytes(bytes.ok_or_else(invalid)?)
                }
                None => self.lost(),
            },
            Type::Array => self.array(schema, node)?,
            Type::Map => self.map(schema, node)?,
            Type::Struct => self.structure(schema, node)?,
        })
    }

    fn lost(&mut self) -> Value<'static> {
        self.has_lost_value = true;
        Value::Null
    }

    fn null(self, schema: &Schema) -> Result<Value<'static>> {
        if let Some(default) = schema.default_value()
            && self.replace_null_with_default
        {
            return Ok(default.clone());
        }
        if schema.is_optional() {
            return Ok(Value::Null);
        }
        let kind = schema.kind();
        Err(ConnectError::data(format!(
            "Invalid null value for required {kind} field"
        )))
    }

    /// A value of a schema that need not be there, as those of empty arrays and maps.
    fn maybe_schema<'a>(
        &mut self,
        schema: Option<&Schema>,
        node: Node<'_, 'a>,
    ) -> Result<Value<'a>> {
        match schema {
            Some(schema) => self.with_schema(schema, Some(node)),
            None => Ok(self.plain(node)),
        }
    }

    /// An object is taken for the array of its values; anything else is empty.
    fn array<'a>(&mut self, schema: &Schema, node: Node<'_, 'a>) -> Result<Value<'a>> {
        let element = schema.value_schema()?;
        let mut list = Vec::new();
        for node in node.elements() {
            list.push(self.maybe_schema(element, node)?);
        }
        for (_, node) in distinct_members(node) {
            list.push(self.maybe_schema(element, node)?);
        }
        Ok(Value::Array(list))
    }

    fn map<'a>(&mut self, schema: &Schema, node: Node<'_, 'a>) -> Result<Value<'a>> {
        let key_schema = schema.key_schema()?;
        let value_schema = schema.value_schema()?;
        let mut map = Map::new();
        if key_schema.is_none_or(|schema| schema.kind() == Type::String) {
            if node.kind() != Kind::Object {
                return Err(ConnectError::data(format!(
                    "Maps with string fields should be encoded as JSON objects, but found {}",
                    node.kind_name()
                )));
            }
            for (name, value) in distinct_members(node) {
                let value = self.maybe_schema(value_schema, value)?;
                map.insert(Value::String(string(name)), value);
            }
            return Ok(Value::Map(map));
        }
        if node.kind() != Kind::Array {
            return Err(ConnectError::data(format!(
                "Maps with non-string fields should be encoded as JSON array of tuples, but \
                 found {}",
                node.kind_name()
            )));
        }
        for entry in node.elements() {
            if entry.kind() != Kind::Array {
                return Err(ConnectError::data(format!(
                    "Found invalid map entry instead of array tuple: {}",
                    entry.kind_name()
                )));
            }
            let mut pair = entry.elements();
            let (Some(key), Some(value), None) = (pair.next(), pair.next(), pair.next()) else {
                let size = entry.elements().count();
                return Err(ConnectError::data(format!(
                    "Found invalid map entry, expected length 2 but found :{size}"
                )));
            };
            let key = self.maybe_schema(key_schema, key)?;
            map.insert(key, self.maybe_schema(value_schema, value)?);
        }
        Ok(Value::Map(map))
    }

    fn structure<'a>(&mut self, schema: &Schema, node: Node<'_, 'a>) -> Result<Value<'a>> {
        if node.kind() != Kind::Object {
            return Err(ConnectError::data(format!(
                "Structs should be encoded as JSON objects, but found {}",
                node.kind_name()
            )));
        }
        let slots = match self.members_in_order(schema, node) {
            Some(slots) => slots,
            None => self.members_by_name(schema, node)?,
        };
        Ok(Value::Struct(Struct::from_slots(schema.clone(), slots)))
    }

    /// The values of a text that names members in the order of the schema, as most do, each once.
    /// Nothing if it does not or if anything is wrong.
    fn members_in_order<'a>(
        &mut self,
        schema: &Schema,
        node: Node<'_, 'a>,
    ) -> Option<Vec<Value<'a>>> {
        let fields = schema.struct_fields();
        let mut slots = Vec::with_capacity(fields.len());
        let mut members = node.members();
        let mut next = members.next();
        for field in fields {
            let found = match next {
                Some((name, value)) if name.is_named(field.name()) => {
                    next = members.next();
                    Some(value)
                }
                _ => None,
            };
            slots.push(self.member(field, found).ok()?);
        }
        next.is_none().then_some(slots)
    }

    fn members_by_name<'a>(
        &mut self,
        schema: &Schema,
        node: Node<'_, 'a>,
    ) -> Result<Vec<Value<'a>>> {
        self.has_lost_value = false;
        let mut found = vec![None; schema.struct_fields().len()];
        for (name, value) in node.members() {
            if let Some(field) = schema.struct_field(&string(name)) {
                found[field.index()] = Some(value);
            }
        }
        let fields = schema.struct_fields().iter().zip(found);
        fields
            .map(|(field, found)| self.member(field, found))
            .collect()
    }

    fn member<'a>(&mut self, field: &Field, found: Option<Node<'_, 'a>>) -> Result<Value<'a>> {
        let value = self.with_schema(field.schema(), found)?;
        if value.is_null() || self.has_lost_value {
            validate_field(field.name(), field.schema(), &value)?;
            self.has_lost_value = false;
        }
        Ok(value)
    }
}

/// The members of an object, one of each name: it has the place of the first and the value of the
/// last.
fn distinct_members<'t, 'a>(
    node: Node<'t, 'a>,
) -> impl Iterator<Item = (Node<'t, 'a>, Node<'t, 'a>)> {
    let mut last: Map<'a> = Map::new();
    let mut members = Vec::new();
    for (name, value) in node.members() {
        let place = Value::Int64(i64::try_from(members.len()).expect("fewer than bytes"));
        match last.insert(Value::String(string(name)), place.clone()) {
            // It keeps the place of the first and has the value of the last.
            Some(Value::Int64(first)) => {
                let first_place = usize::try_from(first).expect("it was made of one");
                members[first_place] = (name, value);
                last.insert(Value::String(string(name)), Value::Int64(first));
            }
            _ => members.push((name, value)),
        }
    }
    members.into_iter()
}

fn string<'a>(node: Node<'_, 'a>) -> Cow<'a, str> {
    node.string().unwrap_or_default()
}

/// The low 64 bits of a whole number.
fn whole(text: &str) -> i64 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let add = |sum: u64, byte: u8| sum.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
    let number = digits.bytes().fold(0, add).cast_signed();
    if negative {
        number.wrapping_neg()
    } else {
        number
    }
}

/// The low 64 bits of the whole part of a number, and 0 of what is none.
fn number_as_long(node: Node<'_, '_>) -> i64 {
    match node.kind() {
        Kind::Whole => whole(node.text()),
        Kind::Number => decimal(node.text()).long_value(),
        _ => 0,
    }
}

fn decimal(text: &str) -> BigDecimal {
    text.parse()
        .expect("the tape has only numbers that are decimals")
}

/// Java's numbers go through decimals, which have no negative zero; what is too small keeps its
/// sign.
fn double(text: &str) -> f64 {
    let number: f64 = text.parse().expect("JSON's numbers are Rust's");
    if number == 0.0 && is_zero(text) {
        0.0
    } else {
        number
    }
}

fn float(text: &str) -> f32 {
    let number: f32 = text.parse().expect("JSON's numbers are Rust's");
    if number == 0.0 && is_zero(text) {
        0.0
    } else {
        number
    }
}

fn is_zero(text: &str) -> bool {
    let mut mantissa = text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E'));
    !mantissa.any(|byte| matches!(byte, b'1'..=b'9'))
}

/// The value if the schema is one of the logical types.
fn logical<'a>(schema: &Schema, node: Node<'_, 'a>) -> Option<Result<Value<'a>>> {
    let name = schema.name()?;
    let wrong = |wanted: &str| {
        let message = format!("Invalid type for {wanted} but was {}", node.kind_name());
        Err(ConnectError::data(message))
    };
    // Jackson's smallest kind of number that holds it.
    let int = || match node.kind() {
        Kind::Whole => node.text().parse::<i32>().ok(),
        _ => None,
    };
    Some(match name {
        Decimal::NAME => decimal_of(schema, node),
        Date::NAME => match int() {
            Some(days) => Date::to_logical(schema, days).map(Value::Date),
            None => wrong("Date, underlying representation should be integer"),
        },
        Time::NAME => match int() {
            Some(millis) => Time::to_logical(schema, millis).map(Value::Date),
            None => wrong("Time, underlying representation should be integer"),
        },
        Timestamp::NAME => match node.kind() {
            Kind::Whole => Timestamp::to_logical(schema, whole(node.text())).map(Value::Date),
            _ => wrong("Timestamp, underlying representation should be integral"),
        },
        _ => return None,
    })
}

fn decimal_of<'a>(schema: &Schema, node: Node<'_, 'a>) -> Result<Value<'a>> {
    match node.kind() {
        Kind::Whole | Kind::Number => Ok(Value::decimal(decimal(node.text()))),
        Kind::String | Kind::Escaped => {
            let bytes = read_base64(&string(node));
            let invalid = || ConnectError::data("Invalid bytes for Decimal field");
            let number = Decimal::to_logical(schema, &bytes.ok_or_else(invalid)?);
            let number = number.map_err(|cause| invalid().caused_by(cause))?;
            Ok(Value::decimal(number))
        }
        _ => Err(ConnectError::data(format!(
            "Invalid type for Decimal, underlying representation should be numeric or bytes but \
             was {}",
            node.kind_name()
        ))),
    }
}
