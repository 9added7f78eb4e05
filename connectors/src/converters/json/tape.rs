//! JSON, read once: what stands where.
//!
//! A [`Tape`] has a token for each value and each name, in the order of the text, and is used again
//! for the next text; tokens say where the text lies and copy nothing. A container's token says how
//! many tokens it and its content are.
//!
//! The grammar is the one that Connect has Jackson read: RFC 8259, with leading zeros, and of a
//! text nothing is looked at behind the first value. Its limits hold too: how deep containers nest,
//! how long a number or a name is. What Jackson lets pass and no `str` can hold (half of a
//! surrogate pair, overlong UTF-8) is malformed here.

use std::borrow::Cow;

/// Jackson's `StreamReadConstraints`.
const DEPTH_MAX: usize = 1000;
const NUMBER_MAX: usize = 1000;
const NAME_MAX: usize = 50_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// There was no text.
    Missing,
    Null,
    True,
    False,
    /// A number without point and exponent.
    Whole,
    Number,
    /// Between the quotes, as it is.
    String,
    /// Between the quotes, with escapes.
    Escaped,
    Array,
    Object,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Where its text starts and ends. Of a string that is what lies between the quotes.
    start: u32,
    end: u32,
    /// How many tokens it is, content and all.
    size: u32,
}

/// The text is not JSON, or past a limit.
#[derive(Debug)]
pub(super) struct Malformed;

/// What comes next where a value ended.
enum Next {
    Value,
    Name,
    End,
}

#[derive(Debug, Default)]
pub(super) struct Tape {
    tokens: Vec<Token>,
    /// The containers that are open, as places on the tape.
    open: Vec<u32>,
}

impl Tape {
    /// Reads the first value of `text` from `at` on and answers where it ends. `depth` containers
    /// are open around it.
    pub(super) fn read(&mut self, text: &str, at: usize, depth: usize) -> Result<usize, Malformed> {
        self.tokens.clear();
        self.open.clear();
        if u32::try_from(text.len()).is_err() {
            return Err(Malformed);
        }
        let bytes = text.as_bytes();
        let mut at = skip_blanks(bytes, at);
        if at == bytes.len() && depth == 0 {
            self.push(Kind::Missing, at, at);
            return Ok(at);
        }
        let mut next = Next::Value;
        loop {
            match next {
                Next::Value => {
                    at = skip_blanks(bytes, at);
                    (at, next) = self.value(bytes, at, depth)?;
                }
                Next::Name => {
                    at = skip_blanks(bytes, at);
                    at = self.name(bytes, at)?;
                    next = Next::Value;
                }
                Next::End => {
                    let Some(&open) = self.open.last() else {
                        return Ok(at);
                    };
                    at = skip_blanks(bytes, at);
                    (at, next) = self.behind(bytes, at, open)?;
                }
            }
        }
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.tokens.push(Token {
            kind,
            start: place(start),
            end: place(end),
            size: 1,
        });
    }

    fn value(&mut self, bytes: &[u8], at: usize, depth: usize) -> Result<(usize, Next), Malformed> {
        let first = *bytes.get(at).ok_or(Malformed)?;
        match first {
            b'"' => {
                let (kind, end) = string_end(bytes, at + 1)?;
                self.push(kind, at + 1, end);
                Ok((end + 1, Next::End))
            }
            b'-' | b'0'..=b'9' => {
                let (kind, end) = number_end(bytes, at)?;
                // Behind a number that stands alone only a blank may stand.
                let stands_alone = self.open.is_empty() && depth == 0;
                if stands_alone
                    && !matches!(bytes.get(end), None | Some(b' ' | b'\t' | b'\n' | b'\r'))
                {
                    return Err(Malformed);
                }
                self.push(kind, at, end);
                Ok((end, Next::End))
            }
            b'{' | b'[' => self.container(bytes, at, depth),
            b't' => self.literal(bytes, at, "true", Kind::True),
            b'f' => self.literal(bytes, at, "false", Kind::False),
            b'n' => self.literal(bytes, at, "null", Kind::Null),
            _ => Err(Malformed),
        }
    }

    fn container(
        &mut self,
        bytes: &[u8],
        at: usize,
        depth: usize,
    ) -> Result<(usize, Next), Malformed> {
        if self.open.len() + depth >= DEPTH_MAX {
            return Err(Malformed);
        }
        let (kind, close, next) = match bytes[at] {
            b'{' => (Kind::Object, b'}', Next::Name),
            _ => (Kind::Array, b']', Next::Value),
        };
        let inside = skip_blanks(bytes, at + 1);
        if bytes.get(inside) == Some(&close) {
            self.push(kind, at, inside + 1);
            return Ok((inside + 1, Next::End));
        }
        self.open.push(place(self.tokens.len()));
        self.push(kind, at, at);
        Ok((inside, next))
    }

    fn literal(
        &mut self,
        bytes: &[u8],
        at: usize,
        word: &str,
        kind: Kind,
    ) -> Result<(usize, Next), Malformed> {
        let end = at + word.len();
        if bytes.get(at..end) != Some(word.as_bytes()) {
            return Err(Malformed);
        }
        if bytes.get(end).is_some_and(|&next| goes_on(next)) {
            return Err(Malformed);
        }
        self.push(kind, at, end);
        Ok((end, Next::End))
    }

    fn name(&mut self, bytes: &[u8], at: usize) -> Result<usize, Malformed> {
        if bytes.get(at) != Some(&b'"') {
            return Err(Malformed);
        }
        let (kind, end) = string_end(bytes, at + 1)?;
        if end - at - 1 > NAME_MAX {
            return Err(Malformed);
        }
        self.push(kind, at + 1, end);
        let colon = skip_blanks(bytes, end + 1);
        match bytes.get(colon) {
            Some(b':') => Ok(colon + 1),
            _ => Err(Malformed),
        }
    }

    /// Behind a value of the container `open`.
    fn behind(&mut self, bytes: &[u8], at: usize, open: u32) -> Result<(usize, Next), Malformed> {
        let count = place(self.tokens.len());
        let container = &mut self.tokens[open as usize];
        let is_object = container.kind == Kind::Object;
        match (bytes.get(at), is_object) {
            (Some(b','), true) => Ok((at + 1, Next::Name)),
            (Some(b','), false) => Ok((at + 1, Next::Value)),
            (Some(b'}'), true) | (Some(b']'), false) => {
                container.end = place(at + 1);
                container.size = count - open;
                self.open.pop();
                Ok((at + 1, Next::End))
            }
            _ => Err(Malformed),
        }
    }

    /// The value that was read.
    pub(super) fn root<'t, 'a>(&'t self, text: &'a str) -> Node<'t, 'a> {
        Node {
            tokens: &self.tokens,
            text,
        }
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).expect("the text is not longer than that")
}

/// Whether a word such as `true` would go on with this byte.
fn goes_on(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x7f..)
}

pub(super) fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Where the string that starts at `at` ends: its closing quote.
fn string_end(bytes: &[u8], mut at: usize) -> Result<(Kind, usize), Malformed> {
    let mut kind = Kind::String;
    loop {
        at += plain_length(&bytes[at..]);
        match bytes.get(at) {
            Some(b'"') => return Ok((kind, at)),
            Some(b'\\') => {
                kind = Kind::Escaped;
                at = escape_end(bytes, at)?;
            }
            _ => return Err(Malformed),
        }
    }
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGHS: u64 = ONES << 7;

/// How many bytes from the start are neither quote, backslash nor control character.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let zero_in = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let quote = zero_in(word ^ (ONES * u64::from(b'"')));
        let backslash = zero_in(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let special = quote | backslash | control;
        if special != 0 {
            // The lowest mark is never wrong; borrows go upwards only.
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    let in_rest = rest.iter().position(is_special).unwrap_or(rest.len());
    words.len() * 8 + in_rest
}

/// Behind the escape at `at`.
fn escape_end(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let unit = code_unit(bytes, at + 2).ok_or(Malformed)?;
            match unit {
                0xd800..0xdc00 => {
                    let is_pair = bytes.get(at + 6..at + 8) == Some(b"\\u")
                        && matches!(code_unit(bytes, at + 8), Some(0xdc00..0xe000));
                    if is_pair { Ok(at + 12) } else { Err(Malformed) }
                }
                0xdc00..0xe000 => Err(Malformed),
                _ => Ok(at + 6),
            }
        }
        _ => Err(Malformed),
    }
}

fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |unit, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

fn number_end(bytes: &[u8], start: usize) -> Result<(Kind, usize), Malformed> {
    let digits_end = |at: usize| {
        let more = bytes[at..].iter().position(|byte| !byte.is_ascii_digit());
        more.map_or(bytes.len(), |more| at + more)
    };
    let whole = start + usize::from(bytes[start] == b'-');
    let mut end = digits_end(whole);
    if end == whole {
        return Err(Malformed);
    }
    // Leading zeros do not count.
    let zeros = bytes[whole..end - 1].iter().position(|&byte| byte != b'0');
    let mut digits = end - whole - zeros.unwrap_or(end - 1 - whole);
    let mut kind = Kind::Whole;
    let mut fraction = 0;
    if bytes.get(end) == Some(&b'.') {
        kind = Kind::Number;
        let point = end;
        end = digits_end(point + 1);
        fraction = end - point - 1;
        digits += fraction;
        if fraction == 0 {
            return Err(Malformed);
        }
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        kind = Kind::Number;
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = end + 1 + sign;
        end = digits_end(exponent.min(bytes.len()));
        if end <= exponent || !is_possible(&bytes[exponent - 1..end], fraction) {
            return Err(Malformed);
        }
        digits += end - exponent;
    }
    if digits > NUMBER_MAX {
        return Err(Malformed);
    }
    Ok((kind, end))
}

/// Whether a number with this exponent, before which its sign stands or its `e`, and so many digits
/// behind the point has a scale that a `BigDecimal` can have.
fn is_possible(signed: &[u8], fraction: usize) -> bool {
    let (sign, digits) = (signed[0], &signed[1..]);
    let zeros = digits.iter().position(|&byte| byte != b'0');
    let digits = &digits[zeros.unwrap_or(digits.len())..];
    if digits.len() > 10 {
        return false;
    }
    let exponent = digits
        .iter()
        .fold(0i64, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    let exponent = if sign == b'-' { -exponent } else { exponent };
    let fraction = i64::try_from(fraction).unwrap_or(i64::MAX);
    i32::try_from(exponent).is_ok() && i32::try_from(fraction.saturating_sub(exponent)).is_ok()
}

/// A value on the tape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'t, 'a> {
    /// Its own and those of its content; perhaps more behind.
    tokens: &'t [Token],
    text: &'a str,
}

impl<'t, 'a> Node<'t, 'a> {
    pub(super) fn kind(self) -> Kind {
        self.tokens[0].kind
    }

    /// Where its text starts and ends.
    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.tokens[0].start as usize..self.tokens[0].end as usize
    }

    /// Where it starts, with the quote of a string.
    pub(super) fn start(self) -> usize {
        self.range().start - usize::from(self.is_string())
    }

    /// Its text, of a string what lies between the quotes.
    pub(super) fn text(self) -> &'a str {
        &self.text[self.range()]
    }

    /// What a string says; nothing of what is none.
    pub(super) fn string(self) -> Option<Cow<'a, str>> {
        match self.kind() {
            Kind::String => Some(Cow::Borrowed(self.text())),
            Kind::Escaped => Some(Cow::Owned(unescape(self.text()))),
            _ => None,
        }
    }

    pub(super) fn is_string(self) -> bool {
        matches!(self.kind(), Kind::String | Kind::Escaped)
    }

    pub(super) fn is_named(self, name: &str) -> bool {
        match self.kind() {
            Kind::String => self.text() == name,
            _ => self.string().is_some_and(|text| text == name),
        }
    }

    /// The values in an array.
    pub(super) fn elements(self) -> Elements<'t, 'a> {
        let size = match self.kind() {
            Kind::Array => self.tokens[0].size as usize,
            _ => 1,
        };
        Elements(Self {
            tokens: &self.tokens[1..size],
            text: self.text,
        })
    }

    /// The names and values in an object, those too whose name comes again.
    pub(super) fn members(self) -> Members<'t, 'a> {
        let size = match self.kind() {
            Kind::Object => self.tokens[0].size as usize,
            _ => 1,
        };
        Members(Elements(Self {
            tokens: &self.tokens[1..size],
            text: self.text,
        }))
    }

    /// The last member of this name.
    pub(super) fn get(self, name: &str) -> Option<Self> {
        let named = self.members().filter(|(key, _)| key.is_named(name));
        named.last().map(|(_, value)| value)
    }

    /// What Jackson calls its kind.
    pub(super) fn kind_name(self) -> &'static str {
        match self.kind() {
            Kind::Missing => "MISSING",
            Kind::Null => "NULL",
            Kind::True | Kind::False => "BOOLEAN",
            Kind::Whole | Kind::Number => "NUMBER",
            Kind::String | Kind::Escaped => "STRING",
            Kind::Array => "ARRAY",
            Kind::Object => "OBJECT",
        }
    }
}

#[derive(Debug)]
pub(super) struct Elements<'t, 'a>(Node<'t, 'a>);

impl<'t, 'a> Iterator for Elements<'t, 'a> {
    type Item = Node<'t, 'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let size = self.0.tokens.first()?.size as usize;
        let element = self.0;
        self.0.tokens = &element.tokens[size..];
        Some(element)
    }
}

#[derive(Debug)]
pub(super) struct Members<'t, 'a>(Elements<'t, 'a>);

impl<'t, 'a> Iterator for Members<'t, 'a> {
    type Item = (Node<'t, 'a>, Node<'t, 'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.0.next()?;
        let value = self.0.next().expect("behind a name stands a value");
        Some((name, value))
    }
}

/// The text of a string whose escapes were found to be right.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let bytes = rest.as_bytes();
        let (c, length) = match bytes[at + 1] {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unescape_unicode(bytes, at),
            other => (char::from(other), 2),
        };
        out.push(c);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

fn unescape_unicode(bytes: &[u8], at: usize) -> (char, usize) {
    let unit = |at| code_unit(bytes, at).expect("the escape was checked");
    let first = unit(at + 2);
    let (units, length) = match first {
        0xd800..0xdc00 => ([first, unit(at + 8)], 12),
        _ => ([first, 0], 6),
    };
    let decoded = char::decode_utf16(units).next().and_then(Result::ok);
    (decoded.expect("pairs were checked"), length)
}
