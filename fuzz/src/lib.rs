//! The decoders of ringmain as plain functions of bytes, for libFuzzer. The same functions are fed a
//! million made-up inputs each by the suite (`tests/hostile/`).

#[allow(dead_code, reason = "seeds and bounds are for the suite")]
mod targets;

/// Runs the target of this name.
///
/// # Panics
///
/// If there is none, or if something is wrong with the decoder.
pub fn run(name: &str, bytes: &[u8]) {
    let target = targets::ALL.iter().find(|target| target.name == name);
    let _: bool = (target.expect("a target of the table").run)(bytes);
}
