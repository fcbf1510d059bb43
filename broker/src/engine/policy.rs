//! Policies of a virtual host: what they change is changed at once, for what is there and for what
//! is declared later.

use std::sync::Arc;

use super::queue_cell::QueueRef;
use super::virtual_host::VirtualHost;
use crate::model::arguments::DeliveryLimit;
use crate::model::definition::QueueDefinition;
use crate::model::deprecated;
use crate::model::policy::{Policies, Policy, Target};
use crate::model::queue::QueueSettings;
use crate::model::topology::Topology;

impl VirtualHost {
    /// Changes the policies and applies them to all queues and exchanges. Only for who has the
    /// broker's administration.
    ///
    /// # Errors
    ///
    /// As `change`; then nothing has changed.
    pub(crate) fn change_policies<E>(
        &self,
        change: impl FnOnce(&mut Policies) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut policies = Policies::clone(&self.policies());
        change(&mut policies)?;
        let mut update = self.begin_update();
        set_alternates(&mut update.next, &policies);
        // Before the writer is let go: a queue that is not in this topology finds these policies.
        self.store_policies(policies);
        update.commit_in_memory();
        // A queue that is applied to may have dead letters, which needs other queues' locks: not under
        // the writer's. Policies are changed one after the other, so what is last is applied last.
        self.apply_policies();
        Ok(())
    }

    /// Tells all queues what the policies say of them now.
    pub(super) fn apply_policies(&self) {
        for (_, queue) in self.topology().queues() {
            queue.apply(self.settings_of(queue.definition()));
        }
    }

    /// What a queue does: its arguments and the policies of now.
    pub(super) fn settings_of(&self, definition: &QueueDefinition) -> Arc<QueueSettings> {
        let target = Target::Queue(&definition.name, definition.arguments.queue_type);
        let policy = self.policies().effective(target);
        let limit = DeliveryLimit::from(self.config().quorum_delivery_limit);
        Arc::new(QueueSettings::of(&definition.arguments, &policy, limit))
    }
}

/// Tells what RabbitMQ 4.3 would not take of a policy.
pub(super) fn warn(policy: &Policy, virtual_host: &str) {
    for deprecated in deprecated::of_policy(policy) {
        tracing::warn!(policy = policy.name, virtual_host, "{deprecated}");
    }
}

/// Gives each exchange the alternate exchange that the policies say.
pub(super) fn set_alternates(topology: &mut Topology<QueueRef>, policies: &Policies) {
    let names: Vec<_> = topology.exchanges().map(|exchange| exchange.name.clone()).collect();
    for name in names {
        let policy = policies.effective(Target::Exchange(&name));
        topology.set_policy_alternate(&name, policy.alternate_exchange);
    }
}
