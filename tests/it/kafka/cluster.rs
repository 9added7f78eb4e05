//! Clusters of Apache Kafka on loopback, in KRaft mode.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::guarded::tail;
use super::jars::{self, Jars, Version};
use super::judge::Judge;
use super::node::{Node, Ports, START_LIMIT, random_id};

/// What a cluster is to be like.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    nodes: usize,
    version: Version,
    /// Lines of `server.properties` behind ours; the last one with a key counts.
    properties: Vec<(String, String)>,
}

impl Options {
    /// One node, both roles.
    pub(crate) fn single() -> Self {
        Self {
            nodes: 1,
            version: Version::Newest,
            properties: Vec::new(),
        }
    }

    /// Three nodes, both roles each; ids 1 to 3.
    pub(crate) fn three() -> Self {
        Self {
            nodes: 3,
            ..Self::single()
        }
    }

    pub(crate) fn version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// A server property of every node.
    pub(crate) fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.properties.push((key.to_owned(), value.to_string()));
        self
    }

    /// Kafka's own authorizer: what no rule forbids or reserves is allowed.
    pub(crate) fn with_acls(self) -> Self {
        self.with(
            "authorizer.class.name",
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        )
        .with("allow.everyone.if.no.acl.found", true)
    }

    fn server_properties(&self, controllers: &[u16]) -> String {
        let voters: Vec<String> = (1..)
            .zip(controllers)
            .map(|(id, port)| format!("{id}@127.0.0.1:{port}"))
            .collect();
        let (factor, in_sync) = if self.nodes < 3 { (1, 1) } else { (3, 2) };
        let mut text = format!(
            "process.roles=broker,controller\n\
             controller.quorum.voters={}\n\
             listener.security.protocol.map=\
             PLAINTEXT:PLAINTEXT,MISLEADING:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             controller.listener.names=CONTROLLER\n\
             inter.broker.listener.name=PLAINTEXT\n\
             offsets.topic.replication.factor={factor}\n\
             offsets.topic.num.partitions=5\n\
             transaction.state.log.replication.factor={factor}\n\
             transaction.state.log.min.isr={in_sync}\n\
             transaction.state.log.num.partitions=5\n\
             share.coordinator.state.topic.replication.factor={factor}\n\
             share.coordinator.state.topic.min.isr={in_sync}\n\
             group.initial.rebalance.delay.ms=0\n\
             log.cleaner.dedupe.buffer.size=8388608\n\
             num.network.threads=2\n\
             num.io.threads=4\n",
            voters.join(","),
        );
        if self.nodes >= 3 {
            // A dead leader is noticed after 4 s rather than 9, and a busy one not taken for dead.
            text.push_str("broker.session.timeout.ms=4000\nbroker.heartbeat.interval.ms=500\n");
        }
        for (key, value) in &self.properties {
            writeln!(text, "{key}={value}").expect("a String takes everything");
        }
        text
    }
}

/// Running brokers. Dropped: killed, and their data removed.
#[derive(Debug)]
pub(crate) struct Cluster {
    nodes: Vec<Node>,
    /// Holds all nodes' directories. The guard of a running node removes it; without one we do.
    root: PathBuf,
    judge: Judge,
}

impl Cluster {
    /// Starts brokers and waits until all are ready. `None`: Kafka is not to be had here, which has
    /// been said. Panics, with their logs, if they do not start.
    #[track_caller]
    pub(crate) fn start(options: &Options) -> Option<Self> {
        /// Somebody else may take a port between our look and the broker's.
        const TRIES: u32 = 3;
        let jars = jars::find(options.version)?;
        jars::find(Version::Newest)?; // the judge's
        let mut said = String::new();
        for _ in 0..TRIES {
            let cluster = Self::lay_out(options, jars);
            cluster.nodes.iter().for_each(Node::spawn);
            if cluster
                .nodes
                .iter()
                .all(|node| node.is_answering_within(START_LIMIT))
            {
                cluster.wait_ready();
                return Some(cluster);
            }
            said = cluster.logs();
            if !said.contains("Address already in use") {
                break;
            }
        }
        panic!("the brokers do not start\n{said}");
    }

    fn lay_out(options: &Options, jars: &'static Jars) -> Self {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let root = tempfile::Builder::new()
            .prefix("kafka-")
            .tempdir_in(parent)
            .expect("the target directory can be written")
            .keep();
        let ports: Vec<Ports> = (0..options.nodes).map(|_| Ports::free()).collect();
        let controllers: Vec<u16> = ports
            .iter()
            .map(|ports| ports.controller.number())
            .collect();
        let properties = options.server_properties(&controllers);
        let cluster_id = random_id();
        let nodes: Vec<Node> = (1..)
            .zip(ports)
            .map(|(id, ports)| {
                Node::lay_out(id, ports, &root, jars, &cluster_id, &properties)
                    .expect("the target directory can be written")
            })
            .collect();
        let addresses: Vec<String> = nodes.iter().map(Node::address).collect();
        Self {
            nodes,
            root,
            judge: Judge::of(&addresses.join(",")),
        }
    }

    /// `HOST:PORT` of every node, with commas between.
    pub(crate) fn bootstrap(&self) -> &str {
        self.judge.bootstrap()
    }

    /// The node with this id, from 1.
    pub(crate) fn node(&self, id: usize) -> &Node {
        &self.nodes[id - 1]
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Apache's own clients, at this cluster.
    pub(crate) fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Starts a node again, on the same ports with the same data, and waits until it serves. A
    /// running one is ended cleanly first.
    #[track_caller]
    pub(crate) fn restart(&self, id: usize) {
        let node = self.node(id);
        node.terminate();
        node.spawn();
        assert!(
            node.is_answering_within(START_LIMIT),
            "no restart\n{}",
            tail(&node.log())
        );
        self.wait_ready();
    }

    /// Starts all nodes that are down, at once: a quorum that is lost needs more than one.
    #[track_caller]
    pub(crate) fn restart_dead(&self) {
        let dead: Vec<&Node> = self
            .nodes
            .iter()
            .filter(|node| !node.is_running())
            .collect();
        dead.iter().for_each(|node| node.spawn());
        let up = dead
            .iter()
            .all(|node| node.is_answering_within(START_LIMIT));
        assert!(up, "no restart\n{}", self.logs());
        self.wait_ready();
    }

    /// Waits until every node whose process runs is registered and unfenced.
    #[track_caller]
    pub(crate) fn wait_ready(&self) {
        let up = self
            .nodes
            .iter()
            .filter(|node| node.is_running())
            .map(Node::id);
        if let Err(error) = self.judge.wait_ready(&up.collect::<Vec<_>>(), START_LIMIT) {
            panic!("the cluster is not ready: {error}\n{}", self.logs());
        }
    }

    /// The directory of a partition at a node.
    pub(crate) fn partition_directory(&self, id: usize, topic: &str, partition: i32) -> PathBuf {
        self.node(id).data().join(format!("{topic}-{partition}"))
    }

    /// The ends of all nodes' logs.
    pub(crate) fn logs(&self) -> String {
        self.nodes
            .iter()
            .map(|node| tail(&node.log()) + "\n")
            .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs()); // part of what the failed test says
        }
        self.judge.forget();
        self.nodes.iter().for_each(Node::discard);
        if let Err(error) = std::fs::remove_dir_all(&self.root)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            eprintln!("removing {}: {error}", self.root.display());
        }
    }
}

/// One node for all tests that do it no harm; use a topic of your own ([`fresh_topic`]).
pub(crate) fn shared_single() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER
        .get_or_init(|| Cluster::start(&Options::single()))
        .as_ref()
}

/// Three nodes for all tests that do them no harm.
pub(crate) fn shared_three() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER
        .get_or_init(|| Cluster::start(&Options::three()))
        .as_ref()
}

/// A topic's name that nobody else in this process uses.
pub(crate) fn fresh_topic(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
