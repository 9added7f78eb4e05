//! What a command was asked to do, fully typed: nothing behind the command line parses a string
//! again.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use connectors::file::format::input::{Grammar, Parser};
use engine::io::Choice;
use protocol::partitioner::Partitioner;
use thiserror::Error;

use crate::config::ProducerConfig;

/// How the process ends. Scripts branch on these numbers: they never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was delivered, or the command did what it was asked.
    Done,
    Failed,
    /// The command line or a configuration cannot be acted on; nothing was sent.
    Usage,
    /// Everything was delivered but for records that were refused.
    Rejects,
    /// What lies in the topic is not what was sent, or that cannot be told.
    Unverified,
    /// SIGINT; the state is kept.
    Interrupted,
    /// SIGTERM; the state is kept.
    Terminated,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Rejects => 3,
            Self::Unverified => 4,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// `ringmain load`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoadOptions {
    /// Files, patterns and directories as they were typed, at least one.
    pub(crate) inputs: Vec<String>,
    pub(crate) topic: String,
    pub(crate) target: Target,
    pub(crate) reading: Reading,
    pub(crate) partition: Option<u32>,
    pub(crate) create_topic: Option<CreateTopic>,
    pub(crate) producer: ProducerConfig,
    pub(crate) lanes: Option<u32>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) restart: bool,
    pub(crate) dry_run: bool,
    pub(crate) verify: Option<VerifyMode>,
    pub(crate) max_errors: u64,
    pub(crate) rejects: Option<PathBuf>,
    pub(crate) rate: Option<Rate>,
    pub(crate) quiet: bool,
    pub(crate) progress: bool,
    pub(crate) summary: Option<PathBuf>,
    pub(crate) io: Choice,
    pub(crate) memory_bytes: u64,
}

/// A cluster to ask, and how it is reached.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClusterOptions {
    pub(crate) target: Target,
    pub(crate) producer: ProducerConfig,
    pub(crate) io: Choice,
}

/// How records are found in the input.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// Records are lines of one byte's delimiter and nothing else: files of them can be cut by position.
    pub(crate) splits: bool,
    /// The delimiter's last byte.
    pub(crate) delimiter: u8,
    /// One CR in front of the delimiter is no part of the record.
    pub(crate) crlf_strip: bool,
    pub(crate) grammar: Grammar,
    pub(crate) parser: Parser,
    pub(crate) partitioner: Partitioner,
    /// A record goes into the partition that its envelope names.
    pub(crate) keeps_partitions: bool,
    /// All of that in words: the same on every start of a job.
    pub(crate) described: String,
}

impl PartialEq for Reading {
    fn eq(&self, other: &Self) -> bool {
        (
            self.splits,
            self.delimiter,
            self.crlf_strip,
            &self.described,
        ) == (
            other.splits,
            other.delimiter,
            other.crlf_strip,
            &other.described,
        )
    }
}

/// Which broker the records go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Kafka brokers to ask for the rest of the cluster, at least one.
    Bootstrap(Vec<HostPort>),
    /// The embedded broker, with its data in this directory.
    Embedded(PathBuf),
}

/// The address of a broker, not yet resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct HostPort {
    /// A name or an address; an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum AddressError {
    #[error("an address is empty")]
    Empty,
    #[error("{0:?} has no host before its port")]
    NoHost(String),
    #[error("{0:?} does not end in a port from 1 to 65535")]
    Port(String),
    #[error("{0:?} has a bracket without its partner; an IPv6 address is written [::1]:9092")]
    Brackets(String),
    #[error("{protocol} is not there yet, only PLAINTEXT is: {address:?}")]
    Protocol { address: String, protocol: String },
}

/// The port that is meant when an address names none, as in other Kafka clients.
const KAFKA_PORT: u16 = 9092;

impl HostPort {
    /// A list with commas, as in `bootstrap.servers`.
    pub(crate) fn parse_list(list: &str) -> Result<Vec<Self>, AddressError> {
        let parts = list
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let addresses: Vec<Self> = parts.map(str::parse).collect::<Result<_, _>>()?;
        if addresses.is_empty() {
            return Err(AddressError::Empty);
        }
        Ok(addresses)
    }

    /// An address to listen on: port 0 takes a free one.
    pub(crate) fn parse_listen(address: &str) -> Result<Self, AddressError> {
        let bare = match address.split_once("://") {
            Some((protocol, bare)) if protocol.eq_ignore_ascii_case("PLAINTEXT") => bare,
            Some((protocol, _)) => {
                return Err(AddressError::Protocol {
                    address: address.to_owned(),
                    protocol: protocol.to_owned(),
                });
            }
            None => address,
        };
        let (host, port) = split_port(bare, address)?;
        if host.is_empty() {
            return Err(AddressError::NoHost(address.to_owned()));
        }
        let port = port.map_or(Ok(KAFKA_PORT), str::parse);
        Ok(Self {
            host: host.to_owned(),
            port: port.map_err(|_| AddressError::Port(address.to_owned()))?,
        })
    }
}

impl FromStr for HostPort {
    type Err = AddressError;

    fn from_str(address: &str) -> Result<Self, AddressError> {
        let parsed = Self::parse_listen(address)?;
        if parsed.port == 0 {
            return Err(AddressError::Port(address.to_owned()));
        }
        Ok(parsed)
    }
}

fn split_port<'a>(
    bare: &'a str,
    address: &str,
) -> Result<(&'a str, Option<&'a str>), AddressError> {
    if let Some(bracketed) = bare.strip_prefix('[') {
        let (host, behind) = bracketed
            .split_once(']')
            .ok_or_else(|| AddressError::Brackets(address.to_owned()))?;
        return match behind.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if behind.is_empty() => Ok((host, None)),
            None => Err(AddressError::Port(address.to_owned())),
        };
    }
    // More than one colon without brackets can only be an IPv6 address without a port.
    match bare.split_once(':') {
        Some((_, behind)) if behind.contains(':') => Ok((bare, None)),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((bare, None)),
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How a missing topic is made. What is not said is the broker's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CreateTopic {
    pub(crate) partitions: Option<u32>,
    pub(crate) replication: Option<u16>,
}

impl FromStr for CreateTopic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut made = Self {
            partitions: None,
            replication: None,
        };
        for part in text.split(',').map(str::trim) {
            let (key, value) = part.split_once('=').ok_or_else(|| {
                format!("{part:?} is not key=value; write partitions=8,replication=3")
            })?;
            let (key, value) = (key.trim(), value.trim());
            let twice = match key {
                "partitions" => {
                    let partitions = at_least_one(key, value, i32::MAX.unsigned_abs())?;
                    made.partitions.replace(partitions).is_some()
                }
                "replication" | "replication-factor" | "replication.factor" => {
                    let replication = at_least_one(key, value, i16::MAX.unsigned_abs())?;
                    made.replication.replace(replication).is_some()
                }
                _ => return Err(format!("{key:?} is neither partitions nor replication")),
            };
            if twice {
                return Err(format!("{key} is given twice"));
            }
        }
        Ok(made)
    }
}

/// The protocol's numbers are signed.
fn at_least_one<N>(key: &str, value: &str, max: N) -> Result<N, String>
where
    N: FromStr + Default + PartialOrd,
{
    match value.parse() {
        Ok(number) if number > N::default() && number <= max => Ok(number),
        _ => Err(format!(
            "{key}={value} is not a number from 1 on that Kafka can take"
        )),
    }
}

/// How a load is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum VerifyMode {
    /// How many records there are.
    Count,
    /// Their content, in order.
    Hash,
}

impl VerifyMode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Hash => "hash",
        }
    }
}

/// The most that is sent in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    Records(u64),
    Bytes(u64),
}

impl FromStr for Rate {
    type Err = String;

    /// `200k` and `1.5M` are records, `50MiB` and `10MB` bytes; `/s` may follow.
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_suffix("/s").unwrap_or(text).trim();
        let amount = Amount::parse(bare).ok_or_else(|| {
            format!(
                "{text:?} is no rate; write 200k or 1.5M for records in a second, \
                 50MiB or 10MB for bytes"
            )
        })?;
        let number = amount.number(1000);
        match (number, amount.bytes) {
            (0, _) => Err("a rate of nothing would never end".to_owned()),
            (number, true) => Ok(Self::Bytes(number)),
            (number, false) => Ok(Self::Records(number)),
        }
    }
}

/// A number of bytes: `64MiB`, `64MB`, and, as in `-Xmx64M`, `64M` for MiB.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let amount = Amount::parse(text.trim())
        .ok_or_else(|| format!("{text:?} is no number of bytes; write 32MiB or 33554432"))?;
    Ok(amount.number(1024))
}

/// A number, a magnitude, and whether bytes were said.
struct Amount {
    value: f64,
    magnitude: i32,
    /// `KiB`, `MiB`, `GiB`.
    binary: bool,
    bytes: bool,
}

impl Amount {
    fn parse(text: &str) -> Option<Self> {
        let digits = text
            .bytes()
            .take_while(|b| b.is_ascii_digit() || *b == b'.')
            .count();
        let (number, unit) = text.split_at(digits);
        let value: f64 = number.parse().ok()?;
        let unit = unit.trim_start();
        let (unit, bytes) = match unit.strip_suffix('B') {
            Some(unit) => (unit, true),
            None => (unit, false),
        };
        let (unit, binary) = match unit.strip_suffix('i') {
            Some(unit) if !unit.is_empty() => (unit, true),
            _ => (unit, false),
        };
        let magnitude = match unit {
            "" => 0,
            "k" | "K" => 1,
            "m" | "M" => 2,
            "g" | "G" => 3,
            _ => return None,
        };
        Some(Self {
            value,
            magnitude,
            binary,
            // `Ki` alone can only mean bytes.
            bytes: bytes || binary,
        })
    }

    /// The number, where a magnitude that says neither `i` nor `B` steps by `bare_step`.
    fn number(&self, bare_step: u32) -> u64 {
        let step = match (self.binary, self.bytes) {
            (true, _) => 1024,
            (false, true) => 1000,
            (false, false) => bare_step,
        };
        let number = self.value * f64::from(step).powi(self.magnitude);
        // A cast from a float saturates; nobody types more than 2⁶³ of anything.
        number.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_address(text: &str, expected: Result<(&str, u16), &str>) {
        let parsed = text.parse::<HostPort>();
        let parsed = parsed
            .as_ref()
            .map(|address| (address.host.as_str(), address.port))
            .map_err(ToString::to_string);
        assert_eq!(parsed, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn addresses() {
        check_address("kafka:9093", Ok(("kafka", 9093)));
        check_address("kafka", Ok(("kafka", 9092)));
        check_address("[::1]:9093", Ok(("::1", 9093)));
        check_address("[::1]", Ok(("::1", 9092)));
        check_address("::1", Ok(("::1", 9092)));
        check_address("PLAINTEXT://kafka:1", Ok(("kafka", 1)));
        check_address(":9092", Err("\":9092\" has no host before its port"));
        check_address(
            "kafka:0",
            Err("\"kafka:0\" does not end in a port from 1 to 65535"),
        );
        check_address(
            "kafka:x",
            Err("\"kafka:x\" does not end in a port from 1 to 65535"),
        );
        check_address(
            "SSL://kafka:1",
            Err("SSL is not there yet, only PLAINTEXT is: \"SSL://kafka:1\""),
        );
        assert_eq!(
            HostPort::parse_listen("[::1]:0").map(|address| address.port),
            Ok(0)
        );
        assert_eq!(HostPort::parse_list("a, b:1,").unwrap().len(), 2);
        assert_eq!(HostPort::parse_list(" , "), Err(AddressError::Empty));
    }

    #[test]
    fn addresses_are_shown_as_they_are_written() {
        assert_eq!(
            "[::1]:1".parse::<HostPort>().unwrap().to_string(),
            "[::1]:1"
        );
        assert_eq!("a:1".parse::<HostPort>().unwrap().to_string(), "a:1");
    }

    #[test]
    fn rates() {
        let check =
            |text: &str, expected| assert_eq!(text.parse::<Rate>().ok(), expected, "{text}");
        check("200k", Some(Rate::Records(200_000)));
        check("1.5M", Some(Rate::Records(1_500_000)));
        check("1.5M/s", Some(Rate::Records(1_500_000)));
        check("7", Some(Rate::Records(7)));
        check("50MiB", Some(Rate::Bytes(50 << 20)));
        check("50MiB/s", Some(Rate::Bytes(50 << 20)));
        check("10MB", Some(Rate::Bytes(10_000_000)));
        check("10kB", Some(Rate::Bytes(10_000)));
        check("512B", Some(Rate::Bytes(512)));
        check("64Ki", Some(Rate::Bytes(65_536)));
        check("0", None);
        check("k", None);
        check("-1", None);
        check("1x", None);
        check("inf", None);
        check("1.2.3", None);
    }

    #[test]
    fn numbers_of_bytes() {
        let check = |text: &str, expected| assert_eq!(parse_bytes(text).ok(), expected, "{text}");
        check("33554432", Some(32 << 20));
        check("32MiB", Some(32 << 20));
        check("32M", Some(32 << 20));
        check("32MB", Some(32_000_000));
        check("1.5GiB", Some(3 << 29));
        check("", None);
        check("many", None);
    }

    #[test]
    fn topics_to_create() {
        let check = |text: &str, expected: Result<(Option<u32>, Option<u16>), &str>| {
            let made = text
                .parse::<CreateTopic>()
                .map(|c| (c.partitions, c.replication));
            assert_eq!(made, expected.map_err(str::to_owned), "{text}");
        };
        check("partitions=8,replication=3", Ok((Some(8), Some(3))));
        check("replication=3, partitions=8", Ok((Some(8), Some(3))));
        check("partitions=8", Ok((Some(8), None)));
        check(
            "partitions=8,partitions=9",
            Err("partitions is given twice"),
        );
        check(
            "color=red",
            Err("\"color\" is neither partitions nor replication"),
        );
        check(
            "8",
            Err("\"8\" is not key=value; write partitions=8,replication=3"),
        );
        check(
            "partitions=0",
            Err("partitions=0 is not a number from 1 on that Kafka can take"),
        );
    }
}
