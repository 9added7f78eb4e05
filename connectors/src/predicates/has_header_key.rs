//! `HasHeaderKey`: the record has at least one header of a name.

use super::Predicate;
use crate::config::{Check, ConfigDef, Importance, Key, Props};
use crate::data::{ConnectRecord, Result};

const NAME: Key<String> = Key::new("name")
    .check(Check::NonEmptyString)
    .importance(Importance::Medium)
    .doc("Name of the header");

#[derive(Debug)]
pub(super) struct HasHeaderKey {
    name: String,
}

impl HasHeaderKey {
    pub(super) fn config() -> ConfigDef {
        ConfigDef::new(&[NAME.spec])
    }

    pub(super) fn new(props: &Props) -> Result<Self> {
        let name = Self::config().parse(props)?.get(&NAME);
        Ok(Self { name })
    }
}

impl Predicate for HasHeaderKey {
    fn test(&self, record: &ConnectRecord<'_>) -> Result<bool> {
        Ok(record.headers.iter().any(|header| header.key == self.name))
    }
}
