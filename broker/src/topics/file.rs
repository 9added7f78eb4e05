//! The file of topics, and how files are replaced.
//!
//! ```text
//! ringmain topics 1
//! orders <TAB> 1b4e28ba-2fa1-11d2-883f-0016d3cca427 <TAB> 3 <TAB> cleanup.policy=compact <TAB> …
//! end 1
//! ```
//!
//! A line a topic: name, id, partitions, then its configuration with tab, newline and backslash
//! escaped. The file is written anew at every change and renamed into place: it is the old one or
//! the new one, never a mixture.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use uuid::Uuid;

use crate::error::BrokerError;

const FIRST_LINE: &str = "ringmain topics 1";

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
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).map_err(|(line, reason)| BrokerError::Damaged {
            path: path.to_owned(),
            place: format!("line {line}"),
            reason,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(BrokerError::file("read", path)(error)),
    }
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
    replace(path, text.as_bytes())
}

/// Puts `bytes` in the place of the file, whole or not at all, and past a power loss.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn parse(text: &str) -> Result<Vec<TopicLine>, (usize, String)> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    match lines.next() {
        Some((_, FIRST_LINE)) => {}
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

            let text = fs::read_to_string(&path).unwrap();
            for (cut, _) in text.char_indices() {
                // Without the last newline nothing is missing.
                prop_assert!(parse(&text[..cut]).is_err() || cut == text.len() - 1, "{cut}");
            }
        }
    }

    #[test]
    fn damage_is_named_by_line() {
        let id = Uuid::nil();
        let check = |text: &str, line| assert_eq!(parse(text).unwrap_err().0, line, "{text:?}");
        check("", 1);
        check("ringmain topics 2\nend 0\n", 1);
        check(&format!("{FIRST_LINE}\na\t{id}\t0\nend 1\n"), 2);
        check(&format!("{FIRST_LINE}\na\t{id}\t1\tkey\nend 1\n"), 2);
        check(&format!("{FIRST_LINE}\na\t{id}\t1\nend 2\n"), 3);
        check(&format!("{FIRST_LINE}\na\t{id}\t1\n"), 3);
    }
}
