//! Files that nobody wrote so: cut, foreign, flipped, mixed, and with their sums made right again.
//! Whatever the bytes: a state that makes sense or an error, never a panic. And where the sums were
//! not made right: a state that was stored, or an error.

use std::fs;
use std::time::Duration;

use super::super::identity::{BootId, FileId};
use super::super::job::decode_content;
use super::super::layout::{
    AREA_HEAD_BYTES, Geometry, PAGE, PREAMBLE_BYTES, Preamble, PreambleRead, crc32c,
};
use super::super::medium::{adopt, write_all};
use super::super::recover::{Origin, Recovered, recover};
use super::super::*;
use super::{Random, mix, seed};

const MUTATIONS: usize = 120_000;
const POSITIONS: u32 = 3;

fn job(random: &mut Random) -> JobHeader {
    let inputs = 1 + random.below(4);
    let input = |number| InputIdentity {
        path: format!("/data/{number}.log"),
        size: 1000 * number as u64,
        ..InputIdentity::default()
    };
    JobHeader {
        cluster_id: "a-cluster".into(),
        topic: "events".into(),
        arguments: vec!["/data/*.log".into()],
        inputs: (0..inputs).map(input).collect(),
        settings: FrozenSettings {
            partitions: POSITIONS,
            ..FrozenSettings::default()
        },
        lane_producers: vec![LaneProducer { id: 7, epoch: 0 }],
        previous_ends: vec![0],
        started_ms: 1,
        ..JobHeader::default()
    }
}

/// A sound file whose positions all differ.
fn sound(random: &mut Random, boot: BootId) -> (Vec<u8>, Recovered) {
    let header = job(random).encode().unwrap();
    let geometry = Geometry::new(KIND_JOB, POSITIONS, SLOT_PAYLOAD_BYTES, header.len());
    let mut payloads = Vec::new();
    for _ in 0..POSITIONS {
        let position = random.next() >> 1;
        let slot = PartitionSlot {
            position,
            epoch: 3,
            producer_id: 9,
            ..PartitionSlot::default()
        };
        payloads.extend(slot.encode());
        payloads.resize(payloads.len().next_multiple_of(geometry.payload_bytes()), 0);
    }
    let mut state = Recovered {
        preamble: Preamble {
            id: FileId::random(),
            boot,
            sequence: random.next() % 1000,
            geometry,
            header_bytes: 0,
            header_sum: 0,
            pid: 1,
        },
        header,
        sequences: (0..POSITIONS).map(|_| 2 + random.next() % 1000).collect(),
        payloads,
        generation: random.next() % 1000,
        origin: Origin::Live,
        warnings: Vec::new(),
    };
    let mut image = vec![0; usize::try_from(geometry.file_bytes()).unwrap()];
    write_all(&mut image, &mut state).unwrap();
    (image, state)
}

/// Changes some bytes; most of a file is unused, so the places that count are preferred.
fn mutate(image: &mut Vec<u8>, other: &[u8], geometry: &Geometry, random: &mut Random) {
    let at = match random.below(6) {
        0 => random.below(2) * PAGE + random.below(PREAMBLE_BYTES),
        1 => geometry.header_at(random.below(2)) + random.below(400),
        2 => geometry.area_at(random.below(2)) + random.below(AREA_HEAD_BYTES + 300),
        3 | 4 => geometry.live_at() + random.below(2 * POSITIONS as usize * geometry.slot_bytes()),
        _ => random.below(image.len()),
    };
    let at = at.min(image.len().saturating_sub(1));
    let longest = [1, 8, 64, 4096][random.below(4)];
    let length = (1 + random.below(longest)).min(image.len() - at);
    let value = random.next();
    match random.below(12) {
        0..=3 => image[at] ^= 1 << (value % 8),
        4 => image[at] = value.to_le_bytes()[0],
        5 if image.len() >= 4 => {
            // Edges, where a length or a count may lie.
            let edge = [0, 1, u32::MAX, 0x7fff_ffff, 0x8000_0000, value as u32][random.below(6)];
            let at = (at & !3).min(image.len() - 4);
            image[at..at + 4].copy_from_slice(&edge.to_le_bytes());
        }
        5 | 6 => image[at..at + length].fill(0),
        7 => image[at..at + length].fill(0xff),
        8 => image[at..at + length].copy_from_slice(&other[at..at + length]),
        9 => {
            let from = random.below(image.len() - length + 1);
            image.copy_within(from..from + length, at);
        }
        10 => image.truncate(random.below(image.len() + 1)),
        _ => image.extend(vec![value.to_le_bytes()[0]; 1 + random.below(5000)]),
    }
}

/// Makes every sum right that the (changed) sizes still let us find.
fn sum_up(image: &mut [u8], random: &mut Random) {
    for copy in 0..2 {
        let page = copy * PAGE;
        if image.len() < page + PREAMBLE_BYTES {
            return;
        }
        sum_preamble(&mut image[page..page + PREAMBLE_BYTES]);
        let PreambleRead::Valid(preamble) = Preamble::decode(&image[page..], copy) else {
            continue;
        };
        let geometry = preamble.geometry;
        if image.len() as u64 != geometry.file_bytes() {
            continue;
        }
        let header = geometry.header_at(copy);
        let sum = crc32c(&image[header..header + preamble.header_bytes as usize]);
        image[page + 76..page + 80].copy_from_slice(&sum.to_le_bytes());
        sum_preamble(&mut image[page..page + PREAMBLE_BYTES]);
        for area in 0..2 {
            let at = geometry.area_at(area);
            let end = AREA_HEAD_BYTES + geometry.positions() * geometry.entry_bytes();
            let sum = crc32c(&image[at + 16..at + end]);
            image[at + 8..at + 12].copy_from_slice(&sum.to_le_bytes());
        }
        for index in 0..geometry.positions {
            for slot in 0..2 {
                let at = geometry.live_at() + geometry.slot_in_live(index, slot);
                let sum = crc32c(&image[at + 8..at + geometry.slot_bytes()]);
                // Now and then one stays wrong, so that its twin is asked.
                if !random.one_in(20) {
                    image[at..at + 4].copy_from_slice(&sum.to_le_bytes());
                }
            }
        }
    }
}

fn sum_preamble(preamble: &mut [u8]) {
    let sum = crc32c(&preamble[..PREAMBLE_BYTES - 4]);
    preamble[PREAMBLE_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
}

/// What an opener does with these bytes, to the end.
fn open(image: &[u8], boot: BootId) -> Result<Option<(Recovered, JobHeader)>, StateDamage> {
    let Some(state) = recover(image, boot)? else {
        return Ok(None);
    };
    let geometry = state.preamble.geometry;
    let payloads = (0..geometry.positions).map(|index| state.payload(index));
    let (header, slots) = decode_content(geometry.kind, &state.header, payloads)?;
    assert_eq!(slots.len(), header.settings.partitions as usize);
    Ok(Some((state, header)))
}

/// What opens is opened for good: adopted, and found again as it was.
fn adopt_and_open_again(image: &[u8], mut state: Recovered, header: &JobHeader) {
    let boot = BootId([5; 16]);
    let mut image = image.to_vec();
    let is_countable = state
        .sequences
        .iter()
        .all(|sequence| *sequence < u64::MAX / 4 - 1)
        && state.generation < u64::MAX / 4 - 2
        && state.preamble.sequence < u64::MAX / 4 - 2;
    let payloads = state.payloads.clone();
    adopt(&mut image, &mut state, boot, 9).unwrap();
    let again = open(&image, boot);
    if is_countable {
        let (again, header_again) = again.unwrap().unwrap();
        assert_eq!((&again.payloads, &header_again), (&payloads, header));
        assert_eq!(again.warnings, []);
    }
}

#[test]
fn any_change_of_the_bytes_is_an_error_or_a_state() {
    let seed = seed();
    let (mut opened, mut refused) = (0, 0);
    for round in 0..MUTATIONS {
        let mut random = Random(mix(seed ^ (round as u64 / 100)));
        let boot = BootId([5; 16]);
        let (whole, truth) = sound(&mut random, boot);
        let (other, _) = sound(&mut random, boot);
        let mut random = Random(mix(seed.wrapping_add(round as u64)));
        let mut image = whole.clone();
        for _ in 0..=random.below(4) {
            if !image.is_empty() {
                let mut part = other.clone();
                part.resize(image.len(), 0);
                mutate(&mut image, &part, &truth.preamble.geometry, &mut random);
            }
        }
        let is_summed = random.one_in(2);
        if is_summed {
            sum_up(&mut image, &mut random);
        }
        let boot = [boot, BootId([6; 16])][random.below(2)];
        match open(&image, boot) {
            Ok(Some((state, header))) => {
                opened += 1;
                if !is_summed {
                    assert_eq!(state.payloads, truth.payloads, "round {round}: misread");
                    assert_eq!(state.header, truth.header, "round {round}: misread");
                }
                adopt_and_open_again(&image, state, &header);
            }
            Ok(None) => assert!(image.iter().all(|byte| *byte == 0)),
            Err(damage) => {
                refused += 1;
                assert!(!damage.to_string().is_empty());
            }
        }
    }
    println!("{opened} opened, {refused} refused");
    assert!(
        opened > MUTATIONS / 10 && refused > MUTATIONS / 10,
        "{opened} and {refused}"
    );
}

#[test]
fn any_bytes_at_all_are_an_error() {
    let seed = seed();
    for round in 0..20_000_u64 {
        let mut random = Random(mix(seed ^ round));
        let mut image = vec![0; random.below(20_000)];
        image.fill_with(|| random.next().to_le_bytes()[0]);
        if round % 2 == 0 && image.len() > PREAMBLE_BYTES {
            image[..8].copy_from_slice(b"\x89RMPOS\r\n");
            image[8..16].copy_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0]);
            sum_preamble(&mut image[..PREAMBLE_BYTES]);
        }
        if !image.is_empty() {
            assert!(open(&image, BootId([5; 16])).is_err(), "round {round}");
        }
    }
}

#[test]
fn each_kind_of_wrong_file_is_named() {
    let mut random = Random(seed());
    let boot = BootId([5; 16]);
    let (whole, _) = sound(&mut random, boot);
    let length = whole.len() as u64;
    let damage = |image: &[u8], boot| open(image, boot).unwrap_err();
    let changed = |at: usize, bytes: &[u8]| {
        let mut image = whole.clone();
        for page in [0, PAGE] {
            image[page + at..page + at + bytes.len()].copy_from_slice(bytes);
            sum_preamble(&mut image[page..page + PREAMBLE_BYTES]);
        }
        image
    };
    assert_eq!(damage(b"#!/bin/sh\n", boot), StateDamage::Foreign);
    let truncated = |found| StateDamage::Truncated {
        expected: length,
        found,
    };
    assert_eq!(
        damage(&whole[..whole.len() - 1], boot),
        truncated(length - 1)
    );
    assert_eq!(damage(&whole[..5000], boot), truncated(5000));
    assert!(matches!(
        damage(&whole[..50], boot),
        StateDamage::Truncated { found: 50, .. }
    ));
    let longer = [&whole[..], b"x"].concat();
    let expected = StateDamage::TooLong {
        expected: length,
        found: length + 1,
    };
    assert_eq!(damage(&longer, boot), expected);
    let newer = StateDamage::Newer {
        format: 1,
        min_reader: 2,
        ours: 1,
    };
    assert_eq!(damage(&changed(12, &[2]), boot), newer);
    assert!(
        open(&changed(8, &[2]), boot).is_ok(),
        "a newer format that we may read"
    );
    assert_eq!(
        damage(&changed(8, &[0]), boot),
        StateDamage::Older { format: 0, ours: 1 }
    );
    let kind = StateDamage::OtherKind {
        expected: KIND_JOB,
        found: 77,
    };
    assert_eq!(damage(&changed(56, &[77]), boot), kind);
}

#[test]
fn files_that_are_mixed_or_make_no_sense_are_named() {
    let mut random = Random(seed());
    let boot = BootId([5; 16]);
    let (whole, state) = sound(&mut random, boot);
    let (other, other_state) = sound(&mut random, boot);
    let geometry = state.preamble.geometry;
    let damage = |image: &[u8], boot| open(image, boot).unwrap_err();
    let mixed = StateDamage::OtherFile {
        expected: state.preamble.id,
        found: other_state.preamble.id,
    };
    let mut image = whole.clone();
    image[geometry.live_at()..].copy_from_slice(&other[geometry.live_at()..]);
    // Even with the positions of another file in their place, slots carry their file's id.
    assert!(matches!(
        damage(&image, boot),
        StateDamage::OtherFile { .. }
    ));
    let (areas, live) = (geometry.area_at(0), geometry.live_at());
    image[areas..live].copy_from_slice(&other[areas..live]);
    assert_eq!(damage(&image, BootId::UNKNOWN), mixed);
    let mut image = whole.clone();
    image[PAGE..2 * PAGE].copy_from_slice(&other[PAGE..2 * PAGE]);
    assert!(matches!(
        damage(&image, boot),
        StateDamage::OtherFile { .. } | StateDamage::Content { .. }
    ));
    let mut image = whole;
    for index in 0..POSITIONS {
        for slot in 0..2 {
            let at = live + geometry.slot_in_live(index, slot);
            image[at + 64 + 8..at + 64 + 10].copy_from_slice(&(-9_i16).to_le_bytes());
        }
    }
    sum_up(&mut image, &mut Random(1));
    assert!(matches!(damage(&image, boot), StateDamage::Content { .. }));
}

#[test]
fn wrong_files_on_a_disk_are_refused_and_left_as_they_are() {
    let seed = seed();
    let directory = tempfile::tempdir().unwrap();
    for round in 0..300_u64 {
        let mut random = Random(mix(seed ^ round));
        let (mut image, state) = sound(&mut random, BootId::current());
        let (other, _) = sound(&mut random, BootId::current());
        let mut part = other;
        part.resize(image.len(), 0);
        mutate(&mut image, &part, &state.preamble.geometry, &mut random);
        if random.one_in(2) {
            sum_up(&mut image, &mut random);
        }
        let path = directory.path().join(format!("{round}.state"));
        fs::write(&path, &image).unwrap();
        let expected = recover(&image, BootId::current());
        match Store::locate(&path, Duration::ZERO) {
            Ok(Some(found)) => {
                assert_eq!(expected.unwrap().unwrap().header, found.header());
                found.adopt().unwrap().sync().unwrap();
            }
            Ok(None) => assert_eq!(expected, Ok(None)),
            Err(StoreError::Unusable { damage, .. }) => assert_eq!(expected, Err(damage)),
            Err(error) => panic!("{error}"),
        }
        if expected_is_error(&image) {
            assert_eq!(
                fs::read(&path).unwrap(),
                image,
                "a refused file is left alone"
            );
            assert!(StateView::read(&path).is_err());
        }
    }
}

fn expected_is_error(image: &[u8]) -> bool {
    recover(image, BootId::current()).is_err()
}
