//! Sockets around the broker: a thread that accepts, and a thread for each connection.
//!
//! Blocking threads, on purpose: the broker is the peer, not the product, and this is the plainest
//! way to be a right one. Everything that waits has a bound or is woken by [`Server::shutdown`].

mod connection;
mod frames;

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::broker::{Broker, NODE_ID};
use crate::config::Config;
use crate::error::BrokerError;
use crate::faults::{Connects, Faults};

pub(crate) use frames::Frames;

/// How long a shutdown waits for connections to end.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);
/// How long the acceptor sleeps after an error of the kind that passes (no more files, for
/// example).
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(50);
/// How long a caller waits until the acceptor has carried out what it was told.
const TOLD_MAX: Duration = Duration::from_secs(5);

/// A broker with its sockets. Dropped, it is shut down.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
    owns_broker: bool,
}

/// What the acceptor and the connections share.
#[derive(Debug)]
struct Shared {
    broker: Arc<Broker>,
    node: i32,
    wake: OwnedFd,
    is_stopping: AtomicBool,
    state: Mutex<State>,
    /// A connection ended, or the acceptor carried out what it was told, or it is time to stop.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    connections: HashMap<u64, TcpStream>,
    next_connection: u64,
    /// What the acceptor last did about new connections.
    connects: Connects,
}

impl Server {
    /// Opens the broker and listens.
    pub fn start(config: Config) -> Result<Self, BrokerError> {
        let listen = config.listen;
        let mut server = Self::serve(Broker::open(config)?, listen)?;
        server.owns_broker = true;
        Ok(server)
    }

    /// Listens for a broker that is there, and that a shutdown leaves open.
    pub fn serve(broker: Arc<Broker>, listen: SocketAddr) -> Result<Self, BrokerError> {
        Self::serve_as(broker, listen, NODE_ID)
    }

    /// The same as a node of another id: several servers of one broker are a cluster to their
    /// clients, see [`Broker::elect`] for what is simulated.
    pub fn serve_as(
        broker: Arc<Broker>,
        listen: SocketAddr,
        node: i32,
    ) -> Result<Self, BrokerError> {
        let failed = |source| BrokerError::Listen {
            address: listen,
            source,
        };
        let listener = bind(listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        broker.set_listener(node, advertised_host(address), address.port());
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let shared = Arc::new(Shared {
            broker,
            node,
            wake: wake.map_err(|error| failed(error.into()))?,
            is_stopping: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            spawn("broker-accept", move || accept(&shared, listener, address))?
        };
        Ok(Self {
            shared,
            address,
            acceptor: Some(acceptor),
            owns_broker: false,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The broker behind the sockets.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.shared.broker
    }

    /// Faults on request.
    pub fn faults(&self) -> &Faults {
        self.shared.broker.faults()
    }

    /// Says how new connections fare from now on. Those that are there stay as they are.
    pub fn set_connects(&self, connects: Connects) {
        self.faults().set_connects(connects);
        self.shared.wake();
        let not_yet = |state: &mut State| state.connects != self.faults().connects();
        let told = self
            .shared
            .changed
            .wait_timeout_while(self.shared.state(), TOLD_MAX, not_yet);
        drop(told);
    }

    /// Closes every connection that is there.
    pub fn cut_connections(&self) {
        self.shared.cut_connections();
    }

    /// Stops listening, ends every connection, and closes the logs in order.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        let Some(acceptor) = self.acceptor.take() else {
            return;
        };
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        self.shared.wake();
        if acceptor.join().is_err() {
            tracing::error!("the acceptor panicked");
        }
        self.shared.cut_connections();
        self.shared.broker.announce();
        self.shared.changed.notify_all();
        let busy = |state: &mut State| !state.connections.is_empty();
        let waited =
            self.shared
                .changed
                .wait_timeout_while(self.shared.state(), SHUTDOWN_MAX, busy);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !state.connections.is_empty() {
            tracing::warn!(
                connections = state.connections.len(),
                "connections would not end"
            );
        }
        drop(state);
        self.shared.broker.remove_listener(self.shared.node);
        if self.owns_broker {
            self.shared.broker.close();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    fn wake(&self) {
        // Full is as good as written: the acceptor wakes.
        if let Err(error) = rustix::io::write(&self.wake, &1u64.to_ne_bytes()) {
            tracing::debug!(%error, "the acceptor is awake already");
        }
    }

    fn cut_connections(&self) {
        for stream in self.state().connections.values() {
            // One that the peer closed is as good as closed.
            if let Err(error) = stream.shutdown(Shutdown::Both) {
                tracing::debug!(%error, "a connection was gone already");
            }
        }
    }

    /// Waits so long, or until it is time to stop.
    fn pause(&self, at_most: Duration) {
        let going_on = |_: &mut State| !self.is_stopping();
        drop(
            self.changed
                .wait_timeout_while(self.state(), at_most, going_on),
        );
    }
}

/// A connection's entry in the list, for as long as its thread lives.
#[derive(Debug)]
struct Registered {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.shared.state().connections.remove(&self.id);
        self.shared.changed.notify_all();
    }
}

fn accept(shared: &Arc<Shared>, listener: TcpListener, address: SocketAddr) {
    let mut listener = Some(listener);
    while !shared.is_stopping() {
        let connects = shared.broker.faults().connects();
        if connects == Connects::Refuse {
            listener = None;
        } else if listener.is_none() {
            match bind(address) {
                Ok(bound) => listener = Some(bound),
                Err(error) => tracing::error!(%address, %error, "cannot listen again"),
            }
        }
        shared.broker.check_retention();
        shared.state().connects = connects;
        shared.changed.notify_all();
        match next_connection(shared, listener.as_ref()) {
            Ok(None) => {}
            Ok(Some(stream)) => start_connection(shared, stream, connects),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                shared.pause(ACCEPT_BACK_OFF);
            }
        }
    }
}

/// The next connection; none if somebody woke the acceptor.
fn next_connection(
    shared: &Shared,
    listener: Option<&TcpListener>,
) -> io::Result<Option<TcpStream>> {
    let mut waiting = vec![PollFd::new(&shared.wake, PollFlags::IN)];
    waiting.extend(listener.map(|listener| PollFd::new(listener, PollFlags::IN)));
    match poll(
        &mut waiting,
        Some(&Timespec {
            tv_sec: 60,
            tv_nsec: 0,
        }),
    ) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    if !waiting[0].revents().is_empty() {
        let mut count = [0; 8];
        let read = rustix::io::read(&shared.wake, &mut count);
        return read.map(|_| None).map_err(io::Error::from);
    }
    let Some(listener) = listener.filter(|_| waiting.last().is_some_and(is_ready)) else {
        return Ok(None);
    };
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        // The peer was gone before we came.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_ready(waited: &PollFd<'_>) -> bool {
    !waited.revents().is_empty()
}

fn start_connection(shared: &Arc<Shared>, stream: TcpStream, connects: Connects) {
    let registered = match register(shared, &stream) {
        Ok(Some(registered)) => registered,
        Ok(None) => {
            tracing::warn!("too many connections, closing the newest");
            return;
        }
        Err(error) => {
            tracing::warn!(%error, "cannot take in a connection");
            return;
        }
    };
    let started = spawn("broker-connection", move || {
        let shared = Arc::clone(&registered.shared);
        let ended = match connects {
            Connects::HalfOpen => connection::hold_open(&shared, &stream),
            _ => connection::serve(&shared, &stream),
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended");
        }
        drop(registered);
    });
    if let Err(error) = started {
        tracing::warn!(%error, "cannot serve a connection");
    }
}

/// Prepares the socket and takes it into the list; none if the list is full.
fn register(shared: &Arc<Shared>, stream: &TcpStream) -> io::Result<Option<Registered>> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(shared.broker.config.idle_max))?;
    stream.set_write_timeout(Some(shared.broker.config.idle_max))?;
    let copy = stream.try_clone()?;
    let mut state = shared.state();
    if state.connections.len() >= shared.broker.config.connections_max {
        return Ok(None);
    }
    let id = state.next_connection;
    state.next_connection += 1;
    state.connections.insert(id, copy);
    Ok(Some(Registered {
        shared: Arc::clone(shared),
        id,
    }))
}

fn spawn(
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, BrokerError> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|source| BrokerError::Thread { name, source })
}

/// Listens, so that accepting never blocks: between poll and accept a peer may be gone.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// What clients can connect to: an address that stands for all of the host's is none.
fn advertised_host(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned()
    } else {
        address.ip().to_string()
    }
}

/// Waits until the peer closes, it is time to stop, or so long.
fn wait_for_close(stream: &TcpStream, at_most: Duration) -> io::Result<()> {
    let mut waiting = [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::RDHUP)];
    let timeout = Timespec {
        tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(at_most.subsec_nanos()),
    };
    poll(&mut waiting, Some(&timeout))?;
    Ok(())
}

#[cfg(test)]
mod tests;
