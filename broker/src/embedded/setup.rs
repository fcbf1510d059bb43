//! What a broker has from the start, beside users and virtual hosts.

use super::BrokerBuilder;
use crate::model::policy::{Policy, PolicyKind};
use crate::model::virtual_host::VirtualHostOptions;

impl BrokerBuilder {
    /// Adds a virtual host with a description, tags or a default type of queues; gives them to `/` or
    /// to one that was added before.
    pub fn virtual_host_with(
        mut self,
        name: impl Into<String>,
        options: VirtualHostOptions,
    ) -> Self {
        let name = name.into();
        self.virtual_host_options.push((name.clone(), options));
        self.virtual_host(name)
    }

    /// Adds a policy to a virtual host; see [`Broker::set_policy`](crate::Broker::set_policy).
    pub fn policy(mut self, virtual_host: impl Into<String>, policy: Policy) -> Self {
        self.policies.push((virtual_host.into(), PolicyKind::User, policy));
        self
    }

    /// Adds a policy of the operator to a virtual host; see
    /// [`Broker::set_operator_policy`](crate::Broker::set_operator_policy).
    pub fn operator_policy(mut self, virtual_host: impl Into<String>, policy: Policy) -> Self {
        self.policies.push((virtual_host.into(), PolicyKind::Operator, policy));
        self
    }

    /// Imports definitions in RabbitMQ's JSON before anybody can connect; see
    /// [`Broker::import_definitions`](crate::Broker::import_definitions). They go before what is
    /// said of the same user here. With users in them there is no `guest` but one of them.
    pub fn definitions(mut self, json: impl Into<String>) -> Self {
        self.definitions.push(json.into());
        self
    }
}
