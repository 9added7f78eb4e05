//! `HoistField`: wraps the key or value as the only member of a new struct, or map.

use super::schema_cache::SchemaCache;
use super::{Configure, Part, Transform};
use crate::config::{ConfigDef, Importance, Key, Props};
use crate::data::{ConnectRecord, Map, Result, Schema, SchemaBuilder, Struct, Value};

const FIELD: Key<String> = Key::new("field")
    .importance(Importance::Medium)
    .doc("Name of the one field of the new struct or map");

#[derive(Debug)]
pub(super) struct HoistField {
    part: Part,
    field: String,
    schemas: SchemaCache<Schema>,
}

impl Configure for HoistField {
    fn config() -> ConfigDef {
        ConfigDef::new(&[FIELD.spec])
    }

    fn configure(part: Part, props: &Props) -> Result<Self> {
        Ok(Self {
            part,
            field: Self::config().parse(props)?.get(&FIELD),
            schemas: SchemaCache::default(),
        })
    }
}

impl Transform for HoistField {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        let (schema, value) = self.part.take(&mut record);
        let Some(schema) = schema else {
            let mut map = Map::with_capacity(1);
            map.insert(self.field.as_str(), value);
            return Ok(Some(self.part.put(record, None, Value::Map(map))));
        };
        let hoisted = self.schemas.get(&schema, || {
            let builder = SchemaBuilder::structure().field(&self.field, schema.clone())?;
            Ok(builder.build())
        })?;
        let mut content = Struct::new((*hoisted).clone())?;
        content.put_at(0, value)?;
        let schema = Some(content.schema().clone());
        Ok(Some(self.part.put(record, schema, Value::Struct(content))))
    }
}
