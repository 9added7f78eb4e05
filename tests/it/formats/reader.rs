//! Lines through Java's LineMessageReader and through ours give the same records, or both refuse.

use connectors::file::format::input::{LineOptions, Parser};
use serde_json::{Map, Value, json};

use super::{ask_java, hex};
use crate::kafka::lines::Random;
use crate::kill::seeded;

const CASES: usize = 400;
const LINES: usize = 25;

/// Small alphabets, so that separators meet and overlap.
const SEPARATORS: [&str; 9] = [",", ";", ":", "\t", "::", "aa", "=", "é", ""];
/// Of Java's patterns, those that stand for one text.
const PATTERNS: [&str; 8] = [",", ";", r"\|", "aa", r"\Q.\E", "::", r"\t", r"\u00e9"];
const MARKERS: [&str; 5] = ["~", "", "null", "aa", ","];
const PIECES: [&str; 16] = [
    "a", "aa", ",", ";", ":", "::", "\t", "|", "~", "null", "é", "=", ".", "x", "😀", ",,",
];
const FLAGS: [&str; 5] = ["true", "TRUE ", " true", "false", "yes"];

fn pick<'a>(random: &mut Random, of: &[&'a str]) -> &'a str {
    of[random.within(0, of.len() - 1)]
}

/// Mostly flags that say yes, for there is little to see otherwise; each may be left out.
fn properties(random: &mut Random) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut set = |random: &mut Random, name: &str, of: &[&str]| {
        if random.within(0, 2) > 0 {
            properties.insert(name.to_owned(), pick(random, of).into());
        }
    };
    set(random, "parse.key", &FLAGS);
    set(random, "parse.headers", &FLAGS);
    set(random, "ignore.error", &FLAGS);
    if random.within(0, 1) == 0 {
        set(random, "key.separator", &SEPARATORS);
        set(random, "headers.delimiter", &SEPARATORS);
        set(random, "headers.separator", &PATTERNS);
        set(random, "headers.key.separator", &SEPARATORS);
    }
    set(random, "null.marker", &MARKERS);
    properties
}

fn line(random: &mut Random) -> String {
    (0..random.within(0, 14))
        .map(|_| pick(random, &PIECES))
        .collect()
}

/// What our reader says, in the words of `Formats.java`.
fn ours(case: &Value) -> Value {
    let mut options = LineOptions::default();
    for (name, value) in case["properties"].as_object().unwrap() {
        assert!(
            options.set_property(name, value.as_str().unwrap()),
            "{name}"
        );
    }
    let mut parser = match Parser::line(options) {
        Ok(parser) => parser,
        Err(error) => return json!({ "refused": error.to_string() }),
    };
    let bytes = |bytes: Option<&[u8]>| bytes.map_or(Value::Null, |bytes| hex(bytes).into());
    let lines = case["lines"].as_array().unwrap().iter();
    let records: Vec<Value> = lines
        .map(
            |line| match parser.parse(Some(line.as_str().unwrap().as_bytes())) {
                Err(_) => Value::Null,
                Ok(record) => json!({
                    "key": bytes(record.key),
                    "value": bytes(record.value),
                    "headers": record.headers.iter()
                        .map(|(name, value)| json!([hex(name), bytes(value)]))
                        .collect::<Vec<Value>>(),
                }),
            },
        )
        .collect();
    json!({ "records": records })
}

#[test]
fn lines_are_read_as_the_console_producer_reads_them() {
    let mut random = seeded("formats::reader");
    let cases: Vec<Value> = (0..CASES)
        .map(|_| {
            let properties = properties(&mut random);
            let lines: Vec<String> = (0..LINES).map(|_| line(&mut random)).collect();
            json!({ "properties": properties, "lines": lines })
        })
        .collect();
    let Some(theirs) = ask_java(&cases) else {
        return;
    };
    let (mut parsed, mut refused) = (0, 0);
    for (case, theirs) in cases.iter().zip(theirs) {
        let ours = ours(case);
        if theirs.get("refused").is_some() {
            assert!(ours.get("refused").is_some(), "{case}: Java says {theirs}");
            refused += LINES;
            continue;
        }
        assert_eq!(ours, theirs, "{case}");
        let records = theirs["records"].as_array().unwrap();
        let nulls = records.iter().filter(|record| record.is_null()).count();
        parsed += LINES - nulls;
        refused += nulls;
    }
    println!("{parsed} lines gave the same records, {refused} were refused by both");
    assert!(
        parsed > 2_000 && refused > 500,
        "the cases say little: {parsed}, {refused}"
    );
}
