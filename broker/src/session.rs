//! One client's side of the conversation: a request's bytes in, an answer's bytes out.
//!
//! No sockets and no blocking: what would wait says for how long. Requests are handled one at a
//! time and in order, as Apache's broker handles those of one connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use protocol::frame::{self, RequestFrame, SIZE_BYTES};

use crate::api::{self, Answer, Call, RequestError};
use crate::broker::{Broker, millis};
use crate::faults::{Effect, Effects};
use crate::groups::Ticket;

/// What is to be done after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// Send the answer.
    Reply,
    /// Send the answer, but not before so much time has passed.
    ReplyAfter(Duration),
    /// There is no answer: the client asked for none.
    NoReply,
    /// Nothing to say yet: hand in the same request again when something was appended
    /// ([`Broker::wait_for_news`]), or when so much time has passed.
    Wait(Duration),
    /// Send what there is of an answer, and close the connection.
    Close,
    /// Take in nothing more and answer nothing more, but leave the connection open.
    Silence,
}

/// One client's side of the conversation.
#[derive(Debug)]
pub struct Session {
    broker: Arc<Broker>,
    /// Which of the nodes that the broker pretends to be it talks to.
    node: i32,
    /// Where the client is, as a group's members are described.
    host: String,
    /// The request that was told to wait.
    waiting: Option<Waiting>,
    /// What it waits for, where that is a group.
    ticket: Option<Ticket>,
}

/// A request that was told to wait.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    correlation_id: i32,
    until_ms: i64,
    effects: Effects,
    /// It was held up by a fault; what it asks for was not looked at yet.
    is_delayed: bool,
}

impl Session {
    pub(crate) fn new(broker: Arc<Broker>, node: i32) -> Self {
        Self {
            broker,
            node,
            host: "/127.0.0.1".to_owned(),
            waiting: None,
            ticket: None,
        }
    }

    /// Says where the client is.
    pub fn set_client(&mut self, address: IpAddr) {
        self.host = format!("/{address}");
    }

    /// The broker that it belongs to.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// Handles a request, a frame without its length prefix. `reply` is overwritten with the
    /// answer, a frame with its length prefix.
    pub fn handle(&mut self, request: &[u8], reply: &mut Vec<u8>) -> Handled {
        reply.clear();
        match self.try_handle(request, reply) {
            Ok(handled) => handled,
            Err(error) => {
                match &error {
                    RequestError::Encode(_) => tracing::error!(%error, "closing the connection"),
                    // As Apache's broker does: who sends what is no request is not talked to.
                    _ => tracing::warn!(%error, "closing the connection"),
                }
                reply.clear();
                Handled::Close
            }
        }
    }

    fn try_handle(&mut self, request: &[u8], reply: &mut Vec<u8>) -> Result<Handled, RequestError> {
        let head = frame::read_request(request)?;
        let api = ApiKey::try_from(head.api_key).map_err(|()| RequestError::Api(head.api_key))?;
        self.broker.check_retention();
        let now_ms = self.broker.now_ms();
        let waiting = self
            .waiting
            .take()
            .filter(|waiting| waiting.correlation_id == head.correlation_id);
        let mut effects = match waiting {
            Some(waiting) => waiting.effects,
            None => self.effects(api, &head),
        };
        let held_until = match (waiting, effects.before.take()) {
            (Some(waiting), _) if waiting.is_delayed => waiting.until_ms,
            (_, None) => now_ms,
            (_, Some(Effect::Delay(by))) => now_ms.saturating_add(millis(by)),
            (_, Some(Effect::Cut { .. })) => return Ok(Handled::Close),
            (_, Some(Effect::Silence)) => return Ok(Handled::Silence),
        };
        if held_until > now_ms {
            return Ok(self.wait(&head, effects, held_until, true));
        }
        let begun = waiting.filter(|waiting| !waiting.is_delayed);
        if begun.is_none() {
            self.ticket = None;
        }
        let mut call = Call {
            broker: &self.broker,
            node: self.node,
            api,
            version: head.version,
            correlation_id: head.correlation_id,
            client_id: head.client_id.unwrap_or_default(),
            client_host: &self.host,
            ticket: &mut self.ticket,
            now_ms,
            wait_until_ms: begun.map(|waiting| waiting.until_ms),
            reply,
        };
        match api::handle(&mut call, head.body)? {
            Answer::Reply => Ok(after(effects, reply)),
            Answer::NoReply => Ok(match effects.after {
                Some(Effect::Cut { .. }) => Handled::Close,
                Some(Effect::Silence) => Handled::Silence,
                Some(Effect::Delay(_)) | None => Handled::NoReply,
            }),
            Answer::Close => Ok(Handled::Close),
            Answer::WaitUntil(until_ms) => Ok(self.wait(&head, effects, until_ms, false)),
        }
    }

    fn wait(
        &mut self,
        head: &RequestFrame<'_>,
        effects: Effects,
        until_ms: i64,
        is_delayed: bool,
    ) -> Handled {
        let correlation_id = head.correlation_id;
        self.waiting = Some(Waiting {
            correlation_id,
            until_ms,
            effects,
            is_delayed,
        });
        let left = until_ms.saturating_sub(self.broker.now_ms());
        Handled::Wait(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }

    fn effects(&self, api: ApiKey, head: &RequestFrame<'_>) -> Effects {
        if !self.broker.faults.is_armed() {
            return Effects::default();
        }
        let targets = match api {
            ApiKey::Produce => api::produce::targets(&self.broker, head.version, head.body),
            _ => Vec::new(),
        };
        self.broker.faults.effects(api, &targets)
    }
}

/// What becomes of an answer.
fn after(effects: Effects, reply: &mut Vec<u8>) -> Handled {
    debug_assert!(reply.len() >= SIZE_BYTES, "an answer is a frame");
    match effects.after {
        None => Handled::Reply,
        Some(Effect::Delay(by)) => Handled::ReplyAfter(by),
        Some(Effect::Cut { reply_bytes }) => {
            reply.truncate(reply_bytes);
            Handled::Close
        }
        Some(Effect::Silence) => {
            reply.clear();
            Handled::Silence
        }
    }
}
