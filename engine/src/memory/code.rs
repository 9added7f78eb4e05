//! Gives back the pages of code that only the start needed.
//!
//! Parsing the command line, asking the cluster and opening the state touch most of the program's code, once.
//! Mapped and touched, it stays with the process: 3 MB of the 8 that a load may take. Pages of code are
//! clean copies of the file, so the kernel may have them back at any time; what the shards run is
//! mapped again within some dozen page faults.
#![allow(unsafe_code, reason = "madvise on the mappings of our own code")]

use std::fs;

use rustix::mm::{Advice, madvise};

/// Drops the pages of executable, never writable mappings of files. Only a hint: what fails is left.
///
/// JUSTIFICATION: peak memory, measured by `benches/load.rs`, is what makes room for larger chunks.
pub fn release_start_up_code() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else {
        return;
    };
    for (start, end) in maps.lines().filter_map(code_mapping) {
        let Some(bytes) = end.checked_sub(start) else {
            continue;
        };
        let address = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: the kernel named the range as a private mapping of a file, readable and executable and
        // not writable. Code holds no relocations on this platform (there is no DT_TEXTREL), so its
        // pages are what the file has, and the next access maps them again.
        let advised = unsafe { madvise(address, bytes, Advice::LinuxDontNeed) };
        if advised.is_err() {
            return;
        }
    }
}

/// The range of a line of `/proc/self/maps` (see proc(5)), if it is code from a file.
fn code_mapping(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let path = fields.nth(3)?;
    if rights != "r-xp" || !path.starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some((number(start)?, number(end)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_named() {
        let check = |line: &str, expected: Option<(usize, usize)>| {
            assert_eq!(code_mapping(line), expected, "{line}");
        };
        check(
            "1000-3000 r-xp 00001000 fe:00 12   /usr/bin/ringmain",
            Some((0x1000, 0x3000)),
        );
        check("1000-3000 r--p 00001000 fe:00 12   /usr/bin/ringmain", None);
        check("1000-3000 rwxp 00001000 fe:00 12   /usr/bin/ringmain", None);
        check("1000-3000 r-xp 00000000 00:00 0    [vdso]", None);
        check("1000-3000 r-xp 00000000 00:00 0", None);
    }

    #[test]
    fn the_program_goes_on_behind_it() {
        release_start_up_code();
        assert_eq!(format!("{}", 40 + 2), "42");
    }
}
