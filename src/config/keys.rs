//! Kafka's producer properties by name: which we act on, which cannot matter here and why, which
//! are refused, and librdkafka's other names for them.

/// What a key is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Acted on; the name is Kafka's.
    Typed(&'static str),
    /// Taken and without effect, for the reason given.
    NoEffect(&'static str),
    Unknown,
}

/// Looks a key up. librdkafka's `topic.` in front of a topic's property is no part of its name.
pub(super) fn look_up(key: &str) -> Known {
    let exact = look_up_exact(key);
    match key.strip_prefix("topic.") {
        Some(bare) if exact == Known::Unknown => look_up_exact(bare),
        _ => exact,
    }
}

fn look_up_exact(key: &str) -> Known {
    let kafkas = ALIASES
        .iter()
        .find(|(alias, _)| *alias == key)
        .map_or(key, |(_, kafkas)| kafkas);
    if let Some(typed) = TYPED.iter().find(|typed| **typed == kafkas) {
        return Known::Typed(typed);
    }
    if let Some((_, why)) = NO_EFFECT.iter().find(|(name, _)| *name == key) {
        return Known::NoEffect(why);
    }
    let family = NO_EFFECT_FAMILIES
        .iter()
        .find(|(prefix, _)| key.starts_with(prefix));
    family.map_or(Known::Unknown, |(_, why)| Known::NoEffect(why))
}

const TYPED: &[&str] = &[
    "acks",
    "bootstrap.servers",
    "buffer.memory",
    "client.id",
    "compression.gzip.level",
    "compression.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "config.providers",
    "delivery.timeout.ms",
    "enable.idempotence",
    "interceptor.classes",
    "key.serializer",
    "max.block.ms",
    "max.in.flight.requests.per.connection",
    "max.request.size",
    "metadata.max.age.ms",
    "partitioner.class",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "security.protocol",
    "send.buffer.bytes",
    "socket.connection.setup.timeout.max.ms",
    "socket.connection.setup.timeout.ms",
    "transaction.two.phase.commit.enable",
    "transactional.id",
    "value.serializer",
];

/// librdkafka's names for properties that Kafka has too.
const ALIASES: &[(&str, &str)] = &[
    ("compression.codec", "compression.type"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("message.max.bytes", "max.request.size"),
    ("message.send.max.retries", "retries"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("request.required.acks", "acks"),
    ("socket.receive.buffer.bytes", "receive.buffer.bytes"),
    ("socket.send.buffer.bytes", "send.buffer.bytes"),
    ("socket.timeout.ms", "request.timeout.ms"),
    ("topic.metadata.refresh.interval.ms", "metadata.max.age.ms"),
];

const BATCHES: &str = "a batch is a piece of the input of about 768 KiB, cut only where the \
                       topic's max.message.bytes or max.request.size needs it";
const LINGER: &str = "the input is there already, so every batch is full and none waits";
const BUFFERS: &str = "buffers are bounded in bytes by --memory";
pub(super) const KEYLESS: &str =
    "records without keys go to partitions by their place in the input";
const METRICS: &str = "there are no client metrics to report; --summary has the numbers";
const PLAINTEXT: &str = "it belongs to TLS or SASL, and security.protocol is PLAINTEXT";
const OWN_WAY: &str = "ringmain has one way of doing this, and it is not settable";

const NO_EFFECT: &[(&str, &str)] = &[
    ("api.version.fallback.ms", OWN_WAY),
    ("api.version.request", OWN_WAY),
    ("api.version.request.timeout.ms", OWN_WAY),
    ("auto.include.jmx.reporter", METRICS),
    ("batch.num.messages", BATCHES),
    ("batch.size", BATCHES),
    ("broker.version.fallback", OWN_WAY),
    ("client.dns.lookup", "all addresses of a name are tried"),
    (
        "client.rack",
        "a producer sends to the leader, wherever it is",
    ),
    (
        "connections.max.idle.ms",
        "a load does not leave its connections idle",
    ),
    ("debug", "--log-level debug shows what ringmain does"),
    ("delivery.report.only.error", OWN_WAY),
    ("enable.metrics.push", METRICS),
    ("linger.ms", LINGER),
    ("log_level", "--log-level is the flag for it"),
    (
        "metadata.max.idle.ms",
        "a load has one topic and keeps asking about it",
    ),
    ("metadata.recovery.rebootstrap.trigger.ms", OWN_WAY),
    ("metadata.recovery.strategy", OWN_WAY),
    ("metric.reporters", METRICS),
    ("partitioner", KEYLESS),
    ("partitioner.adaptive.partitioning.enable", KEYLESS),
    ("partitioner.availability.timeout.ms", KEYLESS),
    ("partitioner.ignore.keys", KEYLESS),
    ("queue.buffering.backpressure.threshold", BUFFERS),
    ("queue.buffering.max.kbytes", BUFFERS),
    ("queue.buffering.max.messages", BUFFERS),
    ("queue.buffering.max.ms", LINGER),
    ("socket.keepalive.enable", OWN_WAY),
    ("socket.nagle.disable", OWN_WAY),
    ("statistics.interval.ms", METRICS),
    ("sticky.partitioning.linger.ms", KEYLESS),
    ("topic.metadata.propagation.max.ms", OWN_WAY),
    ("topic.metadata.refresh.fast.interval.ms", OWN_WAY),
    ("topic.metadata.refresh.sparse", OWN_WAY),
    ("transaction.timeout.ms", "a load uses no transactions"),
];

const NO_EFFECT_FAMILIES: &[(&str, &str)] = &[
    ("metrics.", METRICS),
    ("sasl.", PLAINTEXT),
    ("ssl.", PLAINTEXT),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_leads_to_a_property_that_is_acted_on() {
        for (alias, kafkas) in ALIASES {
            assert_eq!(look_up(alias), Known::Typed(kafkas), "{alias}");
        }
    }

    #[test]
    fn no_name_has_two_meanings() {
        let mut names: Vec<&str> = TYPED.to_vec();
        names.extend(ALIASES.iter().map(|(alias, _)| *alias));
        names.extend(NO_EFFECT.iter().map(|(name, _)| *name));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_topics_property_may_say_so_in_front() {
        assert_eq!(look_up("topic.acks"), Known::Typed("acks"));
        assert_eq!(look_up("topic.request.required.acks"), Known::Typed("acks"));
        let refresh = look_up("topic.metadata.refresh.interval.ms");
        assert_eq!(refresh, Known::Typed("metadata.max.age.ms"));
        assert_eq!(look_up("topic.nonsense"), Known::Unknown);
    }
}
