//! What came of a load, as JSON for programs: `--summary FILE.json`.
//!
//! Keys are only ever added. The file is replaced in one step: a reader sees the summary of the
//! last run or of this one, never half of either.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use connectors::file::atomic::Replacement;
use serde::Serialize;
use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) topic: String,
    pub(crate) cluster_id: Option<String>,
    /// The process's exit code.
    pub(crate) exit_code: u8,
    /// Nothing was to do: an earlier run had loaded everything.
    pub(crate) already_loaded: bool,
    /// Of this run: acknowledged.
    pub(crate) records: u64,
    /// Of this run: bytes of input acknowledged.
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) records_per_second: f64,
    /// Over all runs of the load.
    pub(crate) partitions: Vec<PartitionSummary>,
    pub(crate) rejects: u64,
    pub(crate) retries: u64,
    /// An earlier run had begun it.
    pub(crate) resumed: bool,
    pub(crate) resumed_from: Option<ResumedFrom>,
    #[serde(flatten)]
    pub(crate) promise: Promise,
    /// With `--verify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verification: Option<VerifySummary>,
}

/// What lies in the topic against what was sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct VerifySummary {
    pub(crate) by: &'static str,
    #[serde(rename = "verified")]
    pub(crate) is_verified: bool,
    pub(crate) seconds: f64,
    /// Those that are verified.
    pub(crate) partitions: Vec<VerifiedPartition>,
    pub(crate) failures: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct VerifiedPartition {
    pub(crate) partition: u32,
    pub(crate) records: u64,
    /// Records of others between them.
    pub(crate) others_records: u64,
    /// Fingerprint of the records, where their content was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PartitionSummary {
    pub(crate) partition: u32,
    /// `None` where no record of ours lies.
    pub(crate) first_offset: Option<i64>,
    pub(crate) last_offset: Option<i64>,
    pub(crate) records: u64,
}

/// What the runs before this one had done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ResumedFrom {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// What is known about the delivery of every record that was not rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "promise")]
pub(crate) enum Promise {
    #[serde(rename = "exactly once")]
    ExactlyOnce,
    /// Where the broker could not say what it has: from these places on records may lie there
    /// twice.
    #[serde(rename = "at least once")]
    AtLeastOnce { doubts: Vec<Doubt> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Doubt {
    pub(crate) partition: u32,
    /// The place in the input, counted over all files together.
    pub(crate) from_position: u64,
}

#[derive(Debug, Error)]
#[error("cannot write the summary {path}: {source}", path = path.display())]
pub(crate) struct SummaryError {
    path: PathBuf,
    source: io::Error,
}

/// Tries whether a summary can be written, so that a long load does not end with that surprise.
pub(crate) fn check(path: &Path) -> Result<(), SummaryError> {
    if is_stream(path) {
        return Ok(());
    }
    let tried = Replacement::create(path).map(drop);
    tried.map_err(|source| failed(path, source))
}

/// A pipe or device, such as `/dev/stdout`, is written to, not replaced.
fn is_stream(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

impl Summary {
    pub(crate) fn write(&self, path: &Path) -> Result<(), SummaryError> {
        write_value(self, path)
    }
}

/// Writes whatever a command has to tell, in the same way.
pub(crate) fn write_value(value: &impl Serialize, path: &Path) -> Result<(), SummaryError> {
    let written = || -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        if is_stream(path) {
            return OpenOptions::new().write(true).open(path)?.write_all(&text);
        }
        let replacement = Replacement::create(path)?;
        replacement.file().write_all(&text)?;
        replacement.commit()?;
        Ok(())
    };
    written().map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> SummaryError {
    SummaryError {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn summary(promise: Promise) -> Summary {
        Summary {
            topic: "logs".to_owned(),
            cluster_id: Some("abc".to_owned()),
            exit_code: 0,
            already_loaded: false,
            records: 10,
            bytes: 1_000,
            seconds: 0.5,
            records_per_second: 20.0,
            partitions: vec![PartitionSummary {
                partition: 3,
                first_offset: Some(5),
                last_offset: None,
                records: 10,
            }],
            rejects: 1,
            retries: 2,
            resumed: true,
            resumed_from: Some(ResumedFrom {
                records: 7,
                bytes: 700,
            }),
            promise,
            verification: None,
        }
    }

    fn written(summary: &Summary) -> Value {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("summary.json");
        std::fs::write(&path, "of an earlier run").unwrap();
        check(&path).unwrap();
        summary.write(&path).unwrap();
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
    }

    #[test]
    fn the_keys_of_a_summary_stay_as_they_are() {
        let expected = json!({
            "topic": "logs", "cluster_id": "abc", "exit_code": 0, "already_loaded": false,
            "records": 10, "bytes": 1000, "seconds": 0.5, "records_per_second": 20.0,
            "partitions": [
                {"partition": 3, "first_offset": 5, "last_offset": null, "records": 10}
            ],
            "rejects": 1, "retries": 2, "resumed": true,
            "resumed_from": {"records": 7, "bytes": 700}, "promise": "exactly once"
        });
        assert_eq!(written(&summary(Promise::ExactlyOnce)), expected);
    }

    #[test]
    fn doubts_name_partition_and_position() {
        let doubts = vec![Doubt {
            partition: 2,
            from_position: 77,
        }];
        let value = written(&summary(Promise::AtLeastOnce { doubts }));
        assert_eq!(value["promise"], "at least once");
        assert_eq!(
            value["doubts"],
            json!([{"partition": 2, "from_position": 77}])
        );
    }

    #[test]
    fn a_pipe_is_written_to_and_stays_one() {
        use std::io::Read;
        use std::os::fd::AsRawFd;

        let (mut reader, writer) = io::pipe().unwrap();
        let path = PathBuf::from(format!("/dev/fd/{}", writer.as_raw_fd()));
        check(&path).unwrap();
        summary(Promise::ExactlyOnce).write(&path).unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap()["topic"],
            "logs"
        );
    }

    #[test]
    fn a_directory_that_is_missing_is_named_before_the_load() {
        let error = check(Path::new("/nonexistent/summary.json"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nonexistent/summary.json"), "{error}");
    }
}
