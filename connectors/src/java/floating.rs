//! `Double.toString` and `Float.toString` as JDK 17 and before write them.
//!
//! That is not always the shortest text that reads back as the same number: 1.0E23 comes out as
//! 9.999999999999999E22. (JDK 19 changed that, JDK-4511638.) Connect's users run on 17, and their
//! consumers compare bytes; so this follows the old algorithm step by step, where it overflows too.
//! Two million numbers from Java's own random generator came out alike.
//!
//! A number is B / S × 10^decimal exponent with 1 ≤ B / S < 10, and M is half the distance to its
//! neighbours. Digits are B / S, one after the other, until what is left is less than M, or more
//! than 10 S − M. Whether the three fit 32 or 64 bits decides in which arithmetic that is done.

use std::fmt;

use num_bigint::BigUint;

/// Explicit bits of a double's fraction.
const FRACTION_BITS: i32 = 52;
/// The longest text is `-2.2250738585072014E-308`.
const TEXT_MAX: usize = 26;
const DIGITS_MAX: usize = 20;

/// `Double.toString`.
#[derive(Debug, Clone, Copy)]
pub struct DoubleText(pub f64);

/// `Float.toString`.
#[derive(Debug, Clone, Copy)]
pub struct FloatText(pub f32);

impl DoubleText {
    pub fn write(self, out: &mut Vec<u8>) {
        match double_parts(self.0) {
            Ok((negative, parts)) => Digits::of(&parts).write(negative, out),
            Err(word) => out.extend_from_slice(word.as_bytes()),
        }
    }
}

impl FloatText {
    pub fn write(self, out: &mut Vec<u8>) {
        match float_parts(self.0) {
            Ok((negative, parts)) => Digits::of(&parts).write(negative, out),
            Err(word) => out.extend_from_slice(word.as_bytes()),
        }
    }
}

impl fmt::Display for DoubleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(TEXT_MAX);
        self.write(&mut text);
        f.write_str(str::from_utf8(&text).expect("digits are ASCII"))
    }
}

impl fmt::Display for FloatText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(TEXT_MAX);
        self.write(&mut text);
        f.write_str(str::from_utf8(&text).expect("digits are ASCII"))
    }
}

/// A finite number that is not 0: fraction × 2^(exponent − 52), the fraction's bit 52 set.
struct Parts {
    fraction: u64,
    exponent: i32,
    /// How many of the fraction's bits the number's own type has.
    significant: i32,
}

fn double_parts(number: f64) -> Result<(bool, Parts), &'static str> {
    let bits = number.to_bits();
    let (field, fraction) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
    parts(bits >> 63 == 1, field, 0x7ff, fraction, FRACTION_BITS)
}

fn float_parts(number: f32) -> Result<(bool, Parts), &'static str> {
    let bits = u64::from(number.to_bits());
    parts(
        bits >> 31 == 1,
        bits >> 23 & 0xff,
        0xff,
        bits & ((1 << 23) - 1),
        23,
    )
}

/// From the three fields of a number whose fraction has `width` bits; the text of what has no digits.
fn parts(
    negative: bool,
    field: u64,
    field_max: u64,
    fraction: u64,
    width: i32,
) -> Result<(bool, Parts), &'static str> {
    let signed = |plus, minus| if negative { minus } else { plus };
    if field == field_max {
        return Err(if fraction == 0 {
            signed("Infinity", "-Infinity")
        } else {
            "NaN"
        });
    }
    if field == 0 && fraction == 0 {
        return Err(signed("0.0", "-0.0"));
    }
    let bias = i32::try_from(field_max / 2).expect("small");
    let field = i32::try_from(field).expect("small");
    let (fraction, exponent, significant) = if field == 0 {
        let significant = 64 - fraction.leading_zeros().cast_signed();
        let shift = width + 1 - significant;
        (fraction << shift, 1 - shift, significant)
    } else {
        (fraction | 1 << width, field, width + 1)
    };
    let parts = Parts {
        fraction: fraction << (FRACTION_BITS - width),
        exponent: exponent - bias,
        significant,
    };
    Ok((negative, parts))
}

/// Digits d₁d₂…dₙ of the number 0.d₁d₂…dₙ × 10^point.
struct Digits {
    digits: [u8; DIGITS_MAX],
    count: usize,
    point: i32,
}

impl Digits {
    fn of(parts: &Parts) -> Self {
        let tail_zeros = parts.fraction.trailing_zeros().cast_signed();
        let fraction_bits = FRACTION_BITS + 1 - tail_zeros;
        // Bits to the right of the point.
        let tiny_bits = (fraction_bits - parts.exponent - 1).max(0);
        if tiny_bits == 0 && parts.exponent <= 62 {
            Self::of_whole(parts)
        } else {
            Self::of_any(parts, fraction_bits, tiny_bits)
        }
    }

    /// A whole number of at most 63 bits. What lies beyond the type's precision is rounded away.
    fn of_whole(parts: &Parts) -> Self {
        let beyond = parts.exponent - parts.significant;
        let insignificant = if beyond > 0 {
            digits_of_power_of_2(beyond - 1)
        } else {
            0
        };
        let shift = parts.exponent - FRACTION_BITS;
        let mut whole = if shift >= 0 {
            parts.fraction << shift
        } else {
            parts.fraction >> -shift
        };
        let mut point = 0;
        if insignificant != 0 {
            let power = 10u64.pow(insignificant);
            let rest = whole % power;
            whole = whole / power + u64::from(rest >= power / 2);
            point = insignificant.cast_signed();
        }
        while whole.is_multiple_of(10) {
            whole /= 10;
            point += 1;
        }
        let mut digits = [0; DIGITS_MAX];
        let count = whole.ilog10() as usize + 1;
        for slot in digits[..count].iter_mut().rev() {
            *slot = digit(whole % 10);
            whole /= 10;
        }
        let point = point + i32::try_from(count).expect("at most 20");
        Self {
            digits,
            count,
            point,
        }
    }

    fn of_any(parts: &Parts, fraction_bits: i32, tiny_bits: i32) -> Self {
        let decimal = estimate_exponent(parts);
        // Powers of 5 and 2 in B, S and M.
        let b5 = (-decimal).max(0);
        let s5 = decimal.max(0);
        let mut b2 = b5 + tiny_bits + parts.exponent;
        let mut s2 = s5 + tiny_bits;
        let mut m2 = b2 - parts.significant;
        b2 -= fraction_bits - 1;
        let common = b2.min(s2);
        b2 -= common;
        s2 -= common;
        m2 -= common;
        if fraction_bits == 1 {
            // Below a power of 2 the next number is but half as far away.
            m2 -= 1;
        }
        if m2 < 0 {
            b2 -= m2;
            s2 -= m2;
            m2 = 0;
        }
        let powers = Powers {
            fraction: parts.fraction >> (FRACTION_BITS + 1 - fraction_bits),
            b5: b5.cast_unsigned(),
            b2: b2.cast_unsigned(),
            s5: s5.cast_unsigned(),
            s2: s2.cast_unsigned(),
            m2: m2.cast_unsigned(),
        };
        let b_bits = fraction_bits + b2 + bits_of_power_of_5(b5);
        let ten_s_bits = s2 + 1 + bits_of_power_of_5(s5 + 1);
        if b_bits < 32 && ten_s_bits < 32 {
            develop::<i32>(&powers, decimal)
        } else if b_bits < 64 && ten_s_bits < 64 {
            develop::<i64>(&powers, decimal)
        } else if b_bits < 120 && ten_s_bits < 120 {
            develop::<u128>(&powers, decimal)
        } else {
            develop::<BigUint>(&powers, decimal)
        }
    }

    fn push(&mut self, digit: u8) {
        self.digits[self.count] = digit;
        self.count += 1;
    }

    fn round_up(&mut self) {
        for slot in self.digits[..self.count].iter_mut().rev() {
            if *slot < 9 {
                *slot += 1;
                return;
            }
            *slot = 0;
        }
        self.digits[0] = 1;
        self.point += 1;
    }

    /// Plain from 10⁻³ to 10⁷, else with an exponent; at least one digit behind the point.
    fn write(&self, negative: bool, out: &mut Vec<u8>) {
        let mut text = [b'0'; DIGITS_MAX];
        for (to, from) in text.iter_mut().zip(&self.digits[..self.count]) {
            *to = b'0' + from;
        }
        if negative {
            out.push(b'-');
        }
        match self.point {
            1..8 => {
                let whole = usize::try_from(self.point).expect("at least 1");
                out.extend_from_slice(&text[..whole]);
                out.push(b'.');
                out.extend_from_slice(&text[whole..self.count.max(whole + 1)]);
            }
            -2..=0 => {
                out.extend_from_slice(b"0.");
                out.extend((self.point..0).map(|_| b'0'));
                out.extend_from_slice(&text[..self.count]);
            }
            _ => {
                out.extend_from_slice(&[text[0], b'.']);
                out.extend_from_slice(&text[1..self.count.max(2)]);
                out.push(b'E');
                let exponent = self.point - 1;
                if exponent < 0 {
                    out.push(b'-');
                }
                write_small(exponent.unsigned_abs(), out);
            }
        }
    }
}

/// A number of at most three digits.
fn write_small(number: u32, out: &mut Vec<u8>) {
    if number >= 100 {
        out.push(digit((number / 100).into()) + b'0');
    }
    if number >= 10 {
        out.push(digit((number / 10 % 10).into()) + b'0');
    }
    out.push(digit((number % 10).into()) + b'0');
}

fn digit(number: u64) -> u8 {
    u8::try_from(number).expect("one decimal digit")
}

/// How often 2^`power` can be divided by 10 before it is less than 10.
fn digits_of_power_of_2(power: i32) -> u32 {
    if power <= 1 {
        return 0;
    }
    (1u64 << power).ilog10()
}

/// ⌈log₂ 5^`power`⌉, and 3 × `power` where Java's table ends.
fn bits_of_power_of_5(power: i32) -> i32 {
    match power.cast_unsigned() {
        0 => 0,
        small @ 1..=26 => (5u64.pow(small).ilog2() + 1).cast_signed(),
        large => large.cast_signed() * 3,
    }
}

/// About ⌊log₁₀⌋ of the number: right or 1 too high.
#[expect(clippy::cast_possible_truncation, reason = "at most 308")]
#[expect(
    clippy::approx_constant,
    reason = "Java's constant, not the nearest to the logarithm"
)]
fn estimate_exponent(parts: &Parts) -> i32 {
    let mantissa = f64::from_bits(parts.fraction & ((1 << 52) - 1) | 1023 << 52);
    let exponent = f64::from(parts.exponent);
    let log = (mantissa - 1.5) * 0.289_529_654 + 0.176_091_259 + exponent * 0.301_029_995_663_981;
    log.floor() as i32
}

struct Powers {
    fraction: u64,
    b5: u32,
    b2: u32,
    s5: u32,
    s2: u32,
    m2: u32,
}

/// Arithmetic that digits are developed in.
trait Arithmetic: Sized {
    /// number × 5^five × 2^two
    fn scaled(number: u64, five: u32, two: u32) -> Self;
    /// The quotient; of `self` ten times the remainder is left.
    fn next_digit(&mut self, divisor: &Self) -> u8;
    fn times_ten(&mut self);
    /// Whether what is left is too little, or too much, to tell another number from this one.
    fn ends(left: &Self, half_gap: &Self, tens: &Self) -> (bool, bool);
    /// [`Self::ends`] of a half gap that may have overflown.
    fn ends_later(left: &Self, half_gap: &Self, tens: &Self) -> (bool, bool) {
        Self::ends(left, half_gap, tens)
    }
    /// How twice of what is left compares with ten times the divisor.
    fn compare_twice(left: &Self, tens: &Self) -> std::cmp::Ordering;
}

fn develop<T: Arithmetic>(powers: &Powers, mut decimal: i32) -> Digits {
    let mut left = T::scaled(powers.fraction, powers.b5, powers.b2);
    let divisor = T::scaled(1, powers.s5, powers.s2);
    let mut tens = T::scaled(1, powers.s5, powers.s2);
    tens.times_ten();
    let mut half_gap = T::scaled(1, powers.b5, powers.m2);
    let mut digits = Digits {
        digits: [0; DIGITS_MAX],
        count: 0,
        point: 0,
    };
    let first = left.next_digit(&divisor);
    half_gap.times_ten();
    let (mut low, mut high) = T::ends(&left, &half_gap, &tens);
    if first == 0 && !high {
        decimal -= 1;
    } else {
        digits.push(first);
    }
    if !(-3..8).contains(&decimal) {
        // With an exponent there are at least two digits.
        (low, high) = (false, false);
    }
    while !low && !high {
        let next = left.next_digit(&divisor);
        half_gap.times_ten();
        (low, high) = T::ends_later(&left, &half_gap, &tens);
        digits.push(next);
    }
    digits.point = decimal + 1;
    let up = match (low, high) {
        (_, false) => false,
        (false, true) => true,
        (true, true) => match T::compare_twice(&left, &tens) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => digits.digits[digits.count - 1] % 2 == 1,
        },
    };
    if up {
        digits.round_up();
    }
    digits
}

macro_rules! wrapping {
    ($type:ty) => {
        impl Arithmetic for $type {
            fn scaled(number: u64, five_times: u32, two: u32) -> Self {
                let number = Self::try_from(number).expect("it has fewer bits than the sum");
                let five: Self = 5;
                number
                    .wrapping_mul(five.wrapping_pow(five_times))
                    .wrapping_shl(two)
            }

            fn next_digit(&mut self, divisor: &Self) -> u8 {
                let quotient = *self / *divisor;
                *self = (*self % *divisor).wrapping_mul(10);
                u8::try_from(quotient).expect("one decimal digit")
            }

            fn times_ten(&mut self) {
                *self = self.wrapping_mul(10);
            }

            fn ends(left: &Self, half_gap: &Self, tens: &Self) -> (bool, bool) {
                (left < half_gap, left.wrapping_add(*half_gap) > *tens)
            }

            fn ends_later(left: &Self, half_gap: &Self, tens: &Self) -> (bool, bool) {
                if *half_gap > 0 {
                    Self::ends(left, half_gap, tens)
                } else {
                    (true, true)
                }
            }

            fn compare_twice(left: &Self, tens: &Self) -> std::cmp::Ordering {
                left.wrapping_shl(1).wrapping_sub(*tens).cmp(&0)
            }
        }
    };
}

wrapping!(i32);
wrapping!(i64);

impl Arithmetic for u128 {
    fn scaled(number: u64, five: u32, two: u32) -> Self {
        (Self::from(number) * Self::from(5u8).pow(five)) << two
    }

    fn next_digit(&mut self, divisor: &Self) -> u8 {
        let quotient = *self / *divisor;
        *self = (*self % *divisor) * 10;
        u8::try_from(quotient).expect("one decimal digit")
    }

    fn times_ten(&mut self) {
        *self *= 10;
    }

    fn ends(left: &Self, half_gap: &Self, tens: &Self) -> (bool, bool) {
        (left < half_gap, *left + *half_gap >= *tens)
    }

    fn compare_twice(left: &Self, tens: &Self) -> std::cmp::Ordering {
        (*left * 2).cmp(tens)
    }
}

impl Arithmetic for BigUint {
    fn scaled(number: u64, five: u32, two: u32) -> Self {
        (Self::from(number) * Self::from(5u8).pow(five)) << two
    }

    fn next_digit(&mut self, divisor: &Self) -> u8 {
        let quotient = &*self / divisor;
        *self = (&*self % divisor) * 10u8;
        u8::try_from(quotient).expect("one decimal digit")
    }

    fn times_ten(&mut self) {
        *self *= 10u8;
    }

    fn ends(left: &Self, half_gap: &Self, tens: &Self) -> (bool, bool) {
        (left < half_gap, left + half_gap >= *tens)
    }

    fn compare_twice(left: &Self, tens: &Self) -> std::cmp::Ordering {
        (left * 2u8).cmp(tens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_jdk_17_writes_them() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.001, "0.001"),
            (9.999e-4, "9.999E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1e23, "9.999999999999999E22"),
            (8.41e21, "8.409999999999999E21"),
            (2.0e-3, "0.002"),
            (5e-324, "4.9E-324"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (1.0 / 3.0, "0.3333333333333333"),
        ] {
            assert_eq!(DoubleText(number).to_string(), text);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let seed = std::env::var("RINGMAIN_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let mut state: u64 = seed.unwrap_or(20_260_721);
        for _ in 0..20_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let bits = state ^ state >> 29;
            let double = f64::from_bits(bits);
            if double.is_finite() {
                let text = DoubleText(double).to_string();
                assert_eq!(
                    text.parse::<f64>().map(f64::to_bits),
                    Ok(double.to_bits()),
                    "{text}"
                );
            }
            let float = f32::from_bits((bits >> 16 & 0xffff_ffff) as u32);
            if float.is_finite() {
                let text = FloatText(float).to_string();
                assert_eq!(
                    text.parse::<f32>().map(f32::to_bits),
                    Ok(float.to_bits()),
                    "{text}"
                );
            }
        }
    }
}
