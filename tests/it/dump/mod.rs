//! `ringmain dump` against Apache Kafka: what the Java producer wrote, as Java's consumer and kcat read
//! it; kills, and what happens to files, brokers and topics meanwhile.
//!
//! * [`content`]: every codec, transactions, null values, keys, headers, gaps, places and partitions;
//! * [`files`]: files that are there, replaced, cut, or find the disk full; standard output;
//! * [`kills`]: killed at random points, over each body of the I/O;
//! * [`changes`]: brokers killed and stopped, leaders moved, topics cut and made anew meanwhile.
//!
//! `RINGMAIN_KILLS` and `RINGMAIN_SEED` are as in `kill`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "seeds, counts, and what was left out")]

mod job;

mod changes;
mod content;
mod files;
mod kills;
