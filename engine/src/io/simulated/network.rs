//! The simulated network: sockets on this side, one peer on the other.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use rustix::io::Errno;

use super::connection::Connection;
use super::faults::{Ending, Peer};
use super::operation::{Held, Operation, schedule};
use super::{Event, World};
use crate::io::DESCRIPTORS_MAX;
use crate::io::slab::Slab;
use crate::io::socket::closed_error;

/// Every socket, and who is at the other end.
pub(super) struct Network {
    sockets: Slab<Socket>,
    peer: Option<Box<dyn Peer>>,
    /// How many connections there were: their numbers.
    connections: u64,
}

#[derive(Debug)]
struct Socket {
    address: SocketAddr,
    /// The connection's number while the peer knows it.
    number: Option<u64>,
    connection: Connection,
    /// Keys of what is under way.
    connecting: Option<u32>,
    sending: Option<u32>,
    receiving: Option<u32>,
    /// A delivery to the peer has its time.
    delivering: bool,
    closed: bool,
}

type Operations = Slab<Operation>;

impl Network {
    pub(super) fn new(peer: Box<dyn Peer>) -> Self {
        Self {
            sockets: Slab::new(DESCRIPTORS_MAX),
            peer: Some(peer),
            connections: 0,
        }
    }

    pub(super) fn has_peer(&self) -> bool {
        self.peer.is_some()
    }

    pub(super) fn take_peer(&mut self) -> Option<Box<dyn Peer>> {
        self.peer.take()
    }

    pub(super) fn add(&mut self, address: SocketAddr) -> u32 {
        self.sockets.insert(Socket {
            address,
            number: None,
            connection: Connection::default(),
            connecting: None,
            sending: None,
            receiving: None,
            delivering: false,
            closed: false,
        })
    }

    pub(super) fn check_connected(&self, socket: u32) {
        let socket = self
            .sockets
            .get(socket)
            .expect("a socket is not used after it was closed");
        assert!(!socket.closed, "a socket is not used after it was closed");
        assert!(
            socket.connecting.is_none(),
            "a socket is used once its connect has completed"
        );
    }

    /// Begins to connect: whether it will come to anything is decided here, the rest when it does.
    pub(super) fn connect(
        &mut self,
        socket: u32,
        key: u32,
        operations: &mut Operations,
        world: &mut World,
    ) {
        let entry = self.socket_mut(socket);
        entry.connecting = Some(key);
        let address = entry.address;
        let unanswered = world.random.chance(world.faults.connects_unanswered);
        let refused = world.random.chance(world.faults.connects_refused);
        if unanswered || !self.peer_mut().is_reachable(address) {
            return;
        }
        let result = refused.then(|| Err(Errno::CONNREFUSED.into()));
        schedule(operations, key, result, world);
    }

    /// The connect of this socket has its time.
    pub(super) fn establish(&mut self, socket: u32) -> io::Result<usize> {
        let number = self.connections;
        self.connections += 1;
        let address = self.socket_mut(socket).address;
        if !self.peer_mut().accept(address, number) {
            return Err(Errno::CONNREFUSED.into());
        }
        self.socket_mut(socket).number = Some(number);
        Ok(0)
    }

    pub(super) fn send(
        &mut self,
        socket: u32,
        key: u32,
        operations: &mut Operations,
        world: &mut World,
    ) {
        let entry = self.socket_mut(socket);
        assert!(entry.sending.is_none(), "one send at a time on a socket");
        entry.sending = Some(key);
        if entry.connection.lost {
            schedule(operations, key, Some(Err(Errno::PIPE.into())), world);
        } else {
            entry.take_from_send(socket, operations, world);
        }
    }

    pub(super) fn receive(
        &mut self,
        socket: u32,
        key: u32,
        operations: &mut Operations,
        world: &mut World,
    ) {
        let entry = self.socket_mut(socket);
        assert!(
            entry.receiving.is_none(),
            "one receive at a time on a socket"
        );
        entry.receiving = Some(key);
        if entry.connection.is_readable() {
            schedule(operations, key, None, world);
        }
    }

    /// A receive has its time: it takes what is there, or some of it.
    pub(super) fn take(
        &mut self,
        socket: u32,
        wanted: &mut [u8],
        world: &mut World,
    ) -> io::Result<usize> {
        let connection = &mut self.socket_mut(socket).connection;
        let there = connection.incoming.len().min(wanted.len());
        if there == 0 {
            assert!(
                connection.is_readable(),
                "a receive is scheduled when there is something"
            );
            return if connection.lost {
                Err(Errno::CONNRESET.into())
            } else {
                Ok(0)
            };
        }
        let cut = world.random.chance(world.faults.cuts);
        let count = if cut {
            world.random.piece(there)
        } else {
            there
        };
        for (place, byte) in wanted.iter_mut().zip(connection.incoming.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    /// An operation of a socket is over.
    pub(super) fn finish(&mut self, held: &Held, succeeded: bool) {
        let socket = match held {
            Held::Read { .. } | Held::Write { .. } | Held::Sync => return,
            Held::Connect { socket } => {
                let entry = self.socket_mut(*socket);
                entry.connecting = None;
                entry.connection.lost |= !succeeded;
                *socket
            }
            Held::Send { socket, .. } => {
                self.socket_mut(*socket).sending = None;
                *socket
            }
            Held::Receive { socket, .. } => {
                self.socket_mut(*socket).receiving = None;
                *socket
            }
        };
        self.forget_if_over(socket);
    }

    /// Whatever is under way completes with an error; what was taken is delivered all the same.
    pub(super) fn close(&mut self, socket: u32, operations: &mut Operations, world: &mut World) {
        let entry = self
            .sockets
            .get_mut(socket)
            .expect("a socket is closed once");
        assert!(!entry.closed, "a socket is closed once");
        entry.closed = true;
        for key in [entry.connecting, entry.sending, entry.receiving]
            .into_iter()
            .flatten()
        {
            let operation = operations.get_mut(key).expect("what is under way is here");
            operation.result = Some(Err(closed_error()));
            if operation.scheduled {
                continue;
            }
            operation.scheduled = true;
            let late = world.faults.late_after_close;
            let at = if late { world.later() } else { world.elapsed };
            world.cause_at(at, Event::Complete(key));
        }
        self.forget_if_over(socket);
    }

    /// Some of what is under way reaches the peer, or the connection is lost.
    pub(super) fn deliver(&mut self, socket: u32, operations: &mut Operations, world: &mut World) {
        let Some(entry) = self.sockets.get_mut(socket) else {
            return;
        };
        entry.delivering = false;
        let there = entry.connection.outgoing.len();
        if there == 0 {
            self.forget_if_over(socket);
            return;
        }
        let Some(number) = entry.number else {
            // The peer had ended the connection: what comes then is answered by a reset.
            self.lose(socket, operations, world);
            return;
        };
        if !self.peer_mut().is_reading(number) {
            return;
        }
        let entry = self.socket_mut(socket);
        let cut = world.random.chance(world.faults.cuts);
        let mut count = if cut {
            world.random.piece(there)
        } else {
            there
        };
        let lost = world.random.chance(world.faults.connections_lost);
        if lost {
            count = world.random.below(count + 1);
        }
        let bytes = entry.connection.take_outgoing(count);
        let mut replies = Vec::new();
        if count > 0 {
            self.peer_mut()
                .receive(world.now(), number, &bytes, &mut replies);
        }
        if lost {
            self.lose(socket, operations, world);
            return;
        }
        self.reply(socket, replies, world);
        self.end_if_asked(socket, operations, world);
        if let Some(entry) = self.sockets.get_mut(socket) {
            entry.take_from_send(socket, operations, world);
        }
        self.forget_if_over(socket);
    }

    /// Words of the peer reach us.
    pub(super) fn arrive(&mut self, socket: u32, operations: &mut Operations, world: &mut World) {
        let Some(entry) = self.sockets.get_mut(socket) else {
            return;
        };
        entry.connection.arrive();
        if let Some(key) = entry.receiving
            && entry.connection.is_readable()
        {
            schedule(operations, key, None, world);
        }
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        self.peer_mut().poll_timeout()
    }

    /// The peer says something unasked, if its time has come.
    pub(super) fn handle_timeout(&mut self, operations: &mut Operations, world: &mut World) {
        let now = world.now();
        if self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        let mut replies = Vec::new();
        self.peer_mut().handle_timeout(now, &mut replies);
        let next = self.poll_timeout();
        assert!(
            next.is_none_or(|at| at > now),
            "a peer's next time-out lies in the future"
        );
        let known: Vec<_> = self
            .sockets
            .iter()
            .map(|(key, it)| (key, it.number))
            .collect();
        for (number, words) in replies {
            let socket = known.iter().find(|(_, known)| *known == Some(number));
            if let Some((socket, _)) = socket {
                self.reply(*socket, words, world);
            }
        }
        for (socket, _) in known.into_iter().filter(|(_, number)| number.is_some()) {
            self.end_if_asked(socket, operations, world);
            // It may take again what it did not take before.
            if let Some(entry) = self.sockets.get_mut(socket) {
                entry.take_from_send(socket, operations, world);
            }
        }
    }

    /// The process dies: of what each connection took, a beginning still arrives.
    pub(super) fn die(&mut self, world: &mut World) {
        let sockets: Vec<u32> = self.sockets.iter().map(|(key, _)| key).collect();
        for socket in sockets {
            let entry = self.socket_mut(socket);
            let Some(number) = entry.number else { continue };
            let mut bytes = Vec::new();
            let reading = self.peer_mut().is_reading(number);
            let entry = self.socket_mut(socket);
            if world.faults.deliver_after_drop && reading {
                let count = world.random.below(entry.connection.outgoing.len() + 1);
                bytes = entry.connection.take_outgoing(count);
            }
            let peer = self.peer_mut();
            if !bytes.is_empty() {
                peer.receive(world.now(), number, &bytes, &mut Vec::new());
            }
            peer.disconnected(number);
        }
    }

    /// Sends words of the peer back, whole or in pieces.
    fn reply(&mut self, socket: u32, mut words: Vec<u8>, world: &mut World) {
        let entry = self
            .sockets
            .get_mut(socket)
            .expect("the peer replies to a socket it knows");
        if entry.closed {
            return;
        }
        while !words.is_empty() {
            let cut = world.random.chance(world.faults.cuts);
            let count = if cut {
                world.random.piece(words.len())
            } else {
                words.len()
            };
            let rest = words.split_off(count);
            let at = entry.connection.reply(world.later(), Some(words));
            world.cause_at(at, Event::Arrive(socket));
            words = rest;
        }
    }

    fn end_if_asked(&mut self, socket: u32, operations: &mut Operations, world: &mut World) {
        let Some(number) = self.sockets.get(socket).and_then(|entry| entry.number) else {
            return;
        };
        let peer = self.peer.as_mut().expect("the peer is there until the end");
        match peer.poll_ending(number) {
            None => {}
            Some(Ending::Reset) => self.lose(socket, operations, world),
            Some(Ending::Orderly) => {
                peer.disconnected(number);
                let entry = self.socket_mut(socket);
                entry.number = None;
                let at = entry.connection.reply(world.later(), None);
                world.cause_at(at, Event::Arrive(socket));
            }
        }
    }

    /// The connection is gone, and what is under way on it fails.
    fn lose(&mut self, socket: u32, operations: &mut Operations, world: &mut World) {
        let entry = self
            .sockets
            .get_mut(socket)
            .expect("the connection of a socket is lost");
        entry.connection.lose();
        if world.random.chance(500) {
            entry.connection.incoming.clear();
        }
        if let Some(number) = entry.number.take() {
            self.peer
                .as_mut()
                .expect("the peer is there until the end")
                .disconnected(number);
        }
        let (sending, receiving) = (entry.sending, entry.receiving);
        if let Some(key) = sending
            && operations
                .get(key)
                .is_some_and(|operation| !operation.scheduled)
        {
            schedule(operations, key, Some(Err(Errno::CONNRESET.into())), world);
        }
        if let Some(key) = receiving {
            schedule(operations, key, None, world);
        }
        self.forget_if_over(socket);
    }

    /// A closed socket goes when nothing is under way on it and the peer has everything.
    fn forget_if_over(&mut self, socket: u32) {
        let Some(entry) = self.sockets.get(socket) else {
            return;
        };
        let idle = [entry.connecting, entry.sending, entry.receiving]
            .iter()
            .all(Option::is_none);
        if entry.closed && idle && entry.connection.outgoing.is_empty() {
            let number = entry.number;
            drop(self.sockets.remove(socket));
            if let Some(number) = number {
                self.peer_mut().disconnected(number);
            }
        }
    }

    fn socket_mut(&mut self, socket: u32) -> &mut Socket {
        self.sockets
            .get_mut(socket)
            .expect("a socket stays while it is open or in use")
    }

    fn peer_mut(&mut self) -> &mut Box<dyn Peer> {
        self.peer.as_mut().expect("the peer is there until the end")
    }
}

impl Socket {
    /// The network takes what it has room for; the send is over when it has taken everything.
    fn take_from_send(&mut self, own: u32, operations: &mut Operations, world: &mut World) {
        if let Some(key) = self.sending {
            let operation = operations.get_mut(key).expect("what is under way is here");
            let Held::Send {
                payload,
                taken,
                total,
                ..
            } = &mut operation.held
            else {
                unreachable!("the key of a send names a send");
            };
            if !operation.scheduled {
                let outgoing = &mut self.connection.outgoing;
                let mut room = world.faults.connection_bytes.saturating_sub(outgoing.len());
                let (before, total) = (*taken, *total);
                payload.pieces(before, |piece| {
                    let count = piece.len().min(room);
                    outgoing.extend(&piece[..count]);
                    *taken += count;
                    room -= count;
                    room > 0
                });
                if *taken == total {
                    schedule(operations, key, Some(Ok(total)), world);
                }
            }
        }
        if !self.delivering && !self.connection.outgoing.is_empty() {
            self.delivering = true;
            world.cause(Event::Deliver(own));
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("sockets", &self.sockets)
            .finish_non_exhaustive()
    }
}
