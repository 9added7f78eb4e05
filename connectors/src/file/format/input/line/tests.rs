//! Lines and what is in them. That the console producer says the same is a test of its own.

use super::*;

/// Key, value, headers.
type Parsed = (
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(Vec<u8>, Option<Vec<u8>>)>,
);

fn parse(options: &LineOptions, line: &[u8]) -> Result<Parsed, LineError> {
    let mut parser = LineParser::new(options.clone()).unwrap();
    let record = parser.parse(Some(line))?;
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let headers = record.headers.into_iter();
    assert_eq!(headers.len(), headers.clone().count());
    let headers = headers.map(|(name, value)| (name.to_vec(), owned(value)));
    Ok((owned(record.key), owned(record.value), headers.collect()))
}

/// Of `name=value` as kcat prints them, NULL for none.
fn check(options: &LineOptions, line: &str, key: &str, value: &str, headers: &str) {
    let (actual_key, actual_value, actual_headers) = parse(options, line.as_bytes()).unwrap();
    let text = |bytes: Option<Vec<u8>>| {
        bytes.map_or("NULL".into(), |bytes| String::from_utf8(bytes).unwrap())
    };
    let printed = actual_headers
        .into_iter()
        .map(|(name, value)| format!("{}={}", String::from_utf8(name).unwrap(), text(value)));
    let printed: Vec<String> = printed.collect();
    let actual = (text(actual_key), text(actual_value), printed.join(","));
    assert_eq!(
        actual,
        (key.into(), value.into(), headers.into()),
        "{line:?}"
    );
}

fn with(properties: &[(&str, &str)]) -> LineOptions {
    let mut options = LineOptions::default();
    for (name, value) in properties {
        assert!(options.set_property(name, value), "{name}");
    }
    options
}

#[test]
fn without_options_a_line_is_a_value() {
    let options = LineOptions::default();
    assert!(LineParser::new(options.clone()).unwrap().is_plain());
    check(&options, "a\tb\tc", "NULL", "a\tb\tc", "");
    check(&options, "", "NULL", "", "");
    assert!(!options.clone().set_property("parse.keys", "true"));
    let mut parser = LineParser::new(options).unwrap();
    assert_eq!(parser.parse(None).unwrap().value, None);
}

#[test]
fn keys_end_at_the_first_separator() {
    let options = with(&[("parse.key", " TRUE ")]);
    check(&options, "k\tv\tw", "k", "v\tw", "");
    check(&options, "\t", "", "", "");
    assert_eq!(parse(&options, b"kv"), Err(LineError::NoKeySeparator));
    let options = with(&[("parse.key", "true"), ("key.separator", "::")]);
    check(&options, "k:::v", "k", ":v", "");
    let options = with(&[("parse.key", "true"), ("ignore.error", "true")]);
    check(&options, "kv", "NULL", "kv", "");
}

#[test]
fn headers_come_before_the_key() {
    let options = with(&[("parse.headers", "true"), ("parse.key", "true")]);
    check(&options, "a:1,b:2:3,a:\tk\tv", "k", "v", "a=1,b=2:3,a=");
    check(&options, ",,\tk\tv", "k", "v", "");
    check(&options, "a:1,,\tk\tv", "k", "v", "a=1");
    assert_eq!(
        parse(&options, b"a:1 k v"),
        Err(LineError::NoHeadersDelimiter)
    );
    assert_eq!(parse(&options, b"a:1\tv"), Err(LineError::NoKeySeparator));
    for (line, number) in [("\tk\tv", 1), ("a:1,b\tk\tv", 2), (",a:1\tk\tv", 1)] {
        let expected = Err(LineError::NoHeaderSeparator(number));
        assert_eq!(parse(&options, line.as_bytes()), expected, "{line:?}");
    }
}

#[test]
fn ignored_errors_leave_away_what_is_not_there() {
    let options = with(&[
        ("parse.headers", "true"),
        ("parse.key", "true"),
        ("ignore.error", "true"),
    ]);
    check(&options, "v", "NULL", "v", "");
    check(&options, "a:1\tv", "NULL", "v", "a=1");
    check(&options, "a,,b:2\tk\tv", "k", "v", "a=NULL,=NULL,b=2");
    check(&options, "\tk\tv", "k", "v", "=NULL");
}

#[test]
fn what_equals_the_marker_is_null() {
    let options = with(&[
        ("parse.headers", "true"),
        ("parse.key", "true"),
        ("null.marker", "~"),
    ]);
    check(&options, "~\t~\t~", "NULL", "NULL", "");
    check(&options, "a:~,b:~~\t~~\t", "~~", "", "a=NULL,b=~~");
    assert_eq!(
        parse(&options, b"a:1,~:1\tk\tv"),
        Err(LineError::NullHeaderName(2))
    );
    let options = with(&[("parse.headers", "true"), ("null.marker", "")]);
    check(&options, "\t", "NULL", "NULL", "");
}

#[test]
fn kcats_options_do_what_kcats_do() {
    let mut options = LineOptions {
        parse_key: true,
        key_separator: b":".to_vec(),
        empty_is_null: true,
        key: Some(b"fixed".to_vec()),
        ..LineOptions::default()
    };
    for header in ["a=1", "b=", "c", "a=x=y"] {
        options.add_header(header).unwrap();
    }
    let headers = "a=1,b=,c=NULL,a=x=y";
    check(&options, "k:v", "k", "v", headers);
    check(&options, ":v", "fixed", "v", headers);
    check(&options, "k:", "k", "NULL", headers);
    options.parse_headers = true;
    check(&options, "z:1\tk:v", "k", "v", &format!("{headers},z=1"));
    options.parse_headers = false;
    options.parse_key = false;
    check(&options, "", "fixed", "NULL", headers);
    options.empty_is_null = false;
    check(&options, "", "fixed", "", headers);
    let mut parser = LineParser::new(options.clone()).unwrap();
    let record = parser.parse(None).unwrap();
    assert_eq!((record.key, record.value), (Some(&b"fixed"[..]), None));
    assert_eq!(record.headers.len(), 4);
    for text in ["", "=x"] {
        let error = options.add_header(text).unwrap_err();
        assert_eq!(error, OptionsError::Header(text.into()));
    }
}

#[test]
fn bytes_that_are_no_text_stay_as_they_are() {
    let options = with(&[("parse.key", "true")]);
    let parsed = parse(&options, b"\xff\0\t\xc3").unwrap();
    assert_eq!(
        parsed,
        (Some(b"\xff\0".to_vec()), Some(b"\xc3".to_vec()), vec![])
    );
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    let refused = |properties: &[(&str, &str)], expected: &str| {
        let error = LineParser::new(with(properties)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    refused(
        &[("headers.delimiter", ",")],
        "headers.delimiter and headers.separator may not be equal",
    );
    refused(
        &[("null.marker", "\t")],
        "key.separator and null.marker may not be equal",
    );
    refused(
        &[("headers.key.separator", ";"), ("null.marker", ";")],
        "headers.key.separator and null.marker may not be equal",
    );
    let error = LineParser::new(with(&[("headers.separator", "|")])).unwrap_err();
    assert_eq!(error, OptionsError::Pattern("|".into()));
    let options = with(&[("headers.separator", r"\|"), ("parse.headers", "true")]);
    check(&options, "a:1|b:2\tv", "NULL", "v", "a=1,b=2");
}
