//! One I/O contract with three bodies: io_uring, mio, and simulated from a seed.
//!
//! An operation takes its buffer by value; the completion gives it back, on error too. Completions are
//! collected by [`Io::reap`] and handled by the caller afterwards: nothing is called back.
//!
//! What every body guarantees (`conformance.rs` checks each of them on all three):
//! * every operation completes exactly once, after [`Io::close_socket`] too (then with an error);
//! * a read may be short, and 0 bytes means the end of the file; the caller goes on where it stopped;
//! * a receive completes with 1 byte or more, or 0 at the peer's end of stream;
//! * a send completes when the kernel has taken every byte, or with an error, whereupon how much
//!   was sent is unknown; sends on one socket must not overlap (the caller has one under way at a time);
//! * EINTR and EAGAIN never come out;
//! * a socket's descriptor is closed only after its last operation has completed.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Instant;

use crate::memory::Buffer;

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
    One { /// Where the bytes are.
        buffer: Buffer, /// First byte.
        start: usize, /// Behind the last byte.
        end: usize },
    /// Each part in turn.
    Gather { /// Where the bytes are.
        buffers: Vec<Buffer>, /// What is sent, in order.
        parts: Vec<Part> },
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
