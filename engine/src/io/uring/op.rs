//! The entry of each operation.
//!
//! Entries point into what the operation holds, so they are made right before they are pushed and
//! are good until the operation's completion.

use std::os::fd::RawFd;
use std::ptr;

use io_uring::opcode;
use io_uring::squeue::Entry;
use io_uring::types::{Fd, FsyncFlags};
use rustix::net::{SendFlags, SocketAddrAny};

use super::in_flight::Held;
use super::setup::Features;
use crate::io::Payload;
use crate::memory::Buffer;

/// The entry that begins an operation, or goes on with it.
pub(super) fn entry(descriptor: RawFd, held: &mut Held, features: Features) -> Entry {
    let descriptor = Fd(descriptor);
    match held {
        Held::Read {
            position,
            buffer,
            range,
            ..
        } => {
            let (start, length) = wanted(buffer, range.start, range.end);
            opcode::Read::new(descriptor, start, length)
                .offset(*position)
                .build()
        }
        Held::Write {
            position,
            buffer,
            range,
            written,
            ..
        } => {
            let (start, length) = bytes(&buffer[range.start + *written..range.end]);
            let position = *position + *written as u64;
            opcode::Write::new(descriptor, start, length)
                .offset(position)
                .build()
        }
        Held::Sync { .. } => opcode::Fsync::new(descriptor)
            .flags(FsyncFlags::DATASYNC)
            .build(),
        Held::Connect { address, .. } => {
            let address: &SocketAddrAny = address;
            let (start, length) = (address.as_ptr().cast(), address.addr_len());
            opcode::Connect::new(descriptor, start, length).build()
        }
        Held::Receive { buffer, range, .. } => {
            let (start, length) = wanted(buffer, range.start, range.end);
            opcode::Recv::new(descriptor, start, length).build()
        }
        Held::Send {
            payload,
            sent,
            vectors,
            ..
        } => send(descriptor, payload, *sent, vectors.as_deref_mut(), features),
        Held::Wake { count } => opcode::Read::new(descriptor, count.as_mut_ptr(), 8).build(),
    }
}

fn send(
    descriptor: Fd,
    payload: &Payload,
    sent: usize,
    vectors: Option<&mut Vectors>,
    features: Features,
) -> Entry {
    let flags = send_flags(features).bits();
    match (payload, vectors) {
        (Payload::One { buffer, start, end }, _) => {
            let (start, length) = bytes(&buffer[start + sent..*end]);
            opcode::Send::new(descriptor, start, length)
                .flags(flags.cast_signed())
                .build()
        }
        (Payload::Gather { .. }, Some(vectors)) => {
            let message = vectors.fill(payload, sent);
            opcode::SendMsg::new(descriptor, message.cast())
                .flags(flags)
                .build()
        }
        (Payload::Gather { .. }, None) => unreachable!("a gathering send is given its lists"),
    }
}

/// With MSG_WAITALL (5.19) the kernel goes on with a short send by itself; what is older ignores
/// it, and we go on.
fn send_flags(features: Features) -> SendFlags {
    let wait_all = if features.whole_sends { MSG_WAITALL } else { 0 };
    SendFlags::NOSIGNAL | SendFlags::from_bits_retain(wait_all)
}

const MSG_WAITALL: u32 = 0x100;

/// The lists that a gathering send points to.
#[derive(Debug)]
pub(super) struct Vectors {
    vectors: Vec<Vector>,
    message: Message,
}

/// The kernel's `struct iovec`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Vector {
    base: *const u8,
    length: usize,
}

/// The kernel's `struct user_msghdr`.
#[derive(Debug)]
#[repr(C)]
struct Message {
    name: *const u8,
    name_length: i32,
    vectors: *const Vector,
    vectors_length: usize,
    control: *const u8,
    control_length: usize,
    flags: u32,
}

impl Vectors {
    /// Lists what comes behind the first `sent` bytes, as much of it as one call takes.
    fn fill(&mut self, payload: &Payload, sent: usize) -> *const Message {
        self.vectors.clear();
        payload.pieces(sent, |piece| {
            self.vectors.push(Vector {
                base: piece.as_ptr(),
                length: piece.len(),
            });
            self.vectors.len() < VECTORS_MAX
        });
        self.message.vectors = self.vectors.as_ptr();
        self.message.vectors_length = self.vectors.len();
        &raw const self.message
    }
}

impl Default for Vectors {
    fn default() -> Self {
        let message = Message {
            name: ptr::null(),
            name_length: 0,
            vectors: ptr::null(),
            vectors_length: 0,
            control: ptr::null(),
            control_length: 0,
            flags: 0,
        };
        Self {
            vectors: Vec::new(),
            message,
        }
    }
}

/// The kernel's UIO_MAXIOV.
const VECTORS_MAX: usize = 1024;

fn wanted(buffer: &mut Buffer, start: usize, end: usize) -> (*mut u8, u32) {
    let wanted = &mut buffer[start..end];
    (wanted.as_mut_ptr(), length(wanted.len()))
}

fn bytes(bytes: &[u8]) -> (*const u8, u32) {
    (bytes.as_ptr(), length(bytes.len()))
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("ranges are checked when an operation is asked for")
}
