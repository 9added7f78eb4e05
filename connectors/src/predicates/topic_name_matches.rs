//! `TopicNameMatches`: a regular expression matches the whole topic.

use super::Predicate;
use crate::config::{Check, ConfigDef, Importance, Key, Props};
use crate::data::{ConnectRecord, Result};
use crate::java::regex::{self, Regex};

const PATTERN: Key<String> = Key::new("pattern")
    .check(Check::All(&[Check::NonEmptyString, regex::CHECK]))
    .importance(Importance::Medium)
    .doc("Regular expression, as Java reads it, that the whole topic must match");

#[derive(Debug)]
pub(super) struct TopicNameMatches {
    pattern: Regex,
}

impl TopicNameMatches {
    pub(super) fn config() -> ConfigDef {
        ConfigDef::new(&[PATTERN.spec])
    }

    pub(super) fn new(props: &Props) -> Result<Self> {
        let pattern = Self::config().parse(props)?.get(&PATTERN);
        Ok(Self {
            pattern: Regex::new(&pattern)?,
        })
    }
}

impl Predicate for TopicNameMatches {
    fn test(&self, record: &ConnectRecord<'_>) -> Result<bool> {
        match &record.topic {
            Some(topic) => self.pattern.matches(topic),
            None => Ok(false),
        }
    }
}
