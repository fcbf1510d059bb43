use std::sync::Arc;

use super::{ApplicationEvent, EventBus};

/// Where it is told what happens at one broker.
#[derive(Debug, Clone)]
pub(crate) struct BrokerEvents {
    bus: EventBus,
    broker: Arc<str>,
}

impl BrokerEvents {
    pub(crate) fn new(bus: EventBus, broker: Arc<str>) -> Self {
        Self { bus, broker }
    }

    /// Those of the application's own broker, which nobody listens to.
    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self::new(EventBus::new(), Arc::from("rabbitmq"))
    }

    /// Tells all who listen what `event` makes of the broker's name.
    pub(crate) fn tell(&self, event: impl FnOnce(String) -> ApplicationEvent) {
        self.bus.tell(|| event(self.broker.to_string()));
    }

    /// Those of all brokers.
    pub(crate) fn bus(&self) -> &EventBus {
        &self.bus
    }
}
