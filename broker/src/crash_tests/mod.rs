//! What a death leaves: of the process, or of the machine's power.
//!
//! A script of random requests runs against a broker in a directory; before and after each, what
//! lies in the files is taken down ([`state::Files`]). From the two, states are made in which the
//! request was under way ([`state::Scene::state`]): files cut at any byte between old and new,
//! replaced or not, removed in part, what was never synced lost or turned into other bytes. A
//! broker opened on such a state must have every topic and record that it owed ([`world::World`]),
//! nothing that was not sent, no offset again that somebody was told of, and go on.

mod state;
mod world;

use std::path::PathBuf;

use crate::api::tests::random::Random;
use state::Death;
use world::World;

/// Runs of the script, and states made of each request in it.
const RUNS: usize = 12;
const REQUESTS: usize = 60;
const STATES: usize = 15;

/// In memory where there is such a place: every opening syncs several files.
fn scratch() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.unwrap()
}

#[test]
fn whatever_a_death_leaves_nothing_owed_is_lost_and_nothing_half_is_seen() {
    let mut random = Random::seeded();
    let (mut states, mut cuts) = (0, 0);
    for run in 0..RUNS {
        let syncs = run % 2 == 0;
        let folder = scratch();
        let mut world = World::open(folder.path().join("live"), syncs);
        for request in 0..REQUESTS {
            let before = world.scene();
            let what = world.step(&mut random);
            let after = world.scene();
            for _ in 0..STATES {
                let death = match random.below(2) {
                    0 => Death::Process,
                    _ => Death::Power,
                };
                let files = before.state(&after, death, &mut random);
                let place = folder.path().join("state");
                files.write(&place);
                let is_shorter =
                    world::check(&place, &before, &after, death).unwrap_or_else(|wrong| {
                        panic!(
                            "run {run}, request {request} ({what}), {death:?}: {wrong}\n{files:?}"
                        )
                    });
                std::fs::remove_dir_all(&place).unwrap();
                states += 1;
                cuts += usize::from(is_shorter);
            }
        }
    }
    println!("{states} states, in {cuts} the log was shorter than in the broker that died");
    assert!(states >= 10_000 && cuts > states / 20, "{states} {cuts}");
}
