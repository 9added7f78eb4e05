//! What a person sees of a running dump, on stderr: a line every five seconds.

use std::time::{Duration, Instant};

use crate::progress::write_stderr;

const LINE_EVERY: Duration = Duration::from_secs(5);
const MIB: f64 = 1_048_576.0;

/// The counters of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Offsets passed, with or without a record.
    pub(super) offsets: u64,
    /// A write waits for room on the disk.
    pub(super) is_full: bool,
}

/// Shows how far a dump is.
#[derive(Debug)]
pub(super) struct Shown {
    wanted: bool,
    /// Offsets to be passed in this run; none: there is no end.
    offsets_total: Option<u64>,
    line_due: Instant,
    last: (Instant, Counters),
}

impl Shown {
    pub(super) fn start(wanted: bool, now: Instant, offsets_total: Option<u64>) -> Self {
        Self {
            wanted,
            offsets_total,
            line_due: now + LINE_EVERY,
            last: (now, Counters::default()),
        }
    }

    pub(super) fn report(&mut self, now: Instant, counters: &Counters) {
        if self.wanted && now >= self.line_due {
            // Nobody can be told that stderr is gone.
            drop(write_stderr(self.line(now, counters).as_bytes()));
            self.line_due = now + LINE_EVERY;
            self.last = (now, *counters);
        }
    }

    fn line(&self, now: Instant, counters: &Counters) -> String {
        let (then, last) = self.last;
        let seconds = now.duration_since(then).as_secs_f64().max(1e-6);
        let per_second = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        let of = match self.offsets_total {
            Some(total) if total > 0 => {
                let share = 100.0 * counters.offsets as f64 / total as f64;
                format!("{:.1}% of {total} offsets, ", share.min(100.0))
            }
            _ => String::new(),
        };
        format!(
            "{} records written, {of}{:.1} records/sec ({:.2} MB/sec){}\n",
            counters.records,
            per_second(counters.records, last.records),
            per_second(counters.bytes, last.bytes) / MIB,
            if counters.is_full {
                ", waiting for room on the disk"
            } else {
                ""
            }
        )
    }
}

/// The last line, in the shape of a load's.
pub(super) fn final_line(counters: &Counters, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-6);
    let bytes = counters.bytes as f64;
    format!(
        "{} records written, {:.1} records/sec ({:.2} MB/sec), {:.1} MiB in {:.2} s",
        counters.records,
        counters.records as f64 / seconds,
        bytes / seconds / MIB,
        bytes / MIB,
        elapsed.as_secs_f64(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_how_far_and_how_fast() {
        let begun = Instant::now();
        let mut shown = Shown::start(true, begun, Some(2_000));
        shown.last = (begun, Counters::default());
        let counters = Counters {
            records: 500,
            bytes: 5 << 20,
            offsets: 1_000,
            is_full: false,
        };
        let line = shown.line(begun + Duration::from_secs(5), &counters);
        let expected =
            "500 records written, 50.0% of 2000 offsets, 100.0 records/sec (1.00 MB/sec)\n";
        assert_eq!(line, expected);
        let full = Counters {
            is_full: true,
            ..counters
        };
        let line = shown.line(begun + Duration::from_secs(5), &full);
        assert!(line.ends_with("waiting for room on the disk\n"), "{line}");
    }

    #[test]
    fn the_last_line_has_the_shape_of_a_loads() {
        let counters = Counters {
            records: 1_000,
            bytes: 10 << 20,
            ..Counters::default()
        };
        let line = final_line(&counters, Duration::from_secs(2));
        let expected = "1000 records written, 500.0 records/sec (5.00 MB/sec), 10.0 MiB in 2.00 s";
        assert_eq!(line, expected);
        assert!(final_line(&Counters::default(), Duration::ZERO).starts_with("0 records written"));
    }
}
