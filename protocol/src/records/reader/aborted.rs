//! Which batches belong to transactions that were aborted: what a consumer at `read_committed`
//! passes over.

use std::collections::HashSet;

use super::{Batch, ControlKind};
use crate::records::DecodeError;

/// The aborted transactions of one Fetch response's partition. A transaction's records reach from
/// its first offset to its producer's next abort marker; of one producer, one transaction is open
/// at a time.
#[derive(Debug, Clone, Default)]
pub struct AbortedRanges {
    /// First offset and producer id, the last first.
    coming: Vec<(i64, i64)>,
    /// The producers inside an aborted transaction.
    open: HashSet<i64>,
}

impl AbortedRanges {
    /// From the response's pairs of producer id and first offset, in any order.
    pub fn new(aborted: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut coming: Vec<_> = aborted.into_iter().map(|(id, first)| (first, id)).collect();
        coming.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            coming,
            open: HashSet::new(),
        }
    }

    /// Whether the batch's records belong to an aborted transaction. Asked for every batch of the
    /// response, in order, control batches too: they are where transactions end.
    pub fn is_aborted(&mut self, batch: &Batch<'_>) -> Result<bool, DecodeError> {
        let header = batch.header();
        while let Some((_, producer_id)) = self
            .coming
            .pop_if(|(first_offset, _)| *first_offset <= header.last_offset())
        {
            self.open.insert(producer_id);
        }
        if let Some(control) = batch.control()? {
            if control.kind == ControlKind::Abort {
                self.open.remove(&header.producer_id);
            }
            return Ok(false);
        }
        Ok(header.attributes.is_transactional() && self.open.contains(&header.producer_id))
    }
}
