//! All the keys of something, and what a set of properties makes of them: Kafka's `ConfigDef`.
//!
//! [`ConfigDef::parse`] stops at the first error, for whoever is about to start;
//! [`ConfigDef::validate`] collects all of them, for whoever fills in a form.

use std::collections::{BTreeMap, BTreeSet};

use super::key::{ConfigType, Key, KeySpec, Preset, Setting};
use super::validate::Check;
use crate::data::{ConnectError, Result};

/// Properties as they were given.
pub type Props = BTreeMap<String, String>;

/// The keys of something, in the order of their definition.
#[derive(Debug, Clone, Default)]
pub struct ConfigDef {
    keys: Vec<KeySpec>,
}

/// Parsed properties, one setting for each key of the definition.
#[derive(Debug, Clone, Default)]
pub struct Settings(BTreeMap<&'static str, Setting>);

impl Settings {
    /// The setting of a key that the definition has.
    ///
    /// # Panics
    /// If it has not.
    pub fn get<T: ConfigType>(&self, key: &Key<T>) -> T {
        let name = key.spec.name;
        let setting = self.0.get(name);
        T::from_setting(
            setting
                .unwrap_or_else(|| panic!("{name} is no key here"))
                .clone(),
        )
    }

    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.0.get(name)
    }
}

/// What validation says of one key (`ConfigValue`).
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub name: String,
    pub value: Setting,
    pub recommended_values: Vec<String>,
    pub errors: Vec<String>,
    pub visible: bool,
}

impl ConfigDef {
    /// A definition of these keys.
    ///
    /// # Panics
    /// If a name comes twice or a default does not pass its own key's check.
    pub fn new(keys: &[KeySpec]) -> Self {
        let mut names = BTreeSet::new();
        for key in keys {
            assert!(names.insert(key.name), "{} is defined twice", key.name);
            if key.preset != Preset::Required {
                let checked = preset(key).and_then(|setting| check(key, &setting));
                assert!(checked.is_ok(), "the default of {}: {checked:?}", key.name);
            }
        }
        Self {
            keys: keys.to_vec(),
        }
    }

    pub fn keys(&self) -> &[KeySpec] {
        &self.keys
    }

    /// The settings; the first error ends it.
    pub fn parse(&self, props: &Props) -> Result<Settings> {
        if let Some(undefined) = self.undefined_dependents().first() {
            return Err(ConnectError::config(format!(
                "Some configurations in are referred in the dependents, but not defined: \
                 {undefined}"
            )));
        }
        let mut settings = BTreeMap::new();
        for key in &self.keys {
            let mut setting = parse_key(key, props)?;
            if matches!(key.check, Some(Check::UniqueList { .. } | Check::ListOf(_))) {
                setting = setting.without_duplicates();
            }
            check(key, &setting)?;
            settings.insert(key.name, setting);
        }
        Ok(Settings(settings))
    }

    /// What is wrong with each key, in the order of definition, and what may be recommended.
    pub fn validate(&self, props: &Props) -> Vec<Verdict> {
        let mut settings = Settings::default();
        let mut verdicts: Vec<Verdict> = self.keys.iter().map(|key| look(key, props)).collect();
        for (key, verdict) in self.keys.iter().zip(&verdicts) {
            settings.0.insert(key.name, verdict.value.clone());
        }
        for (key, verdict) in self.keys.iter().zip(&mut verdicts) {
            if let Some(recommender) = key.recommender {
                verdict.recommended_values = (recommender.valid_values)(key.name, &settings);
                verdict.visible = (recommender.visible)(key.name, &settings);
            }
        }
        verdicts.extend(self.undefined_dependents().into_iter().map(|name| Verdict {
            name: name.to_owned(),
            value: Setting::Null,
            recommended_values: Vec::new(),
            errors: vec![format!(
                "{name} is referred in the dependents, but not defined."
            )],
            visible: false,
        }));
        verdicts
    }

    fn undefined_dependents(&self) -> Vec<&'static str> {
        let is_defined = |name: &&str| self.keys.iter().any(|key| key.name == *name);
        let dependents = self.keys.iter().flat_map(|key| key.dependents).copied();
        dependents.filter(|name| !is_defined(name)).collect()
    }
}

/// Parses and checks one key. The check sees null after a value that could not be parsed, as in
/// Java, so that one bad setting can have two errors.
fn look(key: &KeySpec, props: &Props) -> Verdict {
    let mut errors = Vec::new();
    let value = parse_key(key, props).unwrap_or_else(|error| {
        errors.push(error.message().to_owned());
        Setting::Null
    });
    if let Err(error) = check(key, &value) {
        errors.push(error.message().to_owned());
    }
    Verdict {
        name: key.name.to_owned(),
        value,
        recommended_values: Vec::new(),
        errors,
        visible: true,
    }
}

fn parse_key(key: &KeySpec, props: &Props) -> Result<Setting> {
    match props.get(key.name) {
        Some(text) => Setting::parse(key.name, text, key.kind),
        None => preset(key),
    }
}

fn preset(key: &KeySpec) -> Result<Setting> {
    match key.preset {
        Preset::Null => Ok(Setting::Null),
        Preset::Text(text) => Setting::parse(key.name, text, key.kind),
        Preset::Required => Err(ConnectError::config(format!(
            "Missing required configuration \"{}\" which has no default value.",
            key.name
        ))),
    }
}

fn check(key: &KeySpec, setting: &Setting) -> Result<()> {
    match &key.check {
        Some(check) => check.ensure_valid(key.name, setting),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Check, Importance};
    use super::*;

    const NUMBER: Key<i32> = Key::new("n").check(Check::between(1, 9));
    const TEXT: Key<Option<String>> = Key::new("t").null_default().importance(Importance::Low);
    const LIST: Key<Vec<String>> = Key::new("l").default("a, b");

    fn definition() -> ConfigDef {
        ConfigDef::new(&[NUMBER.spec, TEXT.spec, LIST.spec])
    }

    fn props(entries: &[(&str, &str)]) -> Props {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        entries.iter().map(owned).collect()
    }

    fn error(kind: super::super::Kind, text: &str) -> String {
        let refused = Setting::parse("k", text, kind).expect_err("must be refused");
        refused.message().to_owned()
    }

    #[test]
    fn settings_have_the_types_of_their_keys() {
        let settings = definition()
            .parse(&props(&[("n", " +7 "), ("unknown", "x")]))
            .unwrap();
        assert_eq!(settings.get(&NUMBER), 7);
        assert_eq!(settings.get(&TEXT), None);
        assert_eq!(settings.get(&LIST), ["a", "b"]);
    }

    #[test]
    fn parsing_stops_at_the_first_error() {
        let message = |entries: &[(&str, &str)]| {
            definition()
                .parse(&props(entries))
                .unwrap_err()
                .message()
                .to_owned()
        };
        assert_eq!(
            message(&[]),
            "Missing required configuration \"n\" which has no default value."
        );
        assert_eq!(
            message(&[("n", " x")]),
            "Invalid value  x for configuration n: Not a number of type INT"
        );
        assert_eq!(
            message(&[("n", "10")]),
            "Invalid value 10 for configuration n: Value must be no more than 9"
        );
    }

    #[test]
    fn validation_collects_all_and_checks_null_after_a_bad_value() {
        let verdicts = definition().validate(&props(&[("l", ",")]));
        assert_eq!(
            verdicts[0].errors,
            [
                "Missing required configuration \"n\" which has no default value.",
                "Invalid value null for configuration n: Value must be non-null"
            ]
        );
        assert!(verdicts[1].errors.is_empty() && verdicts[1].visible);
        assert_eq!(
            verdicts[2].value,
            Setting::List(vec![String::new(), String::new()])
        );
    }

    #[test]
    fn texts_are_parsed_as_java_parses_them() {
        use super::super::Kind;
        let parse = |kind, text| Setting::parse("k", text, kind).unwrap();
        assert_eq!(parse(Kind::Boolean, " TRUE "), Setting::Boolean(true));
        assert_eq!(parse(Kind::Double, "1e3"), Setting::Double(1000.0));
        assert_eq!(parse(Kind::Double, "-1.5f"), Setting::Double(-1.5));
        assert_eq!(
            parse(Kind::Double, "-Infinity"),
            Setting::Double(f64::NEG_INFINITY)
        );
        let items = ["a", "b", "", "c"].map(str::to_owned).to_vec();
        assert_eq!(parse(Kind::List, " a , b ,,c "), Setting::List(items));
        assert_eq!(parse(Kind::List, " "), Setting::List(vec![]));
        assert_eq!(
            error(Kind::Boolean, "yes"),
            "Invalid value yes for configuration k: Expected value to be either true or false"
        );
        for text in ["inf", "nan", "infinity", "e3", ""] {
            assert_eq!(
                error(Kind::Double, text),
                format!("Invalid value {text} for configuration k: Not a number of type DOUBLE")
            );
        }
        let password = parse(Kind::Password, "secret");
        assert_eq!(password.to_string(), "[hidden]");
    }

    #[test]
    fn checks_say_what_they_want() {
        let refused = |check: Check, setting: Setting| {
            check
                .ensure_valid("k", &setting)
                .unwrap_err()
                .message()
                .to_owned()
        };
        let text = |text: &str| Setting::String(text.to_owned());
        assert_eq!(
            refused(Check::OneOf(&["a", "b"]), text("c")),
            "Invalid value c for configuration k: String must be one of: a, b"
        );
        let any_case = Check::OneOfAnyCase(&["BASE64", "NUMERIC"]);
        assert!(any_case.ensure_valid("k", &text("numeric")).is_ok());
        assert_eq!(
            refused(any_case, Setting::Null),
            "Invalid value null for configuration k: String must be one of (case insensitive): \
             BASE64, NUMERIC"
        );
        assert_eq!(
            refused(Check::NonEmptyString, text("")),
            "Invalid value  for configuration k: String must be non-empty"
        );
        assert!(
            Check::NonEmptyString
                .ensure_valid("k", &Setting::Null)
                .is_ok()
        );
        assert_eq!(
            refused(Check::NonEmptyStringWithoutControlChars, text("a\u{1}b\n")),
            "Invalid value a\u{1}b\n for configuration k: String may not contain control \
             sequences but had the following ASCII chars: 1, 10"
        );
        assert_eq!(Check::at_least(1).to_string(), "[1,...]");
        assert_eq!(Check::between(1, 2).to_string(), "[1,...,2]");
    }
}
