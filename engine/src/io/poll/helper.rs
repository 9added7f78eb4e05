//! The thread that may wait for a disk: it carries out one file operation after the other.
//!
//! An operation owns its buffer and a share of its file on the way there and back. The queues are
//! bounded by what the owner may have under way.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::io::Errno;

use super::files::Read;
use crate::io::{Completion, Returned, Token, Waker};
use crate::memory::Buffer;

/// The owner's end.
#[derive(Debug)]
pub(super) struct Helper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// An operation on its way there.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) descriptor: Arc<OwnedFd>,
    pub(super) token: Token,
    pub(super) action: Action,
}

/// What to do.
#[derive(Debug)]
pub(super) enum Action {
    /// What is left of a read.
    Read(Read),
    /// `buffer[range]` at this position.
    Write {
        position: u64,
        buffer: Buffer,
        range: Range<usize>,
    },
    /// Have what was written reach the disk.
    Sync,
}

/// An operation on its way back, with its share of the file, which the owner closes.
type Finished = (Completion, Arc<OwnedFd>);

#[derive(Debug, Default)]
struct Shared {
    queues: Mutex<Queues>,
    /// A job came, or the end was asked for, or the thread has ended.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queues {
    jobs: VecDeque<Job>,
    finished: Vec<Finished>,
    calls: u64,
    /// The owner is gone; what has not been begun is dropped.
    closing: bool,
    ended: bool,
}

impl Helper {
    /// Starts the thread. Whenever it has finished something it says so by this waker.
    pub(super) fn start(waker: Waker) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let builder = Builder::new()
            .name("ringmain-files".to_owned())
            .stack_size(STACK_BYTES);
        let thread = Some(builder.spawn(move || theirs.run(&waker))?);
        Ok(Self { shared, thread })
    }

    pub(super) fn push(&self, job: Job) {
        self.shared.lock().jobs.push_back(job);
        self.shared.changed.notify_all();
    }

    /// Hands over what is finished; says how many system calls that took.
    pub(super) fn take_finished(&self, mut take: impl FnMut(Completion)) -> u64 {
        let mut queues = self.shared.lock();
        for (completion, _) in queues.finished.drain(..) {
            take(completion);
        }
        mem::take(&mut queues.calls)
    }
}

impl Drop for Helper {
    /// Waits for the operation under way, so that its buffer and file are nobody's when we are
    /// gone. A disk that does not answer is not waited for: the thread keeps what it uses.
    fn drop(&mut self) {
        let mut queues = self.shared.lock();
        queues.closing = true;
        queues.jobs.clear();
        self.shared.changed.notify_all();
        let (queues, _) = self
            .shared
            .changed
            .wait_timeout_while(queues, END_TIMEOUT, |queues| !queues.ended)
            .expect(LOCK);
        let ended = queues.ended;
        drop(queues);
        match self.thread.take() {
            Some(thread) if ended => thread.join().expect("the thread for files does not panic"),
            _ => tracing::error!("a file operation did not end within {END_TIMEOUT:?}"),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().expect(LOCK)
    }

    /// The thread.
    fn run(&self, waker: &Waker) {
        let mut queues = self.lock();
        loop {
            if queues.closing {
                queues.ended = true;
                self.changed.notify_all();
                return;
            }
            let Some(job) = queues.jobs.pop_front() else {
                queues = self.changed.wait(queues).expect(LOCK);
                continue;
            };
            drop(queues);
            let mut calls = 0;
            let finished = job.carry_out(&mut calls);
            queues = self.lock();
            queues.calls += calls;
            queues.finished.push(finished);
            waker.files_done();
        }
    }
}

impl Job {
    fn carry_out(mut self, calls: &mut u64) -> Finished {
        let result = match &mut self.action {
            Action::Read(read) => read_waiting(&self.descriptor, read, calls),
            Action::Write {
                position,
                buffer,
                range,
            } => write_all(&self.descriptor, *position, &buffer[range.clone()], calls),
            Action::Sync => {
                until_done(calls, || rustix::fs::fdatasync(&self.descriptor)).map(|()| 0)
            }
        };
        let completion = self.action.complete(self.token, result.map_err(Into::into));
        (completion, self.descriptor)
    }
}

impl Action {
    /// The end of this operation: its buffer goes back.
    pub(super) fn complete(self, token: Token, result: io::Result<usize>) -> Completion {
        let buffers = match self {
            Self::Read(Read { buffer, .. }) | Self::Write { buffer, .. } => {
                Returned::Buffer(buffer)
            }
            Self::Sync => Returned::None,
        };
        Completion {
            token,
            result,
            buffers,
        }
    }
}

/// Reads once, for as long as it takes.
fn read_waiting(file: &OwnedFd, read: &mut Read, calls: &mut u64) -> Result<usize, Errno> {
    let position = read.next_position();
    let rest = read.rest();
    let count = until_done(calls, || rustix::io::pread(file, &mut *rest, position))?;
    Ok(read.filled + count)
}

fn write_all(file: &OwnedFd, position: u64, bytes: &[u8], calls: &mut u64) -> Result<usize, Errno> {
    let mut written = 0;
    while written < bytes.len() {
        let (rest, position) = (&bytes[written..], position + written as u64);
        match until_done(calls, || rustix::io::pwrite(file, rest, position))? {
            0 => return Err(Errno::IO),
            count => written += count,
        }
    }
    Ok(written)
}

/// Repeats a call that a signal interrupted.
fn until_done<T>(calls: &mut u64, mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        *calls += 1;
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// The thread's frames are small, for what it reads and writes is in the caller's buffers; what it
/// does not touch costs nothing.
const STACK_BYTES: usize = 256 << 10;

/// How long the end waits for an operation that a disk holds up.
const END_TIMEOUT: Duration = Duration::from_secs(10);

const LOCK: &str = "neither side panics while it holds the lock";
