//! What a dump was asked to do, fully typed.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use connectors::file::format::output::Compiled;

use crate::config::ConsumerConfig;
use crate::moment::parse_moment;
use crate::options::ClusterOptions;

/// `ringmain dump`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DumpOptions {
    pub(crate) cluster: ClusterOptions,
    pub(crate) consumer: ConsumerConfig,
    pub(crate) topic: String,
    pub(crate) output: OutputTo,
    /// All, if none are named.
    pub(crate) partitions: Option<PartitionSet>,
    pub(crate) from: Place,
    pub(crate) until: Until,
    pub(crate) records: RecordsAs,
    pub(crate) existing: Existing,
    pub(crate) restart: bool,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) quiet: bool,
    pub(crate) progress: bool,
    pub(crate) summary: Option<PathBuf>,
}

/// Where the bytes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OutputTo {
    Stdout,
    /// One file.
    File(PathBuf),
    /// A file for each partition: what stands before and behind its number.
    EachPartition(String, String),
}

impl FromStr for OutputTo {
    type Err = String;

    /// `%p` is the partition's number, `%%` a percent sign.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Stdout);
        }
        let mut parts = vec![String::new()];
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let part = parts.last_mut().expect("there is always one");
            match letter {
                '%' => match letters.next() {
                    Some('%') => part.push('%'),
                    Some('p') => parts.push(String::new()),
                    _ => {
                        return Err(format!(
                            "{text:?}: %p stands for the partition, and %% for a percent sign"
                        ));
                    }
                },
                letter => part.push(letter),
            }
        }
        match (parts.pop(), parts.pop(), parts.pop()) {
            (Some(behind), Some(before), None) => Ok(Self::EachPartition(before, behind)),
            (Some(name), None, _) if !name.is_empty() => Ok(Self::File(name.into())),
            (_, _, Some(_)) => Err(format!("{text:?}: %p stands there more than once")),
            _ => Err("a file without a name".to_owned()),
        }
    }
}

/// What is done with a file that is there already and is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Refuse,
    Append,
    Overwrite,
}

/// Partitions as they are typed: `0,3-5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionSet(Vec<RangeInclusive<u32>>);

impl PartitionSet {
    pub(crate) fn contains(&self, partition: u32) -> bool {
        self.0.iter().any(|range| range.contains(&partition))
    }

    /// The largest number named.
    pub(crate) fn last(&self) -> u32 {
        self.0.iter().map(|range| *range.end()).max().unwrap_or(0)
    }
}

impl FromStr for PartitionSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is no list of partitions; write 0 or 0,3-5");
        let number = |text: &str| {
            let number: u32 = text.trim().parse().map_err(|_| refused())?;
            i32::try_from(number).map_err(|_| refused())?;
            Ok::<u32, String>(number)
        };
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let range = match part.split_once('-') {
                Some((first, last)) => number(first)?..=number(last)?,
                None => number(part)?..=number(part)?,
            };
            if range.is_empty() {
                return Err(refused());
            }
            ranges.push(range);
        }
        Ok(Self(ranges))
    }
}

impl fmt::Display for PartitionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            if range.start() == range.end() {
                write!(f, "{comma}{}", range.start())?;
            } else {
                write!(f, "{comma}{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

/// A place in each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Beginning,
    End,
    Offset(i64),
    /// So many before the end.
    BeforeEnd(i64),
    /// The first record as young as this, in milliseconds since 1970, or younger.
    At(i64),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "beginning" | "earliest" => return Ok(Self::Beginning),
            "end" | "latest" => return Ok(Self::End),
            _ => {}
        }
        if text.starts_with('@') {
            return parse_moment(text).map(Self::At);
        }
        match text.parse::<i64>() {
            Ok(offset @ 0..) => Ok(Self::Offset(offset)),
            Ok(before) if before > i64::MIN => Ok(Self::BeforeEnd(-before)),
            _ => Err(format!(
                "{text:?} is no place in a topic; write beginning, end, an offset, -N for the last \
                 N records of each partition, or @ and a time"
            )),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beginning => f.write_str("beginning"),
            Self::End => f.write_str("end"),
            Self::Offset(offset) => write!(f, "{offset}"),
            Self::BeforeEnd(records) => write!(f, "-{records}"),
            Self::At(ms) => write!(f, "@{ms}"),
        }
    }
}

/// Where a dump ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// At a place, looked up at the start.
    Place(Place),
    Never,
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            text => text.parse().map(Self::Place),
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place) => place.fmt(f),
            Self::Never => f.write_str("never"),
        }
    }
}

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RecordsAs {
    /// The value and a delimiter.
    Values { delimiter: Vec<u8>, null: Vec<u8> },
    /// What a format string says; the text is what was typed.
    Format { text: String, compiled: Compiled },
    /// A JSON object on a line.
    Envelope,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs() {
        let check = |text: &str, expected: Option<OutputTo>| {
            assert_eq!(text.parse::<OutputTo>().ok(), expected, "{text}");
        };
        let each = |before: &str, behind: &str| {
            Some(OutputTo::EachPartition(
                before.to_owned(),
                behind.to_owned(),
            ))
        };
        check("-", Some(OutputTo::Stdout));
        check("a.log", Some(OutputTo::File("a.log".into())));
        check("100%%", Some(OutputTo::File("100%".into())));
        check("x-%p", each("x-", ""));
        check("a%%-%p.log", each("a%-", ".log"));
        check("%p-%p", None);
        check("%x", None);
        check("50%", None);
        check("", None);
    }

    #[test]
    fn partitions() {
        let set: PartitionSet = "0, 3-5".parse().unwrap();
        let held: Vec<u32> = (0..9)
            .filter(|&partition| set.contains(partition))
            .collect();
        assert_eq!((held, set.last()), (vec![0, 3, 4, 5], 5));
        assert_eq!(set.to_string(), "0,3-5");
        for text in ["", "a", "3-1", "-1", "1-", "0,,1", "2147483648"] {
            assert!(text.parse::<PartitionSet>().is_err(), "{text}");
        }
    }

    #[test]
    fn places() {
        let check = |text: &str, expected: Option<Place>| {
            assert_eq!(text.parse::<Place>().ok(), expected, "{text}");
        };
        check("beginning", Some(Place::Beginning));
        check("end", Some(Place::End));
        check("17", Some(Place::Offset(17)));
        check("0", Some(Place::Offset(0)));
        check("-5", Some(Place::BeforeEnd(5)));
        check("@1700000000000", Some(Place::At(1_700_000_000_000)));
        check("@2023-11-14T22:13:20Z", Some(Place::At(1_700_000_000_000)));
        check("@x", None);
        check("x", None);
        check("", None);
        assert_eq!("never".parse(), Ok(Until::Never));
        assert_eq!("end".parse(), Ok(Until::Place(Place::End)));
        for text in ["beginning", "end", "17", "-5", "@5"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
    }
}
