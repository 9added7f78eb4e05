//! Numbers as Java reads and narrows them.

use crate::data::{ConnectError, ErrorClass, Result};

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
