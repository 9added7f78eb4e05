//! A fixed number of buffers of one size. Memory is reserved at start and touched when used.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// A piece of memory of fixed size with one owner: the code that fills or reads it, or the kernel
/// while an operation on it is under way.
pub struct Buffer(Box<[u8]>);

impl Buffer {
    /// A buffer of `size` bytes outside any pool. The pages are touched when they are used.
    pub fn new(size: usize) -> Self {
        Self(vec![0; size].into_boxed_slice())
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.0.len())
    }
}

/// Buffers of one size. [`Pool::take`] answers `None` when all are in use: that is back-pressure.
#[derive(Debug)]
pub struct Pool {
    free: Vec<Buffer>,
    buffer_bytes: usize,
    count: usize,
}

impl Pool {
    /// `count` buffers of `buffer_bytes` each.
    pub fn new(count: usize, buffer_bytes: usize) -> Self {
        let free = (0..count).map(|_| Buffer::new(buffer_bytes)).collect();
        Self {
            free,
            buffer_bytes,
            count,
        }
    }

    /// A free buffer, the one used last first: its pages are the warmest.
    pub fn take(&mut self) -> Option<Buffer> {
        self.free.pop()
    }

    /// Gives a buffer back.
    pub fn put(&mut self, buffer: Buffer) {
        assert_eq!(
            buffer.len(),
            self.buffer_bytes,
            "a buffer of this pool comes back to it"
        );
        assert!(
            self.free.len() < self.count,
            "no more buffers come back than were taken"
        );
        self.free.push(buffer);
    }

    /// Buffers that nobody uses.
    pub fn available(&self) -> usize {
        self.free.len()
    }
}
