//! `java.math.BigDecimal`: an unscaled integer and how many of its digits stand behind the point.
//!
//! Only what converters and transforms need: reading, writing, and turning into the smaller
//! numbers. Nothing here expands an exponent, so `1e1000000000` costs no more than its text.

use std::fmt;
use std::str::FromStr;

use num_bigint::{BigInt, Sign};

use super::{ConnectError, ErrorClass, Result};

/// A decimal. Equal only if the scales are: `1.0` is not `1.00`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BigDecimal {
    unscaled: BigInt,
    scale: i32,
}

impl BigDecimal {
    pub fn new(unscaled: BigInt, scale: i32) -> Self {
        Self { unscaled, scale }
    }

    /// From the big-endian two's complement bytes that Connect keeps. No bytes are no number.
    pub fn from_unscaled_bytes(bytes: &[u8], scale: i32) -> Result<Self> {
        if bytes.is_empty() {
            let message = "Zero length BigInteger";
            return Err(ConnectError::new(ErrorClass::NumberFormat, message));
        }
        Ok(Self::new(BigInt::from_signed_bytes_be(bytes), scale))
    }

    /// The shortest big-endian two's complement bytes of the unscaled number.
    pub fn unscaled_bytes(&self) -> Vec<u8> {
        self.unscaled.to_signed_bytes_be()
    }

    pub fn unscaled(&self) -> &BigInt {
        &self.unscaled
    }

    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// −1, 0 or 1.
    pub fn signum(&self) -> i32 {
        match self.unscaled.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        }
    }

    /// How many digits the unscaled number has.
    pub fn precision(&self) -> usize {
        self.digits().len()
    }

    fn digits(&self) -> String {
        self.unscaled.magnitude().to_string()
    }

    /// The low 64 bits of the whole part, as Java narrows.
    pub fn long_value(&self) -> i64 {
        let scale = i64::from(self.scale);
        // 10⁶⁴ is a multiple of 2⁶⁴.
        if scale <= -64 || self.signum() == 0 {
            return 0;
        }
        if scale == 0 {
            return low_64_bits(&self.unscaled);
        }
        if scale < 0 {
            return low_64_bits(&(&self.unscaled * self.power()));
        }
        // A fraction with nothing before the point, perhaps of a scale that no power can be made
        // for.
        if scale >= i64::try_from(self.precision()).unwrap_or(i64::MAX) {
            return 0;
        }
        low_64_bits(&(&self.unscaled / self.power()))
    }

    /// 10 to the scale. Only for scales that are small, or smaller than the number of digits.
    fn power(&self) -> BigInt {
        BigInt::from(10).pow(self.scale.unsigned_abs())
    }

    /// The nearest double; infinite where there is none.
    pub fn double_value(&self) -> f64 {
        // Rust rounds to the nearest, ties to even, as Java does.
        self.exponential().parse().unwrap_or(f64::NAN)
    }

    /// The nearest float; infinite where there is none.
    pub fn float_value(&self) -> f32 {
        self.exponential().parse().unwrap_or(f32::NAN)
    }

    fn exponential(&self) -> String {
        format!("{}e{}", self.unscaled, -i64::from(self.scale))
    }

    /// `toString`: plain as long as that is short, else with an exponent.
    fn write_canonical(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        if self.signum() < 0 {
            f.write_str("-")?;
        }
        if self.scale == 0 {
            return f.write_str(&digits);
        }
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let scale = i64::from(self.scale);
        let adjusted = length - 1 - scale;
        if scale >= 0 && adjusted >= -6 {
            return write_plain(f, &digits, scale);
        }
        f.write_str(&digits[..1])?;
        if digits.len() > 1 {
            write!(f, ".{}", &digits[1..])?;
        }
        if adjusted != 0 {
            write!(f, "E{adjusted:+}")?;
        }
        Ok(())
    }
}

fn low_64_bits(number: &BigInt) -> i64 {
    let low = number
        .magnitude()
        .iter_u64_digits()
        .next()
        .unwrap_or(0)
        .cast_signed();
    match number.sign() {
        Sign::Minus => low.wrapping_neg(),
        _ => low,
    }
}

/// Digits with a point `scale` places before the end.
fn write_plain(f: &mut fmt::Formatter<'_>, digits: &str, scale: i64) -> fmt::Result {
    let scale = usize::try_from(scale).expect("only called where the scale is not negative");
    match digits.len().checked_sub(scale) {
        Some(whole) if whole > 0 => write!(f, "{}.{}", &digits[..whole], &digits[whole..]),
        _ => write!(f, "0.{digits:0>scale$}"),
    }
}

impl fmt::Display for BigDecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_canonical(f)
    }
}

impl From<i64> for BigDecimal {
    fn from(number: i64) -> Self {
        Self::new(number.into(), 0)
    }
}

impl FromStr for BigDecimal {
    type Err = ConnectError;

    /// `new BigDecimal(String)`: sign, digits with at most one point, exponent. No spaces.
    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            let message = format!("{text:?} is not a decimal number");
            ConnectError::new(ErrorClass::NumberFormat, message)
        })
    }
}

fn parse(text: &str) -> Option<BigDecimal> {
    if !text.is_ascii() {
        return parse(&with_ascii_digits(text)?);
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (text, 0),
    };
    let (negative, unsigned) = match mantissa.strip_prefix(['+', '-']) {
        Some(rest) => (mantissa.starts_with('-'), rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = i64::try_from(fraction.len()).ok()? - exponent;
    let magnitude: BigInt = digits.parse().ok()?;
    let unscaled = if negative { -magnitude } else { magnitude };
    Some(BigDecimal::new(unscaled, i32::try_from(scale).ok()?))
}

/// Digits of any script are digits to Java.
fn with_ascii_digits(text: &str) -> Option<String> {
    let ascii = |c: char| match crate::java::decimal_digit(c) {
        Some(digit) => char::from_digit(u32::from(digit), 10),
        None => c.is_ascii().then_some(c),
    };
    text.chars().map(ascii).collect()
}

fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    if significant.len() > 10 {
        return None;
    }
    let exponent: i64 = format!("0{significant}").parse().ok()?;
    let exponent = if negative { -exponent } else { exponent };
    i32::try_from(exponent).is_ok().then_some(exponent)
}
