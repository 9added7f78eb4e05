//! Which leader epoch wrote which part of a log.
//!
//! ```text
//! epoch  start offset
//!     0             0      epoch 0 ends where epoch 3 begins
//!     3           500      the newest epoch ends where the log does
//! ```
//!
//! Every batch in the log carries the epoch it was written under, so the list is made by the walk
//! over the headers at start and needs no file of its own: it can be neither torn nor out of step
//! with the records. An epoch that wrote nothing is not in the log, and Apache's list forgets such
//! a one too, as soon as the next begins at the same offset.
//!
//! Invariant: epochs and offsets both grow from entry to entry.

/// An epoch and the offset of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    epoch: i32,
    start_offset: i64,
}

/// An epoch and where it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochEnd {
    pub(crate) epoch: i32,
    pub(crate) end_offset: i64,
}

/// The leader epochs of a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Epochs {
    entries: Vec<Entry>,
}

impl Epochs {
    /// From `start_offset` on, records are of this epoch, unless they were already.
    pub(crate) fn assign(&mut self, epoch: i32, start_offset: i64) {
        if self.latest().is_some_and(|latest| latest >= epoch) {
            return;
        }
        self.entries
            .retain(|entry| entry.start_offset < start_offset);
        self.entries.push(Entry {
            epoch,
            start_offset,
        });
    }

    /// The newest epoch.
    pub(crate) fn latest(&self) -> Option<i32> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// The epoch that the record at this offset was written under.
    pub(crate) fn of_offset(&self, offset: i64) -> Option<i32> {
        let after = self
            .entries
            .partition_point(|entry| entry.start_offset <= offset);
        let at = after.checked_sub(1)?;
        Some(self.entries[at].epoch)
    }

    /// The largest epoch up to `epoch` and where it ended, as Apache's broker answers; none if
    /// `epoch` is newer than any. What is older than all is said to have ended where they begin.
    pub(crate) fn end_of(&self, epoch: i32, log_end: i64) -> Option<EpochEnd> {
        if self.latest() == Some(epoch) {
            return Some(EpochEnd {
                epoch,
                end_offset: log_end,
            });
        }
        let after = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end_offset = self.entries.get(after)?.start_offset;
        let floor = after.checked_sub(1).map(|at| self.entries[at].epoch);
        Some(EpochEnd {
            epoch: floor.unwrap_or(epoch),
            end_offset,
        })
    }

    /// The log begins at `start_offset` now.
    pub(crate) fn truncate_start(&mut self, start_offset: i64) {
        let after = self
            .entries
            .partition_point(|entry| entry.start_offset <= start_offset);
        if let Some(at) = after.checked_sub(1) {
            self.entries.drain(..at);
            self.entries[0].start_offset = start_offset;
        }
    }

    /// The log ends at `end_offset` now.
    pub(crate) fn truncate_end(&mut self, end_offset: i64) {
        self.entries.retain(|entry| entry.start_offset < end_offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> Epochs {
        let mut epochs = Epochs::default();
        for &(epoch, start_offset) in entries {
            epochs.assign(epoch, start_offset);
        }
        epochs
    }

    fn end(epochs: &Epochs, epoch: i32) -> Option<(i32, i64)> {
        let found = epochs.end_of(epoch, 100)?;
        Some((found.epoch, found.end_offset))
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let epochs = epochs(&[(2, 0), (4, 10), (5, 30)]);
        let ends: Vec<_> = (0..=6).map(|epoch| end(&epochs, epoch)).collect();
        let expected = [
            Some((0, 0)),
            Some((1, 0)),
            Some((2, 10)),
            Some((2, 10)),
            Some((4, 30)),
            Some((5, 100)),
            None,
        ];
        assert_eq!(ends, expected);
        assert_eq!(epochs.of_offset(29), Some(4));
        assert_eq!(epochs.of_offset(30), Some(5));
        assert_eq!(Epochs::default().of_offset(0), None);
    }

    #[test]
    fn an_epoch_that_wrote_nothing_is_forgotten() {
        let epochs = epochs(&[(1, 0), (2, 10), (3, 10), (3, 20), (2, 30)]);
        assert_eq!(end(&epochs, 2), Some((1, 10)));
        assert_eq!(end(&epochs, 3), Some((3, 100)));
    }

    #[test]
    fn ends_that_are_cut_off_go_with_their_epochs() {
        let mut epochs = epochs(&[(1, 0), (2, 10), (3, 20)]);
        epochs.truncate_start(15);
        assert_eq!(end(&epochs, 1), Some((1, 15)));
        assert_eq!(end(&epochs, 2), Some((2, 20)));
        epochs.truncate_end(20);
        assert_eq!(epochs.latest(), Some(2));
        assert_eq!(end(&epochs, 3), None);
    }
}
