//! `ReplaceField`: leaves members out, and renames others.

use std::collections::HashMap;

use super::require::{self, moved, string_key};
use super::schema_cache::SchemaCache;
use super::{Configure, Part, REPLACE_NULL_WITH_DEFAULT, Transform};
use crate::config::{Check, ConfigDef, Importance, Key, Props, Setting, invalid};
use crate::data::{
    ConnectError, ConnectRecord, Map, Result, Schema, Struct, Value, validate_field,
};
use crate::java;

const EXCLUDE: Key<Vec<String>> = Key::new("exclude")
    .default("")
    .check(Check::UniqueList { may_be_empty: true })
    .importance(Importance::Medium)
    .doc("Names of the fields to leave out, even if they are also included");
const INCLUDE: Key<Vec<String>> = Key::new("include")
    .default("")
    .check(Check::UniqueList { may_be_empty: true })
    .importance(Importance::Medium)
    .doc("Names of the fields to keep; all, if there are none");
const RENAMES: Key<Vec<String>> = Key::new("renames")
    .default("")
    .check(Check::Own {
        check: check_renames,
        shown: "list of colon-delimited pairs, e.g. <code>foo:bar,abc:xyz</code>",
    })
    .importance(Importance::Medium)
    .doc("Fields to rename, as `old:new`");

const PURPOSE: &str = "field replacement";

fn check_renames(_: &str, setting: &Setting) -> Result<()> {
    match setting {
        Setting::List(items) => parse_renames(items).map(drop),
        _ => Ok(()),
    }
}

fn parse_renames(items: &[String]) -> Result<Vec<(String, String)>> {
    let mut renames = Vec::new();
    for item in items {
        let [old, new] = java::split(item, ':')[..] else {
            let list = Setting::List(items.to_vec());
            let message = format!("Invalid rename mapping: {item}");
            return Err(invalid("renames", &list, &message));
        };
        java::put(&mut renames, old.to_owned(), new.to_owned());
    }
    Ok(java::hash_order(renames, |(old, _)| old))
}

#[derive(Debug)]
pub(super) struct ReplaceField {
    part: Part,
    exclude: Vec<String>,
    include: Vec<String>,
    renames: HashMap<String, String>,
    /// From new names to old ones. Of several old ones the last in the order of Java's map counts.
    originals: HashMap<String, String>,
    replace_null_with_default: bool,
    plans: SchemaCache<Plan>,
}

/// For one schema.
#[derive(Debug)]
struct Plan {
    schema: Schema,
    sources: Vec<Result<Source>>,
}

/// Where a member's value comes from.
#[derive(Debug)]
struct Source {
    slot: usize,
    /// Nobody else takes the value of this slot.
    is_only: bool,
    /// The member has the schema that it had. Two renames can cross so that it has not.
    is_same: bool,
}

impl Configure for ReplaceField {
    fn config() -> ConfigDef {
        ConfigDef::new(&[
            EXCLUDE.spec,
            INCLUDE.spec,
            RENAMES.spec,
            REPLACE_NULL_WITH_DEFAULT.spec,
        ])
    }

    fn configure(part: Part, props: &Props) -> Result<Self> {
        let settings = Self::config().parse(props)?;
        let renames = parse_renames(&settings.get(&RENAMES))?;
        let swapped = |(old, new): &(String, String)| (new.clone(), old.clone());
        Ok(Self {
            part,
            exclude: settings.get(&EXCLUDE),
            include: settings.get(&INCLUDE),
            originals: renames.iter().map(swapped).collect(),
            renames: renames.into_iter().collect(),
            replace_null_with_default: settings.get(&REPLACE_NULL_WITH_DEFAULT),
            plans: SchemaCache::default(),
        })
    }
}

impl Transform for ReplaceField {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        if self.part.value(&record).is_null() {
            return Ok(Some(record));
        }
        let (schema, value) = self.part.take(&mut record);
        if schema.is_none() {
            let map = self.replace_in_map(require::map(value, PURPOSE)?)?;
            return Ok(Some(self.part.put(record, None, Value::Map(map))));
        }
        let content = self.replace(require::structure(value, PURPOSE)?)?;
        let schema = Some(content.schema().clone());
        Ok(Some(self.part.put(record, schema, Value::Struct(content))))
    }
}

impl ReplaceField {
    fn keeps(&self, name: &str) -> bool {
        let holds = |list: &[String]| list.iter().any(|item| item == name);
        !holds(&self.exclude) && (self.include.is_empty() || holds(&self.include))
    }

    fn replace_in_map<'a>(&'a self, map: Map<'a>) -> Result<Map<'a>> {
        let mut replaced = Map::with_capacity(map.len());
        for (key, value) in map {
            let name = string_key(&key)?;
            if !self.keeps(name) {
                continue;
            }
            match self.renames.get(name) {
                Some(new) => replaced.insert(new.as_str(), value),
                None => replaced.insert(key, value),
            };
        }
        Ok(replaced)
    }

    fn replace<'a>(&self, content: Struct<'a>) -> Result<Struct<'a>> {
        let old_schema = content.schema().clone();
        let plan = self.plans.get(&old_schema, || self.plan(&old_schema))?;
        let old_fields = old_schema.struct_fields();
        let mut old = content.into_slots();
        let mut slots = Vec::with_capacity(plan.sources.len());
        for (field, source) in plan.schema.struct_fields().iter().zip(&plan.sources) {
            let source = source.as_ref().map_err(Clone::clone)?;
            let value = match source.is_only {
                true => std::mem::take(&mut old[source.slot]),
                false => old[source.slot].clone(),
            };
            if source.is_same {
                slots.push(moved(field, value, self.replace_null_with_default)?);
                continue;
            }
            let default = old_fields[source.slot].schema().default_value();
            let value = match default {
                Some(default) if value.is_null() && self.replace_null_with_default => {
                    default.clone()
                }
                _ => value,
            };
            validate_field(field.name(), field.schema(), &value)?;
            slots.push(value);
        }
        Ok(Struct::from_slots(plan.schema.clone(), slots))
    }

    fn plan(&self, schema: &Schema) -> Result<Plan> {
        let mut builder = require::struct_like(schema);
        for field in schema.fields()? {
            if self.keeps(field.name()) {
                let renamed = self.renames.get(field.name());
                let name = renamed.map_or(field.name(), String::as_str);
                builder.add_field(name, field.schema().clone())?;
            }
        }
        let updated = builder.build();
        let original = |name: &str| {
            let original = self.originals.get(name).map_or(name, String::as_str);
            schema
                .struct_field(original)
                .ok_or_else(|| ConnectError::data(format!("{original} is not a valid field name")))
        };
        let mut uses = vec![0_usize; schema.struct_fields().len()];
        for field in updated.struct_fields() {
            if let Ok(source) = original(field.name()) {
                uses[source.index()] += 1;
            }
        }
        let sources = updated.struct_fields().iter().map(|field| {
            let source = original(field.name())?;
            Ok(Source {
                slot: source.index(),
                is_only: uses[source.index()] == 1,
                is_same: source.schema() == field.schema(),
            })
        });
        let sources = sources.collect();
        Ok(Plan {
            schema: updated,
            sources,
        })
    }
}
