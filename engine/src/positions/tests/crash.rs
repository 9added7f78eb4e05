//! All that a death of the process or a loss of power can leave of a state file.
//!
//! A recorder stands where the file stands. It knows every write since it was last made durable,
//! so it can show what a disk might hold: each page, sector or word as it was at a moment of its
//! own between then and now. The writes are those of `medium`, `slot` and `area`; the answer is
//! that of `recover`; what was stored and synced is remembered on the side.

use std::collections::HashMap;
use std::io;

use super::super::area;
use super::super::identity::{BootId, FileId};
use super::super::layout::{Geometry, PAGE, Preamble, SLOT_HEAD_BYTES};
use super::super::medium::{Medium, adopt, write_all, write_header};
use super::super::recover::{Origin, Recovered, recover};
use super::super::slot::{self, SlotOwner};
use super::super::{StateDamage, StateWarning};
use super::{Random, mix, seed};

const POSITIONS: u32 = 5;
const PAYLOAD_BYTES: usize = 104;
const CRASH_STATES: usize = 150_000;

/// A file whose writes are remembered until they are durable.
struct Recorder {
    /// What every reader in this boot sees.
    cache: Vec<u8>,
    /// What the disk holds for sure.
    disk: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
    /// Looks at the disk in the middle of every durable write.
    look: Option<Looks>,
}

/// Images taken in the middle of durable writes: one of a dead process, one of a dead machine.
struct Looks {
    random: Random,
    taken: Vec<(Crash, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crash {
    Process,
    Power,
}

impl Recorder {
    fn new(image: Vec<u8>) -> Self {
        Self {
            cache: image.clone(),
            disk: image,
            pending: Vec::new(),
            look: None,
        }
    }

    /// What a process that dies in the middle of this write leaves to the next one: the words
    /// before some moment, or (a copy may run in any order) any of them.
    fn after_kill(&self, offset: usize, bytes: &[u8], random: &mut Random) -> Vec<u8> {
        let mut image = self.cache.clone();
        let (words, cut, any) = (bytes.len() / 8, random.next(), random.one_in(2));
        let until = random.below(words + 1);
        for (word, value) in bytes.chunks_exact(8).enumerate() {
            let is_there = if any {
                mix(cut ^ word as u64).is_multiple_of(2)
            } else {
                word < until
            };
            if is_there {
                image[offset + 8 * word..][..8].copy_from_slice(value);
            }
        }
        image
    }

    /// What a loss of power leaves: every unit (a page, a sector, a word) shows what was pending
    /// up to a moment of its own.
    fn after_power_loss(&self, random: &mut Random) -> Vec<u8> {
        let mut image = self.disk.clone();
        let unit = [8, 512, 4096][random.below(3)];
        let (salt, last) = (random.next(), self.pending.len() as u64);
        // Often all at once or nothing, so that whole old and new states meet as well.
        let bias = random.below(4);
        for (number, (offset, bytes)) in (1_u64..).zip(&self.pending) {
            let mut at = *offset;
            while at < offset + bytes.len() {
                let end = ((at / unit + 1) * unit).min(offset + bytes.len());
                let chance = mix(salt ^ (at / unit) as u64);
                let until = match bias {
                    0 => chance % (last + 1),
                    1 => last - chance % last.min(3),
                    2 => last * (chance % 2),
                    _ => last - u64::from(chance.is_multiple_of(8)),
                };
                if number <= until {
                    image[at..end].copy_from_slice(&bytes[at - offset..end - offset]);
                }
                at = end;
            }
        }
        image
    }
}

impl Medium for Recorder {
    fn write_at(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        if let Some(mut looks) = self.look.take() {
            let image = self.after_kill(offset, bytes, &mut looks.random);
            looks.taken.push((Crash::Process, image));
            self.look = Some(looks);
        }
        self.cache[offset..offset + bytes.len()].copy_from_slice(bytes);
        self.pending.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn write_durably(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.write_at(offset, bytes)?;
        if let Some(mut looks) = self.look.take() {
            for _ in 0..4 {
                let image = self.after_power_loss(&mut looks.random);
                looks.taken.push((Crash::Power, image));
            }
            self.look = Some(looks);
        }
        // Only this range: what else is pending stays so.
        let (offset, bytes) = self.pending.pop().expect("it was just pushed");
        self.disk[offset..offset + bytes.len()].copy_from_slice(&bytes);
        Ok(())
    }
}

/// A process at work on a recorded file, and everything it may be held to.
struct World {
    recorder: Recorder,
    state: Recovered,
    boot: BootId,
    /// For every (position, payload) the moment in which it was stored.
    stored: HashMap<(u32, Vec<u8>), u64>,
    /// The newest moment of each position that was stored.
    newest: Vec<u64>,
    /// The moments of all positions as they may be found after a loss of power: those of the last
    /// sync, and of the one under way.
    cuts: Vec<Vec<u64>>,
    /// A file of an earlier boot is being opened; until that is done it still starts from a cut.
    is_adopting: bool,
    moment: u64,
    /// The headers that may be found: the last one, and the one being written.
    headers: Vec<Vec<u8>>,
    random: Random,
    checked: [usize; 2],
}

impl World {
    fn new(seed: u64) -> Self {
        let boot = BootId([1; 16]);
        let geometry = Geometry::new(1, POSITIONS, PAYLOAD_BYTES, 40);
        let preamble = Preamble {
            id: FileId([0x42; 16]),
            boot,
            sequence: 0,
            geometry,
            header_bytes: 0,
            header_sum: 0,
            pid: 1,
        };
        let payloads = vec![0; geometry.payload_bytes() * geometry.positions()];
        let header = b"the first header".to_vec();
        let mut state = Recovered {
            preamble,
            header: header.clone(),
            sequences: vec![2; geometry.positions()],
            payloads,
            generation: 0,
            origin: Origin::Live,
            warnings: Vec::new(),
        };
        let mut image = vec![0; usize::try_from(geometry.file_bytes()).unwrap()];
        write_all(&mut image, &mut state).unwrap();
        let first = |index| ((index, vec![0; geometry.payload_bytes()]), 0);
        Self {
            recorder: Recorder::new(image),
            state,
            boot,
            stored: (0..POSITIONS).map(first).collect(),
            newest: vec![0; POSITIONS as usize],
            cuts: vec![vec![0; POSITIONS as usize]],
            is_adopting: false,
            moment: 0,
            headers: vec![header],
            random: Random(seed),
            checked: [0; 2],
        }
    }

    /// What an opener finds after `crash`, held against what was stored.
    fn check(&mut self, crash: Crash, image: &[u8]) -> Recovered {
        self.checked[crash as usize] += 1;
        let boot = match crash {
            Crash::Process => self.boot,
            Crash::Power => BootId([0xee; 16]),
        };
        let found = recover(image, boot).unwrap_or_else(|damage| panic!("{crash:?}: {damage}"));
        let found = found.expect("it is not blank");
        assert!(
            self.headers.contains(&found.header),
            "{crash:?}: a header that never was"
        );
        let moments = self.moments(&found);
        if found.origin == Origin::Synced {
            assert!(
                crash == Crash::Power || self.is_adopting,
                "stores do not die with a process"
            );
            assert!(
                self.cuts.contains(&moments),
                "{moments:?} is none of {:?}",
                self.cuts
            );
        } else {
            assert_eq!(
                crash,
                Crash::Process,
                "a mapping's pages are not looked at after a boot"
            );
            let mut pairs = moments.iter().zip(&self.newest);
            assert!(
                pairs.all(|(found, floor)| found >= floor),
                "{moments:?} < {:?}",
                self.newest
            );
        }
        found
    }

    fn moments(&self, found: &Recovered) -> Vec<u64> {
        let moment = |index| {
            let key = (index, found.payload(index).to_vec());
            *self
                .stored
                .get(&key)
                .expect("what is found was stored once")
        };
        (0..POSITIONS).map(moment).collect()
    }

    /// Does `work` on the file, looking at what is left of it in the middle of every write.
    fn watched<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let random = Random(self.random.next());
        self.recorder.look = Some(Looks {
            random,
            taken: Vec::new(),
        });
        let result = work(self);
        let looks = self.recorder.look.take().expect("it was put there above");
        for (crash, image) in looks.taken {
            self.check(crash, &image);
        }
        result
    }

    fn put(&mut self) {
        let index = u32::try_from(self.random.below(POSITIONS as usize)).unwrap();
        let geometry = self.state.preamble.geometry;
        let (id, boot) = (self.state.preamble.id, self.state.preamble.boot);
        let mut bytes = vec![0; geometry.slot_bytes()];
        // Few bytes differ from store to store, as in life.
        let mut payload = self.state.payload(index).to_vec();
        for _ in 0..=self.random.below(4) {
            let at = self.random.below(payload.len());
            payload[at] = self.random.next().to_le_bytes()[0];
        }
        payload[..8].copy_from_slice(&(self.moment + 1).to_le_bytes());
        bytes[SLOT_HEAD_BYTES..][..payload.len()].copy_from_slice(&payload);
        let sequence = self.state.sequences[index as usize] + 1;
        slot::seal(&mut bytes, SlotOwner { id, boot }, index, sequence);
        let at = geometry.live_at() + geometry.slot_in_live(index, (sequence % 2) as usize);
        self.moment += 1;
        self.stored.insert((index, payload.clone()), self.moment);
        self.watched(|world| world.recorder.write_at(at, &bytes).unwrap());
        self.newest[index as usize] = self.moment;
        self.state.sequences[index as usize] = sequence;
        let size = geometry.payload_bytes();
        self.state.payloads[index as usize * size..][..size].copy_from_slice(&payload);
    }

    fn sync(&mut self) {
        let Preamble {
            geometry, id, boot, ..
        } = self.state.preamble;
        let generation = self.state.generation + 1;
        let (sequences, payloads) = (&self.state.sequences, &self.state.payloads);
        let bytes = area::image(&geometry, (id, boot), generation, sequences, payloads);
        let at = geometry.area_at((generation % 2) as usize);
        self.cuts.push(self.newest.clone());
        self.watched(|world| world.recorder.write_durably(at, &bytes).unwrap());
        self.cuts = vec![self.newest.clone()];
        self.state.generation = generation;
    }

    fn put_header(&mut self) {
        let length = 20 + self.random.below(300);
        let mut header = vec![0; length];
        header.fill_with(|| self.random.next().to_le_bytes()[0]);
        self.headers.push(header.clone());
        let mut preamble = self.state.preamble;
        self.watched(|world| write_header(&mut world.recorder, &mut preamble, &header).unwrap());
        self.state.preamble = preamble;
        self.state.header = header.clone();
        self.headers = vec![header];
    }

    /// The process dies, or the power goes, and the file is opened again; half of the time that
    /// happens once more before anything else does. (In the middle of opening: see `watched`.)
    fn crash(&mut self, crash: Crash) {
        let image = match crash {
            Crash::Process => self.recorder.cache.clone(),
            Crash::Power => self.recorder.after_power_loss(&mut self.random),
        };
        let found = self.check(crash, &image);
        if crash == Crash::Power {
            self.recorder = Recorder::new(image);
            self.boot.0[..8].copy_from_slice(&self.random.next().to_le_bytes());
        }
        self.reopen(found);
        if self.random.one_in(2) {
            let next = [Crash::Process, Crash::Power][self.random.below(2)];
            self.crash(next);
        }
    }

    fn reopen(&mut self, found: Recovered) {
        let moments = self.moments(&found);
        self.newest.clone_from(&moments);
        self.headers = vec![found.header.clone()];
        self.cuts.push(moments.clone());
        self.is_adopting = found.origin == Origin::Synced;
        let (boot, mut state) = (self.boot, found);
        self.watched(|world| adopt(&mut world.recorder, &mut state, boot, 2).unwrap());
        self.is_adopting = false;
        self.cuts = vec![moments];
        self.state = state;
    }
}

#[test]
fn every_crash_leaves_a_state_that_was_stored_and_is_not_too_old() {
    let seed = seed();
    let mut checked = [0; 2];
    let mut rounds = 0;
    while checked.iter().sum::<usize>() < CRASH_STATES {
        rounds += 1;
        let mut world = World::new(mix(seed ^ rounds));
        for _ in 0..200 {
            match world.random.below(20) {
                0 => world.sync(),
                1 => world.put_header(),
                2 => world.crash(Crash::Process),
                3 => world.crash(Crash::Power),
                _ => world.put(),
            }
            for _ in 0..2 {
                let image = world.recorder.after_power_loss(&mut world.random);
                world.check(Crash::Power, &image);
            }
        }
        checked[0] += world.checked[0];
        checked[1] += world.checked[1];
    }
    println!("{checked:?} crash states (process, power) in {rounds} lives");
    assert!(
        checked.iter().all(|count| *count > CRASH_STATES / 10),
        "{checked:?}"
    );
}

#[test]
fn one_damaged_copy_of_each_kind_is_healed_and_two_are_refused() {
    let mut world = World::new(seed());
    for _ in 0..40 {
        world.put();
    }
    world.sync();
    world.put();
    let geometry = world.state.preamble.geometry;
    let whole = world.recorder.cache.clone();
    let boot = world.boot;
    let check = |damaged: &[usize], boot, expected: Result<&StateWarning, &StateDamage>| {
        let mut image = whole.clone();
        for at in damaged {
            image[*at] ^= 1;
        }
        let found = recover(&image, boot).map(|found| found.unwrap().warnings);
        let expected = expected
            .cloned()
            .map(|warning| vec![warning])
            .map_err(Clone::clone);
        assert_eq!(found, expected, "damaged at {damaged:?}");
    };
    let headers = [40, PAGE + 40, geometry.header_at(0), geometry.header_at(1)];
    for one in headers {
        check(&[one], boot, Ok(&StateWarning::Header));
    }
    check(&headers[..2], boot, Err(&StateDamage::Header));
    check(&headers[2..], boot, Err(&StateDamage::Header));
    check(&[headers[0], headers[3]], boot, Err(&StateDamage::Header));
    let areas = [0, 1].map(|area| geometry.area_at(area) + 100);
    for boot in [boot, BootId::UNKNOWN] {
        check(&areas[..1], boot, Ok(&StateWarning::Synced));
        check(&areas[1..], boot, Ok(&StateWarning::Synced));
    }
    check(&areas, BootId::UNKNOWN, Err(&StateDamage::Synced));
    for index in 0..POSITIONS {
        let slots = [0, 1].map(|slot| geometry.live_at() + geometry.slot_in_live(index, slot));
        for at in [0, 4, 9, 17, 25, 41, 60, 64, 100] {
            for slot in slots {
                check(&[slot + at], boot, Ok(&StateWarning::Slot { index }));
            }
            let both = slots.map(|slot| slot + at);
            check(&both, boot, Err(&StateDamage::Position { index }));
        }
    }
}

#[test]
fn a_healed_copy_is_whole_again_once_the_file_was_opened() {
    let mut world = World::new(seed());
    for _ in 0..20 {
        world.put();
    }
    let geometry = world.state.preamble.geometry;
    for index in 0..POSITIONS {
        let at = geometry.live_at() + geometry.slot_in_live(index, (index % 2) as usize);
        world.recorder.cache[at + 70] ^= 0x10;
    }
    world.recorder.cache[3] ^= 0x10;
    world.recorder.cache[geometry.area_at(0) + 20] ^= 0x10;
    let mut found = recover(&world.recorder.cache, world.boot).unwrap().unwrap();
    assert_eq!(found.warnings.len(), POSITIONS as usize + 2);
    let before = found.payloads.clone();
    adopt(&mut world.recorder, &mut found, world.boot, 7).unwrap();
    let again = recover(&world.recorder.cache, world.boot).unwrap().unwrap();
    assert_eq!((again.payloads, again.preamble.pid), (before, 7));
    assert_eq!(again.warnings, []);
}
