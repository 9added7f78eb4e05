//! The fields that a text gives, in the order given: later ones win over earlier ones.

/// The fields of `java.util.Calendar` that a pattern's letters set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Era,
    Year,
    Month,
    WeekOfYear,
    WeekOfMonth,
    DayOfMonth,
    DayOfYear,
    DayOfWeek,
    DayOfWeekInMonth,
    AmPm,
    Hour,
    HourOfDay,
    Minute,
    Second,
    Millisecond,
    ZoneOffset,
    WeekYear,
}

const FIELDS: usize = Field::WeekYear as usize + 1;

/// Values, and when each was given. A stamp of 0 says never.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    values: [i32; FIELDS],
    stamps: [u32; FIELDS],
    last: u32,
}

impl Given {
    pub(super) fn set(&mut self, field: Field, value: i32) {
        self.last += 1;
        self.stamps[field as usize] = self.last;
        self.values[field as usize] = value;
    }

    pub(super) fn value(&self, field: Field) -> i32 {
        self.values[field as usize]
    }

    pub(super) fn stamp(&self, field: Field) -> u32 {
        self.stamps[field as usize]
    }

    /// Moves a two-digit year into the next century.
    pub(super) fn add_years(&mut self, years: i32) {
        for field in [Field::Year, Field::WeekYear] {
            let value = &mut self.values[field as usize];
            *value = value.wrapping_add(years);
        }
    }
}
