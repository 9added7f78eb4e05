//! The one list of what a configuration can name: converters, header converters, transforms and
//! predicates, by Java's full class names and by their aliases.
//!
//! An alias is a class's simple name, and that name without the word for its kind: `JsonConverter`
//! and `Json`. One that two classes would share is nobody's; so the `$Key` and `$Value` of a
//! transform must be named in full. What a program brings itself is registered like what is
//! bundled:
//!
//! ```
//! use connectors::config::{ConfigDef, Props};
//! use connectors::data::{ConnectRecord, Result};
//! use connectors::registry::Registry;
//! use connectors::transforms::{Transform, TransformClass};
//!
//! #[derive(Debug)]
//! struct DropNullKeys;
//!
//! impl Transform for DropNullKeys {
//!     fn apply<'a>(&'a self, record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
//!         Ok(Some(record).filter(|record| !record.key.is_null()))
//!     }
//! }
//!
//! let mut registry = Registry::bundled();
//! registry.add_transform(TransformClass {
//!     name: "com.example.DropNullKeys",
//!     config: || ConfigDef::new(&[]),
//!     configure: |_| Ok(Box::new(DropNullKeys)),
//! });
//! let transform = (registry.transform("DropNullKeys")?.configure)(&Props::new())?;
//! assert_eq!(transform.apply(ConnectRecord::source("t"))?, None);
//! # Ok::<(), connectors::data::ConnectError>(())
//! ```

use std::collections::BTreeMap;

use crate::converters::{self, ConverterClass};
use crate::data::{ConnectError, Result};
use crate::predicates::{self, PredicateClass};
use crate::transforms::{self, TransformClass};

/// Everything that can be named.
#[derive(Debug, Clone)]
pub struct Registry {
    converters: Names<ConverterClass>,
    transforms: Names<TransformClass>,
    predicates: Names<PredicateClass>,
}

impl Registry {
    /// What is bundled with Kafka 4.3, and Confluent's `Drop`.
    pub fn bundled() -> Self {
        let mut registry = Self {
            converters: Names::new("Converter"),
            transforms: Names::new("Transformation"),
            predicates: Names::new("Predicate"),
        };
        converters::CLASSES
            .iter()
            .for_each(|class| registry.add_converter(*class));
        transforms::CLASSES
            .iter()
            .for_each(|class| registry.add_transform(*class));
        predicates::CLASSES
            .iter()
            .for_each(|class| registry.add_predicate(*class));
        registry
    }

    pub fn add_converter(&mut self, class: ConverterClass) {
        self.converters.add(class.name, class);
    }

    pub fn add_transform(&mut self, class: TransformClass) {
        self.transforms.add(class.name, class);
    }

    pub fn add_predicate(&mut self, class: PredicateClass) {
        self.predicates.add(class.name, class);
    }

    /// A converter, or one for headers, by its class's name or alias.
    pub fn converter(&self, name: &str) -> Result<&ConverterClass> {
        self.converters.find(name)
    }

    pub fn transform(&self, name: &str) -> Result<&TransformClass> {
        self.transforms.find(name)
    }

    pub fn predicate(&self, name: &str) -> Result<&PredicateClass> {
        self.predicates.find(name)
    }
}

/// Classes of one kind.
#[derive(Debug, Clone)]
struct Names<T> {
    /// What Java calls the interface.
    kind: &'static str,
    classes: BTreeMap<&'static str, T>,
    /// The class that an alias means; none if two would have it.
    aliases: BTreeMap<&'static str, Option<&'static str>>,
}

impl<T> Names<T> {
    fn new(kind: &'static str) -> Self {
        Self {
            kind,
            classes: BTreeMap::new(),
            aliases: BTreeMap::new(),
        }
    }

    fn add(&mut self, name: &'static str, class: T) {
        self.classes.insert(name, class);
        let simple = name.rsplit(['.', '$']).next().unwrap_or(name);
        let pruned = simple.strip_suffix("HeaderConverter");
        let pruned = pruned.or_else(|| simple.strip_suffix(self.kind));
        let pruned = pruned.filter(|pruned| !pruned.is_empty());
        for alias in [Some(simple), pruned].into_iter().flatten() {
            self.aliases
                .entry(alias)
                .and_modify(|known| *known = known.filter(|known| *known == name))
                .or_insert(Some(name));
        }
    }

    fn find(&self, name: &str) -> Result<&T> {
        let alias = self.aliases.get(name).copied().flatten();
        let class = self.classes.get(name).or_else(|| self.classes.get(alias?));
        class.ok_or_else(|| {
            let (kind, names) = (self.kind, self.classes.keys().copied().collect::<Vec<_>>());
            ConnectError::connect(format!(
                "Failed to find any class that implements {kind} and which name matches {name}, \
                 available classes are: {}",
                names.join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_go_by_their_names_and_by_aliases_that_only_they_have() {
        let registry = Registry::bundled();
        for name in [
            "org.apache.kafka.connect.json.JsonConverter",
            "JsonConverter",
            "Json",
        ] {
            let class = registry.converter(name).expect("it is bundled");
            assert_eq!(class.name, "org.apache.kafka.connect.json.JsonConverter");
        }
        assert!(
            registry
                .converter("Simple")
                .is_ok_and(|class| class.converter.is_none())
        );
        assert!(registry.transform("RegexRouter").is_ok());
        assert!(
            registry
                .transform("org.apache.kafka.connect.transforms.Cast$Key")
                .is_ok()
        );
        assert!(registry.predicate("TopicNameMatches").is_ok());
        for ambiguous in ["Key", "Value"] {
            let error = registry
                .transform(ambiguous)
                .expect_err("many are called so");
            assert!(error.message().starts_with(
                "Failed to find any class that implements Transformation and which name matches"
            ));
        }
    }
}
