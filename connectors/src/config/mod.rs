//! How connectors, converters, transforms, workers and the loader are configured.

pub mod properties;

mod definition;
mod key;
mod validate;

pub use definition::{ConfigDef, Props, Settings, Verdict};
pub use key::{
    ClassName, ConfigType, Importance, Key, KeySpec, Kind, Password, Preset, Recommender, Setting,
    Width,
};
pub use validate::{Check, invalid};
