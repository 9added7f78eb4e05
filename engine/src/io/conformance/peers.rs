//! Those at the other end: one script for a manner, played by a thread or in the simulation.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrAny, SocketType, bind, listen, socket, sockopt};

use crate::io::{Ending, Peer};

/// How somebody behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Says back what it hears.
    Echo,
    /// Hears messages (8 bytes of length, then as many) and answers each with its digest.
    Digest,
    /// Digest, but takes little at a time.
    SlowDigest,
    /// Once it hears something, says so many bytes of [`pattern`] and ends the stream.
    Speak(usize),
    /// Resets the connection after so many bytes.
    ResetAfter(usize),
    /// Takes the connection and nothing else.
    Silent,
    /// Refuses the connection.
    Refuse,
    /// Does not answer.
    BlackHole,
}

pub(super) type Manners = Rc<RefCell<HashMap<SocketAddr, Manner>>>;

/// Byte `index` of what is said.
pub(super) fn pattern(index: usize) -> u8 {
    let mixed = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

/// FNV-1a, over what was added.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digest(pub(super) u64);

impl Digest {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

/// One connection's part of a manner.
struct Script {
    manner: Manner,
    heard: usize,
    header: Vec<u8>,
    left: u64,
    digest: Digest,
}

impl Script {
    fn new(manner: Manner) -> Self {
        Self {
            manner,
            heard: 0,
            header: Vec::new(),
            left: 0,
            digest: Digest::new(),
        }
    }

    fn hear(&mut self, bytes: &[u8], replies: &mut Vec<u8>) -> Option<Ending> {
        self.heard += bytes.len();
        match self.manner {
            Manner::Echo => replies.extend_from_slice(bytes),
            Manner::Digest | Manner::SlowDigest => self.digest(bytes, replies),
            Manner::Speak(count) => {
                replies.extend((0..count).map(pattern));
                return Some(Ending::Orderly);
            }
            Manner::ResetAfter(count) if self.heard >= count => return Some(Ending::Reset),
            Manner::ResetAfter(_) => {}
            Manner::Silent | Manner::Refuse | Manner::BlackHole => {
                unreachable!("{:?} hears nothing", self.manner)
            }
        }
        None
    }

    fn digest(&mut self, mut bytes: &[u8], replies: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.header.len() < 8 {
                let (start, rest) = bytes.split_at(bytes.len().min(8 - self.header.len()));
                self.header.extend_from_slice(start);
                bytes = rest;
                if let Ok(length) = self.header[..].try_into() {
                    self.left = u64::from_le_bytes(length);
                }
                continue;
            }
            let count = usize::try_from(self.left).unwrap().min(bytes.len());
            self.digest.add(&bytes[..count]);
            self.left -= count as u64;
            bytes = &bytes[count..];
            if self.left == 0 {
                replies.extend_from_slice(&self.digest.0.to_le_bytes());
                *self = Self::new(self.manner);
            }
        }
    }
}

/// The peers of a simulation.
pub(super) struct ScriptedPeer {
    manners: Manners,
    scripts: HashMap<u64, Script>,
    endings: HashMap<u64, Ending>,
}

impl ScriptedPeer {
    pub(super) fn new(manners: Manners) -> Self {
        Self {
            manners,
            scripts: HashMap::new(),
            endings: HashMap::new(),
        }
    }
}

impl Peer for ScriptedPeer {
    fn is_reachable(&mut self, address: SocketAddr) -> bool {
        self.manners.borrow()[&address] != Manner::BlackHole
    }

    fn accept(&mut self, address: SocketAddr, connection: u64) -> bool {
        let manner = self.manners.borrow()[&address];
        let new = self.scripts.insert(connection, Script::new(manner));
        assert!(new.is_none(), "a connection is accepted once");
        manner != Manner::Refuse
    }

    fn receive(&mut self, _: Instant, connection: u64, bytes: &[u8], replies: &mut Vec<u8>) {
        let script = self.scripts.get_mut(&connection).expect("it was accepted");
        if let Some(ending) = script.hear(bytes, replies) {
            self.endings.insert(connection, ending);
        }
    }

    fn poll_ending(&mut self, connection: u64) -> Option<Ending> {
        self.endings.remove(&connection)
    }

    fn is_reading(&mut self, connection: u64) -> bool {
        self.scripts[&connection].manner != Manner::Silent
    }

    fn disconnected(&mut self, connection: u64) {
        assert!(
            self.scripts.remove(&connection).is_some(),
            "a connection ends once"
        );
    }
}

/// Peers behind real sockets. When this goes, every connection must have been closed by the case:
/// their threads are waited for.
#[derive(Default)]
pub(super) struct RealPeers {
    stopping: Arc<AtomicBool>,
    listeners: Vec<(SocketAddr, JoinHandle<()>)>,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
    /// Kept open: what refuses, what does not answer, and who keeps silent.
    kept: Arc<Mutex<Vec<OwnedFd>>>,
}

impl RealPeers {
    pub(super) fn start(&mut self, manner: Manner) -> SocketAddr {
        match manner {
            Manner::Refuse => self.bound(false),
            Manner::BlackHole => self.bound(true),
            _ => self.listen(manner),
        }
    }

    /// A port that nobody else gets. With nobody listening it refuses; with a queue for one that is
    /// full it drops what comes.
    fn bound(&mut self, full: bool) -> SocketAddr {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let name: SocketAddrAny = rustix::net::getsockname(&socket).unwrap();
        let address = SocketAddr::try_from(name).unwrap();
        let mut kept = self.kept.lock().unwrap();
        if full {
            listen(&socket, 0).unwrap();
            kept.push(TcpStream::connect(address).unwrap().into());
        }
        kept.push(socket);
        address
    }

    fn listen(&mut self, manner: Manner) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        if manner == Manner::SlowDigest {
            sockopt::set_socket_recv_buffer_size(&listener, 4096).unwrap();
        }
        let address = listener.local_addr().unwrap();
        let stopping = Arc::clone(&self.stopping);
        let (kept, connections) = (Arc::clone(&self.kept), Arc::clone(&self.connections));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                let stream = stream.unwrap();
                if manner == Manner::Silent {
                    kept.lock().unwrap().push(stream.into());
                    continue;
                }
                let thread = thread::spawn(move || play(manner, stream));
                connections.lock().unwrap().push(thread);
            }
        });
        self.listeners.push((address, thread));
        address
    }
}

impl Drop for RealPeers {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        self.stopping.store(true, Ordering::Release);
        for (address, thread) in self.listeners.drain(..) {
            // Refused if a connection of the case was still to be taken: then the thread has seen
            // it.
            drop(TcpStream::connect(address));
            thread.join().unwrap();
        }
        for thread in self.connections.lock().unwrap().drain(..) {
            thread.join().unwrap();
        }
    }
}

fn play(manner: Manner, mut stream: TcpStream) {
    // A case that leaves a connection open is found out by this.
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.set_nodelay(true).unwrap();
    let mut script = Script::new(manner);
    let mut bytes = vec![
        0;
        if manner == Manner::SlowDigest {
            1500
        } else {
            64 << 10
        }
    ];
    loop {
        let count = match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("a connection was left open and silent: {manner:?}")
            }
            // The case has closed its side.
            Err(_) => return,
        };
        let mut replies = Vec::new();
        let ending = script.hear(&bytes[..count], &mut replies);
        if stream.write_all(&replies).is_err() {
            return;
        }
        match ending {
            None => {}
            Some(Ending::Orderly) => return,
            Some(Ending::Reset) => {
                sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
                return;
            }
        }
    }
}
