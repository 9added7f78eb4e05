//! The operations of a simulation, and what becomes of files by them.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::io::Errno;

use super::faults::Faults;
use super::random::Random;
use super::{Event, World};
use crate::io::slab::Slab;
use crate::io::{Payload, Returned, Token};
use crate::memory::Buffer;

/// One operation, from its asking to its completion.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) token: Token,
    pub(super) held: Held,
    /// Its completion has a time.
    pub(super) scheduled: bool,
    /// What it completes with, if that is known before the time of its completion.
    pub(super) result: Option<io::Result<usize>>,
}

/// What an operation is, and what it owns. A file that was given up is closed with the last of
/// them.
#[derive(Debug)]
pub(super) enum Held {
    Read {
        file: Rc<OwnedFd>,
        position: u64,
        buffer: Buffer,
        range: Range<usize>,
    },
    Write {
        file: Rc<OwnedFd>,
        position: u64,
        buffer: Buffer,
        range: Range<usize>,
    },
    Sync,
    Connect {
        socket: u32,
    },
    Send {
        socket: u32,
        payload: Payload,
        taken: usize,
        total: usize,
    },
    Receive {
        socket: u32,
        buffer: Buffer,
        range: Range<usize>,
    },
}

impl Held {
    pub(super) fn into_buffers(self) -> Returned {
        match self {
            Self::Sync | Self::Connect { .. } => Returned::None,
            Self::Read { buffer, .. }
            | Self::Write { buffer, .. }
            | Self::Receive { buffer, .. } => Returned::Buffer(buffer),
            Self::Send { payload, .. } => Returned::Payload(payload),
        }
    }
}

/// Reads as the file and the faults will have it.
pub(super) fn read(
    file: &OwnedFd,
    position: u64,
    wanted: &mut [u8],
    faults: &Faults,
    random: &mut Random,
) -> io::Result<usize> {
    if random.chance(faults.file_errors) {
        return Err(Errno::IO.into());
    }
    let count = if random.chance(faults.short_reads) {
        random.piece(wanted.len())
    } else {
        wanted.len()
    };
    retry(|| rustix::io::pread(file, &mut wanted[..count], position))
}

/// Writes as the disk and the faults will have it.
pub(super) fn write(
    file: &OwnedFd,
    position: u64,
    bytes: &[u8],
    faults: &Faults,
    random: &mut Random,
) -> io::Result<usize> {
    let error = if random.chance(faults.file_errors) {
        Some(Errno::IO)
    } else if random.chance(faults.disk_full) {
        Some(Errno::NOSPC)
    } else {
        None
    };
    let Some(error) = error else {
        return write_all(file, position, bytes);
    };
    write_all(file, position, &bytes[..random.below(bytes.len() + 1)])?;
    Err(error.into())
}

/// What a write under way leaves behind when its process dies: all, some or nothing.
pub(super) fn write_some(file: &OwnedFd, position: u64, bytes: &[u8], random: &mut Random) {
    let count = match random.below(3) {
        0 => 0,
        1 => random.below(bytes.len() + 1),
        _ => bytes.len(),
    };
    // Nobody is left to be told that it failed.
    write_all(file, position, &bytes[..count]).ok();
}

/// A sync tells the truth here: there is no power to lose, so that the real one is left out.
pub(super) fn sync(faults: &Faults, random: &mut Random) -> io::Result<usize> {
    if random.chance(faults.file_errors) {
        Err(Errno::IO.into())
    } else {
        Ok(0)
    }
}

fn write_all(file: &OwnedFd, position: u64, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        let rest = &bytes[written..];
        match retry(|| rustix::io::pwrite(file, rest, position + written as u64))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => written += count,
        }
    }
    Ok(written)
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result.map_err(Into::into),
        }
    }
}

/// Gives the completion of an operation a time, unless it has one; a result, if given, counts.
pub(super) fn schedule(
    operations: &mut Slab<Operation>,
    key: u32,
    result: Option<io::Result<usize>>,
    world: &mut World,
) {
    let operation = operations.get_mut(key).expect("what is under way is here");
    if result.is_some() {
        operation.result = result;
    }
    if !operation.scheduled {
        operation.scheduled = true;
        world.cause(Event::Complete(key));
    }
}
