//! Making schemas: Java's `SchemaBuilder`, whose every property can be set once.

use std::collections::HashSet;
use std::sync::Arc;

use super::schema::{Parameters, Parts};
use super::{ConnectError, Field, Result, Schema, Type, Value, validate_value};

/// A schema that is being put together. Methods that may be refused answer with the builder or an
/// error.
#[derive(Debug, Clone)]
pub struct SchemaBuilder {
    parts: Parts,
    optional_is_set: bool,
    /// The names of the members: a schema may come from outside and have very many.
    names: HashSet<Arc<str>>,
}

impl SchemaBuilder {
    pub fn new(kind: Type) -> Self {
        Self {
            parts: Parts {
                kind,
                optional: false,
                version: None,
                name: None,
                doc: None,
                default: None,
                parameters: None,
                fields: Vec::new(),
                key_schema: None,
                value_schema: None,
            },
            optional_is_set: false,
            names: HashSet::new(),
        }
    }

    pub fn structure() -> Self {
        Self::new(Type::Struct)
    }

    pub fn array(value_schema: Schema) -> Self {
        let mut builder = Self::new(Type::Array);
        builder.parts.value_schema = Some(value_schema);
        builder
    }

    pub fn map(key_schema: Schema, value_schema: Schema) -> Self {
        let mut builder = Self::new(Type::Map);
        builder.parts.key_schema = Some(key_schema);
        builder.parts.value_schema = Some(value_schema);
        builder
    }

    /// An array of which no element has a schema, for all are null.
    pub fn array_of_null() -> Self {
        Self::new(Type::Array)
    }

    /// A map of which neither keys nor values have a schema.
    pub fn map_of_null() -> Self {
        Self::new(Type::Map)
    }

    /// A map of which no value has a schema, for all are null.
    pub fn map_with_null_values(key_schema: Schema) -> Self {
        let mut builder = Self::new(Type::Map);
        builder.parts.key_schema = Some(key_schema);
        builder
    }

    pub fn kind(&self) -> Type {
        self.parts.kind
    }

    pub fn is_optional(&self) -> bool {
        self.parts.optional
    }

    /// The members so far, for structs.
    pub fn fields(&self) -> &[Field] {
        &self.parts.fields
    }

    pub fn optional(self) -> Result<Self> {
        self.set_optional(true)
    }

    pub fn required(self) -> Result<Self> {
        self.set_optional(false)
    }

    fn set_optional(mut self, optional: bool) -> Result<Self> {
        check_unset(
            self.optional_is_set && self.parts.optional != optional,
            "optional",
        )?;
        self.optional_is_set = true;
        self.parts.optional = optional;
        Ok(self)
    }

    /// The default must fit what the schema says so far, so it comes last.
    ///
    /// A struct is refused, whatever it is: Java compares its schema with the builder and finds
    /// them unequal.
    pub fn default_value(mut self, value: Value<'static>) -> Result<Self> {
        check_unset(self.parts.default.is_some(), "default")?;
        let fits = validate_value(&self.clone().build(), &value).and_then(|()| match value {
            Value::Struct(_) => Err(ConnectError::data("Struct schemas do not match.")),
            _ => Ok(()),
        });
        fits.map_err(|cause| {
            ConnectError::schema_builder("Invalid default value").caused_by(cause)
        })?;
        self.parts.default = (!value.is_null()).then_some(value);
        Ok(self)
    }

    pub fn name(mut self, name: &str) -> Result<Self> {
        check_unset(self.parts.name.is_some(), "name")?;
        self.parts.name = Some(name.into());
        Ok(self)
    }

    pub fn version(mut self, version: i32) -> Result<Self> {
        check_unset(self.parts.version.is_some(), "version")?;
        self.parts.version = Some(version);
        Ok(self)
    }

    pub fn doc(mut self, doc: &str) -> Result<Self> {
        check_unset(self.parts.doc.is_some(), "doc")?;
        self.parts.doc = Some(doc.into());
        Ok(self)
    }

    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        let parameters = self.parts.parameters.get_or_insert_with(Parameters::new);
        parameters.insert(name, value);
        self
    }

    /// Adds all; nothing to add leaves a schema without parameters without.
    #[must_use]
    pub fn parameters(mut self, parameters: &Parameters) -> Self {
        for (name, value) in parameters.iter() {
            self = self.parameter(name, value);
        }
        self
    }

    pub fn field(mut self, name: &str, schema: Schema) -> Result<Self> {
        self.add_field(name, schema)?;
        Ok(self)
    }

    /// [`Self::field`] for loops.
    pub fn add_field(&mut self, name: &str, schema: Schema) -> Result<()> {
        let kind = self.parts.kind;
        if kind != Type::Struct {
            let message = format!("Cannot create fields on type {kind}");
            return Err(ConnectError::schema_builder(message));
        }
        if name.is_empty() {
            return Err(ConnectError::schema_builder("fieldName cannot be null."));
        }
        let name: Arc<str> = name.into();
        if !self.names.insert(name.clone()) {
            return Err(ConnectError::schema_builder(format!(
                "Cannot create field because of field name duplication {name}"
            )));
        }
        let index = self.parts.fields.len();
        self.parts.fields.push(Field::new(name, index, schema));
        Ok(())
    }

    pub(super) fn set_basics(
        &mut self,
        name: Option<&str>,
        version: Option<i32>,
        doc: Option<&str>,
        parameters: Option<&Parameters>,
    ) {
        self.parts.name = name.map(Into::into);
        self.parts.version = version;
        self.parts.doc = doc.map(Into::into);
        self.parts.parameters = parameters.filter(|p| !p.is_empty()).cloned();
    }

    pub fn build(self) -> Schema {
        Schema::from_parts(self.parts)
    }
}

fn check_unset(is_set: bool, property: &str) -> Result<()> {
    if is_set {
        let message = format!("Invalid SchemaBuilder call: {property} has already been set.");
        return Err(ConnectError::schema_builder(message));
    }
    Ok(())
}
