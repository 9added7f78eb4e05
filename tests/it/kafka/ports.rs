//! Ports for servers that must keep theirs through restarts.
//!
//! A port that the kernel picks is free now, but may be given to any outgoing connection while its
//! server is down. So ports come from below the range of outgoing connections, and a locked file
//! keeps other test processes from taking the same one.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// The kernel's outgoing connections begin at 32768, unless somebody changed that.
const PORTS: std::ops::Range<u16> = 20_000..32_768;

/// A port of 127.0.0.1 that is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    pub(crate) fn free() -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ports");
        fs::create_dir_all(&directory).expect("the target directory can be written");
        let count = PORTS.end - PORTS.start;
        let random = RandomState::new().hash_one(std::process::id());
        let start = u16::try_from(random % u64::from(count)).expect("smaller than the count");
        (0..count)
            .map(|step| PORTS.start + (start + step) % count)
            .find_map(|number| Self::lock(&directory, number))
            .expect("one of 12,768 ports is free")
    }

    fn lock(directory: &Path, number: u16) -> Option<Self> {
        let lock = File::create(directory.join(number.to_string())).ok()?;
        lock.try_lock().ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self {
            number,
            _lock: lock,
        })
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}
