//! A record as it is found in the bytes of an input, and what finds it.
//!
//! The engine moves bytes and does not look inside a record; where an input's records must be looked into
//! (keys, headers, escapes), a [`Grammar`] does, and hands out borrowed bytes.

use std::fmt;
use std::ops::Range;

/// A record, its bytes borrowed from the input or from the grammar's scratch.
#[derive(Debug, Clone, Copy, Default)]
pub struct InputRecord<'a> {
    /// `None` is no key, which is not the same as an empty one.
    pub key: Option<&'a [u8]>,
    /// `None` is a null: a tombstone where the topic is compacted.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
    /// In milliseconds since 1970, if the input says so; else the time of sending.
    pub timestamp: Option<i64>,
    /// The partition that the record was in, if the input says so.
    pub partition: Option<u32>,
}

/// A header that every record gets: name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// UTF-8 by Kafka's rule.
    pub name: Vec<u8>,
    /// It may be missing.
    pub value: Option<Vec<u8>>,
}

/// A header's places in the bytes that it was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRange {
    /// Of its name.
    pub name: Range<usize>,
    /// Of its value.
    pub value: Option<Range<usize>>,
}

/// Headers in order: those that every record gets, then the record's own. A name may occur more than
/// once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    fixed: &'a [Header],
    own: &'a [HeaderRange],
    /// What the ranges are of.
    bytes: &'a [u8],
}

impl<'a> Headers<'a> {
    /// `fixed`, and those that `own` names in `bytes`.
    #[inline]
    pub fn new(fixed: &'a [Header], own: &'a [HeaderRange], bytes: &'a [u8]) -> Self {
        Self { fixed, own, bytes }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.fixed.len() + self.own.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names and values.
    #[inline]
    pub fn iter(&self) -> HeadersIter<'a> {
        HeadersIter {
            headers: *self,
            index: 0,
        }
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);
    type IntoIter = HeadersIter<'a>;

    fn into_iter(self) -> HeadersIter<'a> {
        self.iter()
    }
}

/// Names and values.
#[derive(Debug, Clone)]
pub struct HeadersIter<'a> {
    headers: Headers<'a>,
    index: usize,
}

impl<'a> Iterator for HeadersIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let Headers { fixed, own, bytes } = self.headers;
        let index = self.index;
        self.index += 1;
        if let Some(header) = fixed.get(index) {
            return Some((&header.name, header.value.as_deref()));
        }
        let header = own.get(index - fixed.len())?;
        let value = header.value.clone().map(|value| &bytes[value]);
        Some((&bytes[header.name.clone()], value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.headers.len().saturating_sub(self.index);
        (left, Some(left))
    }
}

impl ExactSizeIterator for HeadersIter<'_> {}

/// What stands at the front of a window.
#[derive(Debug, Clone)]
pub enum Next<'a> {
    /// A record, in the first `bytes` of the window, delimiter included: at least one.
    Record {
        /// How many.
        bytes: usize,
        /// The record.
        record: InputRecord<'a>,
    },
    /// The window ends before the record does: the same bytes are wanted again with more behind them.
    More,
    /// The first `bytes` of the window, at least one, are of a record too long to be kept, and it goes on.
    Pass {
        /// How many.
        bytes: usize,
    },
    /// The first `bytes` of the window, at least one, are of no record: an empty line among envelopes.
    Skip {
        /// How many.
        bytes: usize,
    },
    /// A record ends with the first `bytes` of the window that is refused; its beginning may have been
    /// passed.
    Refused {
        /// How many.
        bytes: usize,
        /// Why, for a person.
        reason: String,
    },
    /// No record can be found any more, from here to the file's end.
    Broken {
        /// Why, for a person.
        reason: String,
    },
}

/// Finds records in the bytes of files. A window begins where a record does, or behind what was passed of
/// it; it is empty only where the file ends behind what was passed. The same bytes give the same records
/// wherever windows end.
pub trait Grammar: Send + fmt::Debug {
    /// What stands at the front of `window`. `is_end`: the file ends behind it, and its last record with
    /// it.
    fn next<'a>(&'a mut self, window: &'a [u8], is_end: bool) -> Next<'a>;

    /// The delimiter, where a record is a line whose bytes are its value and nothing else: then lines are
    /// framed without asking here.
    fn whole_lines(&self) -> Option<u8> {
        None
    }
}
