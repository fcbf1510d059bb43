//! A listener as a part of a container: its plan, and what its deliveries know of it.

use std::sync::Arc;

use super::key_path::KeyPath;
use super::plan::ListenerPlan;
use crate::convert::MessageConverters;

/// One listener of a container.
#[derive(Debug)]
pub(crate) struct Handling {
    pub(crate) plan: Arc<ListenerPlan>,
    pub(crate) served: Arc<Served>,
}

/// What a delivery's context says of the listener that the delivery is for.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) listener_id: Arc<str>,
    pub(crate) converters: MessageConverters,
    /// Those of its keys that have words in braces.
    pub(crate) key_paths: Arc<[KeyPath]>,
}

impl Handling {
    pub(crate) fn new(plan: Arc<ListenerPlan>) -> Self {
        let served = Served {
            listener_id: Arc::clone(&plan.id),
            converters: plan.converter.chosen.clone(),
            key_paths: Arc::clone(&plan.key_paths),
        };
        Self { plan, served: Arc::new(served) }
    }
}
