//! What does a dump from Apache Kafka cost, against kcat as it is and tuned, and against a loop that
//! only fetches?
//!
//! All read the same topic, which a load has written, and write the same file over where it lies, so
//! that its pages are there; the floor writes nothing. The broker runs with the compiler that
//! production has.

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

use std::path::{Path, PathBuf};
use std::process::Command;

use kafka::cluster::{Cluster, Options, fresh_topic};
use kafka::judge::NewTopic;
use measure::child::{Cost, Ends, collected, peak_memory, run, run_and_read, run_through};
use measure::input::Input;
use measure::peers::{self, Built, CONSUMER_TUNING, Kcat};
use measure::report::{Aim, Report};
use measure::rounds::{Contender, Costs, interleave};

fn main() {
    if !measure::is_asked_for() {
        return;
    }
    measure::ensure_production_jvm();
    let mut report = Report::new("dump");
    match Cluster::start(&Options::single()) {
        Some(cluster) => Bench::new(&cluster, &mut report).run(&mut report),
        None => report.leave_out("dump: no KAFKA_HOME, and Maven brings no jars"),
    }
    report.finish();
}

struct Bench<'a> {
    cluster: &'a Cluster,
    kcat: Option<Kcat>,
    built: Option<Built>,
}

impl<'a> Bench<'a> {
    fn new(cluster: &'a Cluster, report: &mut Report) -> Self {
        let kcat = Kcat::find().map_err(|reason| report.leave_out(reason)).ok();
        let built = Built::make()
            .map_err(|reason| report.leave_out(reason))
            .ok();
        Self {
            cluster,
            kcat,
            built,
        }
    }

    fn run(&self, report: &mut Report) {
        let input = Input::lines(100, measure::input_bytes(200_000_000));
        let topic = self.loaded(&input, 1);
        let costs = self.against_peers(&input, &topic, 1);
        add_ratios(report, &input, &costs);
        self.memory(report, &topic);
        let spread = self.loaded(&input, PARTITIONS);
        let costs = self.against_peers(&input, &spread, PARTITIONS);
        add_spread(report, &costs);
        self.instructions(report);
    }

    /// A topic that holds the input.
    fn loaded(&self, input: &Input, partitions: i32) -> String {
        let topic = fresh_topic("dump");
        let judge = self.cluster.judge();
        let made = judge.create_topic(&NewTopic::new(&topic, partitions));
        made.expect("a topic can be made");
        run(&mut peers::load(
            &input.path,
            &topic,
            self.cluster.bootstrap(),
        ));
        topic
    }

    fn against_peers(&self, input: &Input, topic: &str, partitions: i32) -> Costs {
        let address = self.cluster.bootstrap();
        let output = Output::new(input);
        let mut contenders = vec![Contender::new("ours", || {
            let state = fresh_state();
            let cost = run(&mut peers::dump(topic, address, &output.path, &state));
            forget(&state);
            output.check(input);
            cost
        })];
        let with_kcat = |name, properties: &'static [&'static str]| {
            let kcat = self.kcat.as_ref()?;
            let mut command = kcat.dump(topic, address, properties);
            let output = &output;
            Some(Contender::new(name, move || {
                let ends = Ends {
                    output: Some(&output.path),
                    ..Ends::default()
                };
                let cost = run_through(&mut command, ends);
                output.check(input);
                cost
            }))
        };
        if partitions == 1 {
            contenders.extend(with_kcat("kcat", &[]));
        }
        contenders.extend(with_kcat("tuned", &CONSUMER_TUNING));
        if let Some(built) = &self.built {
            let mut command: Command = built.fetch_floor(topic, address, partitions, 1);
            contenders.push(Contender::new("floor", move || run(&mut command)));
        }
        interleave(measure::rounds(), contenders)
    }

    fn memory(&self, report: &mut Report, topic: &str) {
        let state = fresh_state();
        let output = measure::scratch().join("dumped");
        let address = self.cluster.bootstrap();
        let peak = peak_memory(&mut peers::dump(topic, address, &output, &state));
        forget(&state);
        // A batch has the bytes of a chunk and its records' framing: the largest, too.
        let batch = 0.7;
        let mebibytes = peak as f64 / f64::from(1 << 20);
        let aim = Aim::AtMost(8.0 + batch);
        let what = "dump, peak memory in MiB";
        report.add(what, mebibytes, aim, String::new(), String::new());
    }

    /// Two topics of different length, as in the bench of that name.
    fn instructions(&self, report: &mut Report) {
        if !peers::answers("valgrind", "--version") {
            report.leave_out("instructions per record: valgrind is not installed");
            return;
        }
        let counted = |bytes| {
            let input = Input::lines(100, bytes);
            let topic = self.loaded(&input, 1);
            let (output, state) = (Output::new(&input), fresh_state());
            let figures = measure::scratch().join("callgrind.out");
            let (_, said) = run_and_read(&mut peers::dump_counted(
                &topic,
                self.cluster.bootstrap(),
                (&output.path, &state),
                &figures,
            ));
            forget(&state);
            let all = collected(&said);
            let all = all.unwrap_or_else(|| panic!("callgrind has counted nothing:\n{said}"));
            (input.records, all)
        };
        let (few, many) = (counted(20_000_000), counted(100_000_000));
        let each = (many.1 - few.1) / (many.0 - few.0) as f64;
        let what = "dump, user instructions per 100-byte record";
        report.add(what, each, Aim::None, String::new(), String::new());
    }
}

const PARTITIONS: i32 = 8;

/// Where the records go: a file of the right length from the first run on.
struct Output {
    path: PathBuf,
}

impl Output {
    fn new(input: &Input) -> Self {
        let path = measure::scratch().join("dumped");
        let copied = std::fs::copy(&input.path, &path);
        assert_eq!(copied.expect("the disk has room"), input.bytes);
        Self { path }
    }

    /// Each line has a newline behind it, so the length says whether all of them are there.
    fn check(&self, input: &Input) {
        let found = self.path.metadata().expect("it was just written").len();
        assert_eq!(found, input.bytes, "bytes of what was dumped");
    }
}

/// A state of its own for each run: what an older one knows is cut before it is written again.
fn fresh_state() -> PathBuf {
    let state = measure::scratch().join(format!("dump-state-{}", std::process::id()));
    forget(&state);
    state
}

fn forget(state: &Path) {
    if state.exists() {
        std::fs::remove_dir_all(state).expect("it is ours");
    }
}

fn add_ratios(report: &mut Report, input: &Input, costs: &Costs) {
    let rate = |name| {
        let cpu = costs.median(name, Cost::cpu).unwrap_or(f64::NAN);
        format!("{:.2} M/s", input.records as f64 / cpu / 1e6)
    };
    for (peer, title, aim) in [
        ("kcat", "against kcat", Aim::AtLeast(10.0)),
        ("tuned", "against kcat, tuned", Aim::None),
        ("floor", "share of the floor", Aim::None),
    ] {
        if let Some(ratio) = costs.ratio(peer, "ours", Cost::cpu) {
            let what = format!("dump, records per CPU-second, {title}");
            report.add(&what, ratio, aim, rate("ours"), rate(peer));
        }
    }
    for (peer, title, aim) in [
        ("kcat", "against kcat", 10.0),
        ("tuned", "against kcat, tuned", 4.0),
        ("floor", "share of the floor", 0.8),
    ] {
        add_wall(report, costs, (peer, title), Aim::AtLeast(aim), "dump");
    }
}

/// Eight partitions: kcat as it is waits most of the time, and is not asked.
fn add_spread(report: &mut Report, costs: &Costs) {
    for peer in [
        ("tuned", "against kcat, tuned"),
        ("floor", "share of the floor"),
    ] {
        add_wall(report, costs, peer, Aim::None, "dump, 8 partitions");
    }
}

fn add_wall(report: &mut Report, costs: &Costs, (peer, title): (&str, &str), aim: Aim, name: &str) {
    let seconds = |name| {
        let wall = costs.median(name, Cost::wall).unwrap_or(f64::NAN);
        format!("{wall:.3} s")
    };
    if let Some(ratio) = costs.ratio(peer, "ours", Cost::wall) {
        let what = format!("{name}, wall, {title}");
        report.add(&what, ratio, aim, seconds("ours"), seconds(peer));
    }
}
