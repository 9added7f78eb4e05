//! Do reading a file from the disk and sending it overlap?
//!
//! A file that is not in the page cache is loaded over io_uring to the null peer. Were the two one
//! after the other, it would take a bare cold read and a warm load together; the aim is little more
//! than the longer of the two.

mod measure;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use measure::child::{Cost, run};
use measure::input::Input;
use measure::null_peer::NullPeer;
use measure::peers;
use measure::report::{Aim, Report};
use measure::rounds::{Contender, interleave};
use rustix::fs::{Advice, fadvise, fsync};

/// As much as the loader reads at a time.
const PIECE: usize = 768 << 10;

fn main() {
    if !measure::is_asked_for() {
        return;
    }
    let mut report = Report::new("cold");
    let input = Input::lines(100, measure::input_bytes(400_000_000));
    let file = &input.path;
    if let Err(reason) = drop_from_cache(file) {
        report.leave_out(format!("cold file: {reason}"));
        report.finish();
        return;
    }
    let peer = NullPeer::start();
    peer.create_topic("cold", 1, 1_048_588);
    let command = || {
        let mut command = peers::load(file, "cold", peer.address());
        command.args(["--io", "uring"]);
        command
    };
    let (mut warm, mut cold) = (command(), command());
    let contenders = vec![
        Contender::new("bare", || {
            drop_from_cache(file).expect("it could be dropped before");
            read(file)
        }),
        // Behind the bare read, which has left the file in the cache.
        Contender::new("warm", || run(&mut warm)),
        Contender::new("cold", || {
            drop_from_cache(file).expect("it could be dropped before");
            run(&mut cold)
        }),
    ];
    let costs = interleave(measure::rounds(), contenders);
    let wall = |name| costs.median(name, Cost::wall).unwrap_or(f64::NAN);
    let slower = if wall("bare") > wall("warm") {
        "bare"
    } else {
        "warm"
    };
    if let Some(ratio) = costs.ratio("cold", slower, Cost::wall) {
        let what = format!("cold file, wall, over the {slower} one's");
        let seconds = |name| format!("{:.3} s", wall(name));
        report.add(
            &what,
            ratio,
            Aim::AtMost(1.2),
            seconds("cold"),
            seconds(slower),
        );
    }
    report.finish();
}

fn read(path: &Path) -> Cost {
    let start = Instant::now();
    let file = File::open(path).expect("it was just written");
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        match file.read_at(&mut piece, at).expect("the disk is sound") {
            0 => break,
            count => at += count as u64,
        }
    }
    let wall = start.elapsed().as_secs_f64();
    // Our own CPU time is not asked about.
    Cost {
        cpu: f64::NAN,
        wall,
    }
}

/// Takes the file out of the page cache, and has `fincore` say that it is out.
fn drop_from_cache(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    fsync(&file)
        .and_then(|()| fadvise(&file, 0, None, Advice::DontNeed))
        .map_err(|error| error.to_string())?;
    let output = Command::new("fincore")
        .args(["--bytes", "--noheadings", "--output", "RES"])
        .arg(path)
        .output()
        .map_err(|error| format!("fincore, which tells what is cached: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim() {
        "0" => Ok(()),
        left => Err(format!("{left:?} bytes stay in the page cache")),
    }
}
