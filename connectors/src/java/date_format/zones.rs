//! Zone names that a text may hold: the English ones that Java knows.

use std::sync::LazyLock;

/// A name and its offset in minutes a line, in Java's order: where two zones share a name, or one's
/// name begins with another's, the first counts. Recorded from `DateFormatSymbols` with dates of
/// 2020; names whose offset depends on the date are left out.
static TABLE: &str = include_str!("zones.tsv");

static ZONES: LazyLock<Vec<(&str, i32)>> = LazyLock::new(|| {
    let entry = |line: &'static str| {
        let (name, minutes) = line.split_once('\t').expect("a name and minutes");
        (name, minutes.parse().expect("minutes are a number"))
    };
    TABLE.lines().map(entry).collect()
});

/// The name at the beginning of the text with its offset in milliseconds. The format's own zone has
/// none: its name leaves an offset that was read before as it is.
pub(super) fn named(text: &str) -> Option<(&'static str, Option<i32>)> {
    let begins = |name: &str| {
        text.get(..name.len())
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case(name))
    };
    if let Some(own) = ["Coordinated Universal Time", "UTC"]
        .into_iter()
        .find(|name| begins(name))
    {
        return Some((own, None));
    }
    let (name, minutes) = ZONES.iter().find(|(name, _)| begins(name))?;
    Some((name, Some(minutes * 60_000)))
}
