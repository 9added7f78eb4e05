//! What happens to brokers and topics while they are dumped.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use super::job::{Dump, LIMIT, PLACED, assert_all, records};
use crate::kafka::cluster::{Cluster, Options, fresh_topic, shared_single, shared_three};
use crate::kafka::judge::{Isolation, NewTopic};
use crate::kafka::lines::{Sizes, generate};
use crate::kafka::records::Record;
use crate::kill::process::{End, Process};
use crate::kill::until;

/// A batch at a time: thousands of answers.
const SLOWLY: [&str; 4] = [
    "-X",
    "fetch.max.bytes=1",
    "-X",
    "max.partition.fetch.bytes=1",
];

/// A topic of some megabytes, and a dump of it that takes its time.
fn slow(cluster: &Cluster, new: &NewTopic, topic: &str) -> (Dump, Vec<Record>) {
    let judge = cluster.judge();
    judge.create_topic(new).unwrap();
    let lines = generate(5, 60_000, Sizes::Between(23..=400)).bytes();
    let dump = Dump::new(cluster.bootstrap(), topic).flags(&SLOWLY);
    let dump = dump.flags(&["-f", PLACED]);
    fs::write(dump.path("lines"), &lines).unwrap();
    let properties = [("batch.size", "4000"), ("acks", "all")];
    judge
        .produce(topic, None, &dump.path("lines"), b'\n', &properties)
        .unwrap();
    let records = records(judge, topic, Isolation::ReadUncommitted);
    (dump, records)
}

/// Begins, and waits until some is written.
fn begin(dump: &Dump, flags: &[&str]) -> Process {
    let process = dump.spawn("out", flags);
    until("some is written", || size(dump) > 20_000);
    process
}

fn size(dump: &Dump) -> u64 {
    fs::metadata(dump.path("out")).map_or(0, |metadata| metadata.len())
}

#[test]
fn leaders_that_move_are_followed() {
    let Some(cluster) = shared_three() else {
        return;
    };
    let topic = fresh_topic("moved");
    let new = NewTopic::new(&topic, 2).replication(3);
    let (dump, expected) = slow(cluster, &new, &topic);
    let process = begin(&dump, &[]);
    for node in [2, 3, 1, 2] {
        for partition in 0..2 {
            cluster
                .judge()
                .move_leader(&topic, partition, node)
                .unwrap();
        }
    }
    assert_eq!(process.end_within(LIMIT), End::Code(0), "{}", dump.log());
    assert_all(&dump.read("out"), &expected, "moved");
}

#[test]
fn a_broker_that_dies_stops_or_stands_still_is_waited_for() {
    let Some(cluster) = Cluster::start(&Options::single()) else {
        return;
    };
    let topic = fresh_topic("harmed");
    let (dump, expected) = slow(&cluster, &NewTopic::new(&topic, 2), &topic);
    let dump = dump.flags(&["-X", "request.timeout.ms=2000"]);
    let process = begin(&dump, &[]);
    let node = cluster.node(1);
    node.stop();
    // Longer than a request may take: the connection is given up.
    assert!(
        !process.has_exited_within(Duration::from_millis(2_500)),
        "{}",
        dump.log()
    );
    node.cont();
    let before = size(&dump);
    until("it goes on", || size(&dump) > before);
    node.kill9();
    cluster.restart_dead();
    let before = size(&dump);
    until("it goes on", || {
        size(&dump) > before || process.has_exited_within(Duration::ZERO)
    });
    assert_eq!(process.end_within(LIMIT), End::Code(0), "{}", dump.log());
    assert_all(&dump.read("out"), &expected, "harmed");
}

#[test]
fn a_broker_that_stays_away_is_named_in_the_end() {
    let Some(cluster) = Cluster::start(&Options::single()) else {
        return;
    };
    let topic = fresh_topic("away");
    let (dump, expected) = slow(&cluster, &NewTopic::new(&topic, 1), &topic);
    let process = begin(&dump, &["-X", "default.api.timeout.ms=3000"]);
    cluster.node(1).kill9();
    assert_eq!(process.end_within(LIMIT), End::Code(1), "{}", dump.log());
    let said = dump.log();
    for part in ["nothing could be read for 3 s", "broker 1", "partition 0"] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    cluster.restart_dead();
    assert_eq!(dump.run("out", &[]), End::Code(0), "{}", dump.log());
    assert_all(&dump.read("out"), &expected, "away");
}

#[test]
fn records_that_are_deleted_meanwhile_are_an_error_unless_told_otherwise() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let topic = fresh_topic("deleted");
    let (dump, expected) = slow(cluster, &NewTopic::new(&topic, 1), &topic);
    let process = begin(&dump, &[]);
    let start = cluster.judge().delete_records(&topic, 0, 50_000).unwrap();
    assert_eq!(start, 50_000);
    assert_eq!(process.end_within(LIMIT), End::Code(1), "{}", dump.log());
    let said = dump.log();
    for part in [
        "is not in the log any more, which begins at 50000",
        "partition 0",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    let written = fs::read(dump.path("out")).unwrap();
    let lines = written.iter().filter(|&&byte| byte == b'\n').count();
    assert!(lines < 50_000, "nothing behind the gap");
    let end = dump.run("out", &["-X", "auto.offset.reset=earliest"]);
    assert_eq!(end, End::Code(0), "{}", dump.log());
    let kept: Vec<Record> = expected
        .into_iter()
        .filter(|record| record.offset < lines as i64 || record.offset >= 50_000)
        .collect();
    assert_all(&dump.read("out"), &kept, "deleted");
}

#[test]
fn a_topic_that_is_made_anew_is_another_one() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let topic = fresh_topic("anew");
    let new = NewTopic::new(&topic, 1);
    let (dump, _) = slow(cluster, &new, &topic);
    let process = begin(&dump, &["--until", "never"]);
    let judge = cluster.judge();
    judge.delete_topic(&topic).unwrap();
    until("the old topic is gone", || {
        judge.describe_topic(&topic).is_err()
    });
    judge.create_topic(&new).unwrap();
    assert_eq!(process.end_within(LIMIT), End::Code(1), "{}", dump.log());
    assert!(
        dump.log().contains("was deleted and made anew"),
        "{}",
        dump.log()
    );
    dump.fails(
        "out",
        &["--until", "never"],
        1,
        &["deleted and made again", "--restart"],
    );
}

#[test]
fn what_comes_meanwhile_is_followed_where_there_is_no_end() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let topic = fresh_topic("followed");
    let judge = cluster.judge();
    judge.create_topic(&NewTopic::new(&topic, 2)).unwrap();
    let dump = Dump::new(cluster.bootstrap(), &topic).flags(&["-f", PLACED]);
    let process = dump.spawn("out", &["--until", "never"]);
    for round in 0..3 {
        judge.produce_mixed(&topic, 100, round, false, &[]).unwrap();
        let lines = || {
            let written = fs::read(dump.path("out")).unwrap_or_default();
            written.iter().filter(|&&byte| byte == b'\n').count()
        };
        until("they are written", || lines() as u64 >= (round + 1) * 100);
    }
    process.signal(Signal::TERM);
    assert_eq!(process.end_within(LIMIT), End::Code(143), "{}", dump.log());
    let expected = records(judge, &topic, Isolation::ReadUncommitted);
    assert_all(&dump.read("out"), &expected, "followed");
}

#[test]
fn a_topic_that_is_not_there_and_partitions_that_are_not_are_named() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let topic = fresh_topic("missing");
    let dump = Dump::new(cluster.bootstrap(), &topic);
    dump.fails("out", &[], 1, &[&topic, "does not exist"]);
    cluster
        .judge()
        .create_topic(&NewTopic::new(&topic, 2))
        .unwrap();
    dump.fails("out", &["-p", "0,2"], 2, &["has partitions 0 to 1"]);
    dump.fails(
        "out",
        &["--from", "5", "--until", "never"],
        1,
        &["offset 5 is behind the log's end, which is 0"],
    );
}
