//! What the bodies over real sockets have in common.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketFlags, SocketType, ipproto, socket_with, sockopt,
};

/// A TCP socket for this address, without Nagle's delay.
pub(super) fn open(address: SocketAddr, flags: SocketFlags) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = flags | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    Ok(socket)
}

/// Bounds what the kernel buffers on its way to a peer on this machine.
///
/// Left alone, the buffer grows to the 4 MB of `tcp_wmem`, and its bytes have left the cache,
/// it seems, before the peer reads them. Measured (Linux 6.18, two cores that others used, too;
/// pieces of 850 KB; CPU of the sender): sending alone costs 0.11 to 0.13 s/GB left alone,
/// 0.070 with 512 KB asked for (the kernel takes twice that), 0.071 with 256 KB, 0.074 with 104
/// KB, 0.08 to 0.12 with 2 MB; reading and sending 0.17 to 0.20 left alone, 0.10 with 512 KB.
/// The reader's cost falls likewise. With 32 KB the stream all but stood still (pieces of 64
/// KB; delayed acknowledgements, presumably). A host that allows less (`net.core.wmem_max`,
/// often 208 KB) gives what it allows.
///
/// Of sends of 850 KB four in ten then go in at once (nine in ten of those left alone); the
/// others wait for room, in the ring by its poll handler (MSG_WAITALL), and reads go on
/// meanwhile. For a remote peer the buffer must cover the round trip, so that it is the
/// kernel's to choose.
pub(super) fn tune(socket: &OwnedFd) {
    // Of a connection that was just made neither fails; if they do, it works without.
    let own = rustix::net::getsockname(socket).ok().and_then(host);
    let peer = rustix::net::getpeername(socket)
        .ok()
        .flatten()
        .and_then(host);
    if own.is_some() && own == peer {
        sockopt::set_socket_send_buffer_size(socket, LOCAL_SEND_BYTES).ok();
    }
}

fn host(name: SocketAddrAny) -> Option<IpAddr> {
    SocketAddr::try_from(name).ok().map(|address| address.ip())
}

/// What is asked for.
const LOCAL_SEND_BYTES: usize = 512 << 10;

/// What an operation completes with when its socket was closed first.
pub(super) fn closed_error() -> io::Error {
    Errno::CANCELED.into()
}
