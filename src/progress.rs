//! What a person sees of a running load, on stderr: a bar on a terminal, a line every five seconds
//! elsewhere, nothing when told so. The last line is in the manner of Kafka's producer performance
//! tool, so that what reads that reads ours.
//!
//! Someone polls: [`Progress::report`] is called every [`Progress::interval`] with the counters as
//! they are, and this file decides what is worth showing. It reads no clock.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Between two drawings of the bar.
const BAR_EVERY: Duration = Duration::from_millis(100);
/// Rates are over about this long: short enough to follow a change, long enough not to flicker.
const RATE_OVER: Duration = Duration::from_secs(10);
const SAMPLES_MAX: usize = 20;
const MIB: f64 = 1_048_576.0;

/// The counters of a load, all since its very first start but for the bytes in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Snapshot {
    /// Records acknowledged.
    pub(crate) records: u64,
    /// Bytes of input acknowledged.
    pub(crate) bytes: u64,
    /// `None`: not known before the input ends.
    pub(crate) bytes_total: Option<u64>,
    pub(crate) bytes_in_flight: u64,
    pub(crate) rejects: u64,
    pub(crate) retries: u64,
}

/// Shows how far a load is.
#[derive(Debug)]
pub(crate) struct Progress {
    look: Look,
    rate: Rate,
    line_due: Instant,
}

#[derive(Debug)]
enum Look {
    Bar(ProgressBar),
    Lines,
    Silent,
}

/// The bar that is on the terminal now: log lines must go above it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes a whole line, above the bar if there is one.
pub(crate) fn write_stderr(line: &[u8]) -> io::Result<()> {
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(|| io::stderr().write_all(line)),
        None => io::stderr().write_all(line),
    }
}

impl Progress {
    /// Begins to show; `begun` is where an earlier run of the load had come to.
    pub(crate) fn start(wanted: bool, now: Instant, begun: &Snapshot) -> Self {
        // A dumb terminal cannot go back to the beginning of a line.
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let look = match (wanted, io::stderr().is_terminal() && !is_dumb) {
            (false, _) => Look::Silent,
            (true, false) => Look::Lines,
            (true, true) => Look::Bar(show_bar(begun)),
        };
        Self {
            look,
            rate: Rate::new(now, begun),
            line_due: now + LINE_EVERY,
        }
    }

    /// How often [`Progress::report`] wants to be called.
    pub(crate) fn interval(&self) -> Duration {
        match self.look {
            Look::Bar(_) => BAR_EVERY,
            // Not the whole time between lines: a turn that comes a little early would skip one.
            Look::Lines | Look::Silent => LINE_EVERY / 10,
        }
    }

    pub(crate) fn report(&mut self, now: Instant, snapshot: &Snapshot) {
        self.rate.add(now, snapshot);
        match &self.look {
            Look::Silent => {}
            Look::Bar(bar) => {
                if let Some(bytes_total) = snapshot.bytes_total {
                    bar.set_length(bytes_total);
                }
                bar.set_position(snapshot.bytes);
                bar.set_message(self.rate.bar_text(snapshot));
            }
            Look::Lines => {
                if let Some(line) = self.due_line(now, snapshot) {
                    // Nobody can be told that stderr is gone.
                    drop(write_stderr(line.as_bytes()));
                }
            }
        }
    }

    fn due_line(&mut self, now: Instant, snapshot: &Snapshot) -> Option<String> {
        if now < self.line_due {
            return None;
        }
        // Not `+=`: after a long pause one line is enough.
        self.line_due = now + LINE_EVERY;
        let Snapshot {
            records,
            bytes,
            bytes_total,
            ..
        } = snapshot;
        let rates = self.rate.text(snapshot);
        let done = match *bytes_total {
            Some(total) => format!("{:.1}% of {}", percent(*bytes, total), Bytes(total)),
            None => Bytes(*bytes).to_string(),
        };
        Some(format!("{records} records sent, {done}, {rates}\n"))
    }
}

impl Drop for Progress {
    /// Takes the bar off the terminal: what comes next is the last line, or an error.
    fn drop(&mut self) {
        if let Look::Bar(bar) = &self.look {
            BAR.lock().unwrap_or_else(PoisonError::into_inner).take();
            bar.finish_and_clear();
        }
    }
}

fn show_bar(begun: &Snapshot) -> ProgressBar {
    let template = match begun.bytes_total {
        Some(_) => "{bar:12} {percent:>3}% {wide_msg}",
        None => "{spinner} {wide_msg}",
    };
    let style = ProgressStyle::with_template(template)
        .expect("the template is well-formed")
        .progress_chars("=> ");
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(begun.bytes_total, target).with_style(style);
    bar.set_position(begun.bytes);
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
    bar
}

/// The rate of the last seconds.
#[derive(Debug)]
struct Rate {
    samples: VecDeque<(Instant, u64, u64)>,
}

impl Rate {
    fn new(now: Instant, begun: &Snapshot) -> Self {
        let samples = VecDeque::from([(now, begun.records, begun.bytes)]);
        Self { samples }
    }

    fn add(&mut self, now: Instant, snapshot: &Snapshot) {
        let sample = (now, snapshot.records, snapshot.bytes);
        let apart = RATE_OVER / u32::try_from(SAMPLES_MAX).expect("a small constant");
        // The newest sample moves along until it is far enough from the one before it.
        let newest = self.samples.len() - 1;
        if newest > 0 && now.duration_since(self.samples[newest - 1].0) < apart {
            self.samples[newest] = sample;
            return;
        }
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// Records and bytes in a second.
    fn per_second(&self) -> Option<(f64, f64)> {
        let (oldest, newest) = (self.samples.front()?, self.samples.back()?);
        let seconds = newest.0.duration_since(oldest.0).as_secs_f64();
        let records = newest.1.saturating_sub(oldest.1) as f64;
        let bytes = newest.2.saturating_sub(oldest.2) as f64;
        (seconds > 0.0).then(|| (records / seconds, bytes / seconds))
    }

    fn text(&self, snapshot: &Snapshot) -> String {
        let (records, bytes) = self.per_second().unwrap_or_default();
        let mut text = format!(
            "{records:.1} records/sec ({:.2} MB/sec), {} in flight{}",
            bytes / MIB,
            Bytes(snapshot.bytes_in_flight),
            Mishaps(snapshot)
        );
        if let Some(left) = self.left(snapshot) {
            text.push_str(&format!(", {left} left"));
        }
        text
    }

    /// Shorter, so that it fits beside a bar into 80 columns, and what matters most first.
    fn bar_text(&self, snapshot: &Snapshot) -> String {
        let (records, bytes) = self.per_second().unwrap_or_default();
        let left = self
            .left(snapshot)
            .map(|left| format!("{left} left, "))
            .unwrap_or_default();
        format!(
            "{left}{} rec/s, {:.1} MB/s, {} in flight{}",
            Count(records),
            bytes / MIB,
            Bytes(snapshot.bytes_in_flight),
            Mishaps(snapshot)
        )
    }

    fn left(&self, snapshot: &Snapshot) -> Option<Left> {
        let (_, bytes) = self.per_second()?;
        let left = snapshot.bytes_total?.saturating_sub(snapshot.bytes) as f64;
        (left > 0.0 && bytes > 0.0).then(|| Left(left / bytes))
    }
}

/// What went wrong so far, if anything did.
struct Mishaps<'a>(&'a Snapshot);

impl fmt::Display for Mishaps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, what) in [(self.0.retries, "retries"), (self.0.rejects, "rejects")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// A number of records in four digits or fewer.
struct Count(f64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ..1e3 => write!(f, "{:.0}", self.0),
            1e3..1e6 => write!(f, "{:.1}k", self.0 / 1e3),
            _ => write!(f, "{:.2}M", self.0 / 1e6),
        }
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 100.0;
    }
    100.0 * part as f64 / whole as f64
}

/// The last line. Its head has the shape of the producer performance tool's.
pub(crate) fn final_line(done: &Snapshot, begun: &Snapshot, elapsed: Duration) -> String {
    let records = done.records.saturating_sub(begun.records);
    let bytes = done.bytes.saturating_sub(begun.bytes) as f64;
    // So short a run that the clock did not move still has a rate that can be printed.
    let seconds = elapsed.as_secs_f64().max(1e-6);
    let mut line = format!(
        "{records} records sent, {:.1} records/sec ({:.2} MB/sec), {} in {:.2} s, {} retries, \
         {} rejects",
        records as f64 / seconds,
        bytes / seconds / MIB,
        Bytes(bytes as u64),
        elapsed.as_secs_f64(),
        done.retries.saturating_sub(begun.retries),
        done.rejects,
    );
    if begun.records > 0 {
        line.push_str(&format!("; {} records were sent before", begun.records));
    }
    line
}

/// A number of bytes as a person reads it.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB"];
        let mut value = self.0 as f64;
        let mut unit = "B";
        for larger in units {
            if value < 1024.0 {
                break;
            }
            value /= 1024.0;
            unit = larger;
        }
        if unit == "B" {
            write!(f, "{} B", self.0)
        } else {
            write!(f, "{value:.1} {unit}")
        }
    }
}

/// Seconds as a person counts them.
struct Left(f64);

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.ceil() as u64;
        match seconds {
            0..60 => write!(f, "{seconds} s"),
            60..3600 => write!(f, "{}:{:02} min", seconds / 60, seconds % 60),
            _ => write!(f, "{}:{:02} h", seconds / 3600, seconds % 3600 / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGUN: Snapshot = Snapshot {
        records: 0,
        bytes: 0,
        bytes_total: Some(1_000 << 20),
        bytes_in_flight: 0,
        rejects: 0,
        retries: 0,
    };

    fn lines(now: Instant, begun: &Snapshot) -> Progress {
        Progress {
            look: Look::Lines,
            rate: Rate::new(now, begun),
            line_due: now + LINE_EVERY,
        }
    }

    #[test]
    fn a_line_every_five_seconds() {
        let start = Instant::now();
        let mut progress = lines(start, &BEGUN);
        let mut shown = Vec::new();
        for second in 1..=12_u64 {
            let now = start + Duration::from_secs(second);
            let snapshot = Snapshot {
                records: second * 1_000,
                bytes: second * (10 << 20),
                bytes_in_flight: 4 << 20,
                ..BEGUN
            };
            progress.rate.add(now, &snapshot);
            shown.extend(progress.due_line(now, &snapshot));
        }
        let expected = [
            "5000 records sent, 5.0% of 1000.0 MiB, 1000.0 records/sec (10.00 MB/sec), \
             4.0 MiB in flight, 1:35 min left\n",
            "10000 records sent, 10.0% of 1000.0 MiB, 1000.0 records/sec (10.00 MB/sec), \
             4.0 MiB in flight, 1:30 min left\n",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_resumed_load_does_not_count_the_earlier_run_into_its_rate() {
        let start = Instant::now();
        let begun = Snapshot {
            records: 1_000_000,
            bytes: 500 << 20,
            ..BEGUN
        };
        let mut rate = Rate::new(start, &begun);
        let later = Snapshot {
            records: 1_000_100,
            bytes: 501 << 20,
            rejects: 2,
            retries: 1,
            ..BEGUN
        };
        rate.add(start + Duration::from_secs(1), &later);
        let expected = "100.0 records/sec (1.00 MB/sec), 0 B in flight, 1 retries, 2 rejects, \
                        8:19 min left";
        assert_eq!(rate.text(&later), expected);
        let expected = "8:19 min left, 100 rec/s, 1.0 MB/s, 0 B in flight, 1 retries, 2 rejects";
        assert_eq!(rate.bar_text(&later), expected);
    }

    #[test]
    fn rates_follow_the_last_seconds_and_memory_is_bounded() {
        let start = Instant::now();
        let mut rate = Rate::new(start, &BEGUN);
        let mut snapshot = BEGUN;
        // Fast for a minute, then slow for a minute, polled as a bar does.
        for tick in 1..=1_200_u32 {
            snapshot.records += if tick <= 600 { 1_000 } else { 1 };
            rate.add(start + BAR_EVERY * tick, &snapshot);
            assert!(rate.samples.len() <= SAMPLES_MAX);
        }
        let (records, _) = rate.per_second().unwrap();
        assert!((9.0..11.0).contains(&records), "{records}");
        let over = rate.samples.back().unwrap().0 - rate.samples.front().unwrap().0;
        assert!(over >= RATE_OVER / 2 && over <= RATE_OVER * 2, "{over:?}");
    }

    #[test]
    fn the_last_line_is_in_the_manner_of_kafkas_tool() {
        let done = Snapshot {
            records: 10_000_000,
            bytes: 1_000 << 20,
            ..BEGUN
        };
        let line = final_line(&done, &BEGUN, Duration::from_secs(4));
        let expected = "10000000 records sent, 2500000.0 records/sec (250.00 MB/sec), \
                        1000.0 MiB in 4.00 s, 0 retries, 0 rejects";
        assert_eq!(line, expected);
        let begun = Snapshot {
            records: 9_000_000,
            bytes: 900 << 20,
            ..BEGUN
        };
        let line = final_line(&done, &begun, Duration::from_secs(4));
        assert!(line.starts_with("1000000 records sent, 250000.0 records/sec (25.00 MB/sec), "));
        assert!(
            line.ends_with("; 9000000 records were sent before"),
            "{line}"
        );
    }

    #[test]
    fn no_time_and_no_bytes_have_a_last_line_too() {
        let nothing = Snapshot::default();
        let line = final_line(&nothing, &nothing, Duration::ZERO);
        assert!(
            line.starts_with("0 records sent, 0.0 records/sec (0.00 MB/sec), 0 B"),
            "{line}"
        );
        assert_eq!(percent(0, 0), 100.0);
    }

    #[test]
    fn times_left() {
        let check = |seconds, expected: &str| assert_eq!(Left(seconds).to_string(), expected);
        check(0.2, "1 s");
        check(59.0, "59 s");
        check(61.0, "1:01 min");
        check(3_660.0, "1:01 h");
    }
}
