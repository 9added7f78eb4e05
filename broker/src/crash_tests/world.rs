//! The broker that will die, what its clients did, and what they are owed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::{
    CreatePartitionsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
};
use protocol::records::crc::crc32c;
use protocol::records::header::{BatchHeader, CRC_FROM};

use super::state::{Death, Files, Scene};
use crate::api::tests::random::Random;
use crate::api::tests::{
    Batch, Client, NOW_MS, init_producer_id, partition_answers, produce_request,
};
use crate::api::topic_name;
use crate::broker::Broker;
use crate::clock::Clock;
use crate::config::{Config, Storage};
use crate::log::{Found, PartitionLog};

/// A partition as its clients know it.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    start: i64,
    /// Base offset, and everything behind the header, of all that was ever acknowledged.
    batches: Vec<(i64, Vec<u8>)>,
    end: i64,
    /// What a power loss must leave of the end.
    synced_end: i64,
}

/// What clients were told.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    topics: BTreeMap<String, Vec<Known>>,
    producer_id: i64,
    leader_epoch: i32,
}

/// A broker, its client, and what the client was told.
#[derive(Debug)]
pub(super) struct World {
    place: PathBuf,
    syncs: bool,
    now_ms: i64,
    client: Client,
    model: Model,
    durable: BTreeMap<String, usize>,
}

fn open(place: &Path, syncs: bool, now_ms: i64) -> Result<Arc<Broker>, String> {
    let mut config = Config::new(Storage::Directory(place.to_owned()));
    config.sync_appends = syncs;
    Broker::with_clock(config, Clock::manual(now_ms)).map_err(|error| error.to_string())
}

impl World {
    pub(super) fn open(place: PathBuf, syncs: bool) -> Self {
        Self {
            client: Client::of(open(&place, syncs, NOW_MS).unwrap()),
            place,
            syncs,
            now_ms: NOW_MS,
            model: Model {
                producer_id: -1,
                ..Model::default()
            },
            durable: BTreeMap::new(),
        }
    }

    /// What there is now.
    pub(super) fn scene(&self) -> Scene {
        let files = Files::read(&self.place);
        let mut durable = self.durable.clone();
        let mut model = self.model.clone();
        for (topic, partitions) in &mut model.topics {
            for (index, known) in partitions.iter_mut().enumerate() {
                let segments = files.segments(&format!("{topic}-{index}"));
                for (at, path) in segments.iter().enumerate() {
                    let bytes = files.0[*path].len();
                    if self.syncs && bytes > 0 || at + 1 < segments.len() {
                        durable.insert((*path).to_owned(), bytes);
                    }
                }
                if self.syncs {
                    known.synced_end = known.end;
                } else if let Some(newest) = segments.last() {
                    let name = newest.rsplit('/').next().unwrap();
                    let base: i64 = name.trim_end_matches(".log").parse().unwrap();
                    known.synced_end = known.synced_end.max(base);
                }
            }
        }
        Scene {
            files,
            model,
            durable,
        }
    }

    /// One request, or a restart.
    pub(super) fn step(&mut self, random: &mut Random) -> &'static str {
        let names: Vec<_> = self.model.topics.keys().cloned().collect();
        let Some(name) = names.get(random.below(names.len())).cloned() else {
            self.create(random);
            return "create a topic";
        };
        let partitions = self.model.topics[&name].len();
        let partition = random.below(partitions);
        match random.below(20) {
            0 if names.len() < 2 => {
                self.create(random);
                "create a topic"
            }
            1 if names.len() > 1 => {
                self.delete(&name);
                "delete a topic"
            }
            2 if partitions < 3 => {
                self.grow(&name, partitions + 1);
                "create a partition"
            }
            3..=5 => {
                self.delete_records(&name, partition, random);
                "delete records"
            }
            6 => {
                self.restart();
                "restart"
            }
            7 => {
                let elected = self.client.broker().elect(&name, partition as i32, 1);
                self.model.leader_epoch = elected.unwrap().unwrap();
                "elect a leader"
            }
            8 => {
                let given = self.client.send(4, &init_producer_id());
                self.model.producer_id = given.producer_id.0;
                "give a producer id"
            }
            9 => {
                self.advance(60_000);
                self.client.broker().check_retention();
                self.look();
                "check retention"
            }
            _ => {
                self.produce(&name, partition, random);
                "produce"
            }
        }
    }

    fn create(&mut self, random: &mut Random) {
        let name = format!("t{}", random.below(1000));
        if self.model.topics.contains_key(&name) {
            return;
        }
        let config: &[(&str, &str)] = match random.below(3) {
            0 => &[("segment.bytes", "400")],
            1 => &[("segment.bytes", "500"), ("retention.bytes", "900")],
            _ => &[("segment.bytes", "700"), ("retention.ms", "100000")],
        };
        self.client.create(&name, 2, config);
        self.model.topics.insert(name, vec![Known::default(); 2]);
    }

    fn delete(&mut self, name: &str) {
        let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(name)]);
        assert_eq!(self.client.send(5, &request).responses[0].error_code, 0);
        self.model.topics.remove(name);
    }

    fn grow(&mut self, name: &str, count: usize) {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(count as i32)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
        assert_eq!(self.client.send(3, &request).results[0].error_code, 0);
        let partitions = self.model.topics.get_mut(name).unwrap();
        partitions.resize(count, Known::default());
    }

    fn delete_records(&mut self, name: &str, partition: usize, random: &mut Random) {
        let known = &self.model.topics[name][partition];
        let offset = match random.below(3) {
            0 => -1,
            _ => random.between(known.start as usize, known.end as usize) as i64,
        };
        let asked = DeleteRecordsPartition::default()
            .with_partition_index(partition as i32)
            .with_offset(offset);
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name(name))
            .with_partitions(vec![asked]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
        let response = self.client.send(2, &request);
        let answer = &response.topics[0].partitions[0];
        assert_eq!(answer.error_code, 0);
        let known = &mut self.model.topics.get_mut(name).unwrap()[partition];
        known.start = answer.low_watermark;
    }

    fn produce(&mut self, name: &str, partition: usize, random: &mut Random) {
        self.advance(1000);
        let value = vec![random.next() as u8; random.between(0, 90)];
        let count = random.between(1, 3);
        let batch = Batch::of(&vec![&value[..]; count]).at(self.now_ms);
        let records = batch.records.clone();
        let batch = match random.below(2) {
            0 => batch.sequenced(random.below(3) as i64, random.between(0, 2) as i16, 0),
            _ => batch,
        };
        let request = produce_request(&[(name, partition as i32, batch.bytes())]);
        let answer = partition_answers(self.client.send(9, &request)).remove(0);
        let known = &mut self.model.topics.get_mut(name).unwrap()[partition];
        // A sequence that is not next, or a duplicate: nothing was appended.
        if answer.error_code == 0 && answer.base_offset == known.end {
            known.batches.push((answer.base_offset, records));
            known.end += count as i64;
            self.look();
        }
    }

    /// Where logs begin after retention.
    fn look(&mut self) {
        for (name, partitions) in &mut self.model.topics {
            let topic = self.client.broker().topics.by_name(name).unwrap();
            for (partition, known) in topic.partitions.iter().zip(partitions) {
                known.start = partition.log().start_offset();
            }
        }
    }

    fn advance(&mut self, by_ms: i64) {
        self.now_ms += by_ms;
        self.client.broker().clock().advance(by_ms);
    }

    /// In order: everything is on disk then.
    fn restart(&mut self) {
        self.client.broker().close();
        self.client = Client::of(open(&self.place, self.syncs, self.now_ms).unwrap());
        self.model.leader_epoch += 1;
        let files = Files::read(&self.place);
        let sizes = files.0.iter();
        self.durable = sizes
            .map(|(path, bytes)| (path.clone(), bytes.len()))
            .collect();
        for known in self.model.topics.values_mut().flatten() {
            known.synced_end = known.end;
        }
    }
}

/// Opens a broker on a state between two scenes and holds it to what it owes. Says whether a log is
/// shorter than it was.
pub(super) fn check(
    place: &Path,
    before: &Scene,
    after: &Scene,
    death: Death,
) -> Result<bool, String> {
    let (owed, may) = (&before.model, &after.model);
    let broker = open(place, true, NOW_MS)?;
    let mut is_shorter = false;
    for (name, partitions) in &owed.topics {
        let Some(topic) = broker.topics.by_name(name) else {
            if may.topics.contains_key(name) {
                return Err(format!("topic {name} is not there"));
            }
            continue;
        };
        let may = may.topics.get(name).unwrap_or(partitions);
        for (index, (owed, may)) in partitions.iter().zip(may).enumerate() {
            let partition = topic
                .partition(index as i32)
                .ok_or_else(|| format!("{name}-{index} is not there"))?;
            let log = partition.log();
            check_log(&log, owed, may, death)
                .map_err(|wrong| format!("{name}-{index}: {wrong}; {owed:?} {may:?}"))?;
            is_shorter |= log.next_offset() < owed.end;
        }
    }
    let mut client = Client::of(Arc::clone(&broker));
    let id = client.send(4, &init_producer_id()).producer_id.0;
    if id <= owed.producer_id {
        return Err(format!("producer id {id} was given out before"));
    }
    // Costs as much as all before, so not every time.
    if id % 3 == 0 || is_shorter {
        go_on(&mut client, place, owed)?;
    }
    Ok(is_shorter)
}

fn check_log(log: &PartitionLog, owed: &Known, may: &Known, death: Death) -> Result<(), String> {
    let (start, end) = (log.start_offset(), log.next_offset());
    let owed_end = match death {
        Death::Process => owed.end,
        Death::Power => owed.synced_end,
    };
    if !(owed.start..=may.start.max(owed.start)).contains(&start) {
        return Err(format!("it begins at {start}"));
    }
    if !(owed_end.max(start)..=may.end).contains(&end) {
        return Err(format!("it ends at {end}"));
    }
    let mut expected = may.batches.iter();
    let mut at = start;
    while at < end {
        let found = log.read(at, 1, true).map_err(|error| error.to_string())?;
        let Found::Batches(slice) = found else {
            return Err(format!("offset {at} is not there"));
        };
        let mut bytes = Vec::new();
        slice.read(&mut bytes).map_err(|error| error.to_string())?;
        let header = BatchHeader::read(&bytes).map_err(|error| error.to_string())?;
        let base = header.base_offset;
        let sent = expected
            .find(|(sent, _)| *sent == base)
            .ok_or_else(|| format!("nobody sent a batch at {base}"))?;
        let is_whole = crc32c(&bytes[CRC_FROM..]) == header.crc && bytes[61..] == sent.1;
        if !is_whole || !(base..=header.last_offset()).contains(&at) {
            return Err(format!("the batch at {base} is not what was sent"));
        }
        at = header.last_offset() + 1;
    }
    Ok(())
}

/// A topic that is there takes a batch at its end, which is there after another start.
fn go_on(client: &mut Client, place: &Path, owed: &Model) -> Result<(), String> {
    let broker = Arc::clone(client.session.broker());
    let Some(topic) = broker.topics.all().into_iter().next() else {
        return Ok(());
    };
    let leader = topic.partitions[0].leader();
    if leader.epoch <= owed.leader_epoch && !owed.topics.is_empty() {
        return Err(format!("leader epoch {} is not new", leader.epoch));
    }
    let end = topic.partitions[0].log().next_offset();
    let entries = [(&topic.name[..], 0, Batch::counted(2).bytes())];
    let answer = partition_answers(client.send(9, &produce_request(&entries))).remove(0);
    if (answer.error_code, answer.base_offset) != (0, end) {
        return Err(format!("going on at {end}: {answer:?}"));
    }
    broker.close();
    let again = open(place, true, NOW_MS)?;
    match again.end_offset(&topic.name, 0) {
        Some(now) if now == end + 2 => Ok(()),
        other => Err(format!(
            "after another start {} ends at {other:?}",
            topic.name
        )),
    }
}
