//! The contract on io_uring.
//!
//! Operations are queued where they are asked for and submitted by the next reap, which also waits:
//! one system call a turn. What the kernel holds lies in [`InFlight`] until its last completion. A
//! completion names its operation by a key of that table, never by a pointer.
//!
//! Measured (Linux 6.18, two cores; `benches/io.rs`, which see for the costs): a read of what the
//! page cache has completes while it is submitted; a cold one waits on the cache's pages, without a
//! worker thread, and its submission takes the time of starting the disk. A send completes while it
//! is submitted if there is room for all of it, else the kernel goes on when there is
//! (`socket::tune` says how much room there is, and why): neither holds the loop up.
#![allow(
    unsafe_code,
    reason = "the kernel is handed buffers here, and only here"
)]

mod in_flight;
mod op;
mod ring;
mod setup;

use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::net::{Shutdown, SocketFlags};

use self::in_flight::{Held, InFlight, Operation, Outcome};
use self::ring::Ring;
pub(super) use self::setup::Features;
pub use self::setup::UringError;
use super::slab::Slab;
use super::socket::{closed_error, open, tune};
use super::{
    Completion, Counters, DESCRIPTORS_MAX, FileId, Payload, Returned, SocketId, Token, Waker,
};
use crate::memory::Buffer;

/// One thread's files and sockets over a ring.
///
/// The order of the fields is the order of their end: [`Drop`] has waited until the kernel was done
/// with every buffer, then the ring is closed, then what was in flight is freed, and only then are
/// descriptors closed.
#[derive(Debug)]
pub struct Uring {
    ring: Ring,
    in_flight: InFlight,
    sockets: Slab<Socket>,
    files: Slab<File>,
    /// Failed before the kernel saw it, and not reaped yet.
    failed: Vec<Completion>,
    waker: Waker,
    /// Whether a read of the waker's event is under way.
    listening: bool,
    counters: Counters,
    /// A ring made with SINGLE_ISSUER refuses every other thread.
    one_thread: PhantomData<*const ()>,
}

#[derive(Debug)]
struct File {
    descriptor: OwnedFd,
    under_way: u32,
    removed: bool,
}

#[derive(Debug)]
struct Socket {
    /// Absent if it could not be made; the connect has completed with the reason then.
    descriptor: Option<OwnedFd>,
    /// Keys of what is under way.
    connecting: Option<u32>,
    sending: Option<u32>,
    receiving: Option<u32>,
    closed: bool,
}

impl Uring {
    /// A ring with the newest features of the kernel, or with none of them.
    pub(super) fn new(basic: bool) -> Result<Self, UringError> {
        Ok(Self {
            ring: setup::set_up(basic)?,
            in_flight: InFlight::new(),
            sockets: Slab::new(DESCRIPTORS_MAX),
            files: Slab::new(DESCRIPTORS_MAX),
            failed: Vec::new(),
            waker: Waker::new().map_err(UringError::Waker)?,
            listening: false,
            counters: Counters::default(),
            one_thread: PhantomData,
        })
    }

    pub(super) fn features(&self) -> Features {
        self.ring.features()
    }

    pub(super) fn add_file(&mut self, descriptor: OwnedFd) -> FileId {
        FileId(self.files.insert(File {
            descriptor,
            under_way: 0,
            removed: false,
        }))
    }

    pub(super) fn remove_file(&mut self, file: FileId) {
        let entry = self.files.get_mut(file.0).expect("a file is removed once");
        assert!(!entry.removed, "a file is removed once");
        entry.removed = true;
        self.close_file_if_idle(file.0);
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
        self.begin_on_file(
            file,
            token,
            Held::Read {
                file: file.0,
                position,
                buffer,
                range,
            },
        );
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
        let held = Held::Write {
            file: file.0,
            position,
            buffer,
            range,
            written: 0,
        };
        self.begin_on_file(file, token, held);
    }

    pub(super) fn sync(&mut self, file: FileId, token: Token) {
        self.counters.syncs += 1;
        self.begin_on_file(file, token, Held::Sync { file: file.0 });
    }

    pub(super) fn connect(&mut self, address: SocketAddr, token: Token) -> SocketId {
        self.counters.connects += 1;
        self.counters.system_calls += 2;
        // Blocking on purpose: the ring waits for it, and EAGAIN means that it cannot.
        let (descriptor, error) = match open(address, SocketFlags::empty()) {
            Ok(descriptor) => (Some(descriptor), None),
            Err(error) => (None, Some(error)),
        };
        let (connecting, sending, receiving) = (None, None, None);
        let raw = descriptor.as_ref().map(AsRawFd::as_raw_fd);
        let entry = Socket {
            descriptor,
            connecting,
            sending,
            receiving,
            closed: false,
        };
        let socket = self.sockets.insert(entry);
        if let Some(raw) = raw {
            let address = Box::new(address.into());
            let key = self.begin(raw, token, Held::Connect { socket, address });
            self.socket_mut(socket).connecting = Some(key);
        } else {
            let result = Err(error.expect("a socket is absent because of an error"));
            self.failed.push(Completion {
                token,
                result,
                buffers: Returned::None,
            });
        }
        SocketId(socket)
    }

    pub(super) fn send(&mut self, id: SocketId, payload: Payload, token: Token) {
        self.counters.sends += 1;
        let raw = self.connected(id);
        assert!(
            self.socket_mut(id.0).sending.is_none(),
            "one send at a time on a socket"
        );
        let total = payload.byte_len();
        let vectors = self.in_flight.vectors_for(&payload);
        let held = Held::Send {
            socket: id.0,
            payload,
            sent: 0,
            total,
            vectors,
        };
        let key = self.begin(raw, token, held);
        self.socket_mut(id.0).sending = Some(key);
    }

    pub(super) fn receive(
        &mut self,
        id: SocketId,
        buffer: Buffer,
        range: Range<usize>,
        token: Token,
    ) {
        self.counters.receives += 1;
        let raw = self.connected(id);
        assert!(
            self.socket_mut(id.0).receiving.is_none(),
            "one receive at a time on a socket"
        );
        let key = self.begin(
            raw,
            token,
            Held::Receive {
                socket: id.0,
                buffer,
                range,
            },
        );
        self.socket_mut(id.0).receiving = Some(key);
    }

    pub(super) fn close_socket(&mut self, id: SocketId) {
        let socket = self.sockets.get_mut(id.0).expect("a socket is closed once");
        assert!(!socket.closed, "a socket is closed once");
        socket.closed = true;
        if let Some(descriptor) = &socket.descriptor {
            // Of a connection that is not there it fails, which is as well.
            rustix::net::shutdown(descriptor, Shutdown::Both).ok();
            self.counters.system_calls += 1;
        }
        let under_way = [socket.connecting, socket.sending, socket.receiving];
        for key in under_way.into_iter().flatten() {
            self.in_flight.orphan(key);
            self.ring.push_cancel(key);
        }
        self.close_socket_if_idle(id.0);
    }

    pub(super) fn reap(
        &mut self,
        until: Option<Instant>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()> {
        completions.append(&mut self.failed);
        let before = completions.len();
        let mut leave = before > 0;
        loop {
            leave |= self.waker.take();
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            leave |= left == Some(Duration::ZERO);
            let wait = !leave && !self.ring.has_completions() && self.fall_asleep();
            leave |= self.enter(wait, left)?;
            self.take_completions(completions);
            if leave || completions.len() > before {
                return Ok(());
            }
        }
    }

    pub(super) fn now(&self) -> Instant {
        Instant::now()
    }

    pub(super) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    pub(super) fn describe(&self) -> String {
        format!("io_uring with {}", self.ring.features())
    }

    pub(super) fn counters(&self) -> Counters {
        Counters {
            system_calls: self.counters.system_calls + self.ring.enters(),
            ..self.counters
        }
    }

    fn begin_on_file(&mut self, file: FileId, token: Token, held: Held) {
        let entry = self
            .files
            .get_mut(file.0)
            .expect("a file is not used after it was removed");
        assert!(!entry.removed, "a file is not used after it was removed");
        entry.under_way += 1;
        let raw = entry.descriptor.as_raw_fd();
        self.begin(raw, token, held);
    }

    /// From here the kernel owns what `held` owns.
    fn begin(&mut self, raw: RawFd, token: Token, held: Held) -> u32 {
        let key = self.in_flight.insert(Operation::new(token, raw, held));
        self.queue(key);
        key
    }

    /// Queues the operation of this key, for the first time or for what is left of it.
    fn queue(&mut self, key: u32) {
        let entry = self.in_flight.entry(key, self.ring.features());
        // SAFETY: what `entry` points to belongs to the operation `key` of `in_flight`, which is
        // removed only by `take_completions`, after the completion of this entry; if we are dropped
        // before, `drop` waits for that completion or leaks the table.
        unsafe { self.ring.push(entry) };
    }

    fn connected(&mut self, id: SocketId) -> RawFd {
        let socket = self.socket_mut(id.0);
        assert!(!socket.closed, "a socket is not used after it was closed");
        assert!(
            socket.connecting.is_none(),
            "a socket is used once its connect has completed"
        );
        socket
            .descriptor
            .as_ref()
            .expect("a socket is used if its connect succeeded")
            .as_raw_fd()
    }

    fn socket_mut(&mut self, socket: u32) -> &mut Socket {
        self.sockets
            .get_mut(socket)
            .expect("a socket stays while it is open or in use")
    }

    /// Has the waker be heard, if there is any; false if it was used meanwhile.
    fn fall_asleep(&mut self) -> bool {
        if self.waker.is_shared() && !self.listening {
            self.listening = true;
            let raw = self.waker.as_raw_fd();
            self.begin(
                raw,
                Token(0),
                Held::Wake {
                    count: Box::new([0; 8]),
                },
            );
        }
        self.waker.fall_asleep()
    }

    /// Submits, and waits if told to. Says whether the time or a signal ended the wait.
    fn enter(&mut self, wait: bool, left: Option<Duration>) -> io::Result<bool> {
        match self.ring.enter(wait, left) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            result => result,
        }
    }

    /// Takes all completions that are there.
    fn take_completions(&mut self, completions: &mut Vec<Completion>) {
        while let Some((key, result)) = self.ring.next_completion() {
            match self.in_flight.outcome(key, result) {
                Outcome::Again => self.queue(key),
                Outcome::Done(result) => {
                    // The kernel is done with what the operation held: entries are pushed one at a
                    // time for a key, and this was the completion of the last one.
                    let operation = self.in_flight.remove(key);
                    completions.extend(self.finish(operation, result));
                }
            }
        }
    }

    fn finish(&mut self, operation: Operation, result: io::Result<usize>) -> Option<Completion> {
        let token = operation.token();
        let (result, held) = operation.into_held(result);
        let buffers = match held {
            Held::Read { file, buffer, .. } | Held::Write { file, buffer, .. } => {
                self.release_file(file);
                Returned::Buffer(buffer)
            }
            Held::Sync { file } => {
                self.release_file(file);
                Returned::None
            }
            Held::Connect { socket, .. } => {
                let entry = self.socket_mut(socket);
                entry.connecting = None;
                if let (Some(descriptor), true) = (&entry.descriptor, result.is_ok()) {
                    tune(descriptor);
                }
                self.close_socket_if_idle(socket);
                Returned::None
            }
            Held::Receive { socket, buffer, .. } => {
                self.socket_mut(socket).receiving = None;
                self.close_socket_if_idle(socket);
                Returned::Buffer(buffer)
            }
            Held::Send {
                socket,
                payload,
                vectors,
                ..
            } => {
                self.in_flight.put_vectors(vectors);
                self.socket_mut(socket).sending = None;
                self.close_socket_if_idle(socket);
                Returned::Payload(payload)
            }
            Held::Wake { .. } => {
                self.listening = false;
                return None;
            }
        };
        Some(Completion {
            token,
            result,
            buffers,
        })
    }

    fn release_file(&mut self, file: u32) {
        self.files
            .get_mut(file)
            .expect("a file stays while it is in use")
            .under_way -= 1;
        self.close_file_if_idle(file);
    }

    fn close_file_if_idle(&mut self, file: u32) {
        let entry = self
            .files
            .get(file)
            .expect("a file stays while it is in use");
        if entry.removed && entry.under_way == 0 {
            drop(self.files.remove(file));
        }
    }

    fn close_socket_if_idle(&mut self, socket: u32) {
        let entry = self.socket_mut(socket);
        let idle = [entry.connecting, entry.sending, entry.receiving]
            .iter()
            .all(Option::is_none);
        if entry.closed && idle {
            drop(self.sockets.remove(socket));
        }
    }

    /// Cancels everything and waits for it. Says whether the kernel let go of every buffer.
    fn wind_down(&mut self) -> io::Result<bool> {
        let until = Instant::now() + END_TIMEOUT;
        for key in self.in_flight.keys() {
            self.in_flight.orphan(key);
            self.ring.push_cancel(key);
        }
        let mut completions = Vec::new();
        while !self.in_flight.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let wait = !self.ring.has_completions();
            self.enter(wait, Some(left))?;
            self.take_completions(&mut completions);
            completions.clear();
        }
        Ok(true)
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        match self.wind_down() {
            Ok(true) => return,
            Ok(false) => tracing::error!("operations did not end within {END_TIMEOUT:?}"),
            Err(error) => tracing::error!("cannot wait for the operations under way: {error}"),
        }
        // Closing a ring does not wait for what is in flight on it, so that these buffers may be
        // written to at any later time: they are never freed.
        self.in_flight.leak();
    }
}

/// How long the end waits for operations that cannot be cancelled: a read from a disk, say.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// The result of an operation whose socket was closed.
fn orphaned() -> io::Result<usize> {
    Err(closed_error())
}
