//! A proxy between Kafka's clients and brokers that does harm, as networks and sick brokers do.
//!
//! It is a byte pump that knows frames: it reads the four bytes of length and the header behind
//! them, so it can cut at a certain byte of a certain request, hold an answer back that the broker
//! has given, or flip a bit where a checksum must notice. Brokers' addresses in answers are
//! replaced by its own ports (Metadata, DescribeCluster, FindCoordinator, and the leaders that
//! Produce and Fetch hint at), so no client finds a way around it.
//!
//! ```text
//! client ──▶ listener ──▶ connection: its fate is drawn ──▶ broker
//!                          requests ▶▶ cut, slowed, a batch's bit flipped
//!                          answers  ◀◀ addresses replaced; cut, slowed, held, dropped, refused
//! ```
//!
//! * [`fate`]: what may become of a connection, and the draw;
//! * [`connection`]: the two pumps;
//! * [`alter`]: answers with our addresses, or with one bit or one error code changed.
//!
//! A connection lives for a short while even if nothing else becomes of it. Bits are flipped only
//! where somebody can notice: what a batch's CRC covers, a frame's length, a correlation id. A bit
//! in an answer's uncovered field (an offset, an error code) would deceive any client.

#![allow(dead_code, reason = "a kit: what one test leaves out another uses")]

pub(crate) mod alter;
mod connection;
pub(crate) mod fate;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};

use crate::kafka::lines::Random;
use alter::Addresses;
use connection::Connection;
use fate::{Fate, Menu, Tally};

/// One listening port for each broker. Dropped: all connections end.
#[derive(Debug)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    /// Dropped to end the threads.
    stop: Option<UnixStream>,
    listeners: Vec<JoinHandle<()>>,
}

/// What the threads have in common.
#[derive(Debug)]
struct Shared {
    addresses: Addresses,
    menu: Mutex<Menu>,
    random: Mutex<Random>,
    tally: Mutex<Tally>,
    /// Its other end closes when the proxy ends.
    stopped: UnixStream,
}

impl Proxy {
    /// Stands before brokers, each `HOST:PORT` with commas between. What becomes of connections is
    /// drawn from `menu` with `seed`.
    pub(crate) fn start(brokers: &str, menu: Menu, seed: u64) -> Self {
        let brokers: Vec<SocketAddr> = brokers
            .split(',')
            .map(|address| address.parse().expect("the tests' brokers have addresses"))
            .collect();
        let bind = |_: &SocketAddr| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback is free")
        };
        let listeners: Vec<TcpListener> = brokers.iter().map(bind).collect();
        let ours = listeners
            .iter()
            .map(|listener| listener.local_addr().expect("it is bound"));
        let (stop, stopped) = UnixStream::pair().expect("a pair of sockets is to be had");
        let shared = Arc::new(Shared {
            addresses: Addresses::new(brokers.iter().copied().zip(ours)),
            menu: Mutex::new(menu),
            random: Mutex::new(Random(seed)),
            tally: Mutex::default(),
            stopped,
        });
        let listeners = listeners
            .into_iter()
            .zip(brokers)
            .map(|(listener, broker)| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || listen(&listener, broker, &shared))
            });
        Self {
            listeners: listeners.collect(),
            shared,
            stop: Some(stop),
        }
    }

    /// `HOST:PORT` of every port, with commas between.
    pub(crate) fn bootstrap(&self) -> String {
        self.shared.addresses.ours().join(",")
    }

    /// What becomes of connections from now on; those that are there keep their fate.
    pub(crate) fn set_menu(&self, menu: Menu) {
        *lock(&self.shared.menu) = menu;
    }

    /// What has been done so far.
    pub(crate) fn tally(&self) -> Tally {
        lock(&self.shared.tally).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        for listener in self.listeners.drain(..) {
            let ended = listener.join();
            assert!(
                ended.is_ok() || thread::panicking(),
                "the proxy met something that it does not understand; its thread said what"
            );
        }
    }
}

/// Takes connections until the proxy ends, and then waits for those that are left.
fn listen(listener: &TcpListener, broker: SocketAddr, shared: &Arc<Shared>) {
    let mut running: Vec<JoinHandle<()>> = Vec::new();
    while let Some(client) = accept(listener, &shared.stopped) {
        let (ended, left): (Vec<_>, Vec<_>) =
            running.into_iter().partition(JoinHandle::is_finished);
        running = left;
        join(ended);
        let fate = Fate::draw(&mut lock(&shared.random), &lock(&shared.menu));
        let random = Random(lock(&shared.random).next());
        let shared = Arc::clone(shared);
        running.push(thread::spawn(move || {
            // A broker that is down refuses its clients, and so do we.
            if let Ok(upstream) = TcpStream::connect(broker) {
                Connection::new(client, upstream, fate, random, &shared).run();
            }
        }));
    }
    join(running);
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("a connection's thread has said why");
    }
}

/// `None`: the proxy ends.
fn accept(listener: &TcpListener, stopped: &UnixStream) -> Option<TcpStream> {
    loop {
        let mut wanted = [
            PollFd::new(stopped, PollFlags::IN),
            PollFd::new(listener, PollFlags::IN),
        ];
        match poll(&mut wanted, None) {
            Ok(_) if !wanted[0].revents().is_empty() => return None,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => panic!("waiting for clients: {errno}"),
        }
        match listener.accept() {
            Ok((client, _)) => return Some(client),
            // The client was gone again before it was taken.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => panic!("taking a client: {error}"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
