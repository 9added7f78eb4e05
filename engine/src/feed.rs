//! The bytes of an input that is read from its beginning to its end: standard input, FIFOs, what must be
//! decompressed. Reading may block and decompressing takes time, so both have a thread of their own;
//! a fixed number of buffers goes round between it and the shard.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use crate::io::Waker;
use crate::memory::Buffer;

/// Bytes of a block. A pipe gives 64 KiB at a time; a block is passed on with what a read gave.
pub const BLOCK_BYTES: usize = 256 << 10;
/// Blocks of a threaded feed: one is filled, one is dealt, and two wait.
const BLOCKS: usize = 4;

/// Why an input cannot be read on; it names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FeedError(pub String);

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Bytes of the buffer, from its start. None only where a file or the input ends.
    pub bytes: usize,
    /// Which file of the input they are of.
    pub file: usize,
    /// Their position in the input, after decompression.
    pub position: u64,
    /// Their place in the file, after decompression.
    pub file_offset: u64,
    /// The file ends behind them.
    pub ends_file: bool,
    /// And so does the input.
    pub ends_input: bool,
}

/// Reads an input to its end. Blocking.
pub trait Feed: Send + fmt::Debug {
    /// Fills the front of `buffer`, at most once waiting for bytes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled, FeedError>;
}

/// Bytes in a buffer, and where they are from.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) buffer: Buffer,
    pub(crate) filled: Filled,
}

/// The shard's end of a feed.
#[derive(Debug)]
pub struct Blocks {
    way: Way,
}

#[derive(Debug)]
enum Way {
    Threaded {
        full: Receiver<Result<Block, FeedError>>,
        empty: SyncSender<Buffer>,
    },
    /// On the shard's own thread: for what never blocks, and for simulations.
    Inline {
        feed: Box<dyn Feed>,
        buffer: Option<Buffer>,
    },
}

impl Blocks {
    /// A feed on a thread of its own; `waker` ends the shard's wait when a block is full.
    pub fn threaded(mut feed: Box<dyn Feed>, waker: Waker) -> io::Result<Self> {
        let (full, blocks) = sync_channel(BLOCKS);
        let (empty, buffers) = sync_channel(BLOCKS);
        for _ in 0..BLOCKS {
            let buffer = Buffer::new(BLOCK_BYTES);
            empty
                .send(buffer)
                .expect("there is room, and the other end");
        }
        let run = move || {
            // It ends with the input, with an error, or when nobody takes its blocks any more. A read that
            // waits for bytes ends with the process.
            while let Ok(mut buffer) = buffers.recv() {
                let filled = feed.fill(&mut buffer);
                let is_last = filled.as_ref().map_or(true, |filled| filled.ends_input);
                let block = filled.map(|filled| Block { buffer, filled });
                if full.send(block).is_err() || is_last {
                    break;
                }
                waker.wake();
            }
            waker.wake();
        };
        thread::Builder::new().name("feed".to_owned()).spawn(run)?;
        Ok(Self {
            way: Way::Threaded {
                full: blocks,
                empty,
            },
        })
    }

    /// A feed that is asked when a block is wanted.
    pub fn inline(feed: Box<dyn Feed>) -> Self {
        let buffer = Some(Buffer::new(BLOCK_BYTES));
        Self {
            way: Way::Inline { feed, buffer },
        }
    }

    /// The next block, if there is one already.
    pub(crate) fn take(&mut self) -> Result<Option<Block>, FeedError> {
        match &mut self.way {
            Way::Threaded { full, .. } => match full.try_recv() {
                Ok(block) => block.map(Some),
                Err(TryRecvError::Empty) => Ok(None),
                Err(TryRecvError::Disconnected) => {
                    let why = "the thread that reads the input has panicked";
                    Err(FeedError(why.to_owned()))
                }
            },
            Way::Inline { feed, buffer } => {
                let mut buffer = buffer.take().expect("one block is out at a time");
                let filled = feed.fill(&mut buffer)?;
                Ok(Some(Block { buffer, filled }))
            }
        }
    }

    /// The next block, waited for.
    pub(crate) fn wait(&mut self) -> Result<Block, FeedError> {
        if let Way::Threaded { full, .. } = &self.way {
            let why = "the thread that reads the input has panicked";
            return full
                .recv()
                .unwrap_or_else(|_| Err(FeedError(why.to_owned())));
        }
        Ok(self.take()?.expect("an inline feed is never empty"))
    }

    /// Gives a block's buffer back.
    pub(crate) fn put(&mut self, returned: Buffer) {
        match &mut self.way {
            // A feed that has ended takes none back.
            Way::Threaded { empty, .. } => drop(empty.send(returned)),
            Way::Inline { buffer, .. } => *buffer = Some(returned),
        }
    }
}
