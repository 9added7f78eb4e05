//! One simulated connection: bytes under way, in order, both ways.

use std::collections::VecDeque;
use std::time::Duration;

/// What is on its way and what has arrived. It knows no time but the one it is told.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Taken from sends, not yet with the peer.
    pub(super) outgoing: VecDeque<u8>,
    /// The peer's words that have not arrived; `None` is the end of its stream.
    on_the_way: VecDeque<Option<Vec<u8>>>,
    /// When the last of them arrives: none arrives before.
    last_arrival: Duration,
    /// Arrived, not yet received.
    pub(super) incoming: VecDeque<u8>,
    /// The peer's stream has ended behind `incoming`.
    pub(super) ended: bool,
    /// The connection is lost.
    pub(super) lost: bool,
}

impl Connection {
    /// Lets go of the first bytes that go to the peer.
    pub(super) fn take_outgoing(&mut self, count: usize) -> Vec<u8> {
        self.outgoing.drain(..count).collect()
    }

    /// Puts words of the peer on their way; says when they arrive, if they would do so `wanted`.
    pub(super) fn reply(&mut self, wanted: Duration, words: Option<Vec<u8>>) -> Duration {
        self.last_arrival = self.last_arrival.max(wanted);
        self.on_the_way.push_back(words);
        self.last_arrival
    }

    /// The next words of the peer arrive.
    pub(super) fn arrive(&mut self) {
        match self.on_the_way.pop_front() {
            Some(Some(bytes)) => self.incoming.extend(bytes),
            Some(None) => self.ended = true,
            // Lost meanwhile.
            None => {}
        }
    }

    /// Whether a receive would complete.
    pub(super) fn is_readable(&self) -> bool {
        !self.incoming.is_empty() || self.ended || self.lost
    }

    /// Everything under way is gone.
    pub(super) fn lose(&mut self) {
        self.lost = true;
        self.outgoing.clear();
        self.on_the_way.clear();
    }
}
