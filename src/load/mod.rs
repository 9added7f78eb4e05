//! `ringmain load`: files into a topic, exactly once across crashes.
//!
//! In this order: find the inputs, reach the cluster, check the topic, open the job's state, decide where
//! each partition goes on, run the shards, say what came of it. Nothing is sent before the state that
//! says so is durable.

mod drive;
mod dry_run;
mod error;
mod finish;
mod kept;
mod observer;
mod plan;
mod reading;
mod start;
mod state;
mod target;
mod verify;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use connectors::file::inputs::{self, Inputs};
use connectors::file::rejects::{DealtPlace, Rejects};
use engine::control::Control;
use engine::flow::config::{LoadConfig, Progress};
use engine::positions::JobStart;

use crate::options::{Exit, LoadOptions, VerifyMode};
use crate::reach::{Reached, reach};
use crate::signals::Signals;
use crate::{progress, summary};
use drive::Drive;
pub(crate) use error::LoadError;
use kept::Kept;
use observer::Observer;
use reading::Sources;
use start::Decided;

pub(crate) fn run(options: &LoadOptions) -> Result<Exit, LoadError> {
    let begun = Instant::now();
    if let Some(path) = &options.summary {
        summary::check(path)?;
    }
    let inputs = inputs::collect(&options.inputs)?;
    check_outputs(options, &inputs)?;
    if options.verify == Some(VerifyMode::Hash) && !reading::is_rereadable(&inputs) {
        return Err(LoadError::NotComparable);
    }
    for warning in &inputs.warnings {
        tracing::warn!("{warning}");
    }
    let Reached {
        mut control,
        client,
        io,
        // Ends behind this, when everything that it acknowledged is written.
        embedded: _embedded,
    } = reach(&options.target, &options.producer, options.io)?;
    tracing::info!("I/O: {io}");
    if options.dry_run {
        return dry_run::run(&mut control, options, &inputs);
    }
    let topic = target::find(&mut control, options)?;
    plan::check_topic(options, &topic)?;
    let mut loader = Loader {
        options,
        inputs,
        topic,
        client,
        control,
        signals: None,
        begun,
    };
    loader.run()
}

/// What is written must not come to lie among what is read.
fn check_outputs(options: &LoadOptions, inputs: &Inputs) -> Result<(), LoadError> {
    let outputs = [
        ("--rejects", &options.rejects),
        ("--summary", &options.summary),
    ];
    for (flag, path) in outputs {
        let Some(path) = path else { continue };
        if let Some(argument) = inputs.would_read(path) {
            return Err(LoadError::AmongInputs {
                flag,
                path: path.clone(),
                argument: argument.to_owned(),
            });
        }
    }
    Ok(())
}

/// A load whose topic is known.
struct Loader<'a> {
    options: &'a LoadOptions,
    inputs: Inputs,
    topic: target::Topic,
    client: engine::flow::config::ClientConfig,
    control: Control,
    /// Taken over when the shards begin: until then a signal just ends the process.
    signals: Option<Signals>,
    begun: Instant,
}

impl Loader<'_> {
    fn run(&mut self) -> Result<Exit, LoadError> {
        let mut restart = self.options.restart;
        loop {
            let mut job = state::open(self.options, &self.inputs, &self.topic, restart)?;
            restart = false;
            let has_grown = job.growth().is_some();
            match job.start() {
                JobStart::Finished { .. } if !has_grown => {
                    return finish::already_loaded(
                        verify::Done {
                            options: self.options,
                            topic: &self.topic,
                            client: &self.client,
                            inputs: &self.inputs,
                            header: job.header(),
                            slots: job.slots(),
                            signals: self.signals.as_ref(),
                        },
                        job.start(),
                    );
                }
                JobStart::Finished { .. } => {
                    job.extend()?;
                    tracing::info!("the input has grown since it was loaded: loading the rest");
                }
                // The old end first; then once more, with the rest.
                JobStart::Resumed { .. } if has_grown => {
                    let exit = self.drive(job)?;
                    if matches!(exit, Exit::Done | Exit::Rejects) {
                        continue;
                    }
                    return Ok(exit);
                }
                JobStart::Resumed { .. } | JobStart::Fresh => {}
            }
            return self.drive(job);
        }
    }

    fn drive(&mut self, mut job: Kept) -> Result<Exit, LoadError> {
        let config = plan::load_config(self.options, &self.client, &self.topic, job.header());
        let sources = Sources::of(self.options, &self.inputs, job.header());
        let decided = start::decide(
            &mut self.control,
            self.options,
            &self.topic,
            &config,
            sources.as_ref(),
            &mut job,
        )?;
        let (begun, resumed, mut slots) = (decided.begun, decided.resumed, decided.slots.clone());
        let rejects = self.open_rejects(&job, &decided, &config)?;
        let shards = decided.deal_out(&config, &mut job)?;
        let job = Arc::new(Mutex::new(job));
        let observer = Arc::new(Observer::new(
            Arc::clone(&config.input),
            config.rules,
            Arc::clone(&job),
            rejects,
            begun.rejects,
            self.options.max_errors,
        ));
        let progress = Arc::new(Progress::default());
        let drive = Drive {
            config: &config,
            io: self.options.io,
            metadata: &self.topic.metadata,
            progress: Arc::clone(&progress),
            observer: Arc::clone(&observer) as _,
            job: Arc::clone(&job),
            begun,
            shows_progress: self.options.progress && !self.options.quiet,
            sources: sources.as_ref(),
        };
        let signals = match self.signals.take() {
            Some(signals) => signals,
            None => Signals::install().map_err(LoadError::Signals)?,
        };
        let outcome = drive.run(shards, &signals);
        self.signals = Some(signals);
        let outcome = self.check_topic_at_end(outcome?);
        for &(partition, slot) in &outcome.slots {
            slots[partition as usize] = slot;
        }
        let finish = finish::Finish {
            options: self.options,
            topic: &self.topic,
            client: &self.client,
            inputs: &self.inputs,
            signals: self.signals.as_ref(),
            config: &config,
            job: &job,
            slots: &slots,
            observer: &observer,
            progress: &progress,
            begun,
            resumed,
            elapsed: self.begun.elapsed(),
        };
        finish.run(outcome)
    }

    /// Below Produce 13 a topic made anew is written into unnoticed: its id is compared at the end too.
    fn check_topic_at_end(&mut self, mut outcome: drive::Outcome) -> drive::Outcome {
        if outcome.failure.is_some() || outcome.was_stopped || self.topic.id == [0; 16] {
            return outcome;
        }
        let known = self.topic.id;
        match self.control.metadata(&self.topic.name) {
            Ok(response) => {
                let now = response
                    .topics
                    .first()
                    .filter(|topic| topic.error_code == 0);
                if now.is_some_and(|topic| *topic.topic_id.as_bytes() != known) {
                    let topic = self.topic.name.clone();
                    outcome.failure = Some(LoadError::TopicReplaced { topic });
                }
            }
            Err(error) => tracing::warn!("the topic cannot be looked at any more: {error}"),
        }
        outcome
    }

    /// Of an earlier run's rejects those are kept that stored positions have passed. The others are found
    /// again, but for those that positions are about to pass: they are noted here.
    fn open_rejects(
        &self,
        job: &Kept,
        decided: &Decided,
        config: &LoadConfig,
    ) -> Result<Option<Rejects>, LoadError> {
        let Some(path) = &self.options.rejects else {
            return Ok(None);
        };
        let files = state::input_files(job.header());
        if !decided.resumed {
            return Ok(Some(Rejects::create(path, &files, self.options.restart)?));
        }
        if job.header().settings.window_chunks > 0 {
            let covered = |place: DealtPlace| {
                let slot = job.slots().get(place.partition as usize);
                slot.is_some_and(|slot| slot.position > place.position)
            };
            let mut rejects = Rejects::resume_dealt(path, &files, covered)?;
            for (partition, record) in decided.passed() {
                observer::note_dealt(&mut rejects, config, partition, record)?;
            }
            return Ok(Some(rejects));
        }
        let covered = |file: usize, offset: u64| {
            state::covers(job.header(), job.slots(), &config.input, file, offset)
        };
        let mut rejects = Rejects::resume(path, &files, covered)?;
        for (_, record) in decided.passed() {
            observer::note(&mut rejects, config, record)?;
        }
        Ok(Some(rejects))
    }
}

/// Counters that earlier runs left.
type Begun = progress::Snapshot;
