//! Kafka's authorizer: without a right to write, and with nothing else.

use super::run::{Load, SLOWLY, lines};
use crate::kafka::cluster::{Cluster, Options};
use crate::kafka::judge::{Acl, Judge};

/// Runs `what` under these rules about the topic.
fn under<T>(judge: &Judge, rules: &[Acl], what: impl FnOnce() -> T) -> T {
    judge.create_acls(rules).unwrap();
    let result = what();
    judge.delete_acls(rules).unwrap();
    result
}

#[test]
fn rights_decide_what_is_done_and_what_is_said() {
    let Some(cluster) = Cluster::start(&Options::single().with_acls()) else {
        return;
    };
    no_right_to_write(&cluster);
    no_right_to_look(&cluster);
    no_right_to_make(&cluster);
    write_only(&cluster);
    taken_away_meanwhile(&cluster);
}

fn no_right_to_write(cluster: &Cluster) {
    let load = Load::into_topic(cluster, 2);
    load.write("a", b"line\n");
    let rules = [
        Acl::deny(&load.topic, "WRITE"),
        Acl::allow(&load.topic, "READ"),
    ];
    under(cluster.judge(), &rules, || {
        for flags in [
            [].as_slice(),
            &["--dry-run"],
            &["-X", "enable.idempotence=false"],
        ] {
            load.run(flags)
                .failed(1, &["no right to WRITE", &load.topic, "kafka-acls"]);
        }
    });
    assert_eq!(load.count(cluster.judge()), 0);
}

fn no_right_to_look(cluster: &Cluster) {
    let load = Load::into_topic(cluster, 1);
    load.write("a", b"line\n");
    let rules = [Acl::deny(&load.topic, "DESCRIBE")];
    under(cluster.judge(), &rules, || {
        load.run(&[])
            .failed(1, &["no right to DESCRIBE", &load.topic]);
    });
}

fn no_right_to_make(cluster: &Cluster) {
    let load = Load::new(cluster.bootstrap());
    load.write("a", b"line\n");
    // The broker itself is anonymous too, and has to go on.
    let of_cluster = |acl| Acl {
        resource: "CLUSTER",
        name: "kafka-cluster".to_owned(),
        ..acl
    };
    let rules = [
        of_cluster(Acl::allow("", "ALL")),
        of_cluster(Acl::deny("", "CREATE")),
        Acl::allow(&load.topic, "DESCRIBE"),
    ];
    under(cluster.judge(), &rules, || {
        let create = ["--create-topic", "partitions=1"];
        let parts = [
            load.topic.as_str(),
            "cannot be created",
            "AUTHORIZATION_FAILED",
        ];
        load.run(&create).failed(1, &parts);
    });
}

/// The right to write brings that to look at the topic, and no other.
fn write_only(cluster: &Cluster) {
    let judge = cluster.judge();
    let load = Load::into_topic(cluster, 2);
    let content = load.generate("a", &lines(600, 9_000));
    let rules = [
        Acl::allow(&load.topic, "WRITE"),
        Acl::deny(&load.topic, "READ"),
        Acl::deny(&load.topic, "DESCRIBE_CONFIGS"),
    ];
    let (first, second) = under(judge, &rules, || {
        let running = load.spawn(SLOWLY);
        load.wait_begun(judge);
        running.signal(rustix::process::Signal::TERM);
        let first = running.end().with_code(143).summary();
        (first, load.finish(&[]))
    });
    assert_eq!(second["resumed"], true, "{second}");
    assert_eq!(second["promise"], "exactly once", "{second}");
    assert_eq!(second["resumed_from"]["records"], first["records"]);
    load.assert_holds(judge, &[&content]);
}

fn taken_away_meanwhile(cluster: &Cluster) {
    let judge = cluster.judge();
    let load = Load::into_small_batches(cluster, 1);
    let content = load.generate("a", &lines(610, 9_000));
    let running = load.spawn(SLOWLY);
    load.wait_begun(judge);
    let ended = under(judge, &[Acl::deny(&load.topic, "WRITE")], || running.end());
    ended.failed(1, &[&load.topic, "TOPIC_AUTHORIZATION_FAILED"]);
    load.finish(&[]);
    load.assert_holds(judge, &[&content]);
}
