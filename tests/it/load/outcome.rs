//! What a load leaves besides records: topics, summaries, rejects, exit codes.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::run::{Load, SLOWLY, lines};
use crate::kafka::cluster::shared_single;
use crate::kafka::judge::{Isolation, Judge};

/// The judge does not find the topic.
#[track_caller]
fn assert_absent(judge: &Judge, topic: &str) {
    let absent = judge.describe_topic(topic).unwrap_err();
    assert_eq!(
        absent.kafka_error(),
        Some("UnknownTopicOrPartitionException"),
        "{absent}"
    );
}

#[test]
fn a_missing_topic_is_made_only_when_asked_for() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::new(cluster.bootstrap()));
    let content = load.generate("a", &lines(300, 100));
    load.run(&[])
        .failed(1, &[&load.topic, "does not exist", "--create-topic"]);
    assert_absent(judge, &load.topic);

    let three = ["--create-topic", "partitions=3,replication=2"];
    load.run(&three).failed(
        1,
        &[
            &load.topic,
            "cannot be created",
            "INVALID_REPLICATION_FACTOR",
        ],
    );
    assert_absent(judge, &load.topic);

    load.finish(&["--create-topic", "partitions=3,replication=1"]);
    assert_eq!(
        judge.describe_topic(&load.topic).unwrap().partitions.len(),
        3
    );
    load.assert_holds(judge, &[&content]);
    // It is there now: the flag changes nothing.
    let other = load.beside();
    other.generate("b", &lines(301, 100).task(2));
    other.finish(&["--create-topic", "partitions=5,replication=1"]);
    assert_eq!(
        judge.describe_topic(&load.topic).unwrap().partitions.len(),
        3
    );
    assert_eq!(load.count(judge), 200);
}

#[test]
fn a_dry_run_sends_and_makes_nothing() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let load = Load::into_topic(cluster, 2);
    load.write("a", b"1\r\n2\n\n4");
    load.write(
        "b",
        &(5..20)
            .map(|n| format!("{n}\n"))
            .collect::<String>()
            .into_bytes(),
    );
    let ended = load.run(&["--dry-run", "--crlf", "strip"]).with_code(0);
    let ended = ended.saying(&[&load.topic, "2 partition(s)", "write allowed", "none sent"]);
    assert_eq!(ended.stdout, b"1\n2\n\n4\n5\n6\n7\n8\n9\n10\n");
    assert_eq!(judge.end_offsets(&load.topic).unwrap(), [0, 0]);
    assert!(!load.path("state").exists(), "a dry run leaves no state");

    let missing = Load::new(cluster.bootstrap());
    missing.write("a", b"line\n");
    missing
        .run(&["--dry-run"])
        .failed(1, &["does not exist", "--create-topic"]);
    let ended = missing
        .run(&["--dry-run", "--create-topic", "partitions=2"])
        .with_code(0);
    ended.saying(&["does not exist and would be created"]);
    assert_absent(judge, &missing.topic);
    missing
        .run(&["--dry-run", "--partition", "-1"])
        .with_code(2);
    load.run(&["--dry-run", "--partition", "2"])
        .failed(2, &["--partition 2"]);
    fs::remove_dir_all(load.path("inputs")).unwrap();
    fs::create_dir(load.path("inputs")).unwrap();
    load.run(&["--dry-run"]).failed(2, &["holds no files"]);
}

#[test]
fn the_summary_says_what_the_broker_has() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let load = Load::into_small_batches(cluster, 3);
    // Somebody else's records are in front.
    let foreign = load.path("foreign");
    fs::write(&foreign, b"x\ny\n").unwrap();
    judge
        .produce(&load.topic, Some(1), &foreign, b'\n', &[])
        .unwrap();
    let content = load.generate("a", &lines(310, 9_000));
    let ended = load.run(&[]).saying(&["9000 records sent", "0 rejects"]);
    let summary = ended.done();

    assert_eq!(summary["topic"], load.topic.as_str());
    let cluster_id = judge
        .wait_ready(&[1], std::time::Duration::from_secs(30))
        .unwrap();
    assert_eq!(summary["cluster_id"], cluster_id);
    assert_eq!(
        (
            &summary["exit_code"],
            &summary["records"],
            &summary["bytes"]
        ),
        (&json!(0), &json!(9_000), &json!(content.len())),
    );
    assert_eq!(
        (&summary["rejects"], &summary["retries"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(
        (&summary["resumed"], &summary["resumed_from"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(summary["promise"], "exactly once");
    let (seconds, rate) = (
        summary["seconds"].as_f64(),
        summary["records_per_second"].as_f64(),
    );
    let product = seconds.unwrap() * rate.unwrap();
    assert!((product - 9_000.0).abs() < 1.0, "{summary}");
    for read in judge.read(&load.topic, Isolation::ReadCommitted).unwrap() {
        let told = &summary["partitions"][usize::try_from(read.partition).unwrap()];
        let others = if read.partition == 1 { 2 } else { 0 };
        let ours = read.end - others;
        let (first, last) = match ours {
            0 => (Value::Null, Value::Null),
            _ => (json!(others), json!(read.end - 1)),
        };
        let expected = json!({
            "partition": read.partition, "records": ours,
            "first_offset": first, "last_offset": last,
        });
        assert_eq!(*told, expected, "{summary}");
    }
}

#[test]
fn a_rate_is_kept() {
    let Some(cluster) = shared_single() else {
        return;
    };
    // Two seconds' worth by either measure; a part of the first second may go out at once.
    let recipe = lines(320, 4_000);
    let bytes = format!("{}B", recipe.bytes().len() / 2);
    for rate in [bytes.as_str(), "2k"] {
        let load = Load::into_topic(cluster, 2);
        let content = load.generate("a", &recipe);
        let summary = load.finish(&["--rate", rate]);
        let seconds = summary["seconds"].as_f64().unwrap();
        assert!(
            (1.0..30.0).contains(&seconds),
            "{rate}: {seconds} s for two seconds' worth"
        );
        load.assert_holds(cluster.judge(), &[&content]);
    }
}

/// Twenty lines, of which the fourth and the twelfth are too long; the latter is no UTF-8.
fn with_long_lines(load: &Load) -> (Vec<Vec<u8>>, [usize; 2]) {
    let mut records: Vec<Vec<u8>> = (0..20).map(|n| format!("line {n}").into_bytes()).collect();
    records[3] = b"long \"quoted\" ".repeat(5_000);
    records[11] = [b"\xff\x00\\".as_slice(), &b"x".repeat(40_000)].concat();
    load.write("a", &[records.join(&b'\n'), b"\n".to_vec()].concat());
    (records, [3, 11])
}

#[test]
fn refused_records_are_told_exactly_and_can_be_loaded_again() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let load = Load::into_small_batches(cluster, 1);
    let (records, refused) = with_long_lines(&load);
    // None is allowed, one is too few; what could be delivered before stays delivered.
    load.run(&[]).failed(1, &["--max-errors"]);
    load.run(&["--max-errors", "1"])
        .failed(1, &["--max-errors"]);
    let rejects = load.path("rejects");
    let rejects = rejects.to_str().unwrap();
    load.run(&["--restart", "--max-errors", "2", "--rejects", rejects])
        .with_code(3)
        .saying(&["2 rejects"]);
    let text = fs::read_to_string(rejects).unwrap();
    let told: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(told.len(), 2, "{text}");
    let input = fs::canonicalize(load.input("a")).unwrap();
    for (told, index) in told.iter().zip(refused) {
        let before: usize = records[..index].iter().map(|record| record.len() + 1).sum();
        assert_eq!(told["file"], input.to_str().unwrap());
        assert_eq!(
            (&told["input"], &told["line"]),
            (&json!(1), &json!(index + 1))
        );
        assert_eq!(
            (&told["offset"], &told["length"]),
            (&json!(before), &json!(records[index].len()))
        );
        let reason = told["reason"].as_str().unwrap();
        assert!(reason.contains("30000"), "{reason}");
    }
    assert_eq!(
        told[0]["content"],
        String::from_utf8(records[3].clone()).unwrap()
    );
    assert_eq!(told[0].get("content_base64"), None);
    let encoded = told[1]["content_base64"].as_str().unwrap();
    assert!(encoded.starts_with("/wBceHh4"), "{}", &encoded[..20]);
    assert_eq!(told[1].get("content"), None);

    // Finished with rejects stays that.
    load.run(&["--max-errors", "2", "--rejects", rejects])
        .with_code(3)
        .saying(&["already loaded"]);
    let mut values = load.values(judge);
    let delivered: Vec<&Vec<u8>> = records
        .iter()
        .enumerate()
        .filter(|(at, _)| !refused.contains(at))
        .map(|(_, r)| r)
        .collect();
    // The tries before delivered the first three lines, or none of them.
    let tail = values.split_off(values.len() - delivered.len());
    assert_eq!(tail.iter().collect::<Vec<_>>(), delivered);

    // The file is lines itself.
    let again = Load::into_topic(cluster, 1);
    fs::copy(rejects, again.input("rejects")).unwrap();
    assert_eq!(again.finish(&[])["records"], 2);
    assert_eq!(
        again.values(judge),
        text.lines().map(str::as_bytes).collect::<Vec<_>>()
    );
}

#[test]
fn a_load_that_stopped_at_a_refusal_goes_on_when_more_are_allowed() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let load = Load::into_small_batches(cluster, 1);
    let (records, refused) = with_long_lines(&load);
    load.run(&[]).failed(1, &["--max-errors"]);
    let rejects = load.path("rejects");
    let rejects = rejects.to_str().unwrap();
    let ended = load
        .run(&["--max-errors", "2", "--rejects", rejects])
        .with_code(3);
    assert_eq!(ended.summary()["rejects"], 2);
    let expected = records
        .iter()
        .enumerate()
        .filter(|(at, _)| !refused.contains(at));
    assert_eq!(
        load.values(cluster.judge()).iter().collect::<Vec<_>>(),
        expected.map(|(_, record)| record).collect::<Vec<_>>()
    );
    assert_eq!(fs::read_to_string(rejects).unwrap().lines().count(), 2);
}

#[test]
fn signals_end_it_in_order_and_the_same_command_goes_on() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let load = Load::into_small_batches(cluster, 2);
        let content = load.generate("a", &lines(340, 9_000));
        let running = load.spawn(SLOWLY);
        load.wait_begun(judge);
        running.signal(signal);
        let first = running.end().with_code(code).summary();
        assert_eq!(first["exit_code"], code);
        let sent = first["records"].as_u64().unwrap();
        assert!(0 < sent && sent < 9_000, "{first}");
        // All that was acknowledged is known to be, and nothing more is in the log.
        assert_eq!(load.count(judge), i64::try_from(sent).unwrap());

        let second = load.finish(&[]);
        assert_eq!(second["resumed"], true, "{second}");
        assert_eq!(second["resumed_from"]["records"], sent, "{second}");
        assert_eq!(second["records"], 9_000 - sent, "{second}");
        load.assert_holds(judge, &[&content]);
    }
}

#[test]
fn what_is_written_must_not_lie_among_what_is_read() {
    let load = Load::new("127.0.0.1:1");
    load.write("a.log", b"line\n");
    let inside = load.input("bad.jsonl");
    let inside = inside.to_str().unwrap();
    let ended = load.run(&["--max-errors", "1", "--rejects", inside]);
    ended.failed(2, &["--rejects", inside, "would be read as an input"]);
    assert!(!load.input("bad.jsonl").exists());
}
