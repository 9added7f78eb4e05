//! Reads a Java pattern and writes the same for our matcher.
//!
//! The cursor moves as Java's does, because messages tell people where it stood.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::class;
use crate::data::{ConnectError, ErrorClass, Result};

/// What Java calls a line's end, and the end of the text before the last of them.
const LINE_ENDS: &str = r"\n\r\x{85}\x{2028}\x{2029}";
const LAST_LINE_END: &str = r"(?:(?=(?:\r\n|[\r\x{85}\x{2028}\x{2029}])?\z)|(?<!\r)(?=\n\z))";
const NEVER: &str = "(?!)";

#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) translated: String,
    pub(super) names: HashMap<String, usize>,
    pub(super) groups: usize,
}

pub(super) fn parse(pattern: &str) -> Result<Parsed> {
    let mut parser = Parser {
        pattern,
        chars: unquote(&pattern.chars().collect::<Vec<_>>()),
        cursor: 0,
        flags: Flags::default(),
        out: String::new(),
        names: HashMap::new(),
        groups: 0,
    };
    parser.alternatives()?;
    if parser.cursor != parser.chars.len() {
        return Err(match parser.peek() {
            Some(')') => parser.error("Unmatched closing ')'"),
            _ => parser.error("Unexpected internal error"),
        });
    }
    Ok(Parsed {
        translated: parser.out,
        names: parser.names,
        groups: parser.groups,
    })
}

/// What `(?idmsuxU)` turns on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) any_case: bool,
    pub(super) unicode_case: bool,
    pub(super) unicode_classes: bool,
    unix_lines: bool,
    multiline: bool,
    dot_all: bool,
    comments: bool,
}

impl Flags {
    /// Sets a flag by its letter; `false` if there is none of that letter.
    fn set(&mut self, letter: Option<char>, on: bool) -> bool {
        match letter {
            Some('i') => self.any_case = on,
            Some('d') => self.unix_lines = on,
            Some('m') => self.multiline = on,
            Some('s') => self.dot_all = on,
            Some('u') => self.unicode_case = on,
            Some('x') => self.comments = on,
            Some('U') => (self.unicode_classes, self.unicode_case) = (on, on),
            // Canonical equivalence is not looked at.
            Some('c') => {}
            _ => return false,
        }
        true
    }
}

/// What an escape stands for.
pub(super) enum Escape {
    /// A code point, which may be half a surrogate pair.
    Char(u32),
    /// A class of characters, in brackets.
    Class(String),
    /// Something outside classes.
    Other(String),
}

pub(super) struct Parser<'p> {
    pattern: &'p str,
    chars: Vec<char>,
    pub(super) cursor: usize,
    pub(super) flags: Flags,
    out: String,
    names: HashMap<String, usize>,
    groups: usize,
}

/// The cursor.
impl Parser<'_> {
    pub(super) fn at(&self, place: usize) -> Option<char> {
        self.chars.get(place).copied()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.cursor >= self.chars.len()
    }

    fn skip_comments(&mut self) {
        while self.flags.comments {
            match self.at(self.cursor) {
                Some(' ' | '\t'..='\r') => self.cursor += 1,
                Some('#') => {
                    while !matches!(
                        self.at(self.cursor),
                        None | Some('\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
                    ) {
                        self.cursor += 1;
                    }
                }
                _ => return,
            }
        }
    }

    pub(super) fn peek(&mut self) -> Option<char> {
        self.skip_comments();
        self.at(self.cursor)
    }

    pub(super) fn next(&mut self) -> Option<char> {
        self.cursor += 1;
        self.peek()
    }

    /// The character after the cursor, with nothing skipped.
    pub(super) fn next_escaped(&mut self) -> Option<char> {
        self.cursor += 1;
        self.at(self.cursor)
    }

    pub(super) fn read(&mut self) -> Option<char> {
        self.skip_comments();
        let c = self.at(self.cursor);
        self.cursor += 1;
        c
    }

    /// The character after the one under the cursor; the cursor then stands behind it.
    fn skip(&mut self) -> Option<char> {
        let c = self.at(self.cursor + 1);
        self.cursor += 2;
        c
    }

    pub(super) fn unread(&mut self) {
        self.cursor -= 1;
    }

    pub(super) fn error(&self, what: &str) -> ConnectError {
        let index = i64::try_from(self.cursor).unwrap_or(i64::MAX) - 1;
        let mut message = what.to_owned();
        if index >= 0 {
            write!(message, " near index {index}").expect("a string takes any text");
        }
        write!(message, "\n{}", self.pattern).expect("a string takes any text");
        if let Ok(index) = usize::try_from(index)
            && index < self.pattern.encode_utf16().count()
        {
            message.push('\n');
            let before = self.pattern.chars().take(index);
            message.extend(before.map(|c| if c == '\t' { '\t' } else { ' ' }));
            message.push('^');
        }
        ConnectError::new(ErrorClass::PatternSyntax, message)
    }
}

/// Structure.
impl Parser<'_> {
    fn alternatives(&mut self) -> Result<()> {
        loop {
            self.sequence()?;
            if self.peek() != Some('|') {
                return Ok(());
            }
            self.next();
            self.out.push('|');
        }
    }

    fn sequence(&mut self) -> Result<()> {
        while let Some(c) = self.peek() {
            let start = self.out.len();
            match c {
                '|' | ')' => break,
                '(' => {
                    self.group()?;
                    continue;
                }
                '[' => {
                    let flags = self.flags;
                    let class = class::parse(self, true)?;
                    match flags.any_case && flags.unicode_case {
                        true => self.out.extend(["(?i:", &*class, ")"]),
                        false => self.out.push_str(&class),
                    }
                }
                '\\' => self.escaped()?,
                '^' => {
                    self.next();
                    self.out.push_str(match self.flags {
                        Flags {
                            multiline: false, ..
                        } => r"\A",
                        Flags {
                            unix_lines: true, ..
                        } => r"(?:\A|(?<=\n)(?!\z))",
                        _ => r"(?:\A|(?:(?<=[\n\x{85}\x{2028}\x{2029}])|(?<=\r)(?!\n))(?!\z))",
                    });
                }
                '$' => {
                    self.next();
                    let end = self.line_end();
                    self.out.push_str(end);
                }
                '.' => {
                    self.next();
                    match self.flags {
                        Flags { dot_all: true, .. } => self.out.push_str("(?s:.)"),
                        Flags {
                            unix_lines: true, ..
                        } => self.out.push_str(r"[^\n]"),
                        _ => write!(self.out, "[^{LINE_ENDS}]").expect("a string takes any text"),
                    }
                }
                '*' | '+' | '?' => {
                    self.next();
                    return Err(self.error(&format!("Dangling meta character '{c}'")));
                }
                // Nothing stands before it that it could repeat.
                '{' => {
                    self.quantifier(start)?;
                    self.out.truncate(start);
                    continue;
                }
                c => {
                    self.literal(u32::from(c));
                    self.next();
                }
            }
            self.quantifier(start)?;
        }
        Ok(())
    }

    fn line_end(&self) -> &'static str {
        match (self.flags.unix_lines, self.flags.multiline) {
            (true, false) => r"(?=\n?\z)",
            (true, true) => r"(?:(?=\n)|\z)",
            (false, false) => LAST_LINE_END,
            (false, true) => r"(?:(?<!\r)(?=\n)|(?=[\r\x{85}\x{2028}\x{2029}])|\z)",
        }
    }

    fn literal(&mut self, code: u32) {
        let Some(c) = char::from_u32(code) else {
            // Half a pair is never in a text.
            return self.out.push_str(NEVER);
        };
        let flags = self.flags;
        if !flags.any_case || (c.is_ascii() && !c.is_ascii_alphabetic()) {
            push_char(&mut self.out, c);
        } else if flags.unicode_case {
            self.out.push_str("(?i:");
            push_char(&mut self.out, c);
            self.out.push(')');
        } else if c.is_ascii() {
            let (lower, upper) = (c.to_ascii_lowercase(), c.to_ascii_uppercase());
            write!(self.out, "[{lower}{upper}]").expect("a string takes any text");
        } else {
            push_char(&mut self.out, c);
        }
    }

    fn escaped(&mut self) -> Result<()> {
        if let Some(p @ ('p' | 'P')) = self.next_escaped() {
            let class = class::family(self, p == 'P')?;
            self.out.push_str(&class);
            return Ok(());
        }
        self.unread();
        match self.escape(false, false)? {
            Escape::Char(code) => self.literal(code),
            Escape::Class(text) | Escape::Other(text) => self.out.push_str(&text),
        }
        Ok(())
    }

    fn group(&mut self) -> Result<()> {
        let (flags, start) = (self.flags, self.out.len());
        if self.next() == Some('?') {
            match self.skip() {
                Some(':') => self.out.push_str("(?:"),
                Some('=') => self.out.push_str("(?="),
                Some('!') => self.out.push_str("(?!"),
                Some('>') => self.out.push_str("(?>"),
                Some('<') => match self.read() {
                    Some('=') => self.out.push_str("(?<="),
                    Some('!') => self.out.push_str("(?<!"),
                    first => self.named_group(first)?,
                },
                Some('$' | '@') => return Err(self.error("Unknown group type")),
                _ => {
                    self.unread();
                    self.inline_flags();
                    match self.read() {
                        Some(')') => return Ok(()),
                        Some(':') => self.out.push_str("(?:"),
                        _ => return Err(self.error("Unknown inline modifier")),
                    }
                }
            }
        } else {
            self.groups += 1;
            self.out.push('(');
        }
        self.alternatives()?;
        if self.read() != Some(')') {
            return Err(self.error("Unclosed group"));
        }
        self.out.push(')');
        self.flags = flags;
        self.quantifier(start)
    }

    fn named_group(&mut self, first: Option<char>) -> Result<()> {
        let name = self.group_name(first)?;
        if self.names.contains_key(&name) {
            let message = format!("Named capturing group <{name}> is already defined");
            return Err(self.error(&message));
        }
        self.groups += 1;
        self.names.insert(name, self.groups);
        self.out.push('(');
        Ok(())
    }

    fn group_name(&mut self, first: Option<char>) -> Result<String> {
        let Some(first) = first.filter(char::is_ascii_alphabetic) else {
            return Err(self.error("capturing group name does not start with a Latin letter"));
        };
        let mut name = String::from(first);
        loop {
            match self.read() {
                Some(c) if c.is_ascii_alphanumeric() => name.push(c),
                Some('>') => return Ok(name),
                _ => return Err(self.error("named capturing group is missing trailing '>'")),
            }
        }
    }

    fn inline_flags(&mut self) {
        let mut letter = self.peek();
        let mut on = true;
        loop {
            if letter == Some('-') && on {
                on = false;
            } else if !self.flags.set(letter, on) {
                return;
            }
            letter = self.next();
        }
    }

    /// What says how often all from `start` on is repeated, if anything does.
    fn quantifier(&mut self, start: usize) -> Result<()> {
        let times = match self.peek() {
            Some(c @ ('?' | '*' | '+')) => c.to_string(),
            Some('{') => self.counts()?,
            _ => return Ok(()),
        };
        self.out.insert_str(start, "(?:");
        write!(self.out, "){times}").expect("a string takes any text");
        match self.next() {
            Some('?') => {
                self.next();
                self.out.push('?');
            }
            Some('+') => {
                self.next();
                self.out.insert_str(start, "(?>");
                self.out.push(')');
            }
            _ => {}
        }
        Ok(())
    }

    /// `{2}`, `{2,}` or `{2,3}`. The cursor then stands on the last brace.
    fn counts(&mut self) -> Result<String> {
        let mut digit = self.skip();
        if !digit.is_some_and(|c| c.is_ascii_digit()) {
            return Err(self.error("Illegal repetition"));
        }
        let least = self.count(&mut digit)?;
        let mut times = format!("{{{least}");
        let mut most = least;
        if digit == Some(',') {
            digit = self.read();
            if digit == Some('}') {
                self.unread();
                return Ok(times + ",}");
            }
            most = self.count(&mut digit)?;
            write!(times, ",{most}").expect("a string takes any text");
        }
        if digit != Some('}') {
            return Err(self.error("Unclosed counted closure"));
        }
        if most < least {
            return Err(self.error("Illegal repetition range"));
        }
        self.unread();
        Ok(times + "}")
    }

    fn count(&mut self, c: &mut Option<char>) -> Result<i32> {
        let mut count = 0_i32;
        while let Some(digit) = c.and_then(|c| c.to_digit(10)) {
            let next = count
                .checked_mul(10)
                .and_then(|count| count.checked_add_unsigned(digit));
            count = next.ok_or_else(|| self.error("Illegal repetition range"))?;
            *c = self.read();
        }
        Ok(count)
    }
}

/// Escapes.
impl Parser<'_> {
    /// What the backslash under the cursor begins.
    pub(super) fn escape(&mut self, in_class: bool, in_range: bool) -> Result<Escape> {
        let Some(c) = self.skip() else {
            // Java reads past the pattern's end and wonders where it is.
            if in_class {
                return Err(self.error("Unclosed character class"));
            }
            return Err(self.error("Unexpected internal error"));
        };
        let unicode = self.flags.unicode_classes;
        if let Some(class) = class::predefined(c, unicode)
            && !(c == 'v' && in_range)
        {
            return Ok(Escape::Class(class.to_owned()));
        }
        Ok(match c {
            '0' => Escape::Char(self.octal()?),
            'a' => Escape::Char(7),
            'c' => Escape::Char(self.control()?),
            'e' => Escape::Char(27),
            'f' => Escape::Char(12),
            'n' => Escape::Char(10),
            'N' if self.read() == Some('{') => {
                return Err(self.error("Characters by their names are not supported"));
            }
            'N' => return Err(self.error("Illegal character name escape sequence")),
            'r' => Escape::Char(13),
            't' => Escape::Char(9),
            'u' => Escape::Char(self.utf16()?),
            'v' => Escape::Char(11),
            'x' => Escape::Char(self.hexadecimal()?),
            c if !c.is_ascii_alphanumeric() => Escape::Char(u32::from(c)),
            _ if in_class => return Err(self.error("Illegal/unsupported escape sequence")),
            '1'..='9' => Escape::Other(self.back_reference(c)),
            'A' | 'G' => Escape::Other(r"\A".to_owned()),
            'b' => Escape::Other(class::WORD_BOUND.to_owned()),
            'B' => Escape::Other(class::NO_WORD_BOUND.to_owned()),
            'k' => Escape::Other(self.named_reference()?),
            'R' => Escape::Other(r"(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])".to_owned()),
            'Z' if self.flags.unix_lines => Escape::Other(r"(?=\n?\z)".to_owned()),
            'Z' => Escape::Other(LAST_LINE_END.to_owned()),
            'z' => Escape::Other(r"\z".to_owned()),
            _ => return Err(self.error("Illegal/unsupported escape sequence")),
        })
    }

    fn back_reference(&mut self, first: char) -> String {
        let mut group = first as usize - '0' as usize;
        // More digits count as long as there is such a group.
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let longer = group * 10 + digit as usize;
            if longer > self.groups {
                break;
            }
            group = longer;
            self.read();
        }
        self.reference(group)
    }

    fn named_reference(&mut self) -> Result<String> {
        if self.read() != Some('<') {
            let message = "\\k is not followed by '<' for named capturing group";
            return Err(self.error(message));
        }
        let first = self.read();
        let name = self.group_name(first)?;
        match self.names.get(&name) {
            Some(&group) => Ok(self.reference(group)),
            None => {
                let message = format!("named capturing group <{name}> does not exist");
                Err(self.error(&message))
            }
        }
    }

    fn reference(&self, group: usize) -> String {
        if group > self.groups {
            NEVER.to_owned()
        } else if self.flags.any_case {
            format!(r"(?i:\{group})")
        } else {
            format!(r"(?:\{group})")
        }
    }

    fn digit(&mut self, radix: u32) -> Option<u32> {
        let digit = self.read().and_then(|c| c.to_digit(radix));
        if digit.is_none() {
            self.unread();
        }
        digit
    }

    fn octal(&mut self) -> Result<u32> {
        let Some(first) = self.digit(8) else {
            self.cursor += 1;
            return Err(self.error("Illegal octal escape sequence"));
        };
        let mut code = first;
        for _ in 0..if first <= 3 { 2 } else { 1 } {
            match self.digit(8) {
                Some(digit) => code = code * 8 + digit,
                None => break,
            }
        }
        Ok(code)
    }

    fn control(&mut self) -> Result<u32> {
        match self.at(self.cursor) {
            Some(_) => Ok(self.read().map_or(0, u32::from) ^ 64),
            None => Err(self.error("Illegal control escape sequence")),
        }
    }

    fn hexadecimal(&mut self) -> Result<u32> {
        let illegal = "Illegal hexadecimal escape sequence";
        let first = self.read();
        if let Some(high) = first.and_then(|c| c.to_digit(16)) {
            let low = self.read().and_then(|c| c.to_digit(16));
            return low
                .map(|low| high * 16 + low)
                .ok_or_else(|| self.error(illegal));
        }
        let in_braces = first == Some('{') && self.peek().is_some_and(|c| c.is_ascii_hexdigit());
        if !in_braces {
            return Err(self.error(illegal));
        }
        let mut code = 0;
        loop {
            match self.read() {
                Some('}') => return Ok(code),
                Some(c) if c.is_ascii_hexdigit() => {
                    code = code * 16 + c.to_digit(16).unwrap_or(0);
                    if code > 0x10_FFFF {
                        return Err(self.error("Hexadecimal codepoint is too big"));
                    }
                }
                _ => return Err(self.error("Unclosed hexadecimal escape sequence")),
            }
        }
    }

    /// Four digits, and four more if the first four are half a pair.
    fn utf16(&mut self) -> Result<u32> {
        let high = self.utf16_unit()?;
        if (0xD800..0xDC00).contains(&high) {
            let start = self.cursor;
            if self.read() == Some('\\') && self.read() == Some('u') {
                let low = self.utf16_unit()?;
                if (0xDC00..0xE000).contains(&low) {
                    return Ok(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00));
                }
            }
            self.cursor = start;
        }
        Ok(high)
    }

    fn utf16_unit(&mut self) -> Result<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.read().and_then(|c| c.to_digit(16));
            unit =
                unit * 16 + digit.ok_or_else(|| self.error("Illegal Unicode escape sequence"))?;
        }
        Ok(unit)
    }
}

/// A character that stands for itself, in a class or outside.
pub(super) fn push_char(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || (!c.is_ascii() && !c.is_whitespace()) {
        out.push(c);
    } else {
        write!(out, "\\x{{{:x}}}", u32::from(c)).expect("a string takes any text");
    }
}

/// Writes what stands between `\Q` and `\E` with escapes, as Java does before anything else.
fn unquote(chars: &[char]) -> Vec<char> {
    let mut out = Vec::with_capacity(chars.len());
    let mut rest = chars;
    loop {
        match rest {
            ['\\', 'Q', after @ ..] => {
                let end = after.windows(2).position(|pair| pair == ['\\', 'E']);
                let (quoted, left) = match end {
                    Some(end) => (&after[..end], &after[end + 2..]),
                    None => (after, &after[after.len()..]),
                };
                for (place, &c) in quoted.iter().enumerate() {
                    if c.is_ascii_digit() && place == 0 {
                        // It must not become part of a number before it.
                        out.extend(['\\', 'x', '3']);
                    } else if c.is_ascii() && !c.is_ascii_alphanumeric() {
                        out.push('\\');
                    }
                    out.push(c);
                }
                rest = left;
            }
            ['\\', c, after @ ..] => {
                out.extend(['\\', *c]);
                rest = after;
            }
            [c, after @ ..] => {
                out.push(*c);
                rest = after;
            }
            [] => return out,
        }
    }
}
