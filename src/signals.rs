//! SIGINT and SIGTERM: the first asks a job to stop, the second ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::options::Exit;

/// Signals as they come: the first asks to stop, the second ends the process at once.
#[derive(Debug)]
pub(crate) struct Signals {
    seen: Arc<AtomicUsize>,
}

impl Signals {
    pub(crate) fn install() -> io::Result<Self> {
        let seen = Arc::new(AtomicUsize::new(0));
        let armed = Arc::new(AtomicBool::new(false));
        for (signal, exit) in [(SIGINT, Exit::Interrupted), (SIGTERM, Exit::Terminated)] {
            let code = i32::from(exit.code());
            let number = usize::try_from(signal).expect("signals are positive");
            // The order matters. What is registered first also sees a signal that comes in between;
            // what is armed by the first signal ends the process at the second.
            signal_hook::flag::register_usize(signal, Arc::clone(&seen), number)?;
            signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&armed))?;
            signal_hook::flag::register(signal, Arc::clone(&armed))?;
        }
        Ok(Self { seen })
    }

    /// The first signal that came, if one did.
    pub(crate) fn first(&self) -> Option<i32> {
        i32::try_from(self.seen.load(Ordering::Relaxed))
            .ok()
            .filter(|&signal| signal != 0)
    }
}
