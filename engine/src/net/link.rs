//! One broker's place: its address, and the connection to it while there is one.

use std::collections::VecDeque;
use std::time::Instant;

use protocol::client::connection::Connection;

use super::Waiting;
use crate::io::{Payload, SocketId};
use crate::memory::Buffer;

/// Something to be sent, in the order in which its correlation id was given.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) payload: Payload,
    pub(super) kind: OutgoingKind,
}

/// What becomes of its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutgoingKind {
    /// A frame, and whose. Where nobody answers it (acks=0), they take it for delivered.
    Frame { owner: Waiting, is_unanswered: bool },
    /// A part of a task's stream.
    Part { task: usize },
    /// A small request's own.
    Own,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) broker: i32,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) live: Option<Live>,
    /// Counts the sockets that this link has had.
    pub(super) generation: u32,
    /// Whose frames are still the kernel's, of sockets that are closed: by generation.
    pub(super) orphans: Vec<(u32, OutgoingKind)>,
    pub(super) retry_at: Option<Instant>,
    pub(super) failures: u32,
    /// Which of the host's addresses is tried next.
    pub(super) next_address: usize,
}

/// A link's connection.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: Connection,
    pub(super) socket: SocketId,
    pub(super) sending: Option<OutgoingKind>,
    pub(super) outbox: VecDeque<Outgoing>,
    /// A task streams: nothing else goes out.
    pub(super) claimed: Option<usize>,
    /// Kept while no receive is under way.
    pub(super) receive: Option<Buffer>,
    pub(super) is_receiving: bool,
}

impl Link {
    pub(super) fn new(broker: i32, host: String, port: u16) -> Self {
        Self {
            broker,
            host,
            port,
            live: None,
            generation: 0,
            orphans: Vec::new(),
            retry_at: None,
            failures: 0,
            next_address: 0,
        }
    }

    pub(super) fn ready(&self) -> Option<&Live> {
        self.live.as_ref().filter(|live| live.connection.is_ready())
    }
}
