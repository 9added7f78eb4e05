//! `ValueToKey`: makes the key a struct, or map, of some of the value's members.

use super::require::{self, moved};
use super::schema_cache::SchemaCache;
use super::{Configure, Part, REPLACE_NULL_WITH_DEFAULT, Transform};
use crate::config::{Check, ConfigDef, Key, Props};
use crate::data::{ConnectError, ConnectRecord, Map, Result, Schema, SchemaBuilder, Struct, Value};

const FIELDS: Key<Vec<String>> = Key::new("fields")
    .check(Check::UniqueList {
        may_be_empty: false,
    })
    .doc("Names of the value's fields that make the key");

const PURPOSE: &str = "copying fields from value to key";

#[derive(Debug)]
pub(super) struct ValueToKey {
    fields: Vec<String>,
    replace_null_with_default: bool,
    plans: SchemaCache<Plan>,
}

/// For one schema of the value.
#[derive(Debug)]
struct Plan {
    key_schema: Schema,
    /// The slots of the key's members in the value.
    slots: Vec<usize>,
}

impl Configure for ValueToKey {
    fn config() -> ConfigDef {
        ConfigDef::new(&[FIELDS.spec, REPLACE_NULL_WITH_DEFAULT.spec])
    }

    fn configure(_: Part, props: &Props) -> Result<Self> {
        let settings = Self::config().parse(props)?;
        Ok(Self {
            fields: settings.get(&FIELDS),
            replace_null_with_default: settings.get(&REPLACE_NULL_WITH_DEFAULT),
            plans: SchemaCache::default(),
        })
    }
}

impl Transform for ValueToKey {
    fn apply<'a>(&'a self, record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        let (schema, key) = match (&record.value_schema, &record.value) {
            (None, Value::Map(map)) => (None, Value::Map(self.of_map(map))),
            (None, other) => return Err(require::no_map(other, PURPOSE)),
            (Some(_), Value::Struct(content)) => {
                let key = self.of_struct(content)?;
                (Some(key.schema().clone()), Value::Struct(key))
            }
            (Some(_), other) => return Err(require::no_struct(other, PURPOSE)),
        };
        let mut record = Part::Key.put(record, schema, key);
        if let Value::Struct(content) = &record.value {
            record.value_schema = Some(content.schema().clone());
        }
        Ok(Some(record))
    }
}

impl ValueToKey {
    fn of_map<'a>(&'a self, map: &Map<'a>) -> Map<'a> {
        let mut key = Map::with_capacity(self.fields.len());
        for field in &self.fields {
            let value = map.get_str(field).cloned().unwrap_or_default();
            key.insert(field.as_str(), value);
        }
        key
    }

    fn of_struct<'a>(&self, content: &Struct<'a>) -> Result<Struct<'a>> {
        let schema = content.schema();
        let plan = self.plans.get(schema, || self.plan(schema))?;
        let members = plan.key_schema.struct_fields().iter().zip(&plan.slots);
        let slots = members.map(|(field, &slot)| {
            let value = content.slots()[slot].clone();
            moved(field, value, self.replace_null_with_default)
        });
        let slots = slots.collect::<Result<_>>()?;
        Ok(Struct::from_slots(plan.key_schema.clone(), slots))
    }

    fn plan(&self, schema: &Schema) -> Result<Plan> {
        let mut builder = SchemaBuilder::structure();
        let mut slots = Vec::with_capacity(self.fields.len());
        for name in &self.fields {
            let Some(field) = schema.struct_field(name) else {
                return Err(ConnectError::data(format!("Field does not exist: {name}")));
            };
            builder.add_field(name, field.schema().clone())?;
            slots.push(field.index());
        }
        Ok(Plan {
            key_schema: builder.build(),
            slots,
        })
    }
}
