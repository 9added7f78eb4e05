//! From what was typed for `load` to what it means: properties, environment and defaults put
//! together, and everything refused that can be before a file or a socket is opened.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use connectors::config::properties::{self, PropertiesError};
use engine::io::{Choice, UnknownChoice};
use thiserror::Error;

use super::{Crlf, LoadArgs};
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
        "- (standard input) is not there yet: only files can be loaded, for an interrupted load is \
         taken up by reading them again"
    )]
    StandardInput,
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
    #[error("--embedded needs a directory: neither XDG_DATA_HOME nor HOME is set")]
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
    let mut resolved = config::resolve(settings(&args)?)?;
    let target = target(&args, &mut resolved, env)?;
    let memory_bytes = memory_bytes(args.memory, resolved.memory_bytes)?;
    let io = match args.io {
        Some(io) => io,
        None => io_of_environment(env)?,
    };
    let options = LoadOptions {
        inputs: args.inputs,
        topic: args.topic,
        target,
        delimiter: args.delimiter,
        crlf_strip: args.crlf == Crlf::Strip,
        partition: args.partition,
        create_topic: args.create_topic,
        producer: resolved.producer,
        lanes: args.lanes,
        state_dir: args.state,
        restart: args.restart,
        dry_run: args.dry_run,
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
    if input == "-" {
        return Err(UsageError::StandardInput);
    }
    let scheme = input.split_once("://").map(|(scheme, _)| scheme);
    let is_scheme = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric());
    if scheme.is_some_and(is_scheme) {
        return Err(UsageError::Url(input.to_owned()));
    }
    Ok(())
}

fn check_topic(name: &str) -> Result<(), UsageError> {
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

/// All that says something about a producer's properties, wherever it was said.
fn settings(args: &LoadArgs) -> Result<Vec<Setting>, UsageError> {
    let mut settings = match &args.command_config {
        Some(path) => Setting::from_file(properties::read(path)?, path),
        None => Vec::new(),
    };
    for text in &args.producer_property {
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
    let flags = [
        (
            "bootstrap.servers",
            "--bootstrap-server",
            &args.bootstrap_server,
        ),
        ("compression.type", "--compression", &args.compression),
    ];
    for (key, flag, value) in flags {
        settings.extend(value.as_ref().map(|value| Setting {
            key: key.to_owned(),
            value: value.clone(),
            origin: Origin::Flag(flag),
        }));
    }
    Ok(settings)
}

fn target(
    args: &LoadArgs,
    resolved: &mut Resolved,
    env: Environment<'_>,
) -> Result<Target, UsageError> {
    let Some(directory) = &args.embedded else {
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

fn io_of_environment(env: Environment<'_>) -> Result<Choice, UsageError> {
    const NAME: &str = "RINGMAIN_IO";
    match env(NAME).filter(|value| !value.is_empty()) {
        None => Ok(Choice::default()),
        Some(value) => value
            .to_string_lossy()
            .parse()
            .map_err(|why| UsageError::Environment { name: NAME, why }),
    }
}
