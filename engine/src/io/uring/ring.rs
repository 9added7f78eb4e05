//! The ring itself: push, enter, take completions.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::time::Duration;

use io_uring::squeue::Entry;
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, opcode};
use rustix::io::Errno;

use super::setup::Features;

/// A ring and what does not fit into its submission queue yet.
pub(super) struct Ring {
    ring: IoUring,
    features: Features,
    /// Entries in order, while the submission queue is full.
    backlog: VecDeque<Entry>,
    /// What a TIMEOUT entry points to; one is queued and submitted at a time.
    timeout: Box<Timespec>,
    enters: u64,
}

impl Ring {
    pub(super) fn new(ring: IoUring, features: Features) -> Self {
        let timeout = Box::new(Timespec::new());
        Self {
            ring,
            features,
            backlog: VecDeque::new(),
            timeout,
            enters: 0,
        }
    }

    pub(super) fn features(&self) -> Features {
        self.features
    }

    pub(super) fn enters(&self) -> u64 {
        self.enters
    }

    /// Queues an entry.
    ///
    /// # Safety
    ///
    /// What the entry points to stays where it is, untouched, until the entry's completion was
    /// taken.
    pub(super) unsafe fn push(&mut self, entry: Entry) {
        if !self.backlog.is_empty() {
            self.backlog.push_back(entry);
            return;
        }
        // SAFETY: the caller's promise is this function's.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        if pushed.is_err() {
            self.backlog.push_back(entry);
        }
    }

    /// Asks the kernel to end the operation of this key. Whether it could is its completion's
    /// matter.
    pub(super) fn push_cancel(&mut self, key: u32) {
        let entry = opcode::AsyncCancel::new(u64::from(key))
            .build()
            .user_data(CANCEL);
        // SAFETY: a cancellation points to nothing.
        unsafe { self.push(entry) };
    }

    /// Whether a completion can be taken without a system call.
    pub(super) fn has_completions(&mut self) -> bool {
        !self.ring.completion().is_empty()
    }

    /// The next completion of an operation: its key and the kernel's result.
    pub(super) fn next_completion(&mut self) -> Option<(u32, i32)> {
        loop {
            let completion = self.ring.completion().next()?;
            if let Ok(key) = u32::try_from(completion.user_data()) {
                return Some((key, completion.result()));
            }
        }
    }

    /// Submits everything. If told to wait, waits until there is a completion or the time is over;
    /// says whether the wait ended without any (by the time, or by a signal).
    pub(super) fn enter(&mut self, wait: bool, left: Option<Duration>) -> io::Result<bool> {
        self.refill();
        // While entries are left, waiting comes later; an older kernel's time-out takes a place,
        // too.
        let room = self.features.timed_waits || !self.ring.submission().is_full();
        let wait = wait && room && self.backlog.is_empty();
        if !wait && self.ring.submission().is_empty() && self.has_completions() {
            return Ok(false);
        }
        self.enters += 1;
        let entered = if self.features.timed_waits {
            self.enter_timed(wait, left)
        } else {
            self.enter_basic(wait, left)
        };
        match entered.map_err(|error| error.raw_os_error()) {
            Ok(_) => Ok(wait && !self.has_completions()),
            Err(Some(code)) if code == Errno::TIME.raw_os_error() => Ok(true),
            // The kernel is short of memory, or wants its completions taken first.
            Err(Some(code)) if self.has_completions() && is_busy(code) => Ok(false),
            Err(Some(code)) => Err(io::Error::from_raw_os_error(code)),
            Err(None) => unreachable!("a system call fails with a number"),
        }
    }

    fn enter_timed(&mut self, wait: bool, left: Option<Duration>) -> io::Result<usize> {
        let timeout = Timespec::from(left.unwrap_or_default());
        let mut args = SubmitArgs::new();
        if wait && left.is_some() {
            args = args.timespec(&timeout);
        }
        let queued = u32::try_from(self.ring.submission().len()).expect("a queue is small");
        // Deferred work of the kernel runs only in a call that asks for events.
        let flags = (EnterFlags::EXT_ARG | EnterFlags::GETEVENTS).bits();
        let submitter = self.ring.submitter();
        // SAFETY: with EXT_ARG the argument is a `SubmitArgs`, which lives until the call returns;
        // the queued entries are good by the promise of `push`.
        unsafe { submitter.enter(queued, u32::from(wait), flags, Some(&args)) }
    }

    /// Before 5.11 a wait is bounded by an operation that ends with the time, or with the next
    /// completion.
    fn enter_basic(&mut self, wait: bool, left: Option<Duration>) -> io::Result<usize> {
        if wait && let Some(left) = left {
            *self.timeout = left.into();
            let entry = opcode::Timeout::new(&raw const *self.timeout).count(1);
            // SAFETY: the kernel reads the time while it takes the entry (SUBMIT_STABLE), and it
            // lives as long as the ring.
            unsafe { self.push(entry.build().user_data(TIMEOUT)) };
        }
        self.ring.submit_and_wait(usize::from(wait))
    }

    fn refill(&mut self) {
        while let Some(entry) = self.backlog.front() {
            // SAFETY: promised when the entry was pushed.
            let pushed = unsafe { self.ring.submission().push(entry) };
            if pushed.is_err() {
                return;
            }
            self.backlog.pop_front();
        }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("features", &self.features)
            .field("backlog", &self.backlog.len())
            .field("enters", &self.enters)
            .finish_non_exhaustive()
    }
}

fn is_busy(code: i32) -> bool {
    code == Errno::BUSY.raw_os_error() || code == Errno::AGAIN.raw_os_error()
}

/// Not keys of operations, for they do not fit 32 bits.
const CANCEL: u64 = 1 << 32;
const TIMEOUT: u64 = 2 << 32;
