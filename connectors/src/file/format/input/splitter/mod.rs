//! Where records end.
//!
//! * The records are those of the bytes, however they are cut into windows, and finding them takes
//!   time in proportion to the bytes: what was searched is not searched again.
//! * The rules for lines are those of split mode (`protocol::records::kernel`): an empty line is an
//!   empty record, the input's end ends a last line (no bytes are no line), and with `strip_cr` one
//!   carriage return right before either goes.
//! * A record beyond the limit takes no memory: it is passed over window by window, then reported.

use std::ops::Range;

use memchr::memmem::Finder;
use thiserror::Error;

use super::length::{Length, LengthPrefix};

/// How records stand in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grammar {
    /// Each ends in a delimiter of one or more bytes, or with the file.
    Lines { delimiter: Vec<u8>, strip_cr: bool },
    /// Each begins with its length.
    LengthPrefixed(LengthPrefix),
    /// A file is a record; an empty file is none.
    WholeFile,
    /// A JSON object a line. Empty lines are none.
    Envelope,
}

/// What JSON makes of a record at its worst: `\u0000` for each byte, and the fields around it.
const ENVELOPE_RATIO: usize = 6;
const ENVELOPE_SLACK: usize = 64 << 10;

impl Grammar {
    pub fn lines(delimiter: &[u8]) -> Self {
        Self::Lines {
            delimiter: delimiter.to_vec(),
            strip_cr: false,
        }
    }

    /// How large a window may have to become where records have at most `record_bytes_max`.
    pub fn window_bytes_max(&self, record_bytes_max: usize) -> usize {
        let around = match self {
            // A carriage return and the delimiter.
            Self::Lines { delimiter, .. } => 1 + delimiter.len(),
            Self::LengthPrefixed(prefix) => prefix.bytes_max(),
            Self::WholeFile => 1,
            Self::Envelope => 2,
        };
        self.bytes_max(record_bytes_max).saturating_add(around)
    }

    fn bytes_max(&self, record_bytes_max: usize) -> usize {
        match self {
            Self::Envelope => record_bytes_max
                .saturating_mul(ENVELOPE_RATIO)
                .saturating_add(ENVELOPE_SLACK),
            _ => record_bytes_max,
        }
    }
}

/// What stands at the start of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A record. The next window begins `consumed` bytes on.
    Record {
        consumed: usize,
        /// Its bytes in the window, without delimiter or prefix; `None` for a null value.
        value: Option<Range<usize>>,
    },
    /// Not yet a whole record: call again with the same bytes and more behind them, `needed` in all
    /// at least, or with the input's end.
    More { needed: usize },
    /// An empty line where that is no record. The next window begins `consumed` bytes on.
    Skip { consumed: usize },
    /// A part of a record that is too long. The next window begins `consumed` bytes on.
    Pass { consumed: usize },
    /// A record ends here that is longer than the limit.
    TooLong {
        consumed: usize,
        /// How many of its bytes were passed before this window.
        passed: u64,
        /// Its length, without the delimiter.
        bytes: u64,
    },
    /// The input ended, and nothing is left of it. The splitter is ready for another one.
    End,
}

/// Input in which no further records can be found. Positions are the caller's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SplitError {
    #[error("the input ends within a record's length")]
    LengthCutOff,
    #[error("the input ends within a record: {declared} bytes were announced, {there} are there")]
    RecordCutOff { declared: u64, there: usize },
    #[error(
        "a record of {declared} bytes is announced, more than the {max} allowed: is the input \
         length-prefixed in this way?"
    )]
    LengthTooLarge { declared: u64, max: usize },
    #[error("a record's length does not end within 10 bytes: the input is not of varints")]
    LengthEndless,
}

/// Finds the records of one input after the other.
#[derive(Debug, Clone)]
pub struct Splitter {
    rule: Rule,
    bytes_max: usize,
    /// So many bytes of the window hold no delimiter's start.
    searched: usize,
    /// So many bytes of the record at the window's start were passed already.
    passed: u64,
}

#[derive(Debug, Clone)]
enum Rule {
    Byte {
        delimiter: u8,
        strip_cr: bool,
    },
    /// A line feed, and no empty lines.
    Json,
    Bytes {
        finder: Box<Finder<'static>>,
        strip_cr: bool,
    },
    Length(LengthPrefix),
    Whole,
}

impl Splitter {
    /// # Panics
    ///
    /// If a delimiter is empty.
    pub fn new(grammar: Grammar, record_bytes_max: usize) -> Self {
        let bytes_max = grammar.bytes_max(record_bytes_max);
        let rule = match grammar {
            Grammar::Lines {
                delimiter,
                strip_cr,
            } => match delimiter[..] {
                [] => panic!("a delimiter has bytes"),
                [delimiter] => Rule::Byte {
                    delimiter,
                    strip_cr,
                },
                _ => Rule::Bytes {
                    finder: Box::new(Finder::new(&delimiter).into_owned()),
                    strip_cr,
                },
            },
            Grammar::LengthPrefixed(prefix) => Rule::Length(prefix),
            Grammar::WholeFile => Rule::Whole,
            Grammar::Envelope => Rule::Json,
        };
        Self {
            rule,
            bytes_max,
            searched: 0,
            passed: 0,
        }
    }

    /// What stands at the start of `window`, behind which the input ends if `is_end`.
    #[inline]
    pub fn next(&mut self, window: &[u8], is_end: bool) -> Result<Next, SplitError> {
        match &self.rule {
            Rule::Byte {
                delimiter,
                strip_cr,
            } => {
                let found = memchr::memchr(*delimiter, &window[self.searched..]);
                let strip_cr = *strip_cr;
                Ok(self.line(window, is_end, found, 1, strip_cr))
            }
            Rule::Bytes { finder, strip_cr } => {
                let found = finder.find(&window[self.searched..]);
                let (bytes, strip_cr) = (finder.needle().len(), *strip_cr);
                Ok(self.line(window, is_end, found, bytes, strip_cr))
            }
            Rule::Json => {
                let found = memchr::memchr(b'\n', &window[self.searched..]);
                Ok(match self.line(window, is_end, found, 1, true) {
                    Next::Record {
                        consumed,
                        value: Some(Range { start: 0, end: 0 }),
                    } => Next::Skip { consumed },
                    next => next,
                })
            }
            Rule::Length(prefix) => length_prefixed(*prefix, self.bytes_max, window, is_end),
            Rule::Whole => Ok(self.whole(window, is_end)),
        }
    }

    #[inline]
    fn line(
        &mut self,
        window: &[u8],
        is_end: bool,
        found: Option<usize>,
        delimiter_bytes: usize,
        strip_cr: bool,
    ) -> Next {
        let (line_bytes, consumed) = match found {
            Some(index) => {
                let line_bytes = self.searched + index;
                (line_bytes, line_bytes + delimiter_bytes)
            }
            None if !is_end => return self.no_end(window, delimiter_bytes),
            None if window.is_empty() && self.passed == 0 => {
                self.searched = 0;
                return Next::End;
            }
            None => (window.len(), window.len()),
        };
        let strips = strip_cr && window[..line_bytes].ends_with(b"\r");
        let value_bytes = line_bytes - usize::from(strips);
        self.record(value_bytes, consumed)
    }

    #[inline]
    fn record(&mut self, value_bytes: usize, consumed: usize) -> Next {
        self.searched = 0;
        if self.passed == 0 && value_bytes <= self.bytes_max {
            return Next::Record {
                consumed,
                value: Some(0..value_bytes),
            };
        }
        let passed = std::mem::take(&mut self.passed);
        Next::TooLong {
            consumed,
            passed,
            bytes: passed + value_bytes as u64,
        }
    }

    /// The window holds no end of the line.
    fn no_end(&mut self, window: &[u8], delimiter_bytes: usize) -> Next {
        // A delimiter may have begun, and a carriage return before it.
        let kept = delimiter_bytes;
        if self.passed == 0 && window.len() <= self.bytes_max.saturating_add(kept) {
            self.searched = (window.len() + 1).saturating_sub(delimiter_bytes);
            return Next::More {
                needed: window.len() + 1,
            };
        }
        self.pass(window.len(), kept)
    }

    /// Passes over all of the window but its last bytes, of which all but the very first were
    /// not searched to the end.
    fn pass(&mut self, window_bytes: usize, kept: usize) -> Next {
        let consumed = window_bytes.saturating_sub(kept);
        if consumed == 0 {
            return Next::More {
                needed: window_bytes + 1,
            };
        }
        self.searched = usize::from(kept > 0);
        self.passed += consumed as u64;
        Next::Pass { consumed }
    }

    fn whole(&mut self, window: &[u8], is_end: bool) -> Next {
        match (is_end, self.passed) {
            (true, 0) if window.is_empty() => Next::End,
            (true, _) => self.record(window.len(), window.len()),
            (false, 0) if window.len() <= self.bytes_max => Next::More {
                needed: window.len() + 1,
            },
            (false, _) => {
                let next = self.pass(window.len(), 0);
                self.searched = 0;
                next
            }
        }
    }
}

fn length_prefixed(
    prefix: LengthPrefix,
    bytes_max: usize,
    window: &[u8],
    is_end: bool,
) -> Result<Next, SplitError> {
    let (prefix_bytes, value_bytes) = match prefix.read(window) {
        Length::Known {
            prefix_bytes,
            value_bytes,
        } => (prefix_bytes, value_bytes),
        Length::Endless => return Err(SplitError::LengthEndless),
        Length::Needs(_) if is_end && window.is_empty() => return Ok(Next::End),
        Length::Needs(_) if is_end => return Err(SplitError::LengthCutOff),
        Length::Needs(needed) => return Ok(Next::More { needed }),
    };
    let Some(declared) = value_bytes else {
        return Ok(Next::Record {
            consumed: prefix_bytes,
            value: None,
        });
    };
    let value_bytes = usize::try_from(declared)
        .ok()
        .filter(|bytes| *bytes <= bytes_max)
        .ok_or(SplitError::LengthTooLarge {
            declared,
            max: bytes_max,
        })?;
    let end = prefix_bytes + value_bytes;
    let there = window.len() - prefix_bytes;
    match there < value_bytes {
        true if is_end => Err(SplitError::RecordCutOff { declared, there }),
        true => Ok(Next::More { needed: end }),
        false => Ok(Next::Record {
            consumed: end,
            value: Some(prefix_bytes..end),
        }),
    }
}

#[cfg(test)]
mod tests;
