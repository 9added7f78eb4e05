//! Who wrote a state file: the id of the file, and of the machine's uptime in which it was written.

use std::fmt;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::time::SystemTime;

/// Sixteen random bytes given to a state file when it is made; every part of the file bears them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId(pub [u8; 16]);

impl FileId {
    /// A new id. `RandomState` is seeded by the kernel; time and pid only add to it.
    pub(crate) fn random() -> Self {
        let salt = (SystemTime::now(), std::process::id());
        let half = || RandomState::new().hash_one(salt).to_le_bytes();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&half());
        id[8..].copy_from_slice(&half());
        Self(id)
    }
}

/// The kernel's boot id: another one means that the machine was restarted in between, so that
/// only what had been synced may be trusted to be whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// Not known. It equals no boot: where it stands only what was synced counts.
    pub const UNKNOWN: Self = Self([0; 16]);

    /// The boot id of this machine, [`BootId::UNKNOWN`] where `/proc` does not tell it.
    pub fn current() -> Self {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self::parse(text.trim()).unwrap_or(Self::UNKNOWN)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
        if digits.len() != 32 {
            return None;
        }
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(id))
    }

    /// Whether both are the same, known, boot.
    pub(crate) fn is_same(self, other: Self) -> bool {
        self == other && self != Self::UNKNOWN
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_id_is_parsed_or_unknown_and_unknown_equals_nothing() {
        let id = BootId::parse("93f37855-6389-43f8-b8a7-34d4c9cf7809").unwrap();
        assert_eq!(id.to_string(), "93f37855638943f8b8a734d4c9cf7809");
        assert!(id.is_same(id));
        assert!(!BootId::UNKNOWN.is_same(BootId::UNKNOWN));
        for text in ["", "93f3", "zzf37855-6389-43f8-b8a7-34d4c9cf7809"] {
            assert_eq!(BootId::parse(text), None);
        }
    }

    #[test]
    fn ids_of_files_differ() {
        assert_ne!(FileId::random(), FileId::random());
    }
}
