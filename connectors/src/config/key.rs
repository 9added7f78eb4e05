//! A configuration key, declared once as a value: type, default, check, and what a form shows of
//! it.
//!
//! These are the properties of Kafka's `ConfigDef` (KIP-26 exposes them at
//! `/connector-plugins/…/config`).
//!
//! ```
//! use connectors::config::{Check, Importance, Key};
//!
//! const BATCH_SIZE: Key<i32> = Key::new("batch.size").default("2000").check(Check::at_least(1))
//!     .importance(Importance::Low).doc("The most records of one batch");
//! ```

use std::marker::PhantomData;

use super::validate::Check;

/// What a key's text is parsed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

impl Kind {
    /// As messages and the REST API show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    High,
    Medium,
    Low,
}

impl Importance {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

/// How wide a form should draw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    None,
    Short,
    Medium,
    Long,
}

impl Width {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Short => "SHORT",
            Self::Medium => "MEDIUM",
            Self::Long => "LONG",
        }
    }
}

/// What a key has when it is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Nothing: it must be given.
    Required,
    /// Java's `null`.
    Null,
    /// This text, parsed like one that was given.
    Text(&'static str),
}

/// A setting, parsed.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    Null,
    Boolean(bool),
    String(String),
    Int(i32),
    Short(i16),
    Long(i64),
    Double(f64),
    List(Vec<String>),
    Class(String),
    Password(String),
}

impl std::fmt::Display for Setting {
    /// As messages show it: a list in brackets, a password hidden.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(truth) => truth.fmt(f),
            Self::String(text) => f.write_str(text),
            Self::Class(name) => write!(f, "class {name}"),
            Self::Int(number) => number.fmt(f),
            Self::Short(number) => number.fmt(f),
            Self::Long(number) => number.fmt(f),
            Self::Double(number) => crate::java::DoubleText(*number).fmt(f),
            Self::List(items) => write!(f, "[{}]", items.join(", ")),
            Self::Password(_) => f.write_str("[hidden]"),
        }
    }
}

impl Setting {
    /// As the REST API gives it back; nothing for null.
    pub fn to_config_text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::List(items) => Some(items.join(",")),
            Self::Class(name) => Some(name.clone()),
            other => Some(other.to_string()),
        }
    }
}

/// A Rust type that a key can be declared for.
pub trait ConfigType: Sized {
    const KIND: Kind;
    /// From a setting of this kind.
    ///
    /// # Panics
    /// On a setting of another kind: the key's kind is this type's.
    fn from_setting(setting: Setting) -> Self;
}

macro_rules! config_type {
    ($($type:ty, $kind:ident;)*) => {
        $(
            impl ConfigType for $type {
                const KIND: Kind = Kind::$kind;

                fn from_setting(setting: Setting) -> Self {
                    match setting {
                        Setting::$kind(value) => value.into(),
                        other => panic!("a key of kind {} holds {other:?}", Self::KIND.as_str()),
                    }
                }
            }
        )*
    };
}

config_type! {
    bool, Boolean;
    String, String;
    i32, Int;
    i16, Short;
    i64, Long;
    f64, Double;
    Vec<String>, List;
    ClassName, Class;
    Password, Password;
}

/// A key that may be null.
impl<T: ConfigType> ConfigType for Option<T> {
    const KIND: Kind = T::KIND;

    fn from_setting(setting: Setting) -> Self {
        match setting {
            Setting::Null => None,
            other => Some(T::from_setting(other)),
        }
    }
}

/// The name or alias of a class, not yet looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassName(pub String);

impl From<String> for ClassName {
    fn from(name: String) -> Self {
        Self(name)
    }
}

/// A text that no message and no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Which values a form offers, and whether it shows the key, given the other settings.
#[derive(Debug, Clone, Copy)]
pub struct Recommender {
    pub valid_values: fn(name: &str, settings: &super::Settings) -> Vec<String>,
    pub visible: fn(name: &str, settings: &super::Settings) -> bool,
}

/// All that is said of a key but its Rust type.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    pub name: &'static str,
    pub kind: Kind,
    pub preset: Preset,
    pub check: Option<Check>,
    pub importance: Importance,
    pub doc: &'static str,
    pub group: Option<&'static str>,
    /// Its place in the group, from 1; −1 without.
    pub order: i32,
    pub width: Width,
    /// What a form calls it; the name, if nothing is said.
    pub display: &'static str,
    /// Keys whose recommendations depend on this one.
    pub dependents: &'static [&'static str],
    pub recommender: Option<Recommender>,
    /// Not shown to people.
    pub internal: bool,
}

/// A key whose value is a `T`.
#[derive(Debug, Clone, Copy)]
pub struct Key<T> {
    pub spec: KeySpec,
    value: PhantomData<fn() -> T>,
}

impl<T: ConfigType> Key<T> {
    /// A key that must be given, of high importance, and without a group.
    pub const fn new(name: &'static str) -> Self {
        Self {
            spec: KeySpec {
                name,
                kind: T::KIND,
                preset: Preset::Required,
                check: None,
                importance: Importance::High,
                doc: "",
                group: None,
                order: -1,
                width: Width::None,
                display: name,
                dependents: &[],
                recommender: None,
                internal: false,
            },
            value: PhantomData,
        }
    }

    #[must_use]
    pub const fn default(mut self, text: &'static str) -> Self {
        self.spec.preset = Preset::Text(text);
        self
    }

    #[must_use]
    pub const fn null_default(mut self) -> Self {
        self.spec.preset = Preset::Null;
        self
    }

    #[must_use]
    pub const fn check(mut self, check: Check) -> Self {
        self.spec.check = Some(check);
        self
    }

    #[must_use]
    pub const fn importance(mut self, importance: Importance) -> Self {
        self.spec.importance = importance;
        self
    }

    #[must_use]
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.spec.doc = doc;
        self
    }

    #[must_use]
    pub const fn group(mut self, group: &'static str, order: i32) -> Self {
        self.spec.group = Some(group);
        self.spec.order = order;
        self
    }

    #[must_use]
    pub const fn width(mut self, width: Width) -> Self {
        self.spec.width = width;
        self
    }

    #[must_use]
    pub const fn display(mut self, display: &'static str) -> Self {
        self.spec.display = display;
        self
    }

    #[must_use]
    pub const fn dependents(mut self, dependents: &'static [&'static str]) -> Self {
        self.spec.dependents = dependents;
        self
    }

    #[must_use]
    pub const fn recommender(mut self, recommender: Recommender) -> Self {
        self.spec.recommender = Some(recommender);
        self
    }

    #[must_use]
    pub const fn internal(mut self) -> Self {
        self.spec.internal = true;
        self
    }
}
