//! The way to a cluster: the embedded broker where that is meant, and a connection that asks and waits
//! for its answers.

use std::net::SocketAddr;
use std::path::Path;

use broker::{BrokerError, Config, Server, Storage};
use engine::control::{Control, ControlError};
use engine::flow::config::ClientConfig;
use engine::io::{Choice, Io, IoSetupError};
use thiserror::Error;

use crate::config::ProducerConfig;
use crate::options::{Exit, Target};

#[derive(Debug, Error)]
pub(crate) enum ReachError {
    #[error(transparent)]
    Io(#[from] IoSetupError),
    #[error("the embedded broker cannot start: {0}")]
    Embedded(#[from] BrokerError),
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl ReachError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Io(_) => Exit::Usage,
            Self::Embedded(_) | Self::Control(_) => Exit::Failed,
        }
    }
}

/// A cluster that answers.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) control: Control,
    /// How others connect to it.
    pub(crate) client: ClientConfig,
    /// How I/O is done, and why, for the log.
    pub(crate) io: String,
    /// Dropped last, when everything that it acknowledged is written.
    pub(crate) embedded: Option<Server>,
}

/// Connects to the first of the target's servers that answers.
pub(crate) fn reach(
    target: &Target,
    producer: &ProducerConfig,
    io: Choice,
) -> Result<Reached, ReachError> {
    let embedded = match target {
        Target::Bootstrap(_) => None,
        Target::Embedded(directory) => Some(start_embedded(directory)?),
    };
    let (io, chosen) = Io::new(io)?;
    let client = client(target, producer, embedded.as_ref().map(Server::address));
    let control = Control::connect(io, client.clone(), producer.connect_timeout_max)?;
    Ok(Reached {
        control,
        client,
        io: chosen.to_string(),
        embedded,
    })
}

fn start_embedded(directory: &Path) -> Result<Server, BrokerError> {
    let mut config = Config::new(Storage::Directory(directory.to_owned()));
    config.listen.set_port(0);
    let server = Server::start(config)?;
    tracing::info!(
        "embedded broker on {}, data in {}",
        server.address(),
        directory.display()
    );
    Ok(server)
}

fn client(
    target: &Target,
    producer: &ProducerConfig,
    embedded: Option<SocketAddr>,
) -> ClientConfig {
    let bootstrap = match (target, embedded) {
        (Target::Bootstrap(servers), _) => servers
            .iter()
            .map(|server| (server.host.clone(), server.port))
            .collect(),
        (Target::Embedded(_), address) => {
            let address = address.expect("the embedded broker is running");
            vec![(address.ip().to_string(), address.port())]
        }
    };
    ClientConfig {
        client_id: producer.client_id.clone(),
        bootstrap,
        request_timeout: producer.request_timeout,
        connect_timeout: producer.connect_timeout,
        reconnect_backoff: producer.reconnect_backoff,
        reconnect_backoff_max: producer.reconnect_backoff_max,
        metadata_max_age: producer.metadata_age_max,
    }
}
