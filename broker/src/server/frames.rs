//! A connection's bytes cut into frames.
//!
//! Memory follows the bytes that arrived, never the length that a frame claims: the buffer at most
//! doubles with what is in it. The head of a frame is read with whatever follows in the same piece,
//! the rest exactly to the frame's end, so that hardly anything is moved.

use std::io::{self, Read};
use std::net::TcpStream;

use protocol::frame::SIZE_BYTES;
use rustix::net::RecvFlags;

/// What is read when it is not known yet how long the frame is.
const HEAD_BYTES: usize = 1024;
/// What a buffer begins with when a frame turns out to be longer than its head.
const BODY_BYTES: usize = 64 << 10;
/// What is kept of a buffer for the next frame.
const KEPT_BYTES: usize = 4 << 20;
/// How much is thrown away with one system call.
const SKIP_BYTES: usize = 1 << 20;

/// A connection's bytes cut into frames.
#[derive(Debug)]
pub(crate) struct Frames<'a> {
    stream: &'a TcpStream,
    frame_bytes_max: usize,
    buffer: Vec<u8>,
    /// The bytes that were read and not used yet.
    begin: usize,
    end: usize,
    /// Room that [`Self::skip`] names to the kernel, which does not write to it.
    nowhere: Vec<u8>,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(stream: &'a TcpStream, frame_bytes_max: usize) -> Self {
        let buffer = vec![0; HEAD_BYTES];
        Self {
            stream,
            frame_bytes_max,
            buffer,
            begin: 0,
            end: 0,
            nowhere: Vec::new(),
        }
    }

    /// The next frame without its length prefix; none when the peer has closed.
    pub(crate) fn next_frame(&mut self) -> io::Result<Option<&[u8]>> {
        if self.buffer.len() > KEPT_BYTES {
            self.buffer.drain(..self.begin);
            self.end -= self.begin;
            self.begin = 0;
            self.buffer.truncate(self.end.max(HEAD_BYTES));
            self.buffer.shrink_to_fit();
        }
        let Some(bytes) = self.next_frame_bytes()? else {
            return Ok(None);
        };
        let whole = SIZE_BYTES + bytes;
        while self.held() < whole {
            let wanted = whole.min(BODY_BYTES.max(2 * self.held()));
            self.fill(wanted, wanted)?;
        }
        let begin = self.begin + SIZE_BYTES;
        self.begin += whole;
        Ok(Some(&self.buffer[begin..begin + bytes]))
    }

    /// The API of the next frame, without taking anything off; none when the peer has closed.
    pub(crate) fn peek_api(&mut self) -> io::Result<Option<i16>> {
        const BYTES: usize = SIZE_BYTES + 2;
        if self.next_frame_bytes()?.is_none() {
            return Ok(None);
        }
        self.fill(BYTES, HEAD_BYTES)?;
        let api = [
            self.buffer[self.begin + SIZE_BYTES],
            self.buffer[self.begin + SIZE_BYTES + 1],
        ];
        Ok(Some(i16::from_be_bytes(api)))
    }

    /// The length of the next frame; none when the peer has closed.
    fn next_frame_bytes(&mut self) -> io::Result<Option<usize>> {
        if self.held() == 0 && self.read(HEAD_BYTES)? == 0 {
            return Ok(None);
        }
        self.fill(SIZE_BYTES, HEAD_BYTES)?;
        let size = &self.buffer[self.begin..self.begin + SIZE_BYTES];
        let size = i32::from_be_bytes(size.try_into().expect("it is four bytes"));
        match usize::try_from(size) {
            Ok(bytes) if bytes <= self.frame_bytes_max => Ok(Some(bytes)),
            _ => {
                let message = format!("a frame of {size} bytes is not taken in");
                Err(io::Error::new(io::ErrorKind::InvalidData, message))
            }
        }
    }

    /// The next `count` bytes, at most [`HEAD_BYTES`], taken off.
    pub(crate) fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        if count > HEAD_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a field is too long",
            ));
        }
        self.fill(count, HEAD_BYTES)?;
        self.begin += count;
        Ok(&self.buffer[self.begin - count..self.begin])
    }

    /// Throws the next `count` bytes away. The kernel frees them without copying them: TCP does
    /// that for `MSG_TRUNC`, whatever the length of the buffer that is named. With requests of 0.8
    /// MB that took 0.055 CPU-s/GB, reading into 64 KiB to 1 MiB 0.10; with 60 KB there was no
    /// difference.
    pub(crate) fn skip(&mut self, count: usize) -> io::Result<()> {
        let held = count.min(self.held());
        self.begin += held;
        let mut left = count - held;
        if left > 0 && self.nowhere.is_empty() {
            // From the allocator's zero pages: nothing touches it, so it costs no memory.
            self.nowhere = vec![0; SKIP_BYTES];
        }
        while left > 0 {
            let room = left.min(SKIP_BYTES);
            let room = &mut self.nowhere[..room];
            match rustix::net::recv(self.stream, room, RecvFlags::TRUNC | RecvFlags::WAITALL) {
                Ok((_, 0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((_, skipped)) => left -= skipped,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.end - self.begin
    }

    /// Reads until at least `least` bytes are held, asking for up to `most`.
    fn fill(&mut self, least: usize, most: usize) -> io::Result<()> {
        while self.held() < least {
            if self.read(most)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Reads once, so that at most `most` bytes are held.
    fn read(&mut self, most: usize) -> io::Result<usize> {
        if self.begin + most > self.buffer.len() {
            self.buffer.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
            if most > self.buffer.len() {
                self.buffer.resize(most, 0);
            }
        }
        let room = &mut self.buffer[self.end..self.begin + most];
        loop {
            match (&mut &*self.stream).read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(read) => {
                    self.end += read;
                    return Ok(read);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
