//! The kit itself: what it starts runs, what it says is true, and what it should notice it notices.

use std::path::PathBuf;
use std::time::Duration;

use super::cluster::{Cluster, Options, fresh_topic, shared_single, shared_three};
use super::jars::Version;
use super::judge::{Acl, Isolation, Judge, NewTopic};
use super::lines::{Checker, Expected, Random, Sizes, Verdict, check_lines, crc32, generate};
use super::records::Record;
use super::tools;

const COMMITTED: Isolation = Isolation::ReadCommitted;

fn input(content: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

#[track_caller]
fn assert_holds(judge: &Judge, topic: &str, content: &[u8]) {
    let expected = Expected::new(vec![content.to_vec()], b'\n');
    check_lines(&expected, &judge.dump(topic, COMMITTED).unwrap()).assert_clean();
}

/// Puts generated lines into a topic by the Java producer.
fn fill(judge: &Judge, topic: &str, seed: u64, count: u32) -> Vec<u8> {
    let content = generate(seed, count, Sizes::Between(23..=200)).bytes();
    let acknowledged = judge
        .produce(topic, None, input(&content).path(), b'\n', &[])
        .unwrap();
    assert_eq!(acknowledged, u64::from(count));
    content
}

#[test]
fn what_the_console_producer_writes_every_reader_finds() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, topic) = (cluster.judge(), fresh_topic("console"));
    let created = judge.create_topic(&NewTopic::new(&topic, 1)).unwrap();
    assert_eq!(created.topic_id.len(), 22);
    let content = generate(1, 500, Sizes::Between(23..=300))
        .without_last_delimiter()
        .bytes();

    tools::console_producer(cluster.bootstrap(), &topic, input(&content).path()).text();
    assert_holds(judge, &topic, &content);
    assert_eq!(judge.end_offsets(&topic).unwrap(), [500]);

    let consumed = tools::console_consumer(cluster.bootstrap(), &topic, 500).lines();
    assert_eq!(
        consumed,
        content.split(|byte| *byte == b'\n').collect::<Vec<_>>()
    );

    let dumped = tools::dump_log_segments(&tools::segments(cluster, 1, &topic, 0)).text();
    assert_eq!(
        dumped
            .lines()
            .filter(|line| line.starts_with("| offset:"))
            .count(),
        500
    );
    assert!(dumped.contains("isvalid: true"), "{dumped}");
}

#[test]
fn producer_performance_reads_its_payloads_from_a_file() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let topic = fresh_topic("performance");
    cluster
        .judge()
        .create_topic(&NewTopic::new(&topic, 2))
        .unwrap();
    let payloads = input(&generate(2, 100, Sizes::Fixed(100)).bytes());
    let said = tools::producer_performance(
        cluster.bootstrap(),
        &topic,
        payloads.path(),
        1_000,
        &["linger.ms=20"],
    );
    let text = said.text();
    assert!(text.contains("1000 records sent"), "{text}");
    let counts = cluster.judge().read(&topic, COMMITTED).unwrap();
    assert_eq!(counts.iter().map(|read| read.count).sum::<u64>(), 1_000);
}

#[test]
fn a_killed_broker_keeps_what_it_acknowledged() {
    let Some(cluster) = Cluster::start(&Options::single()) else {
        return;
    };
    let (judge, topic) = (cluster.judge(), "kept");
    judge.create_topic(&NewTopic::new(topic, 3)).unwrap();
    let content = fill(judge, topic, 3, 1_000);
    let before = judge.read(topic, COMMITTED).unwrap();
    let producers = judge.describe_producers(topic, 0).unwrap();
    assert_eq!((producers.len(), producers[0].last_sequence), (1, 333));

    cluster.node(1).kill9();
    assert!(!cluster.node(1).is_running());
    cluster.restart(1);
    assert_eq!(judge.read(topic, COMMITTED).unwrap(), before);
    assert_holds(judge, topic, &content);

    cluster.restart(1); // cleanly
    assert_eq!(judge.describe_producers(topic, 0).unwrap(), producers);
}

#[test]
fn nothing_is_left_of_a_cluster_that_was_dropped() {
    let Some(cluster) = Cluster::start(&Options::single()) else {
        return;
    };
    let directory: PathBuf = cluster.node(1).data();
    let address = cluster.bootstrap().to_owned();
    assert!(directory.exists());
    drop(cluster);
    assert!(!directory.exists());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn leadership_moves_among_three_nodes() {
    let Some(cluster) = shared_three() else {
        return;
    };
    let (judge, topic) = (cluster.judge(), fresh_topic("led"));
    let created = judge
        .create_topic(&NewTopic::new(&topic, 1).replication(3))
        .unwrap();
    let content = fill(judge, &topic, 4, 200);
    let mut leader = created.partitions[0].leader;
    for _ in 0..3 {
        let next = leader % 3 + 1;
        judge
            .move_leader(&topic, 0, usize::try_from(next).unwrap())
            .unwrap();
        leader = judge.describe_topic(&topic).unwrap().partitions[0].leader;
        assert_eq!(leader, next);
        assert_holds(judge, &topic, &content);
    }
}

#[test]
fn a_stopped_and_a_killed_leader_are_replaced() {
    let Some(cluster) = Cluster::start(&Options::three()) else {
        return;
    };
    let (judge, topic) = (cluster.judge(), "survivors");
    judge
        .create_topic(&NewTopic::new(topic, 3).replication(3))
        .unwrap();
    let content = fill(judge, topic, 5, 300);

    cluster.node(1).stop();
    let survivors = Judge::of(&format!(
        "{},{}",
        cluster.node(2).address(),
        cluster.node(3).address()
    ));
    assert_holds(&survivors, topic, &content);
    cluster.node(1).cont();

    cluster.wait_ready();
    cluster.node(2).kill9();
    cluster.node(3).kill9();
    cluster.restart_dead();
    assert_holds(judge, topic, &content);
    for id in 1..=3 {
        cluster.restart(id);
    }
    assert_holds(judge, topic, &content);
}

#[test]
fn an_older_kafka_runs_too() {
    let Some(cluster) = Cluster::start(&Options::single().version(Version::V3_4)) else {
        return;
    };
    let (judge, topic) = (cluster.judge(), "older");
    judge.create_topic(&NewTopic::new(topic, 2)).unwrap();
    let content = fill(judge, topic, 6, 100);
    assert_holds(judge, topic, &content);
    cluster.node(1).kill9();
    cluster.restart(1);
    assert_holds(judge, topic, &content);
}

#[test]
fn rights_are_given_and_taken() {
    let Some(cluster) = Cluster::start(&Options::single().with_acls()) else {
        return;
    };
    let (judge, topic) = (cluster.judge(), "guarded");
    judge.create_topic(&NewTopic::new(topic, 1)).unwrap();
    let content = fill(judge, topic, 7, 10);

    let rules = [Acl::deny(topic, "WRITE"), Acl::allow(topic, "READ")];
    judge.create_acls(&rules).unwrap();
    let refused = judge
        .produce(topic, None, input(&content).path(), b'\n', &[])
        .unwrap_err();
    assert_eq!(
        refused.kafka_error(),
        Some("TopicAuthorizationException"),
        "{refused}"
    );
    assert_holds(judge, topic, &content);

    judge.delete_acls(&rules).unwrap();
    judge
        .produce(topic, None, input(&content).path(), b'\n', &[])
        .unwrap();
    assert_eq!(judge.end_offsets(topic).unwrap(), [20]);
}

#[test]
fn topics_change_under_those_who_use_them() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, topic) = (cluster.judge(), fresh_topic("changing"));
    let new = NewTopic::new(&topic, 1).config("max.message.bytes", 2_000_000);
    let first = judge.create_topic(&new).unwrap();
    fill(judge, &topic, 8, 50);
    assert_eq!(judge.delete_records(&topic, 0, 20).unwrap(), 20);
    let read = &judge.read(&topic, COMMITTED).unwrap()[0];
    assert_eq!(
        (read.begin, read.end, read.count, read.first, read.last),
        (20, 50, 30, 20, 49)
    );
    assert_eq!(read.gaps, []);
    assert_eq!(judge.delete_records(&topic, 0, -1).unwrap(), 50);
    assert_eq!(judge.beginning_offsets(&topic).unwrap(), [50]);

    assert_eq!(judge.add_partitions(&topic, 4).unwrap().partitions.len(), 4);
    judge
        .alter_topic_config(&topic, "max.message.bytes", "1000")
        .unwrap();
    let long = input(&generate(9, 1, Sizes::Fixed(5_000)).bytes());
    let refused = judge
        .produce(&topic, Some(2), long.path(), b'\n', &[])
        .unwrap_err();
    assert_eq!(
        refused.kafka_error(),
        Some("RecordTooLargeException"),
        "{refused}"
    );

    judge.delete_topic(&topic).unwrap();
    let gone = judge.describe_topic(&topic).unwrap_err();
    assert_eq!(
        gone.kafka_error(),
        Some("UnknownTopicOrPartitionException"),
        "{gone}"
    );
    assert_ne!(judge.create_topic(&new).unwrap().topic_id, first.topic_id);
}

#[test]
fn one_listener_sends_its_clients_astray() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let astray = Judge::of(&cluster.node(1).misleading_address());
    let error = astray.wait_ready(&[1], Duration::from_secs(1)).unwrap_err();
    assert_eq!(
        error.kafka_error(),
        Some("IllegalStateException"),
        "{error}"
    );
    astray.forget();
}

#[test]
fn crc32_is_the_one_that_everybody_has() {
    assert_eq!(crc32(&[b"1234", b"56789"]), 0xcbf4_3926);
}

#[test]
fn generated_lines_are_the_same_again_and_as_long_as_asked() {
    let recipe = generate(10, 1_000, Sizes::Mixed).binary().delimiter(0);
    let bytes = recipe.bytes();
    assert_eq!(bytes, recipe.bytes());
    assert_eq!(Expected::new(vec![bytes.clone()], 0).count(), 1_000);
    assert!(
        bytes
            .split(|byte| *byte == 0)
            .any(|line| line.len() > 1_000)
    );
    assert!(bytes.contains(&b'\r') && bytes.contains(&b'\n') && bytes.contains(&0xff));

    let fixed = generate(11, 10, Sizes::Fixed(99)).bytes();
    assert_eq!(fixed.len(), 1_000);
    assert_eq!(
        generate(11, 10, Sizes::Fixed(99))
            .without_last_delimiter()
            .bytes()
            .len(),
        999
    );
    assert_ne!(generate(12, 10, Sizes::Fixed(99)).bytes(), fixed);
}

/// Lines dealt over three partitions in pieces of seven, as a loader deals its chunks.
fn dealt(content: &[u8]) -> Vec<Record> {
    let lines = content
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let mut offsets = [0; 3];
    lines
        .enumerate()
        .map(|(index, line)| {
            let place = index / 7 % 3;
            offsets[place] += 1;
            Record {
                partition: i32::try_from(place).unwrap(),
                offset: offsets[place] - 1,
                value: Some(line.to_vec()),
                ..Record::default()
            }
        })
        .collect()
}

#[track_caller]
fn verdict_after(damage: impl FnOnce(&mut Vec<Record>)) -> Verdict {
    let content = generate(13, 100, Sizes::Between(23..=60)).bytes();
    let expected = Expected::new(vec![content.clone()], b'\n');
    let mut records = dealt(&content);
    damage(&mut records);
    let mut checker = Checker::new(&expected);
    records.iter().for_each(|record| checker.see(record));
    checker.finish()
}

fn counts(verdict: &Verdict) -> [usize; 5] {
    let Verdict {
        lost,
        doubled,
        reordered,
        altered,
        foreign,
        ..
    } = verdict;
    [
        lost.len(),
        doubled.len(),
        reordered.len(),
        altered.len(),
        foreign.len(),
    ]
}

#[test]
fn a_verdict_names_every_kind_of_damage() {
    let clean = verdict_after(|_| ());
    assert!(clean.is_clean() && clean.is_at_least_once(), "{clean}");
    assert_eq!((clean.expected, clean.found), (100, 100));

    let lost = verdict_after(|records| records.truncate(99));
    assert_eq!(
        (counts(&lost), lost.lost.as_slice()),
        ([1, 0, 0, 0, 0], [99].as_slice())
    );
    assert!(!lost.is_at_least_once());

    let doubled = verdict_after(|records| {
        let again = records[50].clone();
        records.insert(51, again);
    });
    assert_eq!(counts(&doubled), [0, 1, 0, 0, 0]);
    assert!(doubled.is_at_least_once() && !doubled.is_clean());

    let reordered = verdict_after(|records| records.swap(0, 1));
    assert_eq!(counts(&reordered), [0, 0, 1, 0, 0]);
    assert!(!reordered.is_at_least_once());

    let moved = verdict_after(|records| records[0].partition = 1);
    assert_eq!(
        counts(&moved),
        [0; 5],
        "a line may be in any partition, in the input's order"
    );

    let altered = verdict_after(|records| records[9].value.as_mut().unwrap()[22] ^= 1);
    assert_eq!(counts(&altered), [1, 0, 0, 1, 0]);
    let keyed = verdict_after(|records| records[9].key = Some(Vec::new()));
    assert_eq!(counts(&keyed), [0, 0, 0, 1, 0]);

    let foreign = generate(14, 1, Sizes::Fixed(30)).task(2).bytes();
    let foreign = verdict_after(|records| records[9].value = Some(foreign[..30].to_vec()));
    assert_eq!(counts(&foreign), [1, 0, 0, 0, 1]);
}

#[test]
fn a_rejected_line_must_be_missing() {
    let content = generate(15, 30, Sizes::Fixed(40)).bytes();
    let mut expected = Expected::new(vec![content.clone()], b'\n');
    expected.refuse(1, 29);
    let check = |records: &[Record]| {
        let mut checker = Checker::new(&expected);
        records.iter().for_each(|record| checker.see(record));
        counts(&checker.finish())
    };
    let mut records = dealt(&content);
    assert_eq!(check(&records), [0, 0, 0, 0, 1]);
    records.pop();
    assert_eq!(check(&records), [0; 5]);
}

#[test]
fn any_single_changed_byte_is_found() {
    let mut random = Random(16);
    for _ in 0..500 {
        let (line, bit) = (random.within(0, 99), random.within(0, 7));
        let found = verdict_after(|records| {
            let value = records[line].value.as_mut().unwrap();
            let place = random.within(0, value.len() - 1);
            value[place] ^= 1 << bit;
        });
        assert!(!found.is_at_least_once(), "line {line}, bit {bit}: {found}");
    }
}
