//! `Filter`: drops every record. It is used with a predicate.

use super::{Configure, Part, Transform};
use crate::config::{ConfigDef, Props};
use crate::data::{ConnectRecord, Result};

#[derive(Debug)]
pub(super) struct Filter;

impl Configure for Filter {
    fn config() -> ConfigDef {
        ConfigDef::new(&[])
    }

    fn configure(_: Part, _: &Props) -> Result<Self> {
        Ok(Self)
    }
}

impl Transform for Filter {
    fn apply<'a>(&'a self, _: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        Ok(None)
    }
}
