//! A parsed record's headers: those that every record gets, then its own.

use std::ops::Range;

/// A header that every record gets: name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub name: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// A header's places in the bytes that it was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct HeaderRange {
    pub(in super::super) name: Range<usize>,
    pub(in super::super) value: Option<Range<usize>>,
}

/// Headers in order; a name may occur more than once.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    fixed: &'a [Header],
    own: &'a [HeaderRange],
    /// What the ranges are of.
    bytes: &'a [u8],
}

impl<'a> Headers<'a> {
    pub(in super::super) fn new(
        fixed: &'a [Header],
        own: &'a [HeaderRange],
        bytes: &'a [u8],
    ) -> Self {
        Self { fixed, own, bytes }
    }

    pub fn len(&self) -> usize {
        self.fixed.len() + self.own.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

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
