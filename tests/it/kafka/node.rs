//! One broker: its properties, its directory, its process.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::guarded::{Guarded, tail};
use super::jars::Jars;
use super::ports::Port;

/// Two busy cores and a cold disk included.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// The ports of one node, held through its restarts.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) clients: Port,
    pub(crate) controller: Port,
    /// Serves clients too, but sends them on to an address where nobody listens.
    pub(crate) misleading: Port,
}

impl Ports {
    pub(crate) fn free() -> Self {
        Self {
            clients: Port::free(),
            controller: Port::free(),
            misleading: Port::free(),
        }
    }
}

/// One broker and controller of a cluster.
#[derive(Debug)]
pub(crate) struct Node {
    id: usize,
    ports: Ports,
    jars: &'static Jars,
    /// The whole cluster's; goes when the last of its processes goes.
    root: PathBuf,
    process: Mutex<Option<Guarded>>,
}

impl Node {
    /// Lays out the directory of a node; starts nothing.
    pub(crate) fn lay_out(
        id: usize,
        ports: Ports,
        root: &Path,
        jars: &'static Jars,
        cluster_id: &str,
        properties: &str,
    ) -> std::io::Result<Self> {
        let node = Self {
            id,
            ports,
            jars,
            root: root.to_owned(),
            process: Mutex::new(None),
        };
        fs::create_dir_all(node.data())?;
        for entry in fs::read_dir(jars.formatted())? {
            let entry = entry?;
            fs::copy(entry.path(), node.data().join(entry.file_name()))?;
        }
        // What `StorageTool format` writes beside the checkpoint, without starting a JVM for it.
        let meta = format!(
            "version=1\nnode.id={id}\ncluster.id={cluster_id}\ndirectory.id={}\n",
            random_id()
        );
        fs::write(node.data().join("meta.properties"), meta)?;
        let listening = node.own_properties();
        let data = node.data();
        let all = format!("{listening}log.dirs={}\n{properties}", data.display());
        fs::write(node.directory().join("server.properties"), all)?;
        Ok(node)
    }

    fn own_properties(&self) -> String {
        let Ports {
            clients,
            controller,
            misleading,
        } = &self.ports;
        let clients = format!("PLAINTEXT://127.0.0.1:{}", clients.number());
        format!(
            "node.id={}\n\
             listeners={clients},MISLEADING://127.0.0.1:{},CONTROLLER://127.0.0.1:{}\n\
             advertised.listeners={clients},MISLEADING://127.0.0.1:1\n",
            self.id,
            misleading.number(),
            controller.number(),
        )
    }

    fn directory(&self) -> PathBuf {
        self.root.join(format!("node-{}", self.id))
    }

    /// Where its partitions lie: `<topic>-<partition>/<offset>.log`.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory().join("data")
    }

    /// What it said.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory().join("log")
    }

    pub(crate) fn id(&self) -> usize {
        self.id
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.clients.number())
    }

    /// A listener that answers but advertises an address where nobody listens.
    pub(crate) fn misleading_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.misleading.number())
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process().is_some()
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Guarded>> {
        // A test that failed while it held this has nothing half done in it.
        self.process
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Starts the process and does not wait for it.
    pub(crate) fn spawn(&self) {
        let mut process = self.process();
        assert!(process.is_none(), "node {} runs already", self.id);
        let mut command = self.jars.java("512m");
        command.push("kafka.Kafka".into());
        command.push(self.directory().join("server.properties").into());
        *process = Some(Guarded::spawn(&command, &self.log(), &self.root));
    }

    /// Waits until the node itself answers. False if it ended instead, or the time is up.
    pub(crate) fn is_answering_within(&self, limit: Duration) -> bool {
        let process = self.process();
        let running = process.as_ref().expect("it was started");
        answers_within(self.ports.clients.number(), running, limit)
    }

    /// SIGKILL: no flush, no goodbye. Its data stays.
    pub(crate) fn kill9(&self) {
        let Some(process) = self.process().take() else {
            return;
        };
        process.signal(Signal::KILL);
        assert!(
            process.has_exited_within(STOP_LIMIT),
            "SIGKILL has not ended node {}",
            self.id
        );
        process.end_keeping_data();
    }

    /// SIGTERM, as an operator would, and waits for the clean end.
    #[track_caller]
    pub(crate) fn terminate(&self) {
        let Some(process) = self.process().take() else {
            return;
        };
        process.signal(Signal::TERM);
        let clean = process.has_exited_within(STOP_LIMIT);
        process.end_keeping_data();
        assert!(
            clean,
            "node {} does not end on SIGTERM\n{}",
            self.id,
            tail(&self.log())
        );
    }

    /// SIGSTOP: its connections stay open and nothing answers.
    pub(crate) fn stop(&self) {
        self.process()
            .as_ref()
            .expect("only a running node can be stopped")
            .signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn cont(&self) {
        self.process()
            .as_ref()
            .expect("only a running node can go on")
            .signal(Signal::CONT);
    }

    /// Ends it and removes the cluster's directory, unless other nodes still write to it.
    pub(crate) fn discard(&self) {
        drop(self.process().take());
    }
}

/// Waits until whoever listens on `port` answers an ApiVersions request, or `process` ends.
pub(crate) fn answers_within(port: u16, process: &Guarded, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(10);
    while Instant::now() < deadline {
        if answers(port) {
            return true;
        }
        if process.has_exited_within(pause) {
            return false;
        }
        pause = (pause * 2).min(Duration::from_millis(80));
    }
    false
}

fn answers(port: u16) -> bool {
    const LIMIT: Duration = Duration::from_secs(5);
    /// Length 10, key 18, version 0, correlation 1, no client id.
    const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    let ask = || -> std::io::Result<[u8; 10]> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(&API_VERSIONS)?;
        let mut head = [0; 10];
        stream.read_exact(&mut head)?;
        Ok(head)
    };
    // Length, correlation, error code.
    ask().is_ok_and(|head| head[4..] == [0, 0, 0, 1, 0, 0])
}

/// 22 characters of Kafka's own alphabet, as its random UUIDs are written.
pub(crate) fn random_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut high, mut low) = (
        RandomState::new().hash_one(1),
        RandomState::new().hash_one(2),
    );
    let mut id = String::with_capacity(22);
    for place in 0..22 {
        let bits = if place < 10 { &mut high } else { &mut low };
        // A leading dash would look like a flag to Kafka's tools.
        let letter = if place == 0 { *bits % 52 } else { *bits % 64 };
        // The 128 bits end before the last character does: its low four are zero.
        let letter = if place == 21 { letter & 0x30 } else { letter };
        id.push(char::from(
            ALPHABET[usize::try_from(letter).expect("below 64")],
        ));
        *bits >>= 6;
    }
    id
}

/// The cluster that a first broker forms while its classes are written down.
pub(crate) const TRAINING_CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// The one broker that runs before there is a formatted directory and an archive of classes.
#[derive(Debug)]
pub(crate) struct Training {
    directory: PathBuf,
    ports: Ports,
}

impl Training {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            ports: Ports::free(),
        }
    }

    pub(crate) fn properties(&self) -> PathBuf {
        self.directory.join("server.properties")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(crate) fn port(&self) -> u16 {
        self.ports.clients.number()
    }

    pub(crate) fn server_properties(&self) -> String {
        let (clients, controller) = (self.port(), self.ports.controller.number());
        format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controller}\n\
             controller.listener.names=CONTROLLER\nlog.dirs={}\n",
            self.data().display()
        )
    }
}
