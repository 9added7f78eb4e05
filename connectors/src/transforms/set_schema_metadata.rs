//! `SetSchemaMetadata`: gives the schema another name, version, or both.

use super::require::moved;
use super::schema_cache::SchemaCache;
use super::{Configure, Part, REPLACE_NULL_WITH_DEFAULT, Transform};
use crate::config::{ConfigDef, Key, Props};
use crate::data::{ConnectError, ConnectRecord, Result, Schema, Struct, Value};

const SCHEMA_NAME: Key<Option<String>> = Key::new("schema.name")
    .null_default()
    .doc("Name that the schema gets");
const SCHEMA_VERSION: Key<Option<i32>> = Key::new("schema.version")
    .null_default()
    .doc("Version that the schema gets");

#[derive(Debug)]
pub(super) struct SetSchemaMetadata {
    part: Part,
    name: Option<String>,
    version: Option<i32>,
    replace_null_with_default: bool,
    schemas: SchemaCache<Schema>,
}

impl Configure for SetSchemaMetadata {
    fn config() -> ConfigDef {
        ConfigDef::new(&[
            SCHEMA_NAME.spec,
            SCHEMA_VERSION.spec,
            REPLACE_NULL_WITH_DEFAULT.spec,
        ])
    }

    fn configure(part: Part, props: &Props) -> Result<Self> {
        let settings = Self::config().parse(props)?;
        let (name, version) = (settings.get(&SCHEMA_NAME), settings.get(&SCHEMA_VERSION));
        if name.is_none() && version.is_none() {
            return Err(ConnectError::config(
                "Neither schema name nor version configured",
            ));
        }
        Ok(Self {
            part,
            name,
            version,
            replace_null_with_default: settings.get(&REPLACE_NULL_WITH_DEFAULT),
            schemas: SchemaCache::default(),
        })
    }
}

impl Transform for SetSchemaMetadata {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        let (schema, value) = self.part.take(&mut record);
        let Some(schema) = schema else {
            if value.is_null() {
                return Ok(Some(record));
            }
            return Err(ConnectError::data(
                "Schema required for [updating schema metadata]",
            ));
        };
        let updated = self.schemas.get(&schema, || {
            // Java asks for the members of whatever schema it is given, and fails if it has none.
            schema.fields()?;
            Ok(schema.with_metadata(self.name.as_deref(), self.version))
        })?;
        let value = match value {
            Value::Struct(content) => Value::Struct(self.renamed(content, &updated)?),
            other => other,
        };
        let schema = Some((*updated).clone());
        Ok(Some(self.part.put(record, schema, value)))
    }
}

impl SetSchemaMetadata {
    fn renamed<'a>(&self, content: Struct<'a>, schema: &Schema) -> Result<Struct<'a>> {
        let members = schema.struct_fields().iter().zip(content.into_slots());
        let slots =
            members.map(|(field, value)| moved(field, value, self.replace_null_with_default));
        let slots = slots.collect::<Result<_>>()?;
        Ok(Struct::from_slots(schema.clone(), slots))
    }
}
