//! What is removed, and what stays.

use super::*;
use crate::log::timestamps::OffsetAndTimestamp;

/// A batch of ten records.
fn batch(timestamp: i64) -> Batch {
    Batch::counted(10).at(timestamp)
}

fn batch_bytes() -> u64 {
    batch(NOW_MS).bytes().len() as u64
}

/// A log of five segments of two batches each, a batch a second.
fn five_segments(log: &mut PartitionLog) {
    for second in 0..10 {
        let rules = keep_all(2 * batch_bytes());
        append_with(log, &batch(NOW_MS + second * 1000), rules).unwrap();
    }
    assert_eq!(log.segments.len(), 5);
}

fn check(rules: impl Fn(LogRules) -> LogRules, now_ms: i64, start_offset: i64) {
    let folder = tempfile::tempdir().unwrap();
    let mut on_disk = PartitionLog::open(folder.path(), recovery()).unwrap();
    let mut in_memory = PartitionLog::in_memory(recovery());
    for log in [&mut on_disk, &mut in_memory] {
        five_segments(log);
        let rules = rules(keep_all(2 * batch_bytes()));
        assert_eq!(log.retain(rules, now_ms), start_offset > 0);
        assert_eq!((log.start_offset(), log.next_offset()), (start_offset, 100));
        // There is nothing more to do.
        assert!(!log.retain(rules, now_ms));
    }
    let segments = segment_files(folder.path());
    assert_eq!(segments.len(), on_disk.segments.len());
    let again = PartitionLog::open(folder.path(), recovery()).unwrap();
    let ends = (again.start_offset(), again.next_offset());
    assert_eq!(ends, (start_offset, 100));
    let read = again.read(start_offset - 1, 1, true).unwrap();
    assert!(matches!(read, Found::OutOfRange));
}

#[test]
fn what_stays_has_at_least_the_bytes_of_retention_bytes() {
    let keep = |batches: u64| {
        move |rules| LogRules {
            retention_bytes: Some(batches * batch_bytes()),
            ..rules
        }
    };
    check(keep(10), NOW_MS, 0);
    check(keep(9), NOW_MS, 0);
    check(keep(8), NOW_MS, 20);
    check(keep(3), NOW_MS, 60);
    check(keep(1), NOW_MS, 80);
    check(keep(0), NOW_MS, 100);
}

#[test]
fn what_is_older_than_retention_ms_goes_by_the_newest_record_of_a_segment() {
    let keep = |ms| {
        move |rules| LogRules {
            retention_ms: Some(ms),
            ..rules
        }
    };
    // The newest of the first segment is at 1 s, of the second at 3 s.
    check(keep(10_000), NOW_MS + 11_000, 0);
    check(keep(10_000), NOW_MS + 11_001, 20);
    check(keep(10_000), NOW_MS + 13_000, 20);
    check(keep(0), NOW_MS + 5001, 60);
    check(keep(0), NOW_MS + 60_000, 100);
}

#[test]
fn nothing_goes_where_cleanup_policy_does_not_say_delete() {
    let compact = |rules| LogRules {
        retention_bytes: Some(0),
        retention_ms: Some(0),
        deletes: false,
        ..rules
    };
    check(compact, NOW_MS + 60_000, 0);
}

#[test]
fn records_without_a_time_are_as_old_as_the_last_write() {
    let mut log = PartitionLog::in_memory(recovery());
    append_with(&mut log, &batch(-1), keep_all(1000)).unwrap();
    let rules = LogRules {
        retention_ms: Some(5000),
        ..keep_all(1000)
    };
    assert!(!log.retain(rules, NOW_MS + 5000));
    assert!(log.retain(rules, NOW_MS + 5001));
    assert_eq!((log.start_offset(), log.next_offset()), (10, 10));
}

#[test]
fn a_segment_is_rolled_by_the_time_between_its_records() {
    let mut log = PartitionLog::in_memory(recovery());
    let rules = LogRules {
        segment_ms: 1000,
        ..keep_all(1 << 20)
    };
    for (at, segments) in [(0, 1), (1000, 1), (1001, 2), (500, 2), (2002, 3)] {
        append_with(&mut log, &batch(NOW_MS + at), rules).unwrap();
        assert_eq!(log.segments.len(), segments, "{at}");
    }
}

#[test]
fn deleted_records_are_not_read_and_their_segments_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = PartitionLog::open(folder.path(), recovery()).unwrap();
    five_segments(&mut log);
    let rules = keep_all(2 * batch_bytes());
    let mut delete = |offset, start, segments| {
        assert_eq!(log.delete_records(offset, rules).unwrap(), start);
        assert_eq!(segment_files(folder.path()).len(), segments);
    };
    delete(0, 0, 5);
    delete(19, 19, 5);
    delete(20, 20, 4);
    // It never goes back.
    delete(3, 20, 4);
    delete(55, 55, 3);
    delete(-1, 100, 1);
    let error = log.delete_records(101, rules).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OFFSET_OUT_OF_RANGE);
    let rules = LogRules {
        deletes: false,
        ..rules
    };
    let error = log.delete_records(100, rules).unwrap_err();
    assert_eq!(error.code(), ErrorCode::POLICY_VIOLATION);
    let mut again = PartitionLog::open(folder.path(), recovery()).unwrap();
    assert_eq!((again.start_offset(), again.next_offset()), (100, 100));
    let appended = append_with(&mut again, &batch(NOW_MS), keep_all(1 << 20));
    assert_eq!(appended.unwrap(), 100);
}

#[test]
fn times_are_looked_for_behind_the_start_only() {
    let mut log = PartitionLog::in_memory(recovery());
    let ages = [(0, 50), (10, 90), (20, 30), (30, 40)];
    for (_, time) in ages {
        append_with(&mut log, &batch(NOW_MS + time), keep_all(1 << 20)).unwrap();
    }
    let at = |offset, time| {
        Some(OffsetAndTimestamp {
            offset,
            timestamp: NOW_MS + time,
        })
    };
    assert_eq!(log.newest().unwrap(), at(10, 90));
    assert_eq!(log.first_since(NOW_MS).unwrap(), at(0, 50));
    log.delete_records(14, keep_all(1 << 20)).unwrap();
    assert_eq!(log.newest().unwrap(), at(14, 90));
    assert_eq!(log.first_since(NOW_MS).unwrap(), at(14, 90));
    log.delete_records(25, keep_all(1 << 20)).unwrap();
    assert_eq!(log.newest().unwrap(), at(30, 40));
    assert_eq!(log.first_since(NOW_MS).unwrap(), at(25, 30));
    assert_eq!(log.first_since(NOW_MS + 50).unwrap(), None);
}

fn known(log: &PartitionLog) -> Vec<i64> {
    let producers = log.producers();
    producers.iter().map(|known| known.producer_id).collect()
}

/// As Apache's: measured for deletion; its snapshots keep who is hit by retention.
#[test]
fn after_a_restart_retention_leaves_producers_known_and_deletion_does_not() {
    for (deletes, expected) in [(false, vec![1, 2]), (true, vec![])] {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PartitionLog::open(folder.path(), recovery()).unwrap();
        for id in [1, 2] {
            let batch = batch(NOW_MS).sequenced(id, 3, 0);
            append_with(&mut log, &batch, keep_all(batch_bytes())).unwrap();
        }
        let rules = LogRules {
            retention_bytes: Some(0),
            ..keep_all(1000)
        };
        if deletes {
            log.delete_records(-1, rules).unwrap();
        } else {
            log.retain(rules, NOW_MS);
        }
        assert_eq!(known(&log), [1, 2]);
        let mut again = PartitionLog::open(folder.path(), recovery()).unwrap();
        assert_eq!((known(&again), again.next_offset()), (expected, 20));
        let gap = batch(NOW_MS).sequenced(2, 3, 50);
        let appended = append_with(&mut again, &gap, keep_all(1000));
        assert_eq!(appended.is_ok(), deletes);
    }
}

#[test]
fn an_end_that_is_cut_off_takes_its_epochs_and_producers_along() {
    let folder = tempfile::tempdir().unwrap();
    let mut on_disk = PartitionLog::open(folder.path(), recovery()).unwrap();
    let mut in_memory = PartitionLog::in_memory(recovery());
    for log in [&mut on_disk, &mut in_memory] {
        for epoch in 5..10 {
            log.lead(epoch);
            let batch = batch(NOW_MS).sequenced(i64::from(epoch), 0, 0);
            append_with(log, &batch, keep_all(2 * batch_bytes())).unwrap();
        }
        // In the middle of a batch: the whole of it goes.
        log.truncate(34, NOW_MS).unwrap();
        assert_eq!((log.next_offset(), log.segments.len()), (30, 2));
        assert_eq!(known(log), [5, 6, 7]);
        log.lead(10);
        let ended = log.end_of_epoch(8).unwrap();
        assert_eq!((ended.epoch, ended.end_offset), (7, 30));
        assert_eq!(append_with(log, &batch(NOW_MS), keep_all(1 << 20)), Ok(30));
        assert_eq!((log.epoch_of(29), log.epoch_of(30)), (Some(7), Some(10)));
    }
    let options = RecoveryOptions {
        leader_epoch: 11,
        ..recovery()
    };
    let again = PartitionLog::open(folder.path(), options).unwrap();
    assert_eq!((again.next_offset(), again.epoch_of(30)), (40, Some(10)));
    let ended = again.end_of_epoch(9).unwrap();
    assert_eq!((ended.epoch, ended.end_offset), (7, 30));
}
