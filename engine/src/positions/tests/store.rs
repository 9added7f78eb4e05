use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::identity::BootId;
use super::super::place::read_image;
use super::super::recover::recover;
use super::super::*;

const SOON: Duration = Duration::from_millis(50);
/// No file reaches here: a write fails with EFBIG and changes nothing.
const TOO_FAR: usize = usize::MAX / 4;

fn fresh(positions: u32) -> Fresh {
    let initial = PartitionSlot::default().encode();
    Fresh {
        kind: KIND_JOB,
        header: b"a header".to_vec(),
        positions,
        initial,
    }
}

fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("topic-0123456789abcdef.state");
    (directory, path)
}

fn create(path: &Path, positions: u32) -> Store {
    Store::create(path, &fresh(positions)).unwrap().unwrap()
}

fn locate(path: &Path) -> Found {
    Store::locate(path, SOON).unwrap().unwrap()
}

fn at(position: u64) -> PartitionSlot {
    PartitionSlot {
        position,
        records: position / 10,
        ..PartitionSlot::default()
    }
}

fn put(store: &mut Store, index: u32, position: u64) {
    store.writer(index).unwrap().put(&at(position));
}

fn positions(found: &Found) -> Vec<u64> {
    let slots = (0..found.positions()).map(|index| PartitionSlot::decode(found.payload(index)));
    slots.map(|slot| slot.unwrap().position).collect()
}

/// The positions that a reader finds who looks now, in this boot or in the next one.
fn seen(path: &Path, boot: BootId) -> Vec<u64> {
    let image = read_image(&File::open(path).unwrap(), path).unwrap();
    let state = recover(&image, boot).unwrap().unwrap();
    let count = state.preamble.geometry.positions;
    let slots = (0..count).map(|index| PartitionSlot::decode(state.payload(index)));
    slots.map(|slot| slot.unwrap().position).collect()
}

#[test]
fn what_was_stored_is_there_when_the_file_is_opened_again() {
    let (_keep, path) = directory();
    let mut store = create(&path, 3);
    for position in 1..=7 {
        put(&mut store, 1, position * 100);
    }
    put(&mut store, 2, 5);
    drop(store);
    let found = locate(&path);
    assert_eq!(found.header(), b"a header");
    assert_eq!((found.kind(), found.origin()), (KIND_JOB, Origin::Live));
    assert_eq!(positions(&found), [0, 700, 5]);
    assert_eq!(found.warnings(), []);
    let mut store = found.adopt().unwrap();
    put(&mut store, 0, 9);
    drop(store);
    assert_eq!(positions(&locate(&path)), [9, 700, 5]);
}

#[test]
fn after_another_boot_only_what_was_synced_counts() {
    let (_keep, path) = directory();
    let other = BootId([7; 16]);
    let mut store = create(&path, 2);
    put(&mut store, 0, 10);
    assert_eq!(seen(&path, other), [0, 0]);
    store.sync().unwrap();
    put(&mut store, 0, 20);
    put(&mut store, 1, 30);
    assert_eq!(seen(&path, other), [10, 0]);
    assert_eq!(seen(&path, BootId::UNKNOWN), [10, 0]);
    assert_eq!(seen(&path, BootId::current()), [20, 30]);
    let checkpoint = store.begin_sync().unwrap().unwrap();
    put(&mut store, 0, 40);
    assert_eq!(seen(&path, other), [10, 0], "a sync that was begun is none");
    assert!(store.begin_sync().unwrap().is_none(), "one at a time");
    let written = std::thread::spawn(|| checkpoint.write()).join().unwrap();
    store.end_sync(written).unwrap();
    assert_eq!(
        seen(&path, other),
        [20, 30],
        "as it was when the sync began"
    );
    store.sync().unwrap();
    assert_eq!(seen(&path, other), [40, 30]);
}

#[test]
fn a_sync_waits_for_the_one_on_another_thread() {
    let (_keep, path) = directory();
    let other = BootId([7; 16]);
    let mut store = create(&path, 1);
    for position in 1..50 {
        put(&mut store, 0, 2 * position);
        let checkpoint = store.begin_sync().unwrap().unwrap();
        put(&mut store, 0, 2 * position + 1);
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| checkpoint.write());
            store.sync().unwrap();
            assert_eq!(seen(&path, other), [2 * position + 1]);
            let written = writing.join().unwrap();
            store.end_sync(written).unwrap();
        });
        assert_eq!(seen(&path, other), [2 * position + 1]);
    }
}

#[test]
fn a_checkpoint_that_is_dropped_does_not_turn_the_next_against_the_last_good_area() {
    let (_keep, path) = directory();
    let mut store = create(&path, 1);
    put(&mut store, 0, 1);
    store.sync().unwrap();
    put(&mut store, 0, 2);
    let first = store.begin_sync().unwrap().unwrap();
    let place = first.offset;
    drop(first);
    assert_eq!(store.begin_sync().unwrap().unwrap().offset, place);
    assert_eq!(seen(&path, BootId([7; 16])), [1]);
    store.sync().unwrap();
    assert_eq!(seen(&path, BootId([7; 16])), [2]);
}

#[test]
fn a_checkpoint_of_a_file_that_was_replaced_meanwhile_changes_nothing() {
    let (_keep, path) = directory();
    let mut store = create(&path, 1);
    put(&mut store, 0, 1);
    let mut old = store.begin_sync().unwrap().unwrap();
    old.offset = TOO_FAR;
    put(&mut store, 0, 2);
    store.put_header(&[b'h'; 50_000]).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    let written = old.write();
    store.end_sync(written).unwrap();
    store.sync().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    assert_eq!(seen(&path, BootId([7; 16])), [2]);
}

#[test]
fn a_state_of_another_boot_is_adopted_and_stored_into() {
    let (_keep, path) = directory();
    let mut store = create(&path, 1);
    put(&mut store, 0, 10);
    store.sync().unwrap();
    put(&mut store, 0, 20);
    drop(store);
    // As a file from before the last reboot: the boot id in both preambles is another one.
    let file = File::options().read(true).write(true).open(&path).unwrap();
    for copy in 0..2 {
        let mut page = [0; layout::PREAMBLE_BYTES];
        file.read_exact_at(&mut page, copy * layout::PAGE as u64)
            .unwrap();
        let layout::PreambleRead::Valid(mut preamble) =
            layout::Preamble::decode(&page, usize::try_from(copy).unwrap())
        else {
            panic!("a valid preamble")
        };
        preamble.boot = BootId([9; 16]);
        file.write_all_at(&preamble.encode(), copy * layout::PAGE as u64)
            .unwrap();
    }
    let found = locate(&path);
    assert_eq!(
        (found.origin(), positions(&found)),
        (Origin::Synced, vec![10])
    );
    let mut store = found.adopt().unwrap();
    assert_eq!(seen(&path, BootId::current()), [10]);
    put(&mut store, 0, 11);
    drop(store);
    let found = locate(&path);
    assert_eq!(
        (found.origin(), positions(&found)),
        (Origin::Live, vec![11])
    );
}

#[test]
fn a_header_is_replaced_whole_and_may_outgrow_its_room() {
    let (_keep, path) = directory();
    let mut store = create(&path, 2);
    let mut writer = store.take_writer(1).unwrap();
    writer.put(&at(70));
    store.put_header(b"another").unwrap();
    let before = fs::metadata(&path).unwrap().ino();
    let long = vec![b'x'; 100_000];
    store.put_header(&long).unwrap();
    assert_ne!(fs::metadata(&path).unwrap().ino(), before, "a new file");
    assert_eq!(
        seen(&path, BootId([1; 16])),
        [0, 70],
        "the new file is synced whole"
    );
    writer.put(&at(80));
    put(&mut store, 0, 90);
    assert_eq!(
        seen(&path, BootId::current()),
        [90, 80],
        "writers came over"
    );
    store.sync().unwrap();
    assert_eq!(seen(&path, BootId([1; 16])), [90, 80]);
    assert!(
        store.take_writer(1).is_none(),
        "a writer is handed out once"
    );
    drop((store, writer));
    assert_eq!(locate(&path).header(), long);
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "nothing is left over"
    );
}

#[test]
fn a_second_opener_is_told_who_holds_the_file() {
    let (_keep, path) = directory();
    let mut store = create(&path, 1);
    let writer = store.take_writer(0).unwrap();
    let refused = |path: &Path| {
        let begun = Instant::now();
        let error = Store::locate(path, SOON).unwrap_err();
        assert!(begun.elapsed() >= SOON);
        let expected = format!("in use by process {}", std::process::id());
        assert!(error.to_string().contains(&expected), "{error}");
    };
    refused(&path);
    drop(store);
    refused(&path); // The writer can still store.
    drop(writer);
    let found = locate(&path);
    refused(&path);
    drop(found);
    locate(&path);
}

#[test]
fn two_makers_at_once_end_with_one_file_and_one_owner() {
    let (_keep, path) = directory();
    for _ in 0..50 {
        let start = std::sync::Barrier::new(4);
        let stores: Vec<Option<Store>> = std::thread::scope(|scope| {
            let maker = || {
                start.wait();
                Store::create(&path, &fresh(1)).unwrap()
            };
            let makers: Vec<_> = (0..4).map(|_| scope.spawn(maker)).collect();
            makers
                .into_iter()
                .map(|maker| maker.join().unwrap())
                .collect()
        });
        assert_eq!(stores.iter().flatten().count(), 1);
        assert!(matches!(
            Store::locate(&path, Duration::ZERO),
            Err(StoreError::Locked { pid: Some(_), .. })
        ));
        drop(stores);
        Store::remove(&path, SOON).unwrap();
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
    }
}

/// How many descriptors of this process are of the file that `path` names.
fn descriptors(path: &Path) -> usize {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    let links = entries.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| link == path).count()
}

#[test]
fn who_waits_for_the_lock_of_a_file_that_is_replaced_waits_for_the_new_one() {
    let (_keep, path) = directory();
    let path = path
        .parent()
        .unwrap()
        .canonicalize()
        .unwrap()
        .join(path.file_name().unwrap());
    let mut store = create(&path, 1);
    assert_eq!(descriptors(&path), 1);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| Store::locate(&path, Duration::from_millis(500)));
        let begun = Instant::now();
        while descriptors(&path) < 2 {
            assert!(
                begun.elapsed() < Duration::from_millis(400),
                "the waiter opens the file"
            );
            std::thread::yield_now();
        }
        // The lock that is waited for is let go, but the one that counts is held.
        store.put_header(&[b'h'; 50_000]).unwrap();
        put(&mut store, 0, 1);
        let refused = waiter.join().unwrap();
        assert!(
            matches!(refused, Err(StoreError::Locked { .. })),
            "{refused:?}"
        );
    });
}

#[test]
fn who_waits_for_a_removed_file_gets_the_one_that_took_its_name() {
    let (_keep, path) = directory();
    drop(create(&path, 1));
    let found = locate(&path);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let found = Store::locate(&path, Duration::from_secs(30)).unwrap();
            found.map(|found| found.positions())
        });
        found.remove().unwrap();
        let store = create(&path, 2);
        drop(store);
        // Before the removal it found the old file locked, in between none, afterwards the new one.
        assert!(matches!(waiter.join().unwrap(), None | Some(2)));
    });
}

#[test]
fn a_failed_write_is_answered_with_a_new_file_from_memory() {
    let (_keep, path) = directory();
    let mut store = create(&path, 2);
    let mut writer = store.take_writer(0).unwrap();
    writer.put(&at(10));
    let before = fs::metadata(&path).unwrap().ino();
    let mut checkpoint = store.begin_sync().unwrap().unwrap();
    checkpoint.offset = TOO_FAR;
    store.end_sync(checkpoint.write()).unwrap();
    assert_ne!(fs::metadata(&path).unwrap().ino(), before);
    assert_eq!(seen(&path, BootId([1; 16])), [10, 0]);
    writer.put(&at(20));
    assert_eq!(seen(&path, BootId::current()), [20, 0]);
}

#[test]
fn a_store_whose_replacement_fails_has_failed_for_good() {
    let (keep, path) = directory();
    let mut store = create(&path, 1);
    put(&mut store, 0, 10);
    let mut checkpoint = store.begin_sync().unwrap().unwrap();
    checkpoint.offset = TOO_FAR;
    let failed = checkpoint.write();
    // The directory is gone: no new file can be made.
    fs::rename(keep.path(), keep.path().with_extension("moved")).unwrap();
    let error = store.end_sync(failed).unwrap_err();
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
    fs::rename(keep.path().with_extension("moved"), keep.path()).unwrap();
    assert!(
        matches!(store.sync(), Err(StoreError::Failed { .. })),
        "an error is not forgotten"
    );
    assert!(matches!(
        store.put_header(b"x"),
        Err(StoreError::Failed { .. })
    ));
    put(&mut store, 0, 20);
    drop(store);
    assert_eq!(
        positions(&locate(&path)),
        [20],
        "stores still outlive the process"
    );
}

#[test]
fn a_file_that_is_removed_replaced_or_cut_stops_the_sync() {
    let check = |disturb: &dyn Fn(&Path), what: &str| {
        let (_keep, path) = directory();
        let mut store = create(&path, 1);
        store.sync().unwrap();
        disturb(&path);
        let error = store.sync().unwrap_err();
        assert!(matches!(error, StoreError::Disturbed { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
        assert!(store.put_header(b"x").is_err());
    };
    check(&|path| fs::remove_file(path).unwrap(), "removed");
    check(
        &|path| {
            fs::rename(path, path.with_extension("old")).unwrap();
            fs::write(path, b"another").unwrap();
        },
        "another file",
    );
    let cut = |path: &Path| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 4096).unwrap();
    };
    check(&cut, "bytes instead of");
}

#[test]
fn only_a_regular_file_of_ours_is_opened() {
    let (keep, path) = directory();
    let refuse = |what: &str| {
        let error = Store::locate(&path, SOON).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    assert!(Store::locate(&path, SOON).unwrap().is_none());
    fs::create_dir(&path).unwrap();
    refuse("a directory");
    fs::remove_dir(&path).unwrap();
    let target = keep.path().join("target");
    drop(create(&target, 1));
    symlink(&target, &path).unwrap();
    refuse("a symbolic link");
    fs::remove_file(&path).unwrap();
    let mode = rustix::fs::Mode::from(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    refuse("a FIFO");
    fs::remove_file(&path).unwrap();
    for text in ["x", "hello, world\n", &"lorem ipsum ".repeat(10_000)] {
        fs::write(&path, text).unwrap();
        refuse("no state file of ringmain");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "left as it was");
    }
    assert_eq!(
        fs::metadata(&target).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn an_empty_or_zeroed_file_is_new() {
    let (_keep, path) = directory();
    for size in [0, 100, 8192, 1 << 20] {
        fs::write(&path, vec![0; size]).unwrap();
        assert!(Store::locate(&path, SOON).unwrap().is_none());
        assert!(!path.exists());
    }
}

#[test]
fn what_cannot_be_made_leaves_nothing_behind() {
    let (keep, path) = directory();
    let impossible = Fresh {
        positions: u32::MAX,
        ..fresh(1)
    };
    assert!(Store::create(&path, &impossible).is_err());
    assert!(Store::create(&keep.path().join("no/such/directory"), &fresh(1)).is_err());
    assert_eq!(fs::read_dir(keep.path()).unwrap().count(), 0);
}

#[test]
fn writers_on_other_threads_lose_nothing_while_the_file_is_made_anew() {
    const WRITERS: u32 = 4;
    let (_keep, path) = directory();
    let mut store = create(&path, WRITERS);
    let stop = AtomicBool::new(false);
    let stored: Vec<AtomicU64> = (0..WRITERS).map(|_| AtomicU64::new(0)).collect();
    let floor = || {
        stored
            .iter()
            .map(|stored| stored.load(Ordering::SeqCst))
            .collect::<Vec<_>>()
    };
    let check = |found: &[u64], floor: &[u64]| {
        let behind = found.iter().zip(floor).any(|(found, floor)| found < floor);
        assert!(!behind, "found {found:?}, but {floor:?} had been stored");
    };
    std::thread::scope(|scope| {
        let stopper = StopOnDrop(&stop);
        for index in 0..WRITERS {
            let mut writer = store.take_writer(index).unwrap();
            let (stop, stored) = (&stop, &stored[index as usize]);
            scope.spawn(move || {
                let mut position = 0;
                while !stop.load(Ordering::Relaxed) {
                    position += 1;
                    writer.put(&at(position));
                    stored.store(position, Ordering::SeqCst);
                }
            });
        }
        for round in 0..6 {
            for _ in 0..10 {
                let before = floor();
                store.sync().unwrap();
                check(&seen(&path, BootId([1; 16])), &before);
            }
            let before = floor();
            // Longer than the room there is: the file is made anew each time.
            store
                .put_header(&vec![b'h'; 5000 * 3_usize.pow(round)])
                .unwrap();
            check(&seen(&path, BootId([1; 16])), &before);
        }
        drop(stopper);
    });
    drop(store);
    assert_eq!(positions(&locate(&path)), floor());
}

/// Lets the writers end even when the test fails between.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
