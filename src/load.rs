//! `ringmain load`: files into a topic.

use thiserror::Error;

use crate::options::{Exit, LoadOptions};

#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error("loading {inputs} inputs into the topic {topic:?} is not there yet")]
    NotYet { inputs: usize, topic: String },
}

impl LoadError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NotYet { .. } => Exit::Usage,
        }
    }
}

pub(crate) fn run(options: &LoadOptions) -> Result<Exit, LoadError> {
    Err(LoadError::NotYet {
        inputs: options.inputs.len(),
        topic: options.topic.clone(),
    })
}
