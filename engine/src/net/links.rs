//! All connections of one shard. Events are collected, then handled by the owner.

use std::collections::VecDeque;
use std::time::Instant;

use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::Request;
use protocol::client::connection::{Connection, ConnectionSettings, RequestError};
use protocol::hot::produce::ProduceHead;

use super::link::{Link, Live, Outgoing, OutgoingKind};
use super::resolve::{LinkError, resolve};
use super::{LinkOp, Purpose, Waiting};
use crate::flow::LinkId;
use crate::flow::config::ClientConfig;
use crate::io::{Completion, Io, Payload, Returned};
use crate::limits::{ANSWER_BYTES_MAX, RECEIVE_BYTES};
use crate::memory::Buffer;

/// Requests queued behind the one being sent: the next batch is framed while one goes out.
const OUTBOX_MAX: usize = 1;

/// What happened on the links.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// Requests may be sent over one more link.
    Ready,
    /// A frame's bytes are the kernel's no more.
    Frame {
        buffer: Buffer,
        /// `None`: a part of a stream that nobody waits for.
        owner: Option<Waiting>,
    },
    /// A request that nobody answers is out.
    Unanswered { waiting: Waiting },
    /// A part of a task's stream is out, or will never be.
    Streamed {
        task: usize,
        result: Result<Buffer, Buffer>,
    },
    /// An answer.
    Reply {
        link: LinkId,
        waiting: Waiting,
        version: i16,
        body: Vec<u8>,
    },
    /// The connection is gone, and with it the answers to these.
    Lost {
        link: LinkId,
        waiting: Vec<Waiting>,
        error: LinkError,
    },
}

/// Where a batch goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProduceTo<'a> {
    pub(crate) topic: &'a str,
    pub(crate) topic_id: [u8; 16],
    pub(crate) partition: i32,
    pub(crate) acks: i16,
    pub(crate) batch_bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Links {
    config: ClientConfig,
    links: Vec<Link>,
    events: VecDeque<LinkEvent>,
    /// Who waits, by the token that connections carry.
    waiting: Vec<Option<Waiting>>,
    random: u64,
}

impl Links {
    /// `random` spreads the reconnects of clients that lost the same broker.
    pub(crate) fn new(config: ClientConfig, random: u64) -> Self {
        Self {
            config,
            links: Vec::new(),
            events: VecDeque::new(),
            waiting: Vec::new(),
            random,
        }
    }

    /// A place for a broker. It is connected to by [`Self::ensure`].
    pub(crate) fn add(&mut self, broker: i32, (host, port): (String, u16)) -> LinkId {
        self.links.push(Link::new(broker, host, port));
        LinkId(self.links.len() - 1)
    }

    pub(crate) fn describe(&self, LinkId(link): LinkId) -> String {
        let Link {
            broker, host, port, ..
        } = &self.links[link];
        if *broker >= 0 {
            format!("broker {broker} ({host}:{port})")
        } else {
            format!("{host}:{port}")
        }
    }

    pub(crate) fn address(&self, LinkId(link): LinkId) -> (&str, u16) {
        (&self.links[link].host, self.links[link].port)
    }

    /// The broker's address may change with the metadata.
    pub(crate) fn set_address(&mut self, LinkId(link): LinkId, (host, port): (String, u16)) {
        let link = &mut self.links[link];
        (link.host, link.port) = (host, port);
    }

    pub(crate) fn is_ready(&self, LinkId(link): LinkId) -> bool {
        self.links[link].ready().is_some()
    }

    /// Ready, and with room for one more request behind the one being sent.
    pub(crate) fn has_room(&self, LinkId(link): LinkId) -> bool {
        self.links[link]
            .ready()
            .is_some_and(|live| live.claimed.is_none() && live.outbox.len() < OUTBOX_MAX)
    }

    pub(crate) fn is_connected_or_trying(&self, LinkId(link): LinkId) -> bool {
        self.links[link].live.is_some()
    }

    /// Begins to connect, unless that is done, under way, or to be waited for.
    pub(crate) fn ensure(&mut self, now: Instant, io: &mut Io, id: LinkId) {
        let link = &mut self.links[id.0];
        if link.live.is_some() || link.retry_at.is_some_and(|at| now < at) {
            return;
        }
        let address = match resolve(&link.host, link.port) {
            Ok(addresses) => addresses[link.next_address % addresses.len()],
            Err(error) => {
                self.back_off(now, id);
                self.events.push_back(LinkEvent::Lost {
                    link: id,
                    waiting: Vec::new(),
                    error,
                });
                return;
            }
        };
        link.generation = link.generation.wrapping_add(1);
        let token = Purpose::Link {
            link: id,
            op: LinkOp::Connect,
            generation: link.generation,
        }
        .token();
        let socket = io.connect(address, token);
        let settings = ConnectionSettings {
            client_id: self.config.client_id.clone(),
            connect_timeout: self.config.connect_timeout,
            request_timeout: self.config.request_timeout,
            frame_bytes_max: ANSWER_BYTES_MAX,
        };
        link.live = Some(Live {
            connection: Connection::new(settings, now),
            socket,
            sending: None,
            outbox: VecDeque::new(),
            claimed: None,
            receive: Some(Buffer::new(RECEIVE_BYTES)),
            is_receiving: false,
        });
    }

    fn back_off(&mut self, now: Instant, LinkId(id): LinkId) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let link = &mut self.links[id];
        let factor = 1u32 << link.failures.min(10);
        let delay = self.config.reconnect_backoff.saturating_mul(factor);
        let delay = delay.min(self.config.reconnect_backoff_max);
        // ± 20 %, so that clients of a broker that comes back do not come all at once.
        let percent = 80 + u32::try_from(self.random % 41).expect("less than 41");
        link.retry_at = Some(now + delay * percent / 100);
        link.failures += 1;
        link.next_address += 1;
    }

    /// The version of `api` on a ready link.
    pub(crate) fn version(&self, LinkId(link): LinkId, api: ApiKey) -> Option<i16> {
        self.links[link].ready()?.connection.version(api).ok()
    }

    fn wait(&mut self, waiting: Waiting) -> u64 {
        let index = match self.waiting.iter().position(Option::is_none) {
            Some(index) => index,
            None => {
                self.waiting.push(None);
                self.waiting.len() - 1
            }
        };
        self.waiting[index] = Some(waiting);
        index as u64
    }

    fn take_waiting(&mut self, token: u64) -> Waiting {
        let index = usize::try_from(token).expect("tokens are made here");
        self.waiting[index].take().expect("an answer comes once")
    }

    /// Writes the head of a Produce request so that it ends where `before` does, on a ready link, and
    /// notes who waits. What it gives must be sent before anything else on that link.
    pub(crate) fn write_produce_head(
        &mut self,
        now: Instant,
        id: LinkId,
        waiting: Waiting,
        to: &ProduceTo<'_>,
        before: &mut [u8],
    ) -> usize {
        let token = if to.acks == 0 {
            None
        } else {
            Some(self.wait(waiting))
        };
        let live = self.links[id.0].live.as_mut().expect("the link is ready");
        let connection = &mut live.connection;
        let version = connection
            .version(ApiKey::Produce)
            .expect("the link is ready");
        let correlation_id = match token {
            Some(token) => connection.reserve(ApiKey::Produce, token, now),
            None => connection.reserve_unanswered(ApiKey::Produce),
        };
        let timeout_ms = self.config.request_timeout.as_millis();
        let head = ProduceHead {
            version,
            correlation_id: correlation_id.expect("the link is ready"),
            client_id: &self.config.client_id,
            topic: to.topic,
            topic_id: to.topic_id,
            partition: to.partition,
            acks: to.acks,
            timeout_ms: i32::try_from(timeout_ms).unwrap_or(i32::MAX),
            batch_bytes: to.batch_bytes,
        };
        head.write_head(before)
    }

    /// Sends a frame after what is queued.
    pub(crate) fn send_frame(
        &mut self,
        io: &mut Io,
        id: LinkId,
        payload: Payload,
        owner: Waiting,
        is_unanswered: bool,
    ) {
        self.enqueue(
            io,
            id,
            Outgoing {
                payload,
                kind: OutgoingKind::Frame {
                    owner,
                    is_unanswered,
                },
            },
        );
    }

    /// Has the link to itself, if it is idle: a stream's parts must not be torn apart.
    pub(crate) fn claim(&mut self, LinkId(link): LinkId, task: usize) -> bool {
        match &mut self.links[link].live {
            Some(live)
                if live.connection.is_ready()
                    && live.claimed.is_none()
                    && live.sending.is_none()
                    && live.outbox.is_empty() =>
            {
                live.claimed = Some(task);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn is_claimed(&self, LinkId(link): LinkId, task: usize) -> bool {
        self.links[link]
            .live
            .as_ref()
            .is_some_and(|live| live.claimed == Some(task))
    }

    pub(crate) fn release(&mut self, io: &mut Io, id: LinkId) {
        if let Some(live) = &mut self.links[id.0].live {
            live.claimed = None;
        }
        self.pump(io, id);
    }

    /// Sends a part of the stream that has claimed the link.
    pub(crate) fn send_part(&mut self, io: &mut Io, id: LinkId, payload: Payload) {
        let live = self.links[id.0]
            .live
            .as_mut()
            .expect("a claimed link is live");
        let task = live.claimed.expect("a stream claims its link");
        assert!(live.sending.is_none(), "parts go one by one");
        live.outbox.push_front(Outgoing {
            payload,
            kind: OutgoingKind::Part { task },
        });
        self.pump(io, id);
    }

    /// Sends a request of the control plane. `false`: the link is not ready or the broker too old.
    pub(crate) fn request<R: Request>(
        &mut self,
        now: Instant,
        io: &mut Io,
        id: LinkId,
        request: &R,
        waiting: Waiting,
    ) -> Result<(), RequestError> {
        self.request_with(now, io, id, waiting, |connection, token, out| {
            connection.encode(request, token, now, out)
        })
    }

    /// As [`Self::request`], for a request that is written by hand.
    pub(crate) fn request_with(
        &mut self,
        _now: Instant,
        io: &mut Io,
        id: LinkId,
        waiting: Waiting,
        write: impl FnOnce(&mut Connection, u64, &mut Vec<u8>) -> Result<(), RequestError>,
    ) -> Result<(), RequestError> {
        if !self.is_ready(id) {
            return Err(RequestError::NotReady);
        }
        let token = self.wait(waiting);
        let live = self.links[id.0].live.as_mut().expect("it is ready");
        let mut bytes = Vec::new();
        if let Err(error) = write(&mut live.connection, token, &mut bytes) {
            self.take_waiting(token);
            return Err(error);
        }
        self.enqueue_own(io, id, &bytes);
        Ok(())
    }

    fn enqueue_own(&mut self, io: &mut Io, id: LinkId, bytes: &[u8]) {
        let mut buffer = Buffer::new(bytes.len());
        buffer.copy_from_slice(bytes);
        let payload = Payload::One {
            buffer,
            start: 0,
            end: bytes.len(),
        };
        self.enqueue(
            io,
            id,
            Outgoing {
                payload,
                kind: OutgoingKind::Own,
            },
        );
    }

    fn enqueue(&mut self, io: &mut Io, id: LinkId, outgoing: Outgoing) {
        let live = self.links[id.0]
            .live
            .as_mut()
            .expect("only a live link is sent to");
        live.outbox.push_back(outgoing);
        self.pump(io, id);
    }

    /// Hands the next payload to the kernel, if none is there.
    fn pump(&mut self, io: &mut Io, id: LinkId) {
        let link = &mut self.links[id.0];
        let Some(live) = &mut link.live else { return };
        if live.sending.is_some() {
            return;
        }
        let is_part = |o: &Outgoing| matches!(o.kind, OutgoingKind::Part { .. });
        if live.claimed.is_some() && !live.outbox.front().is_some_and(is_part) {
            return;
        }
        let Some(next) = live.outbox.pop_front() else {
            return;
        };
        live.sending = Some(next.kind);
        let token = Purpose::Link {
            link: id,
            op: LinkOp::Send,
            generation: link.generation,
        };
        io.send(live.socket, next.payload, token.token());
    }

    /// Closes the connection; what it had in flight is told as lost.
    pub(crate) fn close(&mut self, now: Instant, io: &mut Io, id: LinkId, error: LinkError) {
        let Some(mut live) = self.links[id.0].live.take() else {
            return;
        };
        io.close_socket(live.socket);
        live.connection.handle_lost();
        let mut waiting = Vec::new();
        while let Some(token) = live.connection.poll_unanswered() {
            waiting.push(self.take_waiting(token));
        }
        for outgoing in live.outbox.drain(..) {
            waiting.extend(unanswered(outgoing.kind));
            self.give_back(outgoing.kind, outgoing.payload, false);
        }
        if let Some(kind) = live.sending {
            waiting.extend(unanswered(kind));
            let link = &mut self.links[id.0];
            link.orphans.push((link.generation, kind));
        }
        self.back_off(now, id);
        self.events.push_back(LinkEvent::Lost {
            link: id,
            waiting,
            error,
        });
    }

    fn give_back(&mut self, kind: OutgoingKind, payload: Payload, is_sent: bool) {
        let Payload::One { buffer, .. } = payload else {
            panic!("links send single buffers")
        };
        match kind {
            OutgoingKind::Frame { owner, .. } => {
                let owner = Some(owner);
                self.events.push_back(LinkEvent::Frame { buffer, owner });
            }
            OutgoingKind::Part { task } => {
                let result = if is_sent { Ok(buffer) } else { Err(buffer) };
                self.events.push_back(LinkEvent::Streamed { task, result });
            }
            OutgoingKind::Own => {}
        }
    }

    /// Time-outs of connections and requests.
    pub(crate) fn poll(&mut self, now: Instant, io: &mut Io) {
        for index in 0..self.links.len() {
            let link = &mut self.links[index];
            // Past: `ensure` may connect again, and nobody need be woken for it any more.
            link.retry_at = link.retry_at.filter(|&at| at > now);
            let Some(live) = &mut link.live else { continue };
            if let Err(error) = live.connection.handle_timeout(now) {
                self.close(now, io, LinkId(index), error.into());
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let live = self.links.iter().filter_map(|link| match &link.live {
            Some(live) => live.connection.poll_timeout(),
            None => link.retry_at,
        });
        live.min()
    }

    pub(crate) fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// A completion of one of the links' operations.
    pub(crate) fn handle_completion(&mut self, now: Instant, io: &mut Io, completion: Completion) {
        let Purpose::Link {
            link: id,
            op,
            generation,
        } = Purpose::from_token(completion.token)
        else {
            panic!("the owner hands on what is the links'");
        };
        let is_current =
            self.links[id.0].generation == generation && self.links[id.0].live.is_some();
        match op {
            LinkOp::Connect if is_current => self.handle_connect(now, io, id, &completion.result),
            LinkOp::Connect => {}
            LinkOp::Send if is_current => self.handle_send(now, io, id, completion),
            LinkOp::Send => self.handle_late_send(id, generation, completion),
            LinkOp::Receive if is_current => self.handle_receive(now, io, id, completion),
            LinkOp::Receive => {}
        }
    }

    fn handle_connect(
        &mut self,
        now: Instant,
        io: &mut Io,
        id: LinkId,
        result: &std::io::Result<usize>,
    ) {
        match result {
            Ok(_) => {
                let live = self.links[id.0].live.as_mut().expect("it is current");
                live.connection.handle_connected();
                self.transmit(now, io, id);
                self.receive(io, id);
            }
            Err(error) => self.close(now, io, id, error.into()),
        }
    }

    /// What the connection itself has to say.
    fn transmit(&mut self, now: Instant, io: &mut Io, id: LinkId) {
        let live = self.links[id.0].live.as_mut().expect("it is current");
        let mut bytes = Vec::new();
        if live.connection.poll_transmit(now, &mut bytes) {
            self.enqueue_own(io, id, &bytes);
        }
    }

    fn receive(&mut self, io: &mut Io, id: LinkId) {
        let link = &mut self.links[id.0];
        let Some(live) = &mut link.live else { return };
        let Some(buffer) = live.receive.take() else {
            return;
        };
        live.is_receiving = true;
        let token = Purpose::Link {
            link: id,
            op: LinkOp::Receive,
            generation: link.generation,
        };
        let range = 0..buffer.len();
        io.receive(live.socket, buffer, range, token.token());
    }

    fn handle_send(&mut self, now: Instant, io: &mut Io, id: LinkId, completion: Completion) {
        let payload = payload_of(completion.buffers);
        let live = self.links[id.0].live.as_mut().expect("it is current");
        let kind = live.sending.take().expect("it was sending");
        self.give_back(kind, payload, completion.result.is_ok());
        match completion.result {
            Ok(_) => {
                if let Some(waiting) = unanswered(kind) {
                    self.events.push_back(LinkEvent::Unanswered { waiting });
                }
                self.pump(io, id);
            }
            Err(error) => {
                let waiting = unanswered(kind);
                self.close(now, io, id, (&error).into());
                if let (Some(waiting), Some(LinkEvent::Lost { waiting: lost, .. })) =
                    (waiting, self.events.back_mut())
                {
                    lost.push(waiting);
                }
            }
        }
    }

    /// Of a socket that is closed: only the buffer matters.
    fn handle_late_send(&mut self, id: LinkId, generation: u32, completion: Completion) {
        let payload = payload_of(completion.buffers);
        let orphans = &mut self.links[id.0].orphans;
        let at = orphans
            .iter()
            .position(|&(orphaned, _)| orphaned == generation)
            .expect("what was being sent when its socket was closed is an orphan");
        let (_, kind) = orphans.swap_remove(at);
        match (kind, payload) {
            // Its task has ended.
            (OutgoingKind::Part { .. }, Payload::One { buffer, .. }) => {
                let owner = None;
                self.events.push_back(LinkEvent::Frame { buffer, owner });
            }
            (kind, payload) => self.give_back(kind, payload, false),
        }
    }

    fn handle_receive(&mut self, now: Instant, io: &mut Io, id: LinkId, completion: Completion) {
        let Returned::Buffer(buffer) = completion.buffers else {
            panic!("a receive gives its buffer back");
        };
        let bytes = match completion.result {
            Ok(0) => return self.close(now, io, id, LinkError::EndOfStream),
            Ok(bytes) => bytes,
            Err(error) => return self.close(now, io, id, (&error).into()),
        };
        let mut input = &buffer[..bytes];
        loop {
            let live = self.links[id.0].live.as_mut().expect("it is current");
            let was_ready = live.connection.is_ready();
            let reply = match live.connection.handle_bytes(&mut input) {
                Ok(Some(reply)) => Some((reply.token, reply.version, reply.body.to_vec())),
                Ok(None) => None,
                Err(error) => return self.close(now, io, id, error.into()),
            };
            if !was_ready && self.is_ready(id) {
                let link = &mut self.links[id.0];
                (link.failures, link.retry_at) = (0, None);
                self.events.push_back(LinkEvent::Ready);
            }
            let Some((token, version, body)) = reply else {
                break;
            };
            let waiting = self.take_waiting(token);
            self.events.push_back(LinkEvent::Reply {
                link: id,
                waiting,
                version,
                body,
            });
        }
        self.transmit(now, io, id);
        if let Some(live) = &mut self.links[id.0].live {
            live.is_receiving = false;
            live.receive = Some(buffer);
        }
        self.receive(io, id);
    }
}

/// Who takes it for delivered when it is out.
fn unanswered(kind: OutgoingKind) -> Option<Waiting> {
    match kind {
        OutgoingKind::Frame {
            owner,
            is_unanswered: true,
        } => Some(owner),
        _ => None,
    }
}

fn payload_of(buffers: Returned) -> Payload {
    match buffers {
        Returned::Payload(payload) => payload,
        Returned::None | Returned::Buffer(_) => panic!("a send gives its payload back"),
    }
}
