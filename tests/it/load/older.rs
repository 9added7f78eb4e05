//! Apache Kafka 3.4: topics have ids, but records are sent to a name.

use super::run::{Load, SLOWLY, lines};
use crate::kafka::cluster::{Cluster, Options};
use crate::kafka::jars::Version;
use crate::kafka::judge::NewTopic;

#[test]
fn an_older_kafka_is_loaded_exactly_and_watched_by_topic_id() {
    let Some(cluster) = Cluster::start(&Options::single().version(Version::V3_4)) else {
        return;
    };
    loads_and_resumes(&cluster);
    made_anew_meanwhile(&cluster);
    made_anew_between(&cluster);
}

fn loads_and_resumes(cluster: &Cluster) {
    for (seed, codec) in (700..).zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        let load = Load::into_small_batches(cluster, 2);
        let content = load.generate("a", &lines(seed, 6_000));
        if codec == "none" {
            load.interrupt(cluster.judge(), &["-z", codec]);
        }
        let summary = load.finish(&["-z", codec]);
        assert_eq!(summary["promise"], "exactly once", "{codec}");
        load.assert_holds(cluster.judge(), &[&content]);
    }
}

/// Written into unnoticed at first: by its name it is the same topic.
fn made_anew_meanwhile(cluster: &Cluster) {
    let (judge, load) = (cluster.judge(), Load::into_small_batches(cluster, 2));
    load.generate("a", &lines(710, 9_000));
    let running = load.spawn(SLOWLY);
    load.wait_begun(judge);
    load.make_topic_anew(judge, &NewTopic::new(&load.topic, 2));
    running
        .end()
        .failed(1, &[&load.topic, "made anew", "--restart"]);
}

fn made_anew_between(cluster: &Cluster) {
    let (judge, load) = (cluster.judge(), Load::into_small_batches(cluster, 2));
    let content = load.generate("a", &lines(720, 3_000));
    load.finish(&[]);
    load.make_topic_anew(judge, &NewTopic::new(&load.topic, 2));
    load.run(&[]).failed(
        1,
        &[&load.topic, "deleted and made again since", "--restart"],
    );
    assert_eq!(load.count(judge), 0);
    load.finish(&["--restart"]);
    load.assert_holds(judge, &[&content]);
}
