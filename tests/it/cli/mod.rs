//! The command line as a person or a script meets it: exit codes, what is said where, and `broker`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "what was left out")]

mod help;
mod kcat;

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(20);

fn ringmain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    command.args(arguments);
    // Not the person's own.
    for name in [
        "RINGMAIN_IO",
        "RINGMAIN_LOG",
        "XDG_DATA_HOME",
        "XDG_STATE_HOME",
    ] {
        command.env_remove(name);
    }
    command
}

fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = ringmain(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A refusal is said on stderr, by one sentence that begins with `error:`, and nothing on stdout.
fn check_refused(arguments: &[&str], expected: &str) {
    let (code, stdout, stderr) = output(arguments);
    assert_eq!(
        (code, stdout.as_str()),
        (Some(2), ""),
        "{arguments:?}: {stderr}"
    );
    assert!(stderr.starts_with("error: "), "{arguments:?}: {stderr}");
    assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
}

#[test]
fn the_version_is_the_packages() {
    let (code, stdout, _) = output(&["--version"]);
    assert_eq!(code, Some(0));
    assert_eq!(stdout, format!("ringmain {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn nothing_said_is_answered_by_the_help_and_code_2() {
    let (code, stdout, stderr) = output(&[]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("Usage: ringmain"), "{stderr}");
}

#[test]
fn mistakes_end_with_2_and_a_sentence() {
    check_refused(&["load", "x"], "--topic");
    check_refused(&["load", "x", "-t", "t"], "where to?");
    check_refused(&["lod"], "unrecognized subcommand 'lod'");
    check_refused(
        &["load", "x", "-t", "t", "-b", "k", "--rat", "1"],
        "'--rate'",
    );
    check_refused(
        &[
            "load",
            "x",
            "-t",
            "t",
            "-b",
            "k",
            "-X",
            "security.protocol=SASL_SSL",
        ],
        "security.protocol cannot be honoured",
    );
}

#[test]
fn commands_of_later_are_refused_whatever_follows() {
    check_refused(&["verify"], "--verify hash");
    let worker = "the Kafka Connect worker is not there yet";
    check_refused(&["connect-standalone", "-daemon", "w.properties"], worker);
    check_refused(&["connect-distributed", "--help"], worker);
}

#[test]
fn started_under_the_name_of_a_kafka_script_it_says_what_it_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("connect-distributed.sh");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ringmain"), &link).unwrap();
    let output = Command::new(&link)
        .arg("worker.properties")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("the Kafka Connect worker is not there yet"),
        "{stderr}"
    );
}

#[test]
fn a_file_that_is_no_state_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.state");
    let path = file.to_str().unwrap();
    check_refused(&["offsets", "show", path], path);
    std::fs::write(&file, "no state").unwrap();
    check_refused(&["offsets", "show", path], path);
    check_refused(&["offsets", "show", "--json", path], path);
}

#[test]
fn the_environment_is_checked_too() {
    let refused = |name: &str, value: &str| {
        let arguments = ["load", "x", "-t", "t", "-b", "k"];
        let output = ringmain(&arguments).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.contains(name) && stderr.contains(value),
            "{name}: {stderr}"
        );
    };
    refused("RINGMAIN_IO", "epoll");
    refused("RINGMAIN_LOG", "loud=ly");
}

/// A `ringmain broker` that ends with the test.
struct Broker {
    child: Child,
    address: SocketAddr,
}

impl Broker {
    fn start(arguments: &[&str]) -> Self {
        let mut command = ringmain(&["broker", "--listen", "127.0.0.1:0"]);
        command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (told, telling) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            told.send(read.map(|_| line)).ok();
        });
        let line = telling
            .recv_timeout(WITHIN)
            .expect("the broker listens in time")
            .unwrap();
        let address = line.trim().strip_prefix("listening on ").expect(&line);
        Self {
            address: address.parse().unwrap(),
            child,
        }
    }

    fn end_by(mut self, signal: rustix::process::Signal) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
        // Both pipes end with the process.
        let mut stderr = self.child.stderr.take().unwrap();
        let (ended, ending) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            ended
                .send(stderr.read_to_string(&mut text).map(|_| text))
                .ok();
        });
        ending
            .recv_timeout(WITHIN)
            .expect("the broker ends in time")
            .unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_broker_listens_says_where_and_ends_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let broker = Broker::start(&["--data-dir", data.to_str().unwrap()]);
        let connected = TcpStream::connect_timeout(&broker.address, WITHIN);
        assert!(connected.is_ok(), "{connected:?}");
        assert!(data.is_dir());
        assert_eq!(broker.end_by(signal), Some(0));
    }
}

#[test]
fn two_brokers_do_not_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let first = Broker::start(&["--data-dir", data]);
    let (code, _, stderr) = output(&["broker", "--listen", "127.0.0.1:0", "--data-dir", data]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("is in use by another broker"), "{stderr}");
    let pid = first.child.id().to_string();
    assert!(stderr.contains(&pid), "{stderr}");
}

#[test]
fn a_broker_needs_an_address_that_is_one() {
    check_refused(
        &["broker", "--listen", "127.0.0.1:x"],
        "does not end in a port",
    );
    let data = Path::new("/nonexistent/data");
    let arguments = [
        "broker",
        "--listen",
        "0.0.0.0:0",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    check_refused(&arguments, "--advertise");
}
