//! Kafka's command-line tools, as processes of their own with a time limit.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use super::cluster::Cluster;
use super::jars::{self, Version};

/// What a tool said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Said {
    /// Its output as text; panics if the tool failed.
    #[track_caller]
    pub(crate) fn text(self) -> String {
        let Self {
            status,
            stdout,
            stderr,
        } = self;
        let text = String::from_utf8_lossy(&stdout).into_owned();
        assert!(status.success(), "{status}\n{text}\n{stderr}");
        text
    }

    /// The lines of its output; panics if the tool failed.
    #[track_caller]
    pub(crate) fn lines(self) -> Vec<Vec<u8>> {
        assert!(self.status.success(), "{}\n{}", self.status, self.stderr);
        let mut lines: Vec<Vec<u8>> = self
            .stdout
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        if lines.last().is_some_and(Vec::is_empty) {
            lines.pop(); // behind the last newline
        }
        lines
    }
}

/// One of Kafka's tools. A run that takes longer than its limit is killed and has failed.
#[derive(Debug)]
pub(crate) struct Tool {
    class: &'static str,
    arguments: Vec<OsString>,
    stdin: Option<PathBuf>,
    limit: Duration,
}

impl Tool {
    pub(crate) fn new(class: &'static str) -> Self {
        Self {
            class,
            arguments: Vec::new(),
            stdin: None,
            limit: Duration::from_secs(120),
        }
    }

    pub(crate) fn with(mut self, arguments: &[impl AsRef<OsStr>]) -> Self {
        self.arguments.extend(
            arguments
                .iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self
    }

    pub(crate) fn stdin(self, file: &Path) -> Self {
        Self {
            stdin: Some(file.to_owned()),
            ..self
        }
    }

    pub(crate) fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    pub(crate) fn run(self) -> Said {
        let jars = jars::find(Version::Newest).expect("a test that has a cluster has the jars");
        let anonymous = || {
            tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR"))
                .expect("the target directory can be written")
        };
        // Files and not pipes: then nothing need be read while the tool runs.
        let (stdout, stderr) = (anonymous(), anonymous());
        let stdin = self.stdin.as_deref().map_or_else(Stdio::null, |path| {
            File::open(path)
                .unwrap_or_else(|error| panic!("opening {path:?}: {error}"))
                .into()
        });
        let clone = |file: &File| file.try_clone().expect("a descriptor is to be had");
        let status = Command::new("timeout")
            .arg("--signal=KILL")
            .arg(self.limit.as_secs().to_string())
            .args(jars.java("512m"))
            .arg(self.class)
            .args(&self.arguments)
            .stdin(stdin)
            .stdout(clone(&stdout))
            .stderr(clone(&stderr))
            .status()
            .expect("timeout is of coreutils");
        let stderr = String::from_utf8_lossy(&whole(stderr)).into_owned();
        Said {
            status,
            stdout: whole(stdout),
            stderr,
        }
    }
}

fn whole(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .expect("the file is ours");
    bytes
}

/// `kafka-dump-log --deep-iteration` over segment files.
pub(crate) fn dump_log_segments(files: &[PathBuf]) -> Said {
    let files: Vec<&str> = files
        .iter()
        .map(|file| file.to_str().expect("our paths are text"))
        .collect();
    Tool::new("org.apache.kafka.tools.DumpLogSegments")
        .with(&[
            "--deep-iteration",
            "--print-data-log",
            "--files",
            &files.join(","),
        ])
        .run()
}

/// The segment files of a partition at a node, in order.
pub(crate) fn segments(
    cluster: &Cluster,
    node: usize,
    topic: &str,
    partition: i32,
) -> Vec<PathBuf> {
    let directory = cluster.partition_directory(node, topic, partition);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("reading {directory:?}: {error}"))
        .map(|entry| entry.expect("the directory stays").path())
        .filter(|path| path.extension() == Some(OsStr::new("log")))
        .collect();
    files.sort();
    files
}

/// `kafka-console-consumer` over a whole topic of `count` records, a line each.
pub(crate) fn console_consumer(bootstrap: &str, topic: &str, count: u64) -> Said {
    Tool::new("org.apache.kafka.tools.consumer.ConsoleConsumer")
        .with(&[
            "--bootstrap-server",
            bootstrap,
            "--topic",
            topic,
            "--from-beginning",
        ])
        .with(&[
            "--max-messages",
            &count.to_string(),
            "--timeout-ms",
            "60000",
        ])
        .run()
}

/// `kafka-console-producer` with a file on its standard input.
pub(crate) fn console_producer(bootstrap: &str, topic: &str, file: &Path) -> Said {
    Tool::new("org.apache.kafka.tools.ConsoleProducer")
        .with(&["--bootstrap-server", bootstrap, "--topic", topic])
        .stdin(file)
        .run()
}

/// `kafka-producer-perf-test` with payloads from a file, as fast as it goes.
pub(crate) fn producer_performance(
    bootstrap: &str,
    topic: &str,
    payloads: &Path,
    count: u64,
    properties: &[&str],
) -> Said {
    let servers = format!("bootstrap.servers={bootstrap}");
    Tool::new("org.apache.kafka.tools.ProducerPerformance")
        .with(&[
            "--topic",
            topic,
            "--num-records",
            &count.to_string(),
            "--throughput",
            "-1",
        ])
        .with(&[OsStr::new("--payload-file"), payloads.as_os_str()])
        .with(&["--producer-props", &servers])
        .with(properties)
        .limit(Duration::from_secs(300))
        .run()
}
