//! A live slot: one of the two copies of a position that are stored in turn.
//!
//! ```text
//! 0   sum: CRC-32C of bytes 8 to the end          4   constant, so that zeros are never valid
//! 8   sequence: 1, 2, 3 …; its parity is the slot's number
//! 16  index of the position                       20  zero
//! 24  file id                                     40  boot id
//! 56  zero                                        64  payload
//! ```
//! A store goes into the older slot, the payload first, sequence and sum last. Whatever moment the
//! process dies at, the sum of at most that one slot fails, and the other slot is the last store
//! that was completed.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::identity::{BootId, FileId};
use super::layout::{Geometry, SEQUENCE_MAX, SLOT_HEAD_BYTES, crc32c};
use super::layout::{read_array, read_u32, read_u64};

const MARK: u32 = u32::from_le_bytes(*b"SLOT");

/// How often a reader beside a running writer tries again; the writer needs microseconds between
/// two stores to one position, the reader well below one for both slots.
const READ_TRIES: usize = 10_000;

/// What every slot of a file bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotOwner {
    pub(crate) id: FileId,
    pub(crate) boot: BootId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotRead {
    Bad,
    /// Whole, but of another file.
    OtherFile(FileId),
    Valid(u64),
}

/// Fills in everything around the payload that already lies in `slot`.
pub(crate) fn seal(slot: &mut [u8], owner: SlotOwner, index: u32, sequence: u64) {
    slot[4..8].copy_from_slice(&MARK.to_le_bytes());
    slot[8..16].copy_from_slice(&sequence.to_le_bytes());
    slot[16..20].copy_from_slice(&index.to_le_bytes());
    slot[20..24].fill(0);
    slot[24..40].copy_from_slice(&owner.id.0);
    slot[40..56].copy_from_slice(&owner.boot.0);
    slot[56..64].fill(0);
    let sum = crc32c(&slot[8..]);
    slot[..4].copy_from_slice(&sum.to_le_bytes());
}

/// Judges slot number `number` (0 or 1) of position `index`.
pub(crate) fn read(slot: &[u8], owner: SlotOwner, index: u32, number: usize) -> SlotRead {
    if read_u32(slot, 4) != MARK || read_u32(slot, 0) != crc32c(&slot[8..]) {
        return SlotRead::Bad;
    }
    let id = FileId(read_array(slot, 24));
    if id != owner.id {
        return SlotRead::OtherFile(id);
    }
    let sequence = read_u64(slot, 8);
    let placed = read_u32(slot, 16) == index && sequence % 2 == number as u64;
    let counted = (1..=SEQUENCE_MAX).contains(&sequence);
    if placed && counted && BootId(read_array(slot, 40)) == owner.boot {
        SlotRead::Valid(sequence)
    } else {
        SlotRead::Bad
    }
}

/// Copies a sealed slot into the mapping: the body, then the sequence, then the sum.
pub(crate) fn publish(words: &[AtomicU64], sealed: &[u8]) {
    let mut source = sealed
        .chunks_exact(8)
        .map(|word| u64::from_ne_bytes(read_array(word, 0)));
    let sum = source.next().expect("a slot has a first word");
    let sequence = source.next().expect("a slot has a second word");
    for (word, value) in words[2..].iter().zip(source) {
        word.store(value, Ordering::Relaxed);
    }
    words[1].store(sequence, Ordering::Release);
    words[0].store(sum, Ordering::Release);
}

/// Copies the newest whole slot of a position's pair into `slot`, beside a writer that may be at
/// work on it; answers its sequence. `None`: no slot holds, so the memory was damaged.
pub(crate) fn read_pair(
    pair: &[AtomicU64],
    owner: SlotOwner,
    index: u32,
    slot: &mut [u8],
) -> Option<u64> {
    let words = pair.len() / 2;
    let mut newest = None;
    for _ in 0..READ_TRIES {
        for number in 0..2 {
            copy_words(&pair[number * words..(number + 1) * words], slot);
            if let SlotRead::Valid(sequence) = read(slot, owner, index, number) {
                newest = newest.max(Some(sequence));
            }
        }
        // The loop ends with slot 1 in hand; slot 0 is copied once more if it was the newer.
        let Some(sequence) = newest.take() else {
            continue;
        };
        if sequence % 2 == 0 {
            copy_words(&pair[..words], slot);
        }
        let number = (sequence % 2) as usize;
        if let SlotRead::Valid(sequence) = read(slot, owner, index, number) {
            return Some(sequence);
        }
    }
    None
}

fn copy_words(words: &[AtomicU64], bytes: &mut [u8]) {
    let first = words[0].load(Ordering::Acquire);
    for (word, target) in words.iter().zip(bytes.chunks_exact_mut(8)) {
        target.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
    }
    fence(Ordering::Acquire);
    bytes[..8].copy_from_slice(&first.to_ne_bytes());
}

/// Both slots of every position, as a new file or a new boot begins with: the state as sequence
/// n, and the same again as n − 1, so that a slot is never empty and an empty one is damage.
pub(crate) fn image(
    geometry: &Geometry,
    owner: SlotOwner,
    sequences: &[u64],
    payloads: &[u8],
) -> Vec<u8> {
    let mut live = vec![0; geometry.live_bytes()];
    let size = geometry.slot_bytes();
    let each = sequences
        .iter()
        .zip(payloads.chunks_exact(geometry.payload_bytes()));
    for (index, (sequence, payload)) in (0..geometry.positions).zip(each) {
        for sequence in [sequence - 1, *sequence] {
            let at = geometry.slot_in_live(index, (sequence % 2) as usize);
            let slot = &mut live[at..at + size];
            slot[SLOT_HEAD_BYTES..][..payload.len()].copy_from_slice(payload);
            seal(slot, owner, index, sequence);
        }
    }
    live
}
