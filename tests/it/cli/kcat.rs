//! `-L` and `-Q` beside kcat itself, at Apache Kafka.

use std::process::{Command, Output};

use serde_json::Value;

use super::{check_refused, output};
use crate::kafka::cluster::{fresh_topic, shared_single, shared_three};
use crate::kafka::judge::NewTopic;

/// What kcat says to the same arguments, if it is there.
fn kcat(arguments: &[&str]) -> Option<String> {
    let said = Command::new("timeout")
        .args(["--signal=KILL", "60", "kcat"])
        .args(arguments)
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = said.unwrap();
    if status.code() == Some(127) {
        eprintln!("kcat is not installed: left out");
        return None;
    }
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "kcat {arguments:?}: {stderr}");
    Some(String::from_utf8(stdout).unwrap())
}

fn ours(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = output(arguments);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
    stdout
}

/// Brokers in KRaft mode name one of them at random where the controller is asked for.
fn without_controller(text: &str) -> String {
    assert_eq!(text.matches(" (controller)").count(), 1, "{text}");
    text.replace(" (controller)", "")
}

#[track_caller]
fn check_same_text(arguments: &[&str]) {
    if let Some(expected) = kcat(arguments) {
        assert_eq!(ours(arguments), expected, "{arguments:?}");
    }
}

#[track_caller]
fn check_same_json(arguments: &[&str]) {
    if let Some(expected) = kcat(arguments) {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(value(&ours(arguments)), value(&expected), "{arguments:?}");
    }
}

#[test]
fn metadata_reads_as_in_kcat() {
    let Some(cluster) = shared_three() else {
        return;
    };
    let topic = fresh_topic("listed");
    let new = NewTopic::new(&topic, 5).replication(3);
    cluster.judge().create_topic(&new).unwrap();
    // One server, so that both ask the same broker.
    let server = cluster.node(1).address();
    for order in [
        ["-L", "-b", &server, "-t", &topic],
        ["-b", &server, "-t", &topic, "-L"],
    ] {
        if let Some(expected) = kcat(&order) {
            let ours = without_controller(&ours(&order));
            assert_eq!(ours, without_controller(&expected), "{order:?}");
        }
    }
    let json = ["-L", "-J", "-b", &server, "-t", &topic];
    if let Some(expected) = kcat(&json) {
        let value = |text: &str| {
            let mut value: Value = serde_json::from_str(text).unwrap();
            let controller = value["controllerid"].take();
            assert!((1..=3).contains(&controller.as_i64().unwrap()), "{text}");
            value
        };
        assert_eq!(value(&ours(&json)), value(&expected));
    }
    // All topics: others come and go, ours is among them, sorted.
    let all = ours(&["metadata", "--bootstrap-server", cluster.bootstrap()]);
    assert!(
        all.starts_with("Metadata for all topics (from broker "),
        "{all}"
    );
    assert!(
        all.contains(&format!("  topic \"{topic}\" with 5 partitions:\n")),
        "{all}"
    );
    assert_eq!(all.matches("\n  broker ").count(), 3, "{all}");
    assert_eq!(all.matches(" (controller)").count(), 1, "{all}");
}

#[test]
fn offsets_read_as_in_kcat() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, topic) = (cluster.judge(), fresh_topic("queried"));
    judge.create_topic(&NewTopic::new(&topic, 3)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let lines = directory.path().join("lines");
    std::fs::write(&lines, "a\nb\nc\n").unwrap();
    judge.produce(&topic, Some(1), &lines, b'\n', &[]).unwrap();
    let ask = |partition: i32, time: &str| format!("{topic}:{partition}:{time}");
    let (end, begin, early) = (ask(1, "-1"), ask(0, "-2"), ask(2, "0"));
    let server = cluster.bootstrap();
    let all = ["-Q", "-b", server, "-t", &end, "-t", &begin, "-t", &early];
    check_same_text(&all);
    check_same_json(&[all.as_slice(), &["-J"]].concat());
    let (first, future) = (ask(1, "1"), ask(1, "99999999999999"));
    check_same_text(&["-Q", "-b", server, "-t", &first]);
    check_same_text(&["-Q", "-b", server, "-t", &future]);
    // What kcat does not know.
    let moment = ask(1, "2026-01-01T00:00:00Z");
    let asked = ours(&["query", "-b", server, "-t", &moment]);
    assert_eq!(asked, format!("{topic} [1] offset 0\n"));
}

#[test]
fn what_is_not_there_is_an_error_and_is_not_made() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (server, topic) = (cluster.bootstrap(), fresh_topic("missing"));
    // kcat would have the broker make it, and say 0.
    for _ in 0..2 {
        let question = format!("{topic}:0:-1");
        let (code, stdout, stderr) = output(&["-Q", "-b", server, "-t", &question]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert!(
            stderr.contains(&topic) && stderr.contains("UNKNOWN_TOPIC"),
            "{stderr}"
        );
    }
    let (code, stdout, stderr) = output(&["-L", "-b", server, "-t", &topic]);
    assert_eq!(code, Some(1), "{stderr}");
    let shown =
        format!("  topic \"{topic}\" with 0 partitions: Broker: Unknown topic or partition\n");
    assert!(stdout.ends_with(&shown), "{stdout}");
    assert!(stderr.contains(&topic), "{stderr}");
    cluster
        .judge()
        .create_topic(&NewTopic::new(&topic, 2))
        .unwrap();
    let question = format!("{topic}:2:-1");
    let (code, _, stderr) = output(&["-Q", "-b", server, "-t", &question]);
    assert_eq!(code, Some(1), "{stderr}");
    let expected = format!("topic {topic} has no partition 2, it has partitions 0 to 1");
    assert!(stderr.contains(&expected), "{stderr}");
}

#[test]
fn a_listener_that_misleads_is_named() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let topic = fresh_topic("misled");
    cluster
        .judge()
        .create_topic(&NewTopic::new(&topic, 1))
        .unwrap();
    let server = cluster.node(1).misleading_address();
    // Metadata comes from whoever answers; offsets only from the leader, whose address leads nowhere.
    let listing = ours(&["-L", "-b", &server, "-t", &topic]);
    assert!(
        listing.contains(&format!("(from broker -1: {server}/bootstrap)")),
        "{listing}"
    );
    let question = format!("{topic}:0:-1");
    let (code, _, stderr) = output(&["-Q", "-b", &server, "-t", &question, "-m", "5"]);
    assert_eq!(code, Some(1), "{stderr}");
    for part in [server.as_str(), "advertised.listeners"] {
        assert!(stderr.contains(part), "{stderr}");
    }
}

#[test]
fn the_embedded_broker_is_asked_by_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let data = format!("--embedded={}", directory.path().join("data").display());
    let (code, stdout, _) = output(&["-L", &data]);
    assert_eq!(code, Some(0));
    assert!(
        stdout.contains(" 1 brokers:\n") && stdout.ends_with(" 0 topics:\n"),
        "{stdout}"
    );
}

#[test]
fn nothing_listens_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    drop(listener);
    for arguments in [
        &["-L", "-b", &server, "-m", "1"][..],
        &["-Q", "-b", &server, "-m", "1", "-t", "t:0:-1"],
    ] {
        let (code, stdout, stderr) = output(arguments);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert!(
            stderr.contains(&format!("cannot connect to {server}")),
            "{stderr}"
        );
    }
    check_refused(&["-L"], "where to?");
    check_refused(&["-Q", "-b", "k"], "--topic <TOPIC:PARTITION:TIMESTAMP>");
    check_refused(&["load", "-L", "x", "-t", "t", "-b", "k"], "`ringmain -L");
}
