//! Where each partition begins: at zero for a new job, else where the state and the brokers say.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use connectors::file::inputs::Inputs;
use engine::control::Control;
use engine::flow::config::{LoadConfig, PartitionStart};
use engine::flow::resume::{self, GoOn, Resume, Resumed};
use engine::flow::survey::Survey;
use engine::positions::{
    DIRECTION_LOAD, Fresh, JobHeader, KIND_JOB, LaneProducer, PartitionSlot, Store,
};

use super::Begun;
use super::error::LoadError;
use super::plan;
use super::state::{self, Job};
use super::target::{self, Topic};
use crate::options::LoadOptions;
use crate::summary::Doubt;

/// What the shards are given.
#[derive(Debug)]
pub(super) struct Started {
    /// By shard, then by lane.
    pub(super) shards: Vec<Vec<Vec<PartitionStart>>>,
    /// Where records may come to lie twice.
    pub(super) doubts: Vec<Doubt>,
    /// What earlier runs have done.
    pub(super) begun: Begun,
    pub(super) resumed: bool,
}

pub(super) fn now_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Makes the state of a new job durable: before its first send.
pub(super) fn new_job(
    control: &mut Control,
    options: &LoadOptions,
    inputs: &Inputs,
    topic: &Topic,
    path: PathBuf,
) -> Result<Box<Job>, LoadError> {
    // Random, so that many small jobs do not all fill partition 0.
    let base = u32::try_from(RandomState::new().hash_one(0u8) >> 33).expect("31 bits");
    let settings = plan::freeze(options, topic, base);
    let mut lane_producers = Vec::new();
    if settings.idempotence {
        for _ in 0..settings.lanes {
            let (id, epoch) = target::init_producer_id(control, options)?;
            lane_producers.push(LaneProducer { id, epoch });
        }
    }
    let ends = target::end_offsets(control, topic, options.producer.block_max)?;
    let header = JobHeader {
        cluster_id: topic.cluster_id.clone(),
        topic: topic.name.clone(),
        topic_id: topic.id,
        direction: DIRECTION_LOAD,
        arguments: inputs.arguments.clone(),
        inputs: inputs
            .files
            .iter()
            .map(state::identity)
            .collect::<Result<_, _>>()?,
        settings,
        lane_producers,
        previous_ends: Vec::new(),
        started_ms: now_ms(),
        finished_ms: 0,
        exit_code: 0,
    };
    let slots = first_slots(&header, &ends);
    let encoded = header.encode().map_err(|why| LoadError::StateContent {
        path: path.clone(),
        why,
    })?;
    let fresh = Fresh {
        kind: KIND_JOB,
        header: encoded,
        positions: settings.partitions,
        initial: PartitionSlot::default().encode(),
    };
    let store = Store::create(&path, &fresh)?.ok_or_else(|| LoadError::StateContent {
        path,
        why: "another process has just begun the same load".to_owned(),
    })?;
    Ok(Box::new(Job::begun(header, slots, store)))
}

/// Nothing sent: who will produce, and where the log ends before that.
fn first_slots(header: &JobHeader, ends: &[i64]) -> Vec<PartitionSlot> {
    let slot = |(partition, &end)| {
        let lane: u32 = partition % header.settings.lanes;
        let producer = header.lane_producers.get(lane as usize);
        PartitionSlot {
            producer_id: producer.map_or(-1, |producer| producer.id),
            epoch: producer.map_or(-1, |producer| producer.epoch),
            end_offset_at_start: end,
            ..PartitionSlot::default()
        }
    };
    (0..).zip(ends).map(slot).collect()
}

/// Decides where each partition goes on, and notes durably that something will be in flight.
pub(super) fn partitions(
    control: &mut Control,
    options: &LoadOptions,
    topic: &Topic,
    config: &LoadConfig,
    job: &mut Job,
) -> Result<Started, LoadError> {
    let resumed = !job.is_new;
    let decided = if resumed {
        resume(control, options, topic, config, job)?
    } else {
        (0..)
            .zip(&job.slots)
            .map(|(partition, slot)| fresh(partition, *slot))
            .collect()
    };
    let begun = job.slots.iter().fold(Begun::default(), |mut sum, slot| {
        sum.records += slot.records;
        sum.bytes += slot.bytes;
        sum.rejects += slot.rejects;
        sum
    });
    let begun = Begun {
        bytes_total: config.input.bytes(),
        ..begun
    };
    let doubts = decided
        .iter()
        .filter_map(|go_on| {
            Some(Doubt {
                partition: go_on.partition,
                from_position: go_on.doubt?,
            })
        })
        .collect();
    let shards = deal_out(config, job, decided)?;
    job.store_mut().sync()?;
    Ok(Started {
        shards,
        doubts,
        begun,
        resumed,
    })
}

fn fresh(partition: u32, slot: PartitionSlot) -> GoOn {
    GoOn {
        partition,
        slot,
        is_known: false,
        unconfirmed: None,
        doubt: None,
    }
}

fn resume(
    control: &mut Control,
    options: &LoadOptions,
    topic: &Topic,
    config: &LoadConfig,
    job: &mut Job,
) -> Result<Vec<GoOn>, LoadError> {
    let unbegun = begin_slots(control, options, topic, job)?;
    let partitions = (0..).zip(&job.slots).zip(&topic.leaders);
    let resumed = partitions
        .filter(|((partition, _), _)| !unbegun.contains(partition))
        .map(|((partition, &slot), &leader)| Resumed {
            partition,
            slot,
            leader,
        })
        .collect();
    let mut survey = Survey::new(&config.input, config.rules, config.record_bytes_max);
    let mut decided = Resume {
        control,
        survey: &mut survey,
        topic: &topic.name,
        topic_id: topic.id,
        timeout: options.producer.block_max,
        expiration: topic.producer_expiration,
        now_ms: now_ms(),
    }
    .decide(resumed)
    .map_err(|error| LoadError::Resume {
        topic: topic.name.clone(),
        error,
    })?;
    for go_on in &decided {
        job.slots[go_on.partition as usize] = go_on.slot;
        if let Some(position) = go_on.doubt {
            tracing::warn!(
                "at least once from input position {position}, partition {}: the brokers cannot \
                 tell what arrived before the interruption",
                go_on.partition
            );
        }
    }
    decided.extend(
        unbegun
            .iter()
            .map(|&index| fresh(index, job.slots[index as usize])),
    );
    Ok(decided)
}

/// A process that died after it made the state and before it noted in it what would be in flight has
/// sent nothing: those slots are still as they were made, without a producer. Gives their partitions.
fn begin_slots(
    control: &mut Control,
    options: &LoadOptions,
    topic: &Topic,
    job: &mut Job,
) -> Result<Vec<u32>, LoadError> {
    let slots = (0..).zip(&job.slots);
    let unbegun = slots.filter(|(_, slot)| slot.end_offset_at_start < 0);
    let unbegun: Vec<u32> = unbegun.map(|(partition, _)| partition).collect();
    if !unbegun.is_empty() {
        let ends = target::end_offsets(control, topic, options.producer.block_max)?;
        let first = first_slots(&job.header, &ends);
        for &partition in &unbegun {
            job.slots[partition as usize] = first[partition as usize];
        }
    }
    Ok(unbegun)
}

fn deal_out(
    config: &LoadConfig,
    job: &mut Job,
    decided: Vec<GoOn>,
) -> Result<Vec<Vec<Vec<PartitionStart>>>, LoadError> {
    let lanes = job.header.settings.lanes as usize;
    let shard_count = plan::shard_count(&job.header.settings);
    let mut by_lane: Vec<Vec<PartitionStart>> = (0..lanes).map(|_| Vec::new()).collect();
    for GoOn {
        partition,
        mut slot,
        is_known,
        unconfirmed,
        ..
    } in decided
    {
        let Some(mut writer) = job.store_mut().take_writer(partition) else {
            let path = job.store_mut().path().to_owned();
            let why = format!("it has no position of partition {partition}");
            return Err(LoadError::StateContent { path, why });
        };
        slot.clean = false;
        writer.put(&slot);
        if !config.rules.deal.has_chunks(partition) {
            continue;
        }
        let lane = if config.rules.deal.fixed.is_some() {
            0
        } else {
            partition as usize % lanes
        };
        let identity = resume::identity(&slot);
        by_lane[lane].push(PartitionStart {
            partition,
            slot,
            writer,
            identity,
            is_known,
            unconfirmed,
        });
    }
    let mut shards: Vec<Vec<Vec<PartitionStart>>> = (0..shard_count).map(|_| Vec::new()).collect();
    for (lane, starts) in by_lane.into_iter().enumerate() {
        shards[lane % shard_count].push(starts);
    }
    shards.retain(|lanes| lanes.iter().any(|starts| !starts.is_empty()));
    Ok(shards)
}
