//! What becomes of the topic under a load, and what a person is told about it.

use super::run::{Load, SLOWLY, lines, until};
use crate::kafka::cluster::shared_single;
use crate::kafka::judge::{Isolation, NewTopic};

#[test]
fn a_topic_made_anew_between_runs_is_not_continued() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_small_batches(cluster, 2));
    let content = load.generate("a", &lines(500, 9_000));
    load.interrupt(judge, &[]);
    let new = NewTopic::new(&load.topic, 2).config("max.message.bytes", 30_000);
    load.make_topic_anew(judge, &new);
    load.run(&[]).failed(
        1,
        &[&load.topic, "deleted and made again since", "--restart"],
    );
    assert_eq!(load.count(judge), 0);
    load.finish(&["--restart"]);
    load.assert_holds(judge, &[&content]);
}

#[test]
fn a_topic_made_anew_while_it_is_loaded_is_not_written_into() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_small_batches(cluster, 2));
    load.generate("a", &lines(510, 15_000));
    let running = load.spawn(SLOWLY);
    load.wait_begun(judge);
    load.make_topic_anew(judge, &NewTopic::new(&load.topic, 2));
    running
        .end()
        .failed(1, &[&load.topic, "deleted and made anew", "--restart"]);
    // Sent by the topic's id, nothing of it can have come to lie in the new one.
    assert_eq!(load.count(judge), 0);
}

#[test]
fn a_topic_deleted_while_it_is_loaded_is_said_to_be_gone() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let (judge, load) = (cluster.judge(), Load::into_small_batches(cluster, 2));
    load.generate("a", &lines(520, 15_000));
    let limits = [
        "-X",
        "delivery.timeout.ms=6000",
        "-X",
        "request.timeout.ms=3000",
    ];
    let running = load.spawn(&[SLOWLY, &limits].concat());
    load.wait_begun(judge);
    judge.delete_topic(&load.topic).unwrap();
    running.end().failed(1, &[&load.topic, "UNKNOWN_TOPIC"]);
    // Nobody has it made again.
    assert!(judge.describe_topic(&load.topic).is_err());
}

#[test]
fn a_record_larger_than_the_topic_takes_is_named_with_the_limit() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let load = Load::into_small_batches(cluster, 1);
    load.write(
        "a",
        &[b"short\n".as_slice(), &[b'x'; 40_000], b"\n"].concat(),
    );
    load.run(&[])
        .failed(1, &["inputs/a", "byte 6", "40000", "30000", "--max-errors"]);

    // `max.request.size` only lowers it.
    let load = Load::into_topic(cluster, 1);
    load.write(
        "a",
        &[b"short\n".as_slice(), &[b'x'; 40_000], b"\n"].concat(),
    );
    let limit = ["-X", "max.request.size=20000"];
    load.run(&limit)
        .failed(1, &["inputs/a", "byte 6", "20000", "max.request.size"]);
}

#[test]
fn batches_that_became_too_large_are_halved() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let judge = cluster.judge();
    let load = Load::into_small_batches(cluster, 1);
    let content = load.generate("a", &lines(530, 12_000));
    let running = load.spawn(SLOWLY);
    load.wait_begun(judge);
    judge
        .alter_topic_config(&load.topic, "max.message.bytes", "9000")
        .unwrap();
    let before = load.count(judge);
    let summary = running.end().done();
    assert_eq!(summary["promise"], "exactly once", "{summary}");
    assert!(before < 12_000, "the limit came too late to matter");
    load.assert_holds(judge, &[&content]);
}

#[test]
fn a_compacted_topic_is_refused() {
    let Some(cluster) = shared_single() else {
        return;
    };
    for policy in ["compact", "compact,delete"] {
        let load = Load::new(cluster.bootstrap());
        let topic = NewTopic::new(&load.topic, 1).config("cleanup.policy", policy);
        cluster.judge().create_topic(&topic).unwrap();
        load.write("a", b"line\n");
        for flags in [[].as_slice(), &["--dry-run"]] {
            load.run(flags)
                .failed(2, &[&load.topic, "cleanup.policy", "compact", "keys"]);
        }
        assert_eq!(load.count(cluster.judge()), 0);
    }
}

#[test]
fn what_is_less_than_exactly_once_is_promised_as_that() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let cases: [&[&str]; 4] = [
        &["-X", "acks=1"],
        &["-X", "acks=0"],
        &["-X", "enable.idempotence=false"],
        &["-X", "acks=1", "-X", "enable.idempotence=false"],
    ];
    for (seed, flags) in (540..).zip(cases) {
        let load = Load::into_small_batches(cluster, 2);
        let content = load.generate("a", &lines(seed, 4_000));
        let summary = load.finish(flags);
        assert_eq!(summary["promise"], "at least once", "{flags:?}");
        assert_eq!(summary["records"], 4_000, "{flags:?}");
        // With acks=0 nobody says when they have arrived.
        until("all records arrive", || {
            load.count(cluster.judge()) == 4_000
        });
        load.assert_holds(cluster.judge(), &[&content]);
        for partition in 0..2 {
            let producers = cluster
                .judge()
                .describe_producers(&load.topic, partition)
                .unwrap();
            assert_eq!(producers, [], "{flags:?}");
        }
        load.run(flags).saying(&["already loaded"]).done();
    }
    // Asked for both, Kafka's producer refuses too.
    let load = Load::into_topic(cluster, 1);
    load.write("a", b"line\n");
    let both = ["-X", "acks=1", "-X", "enable.idempotence=true"];
    load.run(&both).failed(2, &["acks", "enable.idempotence"]);
    let read = cluster
        .judge()
        .read(&load.topic, Isolation::ReadCommitted)
        .unwrap();
    assert_eq!(read[0].count, 0);
}
