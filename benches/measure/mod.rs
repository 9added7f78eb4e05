//! What the benches share: input, processes and what they cost, the peers, and the one table.
//!
//! Whatever is compared runs in turn, round after round, one uncounted round first; a ratio is the
//! median of the rounds' ratios, so a machine that slows down slows both sides. Nothing here passes
//! or fails by a clock: what comes of it is printed, and kept for the table.

#![allow(
    clippy::print_stdout,
    reason = "what was measured is what a bench has to say"
)]
#![allow(dead_code, reason = "a kit: what one bench leaves out another uses")]

pub(crate) mod child;
pub(crate) mod input;
pub(crate) mod null_peer;
pub(crate) mod peers;
pub(crate) mod report;
pub(crate) mod rounds;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether `cargo bench` started this; `cargo test --all-targets` starts benches too.
pub(crate) fn is_asked_for() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Where inputs and states lie.
pub(crate) fn scratch() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    std::fs::create_dir_all(&directory).expect("the target directory can be written");
    directory
}

/// Where results are kept: `target/bench`.
pub(crate) fn results() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("it lies in the target directory");
    let directory = target.join("bench");
    std::fs::create_dir_all(&directory).expect("the target directory can be written");
    directory
}

/// A number from the environment. Panics if what is set is none.
pub(crate) fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}

/// Bytes of an input, `RINGMAIN_BENCH_BYTES`.
pub(crate) fn input_bytes(default: u64) -> u64 {
    number("RINGMAIN_BENCH_BYTES", default)
}

/// Counted rounds, `RINGMAIN_BENCH_ROUNDS`.
pub(crate) fn rounds() -> u64 {
    number("RINGMAIN_BENCH_ROUNDS", 5).max(1)
}

/// HotSpot reads it behind its command line, and so overrules the test suite's settings for quick
/// starts: the compiler and the collector that production has.
const JVM: (&str, &str) = (
    "_JAVA_OPTIONS",
    "-XX:TieredStopAtLevel=4 -XX:-UseSerialGC -XX:+UseG1GC -Xmx1g",
);

/// Sees to it that the JVMs that we start are as in production. What we start inherits our
/// environment, and setting one's own is not safe: so this starts the bench once more, and ends with
/// it.
pub(crate) fn ensure_production_jvm() {
    if std::env::var_os(JVM.0).is_some() {
        return;
    }
    let own = std::env::current_exe().expect("we run from a file");
    let status = Command::new(own)
        .args(std::env::args_os().skip(1))
        .env(JVM.0, JVM.1)
        .status()
        .expect("what runs can be run again");
    std::process::exit(status.code().unwrap_or(1));
}
