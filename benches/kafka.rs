//! Against Apache Kafka itself, one node and eight partitions: how long does a file take, beside
//! kcat and Kafka's own producer?
//!
//! The broker and kafka-producer-perf-test run with the compiler that production has; the test
//! suite's quick-start settings are overruled for that.

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

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use kafka::cluster::{Cluster, Options};
use kafka::jars::{self, Version};
use kafka::judge::NewTopic;
use measure::child::{Cost, run};
use measure::input::Input;
use measure::peers::{self, Kcat};
use measure::report::{Aim, Report};
use measure::rounds::{Contender, interleave};

fn main() {
    if !measure::is_asked_for() {
        return;
    }
    measure::ensure_production_jvm();
    let mut report = Report::new("kafka");
    let Some(cluster) = Cluster::start(&Options::single()) else {
        report.leave_out("Apache Kafka: no KAFKA_HOME, and Maven brings no jars");
        report.finish();
        return;
    };
    measure_against(&cluster, &mut report);
    report.finish();
}

const PARTITIONS: i32 = 8;

fn measure_against(cluster: &Cluster, report: &mut Report) {
    let input = Input::lines(100, measure::input_bytes(200_000_000));
    let kcat = Kcat::find();
    let fresh = || {
        let topic = kafka::cluster::fresh_topic("bench");
        let made = cluster
            .judge()
            .create_topic(&NewTopic::new(&topic, PARTITIONS));
        made.expect("a topic can be made");
        topic
    };
    // A topic for each run: what it wrote goes with it.
    let turn = |command: &dyn Fn(&str) -> Command| {
        let topic = fresh();
        let cost = run(&mut command(&topic));
        let ends = cluster
            .judge()
            .end_offsets(&topic)
            .expect("the topic is there");
        let records: i64 = ends.iter().sum();
        assert_eq!(records.unsigned_abs(), input.records, "records of {topic}");
        cluster
            .judge()
            .delete_topic(&topic)
            .expect("the topic is there");
        cost
    };
    let (file, address) = (&input.path, cluster.bootstrap());
    let mut contenders = vec![Contender::new("ours", || {
        turn(&|topic| peers::load(file, topic, address))
    })];
    match &kcat {
        Ok(kcat) => contenders.push(Contender::new("kcat", || {
            turn(&|topic| kcat.load(file, topic, address))
        })),
        Err(reason) => report.leave_out(reason),
    }
    contenders.push(Contender::new("perf-test", || {
        turn(&|topic| perf_test(&input, topic, address))
    }));
    let costs = interleave(measure::rounds(), contenders);

    let mut add = |what: &str, (over, under), aim, figure: fn(&Cost) -> f64| {
        if let Some(ratio) = costs.ratio(over, under, figure) {
            let seconds = |name| {
                let median = costs.median(name, figure).unwrap_or(f64::NAN);
                format!("{median:.2} s")
            };
            report.add(what, ratio, Aim::AtMost(aim), seconds(over), seconds(under));
        }
    };
    add(
        "Apache Kafka, wall over kcat's",
        ("ours", "kcat"),
        0.7,
        Cost::wall,
    );
    let title = "Apache Kafka, wall over kafka-producer-perf-test's";
    add(title, ("ours", "perf-test"), 0.4, Cost::wall);
    add(
        "Apache Kafka, our CPU over kcat's",
        ("ours", "kcat"),
        0.125,
        Cost::cpu,
    );
}

/// Kafka's own load generator, with as many records of as many bytes each. They are of its own
/// making: with a file it would first read all of it into a list, and then send lines at random.
fn perf_test(input: &Input, topic: &str, address: &str) -> Command {
    let jars = jars::find(Version::Newest).expect("they have started the broker");
    let java = jars.java("1g");
    let mut command = Command::new(&java[0]);
    command.args(
        java[1..]
            .iter()
            .filter(|argument| !is_for_quick_starts(argument)),
    );
    command.args([
        "org.apache.kafka.tools.ProducerPerformance",
        "--topic",
        topic,
    ]);
    command.args(["--num-records", &input.records.to_string()]);
    let line_bytes = input.bytes / input.records - 1;
    command.args([
        "--record-size",
        &line_bytes.to_string(),
        "--throughput",
        "-1",
    ]);
    command.arg("--producer-props");
    command.arg(format!("bootstrap.servers={address}"));
    // As kcat is tuned: with its defaults it takes several times as long.
    command.args([
        "batch.size=1000000",
        "linger.ms=100",
        "buffer.memory=134217728",
    ]);
    command
}

fn is_for_quick_starts(argument: &OsString) -> bool {
    let argument = Path::new(argument).to_string_lossy();
    argument.contains("TieredStopAtLevel") || argument.contains("UseSerialGC")
}
