//! The engine's data path from a file to the embedded broker: thousands of loads in a world made up
//! from a seed, and one list of cases that every body of the I/O contract passes.
//!
//! Real are the files, the state file, every byte of the protocol, the broker's core and the loader's
//! rules. Made up are the time, the network, the broker's misfortunes and the deaths.

#![expect(
    clippy::print_stdout,
    reason = "a test's output tells the seed and what happened"
)]

mod cases;
mod dump;
mod job;
mod log;
mod oracle;
mod peer;
mod plan;
mod poison;
mod random;
mod scenario;
mod seeds;
