//! The file of topics.
//!
//! ```text
//! ringmain topics 2
//! orders <TAB> 1b4e28ba-2fa1-11d2-883f-0016d3cca427 <TAB> 3 <TAB> cleanup.policy=compact <TAB> …
//! end 1
//! crc 1a2b3c4d
//! ```
//!
//! A line a topic: name, id, partitions, then its configuration with tab, newline and backslash
//! escaped. The file is replaced as a whole at every change. It has a checksum because folders of
//! topics that it does not name are removed: a name with a wrong letter would cost a topic.
//! Version 1, which had none, is still read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io, str};

use uuid::Uuid;

use crate::error::BrokerError;
use crate::sealed;

const FIRST_LINE: &str = "ringmain topics 2";
const FIRST_LINE_1: &str = "ringmain topics 1";

/// A topic as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicLine {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
    pub(crate) config: BTreeMap<String, String>,
}

/// Reads the topics, none if there is no file yet.
pub(crate) fn read(path: &Path) -> Result<Vec<TopicLine>, BrokerError> {
    let damaged = |place: String, reason: String| BrokerError::Damaged {
        path: path.to_owned(),
        place,
        reason,
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BrokerError::file("read", path)(error)),
    };
    let opened = if bytes.starts_with(FIRST_LINE_1.as_bytes()) {
        str::from_utf8(&bytes).map_err(|_| "it is no text")
    } else {
        sealed::open(&bytes)
    };
    let text = opened.map_err(|reason| damaged("its text".to_owned(), reason.to_owned()))?;
    parse(text).map_err(|(line, reason)| damaged(format!("line {line}"), reason))
}

/// Writes the topics in the place of what was there.
pub(crate) fn write(path: &Path, topics: &[TopicLine]) -> io::Result<()> {
    let mut text = format!("{FIRST_LINE}\n");
    for topic in topics {
        let TopicLine {
            name,
            id,
            partitions,
            config,
        } = topic;
        let written = write!(text, "{name}\t{id}\t{partitions}");
        written.expect("a string can be written to");
        for (key, value) in config {
            text.push('\t');
            escape(key, &mut text);
            text.push('=');
            escape(value, &mut text);
        }
        text.push('\n');
    }
    let written = writeln!(text, "end {}", topics.len());
    written.expect("a string can be written to");
    sealed::replace(path, text)
}

fn parse(text: &str) -> Result<Vec<TopicLine>, (usize, String)> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    match lines.next() {
        Some((_, FIRST_LINE | FIRST_LINE_1)) => {}
        other => {
            let found = other.map_or("", |(_, line)| line);
            return Err((1, format!("expected {FIRST_LINE:?}, found {found:?}")));
        }
    }
    let mut topics = Vec::new();
    for (number, line) in lines {
        if let Some(count) = line.strip_prefix("end ") {
            return if count.parse() == Ok(topics.len()) {
                Ok(topics)
            } else {
                Err((
                    number,
                    format!("{count} topics announced, {} found", topics.len()),
                ))
            };
        }
        topics.push(parse_topic(line).ok_or((number, format!("{line:?} is no topic")))?);
    }
    Err((topics.len() + 2, "the last line is missing".to_owned()))
}

fn parse_topic(line: &str) -> Option<TopicLine> {
    let mut fields = line.split('\t');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let id = Uuid::parse_str(fields.next()?).ok()?;
    let partitions = fields
        .next()?
        .parse()
        .ok()
        .filter(|&partitions| partitions > 0)?;
    let mut config = BTreeMap::new();
    for field in fields {
        let (key, value) = field.split_once('=')?;
        config.insert(unescape(key)?, unescape(value)?);
    }
    Some(TopicLine {
        name,
        id,
        partitions,
        config,
    })
}

fn escape(text: &str, out: &mut String) {
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '=' => out.push_str("\\e"),
            other => out.push(other),
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        out.push(match char {
            '\\' => match chars.next()? {
                '\\' => '\\',
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                'e' => '=',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Every case syncs files.
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn what_was_written_is_read(
            topics in prop::collection::vec(
                ("[a-zA-Z0-9._-]{1,30}", any::<u128>(), 1..1000i32,
                 prop::collection::btree_map("[a-z.]{1,9}", ".*", 0..4)),
                0..8,
            ),
        ) {
            let topics: Vec<_> = topics
                .into_iter()
                .map(|(name, id, partitions, config)| {
                    TopicLine { name, id: Uuid::from_u128(id), partitions, config }
                })
                .collect();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("topics");
            prop_assert_eq!(read(&path).unwrap(), vec![]);
            write(&path, &topics).unwrap();
            prop_assert_eq!(read(&path).unwrap(), topics);

            let bytes = fs::read(&path).unwrap();
            for cut in 0..bytes.len() {
                prop_assert!(sealed::open(&bytes[..cut]).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn damage_is_named_by_line() {
        let id = Uuid::nil();
        let check = |text: &str, line| assert_eq!(parse(text).unwrap_err().0, line, "{text:?}");
        check("", 1);
        check("ringmain topics 3\nend 0\n", 1);
        check(&format!("{FIRST_LINE}\na\t{id}\t0\nend 1\n"), 2);
        check(&format!("{FIRST_LINE}\na\t{id}\t1\tkey\nend 1\n"), 2);
        check(&format!("{FIRST_LINE}\na\t{id}\t1\nend 2\n"), 3);
        check(&format!("{FIRST_LINE}\na\t{id}\t1\n"), 3);
    }

    #[test]
    fn a_wrong_byte_is_named_and_a_file_without_checksum_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("topics");
        let line = TopicLine {
            name: "orders".to_owned(),
            id: Uuid::nil(),
            partitions: 3,
            config: BTreeMap::new(),
        };
        write(&path, std::slice::from_ref(&line)).unwrap();
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(read(&path).is_err(), "{at}");
        }
        let old = format!("{FIRST_LINE_1}\norders\t{}\t3\nend 1\n", Uuid::nil());
        fs::write(&path, old).unwrap();
        assert_eq!(read(&path).unwrap(), [line]);
    }
}
