use super::*;

/// 21 November 2026: two-digit years lie from 1946 to 2046.
const NOW: i64 = 1_795_273_200_000;

fn format(pattern: &str, millis: i64) -> String {
    let mut out = String::new();
    DateFormat::new(pattern, NOW)
        .unwrap()
        .format(millis, &mut out);
    out
}

fn parse(pattern: &str, text: &str) -> Option<i64> {
    DateFormat::new(pattern, NOW).unwrap().parse(text)
}

#[test]
fn every_letter_is_written_as_java_writes_it() {
    let letters = "G y yy yyyyy Y YY M MM MMM MMMM LLLL w W D d F E EEEE u a H k K h m s S SSSSSS \
                   z zzzz Z X XXX";
    assert_eq!(
        format(letters, 0),
        "AD 1970 70 01970 1970 70 1 01 Jan January January 1 1 1 1 1 Thu Thursday 4 AM 0 24 0 12 0 \
         0 0 000000 UTC Coordinated Universal Time +0000 Z Z"
    );
}

#[test]
fn before_1582_the_calendar_is_the_julian_one() {
    assert_eq!(format("yyyy-MM-dd", -12_219_292_800_000), "1582-10-15");
    assert_eq!(
        format("yyyy-MM-dd E", -12_219_292_800_001),
        "1582-10-04 Thu"
    );
    assert_eq!(parse("yyyy-MM-dd", "1582-10-04"), Some(-12_219_379_200_000));
}

#[test]
fn texts_are_read_leniently_and_only_as_far_as_the_pattern_goes() {
    let check = |pattern, text, expected| assert_eq!(parse(pattern, text), expected, "{text}");
    check("yyyy-MM-dd", "2020-01-02junk", Some(1_577_923_200_000));
    check("yyyy-MM-dd", "2020-13-45", Some(1_613_260_800_000));
    check("yyyy-MM-dd", "  2020-1-2", Some(1_577_923_200_000));
    check("yyyyMMdd", "20200102", Some(1_577_923_200_000));
    check("yyyy-MM-dd", "2020/01/02", None);
    check("yy", "45", Some(2_366_841_600_000));
    check("yy", "47", Some(-725_846_400_000));
    check("yy", "2047", Some(2_429_913_600_000));
    check("YYYY-'W'ww-u", "2020-W01-1", Some(1_577_664_000_000));
    check("yyyy-DDD", "2020-366", Some(1_609_372_800_000));
    check(
        "EEE, d MMM yyyy HH:mm:ss Z",
        "Thu, 2 jan 2020 01:02:03 +0100",
        Some(1_577_923_323_000),
    );
    check(
        "EEE MMM dd HH:mm:ss z yyyy",
        "Thu Jan 02 00:00:00 PST 2020",
        Some(1_577_952_000_000),
    );
    check("h:mm a", "12:05 pm", Some(43_500_000));
    check("HH:mm:ss.SSS", "00:00:00.123456", Some(123_456));
    check(
        "yyyy-MM-dd'T'HH:mmXXX",
        "2020-01-02T00:00+02:00",
        Some(1_577_916_000_000),
    );
    check(
        "yyyy-MM-dd'T'HH:mmXXX",
        "2020-01-02T00:00Z",
        Some(1_577_923_200_000),
    );
    check("yyyy-MM-dd'T'HH:mmXXX", "2020-01-02T00:00+0200", None);
    check("S", "2E3", Some(2_000));
    check("MMM", " Jan", None);
    check("", "", None);
}

#[test]
fn patterns_java_refuses_are_refused_with_its_message() {
    let check = |pattern, expected: &str| {
        assert_eq!(
            DateFormat::new(pattern, NOW).unwrap_err().to_string(),
            expected
        );
    };
    check("foo", "Illegal pattern character 'f'");
    check("yyyy-MM-ddT", "Illegal pattern character 'T'");
    check("yyyy'", "Unterminated quote");
    check("XXXX", "invalid ISO 8601 format: length=4");
}
