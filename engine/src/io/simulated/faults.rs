//! What may go wrong in a simulation, and who is at the other end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What may go wrong, and how often. Shares are out of 1000.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// Every completion and every piece on the way takes up to this long: so they overtake each
    /// other, but for the bytes of one connection.
    pub delay_max: Duration,
    /// Reads that stop short.
    pub short_reads: u32,
    /// Reads, writes and syncs that fail with EIO. A write may have written some.
    pub file_errors: u32,
    /// Writes that find the disk full, having written some.
    pub disk_full: u32,
    /// Pieces on the way, either way, that are cut at any byte; receives that take less than there
    /// is.
    pub cuts: u32,
    /// Bytes of a connection that are under way to the peer at most: where sends begin to wait.
    pub connection_bytes: usize,
    /// Connects refused.
    pub connects_refused: u32,
    /// Connects never answered.
    pub connects_unanswered: u32,
    /// Pieces under way with which the connection is lost. The peer got what came before, and
    /// perhaps the beginning of the piece.
    pub connections_lost: u32,
    /// Completions after [`crate::io::Io::close_socket`] come late, as a kernel's may.
    pub late_after_close: bool,
    /// When the simulation ends, each peer still gets some of what is under way to it, and a write
    /// that was under way may have happened, or some of it.
    pub deliver_after_drop: bool,
}

impl Faults {
    /// Nothing goes wrong; things take their time.
    pub fn none() -> Self {
        Self {
            delay_max: Duration::from_micros(50),
            short_reads: 0,
            file_errors: 0,
            disk_full: 0,
            cuts: 0,
            connection_bytes: 256 << 10,
            connects_refused: 0,
            connects_unanswered: 0,
            connections_lost: 0,
            late_after_close: false,
            deliver_after_drop: true,
        }
    }

    /// What a network does to those who use it for long; files are sound.
    pub fn network() -> Self {
        Self {
            delay_max: Duration::from_millis(5),
            short_reads: 100,
            cuts: 300,
            connection_bytes: 32 << 10,
            connects_refused: 50,
            connects_unanswered: 20,
            connections_lost: 10,
            late_after_close: true,
            ..Self::none()
        }
    }

    /// The network's faults and the disk's.
    pub fn all() -> Self {
        Self {
            file_errors: 5,
            disk_full: 5,
            ..Self::network()
        }
    }
}

/// The other end of every simulated connection: a broker in memory, say.
pub trait Peer {
    /// Whether anything answers at this address. If not, a connect waits until it is closed.
    fn is_reachable(&mut self, address: SocketAddr) -> bool {
        let _ = address;
        true
    }

    /// A connection comes; `connection` is its number from now on. No: it is refused.
    fn accept(&mut self, address: SocketAddr, connection: u64) -> bool;

    /// Bytes come, the next ones in order. What is appended to `replies` goes back, in order.
    fn receive(&mut self, now: Instant, connection: u64, bytes: &[u8], replies: &mut Vec<u8>);

    /// Asked after each [`Peer::receive`] and [`Peer::handle_timeout`]: whether the peer ends this
    /// connection now.
    fn poll_ending(&mut self, connection: u64) -> Option<Ending> {
        let _ = connection;
        None
    }

    /// Whether the peer takes what comes. While it does not, sends fill the connection and then
    /// wait; it is asked again after each [`Peer::handle_timeout`].
    fn is_reading(&mut self, connection: u64) -> bool {
        let _ = connection;
        true
    }

    /// When the peer wants [`Peer::handle_timeout`] to be called, to say something unasked.
    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }

    /// Its time has come. `replies` are for the connection named with them.
    fn handle_timeout(&mut self, now: Instant, replies: &mut Vec<(u64, Vec<u8>)>) {
        let _ = (now, replies);
    }

    /// The connection is gone; nothing more comes from it.
    fn disconnected(&mut self, connection: u64);
}

/// How a peer ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// After everything it said: the stream ends.
    Orderly,
    /// At once: what is under way either way is lost.
    Reset,
}
