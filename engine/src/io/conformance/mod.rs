//! One list of cases that every body of the contract passes, with the same peers at the other end.
//!
//! A case gets a [`World`]: it makes the `Io` of the body under test, and peers of a given manner,
//! which are threads behind real sockets or, for the simulated body, a [`crate::io::Peer`].

mod driver;
mod files;
mod mixed;
mod peers;
mod sockets;
mod waiting;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

use self::peers::{Manner, Manners, RealPeers, ScriptedPeer};
use super::{Choice, Faults, Io, Simulated};

/// What a body does in a world of its own; it panics if that is wrong.
type Case = fn(&mut World);

/// Every body passes every case.
const CASES: &[(&str, Case)] = &[
    (
        "a read fills its range and nothing else",
        files::a_read_fills_its_range_and_nothing_else,
    ),
    (
        "a read past the end is empty",
        files::a_read_past_the_end_is_empty,
    ),
    (
        "a short file is read short",
        files::a_short_file_is_read_short,
    ),
    ("writes are whole", files::writes_are_whole),
    (
        "a file's error gives the buffer back",
        files::an_error_gives_the_buffer_back,
    ),
    (
        "a removed file is closed after its operations",
        files::a_removed_file_is_closed_at_last,
    ),
    ("many files", files::many_files),
    ("bytes go there and back", sockets::bytes_go_there_and_back),
    (
        "a large send reaches a slow reader",
        sockets::a_large_send_reaches_a_slow_reader,
    ),
    (
        "a gathering send is sent in order",
        sockets::a_gathering_send_is_sent_in_order,
    ),
    (
        "the end of the stream is 0 bytes",
        sockets::the_end_of_the_stream_is_no_bytes,
    ),
    ("a refused connect fails", sockets::a_refused_connect_fails),
    (
        "an unanswered connect ends by closing",
        sockets::an_unanswered_connect_ends_by_closing,
    ),
    (
        "a reset fails the send under way",
        sockets::a_reset_fails_the_send_under_way,
    ),
    (
        "closing gives every buffer back once",
        sockets::closing_gives_every_buffer_back_once,
    ),
    (
        "closing before the first reap",
        sockets::closing_before_the_first_reap,
    ),
    (
        "connections one after the other",
        sockets::connections_one_after_the_other,
    ),
    (
        "a wait ends with its time",
        waiting::a_wait_ends_with_its_time,
    ),
    ("a wake-up ends a wait", waiting::a_wake_up_ends_a_wait),
    ("wake-ups coalesce", waiting::wake_ups_coalesce),
    (
        "dropped with everything under way",
        waiting::dropped_with_everything_under_way,
    ),
    (
        "10,000 operations at random",
        mixed::ten_thousand_operations,
    ),
];

/// A body under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Real(Choice),
    Simulated,
}

/// Makes the body under test and those at the other end.
struct World {
    body: Body,
    seed: u64,
    faults: Faults,
    real: RealPeers,
    manners: Manners,
}

impl World {
    fn new(body: Body, seed: u64) -> Self {
        let real = RealPeers::default();
        Self {
            body,
            seed,
            faults: Faults::none(),
            real,
            manners: Manners::default(),
        }
    }

    fn io(&mut self) -> Io {
        match self.body {
            Body::Real(choice) => Io::new(choice).expect("the body was made once").0,
            Body::Simulated => {
                let peer = Box::new(ScriptedPeer::new(self.manners.clone()));
                Io::Simulated(Box::new(Simulated::new(
                    self.seed,
                    self.faults.clone(),
                    peer,
                )))
            }
        }
    }

    /// Somebody of this manner, at this address.
    fn peer(&mut self, manner: Manner) -> SocketAddr {
        if self.body != Body::Simulated {
            return self.real.start(manner);
        }
        let mut manners: std::cell::RefMut<'_, HashMap<SocketAddr, Manner>> =
            self.manners.borrow_mut();
        let port = u16::try_from(1 + manners.len()).expect("a case has a few peers");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        manners.insert(address, manner);
        address
    }
}

fn check_cases(body: Body) {
    for (name, case) in CASES {
        let seed = seed();
        println!("{body:?}: {name} (RINGMAIN_SEED={seed})");
        case(&mut World::new(body, seed));
    }
}

/// A host may refuse io_uring; then there is nothing to check, which is said.
fn check_real(choice: Choice) {
    match Io::new(choice) {
        Ok((_, chosen)) => println!("{chosen}"),
        Err(error) => {
            println!("left out: {error}");
            return;
        }
    }
    check_cases(Body::Real(choice));
}

/// The same every time, unless another is asked for.
fn seed() -> u64 {
    match std::env::var("RINGMAIN_SEED") {
        Ok(text) => text.parse().expect("a seed is a number"),
        Err(_) => 20_260_101,
    }
}

#[test]
fn uring_conforms() {
    check_real(Choice::Uring);
}

#[test]
fn uring_basic_conforms() {
    check_real(Choice::UringBasic);
}

#[test]
fn poll_conforms() {
    check_real(Choice::Poll);
}

#[test]
fn simulated_conforms() {
    check_cases(Body::Simulated);
}
