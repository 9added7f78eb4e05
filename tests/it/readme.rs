//! Every command of the README runs, against the embedded broker where it names a cluster.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its stage has failed"
)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use broker::{Config, Server, Storage};
use flate2::Compression;
use flate2::write::GzEncoder;

const README: &str = include_str!("../../README.md");

/// Commands that are this suite, or the benches: they cannot run inside of it.
const NOT_FROM_WITHIN: [&str; 6] = [
    "cargo test --release --workspace",
    "RINGMAIN_KILLS=350 cargo test --release --test it kill::random",
    "RINGMAIN_FAULT_SECONDS=7200 cargo test --release --test it faults::",
    "RINGMAIN_SOAK_SECONDS=7200 cargo test --release --test it soak::",
    "RINGMAIN_INPUTS=100000000 cargo test --release --test hostile",
    "cargo bench",
];

/// The lines of the README's shell blocks.
fn commands() -> Vec<&'static str> {
    let mut commands = Vec::new();
    let mut is_shell = false;
    for line in README.lines() {
        match line {
            "```sh" => is_shell = true,
            "```" => is_shell = false,
            command if is_shell => commands.push(command),
            _ => {}
        }
    }
    commands
}

/// A directory with the files that the commands name, and a broker for the hosts that they name.
struct Stage {
    directory: tempfile::TempDir,
    server: Server,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let put =
            |name: &str, content: &[u8]| fs::write(directory.path().join(name), content).unwrap();
        put("access.log", b"GET /\nGET /a\n");
        put("begun.log", b"the topics are there\n");
        put("rows.txt", b"one\0two\0");
        put("Cargo.lock", b"# a file of this checkout\n");
        fs::create_dir(directory.path().join("archive")).unwrap();
        put("archive/1.log", b"old\n");
        put("archive/2.log", b"older\n");
        put("pairs.txt", b"a: 1\nb: 2\n");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"long ago\n").unwrap();
        put("old.log.gz", &gzip.finish().unwrap());
        let mut config = Config::new(Storage::Memory);
        config.listen.set_port(0);
        config.auto_create_topics = true;
        let server = Server::start(config).unwrap();
        Self { directory, server }
    }

    /// The command with what this host lacks replaced: hosts, replicas, and a port that may be taken.
    fn localise(&self, command: &str) -> String {
        let address = self.server.address().to_string();
        let program = env!("CARGO_BIN_EXE_ringmain");
        let command = command
            .replace("kafka1:9092,kafka2:9092", &address)
            .replace("kafka:9092", &address)
            .replace("replication=3", "replication=1")
            .replace("--listen 127.0.0.1:9092", "--listen 127.0.0.1:0")
            .replace(
                "STATE-FILE",
                "\"$(find state -name '*.state' | head -n 1)\"",
            );
        let command = command.replace("cargo run --release -- ", "ringmain ");
        assert!(
            command.contains("ringmain "),
            "a command of ours: {command}"
        );
        // A server is ended by the time limit, with SIGTERM, as a service manager would.
        let limit = if command.starts_with("ringmain broker ") {
            "timeout 2 "
        } else {
            ""
        };
        let ours = format!("'{program}' ");
        let command = command
            .replace("&& ringmain ", &format!("&& {ours}"))
            .replace("| ringmain ", &format!("| {ours}"));
        match command.strip_prefix("ringmain ") {
            Some(rest) => format!("{limit}{ours}{rest}"),
            None => command,
        }
    }

    fn run(&self, command: &str) -> Output {
        let path = |name: &str| -> PathBuf { Path::new(self.directory.path()).join(name) };
        Command::new("sh")
            .args(["-c", command])
            .current_dir(self.directory.path())
            .env("XDG_STATE_HOME", path("state"))
            .env("XDG_DATA_HOME", path("data"))
            .output()
            .unwrap()
    }
}

#[test]
fn every_command_of_the_readme_runs() {
    let stage = Stage::new();
    for topic in ["logs", "rows", "pairs"] {
        let create = "--create-topic partitions=2,replication=1 --quiet";
        let command = format!("ringmain load begun.log -t {topic} -b kafka:9092 {create}");
        assert!(
            stage.run(&stage.localise(&command)).status.success(),
            "{command}"
        );
    }
    let commands = commands();
    for needed in NOT_FROM_WITHIN {
        assert!(commands.contains(&needed), "the README has lost {needed:?}");
    }
    let mut ran = 0;
    for command in commands
        .iter()
        .filter(|command| !NOT_FROM_WITHIN.contains(command))
    {
        let output = stage.run(&stage.localise(command));
        let stderr = String::from_utf8_lossy(&output.stderr);
        let is_server = command.starts_with("ringmain broker ");
        // `timeout` answers 124 when it has ended what ran on.
        let is_fine = if is_server {
            output.status.code() == Some(124) && !stderr.contains("error")
        } else {
            output.status.success()
        };
        assert!(is_fine, "{command}\n{:?}\n{stderr}", output.status);
        ran += 1;
    }
    assert!(ran >= 7, "the README shows {ran} commands of ours");
}
