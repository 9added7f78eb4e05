//! What only a simulation can show.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::*;
use crate::io::{Io, Returned};

/// What the peer was told, for the test to see while the simulation owns the peer.
#[derive(Debug, Default)]
struct Told {
    accepted: Vec<u64>,
    received: Vec<u8>,
    disconnected: Vec<u64>,
    /// Takes nothing before this time.
    deaf_until: Option<Instant>,
}

#[derive(Debug, Clone, Default)]
struct Listener(Rc<RefCell<Told>>);

impl Peer for Listener {
    fn accept(&mut self, _: SocketAddr, connection: u64) -> bool {
        self.0.borrow_mut().accepted.push(connection);
        true
    }

    fn receive(&mut self, _: Instant, connection: u64, bytes: &[u8], replies: &mut Vec<u8>) {
        let mut told = self.0.borrow_mut();
        assert!(told.accepted.contains(&connection) && !told.disconnected.contains(&connection));
        assert!(!bytes.is_empty());
        told.received.extend_from_slice(bytes);
        replies.extend_from_slice(bytes);
    }

    fn is_reading(&mut self, _: u64) -> bool {
        self.0.borrow().deaf_until.is_none()
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.0.borrow().deaf_until
    }

    fn handle_timeout(&mut self, now: Instant, _: &mut Vec<(u64, Vec<u8>)>) {
        let mut told = self.0.borrow_mut();
        told.deaf_until = told.deaf_until.filter(|until| *until > now);
    }

    fn disconnected(&mut self, connection: u64) {
        self.0.borrow_mut().disconnected.push(connection);
    }
}

/// A simulation with one connection to a listener.
struct Scene {
    io: Io,
    listener: Listener,
    socket: SocketId,
}

impl Scene {
    fn new(seed: u64, faults: Faults) -> Self {
        let listener = Listener::default();
        let peer = Box::new(listener.clone());
        let mut io = Io::Simulated(Box::new(Simulated::new(seed, faults, peer)));
        let socket = io.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, 9092)), Token(0));
        let mut scene = Self {
            io,
            listener,
            socket,
        };
        scene
            .next()
            .result
            .expect("nothing keeps this connect from succeeding");
        scene
    }

    fn send(&mut self, bytes: &[u8]) {
        let mut buffer = Buffer::new(bytes.len());
        buffer.copy_from_slice(bytes);
        self.io
            .send(self.socket, Payload::one(buffer, 0, bytes.len()), Token(1));
    }

    fn next(&mut self) -> Completion {
        let mut completions = Vec::new();
        while completions.is_empty() {
            self.io.reap(None, &mut completions).unwrap();
        }
        assert_eq!(completions.len(), 1);
        completions.remove(0)
    }

    fn pass(&mut self, time: Duration) {
        let until = self.io.now() + time;
        while self.io.now() < until {
            self.io.reap(Some(until), &mut Vec::new()).unwrap();
        }
    }
}

fn numbered(count: u32) -> Vec<u8> {
    (0..count).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn a_peer_has_a_prefix_when_the_process_dies() {
    let bytes = numbered(100_000);
    let mut lengths = Vec::new();
    for seed in 0..200 {
        let mut scene = Scene::new(
            seed,
            Faults {
                connection_bytes: 20_000,
                ..Faults::none()
            },
        );
        scene.send(&bytes);
        scene.pass(Duration::from_micros(20 * (seed % 40)));
        let Scene { io, listener, .. } = scene;
        // Both ways of dying: giving the peer back, and simply going.
        if seed % 2 == 0 {
            assert!(io.into_peer().is_some());
        } else {
            drop(io);
        }
        let told = listener.0.borrow();
        assert_eq!(told.received, bytes[..told.received.len()], "seed {seed}");
        assert_eq!(told.disconnected, told.accepted, "seed {seed}");
        lengths.push(told.received.len());
    }
    lengths.sort_unstable();
    lengths.dedup();
    assert!(
        lengths.len() > 50,
        "deaths come at many points: {lengths:?}"
    );
}

#[test]
fn a_lost_connection_leaves_a_prefix_and_fails_what_is_under_way() {
    let bytes = numbered(100_000);
    let mut lost = 0;
    for seed in 0..100 {
        let faults = Faults {
            connections_lost: 100,
            connection_bytes: 50_000,
            ..Faults::none()
        };
        let mut scene = Scene::new(seed, faults);
        scene.send(&bytes);
        if let Err(error) = scene.next().result {
            lost += 1;
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            let told = scene.listener.0.borrow();
            assert_eq!(told.received, bytes[..told.received.len()], "seed {seed}");
            assert!(told.received.len() < bytes.len());
            assert_eq!(told.disconnected, [0]);
        }
    }
    assert!((10..100).contains(&lost), "{lost} of 100 were lost");
}

#[test]
fn what_was_sent_arrives_after_the_connection_was_closed() {
    let mut scene = Scene::new(
        1,
        Faults {
            cuts: 900,
            ..Faults::none()
        },
    );
    let bytes = numbered(1000);
    scene.send(&bytes);
    assert_eq!(scene.next().result.unwrap(), bytes.len());
    scene.io.close_socket(scene.socket);
    assert!(scene.listener.0.borrow().received.len() < bytes.len());
    scene.pass(Duration::from_secs(1));
    assert_eq!(scene.listener.0.borrow().received, bytes);
    assert_eq!(scene.listener.0.borrow().disconnected, [0]);
}

#[test]
fn a_deaf_peer_holds_sends_up_until_it_hears_again() {
    let mut scene = Scene::new(1, Faults::none());
    let until = scene.io.now() + Duration::from_secs(60);
    scene.listener.0.borrow_mut().deaf_until = Some(until);
    scene.send(&vec![1; 1 << 20]);
    assert_eq!(scene.next().result.unwrap(), 1 << 20);
    assert!(scene.io.now() >= until);
    assert!(scene.io.now() < until + Duration::from_secs(1));
}

#[test]
fn waiting_for_ever_is_an_error_that_says_so() {
    let mut scene = Scene::new(1, Faults::none());
    scene
        .io
        .receive(scene.socket, Buffer::new(10), 0..10, Token(1));
    let error = scene.io.reap(None, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Deadlock);
    assert!(
        error.to_string().contains("1 operations never complete"),
        "{error}"
    );
}

#[test]
fn a_full_disk_and_a_bad_one_are_told_apart() {
    let faults = Faults {
        disk_full: 300,
        file_errors: 300,
        ..Faults::none()
    };
    let mut scene = Scene::new(1, faults);
    let file = scene.io.add_file(tempfile::tempfile().unwrap().into());
    let mut outcomes = [0; 3];
    for _ in 0..200 {
        scene.io.write(file, 0, Buffer::new(100), 0..100, Token(1));
        let completion = scene.next();
        assert!(matches!(completion.buffers, Returned::Buffer(buffer) if buffer.len() == 100));
        let errno = completion
            .result
            .map_err(|error| Errno::from_io_error(&error));
        outcomes[match errno {
            Ok(count) => {
                assert_eq!(count, 100);
                0
            }
            Err(Some(Errno::NOSPC)) => 1,
            Err(Some(Errno::IO)) => 2,
            Err(other) => panic!("{other:?} was not asked for"),
        }] += 1;
    }
    assert!(outcomes.iter().all(|count| *count > 20), "{outcomes:?}");
}
