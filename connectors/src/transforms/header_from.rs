//! `HeaderFrom` (KIP-145): copies or moves members of the key or value into headers.

use super::require::{self, NON_EMPTY_LIST, moved, null_pointer};
use super::schema_cache::SchemaCache;
use super::{Configure, Part, REPLACE_NULL_WITH_DEFAULT, Transform};
use crate::config::{Check, ConfigDef, Key, Props};
use crate::data::{
    ConnectError, ConnectHeaders, ConnectRecord, Result, Schema, SchemaAndValue, Struct, Value,
};

const FIELDS: Key<Vec<String>> = Key::new("fields")
    .check(NON_EMPTY_LIST)
    .doc("Names of the fields that become headers");
const HEADERS: Key<Vec<String>> = Key::new("headers")
    .check(NON_EMPTY_LIST)
    .doc("Names of the headers, one for each field in the same order");
const OPERATION: Key<String> = Key::new("operation")
    .check(Check::OneOf(&["move", "copy"]))
    .doc("Whether the fields leave the key or value (move) or stay there too (copy)");

#[derive(Debug)]
pub(super) struct HeaderFrom {
    part: Part,
    fields: Vec<String>,
    headers: Vec<String>,
    moves: bool,
    replace_null_with_default: bool,
    plans: SchemaCache<Moved>,
}

/// The struct that is left of one schema, and the slots that stay.
#[derive(Debug)]
struct Moved {
    schema: Schema,
    slots: Vec<usize>,
}

impl Configure for HeaderFrom {
    fn config() -> ConfigDef {
        ConfigDef::new(&[
            FIELDS.spec,
            HEADERS.spec,
            OPERATION.spec,
            REPLACE_NULL_WITH_DEFAULT.spec,
        ])
    }

    fn configure(part: Part, props: &Props) -> Result<Self> {
        let settings = Self::config().parse(props)?;
        let (fields, headers) = (settings.get(&FIELDS), settings.get(&HEADERS));
        if fields.len() != headers.len() {
            return Err(ConnectError::config(
                "'fields' config must have the same number of elements as 'headers' config.",
            ));
        }
        Ok(Self {
            part,
            fields,
            headers,
            moves: settings.get(&OPERATION) == "move",
            replace_null_with_default: settings.get(&REPLACE_NULL_WITH_DEFAULT),
            plans: SchemaCache::default(),
        })
    }
}

impl Transform for HeaderFrom {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        let (schema, value) = self.part.take(&mut record);
        let purpose = if self.moves {
            "header move"
        } else {
            "header copy"
        };
        let Some(schema) = schema else {
            let mut map = require::map(value, purpose)?;
            for (field, header) in self.fields.iter().zip(&self.headers) {
                let value = map.get_str(field).cloned().unwrap_or_default();
                let content = SchemaAndValue {
                    schema: None,
                    value,
                };
                record.headers.add(header.as_str(), content)?;
            }
            if self.moves {
                for field in &self.fields {
                    map.remove_str(field);
                }
            }
            return Ok(Some(self.part.put(record, None, Value::Map(map))));
        };
        let content = require::structure(value, purpose)?;
        if !self.moves {
            self.add_headers(&content, &mut record.headers)?;
            let value = Value::Struct(content);
            return Ok(Some(self.part.put(record, Some(schema), value)));
        }
        let plan = self.plans.get(&schema, || self.plan(&schema))?;
        let left = self.left(&content, &plan)?;
        self.add_headers(&content, &mut record.headers)?;
        let schema = Some(left.schema().clone());
        Ok(Some(self.part.put(record, schema, Value::Struct(left))))
    }
}

impl HeaderFrom {
    fn add_headers<'a>(
        &'a self,
        content: &Struct<'a>,
        headers: &mut ConnectHeaders<'a>,
    ) -> Result<()> {
        for (name, header) in self.fields.iter().zip(&self.headers) {
            let Some(field) = content.schema().struct_field(name) else {
                return Err(null_pointer(
                    "Cannot invoke \"org.apache.kafka.connect.data.Field.schema()\" because the \
                     return value of \"org.apache.kafka.connect.data.Schema.field(String)\" is \
                     null",
                ));
            };
            let value = if self.replace_null_with_default {
                content.get_field(field)
            } else {
                &content.slots()[field.index()]
            };
            let content = SchemaAndValue {
                schema: Some(field.schema().clone()),
                value: value.clone(),
            };
            headers.add(header.as_str(), content)?;
        }
        Ok(())
    }

    fn left<'a>(&self, content: &Struct<'a>, plan: &Moved) -> Result<Struct<'a>> {
        let members = plan.schema.struct_fields().iter().zip(&plan.slots);
        let slots = members.map(|(field, &slot)| {
            let value = content.slots()[slot].clone();
            moved(field, value, self.replace_null_with_default)
        });
        let slots = slots.collect::<Result<_>>()?;
        Ok(Struct::from_slots(plan.schema.clone(), slots))
    }

    fn plan(&self, schema: &Schema) -> Result<Moved> {
        let mut builder = require::struct_like(schema);
        let mut slots = Vec::new();
        for field in schema.fields()? {
            if !self.fields.iter().any(|name| name == field.name()) {
                builder.add_field(field.name(), field.schema().clone())?;
                slots.push(field.index());
            }
        }
        Ok(Moved {
            schema: builder.build(),
            slots,
        })
    }
}
