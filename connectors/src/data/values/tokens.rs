//! Header texts cut into tokens: delimiters alone, and what lies between them.

use std::ops::Range;

/// Where we are in a text. Tokens are asked for one ahead and put back.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// A token that was read but not taken.
    next: Option<Range<usize>>,
    /// The token that was taken last, as a token.
    previous: Option<Range<usize>>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            next: None,
            previous: None,
        }
    }

    pub(super) fn original(&self) -> &'a str {
        self.text
    }

    /// Behind the last token that was read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// A place to [`Self::rewind`] to.
    pub(super) fn mark(&self) -> usize {
        self.at - self.next.as_ref().map_or(0, Range::len)
    }

    pub(super) fn rewind(&mut self, mark: usize) {
        self.at = mark;
        self.next = None;
        self.previous = None;
    }

    pub(super) fn has_next(&self) -> bool {
        self.next.is_some() || self.at < self.text.len()
    }

    /// Takes a token.
    pub(super) fn take(&mut self) -> &'a str {
        let token = self.next.take().unwrap_or_else(|| self.read());
        self.previous = Some(token.clone());
        &self.text[token]
    }

    /// The text of the next tokens, if there are so many.
    pub(super) fn take_some(&mut self, count: usize) -> Option<&'a str> {
        let start = self.mark();
        for _ in 0..count {
            if !self.has_next() {
                self.rewind(start);
                return None;
            }
            self.take();
        }
        Some(&self.text[start..self.at])
    }

    fn read(&mut self) -> Range<usize> {
        let start = self.at;
        let mut is_escaped = false;
        for (offset, byte) in self.text.as_bytes()[start..].iter().enumerate() {
            match byte {
                b'\\' => is_escaped = !is_escaped,
                b':' | b',' | b'{' | b'}' | b'[' | b']' | b'"' if !is_escaped => {
                    self.at = start + offset.max(1);
                    return start..self.at;
                }
                _ => is_escaped = false,
            }
        }
        self.at = self.text.len();
        start..self.at
    }

    pub(super) fn previous(&self) -> Option<&'a str> {
        self.previous.clone().map(|token| &self.text[token])
    }

    /// Takes the next token if it is this one but for blanks around it; blank tokens before it are
    /// gone either way.
    pub(super) fn take_if(&mut self, expected: &str) -> bool {
        let mut token = match self.next.take() {
            Some(token) => token,
            None if self.has_next() => self.read(),
            None => return false,
        };
        while is_blank(&self.text[token.clone()]) && self.at < self.text.len() {
            token = self.read();
        }
        let is_it = crate::java::trim(&self.text[token.clone()]) == expected;
        if !is_it {
            self.next = Some(token);
        }
        is_it
    }
}

/// Nothing but spaces and control characters.
pub(super) fn is_blank(text: &str) -> bool {
    crate::java::trim(text).is_empty()
}
