//! What is written into a state file, in which order, and what is made durable in between.
//!
//! Everything but the live slots goes through here, onto whatever takes bytes at an offset: the
//! file itself, a new file's image in memory, or the recorder of the tests that cuts the power
//! between any two of these writes.

use std::io;

use super::area;
use super::error::StateWarning;
use super::identity::BootId;
use super::layout::{PAGE, Preamble, crc32c};
use super::recover::{Origin, Recovered};
use super::slot::{self, SlotOwner};

/// Something that takes a state file's bytes.
pub(crate) trait Medium {
    /// Writes; any reader of the file sees it from now on, a loss of power may undo it.
    fn write_at(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()>;
    /// Writes, and returns when a loss of power can no longer undo it.
    fn write_durably(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()>;
}

/// A new file's image.
impl Medium for Vec<u8> {
    fn write_at(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self[offset..offset + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn write_durably(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.write_at(offset, bytes)
    }
}

/// Writes both header copies, the older first; each is durable before the other one is touched, so
/// that at any moment one of them holds.
pub(crate) fn write_header(
    medium: &mut impl Medium,
    preamble: &mut Preamble,
    header: &[u8],
) -> io::Result<()> {
    for _ in 0..2 {
        preamble.sequence += 1;
        preamble.header_bytes = u32::try_from(header.len()).expect("it fits its capacity");
        preamble.header_sum = crc32c(header);
        let copy = (preamble.sequence % 2) as usize;
        medium.write_durably(preamble.geometry.header_at(copy), header)?;
        medium.write_durably(copy * PAGE, &preamble.encode())?;
    }
    Ok(())
}

/// Writes a whole file: both header copies, both synced areas, both slots of every position.
/// `state.preamble` and `state.generation` are counted up.
pub(crate) fn write_all(medium: &mut impl Medium, state: &mut Recovered) -> io::Result<()> {
    let preamble = &mut state.preamble;
    write_header(medium, preamble, &state.header)?;
    for _ in 0..2 {
        write_area(medium, state)?;
    }
    write_live(medium, state)
}

/// Makes a recovered file this process's own, in this boot. Until the header says "this boot",
/// which it does last, another open (or another boot) still starts from the synced area.
pub(crate) fn adopt(
    medium: &mut impl Medium,
    state: &mut Recovered,
    boot: BootId,
    pid: u32,
) -> io::Result<()> {
    state.preamble.boot = boot;
    state.preamble.pid = pid;
    match state.origin {
        Origin::Synced => write_live(medium, state)?,
        Origin::Live => mend_live(medium, state)?,
    }
    write_header(medium, &mut state.preamble, &state.header)?;
    write_area(medium, state)?;
    // That was the one that did not hold, if one did not. Now both hold the same again.
    if state.warnings.contains(&StateWarning::Synced) {
        write_area(medium, state)?;
    }
    Ok(())
}

/// Writes the next generation of the synced areas.
fn write_area(medium: &mut impl Medium, state: &mut Recovered) -> io::Result<()> {
    state.generation += 1;
    let Preamble {
        geometry, id, boot, ..
    } = state.preamble;
    let owner = (id, boot);
    let generation = state.generation;
    let bytes = area::image(
        &geometry,
        owner,
        generation,
        &state.sequences,
        &state.payloads,
    );
    medium.write_durably(geometry.area_at((generation % 2) as usize), &bytes)
}

fn write_live(medium: &mut impl Medium, state: &Recovered) -> io::Result<()> {
    let Preamble {
        geometry, id, boot, ..
    } = state.preamble;
    let live = slot::image(
        &geometry,
        SlotOwner { id, boot },
        &state.sequences,
        &state.payloads,
    );
    medium.write_at(geometry.live_at(), &live)
}

/// Stores the good copy of a torn pair over the bad one, as a store like any other.
fn mend_live(medium: &mut impl Medium, state: &mut Recovered) -> io::Result<()> {
    let Preamble {
        geometry, id, boot, ..
    } = state.preamble;
    let mut bytes = vec![0; geometry.slot_bytes()];
    for warning in &state.warnings {
        let StateWarning::Slot { index } = *warning else {
            continue;
        };
        let sequence = state.sequences[index as usize] + 1;
        let payload = state.payload(index);
        bytes[super::layout::SLOT_HEAD_BYTES..][..payload.len()].copy_from_slice(payload);
        slot::seal(&mut bytes, SlotOwner { id, boot }, index, sequence);
        let number = (sequence % 2) as usize;
        medium.write_at(
            geometry.live_at() + geometry.slot_in_live(index, number),
            &bytes,
        )?;
        state.sequences[index as usize] = sequence;
    }
    Ok(())
}
