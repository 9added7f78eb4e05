//! Formats of records beside the programs that they are of: Apache Kafka's own code, and kcat.
//!
//! * [`reader`]: the console producer's lines;
//! * [`keys`]: which partition a key belongs to;
//! * [`envelope`]: what `kcat -J` prints.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "what was left out")]

mod envelope;
mod keys;
mod reader;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::kafka::jars::{self, Version};
use crate::kafka::tools::Tool;

/// What `tests/kafka/Formats.java` says to each case; `None` where there is no Kafka.
fn ask_java(cases: &[Value]) -> Option<Vec<Value>> {
    const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/Formats.java");
    jars::find(Version::Newest)?;
    let input = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let lines: Vec<String> = cases.iter().map(|case| format!("{case}\n")).collect();
    fs::write(input.path(), lines.concat()).unwrap();
    let answers = Tool::new(SOURCE).stdin(input.path()).run().lines();
    let answers: Vec<Value> = answers
        .iter()
        .map(|answer| serde_json::from_slice(answer).unwrap())
        .collect();
    assert_eq!(answers.len(), cases.len());
    Some(answers)
}

/// What kcat says, if it is there.
fn kcat(arguments: &[&str], stdin: &[u8]) -> Option<Vec<u8>> {
    let input = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(input.path(), stdin).unwrap();
    let output = Command::new("timeout")
        .args(["--signal=KILL", "60", "kcat"])
        .args(arguments)
        .stdin(Stdio::from(fs::File::open(input.path()).unwrap()))
        .output()
        .expect("timeout is of coreutils");
    if output.status.code() == Some(127) {
        eprintln!("kcat is not installed: left out");
        return None;
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kcat {arguments:?}: {stderr}");
    Some(output.stdout)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
