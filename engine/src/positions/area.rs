//! A synced area: all positions as they were at one moment, under one sum.
//!
//! ```text
//! 0   magic       8   sum: CRC-32C of bytes 16 to the end of the entries       12  zero
//! 16  generation: its parity is the area's number                              24  file id
//! 40  boot id in which it was written (told to readers, it decides nothing)    56  positions
//! 60  payload bytes                          64  entries: sequence, payload; one a position
//! ```
//! The two areas are written in turn, each whole and made durable before the next sync begins. So
//! after a loss of power at least the last finished sync is there, untouched; if the one under way
//! got through whole, that one counts: it was put, too.

use super::identity::{BootId, FileId};
use super::layout::{AREA_HEAD_BYTES, Geometry, SEQUENCE_MAX, crc32c};
use super::layout::{read_array, read_u32, read_u64};

const MAGIC: [u8; 8] = *b"RMSYNCED";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AreaRead {
    Bad,
    OtherFile(FileId),
    Valid(u64),
}

/// The bytes of one entry in an area's buffer.
pub(crate) fn entry_mut<'a>(
    geometry: &Geometry,
    area: &'a mut [u8],
    index: u32,
) -> (&'a mut [u8], &'a mut [u8]) {
    let at = AREA_HEAD_BYTES + index as usize * geometry.entry_bytes();
    area[at..at + geometry.entry_bytes()].split_at_mut(8)
}

/// The payload of one entry.
pub(crate) fn entry<'a>(geometry: &Geometry, area: &'a [u8], index: u32) -> &'a [u8] {
    let at = AREA_HEAD_BYTES + index as usize * geometry.entry_bytes();
    &area[at + 8..at + geometry.entry_bytes()]
}

/// Fills in what stands before the entries.
pub(crate) fn seal(
    geometry: &Geometry,
    area: &mut [u8],
    id: FileId,
    boot: BootId,
    generation: u64,
) {
    area[..8].copy_from_slice(&MAGIC);
    area[12..16].fill(0);
    area[16..24].copy_from_slice(&generation.to_le_bytes());
    area[24..40].copy_from_slice(&id.0);
    area[40..56].copy_from_slice(&boot.0);
    area[56..60].copy_from_slice(&geometry.positions.to_le_bytes());
    area[60..64].copy_from_slice(&geometry.payload_bytes.to_le_bytes());
    let sum = crc32c(&area[16..entries_end(geometry)]);
    area[8..12].copy_from_slice(&sum.to_le_bytes());
}

/// Judges area number `number` (0 or 1).
pub(crate) fn read(geometry: &Geometry, area: &[u8], id: FileId, number: usize) -> AreaRead {
    if area[..8] != MAGIC || read_u32(area, 8) != crc32c(&area[16..entries_end(geometry)]) {
        return AreaRead::Bad;
    }
    let found = FileId(read_array(area, 24));
    if found != id {
        return AreaRead::OtherFile(found);
    }
    let generation = read_u64(area, 16);
    let sized = read_u32(area, 56) == geometry.positions
        && read_u32(area, 60) == geometry.payload_bytes
        && area[12..16] == [0; 4];
    let placed = (1..=SEQUENCE_MAX).contains(&generation) && generation % 2 == number as u64;
    if sized && placed {
        AreaRead::Valid(generation)
    } else {
        AreaRead::Bad
    }
}

/// Takes the entries out of a valid area; `None` if a sequence makes no sense.
pub(crate) fn entries(geometry: &Geometry, area: &[u8]) -> Option<(Vec<u64>, Vec<u8>)> {
    let mut sequences = Vec::with_capacity(geometry.positions());
    let mut payloads = Vec::with_capacity(geometry.positions() * geometry.payload_bytes());
    let entries = &area[AREA_HEAD_BYTES..entries_end(geometry)];
    for entry in entries.chunks_exact(geometry.entry_bytes()) {
        let sequence = read_u64(entry, 0);
        if !(2..=SEQUENCE_MAX).contains(&sequence) {
            return None;
        }
        sequences.push(sequence);
        payloads.extend_from_slice(&entry[8..]);
    }
    Some((sequences, payloads))
}

/// A whole area in a buffer of its own.
pub(crate) fn image(
    geometry: &Geometry,
    (id, boot): (FileId, BootId),
    generation: u64,
    sequences: &[u64],
    payloads: &[u8],
) -> Vec<u8> {
    let mut area = vec![0; geometry.area_bytes()];
    let each = sequences
        .iter()
        .zip(payloads.chunks_exact(geometry.payload_bytes()));
    for (index, (sequence, payload)) in (0..geometry.positions).zip(each) {
        let (head, body) = entry_mut(geometry, &mut area, index);
        head.copy_from_slice(&sequence.to_le_bytes());
        body.copy_from_slice(payload);
    }
    seal(geometry, &mut area, id, boot, generation);
    area
}

fn entries_end(geometry: &Geometry) -> usize {
    AREA_HEAD_BYTES + geometry.positions() * geometry.entry_bytes()
}
