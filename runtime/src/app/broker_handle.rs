use std::sync::Arc;

use super::admin::RabbitAdmin;
use super::running::Running;
use crate::listener::ListenerScope;
use crate::listener::health::Health;
use crate::template::RabbitTemplate;

/// One of an application's brokers: what [`Springhare::broker`](crate::Springhare::broker) gives. A
/// clone is the same one.
#[derive(Debug, Clone)]
pub struct BrokerHandle {
    running: Arc<Running>,
    name: Arc<str>,
    scope: Arc<ListenerScope>,
}

impl BrokerHandle {
    pub(super) fn new(running: &Arc<Running>, name: &Arc<str>, scope: &Arc<ListenerScope>) -> Self {
        let (running, name, scope) = (Arc::clone(running), Arc::clone(name), Arc::clone(scope));
        Self { running, name, scope }
    }

    /// Its name; `rabbitmq` is the application's own.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The template to send to it with.
    #[must_use]
    pub fn rabbit_template(&self) -> RabbitTemplate {
        self.scope.template.clone()
    }

    /// Declares, deletes and looks at its queues and exchanges.
    #[must_use]
    pub fn admin(&self) -> RabbitAdmin {
        RabbitAdmin::new(Arc::clone(&self.running), Arc::clone(&self.scope))
    }

    /// What its listeners do right now, and no others, and whether it is there.
    #[must_use]
    pub fn health(&self) -> Health {
        let brokers = self.running.brokers.iter();
        self.running.health_of(brokers.filter(|broker| broker.name == self.name))
    }
}
