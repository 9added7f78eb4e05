//! What crosses the borders of the store's files.

mod store;
