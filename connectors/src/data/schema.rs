//! Schemas: shared, unchangeable, their hash made once.
//!
//! Two schemas are equal when all that they say is, documentation and parameters too, as in Java's
//! `ConnectSchema`. Most comparisons are of a schema with itself and cost one comparison of pointers.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use super::{ConnectError, Result, SchemaBuilder, Value};

/// From how many fields on a name is looked up by hash rather than by looking at each.
const INDEX_FROM: usize = 12;

/// The types of the data model. Logical types are one of these with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
    Bytes,
    Array,
    Map,
    Struct,
}

impl Type {
    /// All of them, in Java's order.
    pub const ALL: [Self; 12] = [
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Float32,
        Self::Float64,
        Self::Boolean,
        Self::String,
        Self::Bytes,
        Self::Array,
        Self::Map,
        Self::Struct,
    ];

    /// The enum constant's name, as messages show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Array => "ARRAY",
            Self::Map => "MAP",
            Self::Struct => "STRUCT",
        }
    }

    /// Numbers, booleans, strings and bytes.
    pub fn is_primitive(self) -> bool {
        !matches!(self, Self::Array | Self::Map | Self::Struct)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names and values in the order in which they were given; equal whatever the order is.
#[derive(Debug, Clone, Default)]
pub struct Parameters(Vec<(Box<str>, Box<str>)>);

impl Parameters {
    pub fn new() -> Self {
        Self::default()
    }

    /// A name that is there keeps its place and gets the new value.
    pub fn insert(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(key, _)| **key == *name) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push((name.into(), value.into())),
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| **key == *name);
        found.map(|(_, value)| &**value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(key, value)| other.get(key) == Some(value))
    }
}

impl Eq for Parameters {}

/// A member of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    name: Arc<str>,
    index: usize,
    schema: Schema,
}

impl Field {
    pub(super) fn new(name: Arc<str>, index: usize, schema: Schema) -> Self {
        Self {
            name,
            index,
            schema,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its place in the struct, from 0: the slot of its value.
    pub fn index(&self) -> usize {
        self.index
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            index,
            schema,
        } = self;
        write!(f, "Field{{name={name}, index={index}, schema={schema}}}")
    }
}

/// What a [`SchemaBuilder`] collects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) kind: Type,
    pub(super) optional: bool,
    pub(super) version: Option<i32>,
    pub(super) name: Option<Box<str>>,
    pub(super) doc: Option<Box<str>>,
    pub(super) default: Option<Value<'static>>,
    pub(super) parameters: Option<Parameters>,
    pub(super) fields: Vec<Field>,
    pub(super) key_schema: Option<Schema>,
    pub(super) value_schema: Option<Schema>,
}

struct Inner {
    hash: u64,
    parts: Parts,
    by_name: HashMap<Arc<str>, usize>,
}

/// The schema of a value. Cloning counts a reference.
#[derive(Clone)]
pub struct Schema(Arc<Inner>);

impl Schema {
    pub(super) fn from_parts(parts: Parts) -> Self {
        let mut by_name = HashMap::new();
        if parts.fields.len() >= INDEX_FROM {
            by_name.extend(parts.fields.iter().map(|f| (f.name.clone(), f.index)));
        }
        let hash = hash_of(&parts);
        Self(Arc::new(Inner {
            hash,
            parts,
            by_name,
        }))
    }

    pub fn kind(&self) -> Type {
        self.0.parts.kind
    }

    pub fn is_optional(&self) -> bool {
        self.0.parts.optional
    }

    pub fn default_value(&self) -> Option<&Value<'static>> {
        self.0.parts.default.as_ref()
    }

    pub fn name(&self) -> Option<&str> {
        self.0.parts.name.as_deref()
    }

    pub fn version(&self) -> Option<i32> {
        self.0.parts.version
    }

    pub fn doc(&self) -> Option<&str> {
        self.0.parts.doc.as_deref()
    }

    pub fn parameters(&self) -> Option<&Parameters> {
        self.0.parts.parameters.as_ref()
    }

    /// The members of a struct; an error for what is none.
    pub fn fields(&self) -> Result<&[Field]> {
        match self.kind() {
            Type::Struct => Ok(&self.0.parts.fields),
            _ => Err(ConnectError::data("Cannot list fields on non-struct type")),
        }
    }

    /// The members of a struct; none for what is no struct.
    pub fn struct_fields(&self) -> &[Field] {
        &self.0.parts.fields
    }

    /// A member of a struct by its name; an error for what is no struct.
    pub fn field(&self, name: &str) -> Result<Option<&Field>> {
        match self.kind() {
            Type::Struct => Ok(self.struct_field(name)),
            _ => Err(ConnectError::data(
                "Cannot look up fields on non-struct type",
            )),
        }
    }

    /// A member of a struct by its name; nothing for what is no struct.
    pub fn struct_field(&self, name: &str) -> Option<&Field> {
        let fields = &self.0.parts.fields;
        if self.0.by_name.is_empty() {
            return fields.iter().find(|field| *field.name == *name);
        }
        self.0.by_name.get(name).map(|&index| &fields[index])
    }

    /// The schema of a map's keys. `None` if the map was made without one, as those of
    /// [`Values`](super::SchemaBuilder::map_of_null) may be.
    pub fn key_schema(&self) -> Result<Option<&Self>> {
        match self.kind() {
            Type::Map => Ok(self.0.parts.key_schema.as_ref()),
            _ => Err(ConnectError::data(
                "Cannot look up key schema on non-map type",
            )),
        }
    }

    /// The schema of a map's values or an array's elements.
    pub fn value_schema(&self) -> Result<Option<&Self>> {
        match self.kind() {
            Type::Map | Type::Array => Ok(self.0.parts.value_schema.as_ref()),
            _ => Err(ConnectError::data(
                "Cannot look up value schema on non-array and non-map type",
            )),
        }
    }

    /// Whether both are the same object: quick, and enough for a cache's first look.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A builder that has everything that this schema says but default, optionality and (for
    /// structs) members: what Java's `SchemaUtil.copySchemaBasics` copies.
    pub fn copy_basics(&self, mut builder: SchemaBuilder) -> SchemaBuilder {
        builder.set_basics(self.name(), self.version(), self.doc(), self.parameters());
        builder
    }

    /// The same schema, said to be optional or required.
    #[must_use]
    pub fn with_optional(&self, optional: bool) -> Self {
        if optional == self.is_optional() {
            return self.clone();
        }
        let mut parts = self.0.parts.clone();
        parts.optional = optional;
        Self::from_parts(parts)
    }

    /// The same schema with another name, version, or both.
    #[must_use]
    pub fn with_metadata(&self, name: Option<&str>, version: Option<i32>) -> Self {
        let mut parts = self.0.parts.clone();
        if let Some(name) = name {
            parts.name = Some(name.into());
        }
        parts.version = version.or(parts.version);
        Self::from_parts(parts)
    }

    /// The same schema with a default, which is not looked at.
    #[must_use]
    pub fn with_default(&self, default: Value<'static>) -> Self {
        let mut parts = self.0.parts.clone();
        parts.default = Some(default);
        Self::from_parts(parts)
    }
}

fn hash_of(parts: &Parts) -> u64 {
    let mut hasher = DefaultHasher::new();
    let Parts {
        kind,
        optional,
        version,
        name,
        doc,
        default,
        parameters,
        fields,
        key_schema,
        value_schema,
    } = parts;
    (kind, optional, version, name, doc, default).hash(&mut hasher);
    // Parameters are equal whatever their order: only what does not depend on it may count.
    parameters.as_ref().map(Parameters::len).hash(&mut hasher);
    for field in fields {
        (&field.name, &field.schema).hash(&mut hasher);
    }
    (key_schema, value_schema).hash(&mut hasher);
    hasher.finish()
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || (self.0.hash == other.0.hash && self.0.parts == other.0.parts)
    }
}

impl Eq for Schema {}

impl Hash for Schema {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "Schema{{{name}:{}}}", self.kind()),
            None => write!(f, "Schema{{{}}}", self.kind()),
        }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.parts.fmt(f)
    }
}

/// The schemas that Java keeps as constants: a method a type, required and optional.
macro_rules! constants {
    ($($required:ident $optional:ident $kind:ident;)*) => {
        impl Schema {
            $(
                pub fn $required() -> Self {
                    static SCHEMA: LazyLock<Schema> =
                        LazyLock::new(|| SchemaBuilder::new(Type::$kind).build());
                    SCHEMA.clone()
                }

                pub fn $optional() -> Self {
                    static SCHEMA: LazyLock<Schema> =
                        LazyLock::new(|| Schema::$required().with_optional(true));
                    SCHEMA.clone()
                }
            )*
        }
    };
}

constants! {
    int8 optional_int8 Int8;
    int16 optional_int16 Int16;
    int32 optional_int32 Int32;
    int64 optional_int64 Int64;
    float32 optional_float32 Float32;
    float64 optional_float64 Float64;
    boolean optional_boolean Boolean;
    string optional_string String;
    bytes optional_bytes Bytes;
}
