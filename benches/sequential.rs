//! What does a load cost whose input must be read from its start to its end: standard input, lines
//! with keys, compressed files?
//!
//! All against the null peer. kcat gets the same input the same way. A compressed file is held
//! against what it cannot be faster than: decompressing it with the same library and throwing the
//! bytes away, and loading the same lines uncompressed.

mod measure;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use measure::child::{Cost, Ends, refusal, run, run_through};
use measure::input::Input;
use measure::null_peer::NullPeer;
use measure::peers::{self, Kcat};
use measure::report::{Aim, Report};
use measure::rounds::{Contender, Costs, interleave};

fn main() {
    if !measure::is_asked_for() {
        return;
    }
    let mut report = Report::new("sequential");
    let kcat = Kcat::find();
    if let Err(reason) = &kcat {
        report.leave_out(reason);
    }
    let bench = Bench {
        bytes: measure::input_bytes(200_000_000),
        peer: NullPeer::start(),
        kcat: kcat.ok(),
    };
    bench.stdin(&mut report);
    bench.keyed(&mut report, 1);
    bench.keyed(&mut report, 8);
    bench.compressed(&mut report);
    report.finish();
}

/// A record that a topic takes unless it is told otherwise, batch header included.
const RECORD_BYTES_MAX: usize = 1_048_588;

struct Bench {
    bytes: u64,
    peer: NullPeer,
    kcat: Option<Kcat>,
}

impl Bench {
    fn stdin(&self, report: &mut Report) {
        let input = Input::lines(100, self.bytes);
        self.peer.create_topic("stdin", 1, RECORD_BYTES_MAX);
        let address = self.peer.address();
        let ends = Ends {
            input: Some(&input.path),
            ..Ends::default()
        };
        let mut ours = peers::load(Path::new("-"), "stdin", address);
        if let Some(reason) = refusal(&mut ours, ends) {
            return report.leave_out(format!("standard input: {reason}"));
        }
        let mut contenders = vec![Contender::new("ours", || run_through(&mut ours, ends))];
        if let Some(kcat) = &self.kcat {
            let mut theirs = kcat.produce("stdin", address);
            contenders.push(Contender::new("kcat", move || {
                run_through(&mut theirs, ends)
            }));
        }
        let costs = interleave(measure::rounds(), contenders);
        add_ratios(report, "standard input", &input, &costs);
    }

    /// Lines of 100 bytes, of which a tenth is the key.
    fn keyed(&self, report: &mut Report, partitions: i32) {
        let input = Input::keyed_lines(100, self.bytes);
        let topic = format!("keyed-{partitions}");
        self.peer.create_topic(&topic, partitions, RECORD_BYTES_MAX);
        let address = self.peer.address();
        let mut ours = peers::load(&input.path, &topic, address);
        ours.args(["-K", ":"]);
        if let Some(reason) = refusal(&mut ours, Ends::default()) {
            return report.leave_out(format!("lines with keys: {reason}"));
        }
        let mut contenders = vec![Contender::new("ours", || run(&mut ours))];
        if let Some(kcat) = &self.kcat {
            let mut theirs = kcat.produce(&topic, address);
            theirs.args(["-K", ":", "-l"]).arg(&input.path);
            contenders.push(Contender::new("kcat", move || run(&mut theirs)));
        }
        let costs = interleave(measure::rounds(), contenders);
        let name = format!("lines with keys, {partitions} partitions");
        add_ratios(report, &name, &input, &costs);
    }

    fn compressed(&self, report: &mut Report) {
        let input = Input::lines(100, self.bytes);
        let file = compress(&input.path);
        self.peer.create_topic("compressed", 1, RECORD_BYTES_MAX);
        let address = self.peer.address();
        let mut ours = peers::load(&file, "compressed", address);
        let mut plain = peers::load(&input.path, "compressed", address);
        if let Some(reason) = refusal(&mut ours, Ends::default()) {
            return report.leave_out(format!("compressed files: {reason}"));
        }
        let contenders = vec![
            Contender::new("ours", || run(&mut ours)),
            Contender::new("plain", || run(&mut plain)),
            Contender::new("decompress", || decompress(&file, input.bytes)),
        ];
        let costs = interleave(measure::rounds(), contenders);
        let wall = |name| costs.median(name, Cost::wall).unwrap_or(f64::NAN);
        let slower = if wall("plain") > wall("decompress") {
            "plain"
        } else {
            "decompress"
        };
        if let Some(ratio) = costs.ratio("ours", slower, Cost::wall) {
            let title = match slower {
                "plain" => "zstd, wall, over loading the plain file",
                _ => "zstd, wall, over decompressing alone",
            };
            let seconds = |name| format!("{:.3} s", wall(name));
            let aim = Aim::AtMost(1.1);
            report.add(title, ratio, aim, seconds("ours"), seconds(slower));
        }
    }
}

fn add_ratios(report: &mut Report, name: &str, input: &Input, costs: &Costs) {
    let rate = |name| {
        let cpu = costs.median(name, Cost::cpu).unwrap_or(f64::NAN);
        format!("{:.2} M/s", input.records as f64 / cpu / 1e6)
    };
    if let Some(ratio) = costs.ratio("kcat", "ours", Cost::cpu) {
        let what = format!("{name}, records per CPU-second, against kcat");
        let aim = Aim::AtLeast(6.0);
        report.add(&what, ratio, aim, rate("ours"), rate("kcat"));
    }
    let seconds = |name| {
        let wall = costs.median(name, Cost::wall).unwrap_or(f64::NAN);
        format!("{wall:.3} s")
    };
    if let Some(ratio) = costs.ratio("kcat", "ours", Cost::wall) {
        let what = format!("{name}, wall, against kcat");
        report.add(&what, ratio, Aim::None, seconds("ours"), seconds("kcat"));
    }
}

/// The file at zstd's default level, in one frame.
fn compress(path: &Path) -> PathBuf {
    let to = path.with_extension("zst");
    let compress = || {
        let mut from = BufReader::with_capacity(1 << 20, File::open(path)?);
        zstd::stream::copy_encode(&mut from, File::create(&to)?, 3)
    };
    compress().expect("the disk has room");
    to
}

/// What no load of the file can be faster than.
fn decompress(path: &Path, bytes: u64) -> Cost {
    let start = Instant::now();
    let file = File::open(path).expect("it was just written");
    let mut decoder = zstd::Decoder::new(file).expect("it was just compressed");
    let mut piece = vec![0; 1 << 20];
    let mut count = 0;
    loop {
        match decoder.read(&mut piece).expect("it was just compressed") {
            0 => break,
            more => count += more as u64,
        }
    }
    assert_eq!(count, bytes, "what was compressed comes back");
    let wall = start.elapsed().as_secs_f64();
    // Our own CPU time is not asked about.
    Cost {
        cpu: f64::NAN,
        wall,
    }
}
