//! Values: what Java passes around as `Object`.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use num_bigint::BigInt;

use super::{BigDecimal, Map, Schema, Struct, Type};

/// A value, with whatever it could borrow from where it was read.
///
/// Equality is Java's `equals`: the same type and content; `NaN` equals itself, and `0.0` does not
/// equal `-0.0`; decimals differ if their scales do.
#[derive(Debug, Clone, Default)]
pub enum Value<'a> {
    #[default]
    Null,
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    Boolean(bool),
    String(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Array(Vec<Self>),
    Map(Map<'a>),
    Struct(Struct<'a>),
    /// `java.math.BigDecimal`: the logical type Decimal, or a number without a schema.
    Decimal(Box<BigDecimal>),
    /// `java.util.Date`, in milliseconds since 1970: the logical types Date, Time and Timestamp.
    Date(i64),
    /// `java.math.BigInteger`: a number that has no schema.
    BigInt(Box<BigInt>),
}

impl<'a> Value<'a> {
    pub fn string(text: impl Into<Cow<'a, str>>) -> Self {
        Self::String(text.into())
    }

    pub fn bytes(content: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::Bytes(content.into())
    }

    pub fn decimal(number: BigDecimal) -> Self {
        Self::Decimal(Box::new(number))
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_struct(&self) -> Option<&Struct<'a>> {
        match self {
            Self::Struct(content) => Some(content),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Map<'a>> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The type that Java infers from the value's class. Null and the classes of logical types have
    /// none.
    pub fn kind(&self) -> Option<Type> {
        Some(match self {
            Self::Int8(_) => Type::Int8,
            Self::Int16(_) => Type::Int16,
            Self::Int32(_) => Type::Int32,
            Self::Int64(_) => Type::Int64,
            Self::Float32(_) => Type::Float32,
            Self::Float64(_) => Type::Float64,
            Self::Boolean(_) => Type::Boolean,
            Self::String(_) => Type::String,
            Self::Bytes(_) => Type::Bytes,
            Self::Array(_) => Type::Array,
            Self::Map(_) => Type::Map,
            Self::Struct(_) => Type::Struct,
            Self::Null | Self::Decimal(_) | Self::Date(_) | Self::BigInt(_) => return None,
        })
    }

    /// What `instanceof Number` is true of.
    pub fn is_number(&self) -> bool {
        matches!(
            self,
            Self::Int8(_)
                | Self::Int16(_)
                | Self::Int32(_)
                | Self::Int64(_)
                | Self::Float32(_)
                | Self::Float64(_)
                | Self::Decimal(_)
                | Self::BigInt(_)
        )
    }

    /// The full name of the Java class that holds such a value, as messages show it after `class `.
    /// Of a list and a map it is the class that JsonConverter makes.
    pub fn java_class(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Int8(_) => "java.lang.Byte",
            Self::Int16(_) => "java.lang.Short",
            Self::Int32(_) => "java.lang.Integer",
            Self::Int64(_) => "java.lang.Long",
            Self::Float32(_) => "java.lang.Float",
            Self::Float64(_) => "java.lang.Double",
            Self::Boolean(_) => "java.lang.Boolean",
            Self::String(_) => "java.lang.String",
            Self::Bytes(_) => "[B",
            Self::Array(_) => "java.util.ArrayList",
            Self::Map(_) => "java.util.HashMap",
            Self::Struct(_) => "org.apache.kafka.connect.data.Struct",
            Self::Decimal(_) => "java.math.BigDecimal",
            Self::Date(_) => "java.util.Date",
            Self::BigInt(_) => "java.math.BigInteger",
        }
    }

    /// The same value, borrowing nothing.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Int8(number) => Value::Int8(number),
            Self::Int16(number) => Value::Int16(number),
            Self::Int32(number) => Value::Int32(number),
            Self::Int64(number) => Value::Int64(number),
            Self::Float32(number) => Value::Float32(number),
            Self::Float64(number) => Value::Float64(number),
            Self::Boolean(truth) => Value::Boolean(truth),
            Self::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Self::Bytes(content) => Value::Bytes(Cow::Owned(content.into_owned())),
            Self::Array(list) => Value::Array(list.into_iter().map(Value::into_owned).collect()),
            Self::Map(map) => Value::Map(map.into_owned()),
            Self::Struct(content) => Value::Struct(content.into_owned()),
            Self::Decimal(number) => Value::Decimal(number),
            Self::Date(millis) => Value::Date(millis),
            Self::BigInt(number) => Value::BigInt(number),
        }
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Int8(a), Self::Int8(b)) => a == b,
            (Self::Int16(a), Self::Int16(b)) => a == b,
            (Self::Int32(a), Self::Int32(b)) => a == b,
            (Self::Int64(a), Self::Int64(b)) | (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Float32(a), Self::Float32(b)) => float_bits(*a) == float_bits(*b),
            (Self::Float64(a), Self::Float64(b)) => double_bits(*a) == double_bits(*b),
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Struct(a), Self::Struct(b)) => a == b,
            (Self::Decimal(a), Self::Decimal(b)) => a == b,
            (Self::BigInt(a), Self::BigInt(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value<'_> {}

impl Hash for Value<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Int8(number) => number.hash(state),
            Self::Int16(number) => number.hash(state),
            Self::Int32(number) => number.hash(state),
            Self::Int64(number) | Self::Date(number) => number.hash(state),
            Self::Float32(number) => float_bits(*number).hash(state),
            Self::Float64(number) => double_bits(*number).hash(state),
            Self::Boolean(truth) => truth.hash(state),
            Self::String(text) => text.hash(state),
            Self::Bytes(content) => content.hash(state),
            Self::Array(list) => list.hash(state),
            // Maps are equal whatever their order.
            Self::Map(map) => map.len().hash(state),
            Self::Struct(content) => content.hash(state),
            Self::Decimal(number) => number.hash(state),
            Self::BigInt(number) => number.hash(state),
        }
    }
}

/// Java's `floatToIntBits`: every NaN is the same one.
fn float_bits(number: f32) -> u32 {
    if number.is_nan() {
        f32::NAN.to_bits()
    } else {
        number.to_bits()
    }
}

fn double_bits(number: f64) -> u64 {
    if number.is_nan() {
        f64::NAN.to_bits()
    } else {
        number.to_bits()
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident;)*) => {
        $(
            impl From<$from> for Value<'_> {
                fn from(value: $from) -> Self {
                    Self::$variant(value)
                }
            }
        )*
    };
}

from! {
    i8 => Int8;
    i16 => Int16;
    i32 => Int32;
    i64 => Int64;
    f32 => Float32;
    f64 => Float64;
    bool => Boolean;
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}

/// A value and the schema that says what it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SchemaAndValue<'a> {
    pub schema: Option<Schema>,
    pub value: Value<'a>,
}

impl<'a> SchemaAndValue<'a> {
    /// Neither: what a tombstone is read as.
    pub const NULL: Self = Self {
        schema: None,
        value: Value::Null,
    };

    pub fn new(schema: Option<Schema>, value: impl Into<Value<'a>>) -> Self {
        Self {
            schema,
            value: value.into(),
        }
    }

    pub fn into_owned(self) -> SchemaAndValue<'static> {
        SchemaAndValue {
            schema: self.schema,
            value: self.value.into_owned(),
        }
    }
}
