//! The contract in virtual time, from a seed: what the kernel and the network may do to us.
//!
//! Files are real; everything else is made up. Each thing that will happen has a time in the queue
//! of events, drawn when it is caused; [`Simulated::reap`] moves the clock to the next one and
//! nowhere else. The same seed, calls and files give the same run. What a connection took is
//! delivered to the [`Peer`] in pieces and in order, also after the connection was closed here, as
//! a kernel does.

mod connection;
mod faults;
mod network;
mod operation;
mod random;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use self::network::Network;
use self::operation::{Held, Operation};
pub(super) use self::random::Random;
use super::slab::Slab;
use super::{Completion, Counters, DESCRIPTORS_MAX, FileId, OPERATIONS_MAX};
use super::{Payload, SocketId, Token, Waker};
use crate::memory::Buffer;

pub use faults::{Ending, Faults, Peer};

/// Files, connections and a peer in virtual time.
pub struct Simulated {
    world: World,
    network: Network,
    operations: Slab<Operation>,
    files: Slab<Rc<OwnedFd>>,
    /// Completed and not reaped yet.
    done: Vec<Completion>,
    waker: Waker,
    counters: Counters,
}

/// What every part of a simulation needs: the time, the chances, and what will happen.
#[derive(Debug)]
struct World {
    random: Random,
    faults: Faults,
    /// What the clock said when it all began: callers want an `Instant`.
    start: Instant,
    elapsed: Duration,
    /// By time, then in the order in which they were caused.
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    caused: u64,
}

/// What will happen, to the operation or socket of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// An operation completes.
    Complete(u32),
    /// Bytes reach the peer.
    Deliver(u32),
    /// The peer's words reach us.
    Arrive(u32),
}

impl World {
    /// Has this happen after a while.
    fn cause(&mut self, event: Event) {
        let at = self.later();
        self.cause_at(at, event);
    }

    fn cause_at(&mut self, at: Duration, event: Event) {
        self.caused += 1;
        self.events.push(Reverse((at, self.caused, event)));
    }

    fn later(&mut self) -> Duration {
        self.elapsed + self.random.delay(self.faults.delay_max)
    }

    fn now(&self) -> Instant {
        self.start + self.elapsed
    }
}

impl Simulated {
    /// A simulation that the seed decides, with this peer at the other end of every connection.
    pub fn new(seed: u64, faults: Faults, peer: Box<dyn Peer>) -> Self {
        Self {
            world: World {
                random: Random::new(seed),
                faults,
                start: Instant::now(),
                elapsed: Duration::ZERO,
                events: BinaryHeap::new(),
                caused: 0,
            },
            network: Network::new(peer),
            operations: Slab::new(OPERATIONS_MAX),
            files: Slab::new(DESCRIPTORS_MAX),
            done: Vec::new(),
            waker: Waker::new().expect("a simulation needs one event descriptor"),
            counters: Counters::default(),
        }
    }

    /// Ends the simulation as the death of a process does, and gives the peer back: it has got a
    /// beginning of what was under way to it, how much the seed decides.
    pub fn into_peer(mut self) -> Box<dyn Peer> {
        self.die();
        self.network
            .take_peer()
            .expect("the peer is there until the end")
    }

    pub(super) fn add_file(&mut self, file: OwnedFd) -> FileId {
        FileId(self.files.insert(Rc::new(file)))
    }

    pub(super) fn remove_file(&mut self, file: FileId) {
        drop(self.files.remove(file.0).expect("a file is removed once"));
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
        let file = self.file(file);
        self.begin_later(
            token,
            Held::Read {
                file,
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
        let file = self.file(file);
        self.begin_later(
            token,
            Held::Write {
                file,
                position,
                buffer,
                range,
            },
        );
    }

    pub(super) fn sync(&mut self, file: FileId, token: Token) {
        self.counters.syncs += 1;
        drop(self.file(file));
        self.begin_later(token, Held::Sync);
    }

    pub(super) fn connect(&mut self, address: SocketAddr, token: Token) -> SocketId {
        self.counters.connects += 1;
        let socket = self.network.add(address);
        let key = self.begin(token, Held::Connect { socket });
        self.network
            .connect(socket, key, &mut self.operations, &mut self.world);
        SocketId(socket)
    }

    pub(super) fn send(&mut self, socket: SocketId, payload: Payload, token: Token) {
        self.counters.sends += 1;
        self.network.check_connected(socket.0);
        let total = payload.byte_len();
        let key = self.begin(
            token,
            Held::Send {
                socket: socket.0,
                payload,
                taken: 0,
                total,
            },
        );
        self.network
            .send(socket.0, key, &mut self.operations, &mut self.world);
    }

    pub(super) fn receive(
        &mut self,
        socket: SocketId,
        buffer: Buffer,
        range: Range<usize>,
        token: Token,
    ) {
        self.counters.receives += 1;
        self.network.check_connected(socket.0);
        let key = self.begin(
            token,
            Held::Receive {
                socket: socket.0,
                buffer,
                range,
            },
        );
        self.network
            .receive(socket.0, key, &mut self.operations, &mut self.world);
    }

    pub(super) fn close_socket(&mut self, socket: SocketId) {
        self.network
            .close(socket.0, &mut self.operations, &mut self.world);
    }

    pub(super) fn reap(
        &mut self,
        until: Option<Instant>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()> {
        let until = until.map(|until| until.saturating_duration_since(self.world.start));
        loop {
            let mut leave = self.waker.take();
            self.happen();
            leave |= !self.done.is_empty() || until.is_some_and(|it| it <= self.world.elapsed);
            if leave {
                completions.append(&mut self.done);
                return Ok(());
            }
            match (self.next_time(), until) {
                (Some(next), None) => self.world.elapsed = next,
                (Some(next), Some(until)) => self.world.elapsed = next.min(until),
                (None, Some(until)) => self.world.elapsed = until,
                (None, None) => self.wait_for_waker()?,
            }
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.world.now()
    }

    pub(super) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Decided by the seed; takes nothing from the chances of what happens.
    pub(super) fn chance(&self) -> u64 {
        self.world.random.clone().next()
    }

    pub(super) fn describe(&self) -> String {
        "simulated".to_owned()
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    fn file(&self, file: FileId) -> Rc<OwnedFd> {
        let file = self
            .files
            .get(file.0)
            .expect("a file is not used after it was removed");
        Rc::clone(file)
    }

    fn begin(&mut self, token: Token, held: Held) -> u32 {
        self.operations.insert(Operation {
            token,
            held,
            scheduled: false,
            result: None,
        })
    }

    fn begin_later(&mut self, token: Token, held: Held) {
        let key = self.begin(token, held);
        operation::schedule(&mut self.operations, key, None, &mut self.world);
    }

    /// When something happens next.
    fn next_time(&mut self) -> Option<Duration> {
        let event = self.world.events.peek().map(|Reverse((at, ..))| *at);
        let start = self.world.start;
        let timeout = self.network.poll_timeout();
        let timeout = timeout.map(|at| at.saturating_duration_since(start));
        event.into_iter().chain(timeout).min()
    }

    /// Everything happens whose time has come.
    fn happen(&mut self) {
        self.network
            .handle_timeout(&mut self.operations, &mut self.world);
        while let Some(Reverse((at, ..))) = self.world.events.peek()
            && *at <= self.world.elapsed
        {
            let Reverse((_, _, event)) = self.world.events.pop().expect("it was just seen");
            match event {
                Event::Complete(key) => self.complete(key),
                Event::Deliver(socket) => {
                    self.network
                        .deliver(socket, &mut self.operations, &mut self.world);
                }
                Event::Arrive(socket) => {
                    self.network
                        .arrive(socket, &mut self.operations, &mut self.world);
                }
            }
        }
    }

    fn complete(&mut self, key: u32) {
        let mut operation = self
            .operations
            .remove(key)
            .expect("an operation completes once");
        let World { faults, random, .. } = &mut self.world;
        let result = match (operation.result.take(), &mut operation.held) {
            (Some(result), _) => result,
            (
                None,
                Held::Read {
                    file,
                    position,
                    buffer,
                    range,
                },
            ) => operation::read(file, *position, &mut buffer[range.clone()], faults, random),
            (
                None,
                Held::Write {
                    file,
                    position,
                    buffer,
                    range,
                },
            ) => operation::write(file, *position, &buffer[range.clone()], faults, random),
            (None, Held::Sync) => operation::sync(faults, random),
            (None, Held::Connect { socket }) => self.network.establish(*socket),
            (
                None,
                Held::Receive {
                    socket,
                    buffer,
                    range,
                },
            ) => self
                .network
                .take(*socket, &mut buffer[range.clone()], &mut self.world),
            (None, Held::Send { .. }) => unreachable!("a send is scheduled with its result"),
        };
        self.network.finish(&operation.held, result.is_ok());
        let buffers = operation.held.into_buffers();
        self.done.push(Completion {
            token: operation.token,
            result,
            buffers,
        });
    }

    /// Nothing can happen any more but by somebody outside the simulation: then real time counts.
    fn wait_for_waker(&self) -> io::Result<()> {
        if self.waker.is_shared() && self.waker.fall_asleep() {
            let mut events = [PollFd::new(&self.waker, PollFlags::IN)];
            let timeout = Timespec::try_from(WAKER_TIMEOUT).expect("seconds fit");
            let woken = rustix::event::poll(&mut events, Some(&timeout));
            if matches!(woken, Ok(1..)) {
                rustix::io::read(&self.waker, &mut [0; 8])?;
                // The loop finds the bit.
                return Ok(());
            }
            if woken == Err(Errno::INTR) {
                return Ok(());
            }
        } else if self.waker.is_shared() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::Deadlock,
            format!(
                "the simulation waits for ever: nothing is due, and {} operations never complete",
                self.operations.len()
            ),
        ))
    }

    /// The process dies: what it had handed to the network may still arrive, and what it had handed
    /// to the disk may still be written.
    fn die(&mut self) {
        if !self.network.has_peer() {
            return;
        }
        if self.world.faults.deliver_after_drop {
            for (_, operation) in self.operations.iter() {
                if let Held::Write {
                    file,
                    position,
                    buffer,
                    range,
                } = &operation.held
                {
                    let bytes = &buffer[range.clone()];
                    operation::write_some(file, *position, bytes, &mut self.world.random);
                }
            }
        }
        self.network.die(&mut self.world);
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.die();
    }
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulated")
            .field("elapsed", &self.world.elapsed)
            .field("faults", &self.world.faults)
            .field("operations", &self.operations.len())
            .finish_non_exhaustive()
    }
}

/// How long, in real time, somebody outside may take to wake a simulation in which nothing happens.
const WAKER_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
