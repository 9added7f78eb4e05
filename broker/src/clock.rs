//! The broker's only clock, so that a test can hold it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time that the broker goes by.
#[derive(Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// Milliseconds since 1970 that stand still until somebody sets them.
    Manual(AtomicI64),
}

impl Clock {
    /// A clock that stands at this many milliseconds since 1970.
    pub fn manual(now_ms: i64) -> Self {
        Self::Manual(AtomicI64::new(now_ms))
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => {
                let since = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
            Self::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock forward; the machine's cannot be moved.
    pub fn advance(&self, by_ms: i64) {
        if let Self::Manual(now) = self {
            now.fetch_add(by_ms, Ordering::SeqCst);
        }
    }
}
