//! How many instructions does a record cost in user space?
//!
//! Callgrind counts them over `--io poll`, with AVX2, for that is the newest that it knows. Two files
//! of different length: their difference is what records cost, and starting up cancels out. A count
//! is the same on a busy machine as on an idle one, but for the turns of the loop that it takes.

mod measure;

use std::fs;
use std::path::Path;

use measure::child::{collected, run_and_read};
use measure::input::Input;
use measure::null_peer::NullPeer;
use measure::peers;
use measure::report::{Aim, Report};

fn main() {
    if !measure::is_asked_for() {
        return;
    }
    let mut report = Report::new("instructions");
    if !peers::answers("valgrind", "--version") {
        report.leave_out("instructions per record: valgrind is not installed");
        report.finish();
        return;
    }
    let peer = NullPeer::start();
    for (line_bytes, aim) in [
        (100, Aim::AtMost(220.0)),
        (1_000, Aim::None),
        (10_000, Aim::None),
    ] {
        let (few, many) = (
            count(&peer, line_bytes, FEW),
            count(&peer, line_bytes, MANY),
        );
        let records = (many.records - few.records) as f64;
        let each = (many.all - few.all) / records;
        let what = format!("user instructions per {line_bytes}-byte record");
        report.add(&what, each, aim, String::new(), String::new());
        if line_bytes == 100 {
            let share = (many.positions - few.positions) / (many.all - few.all);
            let what = "positions, share of all user instructions";
            report.add(what, share, Aim::AtMost(0.05), String::new(), String::new());
        }
    }
    report.finish();
}

/// Bytes of the two files.
const FEW: u64 = 20_000_000;
const MANY: u64 = 100_000_000;

/// Instructions of one load.
struct Counted {
    records: u64,
    all: f64,
    /// Of code in the files that keep positions.
    positions: f64,
}

fn count(peer: &NullPeer, line_bytes: usize, bytes: u64) -> Counted {
    let input = Input::lines(line_bytes, bytes);
    let topic = format!("counted-{line_bytes}-{bytes}");
    peer.create_topic(&topic, 1, 1_048_588);
    let out = measure::scratch().join("callgrind.out");
    let (_, said) = run_and_read(&mut peers::load_counted(
        &input.path,
        &topic,
        peer.address(),
        &out,
    ));
    let all = collected(&said).unwrap_or_else(|| panic!("callgrind has counted nothing:\n{said}"));
    Counted {
        records: input.records,
        all,
        positions: cost_of(&out, "engine/src/positions/"),
    }
}

/// The instructions of source files with `part` in their path, in callgrind's own format: `fl=`,
/// `fi=` and `fe=` say which file the lines of numbers are about that follow, `(7) path` gives a
/// path its number, and the line behind a `calls=` counts what was called and not the caller.
fn cost_of(out: &Path, part: &str) -> f64 {
    let text = fs::read_to_string(out).expect("callgrind has written its figures");
    let mut ids = Vec::new();
    let (mut is_ours, mut is_call) = (false, false);
    let mut cost = 0.0;
    for line in text.lines() {
        let file = ["fl=", "fi=", "fe="]
            .iter()
            .find_map(|key| line.strip_prefix(key));
        if let Some(file) = file {
            let (id, path) = file.split_once(' ').unwrap_or((file, ""));
            if path.contains(part) {
                ids.push(id.to_owned());
            }
            is_ours = ids.iter().any(|known| known == id);
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let counts = is_ours && !is_call;
            is_call = false;
            let count = line.split_whitespace().nth(1).filter(|_| counts);
            cost += count.and_then(|count| count.parse().ok()).unwrap_or(0.0);
        }
    }
    cost
}
