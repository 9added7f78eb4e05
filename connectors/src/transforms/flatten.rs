//! `Flatten`: members of nested structs and maps become members of one, named by their paths.

use super::require::{self, moved, string_key};
use super::schema_cache::SchemaCache;
use super::{Configure, Part, Transform};
use crate::config::{ConfigDef, Importance, Key, Props};
use crate::data::{
    ConnectError, ConnectRecord, Map, Result, Schema, SchemaBuilder, Struct, Type, Value,
};

const DELIMITER: Key<String> = Key::new("delimiter")
    .default(".")
    .importance(Importance::Medium)
    .doc("What stands between the names on the path to a field");

const PURPOSE: &str = "flattening";

#[derive(Debug)]
pub(super) struct Flatten {
    part: Part,
    delimiter: String,
    schemas: SchemaCache<Schema>,
}

impl Configure for Flatten {
    fn config() -> ConfigDef {
        ConfigDef::new(&[DELIMITER.spec])
    }

    fn configure(part: Part, props: &Props) -> Result<Self> {
        Ok(Self {
            part,
            delimiter: Self::config().parse(props)?.get(&DELIMITER),
            schemas: SchemaCache::default(),
        })
    }
}

impl Transform for Flatten {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        if self.part.value(&record).is_null() {
            return Ok(Some(record));
        }
        let (schema, value) = self.part.take(&mut record);
        let Some(schema) = schema else {
            let map = require::map(value, PURPOSE)?;
            let mut flat = Map::with_capacity(map.len());
            self.flatten_map(map, "", &mut flat)?;
            return Ok(Some(self.part.put(record, None, Value::Map(flat))));
        };
        let content = require::structure(value, PURPOSE)?;
        let flat = self.schemas.get(&schema, || self.plan(&schema))?;
        let mut slots = Vec::with_capacity(flat.struct_fields().len());
        flatten_struct(content, &flat, &mut slots)?;
        let content = Struct::from_slots((*flat).clone(), slots);
        let schema = Some(content.schema().clone());
        Ok(Some(self.part.put(record, schema, Value::Struct(content))))
    }
}

impl Flatten {
    fn name(&self, prefix: &str, name: &str) -> String {
        if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}{}{name}", self.delimiter)
        }
    }

    fn flatten_map<'a>(&self, map: Map<'a>, prefix: &str, flat: &mut Map<'a>) -> Result<()> {
        for (key, value) in map {
            let name = self.name(prefix, string_key(&key)?);
            match value {
                Value::Map(inner) => self.flatten_map(inner, &name, flat)?,
                Value::Decimal(_) | Value::BigInt(_) | Value::Date(_) => {
                    return Err(ConnectError::data(format!(
                        "Flatten transformation was passed a value of type class {} which is not \
                         supported by Connect's data API",
                        value.java_class()
                    )));
                }
                Value::Struct(_) => {
                    return Err(ConnectError::data(format!(
                        "Flatten transformation does not support class {} for record without \
                         schemas (for field {name}).",
                        value.java_class()
                    )));
                }
                value => {
                    flat.insert(name, value);
                }
            }
        }
        Ok(())
    }

    fn plan(&self, schema: &Schema) -> Result<Schema> {
        let mut builder = require::struct_like(schema);
        let default = schema.default_value().and_then(Value::as_struct);
        let inherited = Inherited {
            prefix: "",
            optional: schema.is_optional(),
            default,
        };
        self.add_members(schema, &inherited, &mut builder)?;
        Ok(builder.build())
    }

    fn add_members(
        &self,
        schema: &Schema,
        inherited: &Inherited<'_>,
        builder: &mut SchemaBuilder,
    ) -> Result<()> {
        for field in schema.fields()? {
            let member = field.schema();
            let name = self.name(inherited.prefix, field.name());
            let optional = inherited.optional || member.is_optional();
            let default = member.default_value().or_else(|| {
                let of_parent = inherited.default?.get(field.name()).ok()?;
                (!of_parent.is_null()).then_some(of_parent)
            });
            match member.kind() {
                Type::Struct => {
                    let inherited = Inherited {
                        prefix: &name,
                        optional,
                        default: default.and_then(Value::as_struct),
                    };
                    self.add_members(member, &inherited, builder)?;
                }
                Type::Map => {
                    return Err(ConnectError::data(format!(
                        "Flatten transformation does not support {} for record with schemas (for \
                         field {name}).",
                        member.kind()
                    )));
                }
                _ => builder.add_field(&name, flat_schema(member, optional, default)?)?,
            }
        }
        Ok(())
    }
}

/// What a member has from those around it.
struct Inherited<'s> {
    prefix: &'s str,
    optional: bool,
    default: Option<&'s Struct<'static>>,
}

fn flat_schema(
    schema: &Schema,
    optional: bool,
    default: Option<&Value<'static>>,
) -> Result<Schema> {
    let builder = match (schema.kind(), schema.value_schema()) {
        (Type::Array, Ok(Some(element))) => SchemaBuilder::array(element.clone()),
        (kind, _) => SchemaBuilder::new(kind),
    };
    let mut builder = schema.copy_basics(builder);
    if optional {
        builder = builder.optional()?;
    }
    if let Some(default) = default {
        builder = builder.default_value(default.clone())?;
    }
    Ok(builder.build())
}

/// Moves the members into the flat struct's slots, in the order in which its schema was made.
fn flatten_struct<'a>(
    content: Struct<'a>,
    flat: &Schema,
    slots: &mut Vec<Value<'a>>,
) -> Result<()> {
    let schema = content.schema().clone();
    for (field, value) in schema.struct_fields().iter().zip(content.into_slots()) {
        match (field.schema().kind(), value) {
            (Type::Struct, Value::Struct(inner)) => flatten_struct(inner, flat, slots)?,
            // The members of a struct that is not there are not put at all.
            (Type::Struct, _) => {
                slots.extend(std::iter::repeat_n(Value::Null, leaves(field.schema())));
            }
            (_, value) => {
                let value = match value {
                    Value::Null => field.schema().default_value().cloned().unwrap_or_default(),
                    value => value,
                };
                let flat_field = &flat.struct_fields()[slots.len()];
                slots.push(moved(flat_field, value, false)?);
            }
        }
    }
    Ok(())
}

fn leaves(schema: &Schema) -> usize {
    let count = |field: &crate::data::Field| match field.schema().kind() {
        Type::Struct => leaves(field.schema()),
        _ => 1,
    };
    schema.struct_fields().iter().map(count).sum()
}
