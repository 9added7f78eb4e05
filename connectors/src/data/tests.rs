//! Rules and messages of the data model, from Connect's own unit tests (`StructTest`,
//! `ConnectSchemaTest`,
//! `SchemaBuilderTest`, `DecimalTest`, `DateTest`, `TimeTest`, `TimestampTest`, `ConnectHeadersTest`).

use super::*;

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.expect_err("must be refused").message().to_owned()
}

fn flat() -> Schema {
    SchemaBuilder::structure()
        .field("int8", Schema::int8())
        .and_then(|b| b.field("text", Schema::optional_string()))
        .and_then(|b| {
            let number = SchemaBuilder::new(Type::Int32).default_value(Value::Int32(7))?;
            b.field("number", number.build())
        })
        .unwrap()
        .build()
}

#[test]
fn null_is_refused_where_a_member_is_required() {
    let mut value = Struct::new(flat()).unwrap();
    assert_eq!(
        message(value.put("int8", Value::Null)),
        "Invalid value: null used for required field: \"int8\", schema type: INT8"
    );
    assert_eq!(
        message(value.put("number", Value::Null)),
        "Invalid value: null used for required field: \"number\", schema type: INT32"
    );
    assert_eq!(
        message(value.validate()),
        "Invalid value: null used for required field: \"int8\", schema type: INT8"
    );
    value.put("int8", 1i8).unwrap();
    value.validate().unwrap();
    assert_eq!(value.get("number").unwrap(), &Value::Int32(7));
    assert_eq!(value.get_without_default("number").unwrap(), &Value::Null);
    assert_eq!(value.to_string(), "Struct{int8=1}");
}

#[test]
fn types_must_match_exactly() {
    let mut value = Struct::new(flat()).unwrap();
    assert_eq!(
        message(value.put("int8", 1i64)),
        "Invalid Java object for schema with type INT8: class java.lang.Long for field: \"int8\""
    );
    assert_eq!(
        message(value.put("none", 1i64)),
        "none is not a valid field name"
    );
    assert_eq!(
        message(value.get_typed("int8", Type::String)),
        "Field 'int8' is not of type STRING"
    );
    assert_eq!(
        message(validate_value(&Decimal::schema(2), &Value::bytes(vec![1]))),
        "Invalid Java object for schema \"org.apache.kafka.connect.data.Decimal\" with type BYTES: \
         class [B for value"
    );
    let map = SchemaBuilder::map(Schema::string(), Schema::int32()).build();
    let entries: Map<'_> = [("a", 1i64)].into_iter().collect();
    assert_eq!(
        message(validate_field("m", &map, &Value::Map(entries))),
        "Invalid Java object for schema with type INT32: class java.lang.Long for value of map \
         field: \"m\""
    );
    let nothing = SchemaBuilder::array_of_null().build();
    assert_eq!(
        message(validate_value(&nothing, &Value::Array(vec![]))),
        "No schema defined for element of array value"
    );
}

#[test]
fn a_property_is_set_once() {
    let builder = || SchemaBuilder::new(Type::Int8);
    let twice =
        |property: &str| format!("Invalid SchemaBuilder call: {property} has already been set.");
    let optional = builder().optional().unwrap();
    assert!(
        optional.clone().optional().is_ok(),
        "the same again is no change"
    );
    assert_eq!(message(optional.required()), twice("optional"));
    assert_eq!(
        message(builder().name("a").and_then(|b| b.name("b"))),
        twice("name")
    );
    assert_eq!(
        message(builder().version(1).and_then(|b| b.version(2))),
        twice("version")
    );
    assert_eq!(
        message(builder().doc("a").and_then(|b| b.doc("b"))),
        twice("doc")
    );
    let refused = builder()
        .default_value(Value::from("a"))
        .expect_err("no string in INT8");
    assert_eq!(refused.class(), ErrorClass::SchemaBuilder);
    assert_eq!(refused.message(), "Invalid default value");
    assert_eq!(
        message(builder().field("a", Schema::int8())),
        "Cannot create fields on type INT8"
    );
    let twice = SchemaBuilder::structure().field("a", Schema::int8());
    assert_eq!(
        message(twice.and_then(|b| b.field("a", Schema::int8()))),
        "Cannot create field because of field name duplication a"
    );
}

#[test]
fn schemas_are_equal_when_all_they_say_is() {
    let with = |one: (&str, &str), two: (&str, &str)| {
        let builder = SchemaBuilder::new(Type::String).parameter(one.0, one.1);
        builder.parameter(two.0, two.1).build()
    };
    assert_eq!(with(("a", "1"), ("b", "2")), with(("b", "2"), ("a", "1")));
    assert_ne!(with(("a", "1"), ("b", "2")), with(("a", "2"), ("b", "2")));
    assert_eq!(flat(), flat());
    let doc = SchemaBuilder::new(Type::String).doc("d").unwrap().build();
    assert_ne!(doc, Schema::string());
    assert_ne!(Schema::string(), Schema::optional_string());
    assert_eq!(
        Schema::string().with_optional(true),
        Schema::optional_string()
    );
}

#[test]
fn decimals_are_written_as_java_writes_them() {
    for text in [
        "0",
        "0.0",
        "0E+3",
        "1E+3",
        "1.50",
        "-1.50",
        "123456789012345678901234567890",
        "1E-10",
        "0.000001",
        "1E-7",
        "1.23E-7",
        "-1.2E+400",
        "0E-10",
    ] {
        let number: BigDecimal = text.parse().unwrap();
        assert_eq!(number.to_string(), text);
        let bytes = number.unscaled_bytes();
        let again = BigDecimal::from_unscaled_bytes(&bytes, number.scale()).unwrap();
        assert_eq!(again, number);
    }
    for (text, canonical) in [("+1", "1"), ("1e3", "1E+3"), (".5", "0.5"), ("5.", "5")] {
        assert_eq!(text.parse::<BigDecimal>().unwrap().to_string(), canonical);
    }
    for text in [
        "",
        "+",
        ".",
        "1e",
        "1e+",
        "1 ",
        "0x1",
        "1e99999999999",
        "--1",
        "1.2.3",
    ] {
        assert!(text.parse::<BigDecimal>().is_err(), "{text}");
    }
}

#[test]
fn decimals_narrow_as_java_narrows_them() {
    let long = |text: &str| text.parse::<BigDecimal>().unwrap().long_value();
    assert_eq!(long("12.9"), 12);
    assert_eq!(long("-12.9"), -12);
    assert_eq!(long("9223372036854775808"), i64::MIN);
    assert_eq!(long("-9223372036854775809"), i64::MAX);
    assert_eq!(long("1e19"), -8_446_744_073_709_551_616);
    assert_eq!(long("1e1000000000"), 0);
    assert_eq!(long("1e-1000000000"), 0);
    let double = |text: &str| text.parse::<BigDecimal>().unwrap().double_value();
    assert_eq!(double("0.1").to_bits(), 0.1f64.to_bits());
    assert!(double("1e1000000000").is_infinite());
    assert_eq!(double("1e-1000000000").to_bits(), 0);
}

#[test]
fn logical_types_refuse_what_does_not_fit() {
    let number: BigDecimal = "1.5".parse().unwrap();
    assert_eq!(
        message(Decimal::from_logical(&Decimal::schema(2), &number)),
        "Decimal value has mismatching scale for given Decimal schema. Schema has scale 2, value \
         has scale 1."
    );
    assert_eq!(
        Decimal::from_logical(&Decimal::schema(1), &number).unwrap(),
        [15]
    );
    assert_eq!(
        Decimal::to_logical(&Decimal::schema(1), &[15]).unwrap(),
        number
    );
    assert_eq!(
        Date::from_logical(&Date::schema(), -2 * MILLIS_PER_DAY).unwrap(),
        -2
    );
    assert_eq!(
        message(Date::from_logical(&Date::schema(), 1)),
        "Kafka Connect Date type should not have any time fields set to non-zero values."
    );
    assert_eq!(
        message(Date::from_logical(&Time::schema(), 0)),
        "Requested conversion of Date object but the schema does not match."
    );
    assert_eq!(
        Time::from_logical(&Time::schema(), MILLIS_PER_DAY).unwrap(),
        86_400_000
    );
    assert!(Time::from_logical(&Time::schema(), -1).is_err());
    assert!(Time::to_logical(&Time::schema(), -1).is_err());
    assert_eq!(Timestamp::to_logical(&Timestamp::schema(), -1).unwrap(), -1);
}

#[test]
fn headers_repeat_and_keep_their_order() {
    let mut headers = ConnectHeaders::new();
    for (key, value) in [("a", 1i8), ("b", 2), ("a", 3), ("c", 4), ("a", 5)] {
        let content = SchemaAndValue::new(Some(Schema::int8()), value);
        headers.add(key, content).unwrap();
    }
    assert_eq!(headers.last_with_name("a").unwrap().value, Value::Int8(5));
    assert_eq!(headers.all_with_name("a").count(), 3);
    headers.retain_latest("a");
    let keys: Vec<_> = headers.iter().map(|header| &*header.key).collect();
    assert_eq!(keys, ["b", "c", "a"]);
    headers.remove("b");
    assert_eq!(headers.len(), 2);
    let wrong = SchemaAndValue::new(Some(Schema::string()), 1i8);
    assert_eq!(
        message(headers.add("d", wrong)),
        "The value 1 is not compatible with the schema Schema{STRING}"
    );
    let null = SchemaAndValue::new(Some(Schema::string()), Value::Null);
    assert_eq!(
        message(headers.add("d", null)),
        "A null value requires an optional schema but was Schema{STRING}"
    );
}

#[test]
fn maps_keep_the_order_and_find_by_hash_when_they_are_large() {
    for size in [0i32, 1, 23, 24, 25, 1000] {
        let mut map: Map<'_> = (0..size).map(|n| (n.to_string(), n)).collect();
        for n in 0..size {
            assert_eq!(map.get_str(&n.to_string()), Some(&Value::Int32(n)));
        }
        assert_eq!(
            map.insert("0", -1i32),
            (size > 0).then_some(Value::Int32(0))
        );
        assert_eq!(map.remove_str("0"), Some(Value::Int32(-1)));
        assert!(!map.contains_str("0"));
        map.insert("new", true);
        assert_eq!(map.iter().last().unwrap().0.as_str(), Some("new"));
        assert_eq!(map.len(), usize::try_from(size.max(1)).unwrap());
        let mut backwards: Vec<_> = map.clone().into_iter().collect();
        backwards.reverse();
        assert_eq!(backwards.into_iter().collect::<Map<'_>>(), map);
    }
}

#[test]
fn values_show_as_java_shows_them() {
    let list = Value::Array(vec![1i8.into(), "b".into(), Value::Null]);
    let map: Map<'_> = [("k", list), ("d", Value::Float64(1e10))]
        .into_iter()
        .collect();
    assert_eq!(Value::Map(map).to_string(), "{k=[1, b, null], d=1.0E10}");
    assert_eq!(Value::Date(0).to_string(), "Thu Jan 01 00:00:00 UTC 1970");
    assert_eq!(
        Value::Date(-12_219_292_800_001).to_string(),
        "Thu Oct 04 23:59:59 UTC 1582"
    );
}
