//! From an instant to text.

use std::fmt::Write as _;

use super::{DAYS, DateFormat, Fields, Letter, MONTHS, Piece, name};

impl DateFormat {
    /// Appends an instant, given in milliseconds since 1970.
    pub fn format(&self, millis: i64, out: &mut String) {
        let fields = Fields::of(millis);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Letter { letter, count } => write_letter(*letter, *count, &fields, out),
            }
        }
    }
}

fn write_letter(letter: Letter, count: usize, fields: &Fields, out: &mut String) {
    let month = usize::try_from(fields.month).expect("a month is 0 to 11");
    let day = usize::try_from(fields.day_of_week - 1).expect("a day of the week is 1 to 7");
    let hour = fields.milli_of_day / 3_600_000;
    let number = match letter {
        Letter::Era => return out.push_str(if fields.before_christ { "BC" } else { "AD" }),
        Letter::Year | Letter::WeekYear => {
            let year = if letter == Letter::Year {
                fields.year
            } else {
                fields.week_year
            };
            // Two letters are the last two digits, and keep the sign.
            if count == 2 { year % 100 } else { year }
        }
        Letter::Month | Letter::StandaloneMonth if count >= 3 => {
            return out.push_str(name(MONTHS[month], count));
        }
        Letter::Month | Letter::StandaloneMonth => fields.month + 1,
        Letter::WeekOfYear => fields.week_of_year,
        Letter::WeekOfMonth => fields.week_of_month,
        Letter::DayOfYear => fields.day_of_year,
        Letter::DayOfMonth => fields.day,
        Letter::DayOfWeekInMonth => fields.day_of_week_in_month,
        Letter::DayName => return out.push_str(name(DAYS[day], count)),
        Letter::DayNumber => (fields.day_of_week + 5) % 7 + 1,
        Letter::AmPm => return out.push_str(if hour < 12 { "AM" } else { "PM" }),
        Letter::Hour => hour,
        Letter::HourFromOne => (hour + 23) % 24 + 1,
        Letter::HalfDayHour => hour % 12,
        Letter::HalfDayHourFromOne => (hour + 11) % 12 + 1,
        Letter::Minute => fields.milli_of_day / 60_000 % 60,
        Letter::Second => fields.milli_of_day / 1_000 % 60,
        Letter::Millisecond => fields.milli_of_day % 1_000,
        Letter::ZoneName if count >= 4 => return out.push_str("Coordinated Universal Time"),
        Letter::ZoneName => return out.push_str("UTC"),
        Letter::ZoneNumber => return out.push_str("+0000"),
        Letter::IsoZone => return out.push('Z'),
    };
    // The sign is no digit: padding counts digits alone.
    if number < 0 {
        out.push('-');
    }
    write!(out, "{:0count$}", number.unsigned_abs()).expect("a string takes any text");
}
