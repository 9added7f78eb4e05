//! How records are read from the input: what was typed, and what it means.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use connectors::config::properties;
use connectors::file::format::escapes::unescape;
use connectors::file::format::input::{Grammar, LengthPrefix, LineOptions, Parser};
use protocol::partitioner::Partitioner;

use super::load::UsageError;
use super::{Crlf, RECORDS};
use crate::options::Reading;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputFormat {
    Lines,
    Delimited,
    LengthPrefixed,
    WholeFile,
    Envelope,
}

#[derive(Debug, Args)]
pub(crate) struct ReadingArgs {
    /// What a record is: lines (or delimited), length-prefixed, whole-file, envelope
    ///
    /// An envelope is a JSON object a line, as `ringmain dump --output envelope` and `kcat -J` write it:
    /// key, value, headers and timestamp are restored.
    #[arg(long, value_name = "FORMAT", default_value = "lines", hide_possible_values = true,
          help_heading = RECORDS)]
    input: InputFormat,
    /// What ends a record: one byte or several, with \n \t \r \0 \\ \xNN
    ///
    /// A last record that nothing ends is a record too; what is between two delimiters is one of no
    /// bytes.
    #[arg(
        short = 'D',
        long,
        value_name = "DELIMITER",
        default_value = "\\n",
        allow_hyphen_values = true,
        help_heading = RECORDS
    )]
    delimiter: String,
    /// What becomes of one CR in front of the delimiter
    #[arg(long, value_name = "keep|strip", default_value = "keep", hide_possible_values = true,
          help_heading = RECORDS)]
    crlf: Crlf,
    /// How a length is written: u8, u16be, u16le, u32be, u32le, varint [default: u32be]
    #[arg(long, value_name = "PREFIX", help_heading = RECORDS)]
    length_prefix: Option<LengthPrefix>,
    /// The key is what stands in a line before this
    #[arg(
        short = 'K',
        long,
        value_name = "SEPARATOR",
        allow_hyphen_values = true,
        help_heading = RECORDS
    )]
    key_separator: Option<String>,
    /// The key of records that have none in their line
    #[arg(short = 'k', long, value_name = "KEY", allow_hyphen_values = true, help_heading = RECORDS)]
    key: Option<String>,
    /// A header of every record; may be given more than once
    #[arg(short = 'H', long, value_name = "NAME=VALUE", action = ArgAction::Append,
          help_heading = RECORDS)]
    header: Vec<String>,
    /// An empty value, or an empty key in a line, is null
    #[arg(short = 'Z', long, help_heading = RECORDS)]
    empty_is_null: bool,
    /// A property of the console producer's line reader; may be given more than once
    ///
    /// parse.key, key.separator, parse.headers, headers.delimiter, headers.separator,
    /// headers.key.separator, null.marker, ignore.error: a line is headers, key, value.
    #[arg(long, alias = "property", value_name = "KEY=VALUE", action = ArgAction::Append,
          help_heading = RECORDS)]
    reader_property: Vec<String>,
    /// A file of such properties
    #[arg(long, alias = "property-file", value_name = "FILE", help_heading = RECORDS)]
    reader_config: Option<PathBuf>,
    /// How a key names a partition: murmur2_random (Java's), consistent_random (kcat's), …
    ///
    /// Also random, consistent, murmur2, fnv1a, fnv1a_random: librdkafka's names.
    #[arg(long, value_name = "NAME", default_value = "murmur2_random", help_heading = RECORDS)]
    partitioner: Partitioner,
    /// Put records of envelopes back into the partitions that these name
    #[arg(long, help_heading = RECORDS)]
    keep_partitions: bool,
}

pub(super) fn plan_reading(args: ReadingArgs) -> Result<Reading, UsageError> {
    let delimiter = text("--delimiter", &args.delimiter)?;
    if delimiter.is_empty() {
        return Err(flag(
            "--delimiter",
            "a delimiter cannot be empty".to_owned(),
        ));
    }
    let lines = line_options(&args)?;
    let is_lines = matches!(args.input, InputFormat::Lines | InputFormat::Delimited);
    let is_plain = lines == LineOptions::default();
    if args.input == InputFormat::Envelope && !is_plain {
        let why = "an envelope says itself what key, headers and nulls are: -K, -k, -H, -Z and \
                   reader properties are for lines";
        return Err(flag("--input envelope", why.to_owned()));
    }
    if args.keep_partitions && args.input != InputFormat::Envelope {
        let why = "only envelopes name a partition: --input envelope";
        return Err(flag("--keep-partitions", why.to_owned()));
    }
    if args.length_prefix.is_some() && args.input != InputFormat::LengthPrefixed {
        let why = "it is for --input length-prefixed";
        return Err(flag("--length-prefix", why.to_owned()));
    }
    let crlf_strip = args.crlf == Crlf::Strip;
    let grammar = match args.input {
        InputFormat::Lines | InputFormat::Delimited => Grammar::Lines {
            delimiter: delimiter.clone(),
            strip_cr: crlf_strip,
        },
        InputFormat::LengthPrefixed => {
            Grammar::LengthPrefixed(args.length_prefix.unwrap_or_default())
        }
        InputFormat::WholeFile => Grammar::WholeFile,
        InputFormat::Envelope => Grammar::Envelope,
    };
    let parser = match args.input {
        InputFormat::Envelope => Parser::envelope(),
        _ => Parser::line(lines.clone())
            .map_err(|error| flag("--reader-property", error.to_string()))?,
    };
    Ok(Reading {
        splits: is_lines && delimiter.len() == 1 && parser.is_plain(),
        delimiter: *delimiter.last().expect("it was looked at"),
        crlf_strip,
        grammar,
        parser,
        partitioner: args.partitioner,
        keeps_partitions: args.keep_partitions,
        described: describe(&args, &lines),
    })
}

fn flag(flag: &'static str, why: String) -> UsageError {
    UsageError::Flag { flag, why }
}

fn text(name: &'static str, text: &str) -> Result<Vec<u8>, UsageError> {
    unescape(text).map_err(|error| flag(name, error.to_string()))
}

fn line_options(args: &ReadingArgs) -> Result<LineOptions, UsageError> {
    let mut lines = LineOptions::default();
    if let Some(path) = &args.reader_config {
        for property in properties::read(path)?.entries {
            set(&mut lines, &property.key, &property.value)?;
        }
    }
    for text in &args.reader_property {
        let (key, value) = text.split_once('=').ok_or_else(|| UsageError::NoProperty {
            flag: "--reader-property",
            text: text.clone(),
        })?;
        set(&mut lines, key.trim(), value)?;
    }
    if let Some(separator) = &args.key_separator {
        lines.parse_key = true;
        lines.key_separator = text("-K", separator)?;
    }
    lines.key = args.key.as_ref().map(|key| key.clone().into_bytes());
    lines.empty_is_null |= args.empty_is_null;
    for header in &args.header {
        lines
            .add_header(header)
            .map_err(|error| flag("-H", error.to_string()))?;
    }
    Ok(lines)
}

fn set(lines: &mut LineOptions, key: &str, value: &str) -> Result<(), UsageError> {
    if lines.set_property(key, value) {
        return Ok(());
    }
    let why = format!(
        "the line reader has no property {key:?}: parse.key, key.separator, parse.headers, \
         headers.delimiter, headers.separator, headers.key.separator, null.marker and \
         ignore.error are there; the producer's are given by --producer-property"
    );
    Err(flag("--reader-property", why))
}

/// What must be the same when a load is taken up again; empty for lines as they are.
fn describe(args: &ReadingArgs, lines: &LineOptions) -> String {
    let mut said = Vec::new();
    match args.input {
        InputFormat::Lines | InputFormat::Delimited => {}
        InputFormat::LengthPrefixed => {
            let prefix = args.length_prefix.unwrap_or_default();
            said.push(format!(
                "--input length-prefixed --length-prefix {prefix:?}"
            ));
        }
        InputFormat::WholeFile => said.push("--input whole-file".to_owned()),
        InputFormat::Envelope => said.push("--input envelope".to_owned()),
    }
    if unescape(&args.delimiter).is_ok_and(|delimiter| delimiter.len() > 1) {
        said.push(format!("-D '{}'", args.delimiter));
    }
    if *lines != LineOptions::default() {
        said.push(format!("lines of {lines:?}"));
    }
    if args.partitioner != Partitioner::default() {
        said.push(format!("--partitioner {}", args.partitioner));
    }
    if args.keep_partitions {
        said.push("--keep-partitions".to_owned());
    }
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn plan(line: &str) -> Result<Reading, String> {
        let words = ["ringmain", "load", "-t", "t", "a"].into_iter();
        let words = words.chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Load(args) = cli.command else {
            panic!("the line says load");
        };
        plan_reading(args.reading).map_err(|error| error.to_string())
    }

    #[test]
    fn only_lines_as_they_are_can_be_cut_by_position() {
        for line in ["", "-D ;", "--input delimited -D \\0", "--crlf strip"] {
            let reading = plan(line).unwrap();
            assert!(reading.splits && reading.described.is_empty(), "{line}");
        }
        for line in [
            "-D ||",
            "-K :",
            "-k key",
            "-H a=b",
            "-Z",
            "--input envelope",
            "--input whole-file",
            "--input length-prefixed --length-prefix u16",
            "--reader-property parse.key=true",
            "--property null.marker=NULL",
        ] {
            let reading = plan(line).unwrap();
            assert!(!reading.splits && !reading.described.is_empty(), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (line, expected) in [
            ("--input csv", "invalid value 'csv'"),
            ("--input envelope -K :", "an envelope says itself"),
            ("--keep-partitions", "only envelopes name a partition"),
            ("--length-prefix u8", "it is for --input length-prefixed"),
            ("--length-prefix u7", "unknown length prefix"),
            (
                "--reader-property parse.keys=true",
                "no property \"parse.keys\"",
            ),
            ("--reader-property parse.key", "is not key=value"),
            ("-D \\q", "unknown escape"),
            ("--partitioner best", "unknown partitioner"),
        ] {
            let refused = plan(line).unwrap_err();
            assert!(refused.contains(expected), "{line}: {refused}");
        }
    }
}
