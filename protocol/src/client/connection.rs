//! One connection to one broker: what may be sent, what is in flight, whose answer came.
//!
//! A broker answers the requests of a connection in the order in which they came, so what is in
//! flight is a queue, and an answer belongs to its head or the connection is broken. A broken
//! connection is closed for good: whatever it had in flight may have been carried out or not, and
//! is listed out.
//!
//! ```text
//! new ─▶ Connecting ─handle_connected─▶ Negotiating ─▶ Ready
//!             └───────────┬──────────────────┴───────────┘
//!                         ▼ time-out, loss, nonsense
//!                      Closed, poll_unanswered
//! ```
//!
//! The driver sends what [`poll_transmit`](Connection::poll_transmit) writes, gives all bytes that
//! come to [`handle_bytes`](Connection::handle_bytes) until it is `None`, and calls
//! [`handle_timeout`](Connection::handle_timeout) at [`poll_timeout`](Connection::poll_timeout).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kafka_protocol::messages::{ApiKey, ApiVersionsRequest};
use kafka_protocol::protocol::{Request, StrBytes};

use crate::api::{self, BrokerVersions, VersionError};
use crate::error_code::ErrorCode;
use crate::frame::wire::WireError;
use crate::frame::{
    EncodeError, FrameError, Splitter, decode_response, encode_request, read_response,
};
use crate::hot::produce::CLIENT_ID_BYTES_MAX;

/// What a connection is told by its owner.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// How we name ourselves in each request (Kafka's `client.id`): at most
    /// [`CLIENT_ID_BYTES_MAX`] bytes.
    pub client_id: String,
    /// How long connecting may take (`socket.connection.setup.timeout.ms`).
    pub connect_timeout: Duration,
    /// How long an answer may take (`request.timeout.ms`).
    pub request_timeout: Duration,
    /// The largest answer that is taken in.
    pub frame_bytes_max: usize,
}

/// Why a connection was closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// No connection came about.
    #[error("no connection within {} ms", after.as_millis())]
    ConnectTimeout {
        /// How long was waited.
        after: Duration,
    },
    /// An answer did not come.
    #[error("no answer to {api:?} within {} ms", after.as_millis())]
    RequestTimeout {
        /// What was asked.
        api: ApiKey,
        /// How long was waited.
        after: Duration,
    },
    /// The connection was lost, or closed by the broker.
    #[error("the connection was lost")]
    Lost,
    /// What came cannot be cut into frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// An answer is not what it should be.
    #[error("the answer to {api:?} version {version} is malformed: {source}")]
    Malformed {
        /// What was asked.
        api: ApiKey,
        /// In which version.
        version: i16,
        /// What is wrong with the bytes.
        source: WireError,
    },
    /// An answer to something else than what was asked next.
    #[error("an answer to request {got} came, one to {expected} is due")]
    Correlation {
        /// The correlation id that is due.
        expected: i32,
        /// The one that came.
        got: i32,
    },
    /// An answer came, and nothing was asked.
    #[error("{bytes} bytes came, and nothing was asked")]
    Unasked {
        /// The length of what came.
        bytes: usize,
    },
    /// The broker did not say what it speaks.
    #[error("the broker does not say which versions it speaks: {0}")]
    Negotiation(ErrorCode),
    /// No common version.
    #[error(transparent)]
    Version(#[from] VersionError),
}

/// Why a request cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The connection is not ready yet, or not any more.
    #[error("the connection is not ready")]
    NotReady,
    /// The broker and we have no common version.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The request cannot be said in the version agreed on.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// An answer, where it lies in the receive buffer or, if it came in pieces, in the connection's
/// own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// What the sender of the request calls it.
    pub token: u64,
    /// What was asked.
    pub api: ApiKey,
    /// In which version.
    pub version: i16,
    /// What follows the header.
    pub body: &'a [u8],
}

/// A connection's rules; see the module.
#[derive(Debug)]
pub struct Connection {
    settings: ConnectionSettings,
    state: State,
    versions: BrokerVersions,
    splitter: Splitter,
    next_correlation_id: i32,
    /// Oldest first. While negotiating, the request for versions and nothing else.
    in_flight: VecDeque<InFlight>,
}

/// How far a connection is.
///
/// TLS will lie below all of this: the bytes in and out are then those inside of it. SASL's
/// exchange belongs between `Negotiating` and `Ready`, for the broker's versions tell how it is
/// spoken and nothing else may be asked before it; it will be a state of its own there. Until then
/// only `security.protocol=PLAINTEXT` exists, and the layer that reads the configuration refuses
/// others.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The socket is not there yet.
    Connecting { deadline: Instant },
    /// The broker is asked what it speaks, or is to be asked: in this version.
    Negotiating { version: i16, is_sent: bool },
    /// Requests may be sent.
    Ready,
    /// No bytes pass any more.
    Closed(ConnectionError),
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    correlation_id: i32,
    api: ApiKey,
    version: i16,
    token: u64,
    deadline: Instant,
}

impl Connection {
    /// A connection whose socket begins to connect now.
    ///
    /// # Panics
    ///
    /// If the client id is longer than [`CLIENT_ID_BYTES_MAX`]: what reads the configuration says
    /// so.
    pub fn new(settings: ConnectionSettings, now: Instant) -> Self {
        assert!(
            settings.client_id.len() <= CLIENT_ID_BYTES_MAX,
            "a client id that fits"
        );
        let deadline = now + settings.connect_timeout;
        let splitter = Splitter::new(settings.frame_bytes_max);
        Self {
            settings,
            state: State::Connecting { deadline },
            versions: BrokerVersions::default(),
            splitter,
            next_correlation_id: 0,
            in_flight: VecDeque::new(),
        }
    }

    /// The socket is connected: the broker will be asked what it speaks.
    pub fn handle_connected(&mut self) {
        if let State::Connecting { .. } = self.state {
            let version = api::SPOKEN
                .iter()
                .find_map(|row| (row.api == ApiKey::ApiVersions).then_some(row.max))
                .expect("the table has ApiVersions");
            self.state = State::Negotiating {
                version,
                is_sent: false,
            };
        }
    }

    /// Whether requests may be sent.
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Why the connection was closed, if it was.
    pub fn closed(&self) -> Option<&ConnectionError> {
        match &self.state {
            State::Closed(error) => Some(error),
            _ => None,
        }
    }

    /// How many requests wait for their answers.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// What the broker offers; nothing before the connection is ready.
    pub fn versions(&self) -> &BrokerVersions {
        &self.versions
    }

    /// The version of `api` that is spoken on this connection.
    pub fn version(&self, api: ApiKey) -> Result<i16, RequestError> {
        match self.state {
            State::Ready => Ok(api::agree(api, &self.versions)?),
            _ => Err(RequestError::NotReady),
        }
    }

    /// Appends what the connection itself has to send, before it is ready; says whether there was
    /// any.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let State::Negotiating {
            version,
            is_sent: is_sent @ false,
        } = &mut self.state
        else {
            return false;
        };
        *is_sent = true;
        let version = *version;
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request.client_software_name = StrBytes::from_static_str("ringmain");
            request.client_software_version = StrBytes::from_static_str(env!("CARGO_PKG_VERSION"));
        }
        let id = self.push(ApiKey::ApiVersions, version, 0, now);
        encode_request(&request, version, id, &self.settings.client_id, out)
            .expect("our own request can be said in our own versions");
        true
    }

    /// Notes a request that the caller writes by hand, in the version agreed on, and gives its
    /// correlation id. It must be sent before anything that is reserved or encoded later.
    pub fn reserve(&mut self, api: ApiKey, token: u64, now: Instant) -> Result<i32, RequestError> {
        let version = self.version(api)?;
        Ok(self.push(api, version, token, now))
    }

    /// The correlation id for a request that the broker will not answer (Produce with acks=0). It
    /// is not in flight: nothing tells what became of it.
    pub fn reserve_unanswered(&mut self, api: ApiKey) -> Result<i32, RequestError> {
        self.version(api)?;
        Ok(self.correlation_id())
    }

    /// Appends `request`, as a frame in the version agreed on, and notes it. It must be sent before
    /// anything that is reserved or encoded later.
    pub fn encode<R: Request>(
        &mut self,
        request: &R,
        token: u64,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
        let api = ApiKey::try_from(R::KEY).expect("a message's key is one of the keys");
        let version = self.version(api)?;
        let id = self.next_correlation_id;
        encode_request(request, version, id, &self.settings.client_id, out)?;
        self.push(api, version, token, now);
        Ok(())
    }

    /// Takes bytes off `input` up to the next answer; none once they are used up. After an error
    /// the connection is closed.
    pub fn handle_bytes<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Reply<'s>>, ConnectionError> {
        while let State::Negotiating { .. } = self.state {
            let answer = match self.splitter.next(input) {
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => negotiate(&mut self.in_flight, frame),
                Err(error) => Err(error.into()),
            };
            match answer {
                Ok(Negotiated::Ready(versions)) => {
                    self.versions = versions;
                    self.state = State::Ready;
                }
                Ok(Negotiated::Again(version)) => {
                    self.state = State::Negotiating {
                        version,
                        is_sent: false,
                    };
                }
                Err(error) => return Err(self.close(error)),
            }
        }
        match &self.state {
            State::Ready => {}
            State::Closed(error) => return Err(error.clone()),
            _ => return Err(self.close(ConnectionError::Unasked { bytes: input.len() })),
        }
        let answer = match self.splitter.next(input) {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => answer(&mut self.in_flight, frame),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = &answer {
            self.state = State::Closed(error.clone());
        }
        answer.map(Some)
    }

    /// The socket is gone.
    pub fn handle_lost(&mut self) {
        self.close(ConnectionError::Lost);
    }

    /// An answer's body, which only its receiver can read, turned out to be malformed: what else
    /// comes from this broker on this connection cannot be believed.
    pub fn handle_malformed(&mut self, api: ApiKey, version: i16, source: WireError) {
        self.close(ConnectionError::Malformed {
            api,
            version,
            source,
        });
    }

    /// Bytes are taken in again after a while in which they were not, by our own fault: the time of
    /// what is in flight counts from now.
    pub fn handle_resumed(&mut self, now: Instant) {
        for request in &mut self.in_flight {
            request.deadline = now + self.settings.request_timeout;
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Connecting { deadline } => Some(deadline),
            State::Closed(_) => None,
            _ => self.in_flight.iter().map(|request| request.deadline).min(),
        }
    }

    /// Closes the connection if something did not come in time.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ConnectionError> {
        let late = match self.state {
            State::Connecting { deadline } if deadline <= now => ConnectionError::ConnectTimeout {
                after: self.settings.connect_timeout,
            },
            State::Connecting { .. } | State::Closed(_) => return Ok(()),
            _ => match self
                .in_flight
                .iter()
                .find(|request| request.deadline <= now)
            {
                None => return Ok(()),
                Some(InFlight { api, .. }) => {
                    let after = self.settings.request_timeout;
                    ConnectionError::RequestTimeout { api: *api, after }
                }
            },
        };
        Err(self.close(late))
    }

    /// Of a closed connection: the next request, oldest first, that was not answered. It may have
    /// been carried out, or may still be.
    pub fn poll_unanswered(&mut self) -> Option<u64> {
        match self.state {
            State::Closed(_) => self.in_flight.pop_front().map(|request| request.token),
            _ => None,
        }
    }

    /// Closes, unless it is closed already, and gives the first reason.
    fn close(&mut self, error: ConnectionError) -> ConnectionError {
        if let State::Closed(first) = &self.state {
            return first.clone();
        }
        if let State::Negotiating { .. } = self.state {
            // Our own request: nobody waits for it.
            self.in_flight.clear();
        }
        self.state = State::Closed(error.clone());
        error
    }

    fn push(&mut self, api: ApiKey, version: i16, token: u64, now: Instant) -> i32 {
        let correlation_id = self.correlation_id();
        let deadline = now + self.settings.request_timeout;
        self.in_flight.push_back(InFlight {
            correlation_id,
            api,
            version,
            token,
            deadline,
        });
        correlation_id
    }

    fn correlation_id(&mut self) -> i32 {
        let id = self.next_correlation_id;
        self.next_correlation_id = id.checked_add(1).unwrap_or(0);
        id
    }
}

enum Negotiated {
    Ready(BrokerVersions),
    /// Ask once more, in this version.
    Again(i16),
}

/// The answer that `frame` is to the oldest request.
fn answer<'a>(
    in_flight: &mut VecDeque<InFlight>,
    frame: &'a [u8],
) -> Result<Reply<'a>, ConnectionError> {
    let Some(&InFlight {
        correlation_id,
        api,
        version,
        token,
        ..
    }) = in_flight.front()
    else {
        return Err(ConnectionError::Unasked { bytes: frame.len() });
    };
    let (got, body) =
        read_response(api, version, frame).map_err(|source| ConnectionError::Malformed {
            api,
            version,
            source,
        })?;
    if got != correlation_id {
        return Err(ConnectionError::Correlation {
            expected: correlation_id,
            got,
        });
    }
    in_flight.pop_front();
    Ok(Reply {
        token,
        api,
        version,
        body,
    })
}

/// What the answer to our question for versions means.
///
/// A broker that does not know the version asked in says so in version 0, and adds (since 2.4)
/// which it does know; one that does not add it is asked again in version 0.
fn negotiate(
    in_flight: &mut VecDeque<InFlight>,
    frame: &[u8],
) -> Result<Negotiated, ConnectionError> {
    let Reply {
        api, version, body, ..
    } = answer(in_flight, frame)?;
    let unsupported = ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes();
    let answered_in = if body.starts_with(&unsupported) {
        0
    } else {
        version
    };
    let response = decode_response::<ApiVersionsRequest>(answered_in, body).map_err(|source| {
        ConnectionError::Malformed {
            api,
            version: answered_in,
            source,
        }
    })?;
    let versions = BrokerVersions::from_response(&response);
    match ErrorCode(response.error_code) {
        ErrorCode::NONE => {
            versions.check()?;
            Ok(Negotiated::Ready(versions))
        }
        ErrorCode::UNSUPPORTED_VERSION if version > 0 => {
            // Never the same again: each round asks in a lower version.
            let known = api::agree(ApiKey::ApiVersions, &versions).unwrap_or(0);
            Ok(Negotiated::Again(known.clamp(0, version - 1)))
        }
        error => Err(ConnectionError::Negotiation(error)),
    }
}
