//! Apache Kafka's own clients, in one JVM for the whole test process.
//!
//! [`Judge`] is a handle: a bootstrap address and the way to the JVM. It works against anything
//! that speaks Kafka's protocol, ringmain's own broker included. Commands from several tests run
//! side by side; each has a time-out on both ends.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::guarded::last_lines;
use super::jars::{self, Version};
use super::records::Dump;

/// What most commands may take; Kafka's own time-outs inside the JVM are shorter.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub(crate) enum JudgeError {
    /// Kafka refused it; `error` is the simple name of Java's exception.
    #[error("{command}: {error}: {message}")]
    Kafka {
        command: String,
        error: String,
        message: String,
    },
    #[error("{command}: no answer from the judge within {limit:?}")]
    TimedOut { command: String, limit: Duration },
    #[error("{command}: the judge is dead\n{log}")]
    Dead { command: String, log: String },
}

impl JudgeError {
    /// The simple name of Java's exception.
    pub(crate) fn kafka_error(&self) -> Option<&str> {
        match self {
            Self::Kafka { error, .. } => Some(error),
            Self::TimedOut { .. } | Self::Dead { .. } => None,
        }
    }
}

type Result<T> = std::result::Result<T, JudgeError>;

/// A topic to create.
#[derive(Clone, Debug)]
pub(crate) struct NewTopic {
    name: String,
    partitions: i32,
    replication: i16,
    configs: BTreeMap<String, String>,
}

impl NewTopic {
    pub(crate) fn new(name: &str, partitions: i32) -> Self {
        Self {
            name: name.to_owned(),
            partitions,
            replication: 1,
            configs: BTreeMap::new(),
        }
    }

    pub(crate) fn replication(self, replication: i16) -> Self {
        Self {
            replication,
            ..self
        }
    }

    pub(crate) fn config(mut self, key: &str, value: impl ToString) -> Self {
        self.configs.insert(key.to_owned(), value.to_string());
        self
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Topic {
    /// As Kafka writes it: 22 characters.
    pub(crate) topic_id: String,
    pub(crate) partitions: Vec<TopicPartition>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TopicPartition {
    pub(crate) partition: i32,
    /// −1: none.
    pub(crate) leader: i32,
    #[serde(default)]
    pub(crate) replicas: Vec<i32>,
    #[serde(default)]
    pub(crate) isr: Vec<i32>,
}

/// A rule about `User:ANONYMOUS`, or whoever `principal` names.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Acl {
    pub(crate) resource: &'static str,
    pub(crate) name: String,
    pub(crate) principal: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) permission: &'static str,
}

impl Acl {
    pub(crate) fn allow(topic: &str, operation: &'static str) -> Self {
        Self {
            resource: "TOPIC",
            name: topic.to_owned(),
            principal: "User:ANONYMOUS",
            operation,
            permission: "ALLOW",
        }
    }

    pub(crate) fn deny(topic: &str, operation: &'static str) -> Self {
        Self {
            permission: "DENY",
            ..Self::allow(topic, operation)
        }
    }
}

/// A producer that a partition's leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ProducerState {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i32,
    pub(crate) last_sequence: i32,
    pub(crate) last_timestamp: i64,
}

/// What one partition held, from its beginning to the end it had when it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct PartitionRead {
    pub(crate) partition: i32,
    pub(crate) begin: i64,
    pub(crate) end: i64,
    pub(crate) count: u64,
    /// −1: no record.
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) timestamp_min: i64,
    pub(crate) timestamp_max: i64,
    /// Over keys, values and headers, each with its length; not over offsets and timestamps.
    pub(crate) sha256: String,
    /// Offsets without a record, from and up to; not more than a thousand are listed.
    pub(crate) gaps: Vec<(i64, i64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadCommitted,
    ReadUncommitted,
}

/// Apache's clients at one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    bootstrap: String,
}

impl Judge {
    /// Nothing is connected before the first command.
    pub(crate) fn of(bootstrap: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
        }
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Waits until all nodes with these ids serve. Gives the cluster's id.
    pub(crate) fn wait_ready(&self, nodes: &[usize], limit: Duration) -> Result<String> {
        let answer = self.ask("ready", json!({ "nodes": nodes }), limit)?;
        Ok(answer["cluster_id"]
            .as_str()
            .expect("the judge names it")
            .to_owned())
    }

    /// Closes the JVM's clients of this cluster, if there is a JVM.
    pub(crate) fn forget(&self) {
        if let Some(Some(_)) = JVM.get()
            && let Err(error) = self.ask("forget", json!({}), LIMIT)
        {
            eprintln!("{error}");
        }
    }

    /// Creates a topic and waits until each of its partitions has a leader.
    pub(crate) fn create_topic(&self, topic: &NewTopic) -> Result<Topic> {
        let NewTopic {
            name,
            partitions,
            replication,
            configs,
        } = topic;
        let fields = json!({
            "topic": name, "partitions": partitions, "replication": replication, "configs": configs,
        });
        self.ask_for("create-topic", fields, LIMIT)
    }

    pub(crate) fn delete_topic(&self, topic: &str) -> Result<()> {
        self.ask("delete-topic", json!({ "topic": topic }), LIMIT)
            .map(drop)
    }

    /// Raises the number of partitions and waits until each has a leader.
    pub(crate) fn add_partitions(&self, topic: &str, partitions: i32) -> Result<Topic> {
        let fields = json!({ "topic": topic, "partitions": partitions });
        self.ask_for("add-partitions", fields, LIMIT)
    }

    pub(crate) fn describe_topic(&self, topic: &str) -> Result<Topic> {
        self.ask_for("describe-topic", json!({ "topic": topic }), LIMIT)
    }

    pub(crate) fn alter_topic_config(&self, topic: &str, key: &str, value: &str) -> Result<()> {
        let fields = json!({ "topic": topic, "configs": { key: value } });
        self.ask("alter-config", fields, LIMIT).map(drop)
    }

    pub(crate) fn create_acls(&self, acls: &[Acl]) -> Result<()> {
        self.ask("create-acls", json!({ "acls": acls }), LIMIT)
            .map(drop)
    }

    pub(crate) fn delete_acls(&self, acls: &[Acl]) -> Result<()> {
        self.ask("delete-acls", json!({ "acls": acls }), LIMIT)
            .map(drop)
    }

    /// Makes `node`, one of its replicas, the leader of a partition, and waits until it is.
    pub(crate) fn move_leader(&self, topic: &str, partition: i32, node: usize) -> Result<()> {
        let fields = json!({ "topic": topic, "partition": partition, "node": node });
        self.ask("move-leader", fields, LIMIT).map(drop)
    }

    /// The first offset of each partition.
    pub(crate) fn beginning_offsets(&self, topic: &str) -> Result<Vec<i64>> {
        self.ask_for(
            "offsets",
            json!({ "topic": topic, "which": "earliest" }),
            LIMIT,
        )
    }

    /// The offset behind the last record of each partition.
    pub(crate) fn end_offsets(&self, topic: &str) -> Result<Vec<i64>> {
        self.ask_for(
            "offsets",
            json!({ "topic": topic, "which": "latest" }),
            LIMIT,
        )
    }

    /// Deletes what lies before an offset (−1: all); gives the partition's new beginning.
    pub(crate) fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<i64> {
        let fields = json!({ "topic": topic, "partition": partition, "before": before });
        self.ask_for("delete-records", fields, LIMIT)
    }

    pub(crate) fn describe_producers(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<Vec<ProducerState>> {
        let fields = json!({ "topic": topic, "partition": partition });
        self.ask_for("describe-producers", fields, LIMIT)
    }

    /// Reads a whole topic and tells what it held.
    pub(crate) fn read(&self, topic: &str, isolation: Isolation) -> Result<Vec<PartitionRead>> {
        self.read_to(topic, isolation, None, Duration::from_secs(120))
    }

    /// Reads a whole topic and keeps its records, to be compared byte for byte.
    pub(crate) fn dump(&self, topic: &str, isolation: Isolation) -> Result<Dump> {
        let parent = env!("CARGO_TARGET_TMPDIR");
        let directory = tempfile::Builder::new()
            .prefix("dump-")
            .tempdir_in(parent)
            .expect("the target directory can be written");
        let limit = Duration::from_secs(300);
        let partitions = self.read_to(topic, isolation, Some(directory.path()), limit)?;
        Ok(Dump::new(directory, partitions))
    }

    fn read_to(
        &self,
        topic: &str,
        isolation: Isolation,
        directory: Option<&Path>,
        limit: Duration,
    ) -> Result<Vec<PartitionRead>> {
        let isolation = match isolation {
            Isolation::ReadCommitted => "read_committed",
            Isolation::ReadUncommitted => "read_uncommitted",
        };
        let fields = json!({ "topic": topic, "isolation": isolation, "directory": directory });
        self.ask_for("read", fields, limit)
    }

    /// Sends each line of a file with the Java producer, to one partition or dealt over all. Gives
    /// how many were acknowledged; the first that was not is an error.
    pub(crate) fn produce(
        &self,
        topic: &str,
        partition: Option<i32>,
        file: &Path,
        delimiter: u8,
        properties: &[(&str, &str)],
    ) -> Result<u64> {
        let properties: BTreeMap<_, _> = properties.iter().copied().collect();
        let fields = json!({
            "topic": topic, "partition": partition.unwrap_or(-1), "file": file,
            "delimiter": delimiter, "properties": properties,
        });
        self.ask_for("produce", fields, Duration::from_secs(120))
    }

    /// Sends records of every kind, as a seed says: keys, null values, headers; in transactions, some of
    /// which are aborted, where that is asked. Gives how many were sent.
    pub(crate) fn produce_mixed(
        &self,
        topic: &str,
        count: u32,
        seed: u64,
        transactional: bool,
        properties: &[(&str, &str)],
    ) -> Result<u64> {
        let properties: BTreeMap<_, _> = properties.iter().copied().collect();
        let fields = json!({
            "topic": topic, "count": count, "seed": seed, "transactional": transactional,
            "all_keyed": false, "properties": properties,
        });
        self.ask_for("produce-mixed", fields, Duration::from_secs(120))
    }

    /// The same without records that have no key, for a compacted topic.
    pub(crate) fn produce_mixed_keyed(&self, topic: &str, count: u32, seed: u64) -> Result<u64> {
        let fields = json!({
            "topic": topic, "count": count, "seed": seed, "transactional": false,
            "all_keyed": true, "properties": {},
        });
        self.ask_for("produce-mixed", fields, Duration::from_secs(120))
    }

    fn ask_for<T: for<'a> Deserialize<'a>>(
        &self,
        command: &str,
        fields: Value,
        limit: Duration,
    ) -> Result<T> {
        let answer = self.ask(command, fields, limit)?;
        let text = answer.to_string();
        Ok(serde_json::from_value(answer)
            .unwrap_or_else(|error| panic!("{command}: {error} in the judge's {text}")))
    }

    fn ask(&self, command: &str, mut fields: Value, limit: Duration) -> Result<Value> {
        fields["command"] = command.into();
        fields["bootstrap"] = self.bootstrap.as_str().into();
        fields["timeout_ms"] = u64::try_from(limit.as_millis())
            .expect("limits are short")
            .into();
        let jvm = JVM.get_or_init(Jvm::start);
        let jvm = jvm
            .as_ref()
            .expect("a test that has a cluster has the jars of the judge");
        jvm.ask(command, fields, limit)
    }
}

/// Never dropped: it ends when its standard input does, with this process.
static JVM: OnceLock<Option<Jvm>> = OnceLock::new();

/// The JVM, or what is left of it.
#[derive(Debug)]
struct Jvm {
    requests: Mutex<ChildStdin>,
    waiting: Mutex<Waiting>,
    /// Has no name, so nobody need remove it. Read by position: the JVM writes through its place.
    log: File,
}

#[derive(Debug, Default)]
struct Waiting {
    last_id: u64,
    is_dead: bool,
    by_id: HashMap<u64, Sender<Map<String, Value>>>,
}

impl Jvm {
    fn start() -> Option<Self> {
        let jars = jars::find(Version::Newest)?;
        let log = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("the target directory can be written");
        let command = jars.java_judge("512m");
        let mut jvm = Command::new(&command[0])
            .args(&command[1..])
            .arg("Judge")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().expect("a descriptor is to be had"))
            .spawn()
            .expect("java is there: its version was asked");
        let requests = jvm.stdin.take().expect("stdin is piped");
        std::thread::Builder::new()
            .name("judge".into())
            .spawn(move || Self::hand_out(jvm))
            .expect("a thread can be made");
        Some(Self {
            requests: Mutex::new(requests),
            waiting: Mutex::default(),
            log,
        })
    }

    /// Gives each answer to whoever waits for it, until the JVM ends.
    fn hand_out(mut jvm: Child) {
        let answers = jvm.stdout.take().expect("stdout is piped");
        // The first answer comes after the first request, which went through the finished static.
        for line in BufReader::new(answers)
            .lines()
            .map_while(std::io::Result::ok)
        {
            let answer: Map<String, Value> = serde_json::from_str(&line)
                .unwrap_or_else(|error| panic!("the judge said {line:?}: {error}"));
            let id = answer["id"].as_u64().expect("ids are ours");
            let waiting = JVM
                .wait()
                .as_ref()
                .expect("it was started")
                .waiting()
                .by_id
                .remove(&id);
            if let Some(waiting) = waiting {
                // Whoever asked may have given up.
                drop(waiting.send(answer));
            }
        }
        let mut waiting = JVM.wait().as_ref().expect("it was started").waiting();
        waiting.is_dead = true;
        waiting.by_id.clear();
        drop(waiting);
        // Its output has ended, so it has, or is about to.
        jvm.wait().expect("the JVM is our child");
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_tail(&self) -> String {
        let length = self.log.metadata().map_or(0, |metadata| metadata.len());
        let mut bytes = vec![0; usize::try_from(length).expect("logs are small")];
        match self.log.read_exact_at(&mut bytes, 0) {
            Ok(()) => last_lines(&bytes).join("\n"),
            Err(error) => format!("(its log cannot be read: {error})"),
        }
    }

    fn ask(&self, command: &str, mut fields: Value, limit: Duration) -> Result<Value> {
        /// The JVM is to say itself that the time is up: it knows what it waited for.
        const GRACE: Duration = Duration::from_secs(15);
        let dead = || JudgeError::Dead {
            command: command.to_owned(),
            log: self.log_tail(),
        };
        let (sender, answer) = mpsc::channel();
        {
            let mut waiting = self.waiting();
            if waiting.is_dead {
                return Err(dead());
            }
            waiting.last_id += 1;
            fields["id"] = waiting.last_id.into();
            let id = waiting.last_id;
            waiting.by_id.insert(id, sender);
        }
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(requests, "{fields}").map_err(|_| dead())?;
        drop(requests);
        let mut answer = match answer.recv_timeout(limit + GRACE) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Disconnected) => return Err(dead()),
            Err(RecvTimeoutError::Timeout) => {
                return Err(JudgeError::TimedOut {
                    command: command.to_owned(),
                    limit,
                });
            }
        };
        if let Some(ok) = answer.remove("ok") {
            return Ok(ok);
        }
        let text = |name| {
            answer
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (error, message) = (text("error"), text("message"));
        Err(JudgeError::Kafka {
            command: command.to_owned(),
            error,
            message,
        })
    }
}
