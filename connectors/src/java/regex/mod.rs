//! `java.util.regex`: patterns as people write them for Java, translated for a matcher that has
//! what they may use (look-around, back references, possessive quantifiers).
//!
//! What Java takes for an ASCII matter stays one (`\d`, `\w`, `(?i)`), and what it refuses is
//! refused with its message. Canonical equivalence (`(?c)`) and grapheme clusters (`\X`) are not
//! there; a pattern that would take for ever is an error instead.

mod class;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::config::{Check, Setting, invalid};
use crate::data::{ConnectError, ErrorClass, Result};

/// A regular expression that Java would compile.
pub(crate) const CHECK: Check = Check::Own {
    check: |name, setting| {
        let Setting::String(pattern) = setting else {
            // What Java's own library says of a pattern that is not there.
            let message = "Invalid regex: Cannot invoke \"String.isEmpty()\" because \
                           \"this.pattern\" is null";
            return Err(invalid(name, setting, message));
        };
        match Regex::new(pattern) {
            Ok(_) => Ok(()),
            Err(error) => {
                let message = format!("Invalid regex: {error}");
                Err(invalid(name, setting, &message))
            }
        }
    },
    shown: "valid regex",
};

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Regex {
    /// Matches a text as a whole.
    whole: fancy_regex::Regex,
    /// Finds the first place.
    part: fancy_regex::Regex,
    names: HashMap<String, usize>,
    groups: usize,
}

impl Regex {
    /// Compiles a pattern. The error is a `PatternSyntaxException`.
    pub fn new(pattern: &str) -> Result<Self> {
        let parsed = parse::parse(pattern)?;
        let compile = |translated: &str| {
            fancy_regex::Regex::new(translated).map_err(|cause| {
                let message =
                    format!("this regular expression is not supported: {cause}\n{pattern}");
                ConnectError::new(ErrorClass::PatternSyntax, message)
            })
        };
        Ok(Self {
            whole: compile(&format!(r"\A(?:{})\z", parsed.translated))?,
            part: compile(&parsed.translated)?,
            names: parsed.names,
            groups: parsed.groups,
        })
    }

    /// Whether the pattern matches the text from its beginning to its end.
    pub fn matches(&self, text: &str) -> Result<bool> {
        self.whole
            .is_match(text)
            .map_err(|cause| too_long(text, &cause))
    }

    /// `Matcher.replaceFirst`: the first place that matches, which need not be the whole text,
    /// makes way for the replacement, in which `$1`, `${name}` and `\` have a meaning.
    pub fn replace_first(&self, text: &str, replacement: &str) -> Result<String> {
        let found = self
            .part
            .captures(text)
            .map_err(|cause| too_long(text, &cause))?;
        let Some(found) = found else {
            return Ok(text.to_owned());
        };
        let place = found.get(0).expect("group 0 is the match");
        let mut replaced = text[..place.start()].to_owned();
        self.expand(replacement, &found, &mut replaced)?;
        replaced.push_str(&text[place.end()..]);
        Ok(replaced)
    }

    fn expand(
        &self,
        replacement: &str,
        found: &fancy_regex::Captures<'_, str>,
        out: &mut String,
    ) -> Result<()> {
        let mut rest = replacement;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\\' => {
                    let escaped = rest.chars().next();
                    let escaped =
                        escaped.ok_or_else(|| illegal("character to be escaped is missing"))?;
                    out.push(escaped);
                    rest = &rest[escaped.len_utf8()..];
                }
                '$' => {
                    let (group, after) = self.group(rest)?;
                    if group > self.groups {
                        let message = format!("No group {group}");
                        return Err(ConnectError::new(ErrorClass::IndexOutOfBounds, message));
                    }
                    out.push_str(found.get(group).map_or("", |group| group.as_str()));
                    rest = after;
                }
                c => out.push(c),
            }
        }
        Ok(())
    }

    /// The group that a reference names, and what follows the reference.
    fn group<'t>(&self, text: &'t str) -> Result<(usize, &'t str)> {
        let Some(first) = text.chars().next() else {
            return Err(illegal("Illegal group reference: group index is missing"));
        };
        if let Some(text) = text.strip_prefix('{') {
            return self.named_group(text);
        }
        let digit = |byte: &u8| byte.is_ascii_digit().then(|| usize::from(byte - b'0'));
        if !first.is_ascii_digit() {
            return Err(illegal("Illegal group reference"));
        }
        let mut group = 0;
        let mut length = 0;
        // More digits count as long as there is such a group.
        for value in text.as_bytes().iter().map_while(digit) {
            if length > 0 && group * 10 + value > self.groups {
                break;
            }
            group = group * 10 + value;
            length += 1;
        }
        Ok((group, &text[length..]))
    }

    fn named_group<'t>(&self, text: &'t str) -> Result<(usize, &'t str)> {
        let length = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let (name, after) = text.split_at(length);
        if name.is_empty() {
            return Err(illegal("named capturing group has 0 length name"));
        }
        let Some(after) = after.strip_prefix('}') else {
            return Err(illegal("named capturing group is missing trailing '}'"));
        };
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(illegal(&format!(
                "capturing group name {{{name}}} starts with digit character"
            )));
        }
        match self.names.get(name) {
            Some(&group) => Ok((group, after)),
            None => Err(illegal(&format!("No group with name {{{name}}}"))),
        }
    }
}

fn illegal(message: &str) -> ConnectError {
    ConnectError::new(ErrorClass::IllegalArgument, message)
}

fn too_long(text: &str, cause: &fancy_regex::Error) -> ConnectError {
    ConnectError::connect(format!("could not match \"{text}\": {cause}"))
}
