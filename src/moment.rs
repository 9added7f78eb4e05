//! A moment as a person types it, in the milliseconds that Kafka counts.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Milliseconds since 1970 (UTC), or ISO 8601: a date, a date and a time, with an offset or `Z`, or
/// without one, which means UTC. An `@` in front is no part of it.
pub(crate) fn parse_moment(text: &str) -> Result<i64, String> {
    let bare = text.strip_prefix('@').unwrap_or(text).trim();
    if let Ok(ms) = bare.parse::<u64>() {
        return i64::try_from(ms).map_err(|_| refuse(text));
    }
    if let Ok(moment) = bare.parse::<Timestamp>() {
        return Ok(moment.as_millisecond());
    }
    // A number is no date: `2024` could only be meant as milliseconds, and was taken as such.
    let local: DateTime = bare.parse().map_err(|_| refuse(text))?;
    let zoned = local.to_zoned(TimeZone::UTC).map_err(|_| refuse(text))?;
    Ok(zoned.timestamp().as_millisecond())
}

fn refuse(text: &str) -> String {
    format!(
        "{text:?} is no moment: write milliseconds since 1970, or ISO 8601 such as \
         2026-11-21T15:00:00Z (UTC unless an offset is given)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let check = |text: &str, expected| assert_eq!(parse_moment(text).ok(), expected, "{text}");
        check("0", Some(0));
        check("@1700000000000", Some(1_700_000_000_000));
        check("2023-11-14T22:13:20Z", Some(1_700_000_000_000));
        check("@2023-11-14T22:13:20.123Z", Some(1_700_000_000_123));
        check("2023-11-14T23:13:20+01:00", Some(1_700_000_000_000));
        check("2023-11-14T22:13:20", Some(1_700_000_000_000));
        check("2023-11-14 22:13", Some(1_699_999_980_000));
        check("2023-11-14", Some(1_699_920_000_000));
        check("-1", None);
        check("", None);
        check("yesterday", None);
        check("2023-13-14", None);
        check("99999999999999999999", None);
    }
}
