//! How connectors, workers and the loader are configured.

pub mod properties;
