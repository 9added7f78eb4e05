//! The command line: what is typed, as clap reads it, and what `--help` says of it.
//!
//! Names are Kafka's and kcat's where those have one. Turning what was typed into typed options is
//! in `load.rs`; what is refused because it is not there yet, in `not_yet.rs`.

mod broker;
mod load;
mod not_yet;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use engine::io::Choice;

pub(crate) use broker::plan_broker;
pub(crate) use load::plan_load;
pub(crate) use not_yet::{CONNECT, DUMP, NotYetArgs, VERIFY, refuse_name};

use crate::options::{CreateTopic, HostPort, Rate, parse_bytes, parse_delimiter};

const EXAMPLES: &str = "\
Examples:
  ringmain load access.log --topic logs --embedded
          Load a file into a topic of the embedded broker, which needs no set-up.
  ringmain load 'logs/*.log' -t logs -b kafka1:9092,kafka2:9092
          Load many files into a topic of a Kafka cluster.
  ringmain load --help
          Everything that a load can be told.";

const LOAD_EXAMPLES: &str = "\
A load that was interrupted, by a signal, a crash or a cut cable, is taken up where it was when the
same command is run again: nothing is lost and nothing is doubled.

Examples:
  ringmain load access.log -t logs --embedded
  ringmain load access.log -t logs -b kafka:9092 --create-topic partitions=8,replication=3
  ringmain load archive/ -t logs -b kafka:9092 -z zstd --rate 50MiB --summary done.json
  ringmain load rows.txt -t rows -b kafka:9092 -D '\\0' --max-errors 100 --rejects bad.jsonl
  ringmain load access.log -t logs -b kafka:9092 --dry-run

Exit codes:
  0  all records were delivered        1  failed; the state is kept
  2  usage or configuration            3  finished with rejected records
  130, 143  ended by SIGINT or SIGTERM; the state is kept";

/// Moves data between files and Apache Kafka, as fast as the hardware lets it
#[derive(Debug, Parser)]
#[command(
    name = "ringmain",
    version,
    after_help = EXAMPLES,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    /// Say more or less on stderr [default: info; env: RINGMAIN_LOG]
    #[arg(long, global = true, value_name = "LEVEL", help_heading = OUTPUT)]
    pub(crate) log_level: Option<LogLevel>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load files into a topic, a record for each line
    Load(Box<LoadArgs>),
    /// Run the embedded broker on its own, until SIGINT or SIGTERM
    Broker(BrokerArgs),
    /// Look at what is kept about loads
    #[command(subcommand)]
    Offsets(OffsetsCommand),
    /// Named here so that they are refused with a sentence.
    #[command(hide = true)]
    Dump(LaterArgs),
    #[command(hide = true)]
    Verify(LaterArgs),
    #[command(hide = true)]
    ConnectStandalone(LaterArgs),
    #[command(hide = true)]
    ConnectDistributed(LaterArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum OffsetsCommand {
    /// Show a state file: its job, and how far each partition is; also while the job runs
    Show {
        /// The state file of a load
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// As JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}

/// The arguments of a command that is not there yet: whatever they are.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct LaterArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _rest: Vec<std::ffi::OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Crlf {
    Keep,
    Strip,
}

#[derive(Debug, Args)]
pub(crate) struct BrokerArgs {
    /// The address to listen on; port 0 takes a free one, which is told on stdout
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:9092",
        value_parser = HostPort::parse_listen
    )]
    pub(crate) listen: HostPort,
    /// The address that clients are told to connect to [default: the one listened on]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<HostPort>,
    /// Where topics are kept [default: $XDG_DATA_HOME/ringmain/embedded]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The partitions of a topic that is made because somebody asked for it
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub(crate) partitions: u32,
    /// Sync to the disk before acknowledging: what is acknowledged survives a power loss too
    #[arg(long)]
    pub(crate) sync: bool,
    /// Acknowledge and forget: a null peer for measuring
    #[arg(long)]
    pub(crate) discard: bool,
}

const WHERE: &str = "Where to";
const RECORDS: &str = "Records";
const RESUME: &str = "State and resume";
const ERRORS: &str = "Refused records";
const SPEED: &str = "Speed and memory";
const OUTPUT: &str = "Output";

#[derive(Debug, Args)]
#[command(after_help = LOAD_EXAMPLES)]
pub(crate) struct LoadArgs {
    /// Files, quoted patterns ('logs/**/*.log') and directories; read in this order
    ///
    /// What a pattern matches or a directory holds is read in the order of its bytes. Hidden files
    /// are left out unless they are named. Only regular, uncompressed files can be read.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) inputs: Vec<String>,

    /// The topic
    #[arg(short, long, help_heading = WHERE)]
    pub(crate) topic: String,
    /// Brokers to begin with: HOST:PORT[,…]
    #[arg(
        short,
        long,
        value_name = "HOST:PORT",
        aliases = ["broker-list", "brokers"],
        help_heading = WHERE,
        conflicts_with = "embedded"
    )]
    pub(crate) bootstrap_server: Option<String>,
    /// Load into the embedded broker, which keeps its data in DIR [default:
    /// $XDG_DATA_HOME/ringmain/embedded]
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        help_heading = WHERE
    )]
    pub(crate) embedded: Option<Option<PathBuf>>,
    /// Make the topic if it is missing: partitions=N,replication=M
    #[arg(long, value_name = "KEY=VALUE,…", help_heading = WHERE)]
    pub(crate) create_topic: Option<CreateTopic>,
    /// A property of Kafka's producer; may be given more than once
    #[arg(
        short = 'X',
        long,
        value_name = "KEY=VALUE",
        alias = "command-property",
        action = ArgAction::Append,
        help_heading = WHERE
    )]
    pub(crate) producer_property: Vec<String>,
    /// A file of Kafka's producer properties
    #[arg(
        short = 'F',
        long,
        value_name = "FILE",
        alias = "producer.config",
        help_heading = WHERE
    )]
    pub(crate) command_config: Option<PathBuf>,

    /// The byte that ends a record, or \n \t \r \0 \\ \xNN
    #[arg(
        short = 'D',
        long,
        value_name = "BYTE",
        value_parser = parse_delimiter,
        default_value = "\\n",
        allow_hyphen_values = true,
        help_heading = RECORDS
    )]
    pub(crate) delimiter: u8,
    /// What becomes of one CR in front of the delimiter
    #[arg(long, value_name = "keep|strip", default_value = "keep", hide_possible_values = true,
          help_heading = RECORDS)]
    pub(crate) crlf: Crlf,
    /// Put every record into this partition
    #[arg(
        short,
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(..=i64::from(i32::MAX)),
        help_heading = RECORDS
    )]
    pub(crate) partition: Option<u32>,
    /// Compress batches: none, gzip, snappy, lz4, zstd
    #[arg(short = 'z', long, value_name = "CODEC", alias = "compression-codec",
          help_heading = RECORDS)]
    pub(crate) compression: Option<String>,

    /// Keep the state of this load in DIR [default: $XDG_STATE_HOME/ringmain]
    #[arg(long, value_name = "DIR", help_heading = RESUME)]
    pub(crate) state: Option<PathBuf>,
    /// Forget an earlier run of this load and begin anew
    #[arg(long, help_heading = RESUME)]
    pub(crate) restart: bool,
    /// Read the heads of the files, connect, check topic and rights, show the first records; send
    /// none
    #[arg(long, help_heading = RESUME)]
    pub(crate) dry_run: bool,

    /// Go on after up to N refused records, and exit with 3
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = ERRORS)]
    pub(crate) max_errors: u64,
    /// Write refused records to FILE, a JSON object a line
    #[arg(long, value_name = "FILE", help_heading = ERRORS)]
    pub(crate) rejects: Option<PathBuf>,

    /// Send at most this much in a second: 200k records, or 50MiB
    #[arg(long, value_name = "RATE", help_heading = SPEED)]
    pub(crate) rate: Option<Rate>,
    /// Streams of batches that are sent side by side [default: chosen from brokers and cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024),
          help_heading = SPEED)]
    pub(crate) lanes: Option<u32>,
    /// The bound of all buffers together [default: 32MiB]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, help_heading = SPEED)]
    pub(crate) memory: Option<u64>,
    /// auto, uring, uring:basic or poll [default: auto; env: RINGMAIN_IO]
    #[arg(long, value_name = "HOW", help_heading = SPEED)]
    pub(crate) io: Option<Choice>,

    /// Say nothing but warnings and errors
    #[arg(short, long, help_heading = OUTPUT)]
    pub(crate) quiet: bool,
    /// Show no progress while loading
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) no_progress: bool,
    /// Write what came of it to FILE, as JSON
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub(crate) summary: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) not_yet: NotYetArgs,
}
