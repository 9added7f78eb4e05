//! `Drop` under Confluent's name: the key or value becomes null.

use super::schema_cache::SchemaCache;
use super::{Configure, Part, Transform};
use crate::config::{Check, ConfigDef, Importance, Key, Props};
use crate::data::{ConnectError, ConnectRecord, Result, Schema, Value};

const SCHEMA_BEHAVIOR: Key<String> = Key::new("schema.behavior")
    .default("nullify")
    .check(Check::OneOf(&["nullify", "retain", "force_optional"]))
    .importance(Importance::Medium)
    .doc(
        "What becomes of the schema: nothing is left of it (nullify), it stays and must be \
         optional (retain), or it is made optional (force_optional)",
    );

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behavior {
    Nullify,
    Retain,
    ForceOptional,
}

#[derive(Debug)]
pub(super) struct Drop {
    part: Part,
    behavior: Behavior,
    schemas: SchemaCache<Schema>,
}

impl Configure for Drop {
    fn config() -> ConfigDef {
        ConfigDef::new(&[SCHEMA_BEHAVIOR.spec])
    }

    fn configure(part: Part, props: &Props) -> Result<Self> {
        let behavior = match &*Self::config().parse(props)?.get(&SCHEMA_BEHAVIOR) {
            "retain" => Behavior::Retain,
            "force_optional" => Behavior::ForceOptional,
            _ => Behavior::Nullify,
        };
        Ok(Self {
            part,
            behavior,
            schemas: SchemaCache::default(),
        })
    }
}

impl Transform for Drop {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        let (schema, _) = self.part.take(&mut record);
        let schema = match (self.behavior, schema) {
            (Behavior::Nullify, _) | (_, None) => None,
            (Behavior::Retain, Some(schema)) if !schema.is_optional() => {
                let part = match self.part {
                    Part::Key => "key",
                    Part::Value => "value",
                };
                return Err(ConnectError::data(format!(
                    "cannot drop the {part} and retain its schema {schema}, which is not \
                     optional: set schema.behavior to force_optional or nullify"
                )));
            }
            (Behavior::Retain, Some(schema)) => Some(schema),
            (Behavior::ForceOptional, Some(schema)) => {
                let optional = self
                    .schemas
                    .get(&schema, || Ok(schema.with_optional(true)))?;
                Some((*optional).clone())
            }
        };
        Ok(Some(self.part.put(record, schema, Value::Null)))
    }
}
