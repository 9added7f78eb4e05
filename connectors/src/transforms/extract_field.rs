//! `ExtractField`: one member takes the place of the whole key or value.

use super::field_path::{FIELD_SYNTAX_VERSION, FieldPath, SyntaxVersion};
use super::require;
use super::schema_cache::SchemaCache;
use super::{Configure, Part, REPLACE_NULL_WITH_DEFAULT, Transform};
use crate::config::{ConfigDef, Importance, Key, Props};
use crate::data::{ConnectError, ConnectRecord, ErrorClass, Result, Schema, Value};

const FIELD: Key<String> = Key::new("field")
    .importance(Importance::Medium)
    .doc("Name of the field, or its path where the syntax allows one");

const PURPOSE: &str = "field extraction";

#[derive(Debug)]
pub(super) struct ExtractField {
    part: Part,
    text: String,
    path: FieldPath,
    replace_null_with_default: bool,
    plans: SchemaCache<Option<Schema>>,
}

impl Configure for ExtractField {
    fn config() -> ConfigDef {
        ConfigDef::new(&[
            FIELD.spec,
            REPLACE_NULL_WITH_DEFAULT.spec,
            FIELD_SYNTAX_VERSION.spec,
        ])
    }

    fn configure(part: Part, props: &Props) -> Result<Self> {
        let settings = Self::config().parse(props)?;
        let text = settings.get(&FIELD);
        let version = SyntaxVersion::parse(&settings.get(&FIELD_SYNTAX_VERSION));
        Ok(Self {
            part,
            path: FieldPath::parse(&text, version)?,
            text,
            replace_null_with_default: settings.get(&REPLACE_NULL_WITH_DEFAULT),
            plans: SchemaCache::default(),
        })
    }
}

impl Transform for ExtractField {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        let (schema, value) = self.part.take(&mut record);
        let Some(schema) = schema else {
            let value = match value {
                Value::Null => Value::Null,
                value => self.path.take_from_map(require::map(value, PURPOSE)?)?,
            };
            return Ok(Some(self.part.put(record, None, value)));
        };
        let content = match value {
            Value::Null => None,
            value => Some(require::structure(value, PURPOSE)?),
        };
        let field = self.plans.get(&schema, || {
            let field = self.path.field_of(&schema)?;
            Ok(field.map(|field| field.schema().clone()))
        })?;
        let Some(field_schema) = &*field else {
            let message = format!("Unknown field: {}", self.text);
            return Err(ConnectError::new(ErrorClass::IllegalArgument, message));
        };
        let value = match content {
            Some(content) => self
                .path
                .take_from_struct(content, self.replace_null_with_default)?,
            None => Value::Null,
        };
        let schema = Some(field_schema.clone());
        Ok(Some(self.part.put(record, schema, value)))
    }
}
