//! Where Java's own classes show through Connect's behaviour: how numbers and dates are written,
//! read and narrowed, what date patterns and regular expressions mean.

mod calendar;
mod charset;
mod collections;
pub mod date_format;
mod floating;
mod numbers;
mod parsing;
pub mod regex;

pub use calendar::{Civil, DateText};
pub use charset::Charset;
pub use collections::{hash_order, put, split, trim};
pub(crate) use date_format::decimal_digit;
pub use date_format::iso_text;
pub use floating::{DoubleText, FloatText};
pub use numbers::{parse_int, to_int};
pub use parsing::{
    low_64_bits, parse_double, parse_float, parse_long, to_byte, to_float, to_short,
};
