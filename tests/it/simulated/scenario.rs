//! From a seed: an input whose lines lie on every edge, a way to cut it, and what goes wrong.

use std::time::Duration;

use broker::{Action, Fault, When};
use engine::flow::CutRules;
use engine::flow::config::Rate;
use engine::input::Deal;
use engine::io::Faults;
use kafka_protocol::messages::ApiKey;
use protocol::error_code::ErrorCode;
use protocol::records::header::Compression;

use crate::peer::Hazards;
use crate::plan::Plan;
use crate::random::Random;

/// What mainly goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Network,
    Deaths,
    Broker,
    Poison,
    Everything,
}

const POISON: &[u8] = b"\x00poison";

/// A load and what befalls it.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) plan: Plan,
    pub(crate) contents: Vec<Vec<u8>>,
    pub(crate) hazards: Hazards,
    /// The turns before which lives end, the last one first.
    pub(crate) deaths: Vec<u64>,
    pub(crate) has_power_losses: bool,
    /// It may end by saying that it cannot go on.
    pub(crate) may_give_up: bool,
    /// The broker forgets producers between lives.
    pub(crate) forgets: bool,
}

impl Scenario {
    pub(crate) fn draw(kind: Kind, random: &mut Random) -> Self {
        let all = kind == Kind::Everything;
        let mut plan = draw_plan(random);
        if kind == Kind::Poison || all && random.chance(300) {
            plan.poison = random.chance(800).then_some(POISON);
            plan.first_epoch = random.chance(200).then_some(32_765);
            // Compressed, a batch may be smaller than its records.
            if plan.compression == Compression::None && random.chance(500) {
                let half = u64::from(plan.rules.batch_bytes_max) / 2;
                plan.topic_bytes_max = Some(random.between(half, half * 3));
            }
        }
        let contents = draw_contents(&plan, random);
        let dies = kind != Kind::Network || random.chance(300);
        let deaths = if dies { random.between(0, 5) } else { 0 };
        let deaths: Vec<u64> = (0..deaths).map(|_| draw_turn(random)).collect();
        let mut scenario = Self {
            has_power_losses: false,
            may_give_up: false,
            forgets: false,
            hazards: draw_hazards(kind, &plan, random),
            plan,
            contents,
            deaths,
        };
        if kind == Kind::Deaths || all {
            scenario.has_power_losses = random.chance(300);
            // Where nobody may read, a forgotten producer's batches cannot be told apart.
            let is_denied = random.chance(200);
            let is_refusing = scenario
                .plan
                .poison
                .or(scenario.plan.topic_bytes_max.map(|_| POISON));
            scenario.may_give_up =
                is_denied && (scenario.has_power_losses || is_refusing.is_some());
            scenario.forgets = !is_denied && random.chance(300);
            if is_denied {
                scenario.hazards.script.extend(deny_reading());
            }
        }
        scenario
    }
}

/// What a client without the right to READ is told.
fn deny_reading() -> [Fault; 2] {
    let denied = Action::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED, When::Before);
    [ApiKey::DescribeProducers, ApiKey::Fetch].map(|api| Fault::new(api, denied).always())
}

fn draw_hazards(kind: Kind, plan: &Plan, random: &mut Random) -> Hazards {
    let mut hazards = Hazards {
        network: draw_network(kind, random),
        restarts: Vec::new(),
        script: Vec::new(),
        poison: plan.poison,
        has_late_words: random.chance(700),
    };
    if matches!(kind, Kind::Broker | Kind::Everything) {
        let restarts = random.between(0, 3);
        hazards.restarts = (0..restarts).map(|_| random.between(5, 80)).collect();
        hazards.script = (0..random.between(0, 6))
            .map(|_| draw_fault(random))
            .collect();
    }
    hazards
}

fn draw_turn(random: &mut Random) -> u64 {
    let most = random.pick(&[10, 40, 100, 300]);
    random.between(0, most)
}

fn draw_plan(random: &mut Random) -> Plan {
    let partitions = u32::try_from(random.between(1, 5)).expect("small");
    let chunk_bytes = random.pick(&[64, 512, 777, 1024, 4096]);
    let mut plan = Plan::new(chunk_bytes, partitions);
    let fixed = random
        .chance(150)
        .then(|| random.next() % u64::from(partitions));
    plan.rules = CutRules {
        deal: Deal {
            base: u32::try_from(random.next() % u64::from(partitions)).expect("small"),
            fixed: fixed.map(|fixed| u32::try_from(fixed).expect("small")),
            ..plan.rules.deal
        },
        batch_bytes_max: u32::try_from(random.between(300, 2000)).expect("small"),
        delimiter: if random.chance(100) { 0 } else { b'\n' },
        crlf_strip: random.chance(400),
    };
    let batch_bytes_max = u64::from(plan.rules.batch_bytes_max);
    plan.record_bytes_max = batch_bytes_max * random.pick(&[1, 1, 4, 20]);
    let lanes = u32::try_from(random.between(1, 3))
        .expect("small")
        .min(partitions);
    plan.lanes = if fixed.is_some() { 1 } else { lanes };
    plan.compression = random.pick(&[
        Compression::None,
        Compression::None,
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ]);
    plan.in_flight_max = random.pick(&[1, 2, 5, 5, 5]);
    if random.chance(100) {
        plan.rate = Some(Rate::Records(5_000.0));
    }
    if random.chance(150) {
        plan.first_sequence = i32::MAX - i32::try_from(random.between(0, 40)).expect("small");
    }
    if random.chance(100) {
        plan.delivery = Duration::from_secs(3);
    }
    plan
}

fn draw_contents(plan: &Plan, random: &mut Random) -> Vec<Vec<u8>> {
    let files = random.pick(&[1, 1, 2, 3, 12]);
    let bytes = random.pick(&[0, 300, 3_000, 10_000, 30_000, 60_000]);
    let mut number = 0;
    (0..files)
        .map(|_| {
            let target = if random.chance(150) { 0 } else { bytes / files };
            let mut content = Vec::new();
            while content.len() < target {
                number += 1;
                draw_line(plan, number, &mut content, random);
            }
            if random.chance(400) {
                content.pop(); // No last delimiter, or in mid of a CRLF or an empty line.
            }
            content
        })
        .collect()
}

/// Lengths around every edge that there is.
fn draw_line(plan: &Plan, number: u32, content: &mut Vec<u8>, random: &mut Random) {
    let batch = plan.rules.batch_bytes_max as usize;
    let chunk = usize::try_from(plan.rules.deal.chunk_bytes).expect("small");
    let record = usize::try_from(plan.record_bytes_max).expect("small");
    let around = |at: usize, random: &mut Random| random.length(at.saturating_sub(4), at + 4);
    let length = match random.between(0, 40) {
        0..=4 => 0,
        5..=24 => random.length(1, 60),
        25..=33 => random.length(60, 300),
        34 => around(batch - 69, random),
        35 => around(batch / 2, random),
        36 => around(chunk, random),
        37 => random.length(chunk, chunk * 3),
        38 => around((record - 71).min(5_000), random),
        39 => random.length(0, batch * 2),
        _ => around(64 - 7, random),
    };
    let begin = content.len();
    content.extend_from_slice(format!("{number} ").as_bytes());
    if plan.poison.is_some() && random.chance(60) {
        // The delimiter may be 0, which then splits the poison: no poison then.
        content.extend_from_slice(POISON);
    }
    while content.len() - begin < length {
        let byte = random.pick(b"abcdefgh ijkl\r\xff");
        content.push(byte);
    }
    content.truncate(begin + length);
    if random.chance(200) {
        content.push(b'\r');
    }
    content.push(plan.rules.delimiter);
}

fn draw_network(kind: Kind, random: &mut Random) -> Faults {
    let mut network = match random.between(0, 2) {
        0 => Faults::none(),
        _ => Faults::network(),
    };
    if matches!(kind, Kind::Network | Kind::Everything) {
        network = Faults::network();
        network.connections_lost = random.pick(&[2, 10, 40]);
        network.file_errors = random.pick(&[0, 0, 0, 5]);
    }
    network
}

fn draw_fault(random: &mut Random) -> Fault {
    use ErrorCode as E;
    let when = random.pick(&[When::Before, When::After]);
    let delay = Duration::from_millis(random.between(1, 1500));
    let action = match random.between(0, 9) {
        0 => Action::Error(E::NOT_LEADER_OR_FOLLOWER, When::Before),
        1 => Action::Error(E::NOT_ENOUGH_REPLICAS, When::Before),
        2 => Action::Error(E::NOT_ENOUGH_REPLICAS_AFTER_APPEND, When::After),
        3 => Action::Error(E::REQUEST_TIMED_OUT, when),
        4 => Action::Error(E::UNKNOWN_TOPIC_OR_PARTITION, When::Before),
        5 => Action::Error(E::KAFKA_STORAGE_ERROR, when),
        6 => Action::Delay(delay, when),
        7 => Action::Silence(when),
        _ => Action::Cut {
            when,
            reply_bytes: random.length(0, 60),
        },
    };
    let is_produce = random.chance(850) || matches!(action, Action::Error(..));
    let api = if is_produce {
        ApiKey::Produce
    } else {
        random.pick(&[ApiKey::Metadata, ApiKey::DescribeProducers, ApiKey::Fetch])
    };
    let times = u32::try_from(random.between(1, 4)).expect("small");
    let skip = u32::try_from(random.between(0, 30)).expect("small");
    Fault::new(api, action).times(times).skip(skip)
}
