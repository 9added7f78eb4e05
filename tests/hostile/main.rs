//! A million malformed inputs for every decoder: each is an error or a value, never a panic, and
//! never takes more memory than a small multiple of its own size.
//!
//! The decoders and what must be so stand in `fuzz/src/targets/`, shared with libFuzzer. The
//! allocator of this test counts, for each thread, what is asked of it; so the bound is on what is
//! asked for, also where the system would have handed it out without a word.
//!
//! The seed is printed; `RINGMAIN_SEED` repeats a run, and `RINGMAIN_INPUTS` is the number of
//! inputs for each decoder:
//!
//! ```text
//! RINGMAIN_INPUTS=100000000 cargo test --release --test hostile
//! ```

#![expect(
    clippy::print_stdout,
    reason = "seeds and counts, for whoever looks at a failure"
)]

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

mod allocator;
mod input;

use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use allocator::most_bytes;
use input::Inputs;
use targets::Target;

/// For each decoder.
const INPUTS: u64 = 1_000_000;

fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Feeds one decoder.
fn feed(name: &str) {
    let target = targets::ALL.iter().find(|target| target.name == name);
    let target = target.expect("it is in the table");
    let seed = number_of("RINGMAIN_SEED").unwrap_or_else(|| RandomState::new().hash_one(name));
    println!("{name}: RINGMAIN_SEED={seed}");
    let seeds = (target.seeds)();
    for whole in &seeds {
        assert!((target.run)(whole), "{name} does not take {whole:?}");
    }
    let inputs = number_of("RINGMAIN_INPUTS").unwrap_or(INPUTS);
    let mut made = Inputs::new(seeds, seed);
    let mut taken = 0;
    for _ in 0..inputs {
        taken += u64::from(run(target, made.next()));
    }
    println!("{name}: {taken} of {inputs} were taken");
    // If nothing broke, or everything, the changes would be too small or too large to test with.
    assert!(taken > inputs / 1_000, "only {taken} were taken");
    assert!(
        inputs - taken > inputs / 100,
        "only {} were refused",
        inputs - taken
    );
}

/// One input, of which a failure tells the bytes.
fn run(target: &Target, bytes: &[u8]) -> bool {
    let mut is_taken = false;
    let result = catch_unwind(AssertUnwindSafe(|| {
        most_bytes(|| is_taken = (target.run)(bytes))
    }));
    match result {
        Ok(most) => {
            let bound = target.bytes_fixed + target.bytes_per_byte * bytes.len();
            assert!(most <= bound, "{}: {most} bytes for {bytes:?}", target.name);
            is_taken
        }
        Err(panic) => {
            println!("{}: {bytes:?}", target.name);
            resume_unwind(panic)
        }
    }
}

macro_rules! fed {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            feed(stringify!($name));
        })*

        const FED: &[&str] = &[$(stringify!($name)),*];
    };
}

fed! {
    answers requests produce_answer fetch_answer frames negotiated metadata
    batch_header batches gzip snappy lz4 zstd unframed
    properties escapes lines records_in_lines compressed_input
    job_header partition_slot served produced
}

/// And each has a file for libFuzzer.
#[test]
fn every_decoder_of_the_table_is_fed() {
    for target in targets::ALL {
        assert!(FED.contains(&target.name), "{} is not fed", target.name);
        let file = format!("fuzz/fuzz_targets/{}.rs", target.name);
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{file}: {e}"));
        let call = format!("run(\"{}\", bytes)", target.name);
        assert!(text.contains(&call), "{file} does not call {call}");
    }
}
