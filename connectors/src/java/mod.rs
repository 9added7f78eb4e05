//! Where Java's own classes show through Connect's behaviour: how numbers and dates are written,
//! read and narrowed, what a date pattern means.

mod calendar;
mod charset;
pub mod date_format;
mod floating;
mod numbers;

pub use calendar::{Civil, DateText};
pub use charset::Charset;
pub use floating::{DoubleText, FloatText};
pub use numbers::{parse_int, to_int};
