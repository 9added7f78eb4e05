//! From the bytes of a state file to the state they hold: pure, no I/O, for any bytes.
//!
//! Written in the boot we live in, the newest whole slot of every position counts: stores into a
//! mapping are not lost by the death of a process. Written in another boot, only the newest whole
//! synced area counts: of what came after it the disk may hold any mixture.

use super::area::{self, AreaRead};
use super::error::{StateDamage, StateWarning};
use super::identity::{BootId, FileId};
use super::layout::{Geometry, PAGE, PREAMBLES_BYTES, Preamble, PreambleRead, crc32c};
use super::layout::{SLOT_HEAD_BYTES, read_array};
use super::slot::{self, SlotOwner, SlotRead};

/// Which copies a state was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The live slots: every store that was completed is there.
    Live,
    /// The last sync: the machine was restarted since, or its boot cannot be told.
    Synced,
}

/// A state taken out of a file, its sums verified; what the payloads mean is the caller's to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// The newer preamble that holds.
    pub(crate) preamble: Preamble,
    pub(crate) header: Vec<u8>,
    pub(crate) sequences: Vec<u64>,
    pub(crate) payloads: Vec<u8>,
    /// The newest generation whose area holds, 0 if none does.
    pub(crate) generation: u64,
    pub(crate) origin: Origin,
    pub(crate) warnings: Vec<StateWarning>,
}

impl Recovered {
    pub(crate) fn payload(&self, index: u32) -> &[u8] {
        let size = self.preamble.geometry.payload_bytes();
        &self.payloads[index as usize * size..][..size]
    }
}

/// The header copies found at the start of a file.
pub(crate) struct Headers {
    pub(crate) preamble: Preamble,
    warnings: Vec<StateWarning>,
    /// Per copy: its preamble, if that holds.
    copies: [Option<Preamble>; 2],
}

/// Judges the two preambles in the first [`PREAMBLES_BYTES`] of a file. `None`: they are blank.
pub(crate) fn preambles(start: &[u8]) -> Result<Option<Headers>, StateDamage> {
    let copies = [0, 1].map(|copy| match start.get(copy * PAGE..) {
        Some(bytes) => Preamble::decode(bytes, copy),
        None => PreambleRead::Blank,
    });
    let valid = [0, 1].map(|copy: usize| match &copies[copy] {
        PreambleRead::Valid(preamble) => Some(*preamble),
        _ => None,
    });
    match (valid, &copies) {
        // A newer program may have written one copy already; its word counts.
        (_, [PreambleRead::Refused(damage), _] | [_, PreambleRead::Refused(damage)]) => {
            Err(damage.clone())
        }
        ([Some(first), Some(second)], _) => {
            if first.id != second.id {
                return Err(StateDamage::OtherFile {
                    expected: first.id,
                    found: second.id,
                });
            }
            if first.geometry != second.geometry {
                let what = "the two header copies differ in their sizes".to_owned();
                return Err(StateDamage::Content { what });
            }
            let preamble = if first.sequence > second.sequence {
                first
            } else {
                second
            };
            Ok(Some(Headers {
                preamble,
                warnings: Vec::new(),
                copies: valid,
            }))
        }
        ([Some(preamble), None] | [None, Some(preamble)], _) => {
            let warnings = vec![StateWarning::Header];
            Ok(Some(Headers {
                preamble,
                warnings,
                copies: valid,
            }))
        }
        (_, [PreambleRead::Blank, PreambleRead::Blank]) => Ok(None),
        (_, [PreambleRead::Damaged, _] | [_, PreambleRead::Damaged]) => Err(StateDamage::Header),
        _ => Err(StateDamage::Foreign),
    }
}

/// Takes the state out of a whole file. `None`: every byte is zero (or there is none).
pub(crate) fn recover(image: &[u8], boot: BootId) -> Result<Option<Recovered>, StateDamage> {
    if image.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let mut headers = read_preambles(image)?;
    check_length(&headers.preamble.geometry, image.len() as u64)?;
    let header = read_header(image, &mut headers)?;
    let mut recovered = Recovered {
        preamble: headers.preamble,
        header,
        sequences: Vec::new(),
        payloads: Vec::new(),
        generation: 0,
        origin: Origin::Live,
        warnings: headers.warnings,
    };
    recover_areas(image, &mut recovered, boot)?;
    Ok(Some(recovered))
}

/// The preambles of a file that is not blank; zeros in their place are damage.
pub(crate) fn read_preambles(start: &[u8]) -> Result<Headers, StateDamage> {
    match preambles(start) {
        Ok(Some(headers)) => Ok(headers),
        Ok(None) => Err(StateDamage::Header),
        // Cut inside the preambles: ours if it begins like ours.
        Err(StateDamage::Header) if start.len() < PREAMBLES_BYTES => Err(StateDamage::Truncated {
            expected: PREAMBLES_BYTES as u64,
            found: start.len() as u64,
        }),
        Err(damage) => Err(damage),
    }
}

pub(crate) fn check_length(geometry: &Geometry, found: u64) -> Result<(), StateDamage> {
    let expected = geometry.file_bytes();
    match found.cmp(&expected) {
        std::cmp::Ordering::Less => Err(StateDamage::Truncated { expected, found }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StateDamage::TooLong { expected, found }),
    }
}

/// The application header of the newest copy whose own sum holds, too. `start` reaches at least
/// to the end of the second copy.
pub(crate) fn read_header(start: &[u8], headers: &mut Headers) -> Result<Vec<u8>, StateDamage> {
    let mut newest: Option<(Preamble, &[u8])> = None;
    for (copy, preamble) in headers.copies.iter().enumerate() {
        let Some(preamble) = preamble else { continue };
        let at = preamble.geometry.header_at(copy);
        let header = &start[at..at + preamble.header_bytes as usize];
        if crc32c(header) != preamble.header_sum {
            if !headers.warnings.contains(&StateWarning::Header) {
                headers.warnings.push(StateWarning::Header);
            }
        } else if newest.is_none_or(|(newest, _)| newest.sequence < preamble.sequence) {
            newest = Some((*preamble, header));
        }
    }
    let (preamble, header) = newest.ok_or(StateDamage::Header)?;
    headers.preamble = preamble;
    Ok(header.to_vec())
}

fn recover_areas(image: &[u8], recovered: &mut Recovered, boot: BootId) -> Result<(), StateDamage> {
    let preamble = recovered.preamble;
    let geometry = preamble.geometry;
    let area = |number| &image[geometry.area_at(number)..][..geometry.area_bytes()];
    let reads = [0, 1].map(|number| area::read(&geometry, area(number), preamble.id, number));
    let mut newest = None;
    for (number, read) in reads.iter().enumerate() {
        match read {
            AreaRead::Valid(generation) => newest = newest.max(Some((*generation, number))),
            AreaRead::OtherFile(_) | AreaRead::Bad => recovered.warnings.push(StateWarning::Synced),
        }
    }
    recovered.generation = newest.map_or(0, |(generation, _)| generation);
    if boot.is_same(preamble.boot) {
        return recover_live(image, recovered);
    }
    recovered.origin = Origin::Synced;
    let Some((_, number)) = newest else {
        let others = reads.iter().filter_map(|read| match read {
            AreaRead::OtherFile(found) => Some(*found),
            _ => None,
        });
        return Err(damage(preamble.id, others, StateDamage::Synced));
    };
    let Some((sequences, payloads)) = area::entries(&geometry, area(number)) else {
        let what = "a synced position has an impossible sequence".to_owned();
        return Err(StateDamage::Content { what });
    };
    (recovered.sequences, recovered.payloads) = (sequences, payloads);
    Ok(())
}

fn recover_live(image: &[u8], recovered: &mut Recovered) -> Result<(), StateDamage> {
    let preamble = recovered.preamble;
    let geometry = preamble.geometry;
    let owner = SlotOwner {
        id: preamble.id,
        boot: preamble.boot,
    };
    let live = &image[geometry.live_at()..];
    for index in 0..geometry.positions {
        let slots = [0, 1].map(|number| {
            let slot = &live[geometry.slot_in_live(index, number)..][..geometry.slot_bytes()];
            (slot, slot::read(slot, owner, index, number))
        });
        let (slot, sequence) = match slots {
            [
                (first, SlotRead::Valid(one)),
                (second, SlotRead::Valid(two)),
            ] => {
                // Stored in turn: a gap means that a store was lost on the way to the file.
                if one.abs_diff(two) != 1 {
                    recovered.warnings.push(StateWarning::Slot { index });
                }
                if one > two {
                    (first, one)
                } else {
                    (second, two)
                }
            }
            [(slot, SlotRead::Valid(sequence)), _] | [_, (slot, SlotRead::Valid(sequence))] => {
                recovered.warnings.push(StateWarning::Slot { index });
                (slot, sequence)
            }
            [(first, _), (second, _)] => {
                let others = [first, second].map(|slot| FileId(read_array(slot, 24)));
                let whole = slots
                    .iter()
                    .all(|(_, read)| matches!(read, SlotRead::OtherFile(_)));
                let others = others.into_iter().filter(|_| whole);
                return Err(damage(preamble.id, others, StateDamage::Position { index }));
            }
        };
        recovered.sequences.push(sequence);
        let payload = &slot[SLOT_HEAD_BYTES..][..geometry.payload_bytes()];
        recovered.payloads.extend_from_slice(payload);
    }
    Ok(())
}

/// Says "of another file" where that is what was seen, else `otherwise`.
fn damage(
    expected: FileId,
    mut others: impl Iterator<Item = FileId>,
    otherwise: StateDamage,
) -> StateDamage {
    match others.next() {
        Some(found) => StateDamage::OtherFile { expected, found },
        None => otherwise,
    }
}
