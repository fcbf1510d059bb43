//! Tells what happens to the listeners of a container, each of them by itself.

use std::sync::Arc;

use crate::events::{ApplicationEvent, EventBus};

/// Where it is told, and whom it is told of.
#[derive(Debug, Clone)]
pub(crate) struct Telling {
    events: EventBus,
    listeners: Arc<[Arc<str>]>,
}

impl Telling {
    pub(crate) fn new(events: EventBus, listeners: impl Iterator<Item = Arc<str>>) -> Self {
        Self { events, listeners: listeners.collect() }
    }

    /// Tells what `event` makes of each listener's id.
    pub(crate) fn tell(&self, event: impl Fn(String) -> ApplicationEvent) {
        for listener in &*self.listeners {
            self.events.tell(|| event(listener.to_string()));
        }
    }
}
