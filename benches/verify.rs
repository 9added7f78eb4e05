//! How much longer does a load take that reads all of it again, from the file and from the broker,
//! and compares?
//!
//! Against Apache Kafka, for the null peer keeps nothing; a topic for each run.

/// The test suite's Apache Kafka, without its own tests.
#[allow(
    dead_code,
    clippy::print_stderr,
    reason = "a kit of the test suite, which uses all of it and says what failed"
)]
#[path = "../tests/it/kafka"]
mod kafka {
    pub(crate) mod cluster;
    pub(crate) mod guarded;
    pub(crate) mod jars;
    pub(crate) mod judge;
    pub(crate) mod lines;
    pub(crate) mod node;
    pub(crate) mod ports;
    pub(crate) mod records;
}
mod measure;

use std::cell::Cell;
use std::process::Command;

use kafka::cluster::{Cluster, Options, fresh_topic};
use kafka::judge::NewTopic;
use measure::child::{Cost, Ends, refusal, run};
use measure::input::Input;
use measure::peers;
use measure::report::{Aim, Report};
use measure::rounds::{Contender, interleave};

fn main() {
    if !measure::is_asked_for() {
        return;
    }
    measure::ensure_production_jvm();
    let mut report = Report::new("verify");
    match Cluster::start(&Options::single()) {
        Some(cluster) => verify(&cluster, &mut report),
        None => report.leave_out("verification: no KAFKA_HOME, and Maven brings no jars"),
    }
    report.finish();
}

const PARTITIONS: i32 = 8;
const COUNT: &str = "--verify=count";
const HASH: &str = "--verify=hash";

fn verify(cluster: &Cluster, report: &mut Report) {
    let input = Input::lines(100, measure::input_bytes(200_000_000));
    let judge = cluster.judge();
    // A topic for each run: what it wrote goes with it.
    let in_fresh_topic = |mode: Option<&str>, go: &dyn Fn(&mut Command)| {
        let topic = fresh_topic("verify");
        let made = judge.create_topic(&NewTopic::new(&topic, PARTITIONS));
        made.expect("a topic can be made");
        let mut command = peers::load(&input.path, &topic, cluster.bootstrap());
        command.args(mode);
        go(&mut command);
        judge.delete_topic(&topic).expect("the topic is there");
    };
    let refused = Cell::new(None);
    in_fresh_topic(Some(HASH), &|command| {
        refused.set(refusal(command, Ends::default()));
    });
    if let Some(reason) = refused.take() {
        return report.leave_out(format!("verification: {reason}"));
    }
    let turn = |mode: Option<&str>| {
        let cost = Cell::new(None);
        in_fresh_topic(mode, &|command| cost.set(Some(run(command))));
        cost.get().expect("it ran")
    };
    let contenders = vec![
        Contender::new("plain", || turn(None)),
        Contender::new("count", || turn(Some(COUNT))),
        Contender::new("hash", || turn(Some(HASH))),
    ];
    let costs = interleave(measure::rounds(), contenders);
    let mut add = |what: &str, over, aim, figure: fn(&Cost) -> f64| {
        if let Some(ratio) = costs.ratio(over, "plain", figure) {
            let seconds = |name| {
                let median = costs.median(name, figure).unwrap_or(f64::NAN);
                format!("{median:.2} s")
            };
            // What verifying alone takes, in times the load.
            report.add(what, ratio - 1.0, aim, seconds(over), seconds("plain"));
        }
    };
    add(
        "verify hash, wall, over the load's",
        "hash",
        Aim::AtMost(1.0),
        Cost::wall,
    );
    add(
        "verify hash, CPU, over the load's",
        "hash",
        Aim::None,
        Cost::cpu,
    );
    add(
        "verify count, wall, over the load's",
        "count",
        Aim::None,
        Cost::wall,
    );
}
