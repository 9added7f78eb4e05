//! A topic's configuration: which keys there are, what may stand in them, and what they mean here.
//!
//! Every key of Apache's that a tool shows is known and kept. Honoured are `max.message.bytes`,
//! `message.timestamp.*`, `segment.bytes`, `segment.ms`, `retention.bytes`, `retention.ms` and
//! `cleanup.policy`: with `delete` old segments go, with `compact` every record needs a key.
//! Nothing is compacted, and records are kept in the compression that they come in.

use std::collections::BTreeMap;

use protocol::records::header::TimestampType;

use crate::batch::BatchRules;
use crate::broker::millis;
use crate::config::Config;
use crate::log::LogRules;

/// What a key's value is, as DescribeConfigs numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueType {
    Boolean = 1,
    Text = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// What may stand in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// A number from here to the type's end.
    AtLeast(i64),
    /// One of these, or for a list any of these.
    OneOf(&'static [&'static str]),
    /// Anything of the type.
    Any,
}

/// A key of a topic's configuration.
#[derive(Debug)]
pub(crate) struct TopicKey {
    pub(crate) name: &'static str,
    /// What holds where the topic does not say.
    pub(crate) default: &'static str,
    pub(crate) value_type: ValueType,
    allowed: Allowed,
}

const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
const SEGMENT_BYTES: &str = "segment.bytes";
const SEGMENT_MS: &str = "segment.ms";
const RETENTION_BYTES: &str = "retention.bytes";
const RETENTION_MS: &str = "retention.ms";
const CLEANUP_POLICY: &str = "cleanup.policy";
const TIMESTAMP_TYPE: &str = "message.timestamp.type";
const TIMESTAMP_BEFORE: &str = "message.timestamp.before.max.ms";
const TIMESTAMP_AFTER: &str = "message.timestamp.after.max.ms";

const fn key(
    name: &'static str,
    default: &'static str,
    value_type: ValueType,
    allowed: Allowed,
) -> TopicKey {
    TopicKey {
        name,
        default,
        value_type,
        allowed,
    }
}

/// Every key, by name.
pub(crate) static TOPIC_KEYS: &[TopicKey] = {
    use Allowed::{Any, AtLeast, OneOf};
    use ValueType::{Boolean, Double, Int, List, Long, Text};
    &[
        key(
            CLEANUP_POLICY,
            "delete",
            List,
            OneOf(&["delete", "compact"]),
        ),
        key(
            "compression.type",
            "producer",
            Text,
            OneOf(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
        ),
        key("delete.retention.ms", "86400000", Long, AtLeast(0)),
        key("file.delete.delay.ms", "60000", Long, AtLeast(0)),
        key("flush.messages", "9223372036854775807", Long, AtLeast(1)),
        key("flush.ms", "9223372036854775807", Long, AtLeast(0)),
        key("index.interval.bytes", "4096", Int, AtLeast(0)),
        key(
            "max.compaction.lag.ms",
            "9223372036854775807",
            Long,
            AtLeast(1),
        ),
        key(MAX_MESSAGE_BYTES, "1048588", Int, AtLeast(0)),
        key(TIMESTAMP_AFTER, "3600000", Long, AtLeast(0)),
        key(TIMESTAMP_BEFORE, "9223372036854775807", Long, AtLeast(0)),
        key(
            TIMESTAMP_TYPE,
            "CreateTime",
            Text,
            OneOf(&["CreateTime", "LogAppendTime"]),
        ),
        key("min.cleanable.dirty.ratio", "0.5", Double, Any),
        key("min.compaction.lag.ms", "0", Long, AtLeast(0)),
        key("min.insync.replicas", "1", Int, AtLeast(1)),
        key("preallocate", "false", Boolean, OneOf(&["true", "false"])),
        key(RETENTION_BYTES, "-1", Long, AtLeast(-2)),
        key(RETENTION_MS, "604800000", Long, AtLeast(-1)),
        key(SEGMENT_BYTES, "1073741824", Int, AtLeast(14)),
        key("segment.index.bytes", "10485760", Int, AtLeast(4)),
        key("segment.jitter.ms", "0", Long, AtLeast(0)),
        key(SEGMENT_MS, "604800000", Long, AtLeast(1)),
        key(
            "unclean.leader.election.enable",
            "false",
            Boolean,
            OneOf(&["true", "false"]),
        ),
    ]
};

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("unknown topic config name: {0}")]
    UnknownKey(String),
    #[error("invalid value {value:?} for topic config {key}")]
    Value { key: String, value: String },
    #[error("topic config {0} is no list that something could be added to or taken from")]
    NoList(String),
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Set(String),
    Delete,
    /// For lists: these too.
    Append(String),
    /// For lists: these no longer.
    Subtract(String),
}

/// What a topic was told, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicConfig {
    /// What the topic's creator said.
    overrides: BTreeMap<String, String>,
    pub(crate) rules: BatchRules,
    pub(crate) log: LogRules,
}

impl TopicConfig {
    /// Reads what a topic's creator said; the rest is the broker's.
    pub(crate) fn new(
        overrides: BTreeMap<String, String>,
        broker: &Config,
    ) -> Result<Self, ConfigError> {
        for (name, value) in &overrides {
            let key = TOPIC_KEYS.iter().find(|key| key.name == name);
            let key = key.ok_or_else(|| ConfigError::UnknownKey(name.clone()))?;
            if !key.allows(value) {
                return Err(ConfigError::Value {
                    key: name.clone(),
                    value: value.clone(),
                });
            }
        }
        let number = |name| {
            overrides
                .get(name)
                .and_then(|value| value.trim().parse::<i64>().ok())
        };
        let is_log_append = overrides
            .get(TIMESTAMP_TYPE)
            .is_some_and(|value| value == "LogAppendTime");
        let policies = overrides
            .get(CLEANUP_POLICY)
            .map_or("delete", String::as_str);
        let has_policy = |name| policies.split(',').any(|policy| policy.trim() == name);
        let rules = BatchRules {
            batch_bytes_max: number(MAX_MESSAGE_BYTES)
                .and_then(|bytes| i32::try_from(bytes).ok())
                .unwrap_or(broker.message_bytes_max),
            timestamp_type: if is_log_append {
                TimestampType::LogAppend
            } else {
                TimestampType::Create
            },
            timestamp_before_max_ms: number(TIMESTAMP_BEFORE).unwrap_or(i64::MAX),
            timestamp_after_max_ms: number(TIMESTAMP_AFTER).unwrap_or(3_600_000),
            is_compacted: has_policy("compact"),
        };
        let millis_of = |name, otherwise| number(name).unwrap_or_else(|| millis(otherwise));
        let log = LogRules {
            segment_bytes: number(SEGMENT_BYTES)
                .and_then(|bytes| u64::try_from(bytes).ok())
                .unwrap_or(broker.segment_bytes),
            segment_ms: millis_of(SEGMENT_MS, broker.segment_age_max),
            retention_bytes: match number(RETENTION_BYTES) {
                Some(bytes) => u64::try_from(bytes).ok(),
                None => broker.retention_bytes,
            },
            retention_ms: match number(RETENTION_MS) {
                Some(ms) => Some(ms).filter(|&ms| ms >= 0),
                None => broker.retention.map(millis),
            },
            deletes: has_policy("delete"),
        };
        Ok(Self {
            overrides,
            rules,
            log,
        })
    }

    /// The configuration after these changes.
    pub(crate) fn changed(
        &self,
        changes: &[(String, Change)],
        broker: &Config,
    ) -> Result<Self, ConfigError> {
        let mut overrides = self.overrides.clone();
        for (name, change) in changes {
            let key = TOPIC_KEYS.iter().find(|key| key.name == name);
            let key = key.ok_or_else(|| ConfigError::UnknownKey(name.clone()))?;
            let value = match change {
                Change::Delete => {
                    overrides.remove(name);
                    continue;
                }
                Change::Set(value) => value.clone(),
                _ if key.value_type != ValueType::List => {
                    return Err(ConfigError::NoList(name.clone()));
                }
                Change::Append(added) => {
                    let (had, _) = self.value(key);
                    let new = parts(added).filter(|part| parts(&had).all(|other| other != *part));
                    parts(&had).chain(new).collect::<Vec<_>>().join(",")
                }
                Change::Subtract(taken) => {
                    let (had, _) = self.value(key);
                    let left = parts(&had).filter(|part| parts(taken).all(|other| other != *part));
                    left.collect::<Vec<_>>().join(",")
                }
            };
            overrides.insert(name.clone(), value);
        }
        Self::new(overrides, broker)
    }

    /// What the topic's creator said, by key.
    pub(crate) fn overrides(&self) -> &BTreeMap<String, String> {
        &self.overrides
    }

    /// What holds for a key, and whether the topic's creator said so.
    pub(crate) fn value(&self, key: &TopicKey) -> (String, bool) {
        if let Some(value) = self.overrides.get(key.name) {
            return (value.clone(), true);
        }
        let value = match key.name {
            MAX_MESSAGE_BYTES => self.rules.batch_bytes_max.to_string(),
            SEGMENT_BYTES => self.log.segment_bytes.to_string(),
            SEGMENT_MS => self.log.segment_ms.to_string(),
            RETENTION_BYTES => or_unlimited(self.log.retention_bytes),
            RETENTION_MS => or_unlimited(self.log.retention_ms),
            _ => key.default.to_owned(),
        };
        (value, false)
    }
}

/// A list's elements.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// −1 is Kafka's word for no limit.
fn or_unlimited(limit: Option<impl ToString>) -> String {
    limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string())
}

impl TopicKey {
    fn allows(&self, value: &str) -> bool {
        let value = value.trim();
        match (self.value_type, self.allowed) {
            (ValueType::Int, Allowed::AtLeast(least)) => value
                .parse::<i32>()
                .is_ok_and(|value| i64::from(value) >= least),
            (_, Allowed::AtLeast(least)) => value.parse::<i64>().is_ok_and(|value| value >= least),
            (ValueType::List, Allowed::OneOf(names)) => {
                value.split(',').all(|part| names.contains(&part.trim()))
            }
            (_, Allowed::OneOf(names)) => names.contains(&value),
            (ValueType::Double, Allowed::Any) => value.parse::<f64>().is_ok(),
            (_, Allowed::Any) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Storage;

    fn check(overrides: &[(&str, &str)], expected: Result<(), ConfigError>) {
        let overrides = overrides
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let config = TopicConfig::new(overrides, &Config::new(Storage::Memory));
        assert_eq!(config.map(drop), expected);
    }

    #[test]
    fn values_are_checked() {
        let wrong = |key: &str, value: &str| {
            Err(ConfigError::Value {
                key: key.to_owned(),
                value: value.to_owned(),
            })
        };
        check(&[], Ok(()));
        check(
            &[
                (MAX_MESSAGE_BYTES, "5000000"),
                (CLEANUP_POLICY, "compact,delete"),
            ],
            Ok(()),
        );
        check(&[(MAX_MESSAGE_BYTES, "-1")], wrong(MAX_MESSAGE_BYTES, "-1"));
        check(
            &[(MAX_MESSAGE_BYTES, "3000000000")],
            wrong(MAX_MESSAGE_BYTES, "3000000000"),
        );
        check(
            &[(CLEANUP_POLICY, "compact,burn")],
            wrong(CLEANUP_POLICY, "compact,burn"),
        );
        check(&[("retention.ms", "soon")], wrong("retention.ms", "soon"));
        check(
            &[("colour", "red")],
            Err(ConfigError::UnknownKey("colour".to_owned())),
        );
    }

    #[test]
    fn every_default_is_allowed_and_the_keys_are_in_order() {
        for key in TOPIC_KEYS {
            assert!(key.allows(key.default), "{}", key.name);
        }
        assert!(TOPIC_KEYS.is_sorted_by_key(|key| key.name));
    }

    #[test]
    fn the_broker_s_limits_hold_where_the_topic_is_silent() {
        let mut broker = Config::new(Storage::Memory);
        broker.message_bytes_max = 77;
        let silent = TopicConfig::new(BTreeMap::new(), &broker).unwrap();
        assert_eq!(silent.rules.batch_bytes_max, 77);
        let key = TOPIC_KEYS
            .iter()
            .find(|key| key.name == MAX_MESSAGE_BYTES)
            .unwrap();
        assert_eq!(silent.value(key), ("77".to_owned(), false));
        let overrides = BTreeMap::from([(MAX_MESSAGE_BYTES.to_owned(), "99".to_owned())]);
        let loud = TopicConfig::new(overrides, &broker).unwrap();
        assert_eq!(loud.value(key), ("99".to_owned(), true));
        assert_eq!(loud.rules.batch_bytes_max, 99);
    }
}
