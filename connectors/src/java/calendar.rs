//! Days, months and years of a time, in UTC, as `java.util.GregorianCalendar` counts them.
//!
//! Before 15 October 1582 it counts by the Julian calendar.

use std::fmt;

const MILLIS_PER_DAY: i64 = 24 * 60 * 60 * 1000;
/// 15 October 1582 in days since 1970: the first day of the Gregorian calendar.
const CUTOVER: i64 = -141_427;

/// A time taken apart. Year 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    /// From 1.
    pub month: u32,
    /// From 1.
    pub day: u32,
    /// From 0, which is Sunday.
    pub weekday: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub millisecond: u32,
}

impl Civil {
    /// Of milliseconds since 1970.
    pub fn from_millis(millis: i64) -> Self {
        let days = millis.div_euclid(MILLIS_PER_DAY);
        let rest = small(millis.rem_euclid(MILLIS_PER_DAY));
        let (year, month, day) = if days >= CUTOVER {
            gregorian(days)
        } else {
            julian(days)
        };
        Self {
            year,
            month,
            day,
            weekday: small((days + 4).rem_euclid(7)),
            hour: rest / 3_600_000,
            minute: rest / 60_000 % 60,
            second: rest / 1000 % 60,
            millisecond: rest % 1000,
        }
    }
}

fn small(number: i64) -> u32 {
    u32::try_from(number).expect("a remainder of a small divisor is small")
}

/// Years are counted from 1 March, so that the leap day is the last of its year.
fn gregorian(days: i64) -> (i64, u32, u32) {
    // Days since 1 March of the year 0; eras of 400 years.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    from_march(era * 400 + year_of_era, of_year)
}

fn julian(days: i64) -> (i64, u32, u32) {
    // The Julian 1 March of the year 0 came two days before the Gregorian one.
    let shifted = days + 719_470;
    let era = shifted.div_euclid(1461);
    let of_era = shifted.rem_euclid(1461);
    let year_of_era = (of_era - of_era / 1460) / 365;
    from_march(era * 4 + year_of_era, of_era - 365 * year_of_era)
}

fn from_march(year: i64, of_year: i64) -> (i64, u32, u32) {
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = if month <= 2 { year + 1 } else { year };
    (year, small(month), small(day))
}

/// `java.util.Date.toString`, in UTC.
#[derive(Debug, Clone, Copy)]
pub struct DateText(pub i64);

impl fmt::Display for DateText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let civil = Civil::from_millis(self.0);
        let (weekday, month) = (
            DAYS[civil.weekday as usize],
            MONTHS[civil.month as usize - 1],
        );
        let year = if civil.year > 0 {
            civil.year
        } else {
            1 - civil.year
        };
        let Civil {
            day,
            hour,
            minute,
            second,
            ..
        } = civil;
        write!(
            f,
            "{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}"
        )
    }
}
