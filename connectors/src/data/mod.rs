//! What records are made of once a connector looks inside them: Connect's data model.
//!
//! Names and rules are those of `org.apache.kafka.connect.data`, `.header`, `.connector`, `.source`
//! and
//! `.sink` (KIP-26, KIP-145), because converters, transforms and connectors are judged against Java's.
//!
//! - A [`Schema`] is shared and never changes; its hash is made once. No schema is `None`.
//! - A [`Value`] borrows strings and bytes from the record that it was read from where it can. Java's `null`
//!   is [`Value::Null`].
//! - An error is a [`ConnectError`]: the class that Java would have thrown, and its message.
//!
//! What differs from Java, by intent: strings are UTF-8, so a lone surrogate is an error where it
//! comes in; maps keep the order in which their entries were put (Java's `HashMap` has none);
//! `byte[]` and `ByteBuffer` are one type; bytes are equal when their content is.

mod big_decimal;
mod builder;
mod error;
mod headers;
mod logical;
mod map;
mod record;
mod schema;
mod structs;
mod text;
mod validate;
mod value;
pub mod values;

pub use big_decimal::BigDecimal;
pub use builder::SchemaBuilder;
pub use error::{ConnectError, ErrorClass};
pub use headers::{ConnectHeaders, Header};
pub use logical::{Date, Decimal, MILLIS_PER_DAY, Time, Timestamp};
pub use map::Map;
pub use record::{ConnectRecord, Origin, SinkOrigin, SourceOrigin, TimestampType};
pub use schema::{Field, Parameters, Schema, Type};
pub use structs::Struct;
pub use validate::{validate_field, validate_value};
pub use value::{SchemaAndValue, Value};

/// What everything here answers with.
pub type Result<T, E = ConnectError> = std::result::Result<T, E>;

#[cfg(test)]
mod tests;
