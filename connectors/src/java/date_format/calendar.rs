//! `java.util.GregorianCalendar` in UTC: days and fields both ways, lenient as its documentation
//! says ("Leniency", "Calendar Fields Resolution").
//!
//! Days are counted from 1 January of the year 1, which is day 1 and a Monday. Before 15 October
//! 1582 the calendar is the Julian one. Weeks begin on Sunday and the first week is the one with 1
//! January, as in Java's locale `en`. Years are astronomical inside this file: 0 is 1 BC.

use super::field::{Field, Given};

const MILLIS_PER_DAY: i64 = 86_400_000;
/// The day number of 1 January 1970.
const EPOCH_DAY: i64 = 719_163;
/// The day number of 15 October 1582, the first day of the Gregorian calendar.
const CUTOVER_DAY: i64 = 577_736;
const CUTOVER_YEAR: i64 = 1582;

/// `Calendar.SUNDAY`, on which weeks begin.
const SUNDAY: i64 = 1;

/// The fields of one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    /// `true` in years before 1.
    pub(super) before_christ: bool,
    /// The year of the era, from 1.
    pub(super) year: i64,
    pub(super) week_year: i64,
    /// From 0.
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) day_of_year: i64,
    /// From 1, Sunday.
    pub(super) day_of_week: i64,
    pub(super) week_of_year: i64,
    pub(super) week_of_month: i64,
    pub(super) day_of_week_in_month: i64,
    pub(super) milli_of_day: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Julian,
    Gregorian,
}

impl System {
    fn of_day(day: i64) -> Self {
        if day >= CUTOVER_DAY {
            Self::Gregorian
        } else {
            Self::Julian
        }
    }

    fn is_leap(self, year: i64) -> bool {
        year.rem_euclid(4) == 0
            && (self == Self::Julian || year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
    }

    /// The day number of the first day of a month (0 to 11).
    fn first_of(self, year: i64, month: i64) -> i64 {
        const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let past = year - 1;
        let leap_days = match self {
            Self::Julian => past.div_euclid(4) - 2,
            Self::Gregorian => past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400),
        };
        let index = usize::try_from(month).expect("months are brought into range first");
        let leap = i64::from(month > 1 && self.is_leap(year));
        365 * past + leap_days + BEFORE[index] + leap + 1
    }

    fn month_length(self, year: i64, month: i64) -> i64 {
        match month {
            1 => 28 + i64::from(self.is_leap(year)),
            3 | 5 | 8 | 10 => 30,
            _ => 31,
        }
    }

    fn year_of(self, day: i64) -> i64 {
        // An estimate that is at most one too low or too high, then put right.
        let mut year = match self {
            Self::Julian => (4 * day + 1468).div_euclid(1461),
            Self::Gregorian => (400 * day).div_euclid(146_097) + 1,
        };
        while self.first_of(year, 0) > day {
            year -= 1;
        }
        while self.first_of(year + 1, 0) <= day {
            year += 1;
        }
        year
    }
}

/// The day of the given week day on or before `day`. Week days out of range wrap.
fn on_or_before(day: i64, day_of_week: i64) -> i64 {
    day - (day - (day_of_week - 1)).rem_euclid(7)
}

/// The Sunday that begins the week of `day`.
fn week_start(day: i64) -> i64 {
    on_or_before(day, SUNDAY)
}

impl Fields {
    /// The fields of an instant, in milliseconds since 1970, UTC.
    pub(super) fn of(millis: i64) -> Self {
        let day = millis.div_euclid(MILLIS_PER_DAY) + EPOCH_DAY;
        let system = System::of_day(day);
        let year = system.year_of(day);
        let month = (0..12)
            .rev()
            .find(|&month| system.first_of(year, month) <= day)
            .expect("a year's day is in one of its months");
        let (first, date) = month_start(system, day, year, month);
        // The year of the change counts its days from a Julian 1 January.
        let new_year = first_of_year(year);
        let next_year = first_of_year(year + 1);
        let in_next_week_year = week_start(day) == week_start(next_year);
        let week_of_year = if in_next_week_year {
            1
        } else {
            (week_start(day) - week_start(new_year)) / 7 + 1
        };
        Self {
            before_christ: year <= 0,
            year: if year > 0 { year } else { 1 - year },
            week_year: year + i64::from(in_next_week_year),
            month,
            day: date,
            day_of_year: day - new_year + 1,
            day_of_week: day.rem_euclid(7) + 1,
            week_of_year,
            week_of_month: (week_start(day) - week_start(first)) / 7 + 1,
            day_of_week_in_month: (day - first) / 7 + 1,
            milli_of_day: millis.rem_euclid(MILLIS_PER_DAY),
        }
    }
}

fn first_of_year(year: i64) -> i64 {
    let system = if year > CUTOVER_YEAR {
        System::Gregorian
    } else {
        System::Julian
    };
    system.first_of(year, 0)
}

/// The day number of a month's first day, and the date of `day` in it. October 1582 began in the
/// old calendar.
fn month_start(system: System, day: i64, year: i64, month: i64) -> (i64, i64) {
    let first = system.first_of(year, month);
    let date = day - first + 1;
    if first < CUTOVER_DAY && system == System::Gregorian {
        return (System::Julian.first_of(year, month), date);
    }
    (first, date)
}

/// Which fields say the day: the most recently given complete group wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayBy {
    DayOfMonth,
    WeekOfMonth,
    DayOfWeekInMonth,
    DayOfYear,
    WeekOfYear,
}

impl DayBy {
    fn choose(given: &Given) -> Self {
        let week_day = given.stamp(Field::DayOfWeek);
        let with_week_day = |field| match (given.stamp(field), week_day) {
            (0, _) | (_, 0) => 0,
            (stamp, week_day) => stamp.max(week_day),
        };
        let mut date = given.stamp(Field::DayOfMonth);
        let mut week_of_month = with_week_day(Field::WeekOfMonth);
        let mut in_month = with_week_day(Field::DayOfWeekInMonth);
        let day_of_year = given.stamp(Field::DayOfYear);
        let mut week_of_year = with_week_day(Field::WeekOfYear);
        let mut best = date
            .max(week_of_month)
            .max(in_month)
            .max(day_of_year)
            .max(week_of_year);
        if best == 0 {
            // No group is complete: a part of one will do.
            week_of_month = given.stamp(Field::WeekOfMonth);
            in_month = given.stamp(Field::DayOfWeekInMonth).max(week_day);
            week_of_year = given.stamp(Field::WeekOfYear);
            best = week_of_month.max(in_month).max(week_of_year);
            if best == 0 {
                date = given.stamp(Field::Month);
                best = date;
            }
        }
        let of_year = given.stamp(Field::WeekOfYear);
        if best == date {
            Self::DayOfMonth
        } else if (best == week_of_month && given.stamp(Field::WeekOfMonth) >= of_year)
            || (best == in_month && given.stamp(Field::DayOfWeekInMonth) >= of_year)
        {
            let by_week = if week_of_month == in_month {
                given.stamp(Field::WeekOfMonth) >= given.stamp(Field::DayOfWeekInMonth)
            } else {
                best == week_of_month
            };
            if by_week {
                Self::WeekOfMonth
            } else {
                Self::DayOfWeekInMonth
            }
        } else if best == day_of_year {
            Self::DayOfYear
        } else {
            Self::WeekOfYear
        }
    }
}

/// The instant that the fields say, in milliseconds since 1970. Nothing is out of range: what is
/// too large carries over.
pub(super) fn resolve(given: &Given) -> i64 {
    let time = time_of_day(given);
    let by_week_year = given.stamp(Field::WeekYear) > given.stamp(Field::Year);
    let day = time.div_euclid(MILLIS_PER_DAY)
        + if by_week_year {
            day_of_week_date(given)
        } else {
            day_of(given, time.div_euclid(MILLIS_PER_DAY))
        };
    let zone = i64::from(given.value(Field::ZoneOffset));
    (day - EPOCH_DAY)
        .wrapping_mul(MILLIS_PER_DAY)
        .wrapping_add(time.rem_euclid(MILLIS_PER_DAY))
        .wrapping_sub(zone)
}

fn time_of_day(given: &Given) -> i64 {
    let value = |field| i64::from(given.value(field));
    let half_day = match (given.stamp(Field::Hour), given.stamp(Field::AmPm)) {
        (0, _) | (_, 0) => 0,
        (hour, half) => hour.max(half),
    };
    let full = given.stamp(Field::HourOfDay);
    let hours = if full.max(half_day) == full && full > 0 {
        value(Field::HourOfDay)
    } else {
        value(Field::Hour) + 12 * value(Field::AmPm)
    };
    ((hours * 60 + value(Field::Minute)) * 60 + value(Field::Second)) * 1000
        + value(Field::Millisecond)
}

/// A date by week year: the days are counted from the first day of its first week.
fn day_of_week_date(given: &Given) -> i64 {
    let year = i64::from(given.value(Field::WeekYear));
    let mut week = match given.stamp(Field::WeekOfYear) {
        0 => 1,
        _ => i64::from(given.value(Field::WeekOfYear)),
    };
    let mut week_day = match given.stamp(Field::DayOfWeek) {
        0 => SUNDAY,
        _ => i64::from(given.value(Field::DayOfWeek)),
    };
    if !(1..=7).contains(&week_day) {
        // Out of range, it was an ISO day (Monday is 1) that nobody has translated yet.
        if week_day >= 8 {
            week_day -= 1;
            week += week_day / 7;
            week_day = week_day % 7 + 1;
        } else {
            week += (week_day - 1).div_euclid(7);
            week_day = (week_day - 1).rem_euclid(7) + 1;
        }
        week_day = week_day % 7 + 1;
    }
    let day = week_start(first_of_year(year)) + 7 * (week - 1) + (week_day - SUNDAY);
    // Java goes through milliseconds, which overflow for absurd years.
    (day - EPOCH_DAY)
        .wrapping_mul(MILLIS_PER_DAY)
        .div_euclid(MILLIS_PER_DAY)
        + EPOCH_DAY
}

fn day_of(given: &Given, carried: i64) -> i64 {
    let mut year = match given.stamp(Field::Year) {
        0 => 1970,
        _ => i64::from(given.value(Field::Year)),
    };
    if given.stamp(Field::Era) > 0 && given.value(Field::Era) == 0 {
        year = wrapped(1 - year);
    }
    let by = DayBy::choose(given);
    let gregorian = || day_in(System::Gregorian, given, by, year);
    let julian = || day_in(System::Julian, given, by, year);
    if year > CUTOVER_YEAR {
        let day = gregorian();
        if day + carried >= CUTOVER_DAY {
            return day;
        }
    }
    let day = julian();
    if year < CUTOVER_YEAR && day + carried < CUTOVER_DAY {
        return day;
    }
    if year < CUTOVER_YEAR || matches!(by, DayBy::DayOfYear | DayBy::WeekOfYear) {
        return day;
    }
    // In the year of the change a date that both calendars put after it is the new calendar's.
    let new_style = gregorian();
    if new_style + carried >= CUTOVER_DAY {
        new_style
    } else {
        day
    }
}

/// Java keeps years in 32 bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "absurd years wrap, as in Java"
)]
fn wrapped(year: i64) -> i64 {
    i64::from(year as i32)
}

/// The day number that the fields name in one calendar.
fn day_in(system: System, given: &Given, by: DayBy, year: i64) -> i64 {
    let value = |field| i64::from(given.value(field));
    let by_month = !matches!(by, DayBy::DayOfYear | DayBy::WeekOfYear);
    let month = if by_month { value(Field::Month) } else { 0 };
    let (year, month) = (wrapped(year + month.div_euclid(12)), month.rem_euclid(12));
    let first = system.first_of(year, month);
    let has_week_day = given.stamp(Field::DayOfWeek) > 0;
    match by {
        DayBy::DayOfMonth if given.stamp(Field::DayOfMonth) > 0 => {
            first + value(Field::DayOfMonth) - 1
        }
        DayBy::DayOfMonth => first,
        DayBy::DayOfYear => first + value(Field::DayOfYear) - 1,
        DayBy::WeekOfMonth | DayBy::WeekOfYear => {
            let mut start = week_start(first);
            if has_week_day {
                start = on_or_before(start + 6, value(Field::DayOfWeek));
            }
            let week = match by {
                DayBy::WeekOfMonth => Field::WeekOfMonth,
                _ => Field::WeekOfYear,
            };
            start + 7 * (value(week) - 1)
        }
        DayBy::DayOfWeekInMonth => {
            let week_day = if has_week_day {
                value(Field::DayOfWeek)
            } else {
                SUNDAY
            };
            let nth = match given.stamp(Field::DayOfWeekInMonth) {
                0 => 1,
                _ => value(Field::DayOfWeekInMonth),
            };
            let last = if nth >= 0 {
                7 * nth
            } else {
                system.month_length(year, month) + 7 * (nth + 1)
            };
            on_or_before(first + last - 1, week_day)
        }
    }
}
