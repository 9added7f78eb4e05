//! Headers of a record: an ordered list in which keys may repeat.

use std::borrow::Cow;

use super::{
    ConnectError, Date, Decimal, Result, Schema, SchemaAndValue, Time, Timestamp, Type, Value,
};

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    pub key: Cow<'a, str>,
    pub schema: Option<Schema>,
    pub value: Value<'a>,
}

/// Java's `ConnectHeaders`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectHeaders<'a>(Vec<Header<'a>>);

impl<'a> ConnectHeaders<'a> {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Header<'a>> {
        self.0.iter()
    }

    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Header<'a>> {
        self.0.iter_mut()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a header behind the others. Its value must fit its schema, as far as Java looks: the
    /// type, not what is inside.
    pub fn add(
        &mut self,
        key: impl Into<Cow<'a, str>>,
        content: SchemaAndValue<'a>,
    ) -> Result<&mut Self> {
        check(content.schema.as_ref(), &content.value)?;
        self.add_unchecked(key, content);
        Ok(self)
    }

    /// Adds a header as it is.
    pub fn add_unchecked(&mut self, key: impl Into<Cow<'a, str>>, content: SchemaAndValue<'a>) {
        // A struct brings its schema if none is named.
        let schema = content.schema.or_else(|| match &content.value {
            Value::Struct(content) => Some(content.schema().clone()),
            _ => None,
        });
        self.0.push(Header {
            key: key.into(),
            schema,
            value: content.value,
        });
    }

    pub fn last_with_name(&self, key: &str) -> Option<&Header<'a>> {
        self.0.iter().rfind(|header| header.key == key)
    }

    pub fn all_with_name<'s>(&'s self, key: &'s str) -> impl Iterator<Item = &'s Header<'a>> {
        self.0.iter().filter(move |header| header.key == key)
    }

    /// Takes out every header of this name.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|header| header.key != key);
    }

    pub fn retain(&mut self, keep: impl FnMut(&Header<'a>) -> bool) {
        self.0.retain(keep);
    }

    /// Of the headers of this name, keeps only the last.
    pub fn retain_latest(&mut self, key: &str) {
        let Some(last) = self.0.iter().rposition(|header| header.key == key) else {
            return;
        };
        let mut place = 0;
        self.0.retain(|header| {
            place += 1;
            header.key != key || place == last + 1
        });
    }

    pub fn into_owned(self) -> ConnectHeaders<'static> {
        let owned = |header: Header<'_>| Header {
            key: Cow::Owned(header.key.into_owned()),
            schema: header.schema,
            value: header.value.into_owned(),
        };
        ConnectHeaders(self.0.into_iter().map(owned).collect())
    }
}

impl<'a> IntoIterator for ConnectHeaders<'a> {
    type Item = Header<'a>;
    type IntoIter = std::vec::IntoIter<Header<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'s, 'a> IntoIterator for &'s ConnectHeaders<'a> {
    type Item = &'s Header<'a>;
    type IntoIter = std::slice::Iter<'s, Header<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn check(schema: Option<&Schema>, value: &Value<'_>) -> Result<()> {
    let Some(schema) = schema else {
        return Ok(());
    };
    if value.is_null() {
        if schema.is_optional() {
            return Ok(());
        }
        return Err(ConnectError::data(format!(
            "A null value requires an optional schema but was {schema}"
        )));
    }
    let is_named = |name: &str| schema.name() == Some(name);
    let fits = match (schema.kind(), value) {
        (Type::Bytes, Value::Decimal(_)) => is_named(Decimal::NAME),
        (Type::Int32, Value::Date(_)) => is_named(Date::NAME) || is_named(Time::NAME),
        (Type::Int64, Value::Date(_)) => is_named(Timestamp::NAME),
        (Type::Int8, Value::Int8(_))
        | (Type::Int16, Value::Int16(_))
        | (Type::Int32, Value::Int32(_))
        | (Type::Int64, Value::Int64(_))
        | (Type::Float32, Value::Float32(_))
        | (Type::Float64, Value::Float64(_))
        | (Type::Boolean, Value::Boolean(_))
        | (Type::String, Value::String(_))
        | (Type::Bytes, Value::Bytes(_))
        | (Type::Array, Value::Array(_))
        | (Type::Map, Value::Map(_))
        | (Type::Struct, Value::Struct(_)) => true,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(ConnectError::data(format!(
        "The value {value} is not compatible with the schema {schema}"
    )))
}
