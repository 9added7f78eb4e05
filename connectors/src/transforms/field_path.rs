//! Paths to a member within members (KIP-821).
//!
//! In version 1 a path is one name. In version 2 names are separated by dots; a name that has dots
//! of its own is wrapped in backticks, and a backtick before a dot within such a name is written ``
//! \` ``.

use super::require;
use crate::config::{Check, Importance, Key};
use crate::data::{ConnectError, ErrorClass, Field, Map, Result, Schema, Struct, Value};

pub(super) const FIELD_SYNTAX_VERSION: Key<String> = Key::new("field.syntax.version")
    .default("V1")
    .check(Check::OneOfAnyCase(&["V1", "V2"]))
    .importance(Importance::High)
    .doc(
        "How fields are named: V1 is the name of one at the top; V2 is a path of names separated \
         by dots, where backticks wrap a name that has dots",
    );

const PURPOSE: &str = "nested field access";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyntaxVersion {
    V1,
    V2,
}

impl SyntaxVersion {
    /// From a setting that has passed its check.
    pub(super) fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("V2") {
            Self::V2
        } else {
            Self::V1
        }
    }
}

/// The names on the way to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    steps: Vec<String>,
}

impl FieldPath {
    pub fn parse(text: &str, version: SyntaxVersion) -> Result<Self> {
        let steps = match version {
            SyntaxVersion::V1 => vec![text.to_owned()],
            SyntaxVersion::V2 => split(text)?,
        };
        Ok(Self { steps })
    }

    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// The last step and those before it. The empty path of version 2 has none, and Java finds out
    /// when it is used.
    fn split_last(&self) -> Result<(&String, &[String])> {
        self.steps.split_last().ok_or_else(|| {
            ConnectError::new(ErrorClass::IllegalArgument, "fromIndex(0) > toIndex(-1)")
        })
    }

    /// The member that the path names in a schema.
    pub(super) fn field_of<'s>(&self, schema: &'s Schema) -> Result<Option<&'s Field>> {
        let (last, before) = self.split_last()?;
        let mut schema = schema;
        for step in before {
            match schema.field(step)? {
                Some(field) => schema = field.schema(),
                None => return Ok(None),
            }
        }
        schema.field(last)
    }

    /// The member's value. On the way defaults count always, at its end only if asked.
    pub(super) fn take_from_struct<'a>(
        &self,
        content: Struct<'a>,
        with_default: bool,
    ) -> Result<Value<'a>> {
        let (last, before) = self.split_last()?;
        let mut content = content;
        for step in before {
            content = match take(content, step, true) {
                Value::Null => return Ok(Value::Null),
                value => require::structure(value, PURPOSE)?,
            };
        }
        Ok(take(content, last, with_default))
    }

    pub(super) fn take_from_map<'a>(&self, map: Map<'a>) -> Result<Value<'a>> {
        let (last, before) = self.split_last()?;
        let mut map = map;
        for step in before {
            map = match map.remove_str(step).unwrap_or_default() {
                Value::Null => return Ok(Value::Null),
                value => require::map(value, PURPOSE)?,
            };
        }
        Ok(map.remove_str(last).unwrap_or_default())
    }
}

fn take<'a>(mut content: Struct<'a>, name: &str, with_default: bool) -> Value<'a> {
    let schema = content.schema().clone();
    let Some(field) = schema.struct_field(name) else {
        return Value::Null;
    };
    match std::mem::take(&mut content.slots_mut()[field.index()]) {
        Value::Null if with_default => field.schema().default_value().cloned().unwrap_or_default(),
        value => value,
    }
}

fn split(path: &str) -> Result<Vec<String>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let Some(quoted) = rest.strip_prefix('`') else {
            let (step, after) = rest.split_once('.').unwrap_or((rest, ""));
            steps.push(step.to_owned());
            rest = after;
            continue;
        };
        let Some((step, after)) = quoted_step(quoted) else {
            let position = path[..path.len() - rest.len()].encode_utf16().count();
            return Err(ConnectError::config(format!(
                "Incomplete backtick pair in path: [{path}], consider adding a backslash before \
                 backtick at position {position} to escape it"
            )));
        };
        steps.push(step);
        rest = after;
    }
    // A dot at the end has an empty name behind it.
    if path.ends_with('.') {
        steps.push(String::new());
    }
    Ok(steps)
}

/// A name up to the backtick that ends it, which stands at the end or before a dot, and what
/// follows that.
fn quoted_step(text: &str) -> Option<(String, &str)> {
    let mut step = String::new();
    let mut start = 0;
    for (at, _) in text.match_indices('`') {
        let is_escaped = text[..at].ends_with('\\');
        let after = &text[at + 1..];
        match after.strip_prefix('.') {
            _ if after.is_empty() && is_escaped => return None,
            None if after.is_empty() => {
                step.push_str(&text[start..at]);
                return Some((step, after));
            }
            Some(rest) if !is_escaped => {
                step.push_str(&text[start..at]);
                return Some((step, rest));
            }
            // An escaped one before a dot stands for itself.
            Some(_) => {
                step.push_str(&text[start..at - 1]);
                step.push('`');
                start = at + 1;
            }
            None => {}
        }
    }
    None
}
