//! One connection, from its first byte to its last.
//!
//! A request is handled to its end before the next one is looked at, as Apache's broker does it.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

use kafka_protocol::messages::ApiKey;

use super::frames::Frames;
use super::{Shared, wait_for_close};
use crate::discard;
use crate::session::{Handled, Session};

/// Answers requests until the peer goes away or must.
pub(super) fn serve(shared: &Shared, stream: &TcpStream) -> io::Result<()> {
    let config = &shared.broker.config;
    let mut session = shared.broker.session_at(shared.node);
    session.set_client(stream.peer_addr()?.ip());
    let mut frames = Frames::new(stream, config.request_bytes_max);
    let mut reply = Vec::new();
    while !shared.is_stopping() {
        if config.discard && frames.peek_api()? == Some(ApiKey::Produce as i16) {
            reply.clear();
            match discard::produce(&shared.broker, &mut frames, &mut reply)? {
                discard::Outcome::Reply => write(stream, &reply)?,
                discard::Outcome::NoReply => {}
                discard::Outcome::Close => return Ok(()),
            }
            continue;
        }
        let Some(request) = frames.next_frame()? else {
            return Ok(());
        };
        match answer(shared, stream, &mut session, request, &mut reply)? {
            Next::Request => {}
            Next::Close => return Ok(()),
            Next::Silence => return hold_open(shared, stream),
        }
        forget_large(&mut reply);
    }
    Ok(())
}

/// Takes in nothing and answers nothing until the peer goes away.
pub(super) fn hold_open(shared: &Shared, stream: &TcpStream) -> io::Result<()> {
    wait_for_close(stream, shared.broker.config.idle_max)
}

enum Next {
    Request,
    Close,
    Silence,
}

fn answer(
    shared: &Shared,
    stream: &TcpStream,
    session: &mut Session,
    request: &[u8],
    reply: &mut Vec<u8>,
) -> io::Result<Next> {
    loop {
        let seen = shared.broker.news();
        let handled = session.handle(request, reply);
        if shared.is_stopping() {
            return Ok(Next::Close);
        }
        match handled {
            Handled::Reply => return write(stream, reply).map(|()| Next::Request),
            Handled::ReplyAfter(delay) => {
                shared.pause(delay);
                return write(stream, reply).map(|()| Next::Request);
            }
            Handled::NoReply => return Ok(Next::Request),
            Handled::Wait(at_most) => {
                // At least a moment, so that a clock that stands still costs no core.
                shared
                    .broker
                    .wait_for_news(seen, at_most.max(Duration::from_millis(1)));
            }
            Handled::Close => return write(stream, reply).map(|()| Next::Close),
            Handled::Silence => return Ok(Next::Silence),
        }
    }
}

fn write(mut stream: &TcpStream, reply: &[u8]) -> io::Result<()> {
    stream.write_all(reply)
}

/// What an answer may keep of its room for the next one.
const REPLY_BYTES_KEPT: usize = 4 << 20;

fn forget_large(reply: &mut Vec<u8>) {
    if reply.capacity() > REPLY_BYTES_KEPT {
        *reply = Vec::new();
    }
}
