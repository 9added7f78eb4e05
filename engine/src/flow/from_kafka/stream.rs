//! Standard output: a thread that writes one buffer after the other, for a pipe may hold a writer up
//! for as long as its reader likes, and positions mean nothing to it.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use crate::io::Waker;
use crate::memory::Buffer;

/// The thread, as the shard sees it. At most one buffer is with it.
#[derive(Debug)]
pub(super) struct Stream {
    to: SyncSender<(Buffer, usize)>,
    back: Receiver<(Buffer, io::Result<()>)>,
}

impl Stream {
    /// Starts the thread; it ends when this is dropped and what it writes is written.
    pub(super) fn start(mut file: File, waker: Waker) -> io::Result<Self> {
        let (to, buffers) = sync_channel::<(Buffer, usize)>(1);
        let (done, back) = sync_channel(1);
        thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || {
                while let Ok((buffer, bytes)) = buffers.recv() {
                    let result = file.write_all(&buffer[..bytes]);
                    if done.send((buffer, result)).is_err() {
                        return;
                    }
                    waker.wake();
                }
            })?;
        Ok(Self { to, back })
    }

    /// Has the first bytes of a buffer written.
    pub(super) fn write(&self, buffer: Buffer, bytes: usize) {
        let sent = self.to.send((buffer, bytes));
        sent.expect("the thread lives as long as its channel, and writes one at a time");
    }

    /// The buffer, if it was written or could not be.
    pub(super) fn poll_written(&self) -> Option<(Buffer, io::Result<()>)> {
        match self.back.try_recv() {
            Ok(written) => Some(written),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the thread that writes the output died"),
        }
    }
}
