//! From what was typed for `load` to what it means: properties, environment and defaults put
//! together, and everything refused that can be before a file or a socket is opened.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use connectors::config::properties::{self, PropertiesError};
use engine::io::{Choice, UnknownChoice};
use thiserror::Error;

use super::LoadArgs;
use super::reading::plan_reading;
use crate::config::{self, ConfigError, Origin, Resolved, Setting};
use crate::options::{HostPort, LoadOptions, Target};

/// The bound of all buffers where none is given.
const MEMORY_BYTES: u64 = 32 << 20;
/// Less than this holds no two batches of the usual size.
const MEMORY_BYTES_MIN: u64 = 4 << 20;
/// The longest name that Kafka takes.
const TOPIC_BYTES_MAX: usize = 249;

#[derive(Debug, Error)]
pub(crate) enum UsageError {
    #[error("{0}")]
    NotYet(&'static str),
    #[error("{0:?} is not there yet: only files on this machine can be loaded")]
    Url(String),
    #[error(
        "where to? name the brokers (--bootstrap-server HOST:PORT), or try the embedded one \
         (--embedded)"
    )]
    NoTarget,
    #[error("{name:?} is no name for a topic: {why}")]
    Topic { name: String, why: &'static str },
    #[error("{flag} {text:?} is not key=value")]
    NoProperty { flag: &'static str, text: String },
    #[error("{flag}: {why}")]
    Flag { flag: &'static str, why: String },
    #[error("the environment's {name}: {why}")]
    Environment {
        name: &'static str,
        why: UnknownChoice,
    },
    #[error(
        "the embedded broker needs a directory, and neither XDG_DATA_HOME nor HOME is set to find \
         one"
    )]
    NoDataHome,
    #[error(transparent)]
    File(#[from] PropertiesError),
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// A load that can be begun.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) options: LoadOptions,
    /// Sentences for the person, before anything begins.
    pub(crate) notices: Vec<String>,
}

/// The environment, or a test's.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

pub(crate) fn plan_load(args: LoadArgs, env: Environment<'_>) -> Result<Planned, UsageError> {
    if let Some(sentence) = args.not_yet.refusal() {
        return Err(UsageError::NotYet(sentence));
    }
    args.inputs
        .iter()
        .try_for_each(|input| check_input(input))?;
    check_topic(&args.topic)?;
    let flags = [
        (
            "bootstrap.servers",
            "--bootstrap-server",
            &args.bootstrap_server,
        ),
        ("compression.type", "--compression", &args.compression),
    ];
    let file = args.command_config.as_deref();
    let mut resolved = config::resolve(settings(file, &args.producer_property, &flags)?)?;
    let target = target(args.embedded.as_ref(), &mut resolved, env)?;
    if args.verify.is_some() && !resolved.producer.idempotence {
        let why = "without idempotence (enable.idempotence, acks=all) nothing in the log tells which \
                   records are ours";
        return Err(UsageError::Flag {
            flag: "--verify",
            why: why.to_owned(),
        });
    }
    if args.verify.is_some() && args.dry_run {
        let why = "a dry run loads nothing that could be verified".to_owned();
        return Err(UsageError::Flag {
            flag: "--verify",
            why,
        });
    }
    let memory_bytes = memory_bytes(args.memory, resolved.memory_bytes)?;
    let io = match args.io {
        Some(io) => io,
        None => io_of_environment(env)?,
    };
    let options = LoadOptions {
        inputs: args.inputs,
        topic: args.topic,
        target,
        reading: plan_reading(args.reading)?,
        partition: args.partition,
        create_topic: args.create_topic,
        producer: resolved.producer,
        lanes: args.lanes,
        state_dir: args.state,
        restart: args.restart,
        dry_run: args.dry_run,
        verify: args.verify,
        max_errors: args.max_errors,
        rejects: args.rejects,
        rate: args.rate,
        quiet: args.quiet,
        progress: !args.quiet && !args.no_progress,
        summary: args.summary,
        io,
        memory_bytes,
    };
    Ok(Planned {
        options,
        notices: resolved.notices,
    })
}

fn check_input(input: &str) -> Result<(), UsageError> {
    let scheme = input.split_once("://").map(|(scheme, _)| scheme);
    let is_scheme = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric());
    if scheme.is_some_and(is_scheme) {
        return Err(UsageError::Url(input.to_owned()));
    }
    Ok(())
}

pub(super) fn check_topic(name: &str) -> Result<(), UsageError> {
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let why = match name {
        "" => "it is empty",
        "." | ".." => "Kafka keeps a topic in a directory of its name",
        _ if name.len() > TOPIC_BYTES_MAX => "it is longer than 249 characters",
        _ if !name.bytes().all(is_legal) => "Kafka takes letters of ASCII, digits, '.', '_', '-'",
        _ => return Ok(()),
    };
    Err(UsageError::Topic {
        name: name.to_owned(),
        why,
    })
}

/// All that says something about a client's properties, wherever it was said. Flags are given as Kafka's
/// name for them, as they are typed, and what was typed.
pub(super) fn settings(
    file: Option<&Path>,
    properties: &[String],
    flags: &[(&str, &'static str, &Option<String>)],
) -> Result<Vec<Setting>, UsageError> {
    let mut settings = match file {
        Some(path) => Setting::from_file(properties::read(path)?, path),
        None => Vec::new(),
    };
    for text in properties {
        let (key, value) = text.split_once('=').ok_or_else(|| UsageError::NoProperty {
            flag: "--producer-property",
            text: text.clone(),
        })?;
        settings.push(Setting {
            key: key.trim().to_owned(),
            value: value.to_owned(),
            origin: Origin::Property,
        });
    }
    for &(key, flag, value) in flags {
        settings.extend(value.as_ref().map(|value| Setting {
            key: key.to_owned(),
            value: value.clone(),
            origin: Origin::Flag(flag),
        }));
    }
    Ok(settings)
}

/// The brokers, or the embedded one where it is `embedded` that was asked, with or without a directory.
pub(super) fn target(
    embedded: Option<&Option<PathBuf>>,
    resolved: &mut Resolved,
    env: Environment<'_>,
) -> Result<Target, UsageError> {
    let Some(directory) = embedded else {
        let addresses: Vec<HostPort> = resolved.bootstrap.take().ok_or(UsageError::NoTarget)?;
        return Ok(Target::Bootstrap(addresses));
    };
    if resolved.bootstrap.is_some() {
        let notice = "--embedded is taken, not the bootstrap.servers of the properties";
        resolved.notices.push(notice.to_owned());
    }
    let directory = directory.clone().or_else(|| embedded_directory(env));
    directory
        .map(Target::Embedded)
        .ok_or(UsageError::NoDataHome)
}

/// Where the embedded broker keeps its data unless it is told.
pub(crate) fn embedded_directory(env: Environment<'_>) -> Option<PathBuf> {
    // The XDG specification wants relative paths ignored.
    let absolute = |name| {
        env(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let data = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(Path::new(".local/share"))))?;
    Some(data.join("ringmain/embedded"))
}

fn memory_bytes(flag: Option<u64>, property: Option<u64>) -> Result<u64, UsageError> {
    let bytes = flag.or(property).unwrap_or(MEMORY_BYTES);
    if bytes < MEMORY_BYTES_MIN {
        let why = format!("{bytes} bytes are too few, at least {MEMORY_BYTES_MIN} are needed");
        let flag = flag.map_or("buffer.memory", |_| "--memory");
        return Err(UsageError::Flag { flag, why });
    }
    Ok(bytes)
}

pub(super) fn io_of_environment(env: Environment<'_>) -> Result<Choice, UsageError> {
    const NAME: &str = "RINGMAIN_IO";
    match env(NAME).filter(|value| !value.is_empty()) {
        None => Ok(Choice::default()),
        Some(value) => value
            .to_string_lossy()
            .parse()
            .map_err(|why| UsageError::Environment { name: NAME, why }),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::options::{CreateTopic, Rate};

    fn plan_with(environment: &[(&str, &str)], line: &str) -> Result<Planned, String> {
        let words = ["ringmain", "load"]
            .into_iter()
            .chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Load(args) = cli.command else {
            panic!("the line says load");
        };
        let env = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        plan_load(*args, &env).map_err(|error| error.to_string())
    }

    fn plan(line: &str) -> Result<Planned, String> {
        plan_with(&[("HOME", "/home/me")], line)
    }

    fn check_refused(line: &str, expected: &str) {
        let refused = plan(line).unwrap_err();
        assert!(refused.contains(expected), "{line}: {refused}");
    }

    #[test]
    fn the_shortest_command() {
        let options = plan("a.log -t logs -b kafka").unwrap().options;
        let address = HostPort {
            host: "kafka".to_owned(),
            port: 9092,
        };
        let expected = LoadOptions {
            inputs: vec!["a.log".to_owned()],
            topic: "logs".to_owned(),
            target: Target::Bootstrap(vec![address]),
            reading: options.reading.clone(),
            partition: None,
            create_topic: None,
            producer: config::ProducerConfig::default(),
            lanes: None,
            state_dir: None,
            restart: false,
            dry_run: false,
            verify: None,
            max_errors: 0,
            rejects: None,
            rate: None,
            quiet: false,
            progress: true,
            summary: None,
            io: Choice::Auto,
            memory_bytes: 32 << 20,
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn every_flag_reaches_its_option() {
        let line = "a b -t logs --embedded=/data -D ; --crlf strip -p 3 \
                    --create-topic partitions=8,replication=3 -z lz4 --lanes 4 --state /state \
                    --restart --dry-run --max-errors 5 --rejects /r --rate 50MiB -q --summary /s \
                    --memory 64MiB --io poll -X client.id=me";
        let options = plan(line).unwrap().options;
        assert_eq!(options.inputs, ["a", "b"]);
        assert_eq!(options.target, Target::Embedded("/data".into()));
        let reading = &options.reading;
        assert_eq!((reading.delimiter, reading.crlf_strip), (b';', true));
        assert!(reading.splits && reading.described.is_empty());
        assert_eq!(options.partition, Some(3));
        let create = CreateTopic {
            partitions: Some(8),
            replication: Some(3),
        };
        assert_eq!(options.create_topic, Some(create));
        assert_eq!(options.producer.compression.name(), "lz4");
        assert_eq!(options.producer.client_id, "me");
        assert_eq!(options.lanes, Some(4));
        assert_eq!(options.state_dir, Some("/state".into()));
        assert!(options.restart && options.dry_run && options.quiet && !options.progress);
        assert_eq!(options.max_errors, 5);
        assert_eq!(
            (options.rejects, options.summary),
            (Some("/r".into()), Some("/s".into()))
        );
        assert_eq!(options.rate, Some(Rate::Bytes(50 << 20)));
        assert_eq!(options.memory_bytes, 64 << 20);
        assert_eq!(options.io, Choice::Poll);
    }

    #[test]
    fn kafkas_and_kcats_spellings_mean_the_same() {
        let same = plan("a -t t -b k:1 -z gzip -X acks=all").unwrap().options;
        for line in [
            "a --topic t --bootstrap-server k:1 --compression gzip --producer-property acks=all",
            "a --topic t --broker-list k:1 --compression-codec gzip --command-property acks=all",
            "-P -l -t t --brokers k:1 -z gzip a",
            "-P -t t -X metadata.broker.list=k:1 -X compression.codec=gzip -l a",
        ] {
            assert_eq!(plan(line).unwrap().options, same, "{line}");
        }
    }

    #[test]
    fn a_file_of_properties_is_read_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("client.properties");
        std::fs::write(&path, "bootstrap.servers=k:1\nlinger.ms=5\n").unwrap();
        let path = path.to_str().unwrap();
        for flag in ["-F", "--command-config", "--producer.config"] {
            let planned = plan(&format!("a -t t {flag} {path}")).unwrap();
            assert!(matches!(planned.options.target, Target::Bootstrap(_)));
            assert!(planned.notices[0].starts_with(&format!("{path}, line 2: linger.ms")));
        }
        let planned = plan(&format!("a -t t --embedded -F {path}")).unwrap();
        assert!(planned.notices[1].starts_with("--embedded is taken, not the bootstrap.servers"));
        check_refused(
            "a -t t -F /nonexistent",
            "cannot read the properties file /nonexistent",
        );
    }

    #[test]
    fn the_embedded_broker_has_a_home() {
        let home = |environment: &[(&str, &str)]| {
            let planned = plan_with(environment, "a -t t --embedded");
            planned.map(|planned| planned.options.target)
        };
        let embedded = |path: &str| Ok(Target::Embedded(path.into()));
        let xdg = [("XDG_DATA_HOME", "/data"), ("HOME", "/home/me")];
        assert_eq!(home(&xdg), embedded("/data/ringmain/embedded"));
        let relative = [("XDG_DATA_HOME", "data"), ("HOME", "/home/me")];
        assert_eq!(
            home(&relative),
            embedded("/home/me/.local/share/ringmain/embedded")
        );
        assert!(
            home(&[])
                .unwrap_err()
                .contains("neither XDG_DATA_HOME nor HOME is set")
        );
    }

    #[test]
    fn the_environment_chooses_the_io_unless_a_flag_does() {
        let io = |value: &str, line: &str| {
            let planned = plan_with(&[("RINGMAIN_IO", value)], line);
            planned.map(|planned| planned.options.io)
        };
        assert_eq!(io("uring:basic", "a -t t -b k"), Ok(Choice::UringBasic));
        assert_eq!(
            io("uring:basic", "a -t t -b k --io uring"),
            Ok(Choice::Uring)
        );
        assert_eq!(io("", "a -t t -b k"), Ok(Choice::Auto));
        assert!(
            io("epoll", "a -t t -b k")
                .unwrap_err()
                .contains("RINGMAIN_IO")
        );
    }

    #[test]
    fn what_is_not_there_yet_is_refused_with_a_sentence() {
        for (flag, expected) in [
            ("-c 10", "loading only so many records is not there yet"),
            ("-f %k", "formats of lines are not there yet"),
            ("--verify=sum", "invalid value 'sum'"),
            ("-C", "`ringmain dump` reads one"),
            (
                "-X security.protocol=SSL",
                "\"SSL\" is not there yet, only PLAINTEXT is",
            ),
        ] {
            check_refused(&format!("a -t t -b k {flag}"), expected);
        }
        check_refused(
            "s3://bucket/x -t t -b k",
            "only files on this machine can be loaded",
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check_refused("a -t t", "where to?");
        check_refused("-t t -b k", "<FILE>...");
        check_refused("a -b k", "--topic <TOPIC>");
        check_refused("a -t t -b k --embedded", "cannot be used with");
        check_refused("a -t a/b -b k", "\"a/b\" is no name for a topic");
        check_refused("a -t .. -b k", "\"..\" is no name for a topic");
        check_refused("a -t t -b k:x", "\"k:x\" does not end in a port");
        check_refused(
            "a -t t -b k -X acks",
            "--producer-property \"acks\" is not key=value",
        );
        check_refused(
            "a -t t -b k --memory 1k",
            "--memory: 1024 bytes are too few",
        );
        check_refused("a -t t -b k --lanes 0", "--lanes");
        check_refused("a -t t -b k -p -1", "-1");
        check_refused("a -t t -b k --rate fast", "is no rate");
        check_refused("a -t t -b k --io epoll", "auto, uring, uring:basic");
    }

    #[test]
    fn the_command_line_is_consistent_in_itself() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
