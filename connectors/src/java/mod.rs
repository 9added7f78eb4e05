//! Where Java's own classes show through Connect's behaviour: how numbers and dates are written,
//! read and narrowed, what a date pattern means.

mod calendar;
pub mod date_format;
mod numbers;

pub use calendar::{Civil, DateText};
pub use numbers::{DoubleText, FloatText, parse_int, to_int};
