//! Tells what happens to the listeners of a container, each of them by itself.

use std::sync::Arc;

use crate::events::{ApplicationEvent, BrokerEvents};

/// Where it is told, and whom it is told of.
#[derive(Debug, Clone)]
pub(crate) struct Telling {
    events: BrokerEvents,
    listeners: Arc<[Arc<str>]>,
}

impl Telling {
    pub(crate) fn new(events: BrokerEvents, listeners: impl Iterator<Item = Arc<str>>) -> Self {
        Self { events, listeners: listeners.collect() }
    }

    /// Tells what `event` makes of each listener's id.
    pub(crate) fn tell(&self, event: impl Fn(String) -> ApplicationEvent) {
        self.tell_at(|listener, _| event(listener));
    }

    /// Tells what `event` makes of each listener's id and their broker's name.
    pub(crate) fn tell_at(&self, event: impl Fn(String, String) -> ApplicationEvent) {
        for listener in &*self.listeners {
            self.events.tell(|broker| event(listener.to_string(), broker));
        }
    }
}
