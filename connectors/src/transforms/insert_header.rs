//! `InsertHeader` (KIP-145): adds a header with a fixed value, read from text as header values are.

use super::{Configure, Part, Transform};
use crate::config::{Check, ConfigDef, Key, Props};
use crate::data::{ConnectRecord, Result, SchemaAndValue, values};

const HEADER: Key<String> = Key::new("header")
    .check(Check::NonNull)
    .doc("Name of the header");
const VALUE_LITERAL: Key<String> = Key::new("value.literal")
    .check(Check::NonNull)
    .doc("Value of the header, whose type is guessed from the text");

#[derive(Debug)]
pub(super) struct InsertHeader {
    header: String,
    content: SchemaAndValue<'static>,
}

impl Configure for InsertHeader {
    fn config() -> ConfigDef {
        ConfigDef::new(&[HEADER.spec, VALUE_LITERAL.spec])
    }

    fn configure(_: Part, props: &Props) -> Result<Self> {
        let settings = Self::config().parse(props)?;
        let literal = settings.get(&VALUE_LITERAL);
        let content = values::parse_string(&literal)?;
        Ok(Self {
            header: settings.get(&HEADER),
            content: content.map_or(SchemaAndValue::NULL, SchemaAndValue::into_owned),
        })
    }
}

impl Transform for InsertHeader {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        record
            .headers
            .add(self.header.as_str(), self.content.clone())?;
        Ok(Some(record))
    }
}
