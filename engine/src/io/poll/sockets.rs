//! Sockets over readiness: what was asked for is tried while the socket is ready, and again when it
//! becomes so.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags, sockopt};

use super::done::Done;
use crate::io::slab::Slab;
use crate::io::socket::{closed_error, open, tune};
use crate::io::{Completion, DESCRIPTORS_MAX, Payload, Returned, SocketId, Token};
use crate::memory::Buffer;

#[derive(Debug)]
pub(super) struct Sockets(Slab<Socket>);

#[derive(Debug)]
struct Socket {
    /// Absent if it could not be made; the connect has completed with the reason then.
    descriptor: Option<OwnedFd>,
    /// Under way until the socket becomes writable.
    connecting: Option<Token>,
    sending: Option<Sending>,
    receiving: Option<Receiving>,
    /// Not known to block. Edge-triggered events set these, an EAGAIN clears them.
    readable: bool,
    writable: bool,
    /// The peer's end of stream was announced: there is no further edge, so `readable` stays.
    read_closed: bool,
}

#[derive(Debug)]
struct Sending {
    payload: Payload,
    sent: usize,
    total: usize,
    token: Token,
}

#[derive(Debug)]
struct Receiving {
    buffer: Buffer,
    range: Range<usize>,
    token: Token,
}

impl Sockets {
    pub(super) fn new() -> Self {
        Self(Slab::new(DESCRIPTORS_MAX))
    }

    /// Begins a connection; a failure that is known at once is in `done`.
    pub(super) fn connect(
        &mut self,
        registry: &Registry,
        address: SocketAddr,
        token: Token,
        done: &mut Done,
        calls: &mut u64,
    ) -> SocketId {
        *calls += 4;
        let (descriptor, failed) = match begin_connect(address) {
            Ok(descriptor) => (Some(descriptor), None),
            Err(error) => (None, Some(error)),
        };
        let key = self.0.insert(Socket {
            descriptor,
            connecting: Some(token),
            sending: None,
            receiving: None,
            readable: false,
            writable: false,
            read_closed: false,
        });
        let socket = self.0.get_mut(key).expect("it was just inserted");
        let registered = match (&socket.descriptor, failed) {
            (Some(descriptor), _) => registry.register(
                &mut SourceFd(&descriptor.as_raw_fd()),
                mio::Token(key as usize),
                Interest::READABLE | Interest::WRITABLE,
            ),
            (None, failed) => Err(failed.expect("a socket is absent because of an error")),
        };
        if let Err(error) = registered {
            socket.connecting = None;
            let (result, buffers) = (Err(error), Returned::None);
            done.push(Completion {
                token,
                result,
                buffers,
            });
        }
        SocketId(key)
    }

    pub(super) fn send(
        &mut self,
        id: SocketId,
        payload: Payload,
        token: Token,
        done: &mut Done,
        calls: &mut u64,
    ) {
        let socket = self.open_socket(id);
        assert!(socket.sending.is_none(), "one send at a time on a socket");
        let total = payload.byte_len();
        socket.sending = Some(Sending {
            payload,
            sent: 0,
            total,
            token,
        });
        if socket.writable {
            done.push_of(id, socket.advance_send(calls));
        }
    }

    pub(super) fn receive(
        &mut self,
        id: SocketId,
        buffer: Buffer,
        range: Range<usize>,
        token: Token,
        done: &mut Done,
        calls: &mut u64,
    ) {
        let socket = self.open_socket(id);
        assert!(
            socket.receiving.is_none(),
            "one receive at a time on a socket"
        );
        socket.receiving = Some(Receiving {
            buffer,
            range,
            token,
        });
        if socket.readable {
            done.push_of(id, socket.advance_receive(calls));
        }
    }

    pub(super) fn close(&mut self, registry: &Registry, id: SocketId, done: &mut Done) {
        let socket = self.0.remove(id.0).expect("a socket is closed once");
        if let Some(descriptor) = &socket.descriptor {
            // Neither can fail in a way that matters: the descriptor is closed right after.
            registry
                .deregister(&mut SourceFd(&descriptor.as_raw_fd()))
                .ok();
            rustix::net::shutdown(descriptor, Shutdown::Both).ok();
        }
        done.close(id);
        let mut end = |token, buffers| {
            let result = Err(closed_error());
            done.push(Completion {
                token,
                result,
                buffers,
            });
        };
        if let Some(token) = socket.connecting {
            end(token, Returned::None);
        }
        if let Some(Sending { token, payload, .. }) = socket.sending {
            end(token, Returned::Payload(payload));
        }
        if let Some(Receiving { token, buffer, .. }) = socket.receiving {
            end(token, Returned::Buffer(buffer));
        }
    }

    pub(super) fn handle_event(&mut self, event: &Event, done: &mut Done, calls: &mut u64) {
        // An event of a socket that was closed since finds nothing.
        let Ok(key) = u32::try_from(event.token().0) else {
            return;
        };
        let Some(socket) = self.0.get_mut(key) else {
            return;
        };
        socket.writable |= event.is_writable() || event.is_error();
        socket.readable |= event.is_readable() || event.is_error();
        socket.read_closed |= event.is_read_closed() || event.is_error();
        let id = SocketId(key);
        if socket.writable {
            done.push_of(id, socket.advance_connect(calls));
            done.push_of(id, socket.advance_send(calls));
        }
        if socket.readable {
            done.push_of(id, socket.advance_receive(calls));
        }
    }

    fn open_socket(&mut self, id: SocketId) -> &mut Socket {
        let socket = self
            .0
            .get_mut(id.0)
            .expect("a socket is not used after it was closed");
        let usable = socket.descriptor.is_some() && socket.connecting.is_none();
        assert!(usable, "a socket is used once its connect has completed");
        socket
    }
}

impl Socket {
    fn descriptor(&self) -> &OwnedFd {
        self.descriptor
            .as_ref()
            .expect("only an open socket has something under way")
    }

    fn advance_connect(&mut self, calls: &mut u64) -> Option<Completion> {
        let token = self.connecting.take()?;
        *calls += 1;
        let result = match sockopt::socket_error(self.descriptor()) {
            Ok(Ok(())) => {
                tune(self.descriptor());
                Ok(0)
            }
            Ok(Err(errno)) | Err(errno) => Err(errno.into()),
        };
        Some(Completion {
            token,
            result,
            buffers: Returned::None,
        })
    }

    fn advance_send(&mut self, calls: &mut u64) -> Option<Completion> {
        let mut sending = self.sending.take()?;
        let result = loop {
            *calls += 1;
            match send_some(self.descriptor(), &sending.payload, sending.sent) {
                Ok(count) => sending.sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.writable = false;
                    self.sending = Some(sending);
                    return None;
                }
                Err(errno) => break Err(errno.into()),
            }
            if sending.sent == sending.total {
                break Ok(sending.total);
            }
        };
        let buffers = Returned::Payload(sending.payload);
        Some(Completion {
            token: sending.token,
            result,
            buffers,
        })
    }

    fn advance_receive(&mut self, calls: &mut u64) -> Option<Completion> {
        let mut receiving = self.receiving.take()?;
        let wanted = &mut receiving.buffer[receiving.range.clone()];
        let result = loop {
            *calls += 1;
            let descriptor = self
                .descriptor
                .as_ref()
                .expect("only an open socket receives");
            match rustix::net::recv(descriptor, &mut *wanted, RecvFlags::DONTWAIT) {
                Ok((count, _)) => {
                    // Less than asked for: the socket is empty, and what comes next is an edge.
                    self.readable = count == wanted.len() || self.read_closed;
                    break Ok(count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.readable = false;
                    self.receiving = Some(receiving);
                    return None;
                }
                Err(errno) => break Err(errno.into()),
            }
        };
        let buffers = Returned::Buffer(receiving.buffer);
        Some(Completion {
            token: receiving.token,
            result,
            buffers,
        })
    }
}

fn begin_connect(address: SocketAddr) -> io::Result<OwnedFd> {
    let descriptor = open(address, SocketFlags::NONBLOCK)?;
    match rustix::net::connect(&descriptor, &address) {
        // An interrupted connect goes on by itself, as one in progress does.
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(descriptor),
        Err(errno) => Err(errno.into()),
    }
}

/// One system call's worth of the payload behind its first `sent` bytes.
fn send_some(descriptor: &OwnedFd, payload: &Payload, sent: usize) -> Result<usize, Errno> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    if let Payload::One { buffer, start, end } = payload {
        return rustix::net::send(descriptor, &buffer[start + sent..*end], flags);
    }
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let count = payload.slices(sent, &mut slices);
    let mut control = SendAncillaryBuffer::default();
    rustix::net::sendmsg(descriptor, &slices[..count], &mut control, flags)
}

/// Slices gathered by one call. 64 of them lie in a kilobyte of stack; parts are 4 KB or more, or
/// few, so a call still carries a quarter of a megabyte.
const SLICES_MAX: usize = 64;
