//! Blocking requests to the cluster, for what happens before and after the shards run: metadata, topic
//! creation, producer ids, what a crash left. Over the same I/O and connections as everything else.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{ApiKey, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};
use protocol::client::connection::{Connection, ConnectionError, RequestError};

use crate::flow::LinkId;
use crate::flow::config::ClientConfig;
use crate::io::{Completion, Io};
use crate::net::{LinkError, LinkEvent, Links, Purpose, Waiting, decode};

/// How long servers that refuse at once are tried.
const REFUSED_TIMEOUT: Duration = Duration::from_secs(5);

/// Before something that failed is asked once more.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Whom a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Whoever answered first.
    Any,
    /// The broker of this id, known from metadata.
    Broker(i32),
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// None of the bootstrap servers could be reached.
    #[error("cannot connect to {servers}: {error}{hint}")]
    Bootstrap {
        /// All that were tried.
        servers: String,
        /// The last failure.
        error: LinkError,
        /// What to look at.
        hint: &'static str,
    },
    /// A broker's advertised address could not be reached, though a bootstrap server was.
    #[error(
        "connected to {bootstrap}, but cannot connect to broker {broker} at {advertised}, the address \
         that it advertises: {error}; make advertised.listeners of that broker an address that this \
         machine can reach, or use a network where {advertised} is one"
    )]
    Advertised {
        /// What was bootstrapped.
        bootstrap: String,
        /// The broker.
        broker: i32,
        /// What it advertises.
        advertised: String,
        /// Why not.
        error: LinkError,
    },
    /// The broker is not in the metadata.
    #[error("broker {broker} is not known to the cluster")]
    UnknownBroker {
        /// Its id.
        broker: i32,
    },
    /// It cannot be asked.
    #[error("cannot ask {to} for {api:?}: {error}")]
    Request {
        /// What.
        api: ApiKey,
        /// Whom.
        to: String,
        /// Why.
        error: RequestError,
    },
    /// The connection went before the answer came.
    #[error("no answer to {api:?} from {to}: {error}")]
    Lost {
        /// What.
        api: ApiKey,
        /// Whom.
        to: String,
        /// Why.
        error: LinkError,
    },
    /// The answer makes no sense.
    #[error("the answer of {to} to {api:?} cannot be read")]
    Malformed {
        /// What.
        api: ApiKey,
        /// Whose.
        to: String,
    },
    /// The rings themselves failed.
    #[error("cannot wait for I/O: {0}")]
    Reap(#[from] io::Error),
}

impl ControlError {
    /// The connection was there and broke, or brought nonsense. What was asked may have been done or
    /// not.
    fn is_broken_exchange(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::Malformed { .. } => true,
            Self::Request { error, .. } => *error == RequestError::NotReady,
            _ => false,
        }
    }
}

/// A client that waits for each answer.
#[derive(Debug)]
pub struct Control {
    io: Io,
    links: Links,
    config: ClientConfig,
    bootstrap: Option<LinkId>,
    brokers: HashMap<i32, LinkId>,
    completions: Vec<Completion>,
    answer: Option<Result<(i16, Vec<u8>), LinkError>>,
    last_error: Option<LinkError>,
}

impl Control {
    /// Connects to the first bootstrap server that answers, trying until `timeout` has passed.
    pub fn connect(io: Io, config: ClientConfig, timeout: Duration) -> Result<Self, ControlError> {
        let mut control = Self {
            links: Links::new(config.clone(), io.chance()),
            io,
            config,
            bootstrap: None,
            brokers: HashMap::new(),
            completions: Vec::new(),
            answer: None,
            last_error: None,
        };
        control.bootstrap(timeout)?;
        Ok(control)
    }

    fn bootstrap(&mut self, timeout: Duration) -> Result<(), ControlError> {
        let begun = self.io.now();
        let deadline = begun + timeout;
        let servers = self.config.bootstrap.clone();
        let links: Vec<LinkId> = servers
            .iter()
            .map(|server| self.links.add(-1, server.clone()))
            .collect();
        loop {
            for &link in &links {
                // One that takes connections and never answers must not use up the others' time.
                let until = deadline.min(self.io.now() + self.config.connect_timeout);
                if self.wait_ready(link, until)? {
                    self.bootstrap = Some(link);
                    return Ok(());
                }
            }
            let error = self.last_error.clone();
            let is_final = match &error {
                Some(LinkError::Protocol(error)) if is_version_error(error) => true,
                // What takes its time has a time-out of its own.
                Some(LinkError::Protocol(
                    ConnectionError::ConnectTimeout { .. } | ConnectionError::RequestTimeout { .. },
                ))
                | None => false,
                // Nobody is there, or somebody else: a broker that is just starting needs a moment,
                // a wrong port for ever.
                Some(_) => self.io.now() >= begun + REFUSED_TIMEOUT,
            };
            if is_final || self.io.now() >= deadline {
                let error = error.unwrap_or_else(|| {
                    LinkError::System(format!("no answer within {} ms", timeout.as_millis()))
                });
                let servers: Vec<String> = servers
                    .iter()
                    .map(|(host, port)| format!("{host}:{port}"))
                    .collect();
                let hint = hint_for(&error);
                return Err(ControlError::Bootstrap {
                    servers: servers.join(","),
                    error,
                    hint,
                });
            }
            self.wait_until(deadline.min(self.io.now() + Duration::from_millis(100)))?;
        }
    }

    /// Connects, and waits until requests may be sent. `false`: it failed, or time is up.
    fn wait_ready(&mut self, link: LinkId, deadline: Instant) -> Result<bool, ControlError> {
        let now = self.io.now();
        self.links.ensure(now, &mut self.io, link);
        self.handle_events();
        while self.links.is_connected_or_trying(link) && !self.links.is_ready(link) {
            if self.io.now() >= deadline {
                return Ok(false);
            }
            self.turn(deadline)?;
        }
        Ok(self.links.is_ready(link))
    }

    fn wait_until(&mut self, until: Instant) -> Result<(), ControlError> {
        while self.io.now() < until {
            self.turn(until)?;
        }
        Ok(())
    }

    /// One turn of the loop.
    fn turn(&mut self, until: Instant) -> Result<(), ControlError> {
        let now = self.io.now();
        self.links.poll(now, &mut self.io);
        let until = self.links.poll_timeout().map_or(until, |at| at.min(until));
        self.handle_events();
        let mut completions = std::mem::take(&mut self.completions);
        self.io.reap(Some(until), &mut completions)?;
        let now = self.io.now();
        for completion in completions.drain(..) {
            if let Purpose::Link { .. } = Purpose::from_token(completion.token) {
                self.links.handle_completion(now, &mut self.io, completion);
            }
        }
        self.completions = completions;
        self.handle_events();
        Ok(())
    }

    fn handle_events(&mut self) {
        while let Some(event) = self.links.poll_event() {
            match event {
                LinkEvent::Reply {
                    waiting: Waiting::Control,
                    version,
                    body,
                    ..
                } => {
                    self.answer = Some(Ok((version, body)));
                }
                LinkEvent::Lost { waiting, error, .. } => {
                    if waiting.contains(&Waiting::Control) {
                        self.answer = Some(Err(error.clone()));
                    }
                    self.last_error = Some(error);
                }
                _ => {}
            }
        }
    }

    /// Asks, and asks again while connections break before the answer is there, until `deadline`. For
    /// what may be asked twice.
    pub fn until<T>(
        &mut self,
        deadline: Instant,
        mut ask: impl FnMut(&mut Self) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        loop {
            let error = match ask(self) {
                Err(error) if error.is_broken_exchange() => error,
                answered => return answered,
            };
            if self.now() + ASK_AGAIN_AFTER >= deadline {
                return Err(error);
            }
            tracing::info!("asking again: {error}");
            self.pause(ASK_AGAIN_AFTER)?;
        }
    }

    /// Sends a request and waits for its answer: `request.timeout.ms` at most.
    pub fn call<R: Request>(&mut self, to: To, request: &R) -> Result<R::Response, ControlError> {
        let api = ApiKey::try_from(R::KEY).expect("a message's key is one of the keys");
        let now = self.io.now();
        let (version, body) = self.exchange(to, api, |connection, token, out| {
            connection.encode(request, token, now, out)
        })?;
        decode::<R>(version, &body).ok_or_else(|| ControlError::Malformed {
            api,
            to: self.describe(to),
        })
    }

    /// As [`Self::call`], for a request that is written by hand: gives version and body of the answer.
    pub fn exchange(
        &mut self,
        to: To,
        api: ApiKey,
        write: impl FnOnce(&mut Connection, u64, &mut Vec<u8>) -> Result<(), RequestError>,
    ) -> Result<(i16, Vec<u8>), ControlError> {
        let link = self.link(to)?;
        let now = self.io.now();
        self.answer = None;
        self.links
            .request_with(now, &mut self.io, link, Waiting::Control, write)
            .map_err(|error| ControlError::Request {
                api,
                to: self.describe(to),
                error,
            })?;
        let deadline = now + self.config.request_timeout + Duration::from_secs(1);
        loop {
            if let Some(answer) = self.answer.take() {
                return answer.map_err(|error| ControlError::Lost {
                    api,
                    to: self.describe(to),
                    error,
                });
            }
            if self.io.now() >= deadline {
                let error = LinkError::System("timed out".to_owned());
                return Err(ControlError::Lost {
                    api,
                    to: self.describe(to),
                    error,
                });
            }
            self.turn(deadline)?;
        }
    }

    /// The version of `api` that is spoken with `to`.
    pub fn version(&mut self, to: To, api: ApiKey) -> Result<i16, ControlError> {
        let link = self.link(to)?;
        self.links
            .version(link, api)
            .ok_or_else(|| ControlError::Request {
                api,
                to: self.describe(to),
                error: RequestError::NotReady,
            })
    }

    /// The address of the server that answers for [`To::Any`].
    pub fn server(&self) -> (&str, u16) {
        self.links
            .address(self.bootstrap.expect("connect() set it"))
    }

    /// How the client calls itself.
    pub fn client_id(&self) -> &str {
        &self.config.client_id
    }

    /// The time by which its waits are measured.
    pub fn now(&self) -> Instant {
        self.io.now()
    }

    /// Waits.
    pub fn pause(&mut self, pause: Duration) -> Result<(), ControlError> {
        let until = self.io.now() + pause;
        self.wait_until(until)
    }

    /// The topic's metadata, of brokers' addresses too; with the operations allowed.
    pub fn metadata(&mut self, topic: &str) -> Result<MetadataResponse, ControlError> {
        let name = TopicName(StrBytes::from_string(topic.to_owned()));
        let topics = vec![MetadataRequestTopic::default().with_name(Some(name))];
        let request = MetadataRequest::default()
            .with_topics(Some(topics))
            .with_include_topic_authorized_operations(true);
        self.ask_metadata(request)
    }

    /// The metadata of all topics that we may see.
    pub fn metadata_of_all(&mut self) -> Result<MetadataResponse, ControlError> {
        self.ask_metadata(MetadataRequest::default().with_topics(None))
    }

    fn ask_metadata(&mut self, request: MetadataRequest) -> Result<MetadataResponse, ControlError> {
        // Whoever asks after a topic must not make it.
        let request = request.with_allow_auto_topic_creation(false);
        let response = self.call(To::Any, &request)?;
        for broker in &response.brokers {
            let Ok(port) = u16::try_from(broker.port) else {
                continue;
            };
            let address = (broker.host.to_string(), port);
            match self.brokers.get(&broker.node_id.0) {
                Some(&link) => self.links.set_address(link, address),
                None => {
                    let link = self.links.add(broker.node_id.0, address);
                    self.brokers.insert(broker.node_id.0, link);
                }
            }
        }
        Ok(response)
    }

    /// A ready link to `to`.
    fn link(&mut self, to: To) -> Result<LinkId, ControlError> {
        let (link, broker) = match to {
            To::Any => {
                let link = self.bootstrap.expect("connect() set it");
                if !self.links.is_ready(link) {
                    self.bootstrap(self.config.connect_timeout)?;
                }
                return Ok(self.bootstrap.expect("it was just set"));
            }
            To::Broker(broker) => {
                let link = self.brokers.get(&broker).copied();
                (link.ok_or(ControlError::UnknownBroker { broker })?, broker)
            }
        };
        let deadline = self.io.now() + self.config.connect_timeout;
        loop {
            if self.wait_ready(link, deadline)? {
                return Ok(link);
            }
            if self.io.now() >= deadline || self.is_unreachable() {
                break;
            }
            self.wait_until(deadline.min(self.io.now() + Duration::from_millis(50)))?;
        }
        let error = self
            .last_error
            .clone()
            .unwrap_or_else(|| LinkError::System("timed out".to_owned()));
        let (host, port) = self.links.address(link);
        let advertised = format!("{host}:{port}");
        let bootstrap = self.describe(To::Any);
        Err(ControlError::Advertised {
            bootstrap,
            broker,
            advertised,
            error,
        })
    }

    /// A name without address, or a broker too old: trying again does not help.
    fn is_unreachable(&self) -> bool {
        match &self.last_error {
            Some(LinkError::Resolve { .. }) => true,
            Some(LinkError::Protocol(error)) => is_version_error(error),
            _ => false,
        }
    }

    fn describe(&self, to: To) -> String {
        let link = match to {
            To::Any => self.bootstrap,
            To::Broker(broker) => self.brokers.get(&broker).copied(),
        };
        match (link, to) {
            (Some(link), _) => self.links.describe(link),
            (None, To::Broker(broker)) => format!("broker {broker}"),
            (None, To::Any) => "the bootstrap servers".to_owned(),
        }
    }
}

fn is_version_error(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::Version(_))
}

fn hint_for(error: &LinkError) -> &'static str {
    const NOT_KAFKA: &str = "; is this port a PLAINTEXT listener of a Kafka broker?";
    match error {
        LinkError::Resolve { .. } => "; check the host name after -b",
        LinkError::System(text) if text.contains("refused") => {
            "; is the broker running, and is this its listener's port?"
        }
        LinkError::System(text) if text.contains("no answer") => NOT_KAFKA,
        LinkError::EndOfStream
        | LinkError::Protocol(
            ConnectionError::Frame(_)
            | ConnectionError::Malformed { .. }
            | ConnectionError::Correlation { .. }
            | ConnectionError::Unasked { .. }
            | ConnectionError::RequestTimeout { .. },
        ) => NOT_KAFKA,
        _ => "",
    }
}
