//! `RecordIsTombstone`: the record's value is null, whatever its schema is.

use super::Predicate;
use crate::config::ConfigDef;
use crate::data::{ConnectRecord, Result};

#[derive(Debug)]
pub(super) struct RecordIsTombstone;

impl RecordIsTombstone {
    pub(super) fn config() -> ConfigDef {
        ConfigDef::new(&[])
    }
}

impl Predicate for RecordIsTombstone {
    fn test(&self, record: &ConnectRecord<'_>) -> Result<bool> {
        Ok(record.value.is_null())
    }
}
