//! What the vectors cannot say: ways through the caches, and what is Confluent's.

use std::collections::BTreeMap;

use super::field_path::{FieldPath, SyntaxVersion};
use super::*;
use crate::data::{Schema, SchemaBuilder, Struct, Value};

fn make(class: &str, settings: &[(&str, &str)]) -> Result<Box<dyn Transform>> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let props: BTreeMap<_, _> = settings.iter().map(owned).collect();
    let is_wanted = |known: &&TransformClass| known.name.rsplit('.').next() == Some(class);
    (CLASSES.iter().find(is_wanted).unwrap().configure)(&props)
}

fn structure(names: &[&str]) -> Schema {
    let mut builder = SchemaBuilder::structure();
    for name in names {
        builder.add_field(name, Schema::int32()).unwrap();
    }
    builder.build()
}

#[test]
fn schemas_that_come_and_go_are_all_told_apart() {
    let replace = make("ReplaceField$Value", &[("exclude", "x0")]).unwrap();
    for round in 0..3 {
        for number in 0..40 {
            let name = format!("f{number}");
            let schema = structure(&["x0", &name]);
            let mut content = Struct::new(schema.clone()).unwrap();
            content.put("x0", 1).unwrap().put(&name, round).unwrap();
            let record =
                ConnectRecord::source("t").with_value(Some(schema), Value::Struct(content));
            let record = replace.apply(record).unwrap().unwrap();
            assert_eq!(record.value_schema, Some(structure(&[&name])));
            assert_eq!(
                record.value.as_struct().unwrap().slots(),
                [Value::Int32(round)]
            );
        }
    }
}

#[test]
fn drop_leaves_null_and_as_much_of_the_schema_as_it_is_told() {
    let apply = |behavior: &str, schema: Option<Schema>| {
        let drop = make("Drop$Value", &[("schema.behavior", behavior)]).unwrap();
        let record = ConnectRecord::source("t").with_value(schema, 5);
        let record = drop.apply(record)?.unwrap();
        assert!(record.value.is_null());
        Ok::<_, crate::data::ConnectError>(record.value_schema)
    };
    assert_eq!(apply("nullify", Some(Schema::int32())), Ok(None));
    assert_eq!(
        apply("retain", Some(Schema::optional_int32())),
        Ok(Some(Schema::optional_int32()))
    );
    assert!(apply("retain", Some(Schema::int32())).is_err());
    assert_eq!(
        apply("force_optional", Some(Schema::int32())),
        Ok(Some(Schema::optional_int32()))
    );
    assert_eq!(apply("force_optional", None), Ok(None));
    assert!(make("Drop$Key", &[("schema.behavior", "x")]).is_err());
}

#[test]
fn paths_are_split_at_dots_outside_backticks() {
    let check = |path: &str, expected: &[&str]| {
        let parsed = FieldPath::parse(path, SyntaxVersion::V2).unwrap();
        assert_eq!(parsed.steps(), expected, "{path}");
    };
    check("", &[]);
    check("foo.bar.baz", &["foo", "bar", "baz"]);
    check("`foo.bar`.baz", &["foo.bar", "baz"]);
    check("foo.`bar.baz`", &["foo", "bar.baz"]);
    check("foo`bar`.baz", &["foo`bar`", "baz"]);
    check("`foo.``bar.baz`.x", &["foo.``bar.baz", "x"]);
    check("`foo\\`.bar`", &["foo`.bar"]);
    check("a..b", &["a", "", "b"]);
    check("a.", &["a", ""]);
    check(".", &["", ""]);
    check("foo.ba`r", &["foo", "ba`r"]);
    let error = |path: &str| FieldPath::parse(path, SyntaxVersion::V2).unwrap_err();
    assert_eq!(
        error("foo.`bar").message(),
        "Incomplete backtick pair in path: [foo.`bar], consider adding a backslash before backtick \
         at position 4 to escape it"
    );
    let plain = FieldPath::parse("a.`b`", SyntaxVersion::V1).unwrap();
    assert_eq!(plain.steps(), ["a.`b`"]);
}
