//! Structs: a schema and a slot for the value of each of its members.

use std::hash::{Hash, Hasher};

use super::{ConnectError, Field, Result, Schema, Type, Value, validate_field};

/// Java's `Struct`. A slot that was never written holds null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struct<'a> {
    schema: Schema,
    slots: Box<[Value<'a>]>,
}

impl<'a> Struct<'a> {
    pub fn new(schema: Schema) -> Result<Self> {
        if schema.kind() != Type::Struct {
            return Err(ConnectError::data(format!("Not a struct schema: {schema}")));
        }
        let slots = vec![Value::Null; schema.struct_fields().len()];
        Ok(Self {
            schema,
            slots: slots.into(),
        })
    }

    /// Values for the members of `schema` in its order, as many as it has. They are not looked at:
    /// who made them knows that they fit, or calls [`Self::validate`].
    pub fn from_slots(schema: Schema, slots: Vec<Value<'a>>) -> Self {
        let fields = schema.struct_fields().len();
        assert_eq!(slots.len(), fields, "a struct has a slot for each member");
        Self {
            schema,
            slots: slots.into(),
        }
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The values as they were put, null where none was.
    pub fn slots(&self) -> &[Value<'a>] {
        &self.slots
    }

    pub fn slots_mut(&mut self) -> &mut [Value<'a>] {
        &mut self.slots
    }

    pub fn into_slots(self) -> Vec<Value<'a>> {
        self.slots.into_vec()
    }

    /// The value of a member, or its default where null was put or nothing.
    pub fn get(&self, name: &str) -> Result<&Value<'a>> {
        Ok(self.get_field(self.lookup(name)?))
    }

    /// [`Self::get`] of a member of this struct's schema.
    pub fn get_field<'s>(&'s self, field: &'s Field) -> &'s Value<'a> {
        match &self.slots[field.index()] {
            Value::Null => field.schema().default_value().unwrap_or(&Value::Null),
            value => value,
        }
    }

    /// The value of a member as it was put.
    pub fn get_without_default(&self, name: &str) -> Result<&Value<'a>> {
        Ok(&self.slots[self.lookup(name)?.index()])
    }

    /// The value of a member as it was put, if the schema says that it is of this type.
    pub fn get_typed(&self, name: &str, kind: Type) -> Result<&Value<'a>> {
        let field = self.lookup(name)?;
        if field.schema().kind() != kind {
            let message = format!("Field '{name}' is not of type {kind}");
            return Err(ConnectError::data(message));
        }
        Ok(&self.slots[field.index()])
    }

    /// Puts a value that must fit the member's schema: null only where that is optional, whatever
    /// its default is.
    pub fn put(&mut self, name: &str, value: impl Into<Value<'a>>) -> Result<&mut Self> {
        let value = value.into();
        let field = self.lookup(name)?;
        let index = field.index();
        validate_field(field.name(), field.schema(), &value)?;
        self.slots[index] = value;
        Ok(self)
    }

    /// [`Self::put`] into a member's place.
    pub fn put_at(&mut self, index: usize, value: impl Into<Value<'a>>) -> Result<()> {
        let value = value.into();
        let field = &self.schema.struct_fields()[index];
        validate_field(field.name(), field.schema(), &value)?;
        self.slots[index] = value;
        Ok(())
    }

    /// Whether every value fits; null where the member is optional or has a default.
    pub fn validate(&self) -> Result<()> {
        for (field, value) in self.schema.struct_fields().iter().zip(&self.slots) {
            let schema = field.schema();
            let may_be_null = schema.is_optional() || schema.default_value().is_some();
            if value.is_null() && may_be_null {
                continue;
            }
            validate_field(field.name(), schema, value)?;
        }
        Ok(())
    }

    fn lookup(&self, name: &str) -> Result<&Field> {
        self.schema
            .struct_field(name)
            .ok_or_else(|| ConnectError::data(format!("{name} is not a valid field name")))
    }

    pub fn into_owned(self) -> Struct<'static> {
        let slots = self.slots.into_iter().map(Value::into_owned);
        Struct {
            schema: self.schema,
            slots: slots.collect(),
        }
    }
}

impl Hash for Struct<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.schema.hash(state);
        self.slots.hash(state);
    }
}
