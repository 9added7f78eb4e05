//! What the cases have in common: an `Io`, and what has completed on it.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::io::{Completion, Io, Payload, Returned, SocketId, Token};
use crate::memory::Buffer;

/// An `Io`, with completions kept by token until a case asks for them.
pub(super) struct Driver {
    pub(super) io: Io,
    completed: HashMap<u64, Completion>,
    tokens: u64,
}

/// Nothing in a case takes that long.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

impl Driver {
    pub(super) fn new(io: Io) -> Self {
        Self {
            io,
            completed: HashMap::new(),
            tokens: 0,
        }
    }

    pub(super) fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    /// The completion of this operation, and that it has not come before.
    pub(super) fn wait(&mut self, token: Token) -> Completion {
        let until = self.io.now() + TIMEOUT;
        loop {
            if let Some(completion) = self.completed.remove(&token.0) {
                return completion;
            }
            assert!(self.io.now() < until, "{token:?} does not complete");
            let mut completions = Vec::new();
            self.io.reap(Some(until), &mut completions).unwrap();
            for completion in completions {
                let twice = self.completed.insert(completion.token.0, completion);
                assert!(twice.is_none(), "it completes once: {twice:?}");
            }
        }
    }

    /// That nothing at all completes for a while.
    pub(super) fn assert_quiet(&mut self, time: Duration) {
        assert!(self.completed.is_empty(), "{:?}", self.completed);
        let until = self.io.now() + time;
        let mut completions = Vec::new();
        while self.io.now() < until {
            self.io.reap(Some(until), &mut completions).unwrap();
            assert!(completions.is_empty(), "{completions:?}");
        }
    }

    pub(super) fn connect(&mut self, address: SocketAddr) -> SocketId {
        let token = self.token();
        let socket = self.io.connect(address, token);
        assert_eq!(self.wait(token).result.unwrap(), 0);
        socket
    }

    pub(super) fn send(&mut self, socket: SocketId, payload: Payload) -> Token {
        let token = self.token();
        self.io.send(socket, payload, token);
        token
    }

    pub(super) fn receive(&mut self, socket: SocketId, bytes: usize) -> Token {
        let token = self.token();
        self.io.receive(socket, Buffer::new(bytes), 0..bytes, token);
        token
    }

    /// Receives until there are so many bytes.
    pub(super) fn receive_exactly(&mut self, socket: SocketId, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let token = self.receive(socket, count - bytes.len());
            let completion = self.wait(token);
            let received = completion.result.unwrap();
            assert_ne!(
                received,
                0,
                "the stream ends after {} of {count} bytes",
                bytes.len()
            );
            bytes.extend_from_slice(&returned_buffer(completion.buffers)[..received]);
        }
        bytes
    }
}

/// A buffer with these bytes.
pub(super) fn filled(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::new(bytes.len());
    buffer.copy_from_slice(bytes);
    buffer
}

/// All of these bytes.
pub(super) fn payload(bytes: &[u8]) -> Payload {
    Payload::one(filled(bytes), 0, bytes.len())
}

pub(super) fn returned_buffer(buffers: Returned) -> Buffer {
    match buffers {
        Returned::Buffer(buffer) => buffer,
        other => panic!("a buffer comes back, not {other:?}"),
    }
}

pub(super) fn returned_payload(buffers: Returned) -> Payload {
    match buffers {
        Returned::Payload(payload) => payload,
        other => panic!("a payload comes back, not {other:?}"),
    }
}

/// That this is what a closed socket's operations complete with.
pub(super) fn assert_cancelled(result: &io::Result<usize>) {
    let error = result.as_ref().expect_err("the socket was closed");
    let expected = rustix::io::Errno::CANCELED.raw_os_error();
    assert_eq!(error.raw_os_error(), Some(expected), "{error}");
}
