//! What vectors cannot say: any bytes are survived, values come back, the short cuts change
//! nothing.

use proptest::prelude::*;

use super::*;
use crate::data::{SchemaBuilder, Type};

fn converter(settings: &[(&str, &str)]) -> JsonConverter {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let props = settings.iter().map(owned).collect();
    JsonConverter::new(&props, ConverterType::Value).expect("the settings are right")
}

fn plain() -> JsonConverter {
    converter(&[("schemas.enable", "false")])
}

fn encoded(converter: &mut JsonConverter, pair: &SchemaAndValue<'_>) -> String {
    let mut out = Vec::new();
    let written = converter.encode("t", pair.schema.as_ref(), &pair.value, &mut out);
    assert_eq!(written, Ok(Encoded::Written));
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// JSON in the form that the converter writes: what is read from it and written again must be the
/// same.
fn json(depth: u32) -> impl Strategy<Value = Value<'static>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Int64),
        any::<f64>()
            .prop_filter("NaN and infinities are texts", |number| number.is_finite())
            .prop_map(|number| Value::Float64(if number == 0.0 { 0.0 } else { number })),
        any::<String>().prop_map(Value::from),
        "[ -~]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::vec((any::<String>(), inner), 0..40)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_in_is_json_out(value in json(4)) {
        prop_assume!(!value.is_null());
        let pair = SchemaAndValue::new(None, value);
        let mut converter = plain();
        let text = encoded(&mut converter, &pair);
        let again = converter.decode("t", Some(text.as_bytes())).expect("it is JSON").into_owned();
        prop_assert_eq!(&again, &pair);
        prop_assert_eq!(encoded(&mut converter, &again), text);
        let theirs: serde_json::Value = serde_json::from_str(&encoded(&mut converter, &again))
            .expect("others can read it");
        prop_assert!(theirs.is_object() || !matches!(again.value, Value::Map(_)));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for settings in [&[("schemas.enable", "false")][..], &[]] {
            let mut converter = converter(settings);
            if let Err(error) = converter.decode("t", Some(&bytes)) {
                prop_assert_eq!(error.class(), crate::data::ErrorClass::Data);
            }
        }
    }

    #[test]
    fn almost_json_is_survived(
        value in json(3),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut converter = plain();
        let list = SchemaAndValue::new(None, Value::Array(vec![value]));
        let mut text = encoded(&mut converter, &list);
        let strict: Result<serde_json::Value, _> = serde_json::from_str(&text);
        prop_assert!(strict.is_ok());
        let mut bytes = std::mem::take(&mut text).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let ours = converter.decode("t", Some(&bytes)).is_ok();
        // What a strict parser takes, ours takes.
        if serde_json::from_slice::<serde_json::Value>(&bytes).is_ok() {
            prop_assert!(ours, "{}", String::from_utf8_lossy(&bytes));
        }
    }
}

fn record_schema() -> Schema {
    let optional_default = SchemaBuilder::new(Type::Int32)
        .optional()
        .and_then(|b| b.default_value(Value::Int32(9)));
    SchemaBuilder::structure()
        .field("id", Schema::int64())
        .and_then(|b| b.field("name", Schema::optional_string()))
        .and_then(|b| b.field("n", optional_default?.build()))
        .expect("names differ")
        .build()
}

#[test]
fn an_envelope_like_the_last_is_read_as_if_it_were_the_first() {
    let mut writer = converter(&[]);
    let envelope = encoded(
        &mut writer,
        &SchemaAndValue::new(Some(record_schema()), {
            let mut content = crate::data::Struct::new(record_schema()).unwrap();
            content.put("id", 1i64).unwrap().put("name", "a").unwrap();
            Value::Struct(content)
        }),
    );
    let (head, _) = envelope.split_once(",\"payload\":").unwrap();
    let mut warm = converter(&[]);
    warm.decode("t", Some(envelope.as_bytes())).unwrap();
    for tail in [
        ",\"payload\":{\"id\":5,\"name\":null,\"n\":3}}",
        ",\"payload\":{\"name\":\"x\",\"id\":6}} trailing",
        ",\"payload\": {\"id\":1,\"id\":2,\"name\":\"\\u0041\"} }",
        ",\"payload\":{\"id\":1},\"payload\":{\"id\":2}}",
        ",\"payload\":{\"id\":1},\"more\":1}",
        ",\"payload\":{\"id\":null}}",
        ",\"payload\":{}",
        ",\"payload\":}",
        ",\"payload\":7}",
        ",\"payload\":null}",
        ",\"payload\":{\"id\":1,\"zz\":[1,{}],\"n\":null}}",
    ] {
        let text = format!("{head}{tail}");
        let cold = converter(&[])
            .decode("t", Some(text.as_bytes()))
            .map(SchemaAndValue::into_owned);
        let result = warm
            .decode("t", Some(text.as_bytes()))
            .map(SchemaAndValue::into_owned);
        assert_eq!(result, cold, "{text}");
    }
}

#[test]
fn the_cache_of_schemas_is_bounded_and_changes_nothing() {
    for size in ["0", "2"] {
        let mut small = converter(&[("schemas.cache.size", size)]);
        for round in 0..3 {
            for version in 0..5 {
                let schema = SchemaBuilder::new(Type::Int8)
                    .version(version)
                    .unwrap()
                    .build();
                let pair = SchemaAndValue::new(Some(schema), Value::Int8(round));
                let text = encoded(&mut small, &pair);
                assert_eq!(text, encoded(&mut converter(&[]), &pair));
                assert_eq!(small.decode("t", Some(text.as_bytes())).unwrap(), pair);
                assert!(small.read_schemas.len() <= 2 && small.written_schemas.len() <= 2);
            }
        }
    }
}

#[test]
fn large_objects_cost_no_more_than_their_size() {
    let member = |n: u32| format!("\"k{n}\":{n}");
    let members: Vec<String> = (0..200_000).map(member).collect();
    let text = format!("{{{}}}", members.join(","));
    let pair = plain()
        .decode("t", Some(text.as_bytes()))
        .unwrap()
        .into_owned();
    let map = pair.value.as_map().unwrap();
    assert_eq!(map.len(), 200_000);
    assert_eq!(map.get_str("k199999"), Some(&Value::Int64(199_999)));
}

#[test]
fn deep_nesting_ends_in_an_error_both_ways() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let mut converter = plain();
    assert!(converter.decode("t", Some(deep(1001).as_bytes())).is_err());
    let text = deep(1000);
    let pair = converter
        .decode("t", Some(text.as_bytes()))
        .unwrap()
        .into_owned();
    assert_eq!(encoded(&mut converter, &pair), text);
    let deeper = Value::Array(vec![pair.value]);
    assert!(
        converter
            .encode("t", None, &deeper, &mut Vec::new())
            .is_err()
    );
}
