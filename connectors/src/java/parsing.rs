//! Text to number and number to smaller number, as Java's library does it.

use num_bigint::{BigInt, Sign};

use super::collections::trim;

/// `(byte) number`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "narrowing is what is asked for"
)]
pub fn to_byte(number: i64) -> i8 {
    number as i8
}

/// `(short) number`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "narrowing is what is asked for"
)]
pub fn to_short(number: i64) -> i16 {
    number as i16
}

/// `(float) number`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding is what is asked for"
)]
pub fn to_float(number: f64) -> f32 {
    number as f32
}

/// `BigInteger.longValue`: the low 64 bits in two's complement.
pub fn low_64_bits(number: &BigInt) -> i64 {
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

/// `Long.parseLong`, and for smaller types the same with their bounds: a sign and decimal digits of
/// any script.
pub fn parse_long(text: &str) -> Option<i64> {
    if text.is_ascii() {
        return text.parse().ok();
    }
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (&text[..1], digits),
        None => ("", text),
    };
    let mut ascii = sign.to_owned();
    for c in digits.chars() {
        ascii.push(char::from(b'0' + super::date_format::decimal_digit(c)?));
    }
    ascii.parse().ok()
}

/// `Double.parseDouble`.
pub fn parse_double(text: &str) -> Option<f64> {
    match Literal::read(text)? {
        Literal::Decimal(text) => text.parse().ok(),
        Literal::Exact(number) => Some(number),
        Literal::Hexadecimal(number) => Some(number.round(1023, 53)),
    }
}

/// `Float.parseFloat`.
pub fn parse_float(text: &str) -> Option<f32> {
    match Literal::read(text)? {
        Literal::Decimal(text) => text.parse().ok(),
        Literal::Exact(number) => Some(to_float(number)),
        Literal::Hexadecimal(number) => Some(to_float(number.round(127, 24))),
    }
}

/// What `Double.valueOf` documents as its grammar.
enum Literal<'t> {
    /// In a form that Rust reads too.
    Decimal(&'t str),
    Exact(f64),
    Hexadecimal(Hexadecimal),
}

impl<'t> Literal<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let text = trim(text);
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let negative = text.starts_with('-');
        match unsigned {
            "NaN" => return Some(Self::Exact(f64::NAN)),
            "Infinity" if negative => return Some(Self::Exact(f64::NEG_INFINITY)),
            "Infinity" => return Some(Self::Exact(f64::INFINITY)),
            _ => {}
        }
        let without_suffix =
            |text: &'t str| text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
        if let Some(digits) = unsigned
            .strip_prefix("0x")
            .or_else(|| unsigned.strip_prefix("0X"))
        {
            let number = Hexadecimal::read(negative, without_suffix(digits))?;
            return Some(Self::Hexadecimal(number));
        }
        // Rust would also take `inf` and its kin.
        let begins = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        begins.then_some(Self::Decimal(without_suffix(text)))
    }
}

/// A hexadecimal fraction and a power of two, which is not left out.
struct Hexadecimal {
    negative: bool,
    /// The first digits, with the lowest bit set if any digit that is left out is not 0.
    mantissa: u64,
    exponent: i64,
}

impl Hexadecimal {
    fn read(negative: bool, text: &str) -> Option<Self> {
        let (digits, power) = text.split_once(['p', 'P'])?;
        let power: i64 = match power.strip_prefix(['+', '-']).unwrap_or(power) {
            unsigned if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) => {
                return None;
            }
            unsigned => {
                // Past this it is zero or infinite whatever it is.
                let power = unsigned.parse().unwrap_or(i64::MAX).min(1 << 40);
                if power_is_negative(text) {
                    -power
                } else {
                    power
                }
            }
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut mantissa: u64 = 0;
        let mut exponent = power;
        for (place, c) in whole.chars().chain(fraction.chars()).enumerate() {
            let digit = u64::from(c.to_digit(16)?);
            let is_fraction = place >= whole.len();
            if mantissa >> 60 == 0 {
                mantissa = mantissa << 4 | digit;
                exponent -= if is_fraction { 4 } else { 0 };
            } else {
                mantissa |= u64::from(digit != 0);
                exponent += if is_fraction { 0 } else { 4 };
            }
        }
        Some(Self {
            negative,
            mantissa,
            exponent,
        })
    }

    /// The nearest number of a format with this largest exponent and so many bits, ties to even.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the mantissa is cut to what is exact before"
    )]
    fn round(&self, exponent_max: i64, bits: i64) -> f64 {
        let sign = if self.negative { -1.0 } else { 1.0 };
        if self.mantissa == 0 {
            return sign * 0.0;
        }
        let length = 64 - i64::from(self.mantissa.leading_zeros());
        // Below the smallest normal number there are fewer bits.
        let lowest = (self.exponent + length - bits).max(2 - exponent_max - bits);
        let cut = lowest - self.exponent;
        let mantissa = if cut <= 0 {
            self.mantissa
        } else if cut > 64 {
            0
        } else {
            let wide = u128::from(self.mantissa);
            let (kept, rest) = (wide >> cut, wide & ((1 << cut) - 1));
            let half = 1_u128 << (cut - 1);
            let up = rest > half || (rest == half && kept & 1 == 1);
            u64::try_from(kept + u128::from(up)).expect("a shifted mantissa is shorter")
        };
        let exponent = self.exponent + cut.max(0);
        let length = 64 - i64::from(mantissa.leading_zeros());
        if mantissa > 0 && exponent + length - 1 > exponent_max {
            return sign * f64::INFINITY;
        }
        // Twice, for one factor could be out of range where the product is not.
        let half = i32::try_from(exponent.clamp(-1200, 1200) / 2).unwrap_or(0);
        let rest = i32::try_from(exponent.clamp(-1200, 1200)).unwrap_or(0) - half;
        sign * (mantissa as f64) * 2_f64.powi(half) * 2_f64.powi(rest)
    }
}

fn power_is_negative(text: &str) -> bool {
    text.contains("p-") || text.contains("P-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_read_as_java_reads_them() {
        let check = |text: &str, expected: f64| {
            let read = parse_double(text);
            assert_eq!(read.map(f64::to_bits), Some(expected.to_bits()), "{text:?}");
        };
        check(" 1.5 ", 1.5);
        check("+1e3f", 1000.0);
        check("-.5d", -0.5);
        check("5.", 5.0);
        check("-Infinity", f64::NEG_INFINITY);
        check("0x1p-1074", f64::from_bits(1));
        check("0x1p-1075", 0.0);
        check("0x1.8p-1075", f64::from_bits(1));
        check("-0x1.8p1", -3.0);
        check("0x1.fffffffffffff8p1023", f64::INFINITY);
        check("0x.8P4D", 8.0);
        check("1e400", f64::INFINITY);
        for text in [
            "", "inf", "nan", "infinity", "0x1", "0x1p", "1e", "e1", ".", "1 2", "0xp1",
        ] {
            assert_eq!(parse_double(text), None, "{text:?}");
        }
    }

    #[test]
    fn floats_are_rounded_once() {
        assert_eq!(parse_float("16777217"), Some(16_777_216.0));
        assert_eq!(parse_float("0x1.000001p0"), Some(1.0));
        assert_eq!(parse_float("0x1.0000011p0"), Some(1.000_000_1));
        assert_eq!(parse_float("3.4028235e38"), Some(f32::MAX));
        assert_eq!(parse_float("1e39"), Some(f32::INFINITY));
    }

    #[test]
    fn whole_numbers_may_have_a_sign_and_digits_of_any_script() {
        assert_eq!(parse_long("+5"), Some(5));
        assert_eq!(parse_long("-٤٢"), Some(-42));
        for text in ["", "+", "1.0", " 1", "0x1", "9223372036854775808"] {
            assert_eq!(parse_long(text), None, "{text:?}");
        }
    }
}
