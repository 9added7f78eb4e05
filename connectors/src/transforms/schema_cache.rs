//! What was worked out for a schema, kept for the next record that has it.

use std::cell::RefCell;
use std::sync::Arc;

use crate::data::{Result, Schema};

/// As many schemas as Java's transforms keep: a topic has few, and one that keeps changing must not
/// fill the memory.
const SCHEMAS_MAX: usize = 16;

/// Plans by schema, the last used first. A transform belongs to one task, so nothing is locked.
#[derive(Debug)]
pub(super) struct SchemaCache<T>(RefCell<Vec<(Schema, Arc<T>)>>);

impl<T> Default for SchemaCache<T> {
    fn default() -> Self {
        Self(RefCell::new(Vec::new()))
    }
}

impl<T> SchemaCache<T> {
    /// The plan for a schema. One that cannot be made is tried again with the next record.
    pub(super) fn get(&self, schema: &Schema, plan: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        let mut kept = self.0.borrow_mut();
        if let Some((last, plan)) = kept.first()
            && last.is_same(schema)
        {
            return Ok(plan.clone());
        }
        if let Some(place) = kept.iter().position(|(known, _)| known == schema) {
            // Moving up also keeps the newest copy of an equal schema, which is found by its
            // address.
            let (_, plan) = kept.remove(place);
            kept.insert(0, (schema.clone(), plan.clone()));
            return Ok(plan);
        }
        let plan = Arc::new(plan()?);
        kept.truncate(SCHEMAS_MAX - 1);
        kept.insert(0, (schema.clone(), plan.clone()));
        Ok(plan)
    }
}
