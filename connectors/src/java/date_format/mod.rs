//! `java.text.SimpleDateFormat` as transforms use it: in UTC, in Java's locale `en`, lenient.
//!
//! A pattern is compiled once. Formatting appends to the caller's string; parsing reads a prefix of
//! the text and ignores what follows, and fields out of range carry over, as in Java.

mod calendar;
mod field;
mod number;
mod parse;
mod write;
mod zones;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use calendar::Fields;
use field::{Field, Given};
pub(crate) use number::digit as decimal_digit;

/// A pattern that Java would refuse. The message is `IllegalArgumentException`'s.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("Illegal pattern character '{0}'")]
    Letter(char),
    #[error("Unterminated quote")]
    Quote,
    #[error("invalid ISO 8601 format: length={0}")]
    IsoZone(usize),
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct DateFormat {
    pattern: String,
    pieces: Vec<Piece>,
    /// Two-digit years lie in the hundred years from here, in milliseconds since 1970.
    century_start: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Letter { letter: Letter, count: usize },
}

/// The letters of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    Era,
    Year,
    WeekYear,
    Month,
    StandaloneMonth,
    WeekOfYear,
    WeekOfMonth,
    DayOfYear,
    DayOfMonth,
    DayOfWeekInMonth,
    DayName,
    DayNumber,
    AmPm,
    /// 0 to 23.
    Hour,
    /// 1 to 24.
    HourFromOne,
    /// 0 to 11.
    HalfDayHour,
    /// 1 to 12.
    HalfDayHourFromOne,
    Minute,
    Second,
    Millisecond,
    ZoneName,
    ZoneNumber,
    IsoZone,
}

impl Letter {
    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'G' => Self::Era,
            'y' => Self::Year,
            'Y' => Self::WeekYear,
            'M' => Self::Month,
            'L' => Self::StandaloneMonth,
            'w' => Self::WeekOfYear,
            'W' => Self::WeekOfMonth,
            'D' => Self::DayOfYear,
            'd' => Self::DayOfMonth,
            'F' => Self::DayOfWeekInMonth,
            'E' => Self::DayName,
            'u' => Self::DayNumber,
            'a' => Self::AmPm,
            'H' => Self::Hour,
            'k' => Self::HourFromOne,
            'K' => Self::HalfDayHour,
            'h' => Self::HalfDayHourFromOne,
            'm' => Self::Minute,
            's' => Self::Second,
            'S' => Self::Millisecond,
            'z' => Self::ZoneName,
            'Z' => Self::ZoneNumber,
            'X' => Self::IsoZone,
            _ => return None,
        })
    }

    /// Whether `count` of this letter are read as a number.
    fn is_number(self, count: usize) -> bool {
        match self {
            Self::Month | Self::StandaloneMonth => count <= 2,
            Self::Era
            | Self::DayName
            | Self::AmPm
            | Self::ZoneName
            | Self::ZoneNumber
            | Self::IsoZone => false,
            _ => true,
        }
    }
}

impl DateFormat {
    /// Compiles a pattern. `now`, in milliseconds since 1970, says which century a two-digit year
    /// is in.
    pub fn new(pattern: &str, now: i64) -> Result<Self, PatternError> {
        Ok(Self {
            pattern: pattern.to_owned(),
            pieces: compile(pattern)?,
            century_start: eighty_years_before(now),
        })
    }

    /// The pattern as it was given.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}

/// The same day eighty years ago.
fn eighty_years_before(now: i64) -> i64 {
    let today = Fields::of(now);
    let narrow = |value: i64| i32::try_from(value).unwrap_or(i32::MAX);
    let mut given = Given::default();
    // 29 February becomes the 28th, in a century year without one.
    given.set(Field::Year, narrow(today.year) - 80);
    given.set(Field::Month, narrow(today.month));
    given.set(Field::DayOfMonth, narrow(today.day));
    given.set(Field::Millisecond, narrow(today.milli_of_day));
    calendar::resolve(&given)
}

fn compile(pattern: &str) -> Result<Vec<Piece>, PatternError> {
    let mut compiler = Compiler::default();
    let mut chars = pattern.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        if c == '\'' {
            compiler.end_run()?;
            if chars.next_if_eq(&'\'').is_some() {
                compiler.text('\'');
            } else {
                quoted = !quoted;
            }
        } else if quoted || !c.is_ascii_alphabetic() {
            compiler.end_run()?;
            compiler.text(c);
        } else {
            compiler.letter(c)?;
        }
    }
    if quoted {
        return Err(PatternError::Quote);
    }
    compiler.end_run()?;
    Ok(compiler.pieces)
}

#[derive(Default)]
struct Compiler {
    pieces: Vec<Piece>,
    run: Option<(Letter, usize)>,
}

impl Compiler {
    fn letter(&mut self, c: char) -> Result<(), PatternError> {
        let letter = Letter::of(c).ok_or(PatternError::Letter(c))?;
        match &mut self.run {
            Some((running, count)) if *running == letter => *count += 1,
            _ => {
                self.end_run()?;
                self.run = Some((letter, 1));
            }
        }
        Ok(())
    }

    fn end_run(&mut self) -> Result<(), PatternError> {
        if let Some((letter, count)) = self.run.take() {
            if letter == Letter::IsoZone && count > 3 {
                return Err(PatternError::IsoZone(count));
            }
            self.pieces.push(Piece::Letter { letter, count });
        }
        Ok(())
    }

    fn text(&mut self, c: char) {
        if let Some(Piece::Text(text)) = self.pieces.last_mut() {
            text.push(c);
        } else {
            self.pieces.push(Piece::Text(c.to_string()));
        }
    }
}

/// A time as `Values` writes it: of the first day (and before it) the time, of a midnight the date,
/// else both.
pub fn iso_text(millis: i64) -> String {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    static FORMATS: LazyLock<[DateFormat; 3]> = LazyLock::new(|| {
        [
            "HH:mm:ss.SSS'Z'",
            "yyyy-MM-dd",
            "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
        ]
        .map(|pattern| DateFormat::new(pattern, 0).expect("the pattern is right"))
    });
    let format = match millis {
        millis if millis < DAY => &FORMATS[0],
        millis if millis % DAY == 0 => &FORMATS[1],
        _ => &FORMATS[2],
    };
    let mut text = String::new();
    format.format(millis, &mut text);
    text
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A month's or day's name, in full or its first three letters.
fn name(full: &'static str, count: usize) -> &'static str {
    if count >= 4 { full } else { &full[..3] }
}
