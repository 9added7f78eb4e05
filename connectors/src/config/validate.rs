//! Parsing one setting and checking it: `ConfigDef.parseType` and the validators, with their
//! messages.

use super::key::{Kind, Setting};
use crate::data::{ConnectError, Result};

/// What a parsed setting must be. The text of each is Java's.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// A number between two others, both included.
    Range {
        min: Option<i64>,
        max: Option<i64>,
    },
    /// One of these.
    OneOf(&'static [&'static str]),
    /// One of these, in upper case, whatever the case of the setting is. In the order of Java's
    /// hash set, for that is how its message lists them.
    OneOfAnyCase(&'static [&'static str]),
    /// A list of different items, none of them empty. Who starts has duplicates taken out first;
    /// who fills in a form is told of them.
    UniqueList {
        may_be_empty: bool,
    },
    /// A list of nothing but these.
    ListOf(&'static [&'static str]),
    NonNull,
    NonEmptyString,
    NonEmptyStringWithoutControlChars,
    /// A list of at most so many.
    ListSize(usize),
    All(&'static [Self]),
    /// A check of the key's owner, and what documentation shows of it.
    Own {
        check: fn(name: &str, setting: &Setting) -> Result<()>,
        shown: &'static str,
    },
}

impl Check {
    pub const fn at_least(min: i64) -> Self {
        Self::Range {
            min: Some(min),
            max: None,
        }
    }

    pub const fn between(min: i64, max: i64) -> Self {
        Self::Range {
            min: Some(min),
            max: Some(max),
        }
    }

    pub fn ensure_valid(&self, name: &str, setting: &Setting) -> Result<()> {
        let refuse = |message: String| Err(invalid(name, setting, &message));
        match (self, setting) {
            (Self::All(checks), _) => {
                return checks
                    .iter()
                    .try_for_each(|check| check.ensure_valid(name, setting));
            }
            (Self::Own { check, .. }, _) => return check(name, setting),
            (Self::Range { .. }, Setting::Null) => {
                return refuse("Value must be non-null".to_owned());
            }
            (Self::Range { min, max }, _) => return ensure_in_range(name, setting, *min, *max),
            (Self::OneOf(choices), _) => {
                let text = setting.as_text();
                if !text.is_some_and(|text| choices.contains(&text)) {
                    return refuse(format!("String must be one of: {}", choices.join(", ")));
                }
            }
            (Self::OneOfAnyCase(choices), _) => {
                let text = setting.as_text().map(str::to_uppercase);
                if !text.is_some_and(|text| choices.contains(&&*text)) {
                    let choices = choices.join(", ");
                    return refuse(format!(
                        "String must be one of (case insensitive): {choices}"
                    ));
                }
            }
            (Self::ListOf(choices), Setting::List(items)) => {
                let one_of = Self::OneOf(choices);
                let valid =
                    |item: &String| one_of.ensure_valid(name, &Setting::String(item.clone()));
                return items.iter().try_for_each(valid);
            }
            (Self::UniqueList { may_be_empty }, _) => {
                return ensure_unique(name, setting, *may_be_empty);
            }
            (Self::NonNull, Setting::Null) => return refuse("entry must be non null".to_owned()),
            (Self::NonEmptyString, Setting::String(text)) if text.is_empty() => {
                return refuse("String must be non-empty".to_owned());
            }
            (Self::NonEmptyStringWithoutControlChars, Setting::String(text)) => {
                return ensure_printable(name, text);
            }
            (Self::ListSize(most), Setting::List(items)) if items.len() > *most => {
                return refuse(format!("exceeds maximum list size of [{most}]."));
            }
            _ => {}
        }
        Ok(())
    }
}

impl std::fmt::Display for Check {
    /// As documentation shows it under "Valid Values".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Range { min, max } => {
                let min = min.map(|min| format!("{min},")).unwrap_or_default();
                let max = max.map(|max| format!(",{max}")).unwrap_or_default();
                write!(f, "[{min}...{max}]")
            }
            Self::OneOf(choices) | Self::ListOf(choices) => write!(f, "[{}]", choices.join(", ")),
            Self::OneOfAnyCase(choices) => write!(f, "(case insensitive) [{}]", choices.join(", ")),
            Self::UniqueList { .. } => Ok(()),
            Self::NonNull => f.write_str("non-null string"),
            Self::NonEmptyString => f.write_str("non-empty string"),
            Self::NonEmptyStringWithoutControlChars => {
                f.write_str("non-empty string without ISO control characters")
            }
            Self::ListSize(most) => write!(f, "List containing maximum of {most} elements"),
            Self::All(checks) => {
                for (index, check) in checks.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{check}")?;
                }
                Ok(())
            }
            Self::Own { shown, .. } => f.write_str(shown),
        }
    }
}

fn ensure_in_range(
    name: &str,
    setting: &Setting,
    min: Option<i64>,
    max: Option<i64>,
) -> Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "Java compares as doubles")]
    let as_double = |number: i64| number as f64;
    let number = match setting {
        Setting::Int(number) => f64::from(*number),
        Setting::Short(number) => f64::from(*number),
        Setting::Long(number) => as_double(*number),
        Setting::Double(number) => *number,
        other => panic!("{name} is checked as a number and is {other:?}"),
    };
    if let Some(min) = min.filter(|&min| number < as_double(min)) {
        let message = format!("Value must be at least {min}");
        return Err(invalid(name, setting, &message));
    }
    if let Some(max) = max.filter(|&max| number > as_double(max)) {
        let message = format!("Value must be no more than {max}");
        return Err(invalid(name, setting, &message));
    }
    Ok(())
}

fn ensure_unique(name: &str, setting: &Setting, may_be_empty: bool) -> Result<()> {
    let Setting::List(items) = setting else {
        return Err(ConnectError::config(format!(
            "Configuration '{name}' values must not be null."
        )));
    };
    if items.is_empty() && !may_be_empty {
        return Err(ConnectError::config(format!(
            "Configuration '{name}' must not be empty. Valid values include: any non-empty value"
        )));
    }
    let is_repeated = |(place, item): (usize, &String)| items[..place].contains(item);
    if items.iter().enumerate().any(is_repeated) {
        return Err(ConnectError::config(format!(
            "Configuration '{name}' values must not be duplicated."
        )));
    }
    if items.iter().any(String::is_empty) {
        return Err(ConnectError::config(format!(
            "Configuration '{name}' values must not be empty."
        )));
    }
    Ok(())
}

fn ensure_printable(name: &str, text: &str) -> Result<()> {
    let setting = Setting::String(text.to_owned());
    if text.is_empty() {
        return Err(invalid(name, &setting, "String may not be empty"));
    }
    let illegal = text.chars().filter(|c| c.is_control());
    let illegal: Vec<String> = illegal.map(|c| u32::from(c).to_string()).collect();
    if illegal.is_empty() {
        return Ok(());
    }
    let message = format!(
        "String may not contain control sequences but had the following ASCII chars: {}",
        illegal.join(", ")
    );
    Err(invalid(name, &setting, &message))
}

/// `ConfigException(name, value, message)`.
pub fn invalid(name: &str, value: &impl std::fmt::Display, message: &str) -> ConnectError {
    ConnectError::config(format!(
        "Invalid value {value} for configuration {name}: {message}"
    ))
}

impl Setting {
    /// A list with the first of each item; anything else as it is.
    pub(super) fn without_duplicates(self) -> Self {
        let Self::List(items) = self else {
            return self;
        };
        let mut unique: Vec<String> = Vec::with_capacity(items.len());
        for item in items {
            if !unique.contains(&item) {
                unique.push(item);
            }
        }
        Self::List(unique)
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Class(text) => Some(text),
            _ => None,
        }
    }

    /// From the text of a configuration; the text is trimmed first, as Java does.
    pub fn parse(name: &str, text: &str, kind: Kind) -> Result<Self> {
        // Java trims all up to and including the space.
        let trimmed = text.trim_matches(|c| c <= ' ');
        let no_number = || {
            let message = format!("Not a number of type {}", kind.as_str());
            invalid(name, &text, &message)
        };
        Ok(match kind {
            Kind::Boolean if trimmed.eq_ignore_ascii_case("true") => Self::Boolean(true),
            Kind::Boolean if trimmed.eq_ignore_ascii_case("false") => Self::Boolean(false),
            Kind::Boolean => {
                let message = "Expected value to be either true or false";
                return Err(invalid(name, &text, message));
            }
            Kind::String => Self::String(trimmed.to_owned()),
            Kind::Class => Self::Class(trimmed.to_owned()),
            Kind::Password => Self::Password(trimmed.to_owned()),
            Kind::Int => Self::Int(trimmed.parse().map_err(|_| no_number())?),
            Kind::Short => Self::Short(trimmed.parse().map_err(|_| no_number())?),
            Kind::Long => Self::Long(trimmed.parse().map_err(|_| no_number())?),
            Kind::Double => Self::Double(parse_double(trimmed).ok_or_else(no_number)?),
            Kind::List if trimmed.is_empty() => Self::List(Vec::new()),
            Kind::List => {
                // Java splits at a comma with the white space around it.
                let item = |item: &str| item.trim_matches(is_white_space).to_owned();
                Self::List(trimmed.split(',').map(item).collect())
            }
        })
    }
}

/// What `\s` means to Java's regular expressions.
fn is_white_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// `Double.parseDouble`, but for hexadecimal ones.
fn parse_double(text: &str) -> Option<f64> {
    let (sign, unsigned) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (if text.starts_with('-') { -1.0 } else { 1.0 }, rest),
        None => (1.0, text),
    };
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(sign * f64::INFINITY),
        _ => {}
    }
    let digits = unsigned
        .strip_suffix(['d', 'D', 'f', 'F'])
        .unwrap_or(unsigned);
    // Rust would also take its own names of what is no number.
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    digits.parse().ok().map(|number: f64| sign * number)
}
