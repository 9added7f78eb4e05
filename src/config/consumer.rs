//! Kafka's consumer properties, for `dump`: those of every client by the rules of the producer's,
//! and what a reader is told besides.

use std::time::Duration;

use protocol::client::fetcher::OffsetReset;
use protocol::hot::fetch::IsolationLevel;

use super::keys::{self, Known};
use super::{ConfigError, ProducerConfig, Resolved, Setting, Typing, choose};

/// How records are read. The defaults are those of Kafka's own consumer, but for what happens where
/// the log does not hold an offset: nothing is skipped in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerConfig {
    pub(crate) isolation: IsolationLevel,
    pub(crate) reset: OffsetReset,
    /// `None` is what was measured to be best.
    pub(crate) fetch_bytes_max: Option<u32>,
    pub(crate) partition_bytes_max: Option<u32>,
    pub(crate) fetch_bytes_min: u32,
    pub(crate) fetch_wait_max: Duration,
    /// `default.api.timeout.ms`: how long a partition may fail without end.
    pub(crate) api_timeout: Duration,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            isolation: IsolationLevel::ReadUncommitted,
            reset: OffsetReset::Fail,
            fetch_bytes_max: None,
            partition_bytes_max: None,
            fetch_bytes_min: 1,
            fetch_wait_max: Duration::from_millis(500),
            api_timeout: Duration::from_secs(60),
        }
    }
}

/// Types the settings of a consumer. What every client has stands in [`Resolved`], as a producer's.
pub(crate) fn resolve_consumer(
    settings: Vec<Setting>,
) -> Result<(ConsumerConfig, Resolved), ConfigError> {
    let mut notices = Vec::new();
    let chosen = choose(settings, look_up, "consumer", &mut notices);
    let mut typing = Typing {
        chosen: &chosen,
        notices,
    };
    let consumer = typing.consumer()?;
    let client: ProducerConfig = typing.producer()?;
    typing.refuse()?;
    typing.refuse_of_consumer()?;
    let bootstrap = typing.bootstrap()?;
    let resolved = Resolved {
        producer: client,
        bootstrap,
        memory_bytes: None,
        notices: typing.notices,
    };
    Ok((consumer, resolved))
}

impl Typing<'_> {
    fn consumer(&self) -> Result<ConsumerConfig, ConfigError> {
        let default = ConsumerConfig::default();
        Ok(ConsumerConfig {
            isolation: self.isolation()?,
            reset: self.reset()?,
            fetch_bytes_max: self.at_most_i32("fetch.max.bytes", 1)?,
            partition_bytes_max: self.at_most_i32("max.partition.fetch.bytes", 1)?,
            fetch_bytes_min: self
                .at_most_i32("fetch.min.bytes", 0)?
                .unwrap_or(default.fetch_bytes_min),
            fetch_wait_max: self.duration("fetch.max.wait.ms", default.fetch_wait_max)?,
            api_timeout: self.duration("default.api.timeout.ms", default.api_timeout)?,
        })
    }

    fn isolation(&self) -> Result<IsolationLevel, ConfigError> {
        const KEY: &str = "isolation.level";
        match self.text(KEY) {
            None | Some("read_uncommitted") => Ok(IsolationLevel::ReadUncommitted),
            Some("read_committed") => Ok(IsolationLevel::ReadCommitted),
            Some(_) => Err(self.invalid(KEY, "read_committed or read_uncommitted")),
        }
    }

    fn reset(&self) -> Result<OffsetReset, ConfigError> {
        const KEY: &str = "auto.offset.reset";
        match self.text(KEY) {
            None | Some("none" | "error") => Ok(OffsetReset::Fail),
            Some("earliest" | "smallest" | "beginning") => Ok(OffsetReset::Earliest),
            Some("latest" | "largest" | "end") => Ok(OffsetReset::Latest),
            Some(_) => Err(self.invalid(KEY, "none, earliest or latest")),
        }
    }

    /// What would change the meaning of what is read, and cannot be had.
    fn refuse_of_consumer(&self) -> Result<(), ConfigError> {
        for key in ["key.deserializer", "value.deserializer"] {
            let class = self
                .text(key)
                .map(|class| class.rsplit('.').next().unwrap_or(class));
            if !matches!(
                class,
                None | Some("ByteArrayDeserializer" | "StringDeserializer")
            ) {
                let why = "records are written as the bytes they are; only ByteArrayDeserializer \
                           and StringDeserializer mean that";
                return Err(self.refused(key, why));
            }
        }
        Ok(())
    }
}

/// As [`keys::look_up`], for a consumer.
fn look_up(key: &str) -> Known {
    let key = key.strip_prefix("topic.").unwrap_or(key);
    let kafkas = ALIASES
        .iter()
        .find(|(alias, _)| *alias == key)
        .map_or(key, |(_, kafkas)| kafkas);
    if let Some(typed) = TYPED.iter().find(|typed| **typed == kafkas) {
        return Known::Typed(typed);
    }
    if let Some((_, why)) = NO_EFFECT.iter().find(|(name, _)| *name == key) {
        return Known::NoEffect(why);
    }
    match keys::look_up(key) {
        // What every client has.
        Known::Typed(name) if SHARED.contains(&name) => Known::Typed(name),
        Known::Typed(_) => Known::NoEffect("it belongs to a producer, and this reads"),
        other => other,
    }
}

const TYPED: &[&str] = &[
    "auto.offset.reset",
    "default.api.timeout.ms",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "isolation.level",
    "key.deserializer",
    "max.partition.fetch.bytes",
    "value.deserializer",
];

/// Properties that producers and consumers have alike.
const SHARED: &[&str] = &[
    "bootstrap.servers",
    "client.id",
    "config.providers",
    "interceptor.classes",
    "metadata.max.age.ms",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "security.protocol",
    "send.buffer.bytes",
    "socket.connection.setup.timeout.max.ms",
    "socket.connection.setup.timeout.ms",
];

/// librdkafka's names for properties that Kafka has too.
const ALIASES: &[(&str, &str)] = &[
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
    ("fetch.wait.max.ms", "fetch.max.wait.ms"),
];

const GROUP: &str = "a dump is no member of a group: what it has read stands in its own state";
const BUFFERS: &str = "an answer is asked for when there is a buffer for it";

const NO_EFFECT: &[(&str, &str)] = &[
    (
        "allow.auto.create.topics",
        "a topic that is missing is an error",
    ),
    ("auto.commit.interval.ms", GROUP),
    (
        "check.crcs",
        "the sum of every batch is checked, and that cannot be turned off",
    ),
    ("client.rack", "records are read from the leaders"),
    ("enable.auto.commit", GROUP),
    ("enable.auto.offset.store", GROUP),
    ("enable.partition.eof", "--until says where a dump ends"),
    (
        "exclude.internal.topics",
        "a dump reads the topic that it is told",
    ),
    ("fetch.error.backoff.ms", "retry.backoff.ms is the pause"),
    ("fetch.queue.backoff.ms", BUFFERS),
    ("group.id", GROUP),
    ("group.instance.id", GROUP),
    ("group.protocol", GROUP),
    ("group.remote.assignor", GROUP),
    ("heartbeat.interval.ms", GROUP),
    ("max.poll.interval.ms", GROUP),
    ("max.poll.records", BUFFERS),
    ("offset.store.method", GROUP),
    ("partition.assignment.strategy", GROUP),
    ("queued.max.messages.kbytes", BUFFERS),
    ("queued.min.messages", BUFFERS),
    ("session.timeout.ms", GROUP),
];

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::*;

    fn resolve(lines: &str) -> Result<(ConsumerConfig, Resolved), String> {
        let setting = |line: &str| {
            let (key, value) = line.split_once('=').unwrap();
            Setting {
                key: key.to_owned(),
                value: value.to_owned(),
                origin: Origin::ConsumerProperty,
            }
        };
        let settings = lines.split_whitespace().map(setting).collect();
        resolve_consumer(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_said_is_kafkas_defaults_but_nothing_is_skipped() {
        let (consumer, resolved) = resolve("").unwrap();
        assert_eq!(consumer, ConsumerConfig::default());
        assert_eq!(resolved.producer, ProducerConfig::default());
        assert!(resolved.notices.is_empty());
    }

    #[test]
    fn every_property_reaches_its_field() {
        let (consumer, resolved) = resolve(
            "isolation.level=read_committed auto.offset.reset=earliest fetch.max.bytes=2000000 \
             max.partition.fetch.bytes=3000 fetch.min.bytes=7 fetch.max.wait.ms=9 \
             default.api.timeout.ms=1000 client.id=me request.timeout.ms=50 \
             bootstrap.servers=k:1 key.deserializer=StringDeserializer",
        )
        .unwrap();
        let ms = Duration::from_millis;
        let expected = ConsumerConfig {
            isolation: IsolationLevel::ReadCommitted,
            reset: OffsetReset::Earliest,
            fetch_bytes_max: Some(2_000_000),
            partition_bytes_max: Some(3_000),
            fetch_bytes_min: 7,
            fetch_wait_max: ms(9),
            api_timeout: ms(1_000),
        };
        assert_eq!(consumer, expected);
        let client = &resolved.producer;
        assert_eq!(
            (client.client_id.as_str(), client.request_timeout),
            ("me", ms(50))
        );
        assert_eq!(resolved.bootstrap.unwrap().len(), 1);
        assert_eq!(resolved.notices, [""; 0]);
    }

    #[test]
    fn librdkafkas_names_mean_the_same() {
        let (theirs, _) = resolve("fetch.message.max.bytes=5 fetch.wait.max.ms=6").unwrap();
        let (ours, _) = resolve("max.partition.fetch.bytes=5 fetch.max.wait.ms=6").unwrap();
        assert_eq!(theirs, ours);
        let (resets, _) = resolve("topic.auto.offset.reset=smallest").unwrap();
        assert_eq!(resets.reset, OffsetReset::Earliest);
    }

    #[test]
    fn what_has_no_effect_and_what_is_unknown_is_said() {
        let (_, resolved) = resolve("group.id=g acks=all nonsense=1 linger.ms=5").unwrap();
        let expected = [
            "--consumer-property: group.id has no effect: a dump is no member of a group",
            "--consumer-property: acks has no effect: it belongs to a producer",
            "--consumer-property: nonsense is no consumer property that is known here",
            "--consumer-property: linger.ms has no effect",
        ];
        for (notice, expected) in resolved.notices.iter().zip(expected) {
            assert!(notice.starts_with(expected), "{notice}");
        }
        assert_eq!(resolved.notices.len(), expected.len());
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        let refused = |line: &str, expected: &str| {
            let error = resolve(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        };
        refused("security.protocol=SSL", "only PLAINTEXT is");
        refused(
            "isolation.level=dirty",
            "read_committed or read_uncommitted",
        );
        refused(
            "auto.offset.reset=by_duration:PT1H",
            "none, earliest or latest",
        );
        refused(
            "value.deserializer=io.x.AvroDeserializer",
            "as the bytes they are",
        );
        refused("fetch.max.bytes=0", "a number from 1");
    }

    #[test]
    fn no_name_has_two_meanings() {
        let mut names: Vec<&str> = TYPED.iter().chain(SHARED).copied().collect();
        names.extend(ALIASES.iter().map(|(alias, _)| *alias));
        names.extend(NO_EFFECT.iter().map(|(name, _)| *name));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
