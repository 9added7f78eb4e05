mod connection;
mod metadata;

use std::time::{Duration, Instant};

use kafka_protocol::protocol::StrBytes;

/// The start of a virtual clock: the one reading of the real one, which no test lets pass.
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can be had in no other way"
)]
fn start() -> Instant {
    Instant::now()
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn str_bytes(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
