//! Logs that are rolled, opened again, torn and damaged.

mod retention;

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;
use protocol::records::header::{BatchHeader, TimestampType};

use super::*;
use crate::api::tests::{Batch, NOW_MS};
use crate::batch::BatchRules;
use crate::error::BrokerError;

const DAY_MS: i64 = 86_400_000;

fn rules() -> BatchRules {
    BatchRules {
        batch_bytes_max: i32::MAX,
        timestamp_type: TimestampType::Create,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        is_compacted: false,
    }
}

/// Nothing is removed.
pub(super) fn keep_all(segment_bytes: u64) -> LogRules {
    LogRules {
        segment_bytes,
        segment_ms: i64::MAX,
        retention_bytes: None,
        retention_ms: None,
        deletes: true,
    }
}

/// As after a kill.
pub(super) fn recovery() -> RecoveryOptions {
    RecoveryOptions {
        is_clean: false,
        now_ms: NOW_MS,
        producer_id_expiration_ms: DAY_MS,
        leader_epoch: 5,
    }
}

fn append(log: &mut PartitionLog, batch: &Batch, segment_bytes: u64) -> Result<i64, Refusal> {
    append_with(log, batch, keep_all(segment_bytes))
}

pub(super) fn append_with(
    log: &mut PartitionLog,
    batch: &Batch,
    log_rules: LogRules,
) -> Result<i64, Refusal> {
    let bytes = batch.bytes();
    let checked = batch::check(&bytes, &rules(), NOW_MS).unwrap();
    let options = AppendOptions {
        now_ms: NOW_MS,
        is_log_append: false,
        rules: log_rules,
        sync: false,
    };
    log.append(&checked, options)
        .map(|result| result.appended.base_offset)
}

/// Every batch from `offset` on, fetched in pieces of at most `bytes_max`.
fn read_all(log: &PartitionLog, mut offset: i64, bytes_max: usize) -> Vec<(i64, Vec<u8>)> {
    let mut batches = Vec::new();
    while let Found::Batches(slice) = log.read(offset, bytes_max, true).unwrap() {
        let mut bytes = Vec::new();
        slice.read(&mut bytes).unwrap();
        let mut rest = &bytes[..];
        let before = offset;
        while let Ok(header) = BatchHeader::read(rest)
            && let Some((batch, after)) = rest.split_at_checked(header.batch_bytes())
        {
            assert!((header.base_offset..=header.last_offset()).contains(&offset));
            assert_eq!(header.partition_leader_epoch, 5);
            batches.push((header.base_offset, batch[61..].to_vec()));
            offset = header.last_offset() + 1;
            rest = after;
        }
        assert!(offset > before, "every read gives a whole batch");
    }
    assert_eq!(offset, log.next_offset());
    batches
}

pub(super) fn segment_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// On disk or in memory, rolled as often as may be, opened again at any time: what was appended
    /// is read, from any offset and in pieces of any size.
    #[test]
    fn what_was_appended_is_read(
        batches in prop::collection::vec((1..40usize, 1..200usize, any::<bool>()), 1..40),
        segment_bytes in prop_oneof![Just(1 << 20), 10_000..20_000u64],
        bytes_max in prop_oneof![Just(1usize), 1..100_000usize],
        from in 0..1000i64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut on_disk = PartitionLog::open(folder.path(), recovery()).unwrap();
        let mut in_memory = PartitionLog::in_memory(recovery());
        let mut expected = Vec::new();
        let mut next = 0;
        for (index, (count, bytes, reopen)) in batches.into_iter().enumerate() {
            let value = vec![index as u8; bytes];
            let batch = Batch::of(&vec![&value[..]; count]);
            prop_assert_eq!(append(&mut on_disk, &batch, segment_bytes), Ok(next));
            prop_assert_eq!(append(&mut in_memory, &batch, segment_bytes), Ok(next));
            expected.push((next, batch.records));
            next += count as i64;
            if reopen {
                on_disk = PartitionLog::open(folder.path(), recovery()).unwrap();
            }
        }
        let from = from % next;
        let first = expected.partition_point(|(base, _)| *base <= from) - 1;
        for log in [&on_disk, &in_memory] {
            prop_assert_eq!(log.next_offset(), next);
            prop_assert_eq!(&read_all(log, from, bytes_max), &expected[first..]);
        }
        for file in segment_files(folder.path()) {
            prop_assert!(fs::metadata(file).unwrap().len() <= segment_bytes);
        }
    }

    /// Whatever the last write left behind: the batches before it are there, and the log goes on.
    #[test]
    fn a_torn_tail_is_cut_off(
        whole in 0..6usize,
        last in 1..60usize,
        kept in 0.0..1.0f64,
        spoilt in prop::option::of((0.0..1.0f64, 1..=255u8)),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PartitionLog::open(folder.path(), recovery()).unwrap();
        for n in 0..whole {
            append(&mut log, &Batch::counted(3).sequenced(1, 0, n as i32 * 3), 1 << 20).unwrap();
        }
        let path = segment_files(folder.path()).pop().unwrap();
        let good = fs::metadata(&path).unwrap().len();
        append(&mut log, &Batch::counted(last).sequenced(1, 0, whole as i32 * 3), 1 << 20).unwrap();
        let bytes = fs::metadata(&path).unwrap().len();
        drop(log);

        let file = OpenOptions::new().write(true).read(true).open(&path).unwrap();
        let end = match spoilt {
            // Part of the last batch is there …
            None => {
                let end = good + ((bytes - good) as f64 * kept) as u64;
                file.set_len(end).unwrap();
                end
            }
            // … or all of it, with a byte that never reached the disk.
            Some((at, flip)) => {
                let at = good + ((bytes - good) as f64 * at) as u64;
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).unwrap();
                file.write_all_at(&[byte[0] ^ flip], at).unwrap();
                bytes
            }
        };
        let mut log = PartitionLog::open(folder.path(), recovery()).unwrap();
        // The leader epoch is not under the CRC: a batch with another one is a whole batch.
        let is_whole = spoilt.is_some() && log.next_offset() > whole as i64 * 3;
        if !is_whole {
            prop_assert_eq!(log.next_offset(), whole as i64 * 3);
            prop_assert_eq!(fs::metadata(&path).unwrap().len(), good);
            prop_assert!(end >= good);
            let again = Batch::counted(last).sequenced(1, 0, whole as i32 * 3);
            prop_assert_eq!(append(&mut log, &again, 1 << 20), Ok(whole as i64 * 3));
            prop_assert_eq!(read_all(&log, 0, 1000).len(), whole + 1);
        }
    }
}

/// A folder with three segments of one batch each.
fn three_segments() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let mut log = PartitionLog::open(folder.path(), recovery()).unwrap();
    for _ in 0..3 {
        append(&mut log, &Batch::counted(10), 200).unwrap();
    }
    let files = segment_files(folder.path());
    assert_eq!(files.len(), 3);
    (folder, files)
}

#[test]
fn damage_before_the_tail_is_named_and_nothing_is_cut() {
    let check = |damage: &dyn Fn(&[PathBuf]), damaged: usize, expected: &str| {
        let (folder, files) = three_segments();
        damage(&files);
        let error = PartitionLog::open(folder.path(), recovery()).unwrap_err();
        let BrokerError::Damaged { path, reason, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(
            (path, reason.contains(expected)),
            (&files[damaged], true),
            "{error}"
        );
    };
    let cut = |path: &PathBuf, bytes: u64| {
        OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(bytes)
            .unwrap();
    };
    check(&|files| cut(&files[0], 80), 0, "missing");
    check(
        &|files| cut(&files[1], 0),
        2,
        "the offset is 20, 10 is next",
    );
    check(
        &|files| fs::remove_file(&files[1]).unwrap(),
        2,
        "the offset is 20, 10 is next",
    );
    check(&|files| fs::write(&files[1], [7; 100]).unwrap(), 1, "magic");
}

#[test]
fn foreign_files_in_the_folder_are_left_alone() {
    let (folder, _) = three_segments();
    fs::write(folder.path().join("00000000000000000000.index"), b"java's").unwrap();
    fs::write(folder.path().join("notes.log"), b"mine").unwrap();
    assert_eq!(
        PartitionLog::open(folder.path(), recovery())
            .unwrap()
            .next_offset(),
        30
    );
    assert_eq!(fs::read(folder.path().join("notes.log")).unwrap(), b"mine");
}

fn window(log: &mut PartitionLog, batches: Range<i32>) -> VecDeque<Result<i64, ErrorCode>> {
    let send = |n: i32| {
        let batch = Batch::counted(10).sequenced(9, 2, n * 10);
        append(log, &batch, 1 << 20).map_err(|refusal| refusal.code)
    };
    batches.map(send).collect()
}

#[test]
fn after_a_restart_the_last_batch_of_a_producer_is_known_and_the_window_refills() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = PartitionLog::open(folder.path(), recovery()).unwrap();
    window(&mut log, 0..5);
    assert_eq!(
        window(&mut log, 0..5),
        [Ok(0), Ok(10), Ok(20), Ok(30), Ok(40)]
    );
    let gap = Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    for is_clean in [true, false] {
        let options = RecoveryOptions {
            is_clean,
            ..recovery()
        };
        log = PartitionLog::open(folder.path(), options).unwrap();
        assert_eq!(window(&mut log, 3..5), [gap, Ok(40)]);
    }
    assert_eq!(window(&mut log, 5..6), [Ok(50)]);
    assert_eq!(window(&mut log, 3..6), [gap, Ok(40), Ok(50)]);
    assert_eq!(log.next_offset(), 60);
}

#[test]
fn a_producer_with_old_timestamps_is_forgotten_by_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = PartitionLog::open(folder.path(), recovery()).unwrap();
    for (producer_id, timestamp) in [(1, NOW_MS), (2, NOW_MS - DAY_MS), (3, 0), (4, -1)] {
        let batch = Batch::counted(1).sequenced(producer_id, 0, 0).at(timestamp);
        append(&mut log, &batch, 1 << 20).unwrap();
    }
    assert_eq!(log.producers().len(), 4);
    let log = PartitionLog::open(folder.path(), recovery()).unwrap();
    let known: Vec<_> = log
        .producers()
        .iter()
        .map(|producer| producer.producer_id)
        .collect();
    assert_eq!(known, [1]);
}

#[test]
fn a_batch_larger_than_a_segment_is_refused() {
    let mut log = PartitionLog::in_memory(recovery());
    let refusal = append(&mut log, &Batch::counted(100), 200).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::RECORD_LIST_TOO_LARGE);
    assert_eq!(log.next_offset(), 0);
}

#[test]
fn a_closed_log_takes_nothing() {
    let mut log = PartitionLog::in_memory(recovery());
    log.close(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let refusal = append(&mut log, &Batch::counted(1), 1 << 20).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}
