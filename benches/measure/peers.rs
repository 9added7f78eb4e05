//! The commands that are compared: our own, and whom we measure ourselves against.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use engine::limits::FETCH_BYTES;

/// Ours, from the beginning each time. Its state lies in the scratch directory.
pub(crate) fn load(file: &Path, topic: &str, address: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    add_load(&mut command, file, topic, address);
    command
}

/// The same under callgrind, over the body of the I/O contract that valgrind can follow. The figures
/// go to `out`.
pub(crate) fn load_counted(file: &Path, topic: &str, address: &str, out: &Path) -> Command {
    let mut command = counted(out);
    add_load(&mut command, file, topic, address);
    command.args(["--io", "poll"]);
    command
}

fn add_load(command: &mut Command, file: &Path, topic: &str, address: &str) {
    command.args(["load", "--restart", "--quiet", "--topic", topic]);
    command.args(["--bootstrap-server", address]);
    command
        .arg("--state")
        .arg(super::scratch().join("state"))
        .arg(file);
}

/// A whole topic into a file that is written over where it lies. `state` must not know the file: one
/// that a dump forgets is cut first.
pub(crate) fn dump(topic: &str, address: &str, file: &Path, state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    add_dump(&mut command, topic, address, file, state);
    command
}

/// The same under callgrind, as [`load_counted`].
pub(crate) fn dump_counted(
    topic: &str,
    address: &str,
    (file, state): (&Path, &Path),
    out: &Path,
) -> Command {
    let mut command = counted(out);
    add_dump(&mut command, topic, address, file, state);
    command.args(["--io", "poll"]);
    command
}

fn add_dump(command: &mut Command, topic: &str, address: &str, file: &Path, state: &Path) {
    command.args(["dump", "--quiet", "--overwrite", "--topic", topic]);
    command.args(["--bootstrap-server", address]);
    command.arg("--state").arg(state).arg("-o").arg(file);
}

/// Our binary under callgrind, whose figures go to `out`.
fn counted(out: &Path) -> Command {
    let mut to = OsString::from("--callgrind-out-file=");
    to.push(out);
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(to);
    command.arg(env!("CARGO_BIN_EXE_ringmain"));
    command
}

/// librdkafka's settings that make it as fast as it gets, for kcat and for the program around it.
pub(crate) const TUNING: [&str; 4] = [
    "batch.num.messages=100000",
    "batch.size=1000000",
    "linger.ms=100",
    "queue.buffering.max.messages=1000000",
];

/// The same for its consumer.
pub(crate) const CONSUMER_TUNING: [&str; 2] = [
    "fetch.message.max.bytes=8000000",
    "queued.min.messages=1000000",
];

/// kcat, where it is installed.
#[derive(Debug)]
pub(crate) struct Kcat(&'static str);

impl Kcat {
    pub(crate) fn find() -> Result<Self, String> {
        let is_there = |name: &&str| answers(name, "-V");
        let found = ["kcat", "kafkacat"].into_iter().find(is_there);
        found
            .map(Self)
            .ok_or_else(|| "kcat is not installed".into())
    }

    pub(crate) fn load(&self, file: &Path, topic: &str, address: &str) -> Command {
        let mut command = self.produce(topic, address);
        command.arg("-l").arg(file);
        command
    }

    /// Lines from standard input, unless a file is added.
    pub(crate) fn produce(&self, topic: &str, address: &str) -> Command {
        let mut command = Command::new(self.0);
        command.args(["-P", "-b", address, "-t", topic]);
        for property in TUNING {
            command.args(["-X", property]);
        }
        command
    }
}

impl Kcat {
    /// A whole topic to standard output.
    pub(crate) fn dump(&self, topic: &str, address: &str, properties: &[&str]) -> Command {
        let mut command = Command::new(self.0);
        command.args(["-C", "-b", address, "-t", topic, "-e", "-q"]);
        command.args(["-o", "beginning"]);
        for property in properties {
            command.args(["-X", property]);
        }
        command
    }
}

/// The programs of `benches/peers`.
#[derive(Debug)]
pub(crate) struct Built {
    directory: PathBuf,
}

impl Built {
    /// Builds them where that has not happened: librdkafka takes a minute or two.
    pub(crate) fn make() -> Result<Self, String> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/Cargo.toml");
        let results = super::results();
        let target = results.with_file_name("peers");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args([
                "build",
                "--release",
                "--locked",
                "--quiet",
                "--manifest-path",
            ])
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target)
            .stdin(Stdio::null())
            .output();
        match built {
            Ok(output) if output.status.success() => Ok(Self {
                directory: target.join("release"),
            }),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let reason = said.lines().find(|line| line.starts_with("error"));
                let reason = reason.unwrap_or("cargo has not said why");
                Err(format!("benches/peers cannot be built: {reason}"))
            }
            Err(error) => Err(format!("benches/peers cannot be built: {error}")),
        }
    }

    /// librdkafka in a loop over a file's lines.
    pub(crate) fn rdkafka(&self, file: &Path, topic: &str, address: &str) -> Command {
        let mut command = Command::new(self.directory.join("peer-rdkafka-load"));
        command.arg(file).args([topic, address, "0"]).args(TUNING);
        command
    }

    /// All records of a topic of one broker, thrown away.
    pub(crate) fn fetch_floor(
        &self,
        topic: &str,
        address: &str,
        partitions: i32,
        lanes: u32,
    ) -> Command {
        let mut command = Command::new(self.directory.join("fetch-floor"));
        command.args([address, topic, &format!("partitions={partitions}")]);
        command.args([format!("lanes={lanes}"), format!("fetch={FETCH_BYTES}")]);
        command
    }

    /// As many bytes in as large pieces, unlooked at.
    pub(crate) fn floor(&self, file: &Path, topic: &str, address: &str, lanes: u32) -> Command {
        let mut command = Command::new(self.directory.join("floor"));
        command.arg(file).arg(address);
        command.args([format!("topic={topic}"), format!("lanes={lanes}")]);
        command
    }
}

/// Whether a program is there: it runs and ends well.
pub(crate) fn answers(program: &str, argument: &str) -> bool {
    Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success())
}
