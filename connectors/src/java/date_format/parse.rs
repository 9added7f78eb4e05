//! From text to an instant.

use super::{DAYS, DateFormat, Field, Given, Letter, MONTHS, Piece, calendar, number, zones};

/// The fields read so far.
struct Reader<'a> {
    text: &'a str,
    given: Given,
    /// A two-digit year that may lie in either of two centuries.
    ambiguous: bool,
    century_year: i32,
}

impl DateFormat {
    /// The instant, in milliseconds since 1970, that a prefix of the text says.
    pub fn parse(&self, text: &str) -> Option<i64> {
        let century_year = calendar::Fields::of(self.century_start).year;
        let mut reader = Reader {
            text,
            given: Given::default(),
            ambiguous: false,
            century_year: i32::try_from(century_year).unwrap_or(i32::MAX),
        };
        let mut at = 0;
        for (index, piece) in self.pieces.iter().enumerate() {
            at = match piece {
                Piece::Text(literal) => {
                    let rest = &text[at..];
                    rest.starts_with(literal.as_str())
                        .then_some(at + literal.len())?
                }
                Piece::Letter { letter, count } => {
                    // Only a number right behind bounds the digits of this one.
                    let bounded = matches!(self.pieces.get(index + 1),
                        Some(Piece::Letter { letter, count }) if letter.is_number(*count));
                    reader.read(*letter, *count, at, bounded)?
                }
            };
        }
        // Java takes a text of which nothing was read for one that does not match.
        if at == 0 {
            return None;
        }
        let millis = calendar::resolve(&reader.given);
        if reader.ambiguous && millis < self.century_start {
            reader.given.add_years(100);
            return Some(calendar::resolve(&reader.given));
        }
        Some(millis)
    }
}

impl Reader<'_> {
    /// Reads one field that begins at `start` and says where it ended.
    fn read(&mut self, letter: Letter, count: usize, start: usize, bounded: bool) -> Option<usize> {
        let blanks = self.text[start..]
            .find(|c| c != ' ' && c != '\t')
            .map(|blanks| start + blanks)?;
        match letter {
            // Names begin where the field does: blanks before them are not skipped.
            Letter::Era => self
                .name(start, Field::Era, &[("BC", 0), ("AD", 1)])
                .or_else(|| {
                    self.name(
                        start,
                        Field::Era,
                        &[("Before Christ", 0), ("Anno Domini", 1)],
                    )
                }),
            Letter::AmPm => self.name(start, Field::AmPm, &[("AM", 0), ("PM", 1)]),
            Letter::Month | Letter::StandaloneMonth if count >= 3 => {
                self.listed(start, Field::Month, &MONTHS, 0)
            }
            Letter::DayName => self.listed(start, Field::DayOfWeek, &DAYS, 1),
            Letter::ZoneName | Letter::ZoneNumber => self.zone(start, blanks),
            Letter::IsoZone => self.iso_zone(blanks, count),
            _ => self.number(letter, count, start, blanks, bounded),
        }
    }

    fn name(&mut self, start: usize, field: Field, names: &[(&str, i32)]) -> Option<usize> {
        let (name, value) = names
            .iter()
            .find(|(name, _)| begins(&self.text[start..], name))?;
        self.given.set(field, *value);
        Some(start + name.len())
    }

    /// A name of the list in full, or its first three letters.
    fn listed(
        &mut self,
        start: usize,
        field: Field,
        names: &[&'static str],
        first: i32,
    ) -> Option<usize> {
        let rest = &self.text[start..];
        for short in [false, true] {
            for (value, full) in (first..).zip(names) {
                let name = if short { &full[..3] } else { *full };
                if begins(rest, name) {
                    self.given.set(field, value);
                    return Some(start + name.len());
                }
            }
        }
        None
    }

    fn number(
        &mut self,
        letter: Letter,
        count: usize,
        start: usize,
        blanks: usize,
        bounded: bool,
    ) -> Option<usize> {
        let digits = if bounded {
            let (last, c) = self.text[start..].char_indices().nth(count - 1)?;
            self.text.get(blanks..start + last + c.len_utf8())?
        } else {
            &self.text[blanks..]
        };
        let (value, length) = number::read(digits)?;
        let (field, value) = match letter {
            Letter::Year | Letter::WeekYear => {
                let year = self.year(value, count, &digits[..length]);
                let field = if letter == Letter::Year {
                    Field::Year
                } else {
                    Field::WeekYear
                };
                (field, year)
            }
            Letter::Month | Letter::StandaloneMonth => (Field::Month, value.wrapping_sub(1)),
            Letter::WeekOfYear => (Field::WeekOfYear, value),
            Letter::WeekOfMonth => (Field::WeekOfMonth, value),
            Letter::DayOfYear => (Field::DayOfYear, value),
            Letter::DayOfMonth => (Field::DayOfMonth, value),
            Letter::DayOfWeekInMonth => (Field::DayOfWeekInMonth, value),
            Letter::DayNumber => (Field::DayOfWeek, from_iso_day(value)),
            Letter::HourFromOne if value == 24 => (Field::HourOfDay, 0),
            Letter::Hour | Letter::HourFromOne => (Field::HourOfDay, value),
            Letter::HalfDayHourFromOne if value == 12 => (Field::Hour, 0),
            Letter::HalfDayHour | Letter::HalfDayHourFromOne => (Field::Hour, value),
            Letter::Minute => (Field::Minute, value),
            Letter::Second => (Field::Second, value),
            _ => (Field::Millisecond, value),
        };
        self.given.set(field, value);
        Some(blanks + length)
    }

    /// Two digits for at most two letters are a year of the hundred years around now.
    fn year(&mut self, value: i32, count: usize, digits: &str) -> i32 {
        if count > 2 || digits.chars().count() != 2 || digits.starts_with('-') {
            return value;
        }
        let split = self.century_year % 100;
        self.ambiguous = value == split;
        let next = if value < split { 100 } else { 0 };
        value + self.century_year / 100 * 100 + next
    }

    /// `GMT`, `GMT+1:00`, `+0100`, or a name.
    fn zone(&mut self, start: usize, blanks: usize) -> Option<usize> {
        let (mut at, mut colon) = (blanks, false);
        if begins(&self.text[blanks..], "G") && begins(&self.text[start..], "GMT") {
            (at, colon) = (start + "GMT".len(), true);
            if !self.text[at..].starts_with(['+', '-']) {
                self.set_zone(0);
                return Some(at);
            }
        }
        if self.text[at..].starts_with(['+', '-']) {
            return self.numeric_zone(at, 0, colon);
        }
        let (name, offset) = zones::named(&self.text[blanks..])?;
        if let Some(offset) = offset {
            self.set_zone(offset);
        }
        Some(blanks + name.len())
    }

    /// `Z`, `+01`, `+0100` or `+01:00`, as many letters ask.
    fn iso_zone(&mut self, at: usize, count: usize) -> Option<usize> {
        match self.text[at..].chars().next()? {
            'Z' => {
                self.set_zone(0);
                Some(at + 1)
            }
            '+' | '-' => self.numeric_zone(at, count, count == 3),
            _ => None,
        }
    }

    /// An offset that begins with its sign. `count` is 1 for hours alone and 0 where one digit of
    /// hours will do.
    fn numeric_zone(&mut self, at: usize, count: usize, colon: bool) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let digit = |at: usize| match bytes.get(at) {
            Some(byte) if byte.is_ascii_digit() => Some(i32::from(byte - b'0')),
            _ => None,
        };
        let mut next = at + 1;
        let mut hours = digit(next)?;
        next += 1;
        // The second character of the hours must be there, digit or not.
        bytes.get(next)?;
        if let Some(second) = digit(next) {
            hours = hours * 10 + second;
            next += 1;
        } else if count > 0 || !colon {
            return None;
        }
        if hours > 23 {
            return None;
        }
        let mut minutes = 0;
        if count != 1 {
            if colon {
                (bytes.get(next) == Some(&b':')).then_some(())?;
                next += 1;
            }
            minutes = digit(next)? * 10 + digit(next + 1)?;
            next += 2;
        }
        if minutes > 59 {
            return None;
        }
        let sign = if bytes[at] == b'-' { -1 } else { 1 };
        self.set_zone(sign * (hours * 60 + minutes) * 60_000);
        Some(next)
    }

    fn set_zone(&mut self, offset: i32) {
        self.given.set(Field::ZoneOffset, offset);
    }
}

/// Monday is 1 in the text, Sunday is 1 in the calendar. What is out of range stays as it is.
fn from_iso_day(day: i32) -> i32 {
    match day {
        7 => 1,
        1..=6 => day + 1,
        _ => day,
    }
}

fn begins(text: &str, name: &str) -> bool {
    text.get(..name.len())
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case(name))
}
