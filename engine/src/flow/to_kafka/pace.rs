//! `--rate`: records or bytes a second, by a debt that time pays off.

use std::time::{Duration, Instant};

use crate::flow::config::Rate;

#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<Rate>,
    /// Nothing new before this.
    free_at: Instant,
    is_waited_for: bool,
}

/// Time that may be saved up while nothing was sent.
const SAVED_MAX: Duration = Duration::from_millis(100);

impl Pace {
    pub(super) fn new(rate: Option<Rate>, now: Instant) -> Self {
        Self {
            rate,
            free_at: now,
            is_waited_for: false,
        }
    }

    /// Whether a batch may be framed now.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let allows = self.rate.is_none() || now >= self.free_at;
        self.is_waited_for = !allows;
        allows
    }

    /// A batch was framed.
    pub(super) fn spend(&mut self, now: Instant, records: u32, bytes: u64) {
        let seconds = match self.rate {
            None => return,
            Some(Rate::Records(rate)) => f64::from(records) / rate,
            #[expect(
                clippy::cast_precision_loss,
                reason = "a batch is far below 2^52 bytes"
            )]
            Some(Rate::Bytes(rate)) => bytes as f64 / rate,
        };
        let earliest = now.checked_sub(SAVED_MAX).unwrap_or(now);
        self.free_at = self.free_at.max(earliest) + Duration::from_secs_f64(seconds);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.is_waited_for.then_some(self.free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_records_at_a_hundred_a_second_take_ten_seconds() {
        let start = Instant::now();
        let mut now = start;
        let mut pace = Pace::new(Some(Rate::Records(100.0)), now);
        for _ in 0..100 {
            while !pace.allows(now) {
                now = pace.poll_timeout().unwrap();
            }
            pace.spend(now, 10, 0);
        }
        let taken = (now - start).as_secs_f64();
        assert!((9.7..=10.0).contains(&taken), "{taken}");
    }
}
