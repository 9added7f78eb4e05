//! `ringmain -L`, `ringmain metadata`: brokers, topics and partitions as a cluster tells them, in the shape
//! that kcat gave them, as text and as JSON.
//!
//! What differs from kcat on purpose: topics and partitions are sorted; several topics may be named; a
//! topic that was named and is not there is an error for scripts too, after it was shown.

use std::io::{self, Write};

use engine::control::ControlError;
use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::{
    MetadataResponsePartition, MetadataResponseTopic,
};
use protocol::error_code::ErrorCode;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::options::{ClusterOptions, Exit};
use crate::reach::{ReachError, reach};

/// `ringmain metadata`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MetadataOptions {
    pub(crate) cluster: ClusterOptions,
    /// None: all of them.
    pub(crate) topics: Vec<String>,
    pub(crate) json: bool,
}

#[derive(Debug, Error)]
pub(crate) enum MetadataError {
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("topic {topic}: {error}: {}", error.meaning())]
    Topic { topic: String, error: ErrorCode },
    #[error("cannot write to stdout: {0}")]
    Output(#[source] io::Error),
}

impl MetadataError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Reach(error) => error.exit(),
            Self::Control(_) | Self::Topic { .. } | Self::Output(_) => Exit::Failed,
        }
    }
}

pub(crate) fn run(options: &MetadataOptions, out: &mut dyn Write) -> Result<(), MetadataError> {
    let cluster = &options.cluster;
    let mut reached = reach(&cluster.target, &cluster.producer, cluster.io)?;
    let control = &mut reached.control;
    let mut response = match options.topics.split_first() {
        None => control.metadata_of_all()?,
        Some((first, others)) => {
            let mut response = control.metadata(first)?;
            for topic in others {
                response.topics.extend(control.metadata(topic)?.topics);
            }
            response
        }
    };
    sort(&mut response);
    let (host, port) = control.server();
    let listing = Listing::new(&response, &options.topics, host, port);
    let written = if options.json {
        listing.write_json(out)
    } else {
        listing.write_text(out)
    };
    match written.and_then(|()| out.flush()) {
        // Whoever read the first lines and went away has what they wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        written => written.map_err(MetadataError::Output)?,
    }
    listing.check()
}

fn sort(response: &mut MetadataResponse) {
    response.brokers.sort_by_key(|broker| broker.node_id.0);
    response
        .topics
        .sort_by_key(|topic| name_of(topic).to_owned());
    for topic in &mut response.topics {
        topic
            .partitions
            .sort_by_key(|partition| partition.partition_index);
    }
}

/// What is listed, and who told it.
struct Listing<'a> {
    response: &'a MetadataResponse,
    asked: &'a [String],
    /// The broker that answered: its id, where its address is one that is advertised, and its name as
    /// librdkafka has it.
    from: (i32, String),
}

impl<'a> Listing<'a> {
    fn new(response: &'a MetadataResponse, asked: &'a [String], host: &str, port: u16) -> Self {
        let is_it = |broker_host: &str, broker_port: i32| {
            broker_host == host && broker_port == i32::from(port)
        };
        let known = response
            .brokers
            .iter()
            .find(|broker| is_it(&broker.host, broker.port));
        let from = match known {
            Some(broker) => (
                broker.node_id.0,
                format!("{host}:{port}/{}", broker.node_id.0),
            ),
            None => (-1, format!("{host}:{port}/bootstrap")),
        };
        Self {
            response,
            asked,
            from,
        }
    }

    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let what = if self.asked.is_empty() {
            "all topics".to_owned()
        } else {
            self.asked.join(", ")
        };
        let (id, name) = &self.from;
        writeln!(out, "Metadata for {what} (from broker {id}: {name}):")?;
        let MetadataResponse {
            brokers, topics, ..
        } = self.response;
        writeln!(out, " {} brokers:", brokers.len())?;
        for broker in brokers {
            let is_controller = broker.node_id == self.response.controller_id;
            let controller = if is_controller { " (controller)" } else { "" };
            let (id, host, port) = (broker.node_id.0, plain(&broker.host), broker.port);
            writeln!(out, "  broker {id} at {host}:{port}{controller}")?;
        }
        writeln!(out, " {} topics:", topics.len())?;
        for topic in topics {
            write_topic(topic, out)?;
        }
        Ok(())
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let query = match self.asked {
            [] => "*".to_owned(),
            asked => asked.join(","),
        };
        let brokers = self.response.brokers.iter().map(|broker| {
            let name = format!("{}:{}", broker.host.as_str(), broker.port);
            json!({"id": broker.node_id.0, "name": name})
        });
        let value = json!({
            "originating_broker": {"id": self.from.0, "name": self.from.1},
            "query": {"topic": query},
            "controllerid": self.response.controller_id.0,
            "brokers": brokers.collect::<Vec<_>>(),
            "topics": self.response.topics.iter().map(topic_json).collect::<Vec<_>>(),
        });
        writeln!(out, "{value}")
    }

    /// A topic that was asked after by name and cannot be shown.
    fn check(&self) -> Result<(), MetadataError> {
        if self.asked.is_empty() {
            return Ok(());
        }
        let missing = self
            .response
            .topics
            .iter()
            .find(|topic| topic.error_code != 0);
        missing.map_or(Ok(()), |topic| {
            Err(MetadataError::Topic {
                topic: plain(name_of(topic)),
                error: ErrorCode(topic.error_code),
            })
        })
    }
}

fn name_of(topic: &MetadataResponseTopic) -> &str {
    topic.name.as_ref().map_or("", |name| name.as_str())
}

fn write_topic(topic: &MetadataResponseTopic, out: &mut dyn Write) -> io::Result<()> {
    let (name, partitions) = (plain(name_of(topic)), topic.partitions.len());
    write!(out, "  topic \"{name}\" with {partitions} partitions:")?;
    if let Some(error) = error_text(topic.error_code) {
        write!(out, " {error}")?;
    }
    writeln!(out)?;
    for partition in &topic.partitions {
        let MetadataResponsePartition {
            partition_index,
            leader_id,
            replica_nodes,
            isr_nodes,
            error_code,
            ..
        } = partition;
        let ids = |nodes: &[kafka_protocol::messages::BrokerId]| {
            let ids: Vec<String> = nodes.iter().map(|node| node.0.to_string()).collect();
            ids.join(",")
        };
        write!(
            out,
            "    partition {partition_index}, leader {}, replicas: {}, isrs: {}",
            leader_id.0,
            ids(replica_nodes),
            ids(isr_nodes)
        )?;
        if let Some(error) = error_text(*error_code) {
            write!(out, ", {error}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn topic_json(topic: &MetadataResponseTopic) -> Value {
    let mut shown = Map::new();
    shown.insert("topic".to_owned(), json!(name_of(topic)));
    if let Some(error) = error_text(topic.error_code) {
        shown.insert("error".to_owned(), json!(error));
    }
    let partitions = topic.partitions.iter().map(|partition| {
        let ids = |nodes: &[kafka_protocol::messages::BrokerId]| {
            let ids = nodes.iter().map(|node| json!({"id": node.0}));
            ids.collect::<Vec<_>>()
        };
        let mut shown = Map::new();
        shown.insert("partition".to_owned(), json!(partition.partition_index));
        if let Some(error) = error_text(partition.error_code) {
            shown.insert("error".to_owned(), json!(error));
        }
        shown.insert("leader".to_owned(), json!(partition.leader_id.0));
        shown.insert("replicas".to_owned(), json!(ids(&partition.replica_nodes)));
        shown.insert("isrs".to_owned(), json!(ids(&partition.isr_nodes)));
        Value::Object(shown)
    });
    shown.insert(
        "partitions".to_owned(),
        json!(partitions.collect::<Vec<_>>()),
    );
    Value::Object(shown)
}

/// An error in librdkafka's manner, from Kafka's name for it: `Broker: Unknown topic or partition`.
fn error_text(code: i16) -> Option<String> {
    let error = ErrorCode(code);
    if error.is_none() {
        return None;
    }
    let Some(name) = error.name() else {
        return Some(format!("Broker: Error {code}"));
    };
    let name = name.strip_suffix("_EXCEPTION").unwrap_or(name);
    let words = name.to_ascii_lowercase().replace('_', " ");
    let (first, rest) = words.split_at(1);
    Some(format!("Broker: {}{rest}", first.to_ascii_uppercase()))
}

/// Names come from outside: control characters are spelled out, so that none reaches the terminal.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
    use kafka_protocol::messages::{BrokerId, TopicName};
    use kafka_protocol::protocol::StrBytes;

    use super::*;

    fn broker(id: i32, port: i32) -> MetadataResponseBroker {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(id))
            .with_host(StrBytes::from_static_str("kafka"))
            .with_port(port)
    }

    fn topic(name: &'static str, error: i16, partitions: &[i32]) -> MetadataResponseTopic {
        let partition = |&index: &i32| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(BrokerId(if index == 1 { -1 } else { 2 }))
                .with_error_code(if index == 1 { 5 } else { 0 })
                .with_replica_nodes(vec![BrokerId(2), BrokerId(1)])
                .with_isr_nodes(vec![BrokerId(2)])
        };
        MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_static_str(name))))
            .with_error_code(error)
            .with_partitions(partitions.iter().map(partition).collect())
    }

    fn response() -> MetadataResponse {
        let mut response = MetadataResponse::default()
            .with_controller_id(BrokerId(2))
            .with_brokers(vec![broker(2, 9093), broker(1, 9092)])
            .with_topics(vec![topic("b", 3, &[]), topic("a\u{1b}[1m", 0, &[1, 0])]);
        sort(&mut response);
        response
    }

    #[test]
    fn the_text_has_the_shape_of_kcats() {
        let response = response();
        let mut out = Vec::new();
        let listing = Listing::new(&response, &[], "kafka", 9092);
        listing.write_text(&mut out).unwrap();
        let expected = r#"Metadata for all topics (from broker 1: kafka:9092/1):
 2 brokers:
  broker 1 at kafka:9092
  broker 2 at kafka:9093 (controller)
 2 topics:
  topic "a\u{1b}[1m" with 2 partitions:
    partition 0, leader 2, replicas: 2,1, isrs: 2
    partition 1, leader -1, replicas: 2,1, isrs: 2, Broker: Leader not available
  topic "b" with 0 partitions: Broker: Unknown topic or partition
"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert!(
            listing.check().is_ok(),
            "nobody asked after the missing one"
        );
    }

    #[test]
    fn the_json_has_the_keys_of_kcats() {
        let response = response();
        let asked = ["a".to_owned(), "b".to_owned()];
        let listing = Listing::new(&response, &asked, "proxy", 1);
        let mut out = Vec::new();
        listing.write_json(&mut out).unwrap();
        assert_eq!(out.last(), Some(&b'\n'));
        let value: Value = serde_json::from_slice(&out).unwrap();
        let expected = json!({
            "originating_broker": {"id": -1, "name": "proxy:1/bootstrap"},
            "query": {"topic": "a,b"},
            "controllerid": 2,
            "brokers": [{"id": 1, "name": "kafka:9092"}, {"id": 2, "name": "kafka:9093"}],
            "topics": [
                {"topic": "a\u{1b}[1m", "partitions": [
                    {"partition": 0, "leader": 2, "replicas": [{"id": 2}, {"id": 1}],
                     "isrs": [{"id": 2}]},
                    {"partition": 1, "error": "Broker: Leader not available", "leader": -1,
                     "replicas": [{"id": 2}, {"id": 1}], "isrs": [{"id": 2}]}]},
                {"topic": "b", "error": "Broker: Unknown topic or partition", "partitions": []},
            ],
        });
        assert_eq!(value, expected);
        let error = listing.check().unwrap_err();
        assert_eq!(error.exit(), Exit::Failed);
        let text = error.to_string();
        assert!(
            text.starts_with("topic b: UNKNOWN_TOPIC_OR_PARTITION"),
            "{text}"
        );
    }

    #[test]
    fn errors_are_named_as_librdkafka_does() {
        assert_eq!(error_text(0), None);
        assert_eq!(error_text(17).as_deref(), Some("Broker: Invalid topic"));
        assert_eq!(error_text(32_000).as_deref(), Some("Broker: Error 32000"));
    }
}
