//! The oracle is the generated code: it must read what we write, and we what it writes.

mod fetch;
mod produce;

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;

use crate::frame::testing::Random;

fn name(text: &str) -> TopicName {
    TopicName(str_bytes(text))
}

fn str_bytes(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A short text, or null.
fn maybe_text(random: &mut Random) -> Option<StrBytes> {
    (!random.chance(3)).then(|| str_bytes(&random.text(200)))
}

fn uuid(random: &mut Random) -> [u8; 16] {
    std::array::from_fn(|_| random.next() as u8)
}
