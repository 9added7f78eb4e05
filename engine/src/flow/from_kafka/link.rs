//! One connection that records come over. An answer is received straight into one buffer, whole, and
//! stays there while its records are taken: between the kernel's copy and the output there is one
//! more, and no other.
//!
//! A buffer belongs to the kernel (a receive is under way), to the link (bytes come in), or to a walk
//! (records are taken out); while it is with a walk nothing is received, and the broker waits.

use std::time::Instant;

use protocol::client::connection::{Connection, ConnectionSettings, RequestError};
use protocol::client::fetcher::FetchId;

use super::purpose::Purpose;
use crate::flow::config::ClientConfig;
use crate::io::{Io, Payload, SocketId};
use crate::limits::{FETCHED_BYTES_MAX, RECEIVE_BYTES_KEPT};
use crate::memory::Buffer;
use crate::net::{LinkError, resolve};

/// Bytes of an answer's length.
const SIZE_BYTES: usize = 4;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Fetch(FetchId),
    Offsets(FetchId),
}

impl Asked {
    pub(super) fn id(self) -> FetchId {
        match self {
            Self::Fetch(id) | Self::Offsets(id) => id,
        }
    }
}

#[derive(Debug)]
pub(super) struct FetchLink {
    pub(super) broker: i32,
    pub(super) lane: usize,
    index: usize,
    address: (String, u16),
    pub(super) live: Option<Live>,
    /// Counts the sockets that this link has had.
    generation: u32,
    retry_at: Option<Instant>,
    failures: u32,
    next_address: usize,
    random: u64,
    /// The receive buffer, while it is with the link.
    buffer: Option<Buffer>,
    buffer_bytes: usize,
    /// Whether a walk has it.
    is_lent: bool,
}

/// A socket, and how far it is.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: Connection,
    socket: SocketId,
    /// The socket may be used.
    is_connected: bool,
    is_sending: bool,
    /// What goes out behind what is being sent.
    outbox: Vec<u8>,
    is_receiving: bool,
    /// Bytes of the buffer that have come.
    filled: usize,
    pub(super) asked: Option<Asked>,
}

/// What a receive came to.
#[derive(Debug)]
pub(super) enum Received {
    /// More must come.
    Partly,
    /// An answer lies whole in the buffer: its first bytes, so many, and it is what was asked.
    Answer { buffer: Buffer, frame_bytes: usize },
    /// The connection may be used now.
    Ready,
}

impl FetchLink {
    pub(super) fn new(
        index: usize,
        (broker, lane): (i32, usize),
        address: (String, u16),
        buffer_bytes: usize,
        random: u64,
    ) -> Self {
        Self {
            broker,
            lane,
            index,
            address,
            live: None,
            generation: 0,
            retry_at: None,
            failures: 0,
            next_address: 0,
            random: random | 1,
            buffer: None,
            buffer_bytes,
            is_lent: false,
        }
    }

    pub(super) fn is_current(&self, generation: u32) -> bool {
        self.live.is_some() && self.generation == generation
    }

    /// The broker's address may change with the metadata; a connection that is there stays.
    pub(super) fn set_address(&mut self, address: (String, u16)) {
        if self.address != address {
            self.address = address;
            self.retry_at = None;
        }
    }

    /// Whether a request may be sent now.
    pub(super) fn is_free(&self) -> bool {
        let is_free = |live: &Live| live.connection.is_ready() && live.asked.is_none();
        self.live.as_ref().is_some_and(is_free)
    }

    /// Begins to connect, unless that is done, under way, or to be waited for.
    pub(super) fn ensure(
        &mut self,
        now: Instant,
        io: &mut Io,
        config: &ClientConfig,
    ) -> Result<(), LinkError> {
        if self.live.is_some() || self.retry_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        let (host, port) = &self.address;
        let addresses = resolve(host, *port).inspect_err(|_| self.back_off(now, config))?;
        let address = addresses[self.next_address % addresses.len()];
        self.generation = self.generation.wrapping_add(1);
        let settings = ConnectionSettings {
            client_id: config.client_id.clone(),
            connect_timeout: config.connect_timeout,
            request_timeout: config.request_timeout,
            frame_bytes_max: FETCHED_BYTES_MAX,
        };
        let token = Purpose::Connect {
            link: self.index,
            generation: self.generation,
        };
        self.live = Some(Live {
            connection: Connection::new(settings, now),
            socket: io.connect(address, token.token()),
            is_connected: false,
            is_sending: false,
            outbox: Vec::new(),
            is_receiving: false,
            filled: 0,
            asked: None,
        });
        Ok(())
    }

    fn back_off(&mut self, now: Instant, config: &ClientConfig) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let delay = config
            .reconnect_backoff
            .saturating_mul(1 << self.failures.min(10));
        let delay = delay.min(config.reconnect_backoff_max);
        // ± 20 %, so that clients of a broker that comes back do not come all at once.
        let percent = 80 + u32::try_from(self.random % 41).expect("less than 41");
        self.retry_at = Some(now + delay * percent / 100);
        self.failures += 1;
        self.next_address += 1;
    }

    /// Closes the connection, and gives what was asked over it and will not be answered.
    pub(super) fn close(
        &mut self,
        now: Instant,
        io: &mut Io,
        config: &ClientConfig,
    ) -> Option<Asked> {
        let live = self.live.take()?;
        io.close_socket(live.socket);
        self.back_off(now, config);
        live.asked
    }

    /// The socket is connected: the broker is asked what it speaks.
    pub(super) fn handle_connected(&mut self, now: Instant, io: &mut Io) {
        let live = self.live.as_mut().expect("it is current");
        live.is_connected = true;
        live.connection.handle_connected();
        self.transmit(now, io);
        self.receive(io);
    }

    fn transmit(&mut self, now: Instant, io: &mut Io) {
        let live = self.live.as_mut().expect("it is current");
        let outbox = &mut live.outbox;
        live.connection.poll_transmit(now, outbox);
        self.pump(io);
    }

    /// Writes a request, notes what it asks for, and sends it.
    pub(super) fn ask(
        &mut self,
        io: &mut Io,
        asked: Asked,
        write: impl FnOnce(&mut Connection, &mut Vec<u8>) -> Result<(), RequestError>,
    ) -> Result<(), RequestError> {
        let live = self.live.as_mut().expect("a free link is live");
        write(&mut live.connection, &mut live.outbox)?;
        live.asked = Some(asked);
        self.pump(io);
        self.receive(io);
        Ok(())
    }

    fn pump(&mut self, io: &mut Io) {
        let live = self.live.as_mut().expect("it is current");
        if live.is_sending || live.outbox.is_empty() {
            return;
        }
        let mut buffer = Buffer::new(live.outbox.len());
        buffer.copy_from_slice(&live.outbox);
        live.outbox.clear();
        live.is_sending = true;
        let token = Purpose::Send {
            link: self.index,
            generation: self.generation,
        };
        let end = buffer.len();
        io.send(live.socket, Payload::one(buffer, 0, end), token.token());
    }

    /// What was sent is out.
    pub(super) fn handle_sent(&mut self, io: &mut Io) {
        self.live.as_mut().expect("it is current").is_sending = false;
        self.pump(io);
    }

    /// Receives more, if something is to come and there is a place for it: no second buffer is made
    /// for records while a walk has the first.
    pub(super) fn receive(&mut self, io: &mut Io) {
        let Some(live) = &mut self.live else { return };
        let is_ready = live.connection.is_ready();
        let is_awaited = live.asked.is_some() || !is_ready;
        let is_free = live.is_connected && !live.is_receiving;
        if !is_free || !is_awaited || (self.is_lent && is_ready) {
            return;
        }
        let buffer = self.buffer.take();
        let buffer = buffer.unwrap_or_else(|| Buffer::new(self.buffer_bytes));
        let (buffer, end) = room_for_more(buffer, live.filled);
        live.is_receiving = true;
        let token = Purpose::Receive {
            link: self.index,
            generation: self.generation,
        };
        io.receive(live.socket, buffer, live.filled..end, token.token());
    }

    /// Bytes came, at least one, into the buffer that is given back here.
    pub(super) fn handle_received(
        &mut self,
        now: Instant,
        io: &mut Io,
        buffer: Buffer,
        bytes: usize,
    ) -> Result<Received, LinkError> {
        let live = self.live.as_mut().expect("it is current");
        live.is_receiving = false;
        live.filled += bytes;
        let Some(frame_bytes) = frame_bytes(&buffer, live.filled)? else {
            self.buffer = Some(buffer);
            self.receive(io);
            return Ok(Received::Partly);
        };
        if live.connection.is_ready() {
            if live.filled > frame_bytes {
                let bytes = live.filled - frame_bytes;
                return Err(LinkError::Protocol(
                    protocol::client::connection::ConnectionError::Unasked { bytes },
                ));
            }
            self.is_lent = true;
            return Ok(Received::Answer {
                buffer,
                frame_bytes,
            });
        }
        let mut input = &buffer[..live.filled];
        while live.connection.handle_bytes(&mut input)?.is_some() {}
        live.filled = 0;
        let is_ready = live.connection.is_ready();
        self.buffer = Some(buffer);
        self.transmit(now, io);
        if is_ready {
            (self.failures, self.retry_at) = (0, None);
            return Ok(Received::Ready);
        }
        self.receive(io);
        Ok(Received::Partly)
    }

    /// The answer was taken out of the buffer, which comes back.
    pub(super) fn put_buffer(&mut self, now: Instant, io: &mut Io, buffer: Buffer) {
        if self.is_held_up()
            && let Some(live) = &mut self.live
        {
            live.connection.handle_resumed(now);
        }
        self.is_lent = false;
        self.reclaim(buffer);
        self.receive(io);
    }

    /// A buffer comes back, from a walk or from a connection before this one. One that a large answer
    /// grew is kept, for there may be more of them, unless it is very large.
    pub(super) fn reclaim(&mut self, buffer: Buffer) {
        if self.buffer.is_none() && buffer.len() <= RECEIVE_BYTES_KEPT.max(self.buffer_bytes) {
            self.buffer = Some(buffer);
        }
    }

    /// The answer is whole: the next one begins at the start of the buffer.
    pub(super) fn handle_answered(&mut self) -> Option<Asked> {
        let live = self.live.as_mut().expect("it is current");
        live.filled = 0;
        live.asked.take()
    }

    /// It was no answer to what was asked, which is lost with the connection.
    pub(super) fn put_back(&mut self, asked: Option<Asked>) {
        if let Some(live) = &mut self.live {
            live.asked = asked;
        }
    }

    /// Closes the connection if something did not come in time. Not while a walk has the buffer:
    /// what is late then is ours.
    pub(super) fn is_late(&mut self, now: Instant) -> Option<LinkError> {
        if self.is_held_up() {
            return None;
        }
        let live = self.live.as_mut()?;
        live.connection
            .handle_timeout(now)
            .err()
            .map(LinkError::from)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.live {
            Some(_) if self.is_held_up() => None,
            Some(live) => live.connection.poll_timeout(),
            None => self.retry_at,
        }
    }

    pub(super) fn describe(&self) -> String {
        let (host, port) = &self.address;
        format!("broker {} ({host}:{port})", self.broker)
    }

    /// Whether an answer waits for a walk to give the buffer back.
    fn is_held_up(&self) -> bool {
        let waits = |live: &Live| live.asked.is_some() && !live.is_receiving;
        self.is_lent && self.live.as_ref().is_some_and(waits)
    }
}

/// The length of the frame at the start of the buffer, if all of it has come.
fn frame_bytes(buffer: &Buffer, filled: usize) -> Result<Option<usize>, LinkError> {
    let Some(size) = buffer[..filled].first_chunk::<SIZE_BYTES>() else {
        return Ok(None);
    };
    let size = i32::from_be_bytes(*size);
    let bytes = usize::try_from(size)
        .ok()
        .filter(|bytes| *bytes <= FETCHED_BYTES_MAX);
    let Some(bytes) = bytes else {
        let text =
            format!("an answer of {size} bytes cannot be taken (at most {FETCHED_BYTES_MAX})");
        return Err(LinkError::System(text));
    };
    let whole = SIZE_BYTES + bytes;
    Ok((filled >= whole).then_some(whole))
}

/// The buffer, or a larger one with the same bytes where it is full: memory follows what came, and
/// never beyond the answer's end. And where to receive up to.
fn room_for_more(buffer: Buffer, filled: usize) -> (Buffer, usize) {
    let size = buffer[..filled].first_chunk::<SIZE_BYTES>();
    let Some(size) = size.map(|size| u32::from_be_bytes(*size) as usize + SIZE_BYTES) else {
        let end = buffer.len();
        return (buffer, end);
    };
    if filled < buffer.len() {
        let end = buffer.len().min(size);
        return (buffer, end);
    }
    let mut larger = Buffer::new(size.min(2 * buffer.len()));
    larger[..filled].copy_from_slice(&buffer[..filled]);
    let end = larger.len();
    (larger, end)
}
