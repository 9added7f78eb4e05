//! Where Apache Kafka comes from: `KAFKA_HOME`, or Maven once and then the target directory.
//!
//! What is made is kept beside a note of what it was made from, so a changed pom or judge is made
//! again; a lock on the folder keeps two test processes from doing it at once.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::guarded::{Guarded, tail};
use super::node;

const JUDGE: &str = include_str!("../../kafka/Judge.java");

/// Which Apache Kafka the brokers are of. The judge and the tools are always the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// `KAFKA_HOME`, if that is set, else the one of `tests/kafka/pom.xml`.
    Newest,
    /// The one of `tests/kafka/pom-3.4.xml`.
    V3_4,
}

/// One Apache Kafka on this disk.
#[derive(Debug)]
pub(crate) struct Jars {
    java: PathBuf,
    /// Everything that was made for it.
    cache: PathBuf,
    /// All jars, in one order: the archive of classes holds for that order only.
    class_path: OsString,
}

/// Why there is no Kafka here.
type Missing = String;

/// The jars of `version`; without them the reason, said once. Panics instead if `CI` is set.
pub(crate) fn find(version: Version) -> Option<&'static Jars> {
    static NEWEST: OnceLock<Option<Jars>> = OnceLock::new();
    static V3_4: OnceLock<Option<Jars>> = OnceLock::new();
    let (cell, what) = match version {
        Version::Newest => (&NEWEST, "all tests against Apache Kafka"),
        Version::V3_4 => (&V3_4, "the tests against Apache Kafka 3.4"),
    };
    let found = cell.get_or_init(|| match Jars::make(version) {
        Ok(jars) => Some(jars),
        Err(reason) if std::env::var_os("CI").is_some() => panic!("{what} cannot run: {reason}"),
        Err(reason) => {
            // Not eprintln: the harness would swallow it, for the test that says it passes.
            let mut stderr = std::io::stderr().lock();
            writeln!(stderr, "left out: {what}: {reason}").expect("standard error can be written");
            None
        }
    });
    found.as_ref()
}

impl Jars {
    fn make(version: Version) -> Result<Self, Missing> {
        let java = java_tool("java")?;
        let home = std::env::var_os("KAFKA_HOME").map(PathBuf::from);
        let home = home.filter(|_| version == Version::Newest);
        let (name, pom) = match (&home, version) {
            (Some(home), _) => (
                format!(
                    "kafka-home-{:08x}",
                    super::lines::crc32(&[home.as_os_str().as_encoded_bytes(),])
                ),
                "",
            ),
            (None, Version::Newest) => named(include_str!("../../kafka/pom.xml"))?,
            (None, Version::V3_4) => named(include_str!("../../kafka/pom-3.4.xml"))?,
        };
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .expect("it is in target");
        let cache = target.join(name);
        fs::create_dir_all(&cache).map_err(|error| format!("making {cache:?}: {error}"))?;
        let lock = File::create(cache.join("lock")).map_err(|error| error.to_string())?;
        // Bounded: whoever holds it works through steps that all have time-outs.
        lock.lock()
            .map_err(|error| format!("locking {cache:?}: {error}"))?;

        let libs = match home {
            Some(home) => home.join("libs"),
            None => {
                let libs = cache.join("libs");
                step(&cache, "libs", pom, || {
                    copy_dependencies(pom, &cache, &libs)
                })?;
                libs
            }
        };
        let jars = Self {
            java,
            cache,
            class_path: class_path(&libs)?,
        };
        let java_version = text_of(Command::new(&jars.java).arg("-version"))?;
        if version == Version::Newest {
            let made_from = format!("{java_version}{JUDGE}");
            step(&jars.cache, "judge", &made_from, || jars.compile_judge())?;
        }
        let made_from = format!("{java_version}{:?}", jars.class_path);
        step(&jars.cache, "classes", &made_from, || {
            jars.archive_classes()
        })?;
        Ok(jars)
    }

    /// `java` with these jars on its class path and set to start fast; the class is still to come.
    pub(crate) fn java(&self, heap: &str) -> Vec<OsString> {
        self.java_with(heap, "-XX:SharedArchiveFile=", self.class_path.clone())
    }

    /// The same for the judge, whose classes lie behind Kafka's.
    pub(crate) fn java_judge(&self, heap: &str) -> Vec<OsString> {
        let mut class_path = self.class_path.clone();
        class_path.push(":");
        class_path.push(self.cache.join("judge"));
        self.java_with(heap, "-XX:SharedArchiveFile=", class_path)
    }

    fn java_with(&self, heap: &str, archive_flag: &str, class_path: OsString) -> Vec<OsString> {
        let mut archive = OsString::from(archive_flag);
        archive.push(self.archive());
        let mut configuration = OsString::from("-Dlog4j2.configurationFile=");
        configuration.push(self.write_once("log4j2.properties", LOG4J2));
        let mut old_configuration = OsString::from("-Dlog4j.configuration=file:");
        old_configuration.push(self.write_once("log4j.properties", LOG4J));
        let level = std::env::var("RINGMAIN_TEST_KAFKA_LOG").unwrap_or_else(|_| "WARN".into());
        vec![
            self.java.clone().into(),
            format!("-Xmx{heap}").into(),
            // Two cores and many short lives: what starts fast beats what runs fast.
            "-XX:TieredStopAtLevel=1".into(),
            "-XX:+UseSerialGC".into(),
            "-XX:-UsePerfData".into(),
            archive,
            format!("-Dkafka.log.level={level}").into(),
            configuration,
            old_configuration,
            "-cp".into(),
            class_path,
        ]
    }

    /// What a data directory holds once it is formatted, apart from names and ids.
    pub(crate) fn formatted(&self) -> PathBuf {
        self.cache.join("formatted")
    }

    fn archive(&self) -> PathBuf {
        self.cache.join("classes.jsa")
    }

    fn write_once(&self, name: &str, content: &str) -> PathBuf {
        let path = self.cache.join(name);
        if fs::read_to_string(&path).is_ok_and(|old| old == content) {
            return path;
        }
        fs::write(&path, content).expect("the cache can be written");
        path
    }

    fn compile_judge(&self) -> Result<(), Missing> {
        let source = self.cache.join("Judge.java");
        fs::write(&source, JUDGE).map_err(|error| format!("writing {source:?}: {error}"))?;
        let mut javac = Command::new("timeout");
        javac
            .args(["--signal=KILL", "120"])
            .arg(java_tool("javac")?);
        javac.args(["-proc:none", "-cp"]).arg(&self.class_path);
        javac.arg("-d").arg(self.cache.join("judge")).arg(&source);
        text_of(&mut javac).map(drop)
    }

    /// Formats a data directory and lets a broker run once, at whose end the JVM writes down the
    /// classes it had loaded: brokers that map them start in 0.9 s instead of 2.2 s.
    fn archive_classes(&self) -> Result<(), Missing> {
        const LIMIT: Duration = Duration::from_secs(120);
        let scratch = tempfile::tempdir_in(&self.cache).map_err(|error| error.to_string())?;
        let run = node::Training::new(scratch.path());
        fs::write(run.properties(), run.server_properties()).map_err(|e| e.to_string())?;
        let archive = self.archive();
        fs::remove_file(&archive)
            .or_else(missing_is_fine)
            .map_err(|e| e.to_string())?;
        let java = self.java_with("512m", "-XX:ArchiveClassesAtExit=", self.class_path.clone());

        let mut format = Command::new("timeout");
        format.args(["--signal=KILL", "120"]).args(self.java_with(
            "512m",
            "-XX:SharedArchiveFile=",
            self.class_path.clone(),
        ));
        format.args([
            "kafka.tools.StorageTool",
            "format",
            "-t",
            node::TRAINING_CLUSTER_ID,
            "-c",
        ]);
        text_of(format.arg(run.properties()))?;
        fs::create_dir_all(self.formatted()).map_err(|error| error.to_string())?;
        let name = "bootstrap.checkpoint";
        fs::copy(run.data().join(name), self.formatted().join(name))
            .map_err(|error| format!("StorageTool has not written {name}: {error}"))?;

        let log = scratch.path().join("log");
        let mut command = java;
        command.extend(["kafka.Kafka".into(), run.properties().into()]);
        let broker = Guarded::spawn(&command, &log, scratch.path());
        if !node::answers_within(run.port(), &broker, LIMIT) {
            return Err(format!("a first broker does not start\n{}", tail(&log)));
        }
        broker.signal(rustix::process::Signal::TERM);
        if !broker.has_exited_within(LIMIT) {
            return Err(format!("a first broker does not stop\n{}", tail(&log)));
        }
        Ok(())
    }
}

const LOG4J2: &str = include_str!("../../kafka/log4j2.properties");
const LOG4J: &str = include_str!("../../kafka/log4j.properties");

/// The cache folder's name and the pom.
fn named(pom: &'static str) -> Result<(String, &'static str), Missing> {
    let version = pom
        .split_once("<kafka.version>")
        .and_then(|(_, rest)| rest.split_once("</"));
    let (version, _) = version.ok_or("the pom names no kafka.version")?;
    Ok((format!("kafka-{version}"), pom))
}

/// Does `work` unless `note` says that it was done from the same things.
fn step(
    cache: &Path,
    name: &str,
    made_from: &str,
    work: impl FnOnce() -> Result<(), Missing>,
) -> Result<(), Missing> {
    let note = cache.join(format!("{name}.made-from"));
    if fs::read_to_string(&note).is_ok_and(|old| old == made_from) {
        return Ok(());
    }
    fs::remove_file(&note)
        .or_else(missing_is_fine)
        .map_err(|error| error.to_string())?;
    work()?;
    fs::write(&note, made_from).map_err(|error| format!("writing {note:?}: {error}"))
}

fn missing_is_fine(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

fn copy_dependencies(pom: &str, cache: &Path, libs: &Path) -> Result<(), Missing> {
    fs::remove_dir_all(libs)
        .or_else(missing_is_fine)
        .map_err(|error| error.to_string())?;
    let file = cache.join("pom.xml");
    fs::write(&file, pom).map_err(|error| format!("writing {file:?}: {error}"))?;
    let mut output = OsString::from("-DoutputDirectory=");
    output.push(libs);
    let mut maven = Command::new("timeout");
    maven
        .args(["--signal=KILL", "600", "mvn", "-q", "-B", "-f"])
        .arg(&file);
    text_of(maven.arg("dependency:copy-dependencies").arg(output))
        .map(drop)
        .map_err(|reason| format!("KAFKA_HOME is not set and Maven brought no jars: {reason}"))
}

fn class_path(libs: &Path) -> Result<OsString, Missing> {
    let entries = fs::read_dir(libs).map_err(|error| format!("reading {libs:?}: {error}"))?;
    let mut jars: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "jar"))
        .collect();
    jars.sort();
    if jars.is_empty() {
        return Err(format!("{libs:?} has no jars"));
    }
    std::env::join_paths(jars).map_err(|error| error.to_string())
}

/// `java` or `javac` of `JAVA_HOME`, else of the path.
fn java_tool(name: &str) -> Result<PathBuf, Missing> {
    let home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = home.into_iter().chain(std::env::split_paths(&path));
    places
        .find_map(|place| Some(place.join(name)).filter(|tool| tool.is_file()))
        .ok_or_else(|| format!("{name} is not installed (a JDK from 17 on is needed)"))
}

/// What a command says. Its time is bounded by the `timeout` it is run under, or it is a moment.
fn text_of(command: &mut Command) -> Result<String, Missing> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("running {:?}: {error}", command.get_program()))?;
    let text = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    if status.success() {
        Ok(text)
    } else {
        Err(format!("{status}\n{text}"))
    }
}
