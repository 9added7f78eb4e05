//! `DropHeaders` (KIP-145): removes every header of the given names.

use super::{Configure, Part, Transform};
use crate::config::{Check, ConfigDef, Key, Props};
use crate::data::{ConnectRecord, Result};

const HEADERS: Key<Vec<String>> = Key::new("headers")
    .check(Check::UniqueList {
        may_be_empty: false,
    })
    .doc("Names of the headers to remove");

#[derive(Debug)]
pub(super) struct DropHeaders {
    headers: Vec<String>,
}

impl Configure for DropHeaders {
    fn config() -> ConfigDef {
        ConfigDef::new(&[HEADERS.spec])
    }

    fn configure(_: Part, props: &Props) -> Result<Self> {
        let headers = Self::config().parse(props)?.get(&HEADERS);
        Ok(Self { headers })
    }
}

impl Transform for DropHeaders {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        record
            .headers
            .retain(|header| !self.headers.iter().any(|name| *name == header.key));
        Ok(Some(record))
    }
}
