//! Keys land where Java's producer and librdkafka put them.

use std::collections::BTreeMap;

use protocol::partitioner::{Partitioner, murmur2};
use serde_json::json;

use super::{ask_java, hex, kcat};
use crate::kafka::cluster::{fresh_topic, shared_single};
use crate::kafka::judge::NewTopic;
use crate::kill::seeded;

#[test]
fn keys_hash_as_javas_do() {
    let mut random = seeded("formats::keys");
    let keys: Vec<Vec<u8>> = (0..5_000)
        .map(|_| {
            let bytes = random.within(0, 40);
            (0..bytes).map(|_| random.next() as u8).collect()
        })
        .collect();
    let hexed: Vec<String> = keys.iter().map(|key| hex(key)).collect();
    let counts = [1, 2, 7, 12, 100, 10_007];
    let cases: Vec<_> = counts
        .iter()
        .map(|count| json!({ "keys": hexed, "partitions": count }))
        .collect();
    let Some(answers) = ask_java(&cases) else {
        return;
    };
    for (count, answer) in counts.into_iter().zip(answers) {
        for (index, key) in keys.iter().enumerate() {
            let name = &hexed[index];
            assert_eq!(json!(murmur2(key)), answer["hashes"][index], "{name}");
            let ours = Partitioner::Murmur2Random.partition(Some(key), count);
            assert_eq!(
                json!(ours),
                answer["partitions"][index],
                "{name} of {count}"
            );
        }
    }
}

/// kcat sends keys with each of librdkafka's partitioners; where they arrived is where we say.
#[test]
fn keys_land_where_librdkafka_puts_them() {
    const PARTITIONS: u32 = 12;
    let Some(cluster) = shared_single() else {
        return;
    };
    let keys: Vec<String> = (0..400)
        .map(|number| format!("{}-key", number * number))
        .collect();
    let input: String = keys.iter().map(|key| format!("{key}:{key}\n")).collect();
    for partitioner in Partitioner::ALL {
        if partitioner == Partitioner::Random {
            continue;
        }
        let topic = fresh_topic("keys");
        let new = NewTopic::new(&topic, PARTITIONS as i32);
        cluster.judge().create_topic(&new).unwrap();
        let bootstrap = cluster.bootstrap();
        let property = format!("topic.partitioner={}", partitioner.name());
        let send = [
            "-P", "-b", bootstrap, "-t", &topic, "-K", ":", "-X", &property,
        ];
        if kcat(&send, input.as_bytes()).is_none() {
            return;
        }
        let read = [
            "-C", "-b", bootstrap, "-t", &topic, "-e", "-q", "-f", "%k %p\n",
        ];
        let read = kcat(&read, b"").expect("it was there a moment ago");
        let read = String::from_utf8(read).unwrap();
        let theirs: BTreeMap<&str, u32> = read
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(key, partition)| (key, partition.parse().unwrap()))
            .collect();
        assert_eq!(theirs.len(), keys.len(), "{partitioner}");
        for key in &keys {
            let ours = partitioner.partition(Some(key.as_bytes()), PARTITIONS);
            assert_eq!(
                ours,
                theirs.get(key.as_str()).copied(),
                "{partitioner}: {key}"
            );
        }
    }
}
