//! One I/O contract with three bodies: io_uring, mio, and simulated from a seed.
//!
//! An operation takes its buffer by value; the completion gives it back, on error too. Completions
//! are collected by [`Io::reap`] and handled by the caller afterwards: nothing is called back.
//!
//! What every body guarantees (`conformance/` checks each of them on all three):
//! * every operation completes exactly once, after [`Io::close_socket`] too (then with an error);
//! * a read may be short, and 0 bytes means the end of the file; the caller goes on where it
//!   stopped;
//! * a write completes when every byte is in the file, or with an error, whereupon how much was
//!   written is unknown; a sync covers the writes that had completed before it was asked for;
//! * file operations are not ordered among themselves;
//! * a receive completes with 1 byte or more, or 0 at the peer's end of stream; one at a time;
//! * a send completes when the kernel has taken every byte, or with an error, whereupon how much
//!   was sent is unknown; sends on one socket must not overlap (the caller has one under way at a
//!   time);
//! * EINTR and EAGAIN never come out;
//! * a socket's descriptor is closed only after its last operation has completed;
//! * dropping an [`Io`] waits until the kernel is done with every buffer, then frees them.
//!
//! What the caller owes: an identifier is not used after it was removed or closed (even if a
//! connect failed, the socket is closed by the caller), ranges lie in their buffers and are not
//! empty, and at most [`OPERATIONS_MAX`] operations are under way. Broken, these are panics.

mod choice;
#[cfg(test)]
mod conformance;
mod payload;
mod poll;
mod simulated;
mod slab;
mod socket;
mod uring;
mod waker;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::time::Instant;

use crate::memory::Buffer;

pub use choice::{Choice, Chosen, IoSetupError, UnknownChoice};
pub use poll::Poll;
pub use simulated::{Ending, Faults, Peer, Simulated};
pub use uring::{Uring, UringError};
pub use waker::Waker;

/// Operations that one [`Io`] may have under way at a time.
pub const OPERATIONS_MAX: usize = 4096;

/// Files or sockets that one [`Io`] may have at a time.
pub const DESCRIPTORS_MAX: usize = 1 << 16;

/// What the caller calls an operation. It comes back with the completion and means nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

/// A file handed to [`Io::add_file`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId(pub u32);

/// A socket made by [`Io::connect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketId(pub u32);

/// The bytes of a send: one range, or ranges gathered from several buffers.
#[derive(Debug)]
pub enum Payload {
    /// `buffer[start..end]`
    One {
        /// Where the bytes are.
        buffer: Buffer,
        /// First byte.
        start: usize,
        /// Behind the last byte.
        end: usize,
    },
    /// Each part in turn.
    Gather {
        /// Where the bytes are.
        buffers: Vec<Buffer>,
        /// What is sent, in order.
        parts: Vec<Part>,
    },
}

/// A range of one of [`Payload::Gather`]'s buffers.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Index into the buffers.
    pub buffer: u32,
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

/// What came of an operation.
#[derive(Debug)]
pub struct Completion {
    /// The caller's name for it.
    pub token: Token,
    /// Bytes read, received, written or sent; 0 for a connect or sync.
    pub result: io::Result<usize>,
    /// The operation's buffers.
    pub buffers: Returned,
}

/// The buffers that an operation gives back.
#[derive(Debug)]
pub enum Returned {
    /// It had none.
    None,
    /// A read's, receive's or write's.
    Buffer(Buffer),
    /// A send's.
    Payload(Payload),
}

/// What an [`Io`] has done so far, for benches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// System calls made, on whichever thread.
    pub system_calls: u64,
    /// File reads asked for.
    pub reads: u64,
    /// File writes asked for.
    pub writes: u64,
    /// Syncs asked for.
    pub syncs: u64,
    /// Connects asked for.
    pub connects: u64,
    /// Sends asked for.
    pub sends: u64,
    /// Receives asked for.
    pub receives: u64,
}

/// Files and sockets of one thread, driven by one of the bodies.
///
/// ```
/// use engine::io::{Choice, Io, Returned, Token};
/// use engine::memory::Buffer;
///
/// let (mut io, chosen) = Io::new(Choice::Auto)?;
/// println!("I/O by {chosen}");
/// let file = io.add_file(std::fs::File::open("/dev/zero")?.into());
/// io.read(file, 0, Buffer::new(4096), 0..100, Token(7));
/// let mut completions = Vec::new();
/// io.reap(None, &mut completions)?;
/// let completion = completions.pop().expect("nothing wakes it early here");
/// assert_eq!(completion.token, Token(7));
/// assert_eq!(completion.result?, 100);
/// assert!(matches!(completion.buffers, Returned::Buffer(buffer) if buffer.len() == 4096));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum Io {
    /// Over io_uring.
    Uring(Box<Uring>),
    /// Over mio, with a helper thread for files.
    Poll(Box<Poll>),
    /// In virtual time, from a seed, for tests.
    Simulated(Box<Simulated>),
}

/// Runs the same method of whichever body there is.
macro_rules! each {
    ($io:expr, $body:ident => $call:expr) => {
        match $io {
            Io::Uring($body) => $call,
            Io::Poll($body) => $call,
            Io::Simulated($body) => $call,
        }
    };
}

impl Io {
    /// Makes the body chosen, on the thread that will use it, and says why it was chosen.
    pub fn new(choice: Choice) -> Result<(Self, Chosen), IoSetupError> {
        choice::make(choice)
    }

    /// Takes over an open file.
    pub fn add_file(&mut self, file: OwnedFd) -> FileId {
        each!(self, body => body.add_file(file))
    }

    /// Gives a file up. It is closed once nothing is in flight on it.
    pub fn remove_file(&mut self, file: FileId) {
        each!(self, body => body.remove_file(file));
    }

    /// Reads from `position` into `buffer[range]`.
    pub fn read(
        &mut self,
        file: FileId,
        position: u64,
        buffer: Buffer,
        range: Range<usize>,
        token: Token,
    ) {
        check_range(&buffer, &range);
        each!(self, body => body.read(file, position, buffer, range, token));
    }

    /// Writes `buffer[range]` at `position`.
    pub fn write(
        &mut self,
        file: FileId,
        position: u64,
        buffer: Buffer,
        range: Range<usize>,
        token: Token,
    ) {
        check_range(&buffer, &range);
        each!(self, body => body.write(file, position, buffer, range, token));
    }

    /// Has what was written reach the disk (fdatasync).
    pub fn sync(&mut self, file: FileId, token: Token) {
        each!(self, body => body.sync(file, token));
    }

    /// Opens a TCP connection. The socket may be used once the completion is `Ok`.
    pub fn connect(&mut self, address: SocketAddr, token: Token) -> SocketId {
        each!(self, body => body.connect(address, token))
    }

    /// Sends the payload whole.
    pub fn send(&mut self, socket: SocketId, payload: Payload, token: Token) {
        payload.check();
        each!(self, body => body.send(socket, payload, token));
    }

    /// Receives what has come, at least one byte, into `buffer[range]`.
    pub fn receive(&mut self, socket: SocketId, buffer: Buffer, range: Range<usize>, token: Token) {
        check_range(&buffer, &range);
        each!(self, body => body.receive(socket, buffer, range, token));
    }

    /// Ends a connection. Whatever is under way on it and not yet reaped completes with ECANCELED.
    pub fn close_socket(&mut self, socket: SocketId) {
        each!(self, body => body.close_socket(socket));
    }

    /// Submits what is queued, waits for a completion, and collects all that are there.
    ///
    /// It returns without any when `until` has come, when a [`Waker`] was used, or when a signal
    /// came.
    pub fn reap(
        &mut self,
        until: Option<Instant>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()> {
        each!(self, body => body.reap(until, completions))
    }

    /// Ends a simulation as the death of a process does, and gives its peer back.
    pub fn into_peer(self) -> Option<Box<dyn Peer>> {
        match self {
            Self::Simulated(simulated) => Some(simulated.into_peer()),
            Self::Uring(_) | Self::Poll(_) => None,
        }
    }

    /// The time, which is virtual when simulated.
    pub fn now(&self) -> Instant {
        each!(self, body => body.now())
    }

    /// A handle by which other threads end the wait in [`Io::reap`].
    pub fn waker(&self) -> Waker {
        each!(self, body => body.waker())
    }

    /// A number other than 0 that nobody else has: by chance, or simulated by the seed.
    pub fn chance(&self) -> u64 {
        let number = match self {
            Self::Simulated(body) => body.chance(),
            Self::Uring(_) | Self::Poll(_) => RandomState::new().hash_one(0u8),
        };
        number | 1
    }

    /// The body and its features, for a log line.
    pub fn describe(&self) -> String {
        each!(self, body => body.describe())
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        each!(self, body => body.counters())
    }
}

fn check_range(buffer: &Buffer, range: &Range<usize>) {
    assert!(
        range.start < range.end && range.end <= buffer.len(),
        "a range lies in its buffer and is not empty: {range:?} of {}",
        buffer.len()
    );
    assert!(
        range.len() <= i32::MAX as usize,
        "a length fits the result of a completion"
    );
}
