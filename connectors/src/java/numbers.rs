//! Numbers as Java writes, reads and narrows them.

use std::fmt;

use crate::data::{ConnectError, ErrorClass, Result};

/// `Double.toString`.
#[derive(Debug, Clone, Copy)]
pub struct DoubleText(pub f64);

/// `Float.toString`.
#[derive(Debug, Clone, Copy)]
pub struct FloatText(pub f32);

impl fmt::Display for DoubleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match special(self.0) {
            Some(word) => f.write_str(word),
            None => write_scientific(f, &format!("{:e}", self.0)),
        }
    }
}

impl fmt::Display for FloatText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match special(f64::from(self.0)) {
            Some(word) => f.write_str(word),
            None => write_scientific(f, &format!("{:e}", self.0)),
        }
    }
}

fn special(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        return Some("NaN");
    }
    match number {
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// Java's layout of the digits that Rust found: plain from 10⁻³ to 10⁷, else with an exponent.
fn write_scientific(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let (mantissa, exponent) = text
        .split_once('e')
        .expect("Rust's exponent format has an e");
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(|&c| c != '.').collect();
    let exponent: i32 = exponent.parse().expect("Rust's exponent is an integer");
    f.write_str(sign)?;
    match exponent {
        0..7 => {
            let whole = usize::try_from(exponent).expect("not negative here") + 1;
            let digits = format!("{digits:0<width$}", width = whole + 1);
            write!(f, "{}.{}", &digits[..whole], &digits[whole..])
        }
        -3..0 => {
            let zeros = usize::try_from(-exponent).expect("positive here") - 1;
            write!(f, "0.{:0<zeros$}{digits}", "")
        }
        _ => {
            let fraction = if digits.len() > 1 { &digits[1..] } else { "0" };
            write!(f, "{}.{fraction}E{exponent}", &digits[..1])
        }
    }
}

/// `Integer.parseInt` of decimal digits.
pub fn parse_int(text: &str) -> Result<i32> {
    text.parse().map_err(|_| {
        let message = format!("For input string: \"{text}\"");
        ConnectError::new(ErrorClass::NumberFormat, message)
    })
}

/// `(int) number`: the low 32 bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "narrowing is what is asked for"
)]
pub fn to_int(number: i64) -> i32 {
    number as i32
}
