//! Transforms: what happens to each record between a connector and its converters (KIP-66).
//!
//! One file for each class of `org.apache.kafka.connect.transforms`, and one for what they share. A
//! transform's configuration is resolved when it is made; what it does to a schema is worked out
//! once and kept with the schema, so that a record of a known schema has its values moved from slot
//! to slot. What comes out, and what is refused with which exception and message, is what Java's
//! classes do.
//!
//! - A transform owns the record that it is given and moves what it keeps.
//! - What a transform puts into a record may borrow from the transform.
//! - No result means that the record is dropped.

mod part;
mod require;
mod schema_cache;

mod cast;
mod drop;
mod drop_headers;
mod extract_field;
pub mod field_path;
mod filter;
mod flatten;
mod header_from;
mod hoist_field;
mod insert_field;
mod insert_header;
mod mask_field;
mod regex_router;
mod replace_field;
mod set_schema_metadata;
mod timestamp_converter;
mod timestamp_router;
mod value_to_key;

#[cfg(test)]
mod tests;

use std::fmt::Debug;

use crate::config::{ConfigDef, Importance, Key, Props};
use crate::data::{ConnectRecord, Result};
use part::Part;

/// What is done to each record of a connector.
pub trait Transform: Debug + Send {
    /// The record as it goes on, or nothing if it is dropped.
    fn apply<'a>(&'a self, record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>>;
}

/// A class of transform that a configuration can name.
#[derive(Debug, Clone, Copy)]
pub struct TransformClass {
    /// Java's full name.
    pub name: &'static str,
    pub config: fn() -> ConfigDef,
    /// A transform with these settings, without the prefix of its alias.
    pub configure: fn(&Props) -> Result<Box<dyn Transform>>,
}

/// What one class's file provides.
trait Configure: Transform + Sized + 'static {
    fn config() -> ConfigDef;
    fn configure(part: Part, props: &Props) -> Result<Self>;
}

/// A row of the table: a class for keys, for values, or for the record as a whole (which is made
/// like one for values).
macro_rules! class {
    ($name:literal, $type:ty, $part:ident) => {
        TransformClass {
            name: $name,
            config: <$type as Configure>::config,
            configure: |props| {
                Ok(Box::new(<$type as Configure>::configure(
                    Part::$part,
                    props,
                )?))
            },
        }
    };
}

/// Every bundled transform of Kafka 4.3, and Confluent's `Drop`.
pub const CLASSES: &[TransformClass] = &[
    class!(
        "org.apache.kafka.connect.transforms.Cast$Key",
        cast::Cast,
        Key
    ),
    class!(
        "org.apache.kafka.connect.transforms.Cast$Value",
        cast::Cast,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.DropHeaders",
        drop_headers::DropHeaders,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.ExtractField$Key",
        extract_field::ExtractField,
        Key
    ),
    class!(
        "org.apache.kafka.connect.transforms.ExtractField$Value",
        extract_field::ExtractField,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.Filter",
        filter::Filter,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.Flatten$Key",
        flatten::Flatten,
        Key
    ),
    class!(
        "org.apache.kafka.connect.transforms.Flatten$Value",
        flatten::Flatten,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.HeaderFrom$Key",
        header_from::HeaderFrom,
        Key
    ),
    class!(
        "org.apache.kafka.connect.transforms.HeaderFrom$Value",
        header_from::HeaderFrom,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.HoistField$Key",
        hoist_field::HoistField,
        Key
    ),
    class!(
        "org.apache.kafka.connect.transforms.HoistField$Value",
        hoist_field::HoistField,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.InsertField$Key",
        insert_field::InsertField,
        Key
    ),
    class!(
        "org.apache.kafka.connect.transforms.InsertField$Value",
        insert_field::InsertField,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.InsertHeader",
        insert_header::InsertHeader,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.MaskField$Key",
        mask_field::MaskField,
        Key
    ),
    class!(
        "org.apache.kafka.connect.transforms.MaskField$Value",
        mask_field::MaskField,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.RegexRouter",
        regex_router::RegexRouter,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.ReplaceField$Key",
        replace_field::ReplaceField,
        Key
    ),
    class!(
        "org.apache.kafka.connect.transforms.ReplaceField$Value",
        replace_field::ReplaceField,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.SetSchemaMetadata$Key",
        set_schema_metadata::SetSchemaMetadata,
        Key
    ),
    class!(
        "org.apache.kafka.connect.transforms.SetSchemaMetadata$Value",
        set_schema_metadata::SetSchemaMetadata,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.TimestampConverter$Key",
        timestamp_converter::TimestampConverter,
        Key
    ),
    class!(
        "org.apache.kafka.connect.transforms.TimestampConverter$Value",
        timestamp_converter::TimestampConverter,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.TimestampRouter",
        timestamp_router::TimestampRouter,
        Value
    ),
    class!(
        "org.apache.kafka.connect.transforms.ValueToKey",
        value_to_key::ValueToKey,
        Value
    ),
    class!("io.confluent.connect.transforms.Drop$Key", drop::Drop, Key),
    class!(
        "io.confluent.connect.transforms.Drop$Value",
        drop::Drop,
        Value
    ),
];

/// Whether a member that holds null and has a default is read as its default.
const REPLACE_NULL_WITH_DEFAULT: Key<bool> = Key::new("replace.null.with.default")
    .default("true")
    .importance(Importance::Medium)
    .doc("Read a field that is null and has a default as that default (true) or as null (false)");
