//! The logical types: primitive types with a name, and how their values are turned into those of
//! the base type.
//!
//! A date, time or timestamp is `java.util.Date` in all three, milliseconds since 1970 in UTC.

use std::sync::LazyLock;

use super::{BigDecimal, ConnectError, ErrorClass, Result, Schema, SchemaBuilder, Type};

pub const MILLIS_PER_DAY: i64 = 24 * 60 * 60 * 1000;

fn builder(kind: Type, name: &str) -> SchemaBuilder {
    let named = SchemaBuilder::new(kind).name(name);
    named
        .and_then(|b| b.version(1))
        .expect("neither was set before")
}

/// `java.math.BigDecimal` in bytes: the unscaled number, the scale in the schema.
#[derive(Debug)]
pub struct Decimal;

impl Decimal {
    pub const NAME: &'static str = "org.apache.kafka.connect.data.Decimal";
    pub const SCALE: &'static str = "scale";

    pub fn builder(scale: i32) -> SchemaBuilder {
        builder(Type::Bytes, Self::NAME).parameter(Self::SCALE, &scale.to_string())
    }

    pub fn schema(scale: i32) -> Schema {
        Self::builder(scale).build()
    }

    pub fn is_schema(schema: &Schema) -> bool {
        schema.name() == Some(Self::NAME)
    }

    /// The bytes, if the number has the schema's scale.
    pub fn from_logical(schema: &Schema, value: &BigDecimal) -> Result<Vec<u8>> {
        let (wanted, have) = (Self::scale(schema)?, value.scale());
        if have != wanted {
            return Err(ConnectError::data(format!(
                "Decimal value has mismatching scale for given Decimal schema. Schema has scale \
                 {wanted}, value has scale {have}."
            )));
        }
        Ok(value.unscaled_bytes())
    }

    pub fn to_logical(schema: &Schema, bytes: &[u8]) -> Result<BigDecimal> {
        // Java makes the integer before it looks at the scale.
        let unscaled = BigDecimal::from_unscaled_bytes(bytes, 0)?;
        Ok(BigDecimal::new(
            unscaled.unscaled().clone(),
            Self::scale(schema)?,
        ))
    }

    /// The scale that the schema names.
    pub fn scale(schema: &Schema) -> Result<i32> {
        let Some(parameters) = schema.parameters() else {
            let message = "the schema of a Decimal has no parameters, so no scale";
            return Err(ConnectError::new(ErrorClass::NullPointer, message));
        };
        let Some(text) = parameters.get(Self::SCALE) else {
            let message = "Invalid Decimal schema: scale parameter not found.";
            return Err(ConnectError::data(message));
        };
        crate::java::parse_int(text).map_err(|cause| {
            ConnectError::data("Invalid scale parameter found in Decimal schema: ").caused_by(cause)
        })
    }
}

fn check_name(schema: &Schema, name: &str, said: &str) -> Result<()> {
    if schema.name() == Some(name) {
        return Ok(());
    }
    Err(ConnectError::data(format!(
        "Requested conversion of {said} object but the schema does not match."
    )))
}

/// Days since 1970.
#[derive(Debug)]
pub struct Date;

/// Milliseconds of a day.
#[derive(Debug)]
pub struct Time;

/// Milliseconds since 1970.
#[derive(Debug)]
pub struct Timestamp;

impl Date {
    pub const NAME: &'static str = "org.apache.kafka.connect.data.Date";

    pub fn builder() -> SchemaBuilder {
        builder(Type::Int32, Self::NAME)
    }

    pub fn schema() -> Schema {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Date::builder().build());
        SCHEMA.clone()
    }

    /// The days, of a time that is midnight.
    pub fn from_logical(schema: &Schema, millis: i64) -> Result<i32> {
        check_name(schema, Self::NAME, "Date")?;
        if millis.rem_euclid(MILLIS_PER_DAY) != 0 {
            let message =
                "Kafka Connect Date type should not have any time fields set to non-zero values.";
            return Err(ConnectError::data(message));
        }
        Ok(crate::java::to_int(millis / MILLIS_PER_DAY))
    }

    pub fn to_logical(schema: &Schema, days: i32) -> Result<i64> {
        check_name(schema, Self::NAME, "Date")?;
        Ok(i64::from(days) * MILLIS_PER_DAY)
    }
}

impl Time {
    pub const NAME: &'static str = "org.apache.kafka.connect.data.Time";

    pub fn builder() -> SchemaBuilder {
        builder(Type::Int32, Self::NAME)
    }

    pub fn schema() -> Schema {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Time::builder().build());
        SCHEMA.clone()
    }

    pub fn from_logical(schema: &Schema, millis: i64) -> Result<i32> {
        check_name(schema, Self::NAME, "Time")?;
        if !(0..=MILLIS_PER_DAY).contains(&millis) {
            let message =
                "Kafka Connect Time type should not have any date fields set to non-zero values.";
            return Err(ConnectError::data(message));
        }
        Ok(crate::java::to_int(millis))
    }

    /// Java's message says `Date` here too.
    pub fn to_logical(schema: &Schema, millis: i32) -> Result<i64> {
        check_name(schema, Self::NAME, "Date")?;
        let millis = i64::from(millis);
        if !(0..=MILLIS_PER_DAY).contains(&millis) {
            let message = "Time values must use number of milliseconds greater than 0 and less \
                           than 86400000";
            return Err(ConnectError::data(message));
        }
        Ok(millis)
    }
}

impl Timestamp {
    pub const NAME: &'static str = "org.apache.kafka.connect.data.Timestamp";

    pub fn builder() -> SchemaBuilder {
        builder(Type::Int64, Self::NAME)
    }

    pub fn schema() -> Schema {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Timestamp::builder().build());
        SCHEMA.clone()
    }

    pub fn from_logical(schema: &Schema, millis: i64) -> Result<i64> {
        check_name(schema, Self::NAME, "Timestamp")?;
        Ok(millis)
    }

    pub fn to_logical(schema: &Schema, millis: i64) -> Result<i64> {
        check_name(schema, Self::NAME, "Timestamp")?;
        Ok(millis)
    }
}
