//! Predicates: which records a transform applies to (KIP-585).
//!
//! One file for each class of `org.apache.kafka.connect.transforms.predicates`.

mod has_header_key;
mod record_is_tombstone;
mod topic_name_matches;

use std::fmt::Debug;

use crate::config::{ConfigDef, Props};
use crate::data::{ConnectRecord, Result};

/// Whether something is true of a record.
pub trait Predicate: Debug + Send {
    fn test(&self, record: &ConnectRecord<'_>) -> Result<bool>;
}

/// A class of predicate that a configuration can name.
#[derive(Debug, Clone, Copy)]
pub struct PredicateClass {
    /// Java's full name.
    pub name: &'static str,
    pub config: fn() -> ConfigDef,
    /// A predicate with these settings, without the prefix of its alias.
    pub configure: fn(&Props) -> Result<Box<dyn Predicate>>,
}

/// Every bundled predicate of Kafka 4.3.
pub const CLASSES: &[PredicateClass] = &[
    PredicateClass {
        name: "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        config: has_header_key::HasHeaderKey::config,
        configure: |props| Ok(Box::new(has_header_key::HasHeaderKey::new(props)?)),
    },
    PredicateClass {
        name: "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
        config: record_is_tombstone::RecordIsTombstone::config,
        configure: |_| Ok(Box::new(record_is_tombstone::RecordIsTombstone)),
    },
    PredicateClass {
        name: "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        config: topic_name_matches::TopicNameMatches::config,
        configure: |props| Ok(Box::new(topic_name_matches::TopicNameMatches::new(props)?)),
    },
];
