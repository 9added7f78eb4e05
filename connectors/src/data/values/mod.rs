//! `org.apache.kafka.connect.data.Values`: values as text and back, and from every type to every
//! other.
//!
//! Headers are written and read in this form (SimpleHeaderConverter), and transforms that are told
//! a value in their configuration read it so.

mod convert;
mod infer;
mod merge;
mod number;
mod parse;
mod tokens;
mod write;

pub use convert::{
    convert_to_boolean, convert_to_byte, convert_to_date, convert_to_decimal, convert_to_double,
    convert_to_float, convert_to_integer, convert_to_list, convert_to_long, convert_to_map,
    convert_to_short, convert_to_struct, convert_to_time, convert_to_timestamp,
};
pub use infer::infer_schema;
pub use parse::parse_string;
pub use write::{convert_to_string, write_string};

#[cfg(test)]
mod tests;
