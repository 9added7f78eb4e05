//! `ringmain broker`: the embedded broker on its own, until a signal ends it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use ::broker::{BrokerError, Config, Server, Storage};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use thiserror::Error;

use crate::options::{Exit, HostPort};

/// What `ringmain broker` was asked.
#[derive(Debug)]
pub(crate) struct BrokerOptions {
    pub(crate) listen: HostPort,
    /// What clients are told to connect to, if not the address that is listened on.
    pub(crate) advertise: Option<HostPort>,
    /// Not used with `discard`.
    pub(crate) data_dir: PathBuf,
    pub(crate) partitions: u32,
    pub(crate) sync: bool,
    pub(crate) discard: bool,
}

#[derive(Debug, Error)]
pub(crate) enum RunBrokerError {
    #[error("cannot find the address {listen}: {source}")]
    Resolve { listen: HostPort, source: io::Error },
    #[error(
        "{listen} is every address of this machine: say by --advertise HOST:PORT which of them \
         clients are to use"
    )]
    Unspecified { listen: SocketAddr },
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl RunBrokerError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Resolve { .. } | Self::Unspecified { .. } => Exit::Usage,
            Self::Signals(_) | Self::Broker(_) => Exit::Failed,
        }
    }
}

pub(crate) fn run(options: BrokerOptions) -> Result<Exit, RunBrokerError> {
    // Before the first client can come: no signal may find us unprepared.
    let mut ended = signals().map_err(RunBrokerError::Signals)?;
    let server = Server::start(config(options)?)?;
    let address = server.address();
    announce(address);
    // Until a signal comes, however long that is: this is what a server does.
    let waited = ended.read_exact(&mut [0]);
    server.shutdown();
    waited.map_err(RunBrokerError::Signals)?;
    Ok(Exit::Done)
}

/// Becomes readable when SIGINT or SIGTERM comes.
fn signals() -> io::Result<UnixStream> {
    let (readable, writable) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        pipe::register(signal, writable.try_clone()?)?;
    }
    Ok(readable)
}

fn config(options: BrokerOptions) -> Result<Config, RunBrokerError> {
    let listen = resolve(options.listen)?;
    if listen.ip().is_unspecified() && options.advertise.is_none() {
        return Err(RunBrokerError::Unspecified { listen });
    }
    if !listen.ip().is_loopback() {
        tracing::warn!(
            "{listen} can be reached from other machines, and the embedded broker asks nobody who \
             they are"
        );
    }
    let storage = if options.discard {
        tracing::warn!("--discard: whatever is sent is acknowledged and thrown away");
        Storage::Memory
    } else {
        Storage::Directory(options.data_dir)
    };
    let mut config = Config::new(storage);
    config.listen = listen;
    config.advertised = options
        .advertise
        .map(|HostPort { host, port }| (host, port));
    config.discard = options.discard;
    config.sync_appends = options.sync;
    config.default_partitions = i32::try_from(options.partitions).unwrap_or(i32::MAX);
    Ok(config)
}

fn resolve(listen: HostPort) -> Result<SocketAddr, RunBrokerError> {
    if let Ok(address) = listen.host.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, listen.port));
    }
    let found = (listen.host.as_str(), listen.port)
        .to_socket_addrs()
        .and_then(|mut found| {
            found
                .next()
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it has no address"))
        });
    found.map_err(|source| RunBrokerError::Resolve { listen, source })
}

/// On stdout: whoever asked for port 0 reads here which it became.
fn announce(address: SocketAddr) {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "listening on {address}").and_then(|()| stdout.flush());
    if let Err(error) = written {
        tracing::warn!("listening on {address}, which stdout could not be told: {error}");
    }
}
