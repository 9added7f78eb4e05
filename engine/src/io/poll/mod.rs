//! The contract on mio, for hosts that refuse io_uring (Docker's default seccomp profile does).
//!
//! A socket operation is tried when it is asked for, unless the socket is known not to be ready,
//! and again when it becomes so (edge-triggered). A read is tried first from the page cache, on
//! this thread, because the bytes are then warm for whoever frames and sends them; what is not
//! cached, and every write and sync, goes to one helper thread, for mio cannot poll files.

mod done;
mod files;
mod helper;
mod sockets;

use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest};

use self::done::Done;
use self::files::{Files, Read};
use self::helper::Action;
use self::sockets::Sockets;
use super::{Completion, Counters, FileId, Payload, SocketId, Token, Waker};
use crate::memory::Buffer;

/// One thread's files and sockets over epoll.
#[derive(Debug)]
pub struct Poll {
    poll: mio::Poll,
    events: Events,
    sockets: Sockets,
    files: Files,
    /// Completed and not reaped yet.
    done: Done,
    waker: Waker,
    counters: Counters,
    /// Belongs to the thread that made it, as a ring does.
    one_thread: PhantomData<*const ()>,
}

impl Poll {
    pub(super) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let waker = Waker::new()?;
        let mut event = SourceFd(&waker.as_raw_fd());
        poll.registry()
            .register(&mut event, WAKER, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            sockets: Sockets::new(),
            files: Files::new(waker.clone()),
            done: Done::default(),
            waker,
            counters: Counters::default(),
            one_thread: PhantomData,
        })
    }

    pub(super) fn add_file(&mut self, file: OwnedFd) -> FileId {
        self.files.add(file)
    }

    pub(super) fn remove_file(&mut self, file: FileId) {
        self.files.remove(file);
    }

    pub(super) fn read(
        &mut self,
        file: FileId,
        position: u64,
        buffer: Buffer,
        range: Range<usize>,
        token: Token,
    ) {
        self.counters.reads += 1;
        let calls = &mut self.counters.system_calls;
        let read = Read {
            position,
            buffer,
            range,
            filled: 0,
        };
        self.files.read(file, token, read, &mut self.done, calls);
    }

    pub(super) fn write(
        &mut self,
        file: FileId,
        position: u64,
        buffer: Buffer,
        range: Range<usize>,
        token: Token,
    ) {
        self.counters.writes += 1;
        let action = Action::Write {
            position,
            buffer,
            range,
        };
        self.files.hand_over(file, token, action, &mut self.done);
    }

    pub(super) fn sync(&mut self, file: FileId, token: Token) {
        self.counters.syncs += 1;
        self.files
            .hand_over(file, token, Action::Sync, &mut self.done);
    }

    pub(super) fn connect(&mut self, address: SocketAddr, token: Token) -> SocketId {
        self.counters.connects += 1;
        let calls = &mut self.counters.system_calls;
        self.sockets
            .connect(self.poll.registry(), address, token, &mut self.done, calls)
    }

    pub(super) fn send(&mut self, socket: SocketId, payload: Payload, token: Token) {
        self.counters.sends += 1;
        let calls = &mut self.counters.system_calls;
        self.sockets
            .send(socket, payload, token, &mut self.done, calls);
    }

    pub(super) fn receive(
        &mut self,
        socket: SocketId,
        buffer: Buffer,
        range: Range<usize>,
        token: Token,
    ) {
        self.counters.receives += 1;
        let calls = &mut self.counters.system_calls;
        self.sockets
            .receive(socket, buffer, range, token, &mut self.done, calls);
    }

    pub(super) fn close_socket(&mut self, socket: SocketId) {
        self.counters.system_calls += 3;
        self.sockets
            .close(self.poll.registry(), socket, &mut self.done);
    }

    pub(super) fn reap(
        &mut self,
        until: Option<Instant>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()> {
        let mut interrupted = false;
        let mut looked = false;
        loop {
            let mut leave = self.waker.take() || interrupted;
            self.counters.system_calls += self.files.collect(&mut self.done);
            leave |= !self.done.is_empty();
            if leave && looked {
                break;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            leave |= left == Some(Duration::ZERO);
            let asleep = !leave && self.waker.fall_asleep();
            interrupted = self.wait(if asleep { left } else { Some(Duration::ZERO) })?;
            self.handle_events();
            if leave || !self.done.is_empty() {
                break;
            }
            looked = true;
        }
        self.done.move_to(completions);
        Ok(())
    }

    pub(super) fn now(&self) -> Instant {
        Instant::now()
    }

    pub(super) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    pub(super) fn describe(&self) -> String {
        "poll (epoll, files on a helper thread)".to_owned()
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    /// Waits for events; says whether a signal ended the wait.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        self.counters.system_calls += 1;
        // The call counts milliseconds in 31 bits; the loop goes on after a wait that was cut.
        let timeout = timeout.map(|timeout| timeout.min(WAIT_MAX));
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn handle_events(&mut self) {
        let calls = &mut self.counters.system_calls;
        for event in &self.events {
            if event.token() != WAKER {
                self.sockets.handle_event(event, &mut self.done, calls);
            }
        }
    }
}

const WAKER: mio::Token = mio::Token(usize::MAX);

/// The longest single wait.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Events taken in one call; more sockets than that wait for the next.
const EVENTS_MAX: usize = 64;
