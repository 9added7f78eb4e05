//! `RegexRouter`: a topic that the pattern matches as a whole gets a new name.

use super::require::null_pointer;
use super::{Configure, Part, Transform};
use crate::config::{ConfigDef, Key, Props};
use crate::data::{ConnectRecord, Result};
use crate::java::regex::{self, Regex};

const REGEX: Key<String> = Key::new("regex")
    .check(regex::CHECK)
    .doc("Regular expression that the whole topic must match");
const REPLACEMENT: Key<String> =
    Key::new("replacement").doc("The new topic; `$1` stands for what the first group matched");

#[derive(Debug)]
pub(super) struct RegexRouter {
    regex: Regex,
    replacement: String,
}

impl Configure for RegexRouter {
    fn config() -> ConfigDef {
        ConfigDef::new(&[REGEX.spec, REPLACEMENT.spec])
    }

    fn configure(_: Part, props: &Props) -> Result<Self> {
        let settings = Self::config().parse(props)?;
        Ok(Self {
            regex: Regex::new(&settings.get(&REGEX))?,
            replacement: settings.get(&REPLACEMENT),
        })
    }
}

impl Transform for RegexRouter {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        let Some(topic) = &record.topic else {
            return Err(null_pointer(
                "Cannot invoke \"java.lang.CharSequence.length()\" because \"this.text\" is null",
            ));
        };
        if self.regex.matches(topic)? {
            let routed = self.regex.replace_first(topic, &self.replacement)?;
            record.topic = Some(routed.into());
        }
        Ok(Some(record))
    }
}
