//! What does a load cost, against kcat, librdkafka, and a loop that only reads and sends?
//!
//! All against the same null peer, which checks nothing, so that it is the clients that are
//! measured: CPU time by the kernel's account, and the wall.

mod measure;

use std::cell::RefCell;
use std::process::Command;

use measure::child::{Cost, peak_memory, run};
use measure::input::Input;
use measure::null_peer::NullPeer;
use measure::peers::{self, Built, Kcat};
use measure::report::{Aim, Report};
use measure::rounds::{Contender, Costs, interleave};

fn main() {
    if !measure::is_asked_for() {
        return;
    }
    let bench = Bench {
        bytes: measure::input_bytes(400_000_000),
        rounds: measure::rounds(),
        peer: NullPeer::start(),
        kcat: Kcat::find(),
        built: Built::make(),
    };
    let mut report = Report::new("load");
    for reason in [bench.kcat.as_ref().err(), bench.built.as_ref().err()] {
        reason
            .into_iter()
            .for_each(|reason| report.leave_out(reason));
    }
    let sizes = [
        (100, "100-byte lines", 12.0),
        (1_000, "1-KB lines", 3.0),
        (10_000, "10-KB lines", 2.2),
    ];
    for (line_bytes, name, aim) in sizes {
        bench.against_peers(&mut report, line_bytes, name, aim);
    }
    bench.lanes(&mut report);
    bench.idempotence(&mut report);
    bench.memory(&mut report);
    bench.long_line(&mut report);
    report.finish();
}

/// A record that a topic takes unless it is told otherwise, batch header included.
const RECORD_BYTES_MAX: usize = 1_048_588;

struct Bench {
    bytes: u64,
    rounds: u64,
    peer: NullPeer,
    kcat: Result<Kcat, String>,
    built: Result<Built, String>,
}

impl Bench {
    fn against_peers(&self, report: &mut Report, line_bytes: usize, name: &str, aim: f64) {
        let input = Input::lines(line_bytes, self.bytes);
        let topic = format!("lines-{line_bytes}");
        self.peer.create_topic(&topic, 1, RECORD_BYTES_MAX);
        let (file, address) = (&input.path, self.peer.address());
        let turn = |name, mut command: Command| Contender::new(name, move || run(&mut command));
        let mut contenders = vec![turn("ours", peers::load(file, &topic, address))];
        if let Ok(kcat) = &self.kcat {
            contenders.push(turn("kcat", kcat.load(file, &topic, address)));
        }
        if let Ok(built) = &self.built {
            contenders.push(turn("floor", built.floor(file, &topic, address, 1)));
            if line_bytes == 100 {
                contenders.push(turn("rdkafka", built.rdkafka(file, &topic, address)));
            }
        }
        let costs = interleave(self.rounds, contenders);

        let is_short = line_bytes == 100;
        let mut by_cpu = |peer: &'static str, title: &str, aim| {
            let rates = |name| records_per_cpu_second(&input, &costs, name);
            if let Some(ratio) = costs.ratio(peer, "ours", Cost::cpu) {
                let what = format!("{name}, records per CPU-second, {title}");
                report.add(&what, ratio, aim, rates("ours"), rates(peer));
            }
        };
        by_cpu("kcat", "against kcat", Aim::AtLeast(aim));
        by_cpu("rdkafka", "against librdkafka", Aim::AtLeast(10.0));
        let floor_aim = if is_short {
            Aim::AtLeast(0.6)
        } else {
            Aim::None
        };
        by_cpu("floor", "share of the floor", floor_aim);
        if let Some(ratio) = costs.ratio("kcat", "ours", Cost::wall) {
            let aim = if is_short {
                Aim::AtLeast(8.0)
            } else {
                Aim::None
            };
            let what = format!("{name}, wall, against kcat");
            report.add(
                &what,
                ratio,
                aim,
                wall(&costs, "ours"),
                wall(&costs, "kcat"),
            );
        }
    }

    /// Eight partitions and as many lanes as there are by default; the floor with two connections.
    fn lanes(&self, report: &mut Report) {
        let Ok(built) = &self.built else { return };
        let input = Input::lines(100, self.bytes);
        self.peer.create_topic("lanes", 8, RECORD_BYTES_MAX);
        let mut ours = peers::load(&input.path, "lanes", self.peer.address());
        let mut floor = built.floor(&input.path, "lanes", self.peer.address(), 2);
        let contenders = vec![
            Contender::new("ours", || run(&mut ours)),
            Contender::new("floor", || run(&mut floor)),
        ];
        let costs = interleave(self.rounds, contenders);
        let rates = |name| records_per_cpu_second(&input, &costs, name);
        if let Some(share) = costs.ratio("floor", "ours", Cost::cpu) {
            let what = "100-byte lines, 8 partitions, share of the floor, CPU";
            report.add(
                what,
                share,
                Aim::AtLeast(0.6),
                rates("ours"),
                rates("floor"),
            );
        }
    }

    fn idempotence(&self, report: &mut Report) {
        let input = Input::lines(100, self.long_bytes());
        // Without it a partition has one batch in flight: with eight the lanes are as busy as with it.
        self.peer.create_topic("idempotence", 8, RECORD_BYTES_MAX);
        let command = || peers::load(&input.path, "idempotence", self.peer.address());
        let (mut on, mut off) = (command(), command());
        off.args(["--producer-property", "enable.idempotence=false"]);
        let contenders = vec![
            Contender::new("on", || run(&mut on)),
            Contender::new("off", || run(&mut off)),
        ];
        // A few in a hundred are asked about: more rounds than for a ratio of ten.
        let costs = interleave(2 * self.rounds, contenders);
        let cpu = |name| format!("{:.3} s", costs.median(name, Cost::cpu).unwrap_or(f64::NAN));
        if let Some(ratio) = costs.ratio("on", "off", Cost::cpu) {
            let what = "idempotence, CPU with it over without";
            report.add(what, ratio, Aim::AtMost(1.05), cpu("on"), cpu("off"));
        }
    }

    fn memory(&self, report: &mut Report) {
        let input = Input::lines(100, self.bytes);
        for partitions in [1, 256] {
            let topic = format!("memory-{partitions}");
            self.peer.create_topic(&topic, partitions, RECORD_BYTES_MAX);
            let peak = peak_memory(&mut peers::load(&input.path, &topic, self.peer.address()));
            let what = format!("peak memory in MiB, {partitions} partitions");
            let mebibytes = peak as f64 / f64::from(1 << 20);
            report.add(
                &what,
                mebibytes,
                Aim::AtMost(8.0),
                String::new(),
                String::new(),
            );
        }
    }

    /// A record of 2 MB goes another way than short ones: what comes after must not notice.
    fn long_line(&self, report: &mut Report) {
        let input = Input::lines(100, self.long_bytes());
        self.peer.create_topic("long", 1, 4 << 20);
        let mut command = peers::load(&input.path, "long", self.peer.address());
        command.args(["--producer-property", "max.request.size=4194304"]);
        let command = RefCell::new(command);
        let turn = |is_joined| {
            input.join_first_lines(2_000_000, is_joined);
            run(&mut command.borrow_mut())
        };
        let contenders = vec![
            Contender::new("without", || turn(false)),
            Contender::new("with", || turn(true)),
        ];
        let costs = interleave(2 * self.rounds, contenders);
        input.join_first_lines(2_000_000, false);
        let title = "first lines joined to one of 2 MB, speed over without";
        for (name, figure) in [("CPU", Cost::cpu as fn(&Cost) -> f64), ("wall", Cost::wall)] {
            let seconds = |name| {
                let median = costs.median(name, figure).unwrap_or(f64::NAN);
                format!("{median:.3} s")
            };
            if let Some(ratio) = costs.ratio("without", "with", figure) {
                let what = format!("{title}, {name}");
                let aim = Aim::AtLeast(0.97);
                report.add(&what, ratio, aim, seconds("with"), seconds("without"));
            }
        }
    }

    /// For differences of a few in a hundred.
    fn long_bytes(&self) -> u64 {
        5 * self.bytes / 2
    }
}

fn records_per_cpu_second(input: &Input, costs: &Costs, name: &str) -> String {
    let cpu = costs.median(name, Cost::cpu).unwrap_or(f64::NAN);
    format!("{:.2} M/s", input.records as f64 / cpu / 1e6)
}

fn wall(costs: &Costs, name: &str) -> String {
    format!(
        "{:.3} s",
        costs.median(name, Cost::wall).unwrap_or(f64::NAN)
    )
}
