//! What the kernel holds: every operation from its first entry to its last completion.
//!
//! Invariant: at most one entry of an operation is queued or under way. An operation is removed
//! only when the completion of that entry has come; cancelling does not remove it.

use std::io;
use std::mem;
use std::ops::Range;
use std::os::fd::RawFd;

use io_uring::squeue::{Entry, Flags};
use rustix::io::Errno;
use rustix::net::SocketAddrAny;

use super::op;
use super::orphaned;
use super::setup::Features;
use crate::io::slab::Slab;
use crate::io::{OPERATIONS_MAX, Payload, Token};
use crate::memory::Buffer;

/// The operations under way, by key.
#[derive(Debug)]
pub(super) struct InFlight {
    operations: Slab<Operation>,
    /// Lists for gathering sends, used again and again.
    #[expect(
        clippy::vec_box,
        reason = "boxed where they are used: the kernel points at them"
    )]
    spare_vectors: Vec<Box<op::Vectors>>,
}

/// One operation.
#[derive(Debug)]
pub(super) struct Operation {
    token: Token,
    descriptor: RawFd,
    state: State,
    /// How often it was queued again with nothing done.
    retries: u8,
}

/// What the kernel may still do.
#[derive(Debug)]
enum State {
    /// Queued or submitted. The kernel may read or write the buffers.
    Submitted(Held),
    /// Nobody waits for the result any more. The buffers stay here until the last completion.
    Orphaned(Held),
}

/// What an operation is, and what it owns. Whatever an entry points to is on the heap, for the
/// table moves when it grows.
#[derive(Debug)]
pub(super) enum Held {
    Read {
        file: u32,
        position: u64,
        buffer: Buffer,
        range: Range<usize>,
    },
    Write {
        file: u32,
        position: u64,
        buffer: Buffer,
        range: Range<usize>,
        written: usize,
    },
    Sync {
        file: u32,
    },
    Connect {
        socket: u32,
        address: Box<SocketAddrAny>,
    },
    Send {
        socket: u32,
        payload: Payload,
        sent: usize,
        total: usize,
        vectors: Option<Box<op::Vectors>>,
    },
    Receive {
        socket: u32,
        buffer: Buffer,
        range: Range<usize>,
    },
    Wake {
        count: Box<[u8; 8]>,
    },
}

/// What a completion means.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The operation goes on where it stopped.
    Again,
    /// It is over.
    Done(io::Result<usize>),
}

impl InFlight {
    pub(super) fn new() -> Self {
        // One more for the read of the waker's event.
        Self {
            operations: Slab::new(OPERATIONS_MAX + 1),
            spare_vectors: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, operation: Operation) -> u32 {
        self.operations.insert(operation)
    }

    pub(super) fn remove(&mut self, key: u32) -> Operation {
        self.operations
            .remove(key)
            .expect("an operation is removed by its last completion")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    pub(super) fn keys(&self) -> Vec<u32> {
        self.operations.iter().map(|(key, _)| key).collect()
    }

    /// Nobody waits for this operation any more.
    pub(super) fn orphan(&mut self, key: u32) {
        let operation = self
            .operations
            .get_mut(key)
            .expect("what is under way is here");
        let gone = State::Orphaned(Held::Sync { file: 0 });
        operation.state = match mem::replace(&mut operation.state, gone) {
            State::Submitted(held) | State::Orphaned(held) => State::Orphaned(held),
        };
    }

    /// The entry that begins an operation, or goes on with it.
    pub(super) fn entry(&mut self, key: u32, features: Features) -> Entry {
        let operation = self
            .operations
            .get_mut(key)
            .expect("what is queued is here");
        let (State::Submitted(held) | State::Orphaned(held)) = &mut operation.state;
        let mut entry = op::entry(operation.descriptor, held, features);
        if operation.retries > 0 {
            // It was refused as if it could not wait: a worker of the kernel may.
            entry = entry.flags(Flags::ASYNC);
        }
        entry.user_data(u64::from(key))
    }

    /// What this completion means for its operation.
    pub(super) fn outcome(&mut self, key: u32, result: i32) -> Outcome {
        let operation = self
            .operations
            .get_mut(key)
            .expect("the kernel completes an entry once");
        let State::Submitted(held) = &mut operation.state else {
            return Outcome::Done(orphaned());
        };
        let Ok(count) = usize::try_from(result) else {
            let errno = Errno::from_raw_os_error(-result);
            if matches!(errno, Errno::INTR | Errno::AGAIN) && operation.retries < RETRIES_MAX {
                operation.retries += 1;
                return Outcome::Again;
            }
            return Outcome::Done(Err(refused(errno)));
        };
        let (done, total) = match held {
            Held::Send { sent, total, .. } => (sent, *total),
            Held::Write { written, range, .. } => (written, range.len()),
            Held::Sync { .. } | Held::Connect { .. } => return Outcome::Done(Ok(0)),
            Held::Read { .. } | Held::Receive { .. } | Held::Wake { .. } => {
                return Outcome::Done(Ok(count));
            }
        };
        *done += count;
        assert!(
            *done <= total,
            "the kernel does not take more than there is"
        );
        if *done == total {
            return Outcome::Done(Ok(total));
        }
        if count == 0 {
            return Outcome::Done(Err(io::ErrorKind::WriteZero.into()));
        }
        operation.retries = 0;
        Outcome::Again
    }

    /// The lists that a gathering send needs.
    pub(super) fn vectors_for(&mut self, payload: &Payload) -> Option<Box<op::Vectors>> {
        match payload {
            Payload::One { .. } => None,
            Payload::Gather { .. } => Some(self.spare_vectors.pop().unwrap_or_default()),
        }
    }

    /// Takes the lists back.
    pub(super) fn put_vectors(&mut self, vectors: Option<Box<op::Vectors>>) {
        self.spare_vectors.extend(vectors);
    }

    /// Never frees what is still here.
    pub(super) fn leak(&mut self) {
        mem::forget(mem::replace(self, Self::new()));
    }
}

impl Operation {
    pub(super) fn new(token: Token, descriptor: RawFd, held: Held) -> Self {
        Self {
            token,
            descriptor,
            state: State::Submitted(held),
            retries: 0,
        }
    }

    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// The end: what it held belongs to its owner again.
    pub(super) fn into_held(self, result: io::Result<usize>) -> (io::Result<usize>, Held) {
        match self.state {
            State::Submitted(held) => (result, held),
            State::Orphaned(held) => (orphaned(), held),
        }
    }
}

/// EINTR and EAGAIN do not come out; what still says so after many tries is broken otherwise.
fn refused(errno: Errno) -> io::Error {
    if matches!(errno, Errno::INTR | Errno::AGAIN) {
        return io::Error::other(format!(
            "the kernel kept putting the operation off: {errno}"
        ));
    }
    errno.into()
}

/// From the second try on a worker of the kernel waits, so that more than a few tries never happen.
const RETRIES_MAX: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn sending(total: usize) -> (InFlight, u32) {
        let mut table = InFlight::new();
        let payload = Payload::one(Buffer::new(total), 0, total);
        let held = Held::Send {
            socket: 0,
            payload,
            sent: 0,
            total,
            vectors: None,
        };
        let key = table.insert(Operation::new(Token(7), 3, held));
        (table, key)
    }

    fn result(outcome: Outcome) -> Option<Result<usize, Option<i32>>> {
        match outcome {
            Outcome::Again => None,
            Outcome::Done(result) => Some(result.map_err(|error| error.raw_os_error())),
        }
    }

    const EAGAIN: i32 = 11;
    const EPIPE: i32 = 32;

    #[test]
    fn a_short_send_goes_on_until_all_is_sent() {
        let (mut table, key) = sending(100);
        assert_eq!(result(table.outcome(key, 60)), None);
        assert_eq!(result(table.outcome(key, 39)), None);
        assert_eq!(result(table.outcome(key, 1)), Some(Ok(100)));
    }

    #[test]
    fn a_send_that_gets_nowhere_fails() {
        let (mut table, key) = sending(100);
        assert_eq!(result(table.outcome(key, 0)), Some(Err(None)));
        let (mut table, key) = sending(100);
        assert_eq!(result(table.outcome(key, -EPIPE)), Some(Err(Some(EPIPE))));
    }

    #[test]
    fn being_put_off_does_not_come_out_and_is_bounded() {
        let (mut table, key) = sending(100);
        for _ in 0..RETRIES_MAX {
            assert_eq!(result(table.outcome(key, -EAGAIN)), None);
        }
        // Progress begins the count anew.
        assert_eq!(result(table.outcome(key, 1)), None);
        for _ in 0..RETRIES_MAX {
            assert_eq!(result(table.outcome(key, -EAGAIN)), None);
        }
        assert_eq!(result(table.outcome(key, -EAGAIN)), Some(Err(None)));
    }

    #[test]
    fn nobody_hears_the_result_of_an_orphan() {
        let (mut table, key) = sending(100);
        table.orphan(key);
        let cancelled = orphaned().unwrap_err().raw_os_error();
        assert_eq!(result(table.outcome(key, 60)), Some(Err(cancelled)));
        let (result, held) = table.remove(key).into_held(Ok(60));
        assert_eq!(result.unwrap_err().raw_os_error(), cancelled);
        assert!(
            matches!(held, Held::Send { total: 100, .. }),
            "the buffer is still there"
        );
        assert!(table.is_empty());
    }
}
