//! Kafka's producer properties, from flags, `--producer-property` and `--command-config`, as one
//! typed struct.
//!
//! A flag goes before a property, a property before the file. What is unknown, has no effect or
//! contradicts another place becomes a notice; what is asked for and cannot be honoured is an error
//! that names the key and where it stands. Values of unknown keys are never shown: they may be
//! secrets.

mod consumer;
mod keys;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use connectors::config::properties::Properties;
use protocol::records::header::Compression;
use thiserror::Error;

use crate::options::HostPort;
pub(crate) use consumer::{ConsumerConfig, resolve_consumer};
use keys::Known;

/// How records are produced. The defaults are those of Kafka's own producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProducerConfig {
    pub(crate) acks: Acks,
    pub(crate) idempotence: bool,
    pub(crate) compression: Compression,
    /// `None` is the codec's default.
    pub(crate) compression_level: Option<i32>,
    /// Lowers the limit of a record and a batch below the topic's; never raises it.
    pub(crate) request_bytes_max: Option<u32>,
    pub(crate) request_timeout: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
    pub(crate) reconnect_backoff: Duration,
    pub(crate) reconnect_backoff_max: Duration,
    /// Batches in flight in a partition: at most 5, and 1 without idempotence.
    pub(crate) in_flight_max: u32,
    pub(crate) metadata_age_max: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) connect_timeout_max: Duration,
    /// How long the start may wait for metadata.
    pub(crate) block_max: Duration,
    pub(crate) client_id: String,
    /// `None` is what was measured to be best, or the system's default.
    pub(crate) send_buffer_bytes: Option<u32>,
    pub(crate) receive_buffer_bytes: Option<u32>,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            acks: Acks::All,
            idempotence: true,
            compression: Compression::None,
            compression_level: None,
            request_bytes_max: None,
            request_timeout: ms(30_000),
            delivery_timeout: ms(120_000),
            retries: i32::MAX.unsigned_abs(),
            retry_backoff: ms(100),
            retry_backoff_max: ms(1_000),
            reconnect_backoff: ms(50),
            reconnect_backoff_max: ms(1_000),
            in_flight_max: IN_FLIGHT_MAX,
            metadata_age_max: ms(300_000),
            connect_timeout: ms(10_000),
            connect_timeout_max: ms(30_000),
            block_max: ms(60_000),
            client_id: "ringmain".to_owned(),
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
        }
    }
}

/// A broker remembers the last five batches of a producer in a partition.
const IN_FLIGHT_MAX: u32 = 5;

/// Whose acknowledgement counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acks {
    None,
    Leader,
    All,
}

impl Acks {
    /// The number in a Produce request.
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// One property and where it was said.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// Where a property was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    File { path: PathBuf, line: u32 },
    Property,
    ConsumerProperty,
    Flag(&'static str),
}

impl Origin {
    /// What goes before what else.
    fn rank(&self) -> u8 {
        match self {
            Self::File { .. } => 0,
            Self::Property | Self::ConsumerProperty => 1,
            Self::Flag(_) => 2,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Property => f.write_str("--producer-property"),
            Self::ConsumerProperty => f.write_str("--consumer-property"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

impl Setting {
    pub(crate) fn from_file(properties: Properties, path: &std::path::Path) -> Vec<Self> {
        let setting = |entry: connectors::config::properties::Property| Self {
            key: entry.key,
            value: entry.value,
            origin: Origin::File {
                path: path.to_owned(),
                line: entry.line,
            },
        };
        properties.entries.into_iter().map(setting).collect()
    }
}

#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error("{origin}: {key}={value} is not {expected}")]
    Invalid {
        origin: Origin,
        key: &'static str,
        value: String,
        expected: String,
    },
    #[error("{origin}: {key} cannot be honoured: {why}")]
    Refused {
        origin: Origin,
        key: &'static str,
        why: String,
    },
    #[error("{origin}: {key}={value} contradicts {other}")]
    Contradiction {
        origin: Origin,
        key: &'static str,
        value: String,
        other: String,
    },
}

/// What the properties came to.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) producer: ProducerConfig,
    pub(crate) bootstrap: Option<Vec<HostPort>>,
    pub(crate) memory_bytes: Option<u64>,
    /// What a person should know, a sentence each.
    pub(crate) notices: Vec<String>,
}

/// Types the settings; of equal keys the later wins within one place.
pub(crate) fn resolve(settings: Vec<Setting>) -> Result<Resolved, ConfigError> {
    let mut notices = Vec::new();
    let chosen = choose(settings, keys::look_up, "producer", &mut notices);
    let mut typing = Typing {
        chosen: &chosen,
        notices,
    };
    let producer = typing.producer()?;
    typing.refuse()?;
    typing.note_partitioner();
    let bootstrap = typing.bootstrap()?;
    let memory_bytes = typing.number("buffer.memory", 0, i64::MAX)?;
    Ok(Resolved {
        producer,
        bootstrap,
        memory_bytes: memory_bytes.map(i64::unsigned_abs),
        notices: typing.notices,
    })
}

/// The settings that count, by Kafka's names.
type Chosen = BTreeMap<&'static str, Setting>;

fn choose(
    settings: Vec<Setting>,
    look_up: fn(&str) -> Known,
    whose: &str,
    notices: &mut Vec<String>,
) -> Chosen {
    let mut chosen = Chosen::new();
    for mut setting in settings {
        let (origin, key) = (&setting.origin, &setting.key);
        let name = match look_up(key) {
            Known::Typed(name) => name,
            Known::NoEffect(why) => {
                notices.push(format!("{origin}: {key} has no effect: {why}"));
                continue;
            }
            Known::Unknown => {
                notices.push(format!(
                    "{origin}: {key} is no {whose} property that is known here"
                ));
                continue;
            }
        };
        setting.value = setting.value.trim().to_owned();
        match chosen.get_mut(name) {
            None => {
                chosen.insert(name, setting);
            }
            Some(other) => {
                let (weak, strong) = if setting.origin.rank() >= other.origin.rank() {
                    (std::mem::replace(other, setting), &*other)
                } else {
                    (setting, &*other)
                };
                if weak.value != strong.value && weak.origin.rank() != strong.origin.rank() {
                    notices.push(format!(
                        "{name}={} of {} is taken, not {} of {}",
                        strong.value, strong.origin, weak.value, weak.origin
                    ));
                }
            }
        }
    }
    chosen
}

struct Typing<'a> {
    chosen: &'a Chosen,
    notices: Vec<String>,
}

impl Typing<'_> {
    fn producer(&mut self) -> Result<ProducerConfig, ConfigError> {
        let default = ProducerConfig::default();
        let (compression, compression_level) = self.compression()?;
        let request_timeout = self.duration("request.timeout.ms", default.request_timeout)?;
        let mut producer = ProducerConfig {
            acks: self.acks()?,
            compression,
            compression_level,
            request_bytes_max: self.at_most_i32("max.request.size", 0)?,
            request_timeout,
            delivery_timeout: self.delivery_timeout(request_timeout, &default)?,
            retries: self.at_most_i32("retries", 0)?.unwrap_or(default.retries),
            retry_backoff: self.duration("retry.backoff.ms", default.retry_backoff)?,
            retry_backoff_max: self.duration("retry.backoff.max.ms", default.retry_backoff_max)?,
            reconnect_backoff: self.duration("reconnect.backoff.ms", default.reconnect_backoff)?,
            reconnect_backoff_max: self
                .duration("reconnect.backoff.max.ms", default.reconnect_backoff_max)?,
            in_flight_max: self
                .at_most_i32("max.in.flight.requests.per.connection", 1)?
                .unwrap_or(default.in_flight_max),
            metadata_age_max: self.duration("metadata.max.age.ms", default.metadata_age_max)?,
            connect_timeout: self.duration(
                "socket.connection.setup.timeout.ms",
                default.connect_timeout,
            )?,
            connect_timeout_max: self.duration(
                "socket.connection.setup.timeout.max.ms",
                default.connect_timeout_max,
            )?,
            block_max: self.duration("max.block.ms", default.block_max)?,
            client_id: self
                .text("client.id")
                .map_or(default.client_id, str::to_owned),
            send_buffer_bytes: self.socket_buffer("send.buffer.bytes")?,
            receive_buffer_bytes: self.socket_buffer("receive.buffer.bytes")?,
            idempotence: true,
        };
        // As Kafka's clients do: a first step longer than the last is the last.
        producer.retry_backoff = producer.retry_backoff.min(producer.retry_backoff_max);
        producer.reconnect_backoff = producer
            .reconnect_backoff
            .min(producer.reconnect_backoff_max);
        self.settle_idempotence(&mut producer)?;
        Ok(producer)
    }

    /// Idempotence needs acks=all, retries and at most five in flight. Where it was asked for, a
    /// contradiction is an error; where it is only the default, it gives way.
    fn settle_idempotence(&mut self, producer: &mut ProducerConfig) -> Result<(), ConfigError> {
        const KEY: &str = "enable.idempotence";
        let asked = match self
            .chosen
            .get(KEY)
            .map(|s| s.value.to_ascii_lowercase())
            .as_deref()
        {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => return Err(self.invalid(KEY, "true or false")),
        };
        let obstacles = [
            ("acks", producer.acks != Acks::All),
            ("retries", producer.retries == 0),
            (
                "max.in.flight.requests.per.connection",
                producer.in_flight_max > IN_FLIGHT_MAX,
            ),
        ];
        let mut obstacles = obstacles
            .iter()
            .filter(|(_, is_one)| *is_one)
            .map(|(key, _)| *key);
        if let Some(key) = obstacles.next().filter(|_| asked != Some(false)) {
            let setting = &self.chosen[key];
            let Setting { value, origin, .. } = setting;
            if asked == Some(true) {
                return Err(ConfigError::Contradiction {
                    origin: origin.clone(),
                    key,
                    value: value.clone(),
                    other: format!("{KEY}=true"),
                });
            }
            self.notices.push(format!(
                "{origin}: {key}={value} turns idempotence off: records may come twice"
            ));
            producer.idempotence = false;
        } else {
            producer.idempotence = asked.unwrap_or(true);
        }
        if !producer.idempotence {
            if asked == Some(false) {
                let origin = &self.chosen[KEY].origin;
                self.notices
                    .push(format!("{origin}: {KEY}=false: records may come twice"));
            }
            // Without sequences a retry that overtakes another batch would change the order.
            producer.in_flight_max = 1;
        }
        Ok(())
    }

    fn acks(&self) -> Result<Acks, ConfigError> {
        match self.text("acks") {
            None | Some("all" | "-1") => Ok(Acks::All),
            Some("1") => Ok(Acks::Leader),
            Some("0") => Ok(Acks::None),
            Some(_) => Err(self.invalid("acks", "all, -1, 0 or 1")),
        }
    }

    fn compression(&self) -> Result<(Compression, Option<i32>), ConfigError> {
        let name = self.text("compression.type").unwrap_or("none");
        let codec = Compression::ALL
            .into_iter()
            .find(|codec| codec.name() == name.to_ascii_lowercase())
            .ok_or_else(|| self.invalid("compression.type", "none, gzip, snappy, lz4 or zstd"))?;
        // Every level is checked, also of codecs that are not used: a typing error is one.
        let levels = [
            (
                Compression::Gzip,
                self.level("compression.gzip.level", -1, 9)?,
            ),
            (
                Compression::Lz4,
                self.level("compression.lz4.level", 1, 17)?,
            ),
            (
                Compression::Zstd,
                self.level("compression.zstd.level", -131_072, 22)?,
            ),
        ];
        let own = levels
            .into_iter()
            .find(|(of, _)| *of == codec)
            .and_then(|(_, level)| level);
        // librdkafka's, for whichever codec; it has -1 for the default.
        let any = self
            .level("compression.level", -1, 22)?
            .filter(|level| *level != -1);
        let level = own.or(any.filter(|_| {
            matches!(
                codec,
                Compression::Gzip | Compression::Lz4 | Compression::Zstd
            )
        }));
        let is_default = codec == Compression::Gzip && level == Some(-1);
        Ok((codec, level.filter(|_| !is_default)))
    }

    fn level(&self, key: &'static str, min: i32, max: i32) -> Result<Option<i32>, ConfigError> {
        let level = self.number(key, min.into(), max.into())?;
        Ok(level.map(|level| i32::try_from(level).expect("between two i32")))
    }

    fn delivery_timeout(
        &self,
        request_timeout: Duration,
        default: &ProducerConfig,
    ) -> Result<Duration, ConfigError> {
        const KEY: &str = "delivery.timeout.ms";
        let timeout = self.duration(KEY, default.delivery_timeout)?;
        if timeout >= request_timeout {
            return Ok(timeout);
        }
        match self.chosen.get(KEY) {
            Some(setting) => Err(ConfigError::Contradiction {
                origin: setting.origin.clone(),
                key: KEY,
                value: setting.value.clone(),
                other: format!(
                    "request.timeout.ms={}: it must be at least as long",
                    request_timeout.as_millis()
                ),
            }),
            None => Ok(request_timeout),
        }
    }

    fn bootstrap(&self) -> Result<Option<Vec<HostPort>>, ConfigError> {
        const KEY: &str = "bootstrap.servers";
        let Some(list) = self.text(KEY) else {
            return Ok(None);
        };
        let addresses = HostPort::parse_list(list);
        addresses
            .map(Some)
            .map_err(|error| self.refused(KEY, &error.to_string()))
    }

    /// What would change the meaning of a load, and is not there.
    fn refuse(&self) -> Result<(), ConfigError> {
        let protocol = self.text("security.protocol").unwrap_or("PLAINTEXT");
        if !protocol.eq_ignore_ascii_case("PLAINTEXT") {
            let why = format!("{protocol:?} is not there yet, only PLAINTEXT is");
            return Err(self.refused("security.protocol", &why));
        }
        if self
            .text("transactional.id")
            .is_some_and(|id| !id.is_empty())
        {
            let why = "transactions are not there yet; a load is exactly once without them";
            return Err(self.refused("transactional.id", why));
        }
        let two_phase = "transaction.two.phase.commit.enable";
        if self
            .text(two_phase)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        {
            return Err(self.refused(two_phase, "transactions are not there yet"));
        }
        for key in ["interceptor.classes", "config.providers"] {
            if self.text(key).is_some_and(|classes| !classes.is_empty()) {
                return Err(self.refused(key, "Java classes cannot be run here"));
            }
        }
        for key in ["key.serializer", "value.serializer"] {
            let class = self
                .text(key)
                .map(|class| class.rsplit('.').next().unwrap_or(class));
            if !matches!(
                class,
                None | Some("ByteArraySerializer" | "StringSerializer")
            ) {
                let why = "records are bytes as they are read; only ByteArraySerializer and \
                           StringSerializer mean that";
                return Err(self.refused(key, why));
            }
        }
        let class = self
            .text("partitioner.class")
            .filter(|class| !class.is_empty());
        if class.is_some_and(|class| !class.starts_with("org.apache.kafka.clients.producer.")) {
            return Err(self.refused("partitioner.class", "Java classes cannot be run here"));
        }
        Ok(())
    }

    fn note_partitioner(&mut self) {
        if let Some(setting) = self.chosen.get("partitioner.class") {
            let (origin, why) = (&setting.origin, keys::KEYLESS);
            self.notices
                .push(format!("{origin}: partitioner.class has no effect: {why}"));
        }
    }

    fn text(&self, key: &'static str) -> Option<&str> {
        self.chosen.get(key).map(|setting| setting.value.as_str())
    }

    fn number(&self, key: &'static str, min: i64, max: i64) -> Result<Option<i64>, ConfigError> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(self.invalid(key, &format!("a number from {min} to {max}"))),
        }
    }

    fn at_most_i32(&self, key: &'static str, min: i64) -> Result<Option<u32>, ConfigError> {
        let number = self.number(key, min, i32::MAX.into())?;
        Ok(number.map(|number| u32::try_from(number).expect("from 0 to the largest i32")))
    }

    fn duration(&self, key: &'static str, default: Duration) -> Result<Duration, ConfigError> {
        // Kafka's longest: 2³¹ ms, 24 days.
        let ms = self.at_most_i32(key, 0)?;
        Ok(ms.map_or(default, |ms| Duration::from_millis(ms.into())))
    }

    /// -1 leaves the size to the system, as in Kafka's clients.
    fn socket_buffer(&self, key: &'static str) -> Result<Option<u32>, ConfigError> {
        let bytes = self.number(key, -1, i32::MAX.into())?;
        Ok(bytes
            .and_then(|bytes| u32::try_from(bytes).ok())
            .filter(|bytes| *bytes > 0))
    }

    fn invalid(&self, key: &'static str, expected: &str) -> ConfigError {
        let setting = &self.chosen[key];
        ConfigError::Invalid {
            origin: setting.origin.clone(),
            key,
            value: setting.value.clone(),
            expected: expected.to_owned(),
        }
    }

    fn refused(&self, key: &'static str, why: &str) -> ConfigError {
        ConfigError::Refused {
            origin: self.chosen[key].origin.clone(),
            key,
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
