//! What `dump` is told, and from that to what it means.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use connectors::file::format::output::Compiled;
use engine::io::Choice;

use super::load::{Environment, UsageError, check_topic, io_of_environment, settings, target};
use super::{OUTPUT, RESUME, SPEED, WHERE};
use crate::config::{self, Origin};
use crate::dump::{DumpOptions, Existing, OutputTo, PartitionSet, Place, RecordsAs, Until};
use crate::options::ClusterOptions;

const WHAT: &str = "What";
const RECORDS: &str = "How records are written";

const DUMP_SHORT: &str = "\
Examples:
  ringmain dump -t logs -o logs.txt --embedded
  ringmain dump -t logs -o logs.txt -b kafka:9092

More: ringmain dump --help";

const DUMP_LONG: &str = "\
A dump that was interrupted, by a signal, a crash or a cut cable, is taken up where it was when the
same command is run again: every record is in the file once. Its end is where the partitions ended
when it was first started, unless --until says otherwise.

Examples:
  ringmain dump -t logs -o logs.txt --embedded
  ringmain dump -t logs -o logs.txt -b kafka:9092 -X isolation.level=read_committed
  ringmain dump -t logs -o 'logs-%p.txt' -b kafka:9092 --partitions 0,3-5
  ringmain dump -t logs -o - -b kafka:9092 --from @2026-11-21T15:00:00Z | gzip > logs.gz
  ringmain dump -t logs -o logs.jsonl -b kafka:9092 --output envelope
  ringmain dump -t logs -o logs.txt -b kafka:9092 --until never

Exit codes:
  0  everything up to the end is in the output     1  failed; the state is kept
  2  usage or configuration                        130, 143  ended by SIGINT or SIGTERM";

#[derive(Debug, Args)]
#[command(after_help = DUMP_SHORT, after_long_help = DUMP_LONG)]
pub(crate) struct DumpArgs {
    /// The topic
    #[arg(short, long, help_heading = WHERE)]
    topic: String,
    /// Brokers to begin with: HOST:PORT[,…]
    #[arg(
        short,
        long,
        value_name = "HOST:PORT",
        aliases = ["broker-list", "brokers"],
        help_heading = WHERE,
        conflicts_with = "embedded"
    )]
    bootstrap_server: Option<String>,
    /// Read from the embedded broker [its data: DIR, or $XDG_DATA_HOME/ringmain/embedded]
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        help_heading = WHERE
    )]
    embedded: Option<Option<PathBuf>>,
    /// The file to write; - is standard output, and %p in it makes a file for each partition
    ///
    /// Partitions come into one file as they are read, each in its order. Standard output keeps no
    /// state: run again, the dump begins again.
    #[arg(
        short = 'o',
        long,
        value_name = "FILE",
        allow_hyphen_values = true,
        help_heading = WHERE
    )]
    output_file: OutputTo,
    /// Write behind what the file holds already
    #[arg(long, help_heading = WHERE, conflicts_with = "overwrite")]
    append: bool,
    /// Replace what the file holds already
    #[arg(long, help_heading = WHERE)]
    overwrite: bool,
    /// A property of Kafka's consumer; may be given more than once
    ///
    /// Kafka's names, and librdkafka's where the meaning is clear: isolation.level, fetch.max.bytes, …
    /// A flag goes before a property, a property before the file. An unknown one is a warning, one
    /// that cannot be honoured an error. auto.offset.reset is what happens where the log does not
    /// hold an offset; unlike Kafka's consumer, a dump stops then unless it says otherwise.
    #[arg(
        short = 'X',
        long,
        value_name = "KEY=VALUE",
        alias = "command-property",
        action = ArgAction::Append,
        help_heading = WHERE
    )]
    consumer_property: Vec<String>,
    /// A file of Kafka's consumer properties
    #[arg(
        short = 'F',
        long,
        value_name = "FILE",
        alias = "consumer.config",
        help_heading = WHERE
    )]
    command_config: Option<PathBuf>,

    /// Where to begin: beginning, end, an offset, -N for the last N of each partition, @TIME
    ///
    /// A time is in milliseconds since 1970, or ISO 8601 (UTC unless an offset is given).
    #[arg(
        long,
        value_name = "PLACE",
        default_value = "beginning",
        allow_hyphen_values = true,
        help_heading = WHAT
    )]
    from: Place,
    /// Where to end: end (as of the first start), a place as for --from, or never
    #[arg(
        long,
        value_name = "PLACE",
        default_value = "end",
        allow_hyphen_values = true,
        help_heading = WHAT
    )]
    until: Until,
    /// Only these partitions: 0,3-5
    #[arg(short, long, value_name = "LIST", aliases = ["partition"], help_heading = WHAT)]
    partitions: Option<PartitionSet>,

    /// What stands behind every value: bytes, with \n \t \r \0 \\ \xNN; may be empty
    #[arg(
        short = 'D',
        long,
        value_name = "BYTES",
        value_parser = parse_bytes_text,
        default_value = "\\n",
        allow_hyphen_values = true,
        help_heading = RECORDS
    )]
    delimiter: Text,
    /// What of a record is written: values (with --delimiter), or envelope (all of it, as JSON)
    ///
    /// An envelope is a JSON object on a line of its own, with the fields of kcat -J; bytes that are no
    /// UTF-8 are in base64. `load --input envelope` restores what was dumped so.
    #[arg(
        long,
        value_name = "WHAT",
        value_parser = parse_what,
        default_value = "values",
        help_heading = RECORDS
    )]
    output: What,
    /// A format as in kcat, such as '%k: %s\n', in place of value and delimiter
    ///
    /// %s value, %k key, %h headers, %t topic, %p partition, %o offset, %T timestamp, %S and %K the
    /// lengths of value and key, %R the value's length as four bytes, %% a percent sign. No delimiter
    /// is added.
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        allow_hyphen_values = true,
        conflicts_with_all = ["output", "delimiter"],
        help_heading = RECORDS
    )]
    format: Option<String>,
    /// What stands for a value that is null [default: nothing]
    #[arg(
        long,
        value_name = "TEXT",
        value_parser = parse_bytes_text,
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true,
        help_heading = RECORDS
    )]
    null: Text,

    /// Keep the state of this dump in DIR [default: $XDG_STATE_HOME/ringmain]
    #[arg(long, value_name = "DIR", help_heading = RESUME)]
    state: Option<PathBuf>,
    /// Forget an earlier run of this dump and begin anew
    #[arg(long, help_heading = RESUME)]
    restart: bool,

    /// auto, uring, uring:basic or poll [default: auto; env: RINGMAIN_IO]
    #[arg(long, value_name = "HOW", help_heading = SPEED)]
    io: Option<Choice>,

    /// Say nothing but warnings and errors
    #[arg(short, long, help_heading = OUTPUT)]
    pub(crate) quiet: bool,
    /// Show no progress
    #[arg(long, help_heading = OUTPUT)]
    no_progress: bool,
    /// Write what came of it to FILE, as JSON
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    summary: Option<PathBuf>,

    /// kcat's consumer mode: what `dump` is.
    #[arg(short = 'C', hide = true)]
    _consume: bool,
    /// kcat's "exit at the end": what `dump` does.
    #[arg(short = 'e', hide = true)]
    _exit: bool,
}

/// Bytes that were typed with escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text(Vec<u8>);

/// What is written of a record, unless a format says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Values,
    Envelope,
}

fn parse_what(text: &str) -> Result<What, String> {
    match text {
        "values" => Ok(What::Values),
        "envelope" => Ok(What::Envelope),
        _ => Err(format!(
            "{text:?} is neither values nor envelope; the file to write is named by -o FILE"
        )),
    }
}

/// A dump that can be begun.
#[derive(Debug)]
pub(crate) struct PlannedDump {
    pub(crate) options: DumpOptions,
    /// Sentences for the person, before anything begins.
    pub(crate) notices: Vec<String>,
}

pub(crate) fn plan_dump(args: DumpArgs, env: Environment<'_>) -> Result<PlannedDump, UsageError> {
    check_topic(&args.topic)?;
    let flags = [(
        "bootstrap.servers",
        "--bootstrap-server",
        &args.bootstrap_server,
    )];
    let file = args.command_config.as_deref();
    let mut said = settings(file, &args.consumer_property, &flags).map_err(of_consumer)?;
    for setting in &mut said {
        if setting.origin == Origin::Property {
            setting.origin = Origin::ConsumerProperty;
        }
    }
    let (consumer, mut resolved) = config::resolve_consumer(said)?;
    let target = target(args.embedded.as_ref(), &mut resolved, env)?;
    let io = match args.io {
        Some(io) => io,
        None => io_of_environment(env)?,
    };
    let (delimiter, null) = (args.delimiter.0, args.null.0);
    let records = match (args.format, args.output) {
        (Some(text), _) => {
            let shown = String::from_utf8_lossy(&null).into_owned();
            let compiled = Compiled::new(&text, &shown);
            let compiled = compiled.map_err(|why| UsageError::Flag {
                flag: "-f",
                why: why.to_string(),
            })?;
            RecordsAs::Format { text, compiled }
        }
        (None, What::Envelope) => RecordsAs::Envelope,
        (None, What::Values) => RecordsAs::Values { delimiter, null },
    };
    let options = DumpOptions {
        cluster: ClusterOptions {
            target,
            producer: resolved.producer,
            io,
        },
        consumer,
        topic: args.topic,
        output: args.output_file,
        partitions: args.partitions,
        from: args.from,
        until: args.until,
        records,
        existing: match (args.append, args.overwrite) {
            (true, _) => Existing::Append,
            (false, true) => Existing::Overwrite,
            (false, false) => Existing::Refuse,
        },
        restart: args.restart,
        state_dir: args.state,
        quiet: args.quiet,
        progress: !args.quiet && !args.no_progress,
        summary: args.summary,
    };
    let notices = resolved.notices;
    Ok(PlannedDump { options, notices })
}

fn of_consumer(error: UsageError) -> UsageError {
    match error {
        UsageError::NoProperty { text, .. } => UsageError::NoProperty {
            flag: "--consumer-property",
            text,
        },
        error => error,
    }
}

/// Bytes with the escapes of kcat: `\n \t \r \0 \\ \xNN`.
fn parse_bytes_text(text: &str) -> Result<Text, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let (byte, used) = match (first, behind) {
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b'0', ..]) => (0, 2),
            (b'\\', [b'\\', ..]) => (b'\\', 2),
            (b'\\', [b'x', high, low, ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let both = digit(high).zip(digit(low));
                let byte = both.and_then(|(high, low)| u8::try_from(16 * high + low).ok());
                (byte.ok_or_else(|| no_escape(text))?, 4)
            }
            (b'\\', _) => return Err(no_escape(text)),
            (byte, _) => (*byte, 1),
        };
        bytes.push(byte);
        rest = &rest[used..];
    }
    Ok(Text(bytes))
}

fn no_escape(text: &str) -> String {
    format!("{text:?} has a backslash that begins none of \\n \\t \\r \\0 \\\\ \\xNN")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::options::Target;

    fn plan(line: &str) -> Result<PlannedDump, String> {
        let words = ["ringmain", "dump"]
            .into_iter()
            .chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Dump(args) = cli.command else {
            panic!("the line says dump");
        };
        plan_dump(*args, &|_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn the_shortest_command() {
        let options = plan("-t logs -o out -b kafka").unwrap().options;
        assert_eq!(options.output, OutputTo::File("out".into()));
        assert_eq!(options.from, Place::Beginning);
        assert_eq!(options.until, Until::Place(Place::End));
        let values = RecordsAs::Values {
            delimiter: b"\n".to_vec(),
            null: Vec::new(),
        };
        assert_eq!(options.records, values);
        assert_eq!(options.existing, Existing::Refuse);
        assert!(options.progress && !options.quiet && !options.restart);
        assert!(matches!(options.cluster.target, Target::Bootstrap(list) if list.len() == 1));
    }

    #[test]
    fn every_flag_reaches_its_option() {
        let line = "-t logs -o x-%p --embedded=/data --from -7 --until @5 -p 0,2-3 -D ;\\x00 \
                    --null NIL --append --restart --state /state --io poll -q --summary /s \
                    -X isolation.level=read_committed -C -e";
        let options = plan(line).unwrap().options;
        assert_eq!(options.cluster.target, Target::Embedded("/data".into()));
        let each = OutputTo::EachPartition("x-".to_owned(), String::new());
        assert_eq!((options.output, options.existing), (each, Existing::Append));
        assert_eq!(options.from, Place::BeforeEnd(7));
        assert_eq!(options.until, Until::Place(Place::At(5)));
        assert_eq!(options.partitions, Some("0,2-3".parse().unwrap()));
        let values = RecordsAs::Values {
            delimiter: b";\0".to_vec(),
            null: b"NIL".to_vec(),
        };
        assert_eq!(options.records, values);
        assert!(options.restart && options.quiet && !options.progress);
        assert_eq!(options.state_dir, Some("/state".into()));
        assert_eq!(options.summary, Some("/s".into()));
        assert_eq!(options.cluster.io, Choice::Poll);
        let committed = protocol::hot::fetch::IsolationLevel::ReadCommitted;
        assert_eq!(options.consumer.isolation, committed);
    }

    #[test]
    fn formats_and_envelopes() {
        let records = |line: &str| {
            let planned = plan(&format!("-t t -b k -o out {line}"));
            planned.unwrap().options.records
        };
        assert_eq!(records("--output envelope"), RecordsAs::Envelope);
        let RecordsAs::Format { text, compiled } = records("-f %k=%s --null NIL") else {
            panic!("a format was asked for");
        };
        assert_eq!(text, "%k=%s");
        assert_eq!(compiled, Compiled::new("%k=%s", "NIL").unwrap());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let refused = |line: &str, expected: &str| {
            let error = plan(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        };
        refused("-o out -b k", "--topic <TOPIC>");
        refused("-t t -b k", "--output-file <FILE>");
        refused("-t t -o out", "where to?");
        refused("-t t -o out -b k --output x", "named by -o FILE");
        refused("-t t -o out -b k -f %q", "-f: ");
        refused(
            "-t t -o out -b k -f %s --output envelope",
            "cannot be used with",
        );
        refused("-t a/b -o out -b k", "is no name for a topic");
        refused(
            "-t t -o out -b k --append --overwrite",
            "cannot be used with",
        );
        refused("-t t -o out -b k --from x", "is no place in a topic");
        refused("-t t -o out -b k -D \\q", "begins none of");
        refused(
            "-t t -o out -b k -X acks",
            "--consumer-property \"acks\" is not key=value",
        );
        refused(
            "-t t -o out -b k -X isolation.level=x",
            "--consumer-property: isolation.level=x",
        );
    }
}
