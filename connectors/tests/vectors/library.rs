//! Vectors of what people write into configurations for Java's own library: regular expressions and
//! date patterns.

use connectors::data::{ConnectError, ErrorClass, Result};
use connectors::java::date_format::DateFormat;
use connectors::java::regex::Regex;
use serde_json::json;

use super::{Case, Outcome, check};

/// When the vectors were recorded, more or less: 2026. Two-digit years depend on it.
const NOW: i64 = 1_795_000_000_000;

fn run(case: &Case) -> Outcome {
    let pattern = case.text("pattern");
    if case.text("op") == "regex" {
        let regex = Regex::new(pattern).inspect_err(|error| {
            // The words of a refused pattern reach people, unlike those of other exceptions of
            // Java's own.
            assert_eq!(case.json["error"]["message"], error.message(), "{pattern}");
        })?;
        let text = case.text("text");
        let replaced = regex.replace_first(text, case.text("replacement"))?;
        return Ok(json!([regex.matches(text)?, replaced]));
    }
    let format = date_format(pattern)?;
    if case.text("op") == "parseDate" {
        return Ok(format.parse(case.text("text")).into());
    }
    let mut text = String::new();
    let time = case.json["time"].as_i64().expect("a time");
    format.format(time, &mut text);
    Ok(text.into())
}

fn date_format(pattern: &str) -> Result<DateFormat> {
    let refused = |error: &dyn std::fmt::Display| {
        ConnectError::new(ErrorClass::IllegalArgument, error.to_string())
    };
    DateFormat::new(pattern, NOW).map_err(|error| refused(&error))
}

const EMPTY_LOOP: &str = "a group in a loop keeps its last match, not the empty one behind it";

fn differs(case: &Case) -> Option<&'static str> {
    (case.text("pattern") == "(a?)*b").then_some(EMPTY_LOOP)
}

#[test]
fn regular_expressions_and_date_patterns_mean_what_they_mean_to_java() {
    let differ = check("transforms/library.jsonl.gz", run, differs);
    assert!(
        differ.get(EMPTY_LOOP).is_none_or(|count: &u32| *count < 5),
        "{differ:?}"
    );
}
