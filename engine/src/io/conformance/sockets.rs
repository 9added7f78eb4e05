//! Cases about sockets.

use std::collections::HashSet;
use std::time::Duration;

use super::World;
use super::driver::{Driver, assert_cancelled, filled, payload, returned_buffer, returned_payload};
use super::peers::{Digest, Manner, pattern};
use crate::io::{Part, Payload};
use crate::memory::Buffer;

/// A message to a peer of the manner `Digest`, and the answer it gives.
fn message(count: usize) -> (Vec<u8>, [u8; 8]) {
    let body: Vec<u8> = (0..count).map(pattern).collect();
    let mut digest = Digest::new();
    digest.add(&body);
    let mut bytes = (count as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(&body);
    (bytes, digest.0.to_le_bytes())
}

pub(super) fn bytes_go_there_and_back(world: &mut World) {
    let address = world.peer(Manner::Echo);
    let mut driver = Driver::new(world.io());
    let socket = driver.connect(address);
    for count in [1, 10, 1000, 100_000] {
        let bytes: Vec<u8> = (0..count).map(pattern).collect();
        // The receive is asked for before there is anything.
        let early = driver.receive(socket, count);
        let sending = driver.send(socket, payload(&bytes));
        let completion = driver.wait(early);
        let received = completion.result.unwrap();
        assert_ne!(received, 0);
        let mut back = returned_buffer(completion.buffers)[..received].to_vec();
        back.extend(driver.receive_exactly(socket, count - received));
        assert!(back == bytes);
        let completion = driver.wait(sending);
        assert_eq!(completion.result.unwrap(), count);
        assert_eq!(returned_payload(completion.buffers).byte_len(), count);
    }
    driver.io.close_socket(socket);
}

pub(super) fn a_large_send_reaches_a_slow_reader(world: &mut World) {
    let address = world.peer(Manner::SlowDigest);
    let mut driver = Driver::new(world.io());
    let socket = driver.connect(address);
    let (bytes, answer) = message(6_000_000);
    let mut padded = vec![0xaa; 100];
    padded.extend_from_slice(&bytes);
    padded.push(0xaa);
    let sending = driver.send(socket, Payload::one(filled(&padded), 100, padded.len() - 1));
    let completion = driver.wait(sending);
    assert_eq!(completion.result.unwrap(), bytes.len());
    assert_eq!(driver.receive_exactly(socket, 8), answer);
    driver.io.close_socket(socket);
}

/// Cuts bytes into parts that lie in several buffers, in another order than they are sent in.
fn gathered(bytes: &[u8]) -> Payload {
    let mut buffers = Vec::new();
    let mut parts = Vec::new();
    for chunk in bytes.chunks(bytes.len().div_ceil(5)) {
        let mut placed = chunk.to_vec();
        placed.reverse();
        let buffer = u32::try_from(buffers.len()).unwrap();
        let mut end = chunk.len();
        let mut size = 1;
        placed.clear();
        placed.resize(chunk.len(), 0);
        let mut taken = 0;
        while taken < chunk.len() {
            let count = size.min(chunk.len() - taken);
            placed[end - count..end].copy_from_slice(&chunk[taken..taken + count]);
            let (from, to) = (end - count, end);
            let part = |start: usize, end: usize| Part {
                buffer,
                start: u32::try_from(start).unwrap(),
                end: u32::try_from(end).unwrap(),
            };
            parts.push(part(from, to));
            parts.push(part(from, from));
            end -= count;
            taken += count;
            size = size % 1500 + 7;
        }
        buffers.push(filled(&placed));
    }
    Payload::Gather { buffers, parts }
}

pub(super) fn a_gathering_send_is_sent_in_order(world: &mut World) {
    let address = world.peer(Manner::Digest);
    let mut driver = Driver::new(world.io());
    let socket = driver.connect(address);
    for count in [1, 5000, 3_000_000] {
        let (bytes, answer) = message(count);
        let payload = gathered(&bytes);
        assert_eq!(payload.byte_len(), bytes.len());
        let sending = driver.send(socket, payload);
        let completion = driver.wait(sending);
        assert_eq!(completion.result.unwrap(), bytes.len());
        let Payload::Gather { buffers, parts } = returned_payload(completion.buffers) else {
            panic!("the payload comes back as it was");
        };
        assert_eq!(buffers.len(), 5);
        assert!(count < 5000 || parts.len() > 10);
        assert_eq!(driver.receive_exactly(socket, 8), answer);
    }
    driver.io.close_socket(socket);
}

pub(super) fn the_end_of_the_stream_is_no_bytes(world: &mut World) {
    let address = world.peer(Manner::Speak(100_000));
    let mut driver = Driver::new(world.io());
    let socket = driver.connect(address);
    let sending = driver.send(socket, payload(b"go"));
    assert_eq!(driver.wait(sending).result.unwrap(), 2);
    let bytes = driver.receive_exactly(socket, 100_000);
    assert!(
        bytes
            .iter()
            .enumerate()
            .all(|(index, byte)| *byte == pattern(index))
    );
    for _ in 0..2 {
        let receiving = driver.receive(socket, 10);
        assert_eq!(driver.wait(receiving).result.unwrap(), 0);
    }
    driver.io.close_socket(socket);
}

pub(super) fn a_refused_connect_fails(world: &mut World) {
    let address = world.peer(Manner::Refuse);
    let mut driver = Driver::new(world.io());
    let token = driver.token();
    let socket = driver.io.connect(address, token);
    let error = driver.wait(token).result.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    driver.io.close_socket(socket);
    driver.assert_quiet(Duration::from_millis(1));
}

pub(super) fn an_unanswered_connect_ends_by_closing(world: &mut World) {
    let address = world.peer(Manner::BlackHole);
    let mut driver = Driver::new(world.io());
    let token = driver.token();
    let socket = driver.io.connect(address, token);
    driver.assert_quiet(Duration::from_millis(30));
    driver.io.close_socket(socket);
    assert_cancelled(&driver.wait(token).result);
}

pub(super) fn a_reset_fails_the_send_under_way(world: &mut World) {
    let address = world.peer(Manner::ResetAfter(200_000));
    let mut driver = Driver::new(world.io());
    let socket = driver.connect(address);
    let receiving = driver.receive(socket, 100);
    let bytes = vec![1; 32 << 20];
    let sending = driver.send(socket, payload(&bytes));
    let completion = driver.wait(sending);
    let error = completion.result.unwrap_err();
    let kinds = [
        std::io::ErrorKind::ConnectionReset,
        std::io::ErrorKind::BrokenPipe,
    ];
    assert!(kinds.contains(&error.kind()), "{error}");
    assert_eq!(returned_payload(completion.buffers).byte_len(), bytes.len());
    let received = driver.wait(receiving).result;
    assert!(
        received.is_err() || matches!(received, Ok(0)),
        "{received:?}"
    );
    // Nothing can be sent any more, and nothing is received.
    let sending = driver.send(socket, payload(b"too late"));
    driver.wait(sending).result.unwrap_err();
    let receiving = driver.receive(socket, 10);
    let received = driver.wait(receiving).result;
    assert!(
        received.is_err() || matches!(received, Ok(0)),
        "{received:?}"
    );
    driver.io.close_socket(socket);
}

pub(super) fn closing_gives_every_buffer_back_once(world: &mut World) {
    let address = world.peer(Manner::Silent);
    let mut driver = Driver::new(world.io());
    let bytes = vec![1; 32 << 20];
    let mut expected = HashSet::new();
    let mut sockets = Vec::new();
    for round in 0..4 {
        let socket = driver.connect(address);
        let payload = if round % 2 == 0 {
            payload(&bytes)
        } else {
            gathered(&bytes)
        };
        let sending = driver.send(socket, payload);
        let receiving = driver.receive(socket, 1000 + round);
        expected.extend([sending.0, receiving.0]);
        sockets.push((socket, sending, receiving));
    }
    driver.assert_quiet(Duration::from_millis(30));
    for (socket, ..) in &sockets {
        driver.io.close_socket(*socket);
    }
    for (round, (_, sending, receiving)) in sockets.into_iter().enumerate() {
        let completion = driver.wait(sending);
        assert_cancelled(&completion.result);
        assert_eq!(returned_payload(completion.buffers).byte_len(), bytes.len());
        let completion = driver.wait(receiving);
        assert_cancelled(&completion.result);
        assert_eq!(returned_buffer(completion.buffers).len(), 1000 + round);
    }
    driver.assert_quiet(Duration::from_millis(10));
}

pub(super) fn closing_before_the_first_reap(world: &mut World) {
    let address = world.peer(Manner::Echo);
    let mut driver = Driver::new(world.io());
    let token = driver.token();
    let socket = driver.io.connect(address, token);
    driver.io.close_socket(socket);
    assert_cancelled(&driver.wait(token).result);
    let socket = driver.connect(address);
    let sending = driver.send(socket, payload(b"hello"));
    let receiving = driver.receive(socket, 5);
    driver.io.close_socket(socket);
    // Even if the bytes went out, and even if they came back.
    assert_cancelled(&driver.wait(sending).result);
    let completion = driver.wait(receiving);
    assert_cancelled(&completion.result);
    assert_eq!(returned_buffer(completion.buffers).len(), 5);
    driver.assert_quiet(Duration::from_millis(1));
}

pub(super) fn connections_one_after_the_other(world: &mut World) {
    let address = world.peer(Manner::Echo);
    let mut driver = Driver::new(world.io());
    let mut ids = HashSet::new();
    let mut buffer = Some(Buffer::new(8));
    for round in 0..200u64 {
        let socket = driver.connect(address);
        assert!(ids.insert(socket), "an id is not used again so soon");
        let sending = driver.send(socket, payload(&round.to_le_bytes()));
        assert_eq!(driver.wait(sending).result.unwrap(), 8);
        assert_eq!(driver.receive_exactly(socket, 8), round.to_le_bytes());
        // Half of them are closed with a receive under way.
        if round % 2 == 0 {
            let token = driver.token();
            driver
                .io
                .receive(socket, buffer.take().unwrap(), 0..8, token);
            driver.io.close_socket(socket);
            let completion = driver.wait(token);
            assert_cancelled(&completion.result);
            buffer = Some(returned_buffer(completion.buffers));
        } else {
            driver.io.close_socket(socket);
        }
    }
}
