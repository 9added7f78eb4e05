//! Which half of a record a transform works on.

use crate::data::{ConnectRecord, Schema, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}

impl Part {
    pub(super) fn value<'r, 'a>(self, record: &'r ConnectRecord<'a>) -> &'r Value<'a> {
        match self {
            Self::Key => &record.key,
            Self::Value => &record.value,
        }
    }

    /// Takes both out of the record, which holds neither from then on.
    pub(super) fn take<'a>(self, record: &mut ConnectRecord<'a>) -> (Option<Schema>, Value<'a>) {
        match self {
            Self::Key => (record.key_schema.take(), std::mem::take(&mut record.key)),
            Self::Value => (
                record.value_schema.take(),
                std::mem::take(&mut record.value),
            ),
        }
    }

    pub(super) fn put<'a>(
        self,
        mut record: ConnectRecord<'a>,
        schema: Option<Schema>,
        value: Value<'a>,
    ) -> ConnectRecord<'a> {
        match self {
            Self::Key => (record.key_schema, record.key) = (schema, value),
            Self::Value => (record.value_schema, record.value) = (schema, value),
        }
        record
    }
}
