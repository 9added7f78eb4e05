//! Wakes a loop that waits, from another thread. Wake-ups coalesce, and none is lost.
//!
//! The event descriptor is written only while the loop sleeps or is about to; at any other time the
//! bit in `state` is enough, for the loop looks at it before it sleeps.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Ends the wait of one [`super::Io`] from any thread, or keeps its next wait from beginning.
#[derive(Debug, Clone)]
pub struct Waker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: AtomicU8,
    event: OwnedFd,
}

const ASLEEP: u8 = 1;
const WOKEN: u8 = 2;
const FILES_DONE: u8 = 4;

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        // Blocking on purpose: a ring's read of a non-blocking descriptor fails instead of waiting.
        // A write would block only at 2^64 - 1 wake-ups that nobody read.
        let event = eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Self(Arc::new(Shared {
            state: AtomicU8::new(0),
            event,
        })))
    }

    /// Makes the reap that waits return, or the next one.
    pub fn wake(&self) {
        self.raise(WOKEN);
    }

    /// As [`Waker::wake`], but only to have the loop look at its finished file operations.
    pub(super) fn files_done(&self) {
        self.raise(FILES_DONE);
    }

    /// Forgets what was raised; says whether somebody outside wants the loop to return.
    pub(super) fn take(&self) -> bool {
        self.0.state.swap(0, Ordering::AcqRel) & WOKEN != 0
    }

    /// Says that the loop is about to wait; false if something was raised, so that it must not.
    pub(super) fn fall_asleep(&self) -> bool {
        self.0.state.fetch_or(ASLEEP, Ordering::AcqRel) & (WOKEN | FILES_DONE) == 0
    }

    /// Whether anyone but the loop itself could still raise something.
    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn raise(&self, bit: u8) {
        if self.0.state.fetch_or(bit, Ordering::AcqRel) == ASLEEP {
            let written = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
            assert!(
                written == Ok(8),
                "an event descriptor takes eight bytes: {written:?}"
            );
        }
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

impl AsRawFd for Waker {
    fn as_raw_fd(&self) -> RawFd {
        self.0.event.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_before_the_sleep_is_kept_and_costs_no_call() {
        let waker = Waker::new().unwrap();
        waker.wake();
        waker.clone().wake();
        assert!(!waker.fall_asleep());
        assert!(waker.take());
        assert!(!waker.take(), "two wake-ups are one");
    }

    #[test]
    fn finished_file_operations_are_no_wake_up() {
        let waker = Waker::new().unwrap();
        waker.files_done();
        assert!(!waker.fall_asleep());
        assert!(!waker.take());
        assert!(waker.fall_asleep());
    }

    #[test]
    fn a_sleeper_gets_one_event() {
        let waker = Waker::new().unwrap();
        assert!(waker.fall_asleep());
        waker.wake();
        waker.wake();
        let mut count = [0; 8];
        assert_eq!(rustix::io::read(&waker, &mut count), Ok(8));
        assert_eq!(u64::from_ne_bytes(count), 1);
    }
}
