//! A number as `java.text.DecimalFormat` reads it when it wants integers: a prefix of the text.

/// The code points of the zeros of the scripts with decimal digits (Unicode 13, Basic Multilingual
/// Plane).
const ZEROS: [u32; 37] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
];

pub(crate) fn digit(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.to_digit(10).and_then(|digit| u8::try_from(digit).ok());
    }
    ZEROS
        .iter()
        .filter_map(|zero| u32::from(c).checked_sub(*zero))
        .find(|digit| *digit < 10)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Reads a number at the beginning of `text`: its value as an `int` and the length read.
///
/// Values past a `long` saturate, others wrap to 32 bits. An exponent is taken ("2E3" is 2000), a
/// decimal point is not.
pub(super) fn read(text: &str) -> Option<(i32, usize)> {
    if text.starts_with("NaN") {
        return Some((0, 3));
    }
    let (negative, sign_length) = match text.strip_prefix('-') {
        Some(_) => (true, 1),
        None => (false, 0),
    };
    let unsigned = &text[sign_length..];
    if unsigned.starts_with('∞') {
        let value = if negative { i32::MIN } else { i32::MAX };
        return Some((value, sign_length + '∞'.len_utf8()));
    }
    let (digits, mut length) = read_digits(unsigned);
    if length == 0 {
        return None;
    }
    let mut exponent = 0;
    if let Some(rest) = unsigned[length..].strip_prefix('E')
        && let Some((value, exponent_length)) = read_exponent(rest)
    {
        exponent = value;
        length += 1 + exponent_length;
    }
    Some((to_int(negative, &digits, exponent), sign_length + length))
}

/// The digits at the beginning, without leading zeros, and the length read.
fn read_digits(text: &str) -> (String, usize) {
    let mut digits = String::new();
    let mut length = 0;
    for c in text.chars() {
        let Some(digit) = digit(c) else { break };
        if digit > 0 || !digits.is_empty() {
            digits.push(char::from(b'0' + digit));
        }
        length += c.len_utf8();
    }
    (digits, length)
}

fn read_exponent(text: &str) -> Option<(i64, usize)> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, length) = read_digits(unsigned);
    if length == 0 {
        return None;
    }
    let value = if digits.is_empty() {
        0
    } else {
        digits.parse::<i64>().ok()?
    };
    let signed = if negative { -value } else { value };
    Some((signed, length + usize::from(negative)))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "Number.intValue: a long wraps, a double saturates"
)]
fn to_int(negative: bool, digits: &str, exponent: i64) -> i32 {
    if digits.is_empty() {
        return 0;
    }
    if exponent == 0
        && let Ok(value) = digits.parse::<i64>()
    {
        return if negative { -value } else { value } as i32;
    }
    let sign = if negative { "-" } else { "" };
    let value = format!("{sign}{digits}E{exponent}")
        .parse::<f64>()
        .expect("digits and an exponent are a number");
    // What a long can hold exactly is a long.
    if value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_807.0 {
        return value as i64 as i32;
    }
    value as i32
}
