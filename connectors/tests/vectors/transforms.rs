//! Vectors of the transforms and predicates.

use std::collections::HashMap;

use connectors::data::{ConnectError, Result};
use connectors::predicates::{self, Predicate};
use connectors::transforms::{self, Transform};
use serde_json::Value as Json;

use super::{Case, Outcome, check, codec, not_unicode, settings};

/// Transforms and predicates that were made, by class and configuration.
#[derive(Debug, Default)]
struct Made {
    transforms: HashMap<String, Box<dyn Transform>>,
    predicates: HashMap<String, Box<dyn Predicate>>,
}

impl Made {
    fn transform(&mut self, case: &Case) -> Result<&dyn Transform> {
        let name = format!("{} {}", case.text("class"), case.json["config"]);
        if !self.transforms.contains_key(&name) {
            let class = class(transforms::CLASSES, |class| class.name, case)?;
            let made = (class.configure)(&case.config())?;
            self.transforms.insert(name.clone(), made);
        }
        Ok(&*self.transforms[&name])
    }

    fn predicate(&mut self, case: &Case) -> Result<&dyn Predicate> {
        let name = format!("{} {}", case.text("class"), case.json["config"]);
        if !self.predicates.contains_key(&name) {
            let class = class(predicates::CLASSES, |class| class.name, case)?;
            let made = (class.configure)(&case.config())?;
            self.predicates.insert(name.clone(), made);
        }
        Ok(&*self.predicates[&name])
    }

    fn run(&mut self, case: &Case) -> Outcome {
        let is_predicate = case.text("class").contains(".predicates.");
        match case.text("op") {
            "configure" if is_predicate => self.predicate(case).map(|_| Json::Null),
            "configure" => self.transform(case).map(|_| Json::Null),
            "validate" => {
                let definition = if is_predicate {
                    (class(predicates::CLASSES, |class| class.name, case)?.config)()
                } else {
                    (class(transforms::CLASSES, |class| class.name, case)?.config)()
                };
                Ok(without_docs(settings::validated(&definition, case), case))
            }
            "test" => {
                let record = codec::record(&case.json["record"]).ok_or_else(not_unicode)?;
                let outcome = self.predicate(case)?.test(&record)?;
                Ok(codec::of_value(&outcome.into()))
            }
            _ => {
                let record = codec::record(&case.json["record"]).ok_or_else(not_unicode)?;
                let outcome = self.transform(case)?.apply(record)?;
                Ok(outcome.map_or(Json::Null, |record| codec::of_record(&record)))
            }
        }
    }
}

/// The documentation is in our own words.
fn without_docs(mut verdicts: Json, case: &Case) -> Json {
    let theirs = case.json["out"].as_array().into_iter().flatten();
    let ours = verdicts.as_array_mut().into_iter().flatten();
    for (ours, theirs) in ours.zip(theirs) {
        assert_ne!(ours["doc"], "", "{} has no documentation", ours["name"]);
        ours["doc"] = theirs["doc"].clone();
    }
    verdicts
}

fn class<'c, T>(classes: &'c [T], name: fn(&T) -> &'static str, case: &Case) -> Result<&'c T> {
    let wanted = case.text("class");
    let found = classes.iter().find(|class| name(class) == wanted);
    found.ok_or_else(|| ConnectError::connect(format!("there is no class {wanted}")))
}

const ADDRESS: &str = "Java shows where an object lies in memory; here it is the field's name";
const BREAKS_OFF: &str = "Java's validation breaks off; here it says of the key what is wrong";

/// Why a case may come out otherwise than in Java.
fn differs(case: &Case) -> Option<&'static str> {
    let error = &case.json["error"];
    let (class, message) = (error["class"].as_str()?, error["message"].as_str()?);
    if message.contains("InsertField$InsertionSpec@") {
        return Some(ADDRESS);
    }
    let breaks_off = case.text("op") == "validate" && class.starts_with("java.");
    breaks_off.then_some(BREAKS_OFF)
}

#[test]
fn transforms_do_what_java_does() {
    let mut made = Made::default();
    let run = |case: &Case| made.run(case);
    let differ = check("transforms/transforms.jsonl.gz", run, differs);
    assert_eq!(differ, [(ADDRESS, 2), (BREAKS_OFF, 2)].into());
}

#[test]
fn transforms_do_what_their_own_tests_ask() {
    let mut made = Made::default();
    let run = |case: &Case| made.run(case);
    let differ = check("transforms/upstream.jsonl.gz", run, differs);
    assert_eq!(differ, [].into());
}

#[test]
fn transforms_of_random_records_do_what_java_does() {
    let mut made = Made::default();
    let run = |case: &Case| made.run(case);
    let differ = check("transforms/generated.jsonl.gz", run, differs);
    assert_eq!(differ, [].into());
}

#[test]
fn predicates_do_what_java_does() {
    let mut made = Made::default();
    let run = |case: &Case| made.run(case);
    let differ = check("transforms/predicates.jsonl.gz", run, differs);
    assert_eq!(differ, [].into());
}
