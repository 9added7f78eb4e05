//! `TimestampRouter`: makes the topic of its name and the record's time.

use std::time::{SystemTime, UNIX_EPOCH};

use super::require::null_pointer;
use super::{Configure, Part, Transform};
use crate::config::{ConfigDef, Key, Props};
use crate::data::{ConnectError, ConnectRecord, ErrorClass, Result};
use crate::java::date_format::{DateFormat, PatternError};

const TOPIC_FORMAT: Key<String> = Key::new("topic.format")
    .default("${topic}-${timestamp}")
    .doc("The new topic, where `${topic}` and `${timestamp}` stand for the record's");
const TIMESTAMP_FORMAT: Key<String> = Key::new("timestamp.format")
    .default("yyyyMMdd")
    .doc("How the timestamp is written, in the letters of Java's SimpleDateFormat");

#[derive(Debug)]
pub(super) struct TimestampRouter {
    topic_format: String,
    /// A pattern that is none is found out with the first record, as in Java.
    timestamp_format: Result<DateFormat, PatternError>,
}

impl Configure for TimestampRouter {
    fn config() -> ConfigDef {
        ConfigDef::new(&[TOPIC_FORMAT.spec, TIMESTAMP_FORMAT.spec])
    }

    fn configure(_: Part, props: &Props) -> Result<Self> {
        let settings = Self::config().parse(props)?;
        Ok(Self {
            topic_format: settings.get(&TOPIC_FORMAT),
            timestamp_format: DateFormat::new(&settings.get(&TIMESTAMP_FORMAT), now()),
        })
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

impl Transform for TimestampRouter {
    fn apply<'a>(&'a self, mut record: ConnectRecord<'a>) -> Result<Option<ConnectRecord<'a>>> {
        let Some(timestamp) = record.timestamp else {
            return Err(ConnectError::data(format!(
                "Timestamp missing on record: {record}"
            )));
        };
        let format = self
            .timestamp_format
            .as_ref()
            .map_err(|error| ConnectError::new(ErrorClass::IllegalArgument, error.to_string()))?;
        let mut time = String::new();
        format.format(timestamp, &mut time);
        let Some(topic) = &record.topic else {
            return Err(null_pointer(
                "Cannot invoke \"String.indexOf(int)\" because \"s\" is null",
            ));
        };
        let routed = self.topic_format.replace("${topic}", topic);
        record.topic = Some(routed.replace("${timestamp}", &time).into());
        Ok(Some(record))
    }
}
