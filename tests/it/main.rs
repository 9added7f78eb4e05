//! What crosses a boundary: files, processes, sockets, and a real Apache Kafka.
//!
//! One binary, so that the brokers it starts and the judge's JVM are shared by all tests.

mod cli;
mod dump;
mod faults;
mod formats;
mod groups;
mod kafka;
mod kill;
mod load;
mod proxy;
mod readme;
mod soak;
mod tidy;
