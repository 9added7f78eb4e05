//! From a broker's host name to an address, and what can go wrong with a connection.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use protocol::client::connection::ConnectionError;

/// Why there is no connection to a broker (any more).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Its name has no address.
    #[error("cannot resolve {host}: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// The system could not connect, or the connection broke.
    #[error("{0}")]
    System(String),
    /// The broker closed the connection.
    #[error("the broker closed the connection")]
    EndOfStream,
    /// By the protocol's rules.
    #[error(transparent)]
    Protocol(#[from] ConnectionError),
}

impl From<&io::Error> for LinkError {
    fn from(error: &io::Error) -> Self {
        Self::System(error.to_string())
    }
}

/// All addresses of a host.
pub(crate) fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, LinkError> {
    let failed = |reason: String| LinkError::Resolve {
        host: host.to_owned(),
        reason,
    };
    let addresses: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| failed(error.to_string()))?
        .collect();
    if addresses.is_empty() {
        return Err(failed("it has no address".to_owned()));
    }
    Ok(addresses)
}
