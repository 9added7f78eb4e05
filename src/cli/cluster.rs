//! What `metadata` and `query` are told, and from that to what it means: a cluster to ask, and what.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use engine::io::Choice;

use super::load::{Environment, UsageError, check_topic, io_of_environment, settings, target};
use super::{OUTPUT, WHERE};
use crate::config;
use crate::metadata::MetadataOptions;
use crate::options::ClusterOptions;
use crate::query::{QueryOptions, Question};

/// Which cluster is asked, and how it is reached.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
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
    /// Ask the embedded broker, which keeps its data in DIR [default:
    /// $XDG_DATA_HOME/ringmain/embedded]
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        help_heading = WHERE
    )]
    embedded: Option<Option<PathBuf>>,
    /// A property of Kafka's clients; may be given more than once
    #[arg(
        short = 'X',
        long,
        value_name = "KEY=VALUE",
        aliases = ["producer-property", "consumer-property"],
        action = ArgAction::Append,
        help_heading = WHERE
    )]
    command_property: Vec<String>,
    /// A file of properties of Kafka's clients
    #[arg(
        short = 'F',
        long,
        value_name = "FILE",
        aliases = ["producer.config", "consumer.config"],
        help_heading = WHERE
    )]
    command_config: Option<PathBuf>,
    /// Wait this long for an answer [default: what the properties say: 30 s to connect, and as much
    /// for each answer]
    #[arg(
        short = 'm',
        long,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u32).range(1..=86_400),
        help_heading = WHERE
    )]
    timeout: Option<u32>,
    /// auto, uring, uring:basic or poll [default: auto; env: RINGMAIN_IO]
    #[arg(long, value_name = "HOW", help_heading = WHERE)]
    io: Option<Choice>,
}

const METADATA_EXAMPLES: &str = "\
Examples:
  ringmain -L -b kafka:9092
  ringmain -L -b kafka:9092 -t logs
  ringmain metadata --bootstrap-server kafka:9092 --json

The text and the JSON have the shape of kcat -L. A topic that is named and does not exist is shown as
such, and the exit code is 1.";

#[derive(Debug, Args)]
#[command(after_help = METADATA_EXAMPLES)]
pub(crate) struct MetadataArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Only this topic; may be given more than once [default: all topics]
    #[arg(short, long, action = ArgAction::Append)]
    topic: Vec<String>,
    /// As JSON, on one line
    #[arg(short = 'J', long, help_heading = OUTPUT)]
    json: bool,
}

const QUERY_EXAMPLES: &str = "\
A timestamp is in milliseconds, or ISO 8601 (UTC unless an offset is given). The answer is the offset of
the first record that is as young or younger, or -1 where none is. -1 instead of a timestamp is the end
of the partition, -2 its beginning.

Examples:
  ringmain -Q -b kafka:9092 -t logs:0:-1
  ringmain -Q -b kafka:9092 -t logs:0:2026-11-21T15:00:00Z -t logs:1:2026-11-21T15:00:00Z
  ringmain query -b kafka:9092 -t logs:0:1700000000000 --json";

#[derive(Debug, Args)]
#[command(after_help = QUERY_EXAMPLES)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Topic, partition and time to look for; may be given more than once
    #[arg(
        short = 't',
        long = "topic",
        value_name = "TOPIC:PARTITION:TIMESTAMP",
        required = true,
        action = ArgAction::Append
    )]
    questions: Vec<Question>,
    /// Count the records of transactions that are still open
    #[arg(long)]
    uncommitted: bool,
    /// As JSON, on one line
    #[arg(short = 'J', long, help_heading = OUTPUT)]
    json: bool,
}

/// A question that can be asked.
#[derive(Debug)]
pub(crate) struct Asked<O> {
    pub(crate) options: O,
    /// Sentences for the person, before anything begins.
    pub(crate) notices: Vec<String>,
}

pub(crate) fn plan_metadata(
    args: MetadataArgs,
    env: Environment<'_>,
) -> Result<Asked<MetadataOptions>, UsageError> {
    args.topic.iter().try_for_each(|topic| check_topic(topic))?;
    let (cluster, notices) = plan_cluster(args.cluster, env)?;
    let options = MetadataOptions {
        cluster,
        topics: args.topic,
        json: args.json,
    };
    Ok(Asked { options, notices })
}

pub(crate) fn plan_query(
    args: QueryArgs,
    env: Environment<'_>,
) -> Result<Asked<QueryOptions>, UsageError> {
    let mut questions = args.questions;
    questions
        .iter()
        .try_for_each(|question| check_topic(&question.topic))?;
    questions.sort();
    let place = |question: &Question| (question.topic.clone(), question.partition);
    if let Some(twice) = questions
        .windows(2)
        .find(|pair| place(&pair[0]) == place(&pair[1]))
    {
        let (topic, partition) = place(&twice[0]);
        let why = format!("{topic}:{partition} is asked twice; ask once for each time");
        return Err(UsageError::Flag { flag: "-t", why });
    }
    let (cluster, notices) = plan_cluster(args.cluster, env)?;
    let options = QueryOptions {
        cluster,
        questions,
        is_uncommitted: args.uncommitted,
        json: args.json,
    };
    Ok(Asked { options, notices })
}

fn plan_cluster(
    args: ClusterArgs,
    env: Environment<'_>,
) -> Result<(ClusterOptions, Vec<String>), UsageError> {
    let flags = [(
        "bootstrap.servers",
        "--bootstrap-server",
        &args.bootstrap_server,
    )];
    let file = args.command_config.as_deref();
    let mut resolved = config::resolve(settings(file, &args.command_property, &flags)?)?;
    let target = target(args.embedded.as_ref(), &mut resolved, env)?;
    let io = match args.io {
        Some(io) => io,
        None => io_of_environment(env)?,
    };
    let mut producer = resolved.producer;
    if let Some(seconds) = args.timeout {
        let timeout = Duration::from_secs(seconds.into());
        producer.connect_timeout = producer.connect_timeout.min(timeout);
        producer.connect_timeout_max = timeout;
        producer.request_timeout = timeout;
        producer.block_max = timeout;
    }
    let options = ClusterOptions {
        target,
        producer,
        io,
    };
    Ok((options, resolved.notices))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command, kcat_order};
    use crate::options::Target;

    fn parse(line: &str) -> Result<Command, String> {
        let words = ["ringmain"].into_iter().chain(line.split_whitespace());
        let words = kcat_order(words.map(Into::into).collect());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        Ok(cli.command)
    }

    fn metadata(line: &str) -> Result<MetadataOptions, String> {
        let Command::Metadata(args) = parse(line)? else {
            panic!("{line} asks for metadata");
        };
        let planned = plan_metadata(args, &|_| None).map_err(|error| error.to_string())?;
        Ok(planned.options)
    }

    fn query(line: &str) -> Result<QueryOptions, String> {
        let Command::Query(args) = parse(line)? else {
            panic!("{line} asks for offsets");
        };
        let planned = plan_query(args, &|_| None).map_err(|error| error.to_string())?;
        Ok(planned.options)
    }

    #[test]
    fn metadata_is_asked_for_as_in_kcat_or_by_its_name() {
        let same = metadata("metadata --bootstrap-server kafka:1 --topic t --json").unwrap();
        assert_eq!(
            (same.topics.as_slice(), same.json),
            (&["t".to_owned()][..], true)
        );
        for line in [
            "-L -b kafka:1 -t t -J",
            "-b kafka:1 -L -t t -J",
            "-b kafka:1 -t t -JL",
            "-LJb kafka:1 -tt",
            "-X bootstrap.servers=kafka:1 -J -t t -L",
            "list -b kafka:1 -t t -J",
        ] {
            assert_eq!(metadata(line).as_ref(), Ok(&same), "{line}");
        }
        let all = metadata("-L -b a,b:2").unwrap();
        assert!(all.topics.is_empty() && !all.json);
        assert!(matches!(all.cluster.target, Target::Bootstrap(list) if list.len() == 2));
        let embedded = metadata("-L --embedded=/data").unwrap();
        assert_eq!(embedded.cluster.target, Target::Embedded("/data".into()));
    }

    #[test]
    fn offsets_are_asked_for_as_in_kcat_or_by_their_name() {
        let same = query("query -b kafka:1 -t b:0:-1 -t a:1:5").unwrap();
        let asked: Vec<_> = same
            .questions
            .iter()
            .map(|question| {
                (
                    question.topic.as_str(),
                    question.partition,
                    question.timestamp,
                )
            })
            .collect();
        assert_eq!(asked, [("a", 1, 5), ("b", 0, -1)]);
        let kcats = query("-b kafka:1 -t a:1:5 -t b:0:-1 -Q");
        assert_eq!(kcats.as_ref(), Ok(&same));
        let refused = |line: &str, expected: &str| {
            let error = query(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        };
        refused("-Q -b k", "--topic <TOPIC:PARTITION:TIMESTAMP>");
        refused("-Q -b k -t a:0:-1 -t a:0:-2", "a:0 is asked twice");
        refused("-Q -b k -t a/b:0:-1", "is no name for a topic");
        refused("-Q -t a:0:-1", "where to?");
        refused("-Q -b k -t a", "is not topic:partition:timestamp");
    }

    #[test]
    fn a_timeout_bounds_every_wait() {
        let producer = metadata("-L -b k -m 2").unwrap().cluster.producer;
        let two = Duration::from_secs(2);
        let waits = [
            producer.connect_timeout,
            producer.connect_timeout_max,
            producer.request_timeout,
            producer.block_max,
        ];
        assert_eq!(waits, [two; 4]);
        let error = metadata("-L -b k -m 0").unwrap_err();
        assert!(error.contains("--timeout"), "{error}");
    }
}
