//! The smallest type that holds a number.

use num_bigint::BigInt;

use crate::data::{BigDecimal, Decimal, Schema, SchemaAndValue, Value};

/// A number of the smallest type that holds it: whole ones of 8 to 64 bits, then float, double,
/// decimal.
pub(super) fn parse_number(token: &str) -> Option<SchemaAndValue<'static>> {
    let number: BigDecimal = token.parse().ok()?;
    if let Some(whole) = whole(&number) {
        return Some(whole);
    }
    let float = number.float_value();
    if float.is_finite() && number.scale() != 0 {
        return Some(SchemaAndValue::new(Some(Schema::float32()), float));
    }
    let double = number.double_value();
    if double.is_finite() && number.scale() != 0 {
        return Some(SchemaAndValue::new(Some(Schema::float64()), double));
    }
    let schema = Decimal::schema(number.scale());
    Some(SchemaAndValue::new(Some(schema), Value::decimal(number)))
}

/// A number without fraction, if 64 bits hold it.
fn whole(number: &BigDecimal) -> Option<SchemaAndValue<'static>> {
    let whole = whole_long(number)?;
    let (schema, value) = if let Ok(byte) = i8::try_from(whole) {
        (Schema::int8(), Value::Int8(byte))
    } else if let Ok(short) = i16::try_from(whole) {
        (Schema::int16(), Value::Int16(short))
    } else if let Ok(int) = i32::try_from(whole) {
        (Schema::int32(), Value::Int32(int))
    } else {
        (Schema::int64(), Value::Int64(whole))
    };
    Some(SchemaAndValue::new(Some(schema), value))
}

fn whole_long(number: &BigDecimal) -> Option<i64> {
    if number.signum() == 0 {
        return Some(0);
    }
    let digits = i64::try_from(number.precision()).ok()?;
    let scale = i64::from(number.scale());
    // Where its first digit stands: too high for 64 bits, or behind the point.
    if !(1..=19).contains(&(digits - scale)) {
        return None;
    }
    let power = BigInt::from(10).pow(number.scale().unsigned_abs());
    if scale <= 0 {
        return i64::try_from(number.unscaled() * power).ok();
    }
    let is_whole = (number.unscaled() % &power).sign() == num_bigint::Sign::NoSign;
    is_whole.then(|| i64::try_from(number.unscaled() / power).ok())?
}
