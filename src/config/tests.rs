use std::path::Path;

use connectors::config::properties;

use super::*;

/// Settings as in a file, one a line, then those of `--producer-property`.
fn settings(file: &str, flags: &[&str]) -> Vec<Setting> {
    let path = Path::new("client.properties");
    let parsed = properties::parse(file.as_bytes(), path).unwrap();
    let mut settings = Setting::from_file(parsed, path);
    for flag in flags {
        let (key, value) = flag.split_once('=').unwrap();
        settings.push(Setting {
            key: key.to_owned(),
            value: value.to_owned(),
            origin: Origin::Property,
        });
    }
    settings
}

fn resolved(file: &str) -> Resolved {
    resolve(settings(file, &[])).unwrap()
}

fn check_error(file: &str, expected: &str) {
    let error = resolve(settings(file, &[])).unwrap_err();
    assert_eq!(error.to_string(), expected, "{file:?}");
}

#[test]
fn nothing_said_is_kafkas_defaults() {
    let resolved = resolve(Vec::new()).unwrap();
    assert_eq!(resolved.producer, ProducerConfig::default());
    assert_eq!(resolved.bootstrap, None);
    assert!(resolved.notices.is_empty());
}

#[test]
fn every_property_reaches_its_field() {
    let resolved = resolved(
        "acks = all\n\
         enable.idempotence=TRUE\n\
         compression.type=zstd\n\
         compression.zstd.level=-5\n\
         max.request.size=2000000\n\
         request.timeout.ms=1000\n\
         delivery.timeout.ms=2000\n\
         retries=7\n\
         retry.backoff.ms=10\n\
         retry.backoff.max.ms=20\n\
         reconnect.backoff.ms=30\n\
         reconnect.backoff.max.ms=40\n\
         max.in.flight.requests.per.connection=2\n\
         metadata.max.age.ms=50\n\
         socket.connection.setup.timeout.ms=60\n\
         socket.connection.setup.timeout.max.ms=70\n\
         max.block.ms=80\n\
         client.id=me\n\
         send.buffer.bytes=90\n\
         receive.buffer.bytes=-1\n\
         bootstrap.servers=a:1,b:2\n\
         buffer.memory=10000000\n\
         security.protocol=PLAINTEXT\n",
    );
    let ms = Duration::from_millis;
    let expected = ProducerConfig {
        acks: Acks::All,
        idempotence: true,
        compression: Compression::Zstd,
        compression_level: Some(-5),
        request_bytes_max: Some(2_000_000),
        request_timeout: ms(1_000),
        delivery_timeout: ms(2_000),
        retries: 7,
        retry_backoff: ms(10),
        retry_backoff_max: ms(20),
        reconnect_backoff: ms(30),
        reconnect_backoff_max: ms(40),
        in_flight_max: 2,
        metadata_age_max: ms(50),
        connect_timeout: ms(60),
        connect_timeout_max: ms(70),
        block_max: ms(80),
        client_id: "me".to_owned(),
        send_buffer_bytes: Some(90),
        receive_buffer_bytes: None,
    };
    assert_eq!(resolved.producer, expected);
    assert_eq!(resolved.bootstrap.unwrap().len(), 2);
    assert_eq!(resolved.memory_bytes, Some(10_000_000));
    assert!(resolved.notices.is_empty(), "{:?}", resolved.notices);
}

#[test]
fn librdkafkas_names_mean_the_same() {
    let ours = resolved(
        "metadata.broker.list=a:1\n\
         compression.codec=gzip\n\
         topic.request.required.acks=-1\n\
         message.timeout.ms=60000\n\
         message.send.max.retries=3\n\
         max.in.flight=4\n\
         message.max.bytes=5000\n",
    );
    let kafkas = resolved(
        "bootstrap.servers=a:1\n\
         compression.type=gzip\n\
         acks=all\n\
         delivery.timeout.ms=60000\n\
         retries=3\n\
         max.in.flight.requests.per.connection=4\n\
         max.request.size=5000\n",
    );
    assert_eq!(ours.producer, kafkas.producer);
    assert_eq!(ours.bootstrap, kafkas.bootstrap);
    assert!(ours.notices.is_empty(), "{:?}", ours.notices);
}

#[test]
fn a_flag_goes_before_a_property_and_that_before_the_file() {
    let file = "compression.type=gzip\nclient.id=file\nretries=5\n";
    let mut settings = settings(
        file,
        &["client.id=property", "compression.type=lz4", "retries=5"],
    );
    settings.insert(
        0,
        Setting {
            key: "compression.type".to_owned(),
            value: "zstd".to_owned(),
            origin: Origin::Flag("--compression"),
        },
    );
    let resolved = resolve(settings).unwrap();
    assert_eq!(resolved.producer.compression, Compression::Zstd);
    assert_eq!(resolved.producer.client_id, "property");
    let expected = [
        "compression.type=zstd of --compression is taken, not gzip of client.properties, line 1",
        "client.id=property of --producer-property is taken, not file of client.properties, line 2",
        "compression.type=zstd of --compression is taken, not lz4 of --producer-property",
    ];
    assert_eq!(resolved.notices, expected);
}

#[test]
fn within_one_place_the_last_wins_in_silence() {
    let resolved = resolved("client.id=a\nclient.id=b\n");
    assert_eq!(resolved.producer.client_id, "b");
    assert!(resolved.notices.is_empty());
}

#[test]
fn what_has_no_effect_is_said_and_what_is_unknown_too() {
    let notices = resolved("linger.ms=5\nsasl.jaas.config=secret\nfoo.password=secret\n").notices;
    assert_eq!(notices.len(), 3);
    let expected = "client.properties, line 1: linger.ms has no effect: the input is there \
                    already, so every batch is full and none waits";
    assert_eq!(notices[0], expected);
    assert!(notices[1].starts_with("client.properties, line 2: sasl.jaas.config has no effect"));
    let expected = "client.properties, line 3: foo.password is no producer property that is known \
                    here";
    assert_eq!(notices[2], expected);
    assert!(!notices.concat().contains("secret"));
}

#[test]
fn what_cannot_be_honoured_is_refused_by_key_and_place() {
    check_error(
        "# TLS\nsecurity.protocol=SASL_SSL\n",
        "client.properties, line 2: security.protocol cannot be honoured: \"SASL_SSL\" is not \
         there yet, only PLAINTEXT is",
    );
    check_error(
        "transactional.id=x",
        "client.properties, line 1: transactional.id cannot be honoured: transactions are not \
         there yet; a load is exactly once without them",
    );
    check_error(
        "value.serializer=io.confluent.kafka.serializers.KafkaAvroSerializer",
        "client.properties, line 1: value.serializer cannot be honoured: records are bytes as they \
         are read; only ByteArraySerializer and StringSerializer mean that",
    );
    check_error(
        "partitioner.class=com.example.Mine",
        "client.properties, line 1: partitioner.class cannot be honoured: Java classes cannot be \
         run here",
    );
    check_error(
        "bootstrap.servers=SSL://a:1",
        "client.properties, line 1: bootstrap.servers cannot be honoured: SSL is not there yet, \
         only PLAINTEXT is: \"SSL://a:1\"",
    );
}

#[test]
fn what_means_bytes_as_they_are_is_taken() {
    let serializer = "org.apache.kafka.common.serialization.ByteArraySerializer";
    let file = format!(
        "key.serializer={serializer}\nvalue.serializer={serializer}\n\
                        transactional.id=\ninterceptor.classes=\n"
    );
    assert!(resolved(&file).notices.is_empty());
}

#[test]
fn values_that_are_none_are_refused() {
    check_error(
        "retries=-1",
        "client.properties, line 1: retries=-1 is not a number from 0 to 2147483647",
    );
    check_error(
        "acks=2",
        "client.properties, line 1: acks=2 is not all, -1, 0 or 1",
    );
    check_error(
        "enable.idempotence=yes",
        "client.properties, line 1: enable.idempotence=yes is not true or false",
    );
    check_error(
        "compression.type=lzma",
        "client.properties, line 1: compression.type=lzma is not none, gzip, snappy, lz4 or zstd",
    );
    check_error(
        "compression.lz4.level=18",
        "client.properties, line 1: compression.lz4.level=18 is not a number from 1 to 17",
    );
    check_error(
        "request.timeout.ms=2147483648",
        "client.properties, line 1: request.timeout.ms=2147483648 is not a number from 0 to \
         2147483647",
    );
}

#[test]
fn idempotence_gives_way_unless_it_was_asked_for() {
    for (line, key) in [
        ("acks=1", "acks=1"),
        ("retries=0", "retries=0"),
        ("max.in.flight=6", "max.in.flight.requests.per.connection=6"),
    ] {
        let given_way = resolved(line);
        assert!(!given_way.producer.idempotence, "{line}");
        assert_eq!(given_way.producer.in_flight_max, 1, "{line}");
        let expected = format!(
            "client.properties, line 1: {key} turns idempotence off: records may come twice"
        );
        assert_eq!(given_way.notices, [expected]);
        check_error(
            &format!("{line}\nenable.idempotence=true"),
            &format!("client.properties, line 1: {key} contradicts enable.idempotence=true"),
        );
        assert!(
            !resolved(&format!("{line}\nenable.idempotence=false"))
                .producer
                .idempotence
        );
    }
    let off = resolved("enable.idempotence=false\nmax.in.flight=3");
    assert_eq!(off.producer.in_flight_max, 1);
    let expected = "client.properties, line 1: enable.idempotence=false: records may come twice";
    assert_eq!(off.notices, [expected]);
}

#[test]
fn a_delivery_waits_at_least_as_long_as_a_request() {
    let longer = resolved("request.timeout.ms=200000");
    assert_eq!(
        longer.producer.delivery_timeout,
        Duration::from_millis(200_000)
    );
    check_error(
        "delivery.timeout.ms=1000",
        "client.properties, line 1: delivery.timeout.ms=1000 contradicts request.timeout.ms=30000: \
         it must be at least as long",
    );
}

#[test]
fn a_level_is_that_of_the_codec() {
    let check = |file: &str, expected| {
        assert_eq!(
            resolved(file).producer.compression_level,
            expected,
            "{file:?}"
        );
    };
    check("compression.type=gzip\ncompression.gzip.level=9", Some(9));
    check("compression.type=gzip\ncompression.gzip.level=-1", None);
    check("compression.type=gzip\ncompression.zstd.level=9", None);
    check("compression.type=zstd\ncompression.level=9", Some(9));
    check(
        "compression.type=zstd\ncompression.level=9\ncompression.zstd.level=3",
        Some(3),
    );
    check("compression.type=zstd\ncompression.level=-1", None);
    check("compression.type=snappy\ncompression.level=9", None);
    check("compression.level=9", None);
}

#[test]
fn a_first_back_off_is_no_longer_than_the_last() {
    let config = resolved("retry.backoff.ms=5000\nreconnect.backoff.ms=5000").producer;
    assert_eq!(config.retry_backoff, Duration::from_millis(1_000));
    assert_eq!(config.reconnect_backoff, Duration::from_millis(1_000));
}
