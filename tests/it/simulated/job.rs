//! A load as `ringmain load` runs it, life after life: open the state, ask the cluster, decide where each
//! partition goes on, run a shard. Over whatever I/O it is given, and mortal between any two turns.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::cluster::{Cluster, ClusterError};
use engine::control::{Control, ControlError, To};
use engine::flow::config::{
    ClientConfig, LoadConfig, LoadObserver, PartitionStart, Progress, Reject,
};
use engine::flow::resume::{GoOn, Resume, ResumeError, Resumed, identity};
use engine::flow::survey::{Cutting, Survey};
use engine::flow::to_kafka::{FlowError, SequentialConfig, ToKafka};
use engine::flow::{DealtSurvey, Reread};
use engine::io::Io;
use engine::positions::{
    DIRECTION_LOAD, Fresh, InputIdentity, JobHeader, KIND_JOB, LaneProducer, PartitionSlot,
    StateView, Store, StoreError,
};
use kafka_protocol::messages::{InitProducerIdRequest, MetadataResponse, ProducerId};
use protocol::client::producer::Timing;

use crate::log::TOPIC;
use crate::oracle;
use crate::plan::{Dealt, Files, Plan};

/// Turns after which a load is taken to hang.
const TURNS_MAX: u64 = 200_000;

/// Why a life ended before the load did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LifeError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Resume(#[from] ResumeError),
    #[error(transparent)]
    Flow(#[from] FlowError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the cluster is not ready: {0}")]
    NotReady(i16),
    #[error("at least once from {position}, partition {partition}")]
    Doubt { partition: u32, position: u64 },
}

/// How a life ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Everything is loaded.
    Done,
    /// It was killed.
    Died,
    Failed(LifeError),
}

/// What a life depends on.
pub(crate) trait Surroundings {
    /// I/O for one thread.
    fn io(&mut self) -> Io;

    /// Where the broker listens.
    fn bootstrap(&self) -> (String, u16);

    /// Asked before every turn of the shard, counted from 0: whether the process dies now.
    fn dies(&mut self, turn: u64) -> bool;

    /// Asked before each position is noted as in use: whether the process dies now.
    fn dies_at_start(&mut self) -> bool {
        false
    }
}

/// What survives a process: the state file, and the file of rejects.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) plan: Plan,
    pub(crate) files: Files,
    pub(crate) topic_id: [u8; 16],
    pub(crate) rejects: Arc<Mutex<BTreeMap<u64, Reject>>>,
    /// The positions as they were at the last sync: what a loss of power leaves.
    synced: Arc<Mutex<Vec<PartitionSlot>>>,
    header: Option<JobHeader>,
    pub(crate) progress: Arc<Progress>,
}

impl Job {
    pub(crate) fn new(plan: Plan, files: Files, topic_id: [u8; 16]) -> Self {
        Self {
            plan,
            files,
            topic_id,
            rejects: Arc::default(),
            synced: Arc::default(),
            header: None,
            progress: Arc::default(),
        }
    }

    /// The positions as they are in the state file.
    pub(crate) fn slots(&self) -> Vec<PartitionSlot> {
        StateView::read(&self.files.state()).map_or_else(|_| Vec::new(), |view| view.slots)
    }

    /// The power goes: the state is what was synced last.
    pub(crate) fn lose_power(&mut self) {
        let slots = lock(&self.synced).clone();
        if slots.is_empty() {
            return;
        }
        let path = self.files.state();
        Store::remove(&path, Duration::ZERO).expect("nobody holds it");
        let mut store = self.create(&slots).expect("the state can be made");
        store.sync().expect("the state can be synced");
    }

    /// From the start of a process to its end.
    pub(crate) fn live(&mut self, around: &mut dyn Surroundings) -> End {
        match self.try_live(around) {
            Ok(true) => End::Done,
            Ok(false) => End::Died,
            Err(error) => End::Failed(error),
        }
    }

    fn try_live(&mut self, around: &mut dyn Surroundings) -> Result<bool, LifeError> {
        let config = self.config(around.bootstrap());
        let mut control =
            Control::connect(around.io(), config.client.clone(), Duration::from_secs(30))?;
        let metadata = control.metadata(TOPIC)?;
        let topic = &metadata.topics[0];
        if topic.error_code != 0 || topic.partitions.is_empty() {
            return Err(LifeError::NotReady(topic.error_code));
        }
        let (mut store, decided) = self.open(&mut control, &config, &metadata)?;
        drop(control);
        let mut lanes: Vec<Vec<PartitionStart>> =
            (0..self.plan.lanes).map(|_| Vec::new()).collect();
        for go_on in decided {
            if around.dies_at_start() {
                return Ok(false);
            }
            if let Some(position) = go_on.doubt {
                let partition = go_on.partition;
                return Err(LifeError::Doubt {
                    partition,
                    position,
                });
            }
            let fixed = self.plan.rules.deal.fixed;
            let lane = fixed.map_or(go_on.partition % self.plan.lanes, |_| 0);
            if let Some(start) = self.note_start(&mut store, go_on) {
                lanes[lane as usize].push(start);
            }
        }
        self.sync(&mut store)?;
        lanes.retain(|starts| !starts.is_empty());
        self.run(around, config, &metadata, lanes, store)
    }

    fn note_start(&self, store: &mut Store, go_on: GoOn) -> Option<PartitionStart> {
        let GoOn {
            partition,
            mut slot,
            is_known,
            unconfirmed,
            ..
        } = go_on;
        let mut writer = store
            .take_writer(partition)
            .expect("a position a partition");
        slot.clean = false;
        writer.put(&slot);
        let start = PartitionStart {
            partition,
            slot,
            writer: Some(writer),
            identity: identity(&slot),
            is_known,
            unconfirmed,
        };
        self.plan.rules.deal.has_chunks(partition).then_some(start)
    }

    fn run(
        &mut self,
        around: &mut dyn Surroundings,
        config: LoadConfig,
        metadata: &MetadataResponse,
        lanes: Vec<Vec<PartitionStart>>,
        store: Store,
    ) -> Result<bool, LifeError> {
        let store = Arc::new(Mutex::new(store));
        let observer = Arc::new(Observer {
            store: Arc::clone(&store),
            rejects: Arc::clone(&self.rejects),
            synced: Arc::clone(&self.synced),
        });
        let io = around.io();
        let backoff = (config.timing.backoff, config.timing.backoff_max);
        let cluster = Cluster::new(
            io.now(),
            &config.client,
            backoff,
            TOPIC,
            self.topic_id,
            metadata,
        )?;
        self.progress = Arc::default();
        let progress = Arc::clone(&self.progress);
        let mut flow = if self.plan.window_chunks == 0 {
            ToKafka::new(io, config, cluster, lanes, progress, observer)?
        } else {
            let positions = lanes.iter().flatten().map(|start| start.slot.position);
            let sequential = self.sequential(positions.min().unwrap_or(0));
            ToKafka::sequential(io, config, cluster, lanes, progress, observer, sequential)?
        };
        let mut turn = 0;
        loop {
            if around.dies(turn) {
                return Ok(false);
            }
            if turn.is_multiple_of(37) {
                self.sync(&mut lock(&store))?;
            }
            assert!(turn < TURNS_MAX, "the load does not end: {flow:?}");
            turn += 1;
            if !flow.turn()? {
                break;
            }
        }
        let report = flow.into_report();
        match report.failure {
            Some(error) => Err(error.into()),
            None => Ok(!report.was_stopped),
        }
    }

    /// One reader from `position` on.
    fn sequential(&self, position: u64) -> SequentialConfig {
        let dealt = Dealt {
            plan: &self.plan,
            input: &self.files.input,
        };
        let (feed, grammar) = dealt.reread(position).expect("files are opened later");
        SequentialConfig {
            feed,
            is_threaded: false,
            grammar,
            rules: self.plan.deal_rules(),
            position,
            // Little: the reader has to wait now and then.
            memory_bytes: 100_000,
            is_rereadable: true,
            linger: Duration::from_millis(5),
        }
    }

    /// As the loader does once a second.
    fn sync(&self, store: &mut Store) -> Result<(), StoreError> {
        store.sync()?;
        *lock(&self.synced) = slots_at(store);
        Ok(())
    }

    fn open(
        &mut self,
        control: &mut Control,
        config: &LoadConfig,
        metadata: &MetadataResponse,
    ) -> Result<(Store, Vec<GoOn>), LifeError> {
        let path = self.files.state();
        let Some(found) = Store::locate(&path, Duration::ZERO)? else {
            let slots = self.begin(control)?;
            let store = self.create(&slots)?;
            *lock(&self.synced) = slots.clone();
            let fresh = |(partition, slot)| GoOn {
                partition,
                slot,
                is_known: false,
                unconfirmed: None,
                passed: Vec::new(),
                doubt: None,
            };
            return Ok((store, (0..).zip(slots).map(fresh).collect()));
        };
        let decode = |index| PartitionSlot::decode(found.payload(index)).expect("a whole slot");
        let slots: Vec<PartitionSlot> = (0..found.positions()).map(decode).collect();
        let store = found.adopt()?;
        let stored = slots.clone();
        let resumed = (0..).zip(slots).map(|(partition, slot)| Resumed {
            partition,
            slot,
            leader: leader(metadata, partition),
        });
        let dealt = Dealt {
            plan: &self.plan,
            input: &config.input,
        };
        let survey = if self.plan.window_chunks == 0 {
            &mut Survey::new(&config.input, config.rules, config.record_bytes_max)
                as &mut dyn Cutting
        } else {
            &mut DealtSurvey::new(&dealt, self.plan.deal_rules())
        };
        let decided = Resume {
            control,
            survey,
            topic: TOPIC,
            topic_id: self.topic_id,
            timeout: Duration::from_secs(60),
            expiration: Duration::from_secs(86_400),
            begun_ms: self.header.as_ref().expect("the job was begun").started_ms,
            now_ms: now_ms(),
        }
        .decide(resumed.collect())?;
        // The file of rejects keeps what stored positions have passed; the rest is found again, but for
        // what positions are about to pass.
        let deal = self.plan.rules.deal;
        let mut rejects = lock(&self.rejects);
        rejects.retain(|&start, _| {
            let partition = oracle::partition(&deal, start);
            stored[partition as usize].position > start
        });
        for go_on in &decided {
            for record in &go_on.passed {
                let (file, file_offset) = config.input.locate(record.range.start);
                let reject = Reject {
                    file,
                    file_offset,
                    reason: record.reason(config.record_bytes_max),
                    partition: go_on.partition,
                    range: record.range.clone(),
                    content: None,
                };
                rejects.insert(record.range.start, reject);
            }
        }
        drop(rejects);
        Ok((store, decided))
    }

    /// What a new job's positions begin with.
    fn begin(&mut self, control: &mut Control) -> Result<Vec<PartitionSlot>, LifeError> {
        let mut producers = Vec::new();
        if self.plan.idempotence {
            for _ in 0..self.plan.lanes {
                let request = InitProducerIdRequest::default()
                    .with_transactional_id(None)
                    .with_producer_id(ProducerId(-1))
                    .with_producer_epoch(-1);
                let response = control.call(To::Any, &request)?;
                if response.error_code != 0 {
                    return Err(LifeError::NotReady(response.error_code));
                }
                let epoch = self.plan.first_epoch.unwrap_or(response.producer_epoch);
                producers.push(LaneProducer {
                    id: response.producer_id.0,
                    epoch,
                });
            }
        }
        let identities = self.files.input.files().iter().map(|file| InputIdentity {
            path: file.path.display().to_string(),
            device: file.device,
            inode: file.inode,
            size: file.size,
            first_kib_crc: 0,
        });
        let identities: Vec<InputIdentity> = identities.collect();
        self.header = Some(JobHeader {
            cluster_id: "simulated".to_owned(),
            topic: TOPIC.to_owned(),
            topic_id: self.topic_id,
            direction: DIRECTION_LOAD,
            arguments: identities
                .iter()
                .map(|identity| identity.path.clone())
                .collect(),
            inputs: identities,
            settings: self.plan.frozen(),
            lane_producers: producers.clone(),
            started_ms: now_ms(),
            ..JobHeader::default()
        });
        let slot = |partition: u32| {
            let producer = producers.get((partition % self.plan.lanes) as usize);
            PartitionSlot {
                producer_id: producer.map_or(-1, |producer| producer.id),
                epoch: producer.map_or(-1, |producer| producer.epoch),
                next_sequence: self.plan.first_sequence,
                end_offset_at_start: 0,
                ..PartitionSlot::default()
            }
        };
        Ok((0..self.plan.rules.deal.partitions).map(slot).collect())
    }

    /// A new state file with these positions in it.
    fn create(&self, slots: &[PartitionSlot]) -> Result<Store, StoreError> {
        let header = self.header.as_ref().expect("the job was begun");
        let fresh = Fresh {
            kind: KIND_JOB,
            header: header.encode().expect("a header"),
            positions: self.plan.rules.deal.partitions,
            initial: PartitionSlot::default().encode(),
        };
        let made = Store::create(&self.files.state(), &fresh)?;
        let mut store = made.expect("nobody else makes it");
        for (index, slot) in (0..).zip(slots) {
            store
                .writer(index)
                .expect("it was not handed out")
                .put(slot);
        }
        store.sync()?;
        Ok(store)
    }

    fn config(&self, bootstrap: (String, u16)) -> LoadConfig {
        let plan = &self.plan;
        LoadConfig {
            input: Arc::clone(&self.files.input),
            topic: TOPIC.to_owned(),
            topic_id: self.topic_id,
            rules: plan.rules,
            record_bytes_max: plan.record_bytes_max,
            compression: plan.compression,
            compression_level: None,
            acks: -1,
            in_flight_max: plan.in_flight_max,
            timing: Timing {
                delivery: plan.delivery,
                backoff: Duration::from_millis(20),
                backoff_max: Duration::from_millis(200),
            },
            client: ClientConfig {
                client_id: "simulated".to_owned(),
                bootstrap: vec![bootstrap],
                request_timeout: Duration::from_millis(800),
                connect_timeout: Duration::from_millis(500),
                reconnect_backoff: Duration::from_millis(10),
                reconnect_backoff_max: Duration::from_millis(100),
                metadata_max_age: Duration::from_secs(300),
            },
            rate: plan.rate,
        }
    }
}

/// Who leads a partition, and since which epoch.
fn leader(metadata: &MetadataResponse, index: u32) -> (i32, i32) {
    let mut all = metadata.topics[0].partitions.iter();
    let found = all.find(|partition| partition.partition_index.cast_unsigned() == index);
    found.map_or((1, 0), |found| (found.leader_id.0, found.leader_epoch))
}

fn now_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970");
    i64::try_from(now.as_millis()).expect("a date")
}

/// What is durable, by reading the file as another process would.
fn slots_at(store: &Store) -> Vec<PartitionSlot> {
    StateView::read(store.path())
        .expect("the state can be read")
        .slots
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Observer {
    store: Arc<Mutex<Store>>,
    rejects: Arc<Mutex<BTreeMap<u64, Reject>>>,
    synced: Arc<Mutex<Vec<PartitionSlot>>>,
}

impl LoadObserver for Observer {
    fn sync(&self) -> Result<(), String> {
        let mut store = lock(&self.store);
        store.sync().map_err(|error| error.to_string())?;
        *lock(&self.synced) = slots_at(&store);
        Ok(())
    }

    fn reject(&self, reject: &Reject) -> Result<(), String> {
        lock(&self.rejects).insert(reject.range.start, reject.clone());
        Ok(())
    }
}
