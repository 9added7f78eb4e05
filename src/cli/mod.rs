//! The command line: what is typed, as clap reads it, and what `--help` says of it.
//!
//! Names are Kafka's and kcat's where those have one. Turning what was typed into typed options is
//! in `load.rs`; what is refused because it is not there yet, in `not_yet.rs`.

mod broker;
mod cluster;
mod dump;
mod generate;
mod kcat;
mod load;
mod not_yet;
mod reading;
mod texts;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use engine::io::Choice;

pub(crate) use broker::plan_broker;
pub(crate) use cluster::{MetadataArgs, QueryArgs, plan_metadata, plan_query};
pub(crate) use dump::{DumpArgs, plan_dump};
pub(crate) use generate::{CompletionsArgs, GenerateError, ManArgs, completions, man};
pub(crate) use kcat::kcat_order;
pub(crate) use load::plan_load;
pub(crate) use not_yet::{CONNECT, NotYetArgs, VERIFY, refuse_name};
pub(crate) use reading::ReadingArgs;

use crate::options::{CreateTopic, HostPort, Rate, VerifyMode, parse_bytes};

/// Moves data between files and Apache Kafka, as fast as the hardware lets it
///
/// Speaks the Kafka protocol itself and does its I/O over io_uring. Loads are exactly once across
/// crashes of this program, of the machine and of the brokers, and are taken up where they were.
#[derive(Debug, Parser)]
#[command(
    name = "ringmain",
    version,
    after_help = texts::TOP_SHORT,
    after_long_help = texts::TOP_LONG,
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
    /// Dump a topic into a file, or a file for each partition
    Dump(Box<DumpArgs>),
    /// Show brokers, topics and partitions of a cluster
    #[command(short_flag = 'L', visible_alias = "list")]
    Metadata(MetadataArgs),
    /// Show the offsets at which partitions stood at a time
    #[command(short_flag = 'Q')]
    Query(QueryArgs),
    /// Run the embedded broker on its own, until SIGINT or SIGTERM
    Broker(BrokerArgs),
    /// Look at what is kept about loads
    #[command(subcommand)]
    Offsets(OffsetsCommand),
    /// Print the completion script of a shell, or write those of all shells
    Completions(CompletionsArgs),
    /// Print a man page, or write all of them
    Man(ManArgs),
    /// Named here so that they are refused with a sentence.
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

const WHERE: &str = "Where";
const RECORDS: &str = "How records are read";
const DELIVERY: &str = "Delivery";
const RESUME: &str = "Resume";
const ERRORS: &str = "Refused records";
const SPEED: &str = "Speed and memory";
const OUTPUT: &str = "Output";

#[derive(Debug, Args)]
#[command(after_help = texts::LOAD_SHORT, after_long_help = texts::LOAD_LONG)]
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
    /// Load into the embedded broker [its data: DIR, or $XDG_DATA_HOME/ringmain/embedded]
    ///
    /// A single-node broker for first steps, which needs no set-up: it runs within this process. `ringmain
    /// broker` serves what was loaded there.
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        help_heading = WHERE
    )]
    pub(crate) embedded: Option<Option<PathBuf>>,
    /// Make the topic if it is missing: partitions=N,replication=M
    ///
    /// What is left out is the brokers' default. The embedded broker's topics are made anyway.
    #[arg(long, value_name = "KEY=VALUE,…", help_heading = WHERE)]
    pub(crate) create_topic: Option<CreateTopic>,
    /// A property of Kafka's producer; may be given more than once
    ///
    /// Kafka's names, and librdkafka's where the meaning is clear: acks, delivery.timeout.ms, … A flag
    /// goes before a property, a property before the file. An unknown one is a warning, one that
    /// cannot be honoured an error.
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

    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    /// Put every record into this partition
    ///
    /// Otherwise the input is dealt to the partitions in chunks, in turn.
    #[arg(
        short,
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(..=i64::from(i32::MAX)),
        help_heading = DELIVERY
    )]
    pub(crate) partition: Option<u32>,
    /// Compress batches: none, gzip, snappy, lz4, zstd
    #[arg(short = 'z', long, value_name = "CODEC", alias = "compression-codec",
          help_heading = DELIVERY)]
    pub(crate) compression: Option<String>,

    /// When all is loaded, or was before: read the topic again and compare
    ///
    /// count: as many records as were sent lie between the first and the last offset. hash: and their
    /// content is that of the input, in order, which is read again for it. Records of others in between
    /// are passed and counted. What differs, and what cannot be told any more, is named; the exit code
    /// is then 4.
    #[arg(long, value_name = "count|hash", hide_possible_values = true, help_heading = DELIVERY)]
    pub(crate) verify: Option<VerifyMode>,

    /// Keep the state of this load in DIR [default: $XDG_STATE_HOME/ringmain]
    ///
    /// One file a job; a job is its cluster, its topic and its inputs. `ringmain offsets show` prints it.
    #[arg(long, value_name = "DIR", help_heading = RESUME)]
    pub(crate) state: Option<PathBuf>,
    /// Forget an earlier run of this load and begin anew
    ///
    /// What was loaded before stays in the topic, and is then there twice.
    #[arg(long, help_heading = RESUME)]
    pub(crate) restart: bool,
    /// Check everything and show the first records; send none
    ///
    /// Reads the heads of the files, connects, checks the topic and the right to write to it.
    #[arg(long, help_heading = RESUME)]
    pub(crate) dry_run: bool,

    /// Go on after up to N refused records, and exit with 3
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = ERRORS)]
    pub(crate) max_errors: u64,
    /// Write refused records to FILE, a JSON object a line
    ///
    /// With file, byte offset, line, reason and content: it can be loaded again.
    #[arg(long, value_name = "FILE", help_heading = ERRORS)]
    pub(crate) rejects: Option<PathBuf>,

    /// Send at most this much in a second: 200k records, or 50MiB
    #[arg(long, value_name = "RATE", help_heading = SPEED)]
    pub(crate) rate: Option<Rate>,
    /// Streams of batches that are sent side by side [default: 2]
    ///
    /// Each has a connection of its own to each broker that leads one of its partitions. A broker takes
    /// one request at a time from a connection: one keeps it on one core.
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
    ///
    /// Records, bytes, seconds, rate, offsets by partition, rejects, and what is promised.
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub(crate) summary: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) not_yet: NotYetArgs,
}
