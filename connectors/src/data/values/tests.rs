//! Any text is read in bounded time and space, and what is written is read back.

use proptest::prelude::*;

use super::*;
use crate::data::{ErrorClass, Map, SchemaAndValue, Value};

fn reparsed(value: &Value<'_>) -> Value<'static> {
    let text = convert_to_string(value).expect("it is not null");
    let found = parse_string(&text).expect("it is not too deep");
    found.map_or(Value::Null, |found| SchemaAndValue::into_owned(found).value)
}

proptest! {
    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        prop_assert!(parse_string(&text).is_ok());
    }

    #[test]
    fn texts_of_delimiters_are_survived(text in r#"[\[\]{}:,"\\ 1a.-]{0,60}"#) {
        prop_assert!(parse_string(&text).is_ok());
    }

    #[test]
    fn whole_numbers_come_back_in_the_smallest_type(number in any::<i64>()) {
        let (schema, again) = (infer_schema(&reparsed(&number.into())), reparsed(&number.into()));
        prop_assert_eq!(convert_to_long(schema.as_ref(), &again), Ok(Some(number)));
        let small = i8::try_from(number).is_ok();
        prop_assert_eq!(matches!(again, Value::Int8(_)), small);
    }

    #[test]
    fn lists_and_maps_of_words_come_back(words in prop::collection::vec("[a-z ]{1,9}x", 1..6)) {
        let list = Value::Array(words.iter().cloned().map(Value::from).collect());
        prop_assert_eq!(reparsed(&list), list);
        let map: Map<'_> = words.iter().map(|word| (word.clone(), word.clone())).collect();
        prop_assert_eq!(reparsed(&Value::Map(map.clone())), Value::Map(map));
    }
}

#[test]
fn deep_nesting_is_an_error_of_its_own() {
    for open in ["[", "{1:"] {
        let error = parse_string(&open.repeat(5000)).expect_err("it is too deep");
        assert_eq!(error.class(), ErrorClass::StackOverflow);
    }
    let deep = "[".repeat(900) + &"]".repeat(900);
    assert!(matches!(parse_string(&deep), Ok(Some(found)) if found.value.as_str().is_none()));
}

#[test]
fn a_huge_exponent_costs_nothing() {
    for text in [
        "1e2000000000",
        "-1e2000000000",
        "1e-2000000000",
        "[1e2000000000]",
    ] {
        assert!(matches!(parse_string(text), Ok(Some(_))), "{text}");
    }
}
