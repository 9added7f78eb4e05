//! What Apache's classes did with a corpus of cases, and whether ours do the same.
//!
//! `tests/recorder/record` makes the vectors in `tests/vectors`; each line is a case: a class, its
//! configuration, an operation and its input, and what came of it (`out`, or `error` with the class
//! and message of the exception). [`check`] runs one file of them.

mod codec;
mod converters;
mod library;
mod settings;
mod transforms;
mod values;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;

use connectors::config::Props;
use connectors::data::{ConnectError, ErrorClass};
use serde_json::Value as Json;

/// One case of a file of vectors.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) json: Json,
}

/// What a run of ours came to, in the words of the vectors: what is in `out`, or the error.
pub(crate) type Outcome = Result<Json, ConnectError>;

impl Case {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.json[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name} in {}", self.json))
    }

    pub(crate) fn config(&self) -> Props {
        let entries = self.json["config"].as_object().into_iter().flatten();
        let text = |value: &Json| value.as_str().expect("settings are strings").to_owned();
        entries
            .map(|(key, value)| (key.clone(), text(value)))
            .collect()
    }

    /// What is wrong with our outcome, if anything is.
    fn judge(&self, outcome: &Outcome) -> Option<String> {
        let wanted = &self.json["error"];
        match outcome {
            Ok(ours) if wanted.is_null() => {
                let theirs = &self.json["out"];
                let is_same = codec::is_same(theirs, ours) || theirs["deep"] == true;
                (!is_same).then(|| format!("wanted {theirs}\n      is {ours}"))
            }
            Ok(ours) => Some(format!("wanted error {wanted}\n      is {ours}")),
            Err(ours) if wanted.is_null() => {
                let class = ours.class().java_name();
                Some(format!(
                    "wanted {}\n      is {class}: {ours}",
                    self.json["out"]
                ))
            }
            Err(ours) => judge_error(wanted, ours),
        }
    }
}

fn judge_error(wanted: &Json, ours: &ConnectError) -> Option<String> {
    let class = wanted["class"].as_str().expect("an error has a class");
    let message = wanted["message"].as_str().unwrap_or("null");
    let same_class = class == ours.class().java_name();
    // The words of the Java machine's own exceptions are nobody's contract.
    let of_machine = class.starts_with("java.");
    if same_class && (of_machine || same_message(message, ours.message())) {
        return None;
    }
    let is = ours.class().java_name();
    Some(format!("wanted {class}: {message}\n      is {is}: {ours}"))
}

/// Equal but for what no two runs of Java agree on: which class of list or map it was, and where it
/// lay in memory.
fn same_message(theirs: &str, ours: &str) -> bool {
    normal(theirs) == normal(ours)
}

fn normal(message: &str) -> String {
    const CLASSES: [(&str, &str); 8] = [
        ("java.util.LinkedHashMap", "java.util.HashMap"),
        ("java.util.ImmutableCollections$MapN", "java.util.HashMap"),
        ("java.util.ImmutableCollections$Map1", "java.util.HashMap"),
        ("java.util.Collections$EmptyMap", "java.util.HashMap"),
        (
            "java.util.ImmutableCollections$ListN",
            "java.util.ArrayList",
        ),
        (
            "java.util.ImmutableCollections$List12",
            "java.util.ArrayList",
        ),
        ("java.util.Collections$SingletonList", "java.util.ArrayList"),
        ("java.util.Arrays$ArrayList", "java.util.ArrayList"),
    ];
    let mut text = message.to_owned();
    for (from, to) in CLASSES {
        text = text.replace(from, to);
    }
    let mut result = String::new();
    let mut pieces = text.split("[B@");
    result.push_str(pieces.next().unwrap_or(""));
    for piece in pieces {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        result.push_str("[B@");
        result.push_str(rest);
    }
    result
}

/// Runs every case of a file through `run`; shows the first that disagree, and how many do.
/// `differs` says why a case may disagree, where Java's answer is not wanted; answered is how many
/// do, by reason.
pub(crate) fn check(
    file: &str,
    mut run: impl FnMut(&Case) -> Outcome,
    differs: impl Fn(&Case) -> Option<&'static str>,
) -> BTreeMap<&'static str, u32> {
    let mut wrong = Vec::new();
    let mut total = 0;
    let mut intended: BTreeMap<&'static str, u32> = BTreeMap::new();
    for case in read(file) {
        total += 1;
        let Some(complaint) = case.judge(&run(&case)) else {
            continue;
        };
        match differs(&case) {
            Some(reason) => *intended.entry(reason).or_default() += 1,
            None => wrong.push(format!("{}\n  {complaint}", case.text("id"))),
        }
    }
    assert!(total > 0, "{file} has no case");
    let mut shown = String::new();
    for complaint in wrong.iter().take(40) {
        writeln!(shown, "{complaint}").expect("a string can be written");
    }
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} of {total} cases of {file}:\n{shown}"
    );
    intended
}

fn read(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/vectors")
        .join(file);
    let open = std::fs::File::open(&path);
    let content = flate2::read::GzDecoder::new(open.expect("the vectors are there"));
    let parse = |line: std::io::Result<String>| Case {
        json: serde_json::from_str(&line.expect("vectors are text")).expect("vectors are JSON"),
    };
    BufReader::new(content).lines().map(parse).collect()
}

/// An error that stands for an input that we cannot even represent: a string with half a surrogate
/// pair.
pub(crate) fn not_unicode() -> ConnectError {
    ConnectError::new(ErrorClass::Data, "half of a surrogate pair in a string")
}
