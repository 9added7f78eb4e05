//! `ringmain load` against Apache Kafka, case by case: what arrived by the word of Apache's own
//! clients, and what a person is told.
//!
//! * [`codecs`]: every codec, read by the Java console consumer and `DumpLogSegments`;
//! * [`content`]: which bytes make which records, in which order, in which partition;
//! * [`outcome`]: topics made, dry runs, summaries, rates, rejects, signals;
//! * [`sequential`]: pipes, compressed files, keys, headers, nulls, envelopes;
//! * [`resume`]: loaded already, grown, changed, other settings;
//! * [`messages`], [`peers`], [`rights`]: what goes wrong outside, and the sentence for it;
//! * [`state_file`]: damaged, foreign and shared state;
//! * [`verify`]: what lies in the topic against what was sent;
//! * [`older`]: Apache Kafka 3.4;
//! * [`clients`]: Java's clients and kcat at the embedded broker.
//!
//! Kills at random points are the business of `kill`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "what was left out, and what was said")]

mod run;

mod clients;
mod codecs;
mod content;
mod messages;
mod older;
mod outcome;
mod peers;
mod resume;
mod rights;
mod sequential;
mod state_file;
mod verify;
