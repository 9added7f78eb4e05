//! Where each partition begins: at zero for a new job, else where the state and the brokers say.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::control::Control;
use engine::flow::DealtSurvey;
use engine::flow::config::{LoadConfig, PartitionStart, TooLarge};
use engine::flow::resume::{self, GoOn, Resume, Resumed};
use engine::flow::survey::{Cutting, Survey};
use engine::positions::{
    FrozenSettings, JobDoubt, JobHeader, JobStart, LaneProducer, PartitionSlot,
};

use super::Begun;
use super::error::LoadError;
use super::kept::Kept;
use super::plan;
use super::reading::Sources;
use super::target::{self, Topic};
use crate::options::LoadOptions;

/// Where the partitions go on.
#[derive(Debug)]
pub(super) struct Decided {
    decided: Vec<GoOn>,
    /// What is known to be in the log, by partition.
    pub(super) slots: Vec<PartitionSlot>,
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

/// Decides where each partition goes on. Nothing of it is stored yet.
pub(super) fn decide(
    control: &mut Control,
    options: &LoadOptions,
    topic: &Topic,
    config: &LoadConfig,
    sources: Option<&Sources>,
    job: &mut Kept,
) -> Result<Decided, LoadError> {
    name_producers(control, options, job)?;
    let resumed = job.start() != JobStart::Fresh;
    let mut slots = job.slots().to_vec();
    let survey = match sources {
        Some(sources) => &mut DealtSurvey::new(sources, sources.rules()) as &mut dyn Cutting,
        None => &mut Survey::new(&config.input, config.rules, config.record_bytes_max),
    };
    let decided = decide_each(control, options, topic, survey, job.header(), &mut slots)?;
    let begun = slots.iter().fold(Begun::default(), |mut sum, slot| {
        sum.records += slot.records;
        sum.bytes += slot.bytes;
        sum.rejects += slot.rejects;
        sum
    });
    let begun = Begun {
        bytes_total: sources.map_or(Some(config.input.bytes()), Sources::bytes),
        ..begun
    };
    note_doubts(job, &decided)?;
    Ok(Decided {
        decided,
        slots,
        begun,
        resumed,
    })
}

impl Decided {
    /// Refused records that positions are about to pass, to be noted before they do.
    pub(super) fn passed(&self) -> impl Iterator<Item = (u32, &TooLarge)> {
        let of = |go_on: &GoOn| go_on.partition;
        self.decided
            .iter()
            .flat_map(move |go_on| go_on.passed.iter().map(move |record| (of(go_on), record)))
    }

    /// Stores the positions, durably, and deals the partitions out: by shard, then by lane.
    pub(super) fn deal_out(
        self,
        config: &LoadConfig,
        job: &mut Kept,
    ) -> Result<Vec<Vec<Vec<PartitionStart>>>, LoadError> {
        let shards = deal_out(config, job, self.decided);
        job.sync()?;
        Ok(shards)
    }
}

/// Keeps what was said once: a later run must not promise more.
fn note_doubts(job: &mut Kept, decided: &[GoOn]) -> Result<(), LoadError> {
    let new: Vec<JobDoubt> = decided
        .iter()
        .filter_map(|go_on| {
            let doubt = JobDoubt {
                partition: go_on.partition,
                position: go_on.doubt?,
            };
            (!job.header().doubts.contains(&doubt)).then_some(doubt)
        })
        .collect();
    if !new.is_empty() {
        job.update(|header| header.doubts.extend(new))?;
    }
    Ok(())
}

/// Asks for the lanes' producer ids, and notes them, before their first use.
fn name_producers(
    control: &mut Control,
    options: &LoadOptions,
    job: &mut Kept,
) -> Result<(), LoadError> {
    let FrozenSettings {
        idempotence, lanes, ..
    } = job.header().settings;
    if !idempotence || !job.header().lane_producers.is_empty() {
        return Ok(());
    }
    let mut producers = Vec::new();
    for _ in 0..lanes {
        let (id, epoch) = target::init_producer_id(control, options)?;
        producers.push(LaneProducer { id, epoch });
    }
    job.update(|header| header.lane_producers = producers)?;
    Ok(())
}

fn fresh(partition: u32, slot: PartitionSlot) -> GoOn {
    GoOn {
        partition,
        slot,
        is_known: false,
        unconfirmed: None,
        passed: Vec::new(),
        doubt: None,
    }
}

fn decide_each(
    control: &mut Control,
    options: &LoadOptions,
    topic: &Topic,
    survey: &mut dyn Cutting,
    header: &JobHeader,
    slots: &mut [PartitionSlot],
) -> Result<Vec<GoOn>, LoadError> {
    let unbegun = begin_slots(control, options, topic, header, slots)?;
    let partitions = (0..).zip(slots.iter()).zip(&topic.leaders);
    let resumed: Vec<Resumed> = partitions
        .filter(|((partition, _), _)| !unbegun.contains(partition))
        .map(|((partition, &slot), &leader)| Resumed {
            partition,
            slot,
            leader,
        })
        .collect();
    let mut decided = if resumed.is_empty() {
        Vec::new()
    } else {
        resume(control, options, topic, survey, header.started_ms, resumed)?
    };
    for go_on in &decided {
        slots[go_on.partition as usize] = go_on.slot;
    }
    decided.extend(
        unbegun
            .iter()
            .map(|&index| fresh(index, slots[index as usize])),
    );
    Ok(decided)
}

fn resume(
    control: &mut Control,
    options: &LoadOptions,
    topic: &Topic,
    survey: &mut dyn Cutting,
    begun_ms: i64,
    resumed: Vec<Resumed>,
) -> Result<Vec<GoOn>, LoadError> {
    let decided = Resume {
        control,
        survey,
        topic: &topic.name,
        topic_id: topic.id,
        timeout: options.producer.block_max,
        expiration: topic.producer_expiration,
        begun_ms,
        now_ms: now_ms(),
    }
    .decide(resumed)
    .map_err(|error| LoadError::Resume {
        topic: topic.name.clone(),
        error,
    })?;
    for go_on in &decided {
        if let Some(position) = go_on.doubt {
            tracing::warn!(
                "at least once from input position {position}, partition {}: the brokers cannot \
                 tell what arrived before the interruption",
                go_on.partition
            );
        }
    }
    Ok(decided)
}

/// Slots of a new job, and those of a process that died before it noted in them what would be in flight,
/// are still as they were made, and nothing was sent. Gives their partitions.
fn begin_slots(
    control: &mut Control,
    options: &LoadOptions,
    topic: &Topic,
    header: &JobHeader,
    slots: &mut [PartitionSlot],
) -> Result<Vec<u32>, LoadError> {
    let unbegun = (0..)
        .zip(slots.iter())
        .filter(|(_, slot)| slot.end_offset_at_start < 0);
    let unbegun: Vec<u32> = unbegun.map(|(partition, _)| partition).collect();
    if !unbegun.is_empty() {
        let ends = target::end_offsets(control, topic, options.producer.block_max)?;
        let first = first_slots(header, &ends);
        for &partition in &unbegun {
            slots[partition as usize] = first[partition as usize];
        }
    }
    Ok(unbegun)
}

fn deal_out(
    config: &LoadConfig,
    job: &mut Kept,
    decided: Vec<GoOn>,
) -> Vec<Vec<Vec<PartitionStart>>> {
    let lanes = job.header().settings.lanes as usize;
    let shard_count = plan::shard_count(&job.header().settings);
    let mut by_lane: Vec<Vec<PartitionStart>> = (0..lanes).map(|_| Vec::new()).collect();
    for GoOn {
        partition,
        mut slot,
        is_known,
        unconfirmed,
        ..
    } in decided
    {
        let mut writer = job.take_writer(partition);
        slot.clean = false;
        if let Some(writer) = &mut writer {
            writer.put(&slot);
        }
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
    shards
}
