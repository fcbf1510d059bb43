use std::collections::BTreeMap;
use std::sync::Arc;

use springhare_amqp::ShortString;

use super::twins::{Twins, WriteArguments};
use crate::engine::declare::{RESERVED_PREFIX, check_may_redeclare};
use crate::engine::policy::set_alternates;
use crate::engine::virtual_host::{TopologyUpdate, VirtualHost};
use crate::model::arguments::ArgumentError;
use crate::model::binding::{Binding, Destination};
use crate::model::definition::{ExchangeDefinition, QueueDeclaration, QueueDefinition, Resource};
use crate::model::definitions::{FaultKind, In, Report};
use crate::model::deprecated;
use crate::model::exchange::{DelayedTypeError, check_binding};
use crate::model::limits::{VirtualHostLimits, reached};
use crate::model::policy::{CheckedPolicy, Policies, PolicyKind};

/// A virtual host that something is imported into. Nobody else changes its topology meanwhile.
#[derive(Debug)]
pub(super) struct ImportingHost<'v> {
    host: &'v Arc<VirtualHost>,
    /// Has the exchanges of the file already.
    update: TopologyUpdate<'v>,
    /// Those that are not there yet.
    queues: BTreeMap<ShortString, QueueDefinition>,
    bindings: Vec<Binding>,
    twins: Twins,
    limits: Option<VirtualHostLimits>,
    /// None if the file has none.
    policies: Option<Policies>,
}

impl<'v> ImportingHost<'v> {
    pub(super) fn begin(host: &'v Arc<VirtualHost>, write: WriteArguments) -> Self {
        let update = host.begin_update();
        let (queues, bindings) = (BTreeMap::new(), Vec::new());
        let twins = Twins::new(write);
        Self { host, update, queues, bindings, twins, limits: None, policies: None }
    }

    pub(super) fn limit(&mut self, limits: VirtualHostLimits) {
        self.limits = Some(limits);
    }

    pub(super) fn add_policy(
        &mut self,
        entry: In<(PolicyKind, CheckedPolicy)>,
        report: &mut Report,
    ) {
        let (kind, policy) = entry.item;
        for deprecated in deprecated::of_policy(policy.policy()) {
            report.warn(&entry.path, deprecated.to_string());
        }
        let host = self.host;
        self.policies.get_or_insert_with(|| Policies::clone(&host.policies())).set(kind, policy);
    }

    pub(super) fn check_exchange(&mut self, entry: &In<ExchangeDefinition>, report: &mut Report) {
        let definition = &entry.item;
        let exchange = Resource::exchange(&definition.name, self.host.name());
        let topology = &mut self.update.next;
        if is_the_brokers(&definition.name) || definition.name.is_empty() {
            report.warn(&entry.path, "this exchange is the broker's own, and stays as it is");
        } else if let Some(present) = topology.exchange(&definition.name) {
            let is_same = present.check_equivalent(definition, exchange);
            let is_same = is_same.and_then(|()| present.check_same_choice(definition, exchange));
            refuse(is_same, &entry.path, report);
        } else {
            let checked = definition.check_arguments(exchange).map_err(|error| match error {
                DelayedTypeError::Argument(error) => error,
                DelayedTypeError::Unknown(unknown) => {
                    ArgumentError::of("x-delayed-type", unknown.to_string())
                }
            });
            if refuse(checked, &entry.path, report).is_some() {
                topology.add_exchange(definition.clone());
            }
        }
    }

    pub(super) fn check_queue(&mut self, entry: &In<QueueDeclaration>, report: &mut Report) {
        let declaration = &entry.item;
        let name = &declaration.name;
        let queue = Resource::queue(name, self.host.name());
        if name.is_empty() {
            let text = "a queue has a name here".to_owned();
            return report.fault(format!("{}.name", entry.path), FaultKind::Refused { text });
        }
        if is_the_brokers(name) {
            let text = "names that begin with 'amq.' are the broker's to give: left out";
            return report.warn(&entry.path, text);
        }
        if let Some(present) = self.update.next.queue(name) {
            if let Err(error) = check_may_redeclare(self.host, present) {
                let text = error.text().to_string();
                return report.fault(&entry.path, FaultKind::Refused { text });
            }
            let is_same = present.definition().check_equivalent(declaration, queue);
            refuse(is_same, &entry.path, report);
        } else if let Some(present) = self.queues.get(name) {
            refuse(present.check_equivalent(declaration, queue), &entry.path, report);
        } else if let Some(definition) = define(declaration, queue, &entry.path, report) {
            for deprecated in deprecated::of_queue(&definition) {
                report.warn(&entry.path, deprecated.to_string());
            }
            self.queues.insert(name.clone(), definition);
        }
    }

    pub(super) fn check_binding(&mut self, entry: &In<Binding>, report: &mut Report) {
        let binding = &entry.item;
        let topology = &self.update.next;
        let source = topology.exchange(binding.source()).filter(|source| !source.name.is_empty());
        let has_destination = match binding.destination() {
            Destination::Queue(name) => {
                topology.queue(name).is_some() || self.queues.contains_key(name)
            }
            Destination::Exchange(name) => {
                topology.exchange(name).is_some_and(|exchange| !exchange.name.is_empty())
            }
        };
        let Some(source) = source.filter(|_| has_destination) else {
            // RabbitMQ exports bindings of queues and exchanges that it does not export.
            let text = "an end of this binding is neither here nor in the broker: left out";
            return report.warn(&entry.path, text);
        };
        if let Some(deprecated) = deprecated::of_binding(source.routes_as(), binding) {
            report.warn(&entry.path, deprecated.to_string());
        }
        if refuse(check_binding(source.routes_as(), binding), &entry.path, report).is_some()
            && !self.twins.has_one_of(binding, topology)
        {
            self.bindings.push(binding.clone());
        }
    }

    /// All new queues together may be too many.
    pub(super) fn check_queue_limit(&self, report: &mut Report) {
        let (added, present) = (self.queues.len(), self.update.next.queue_count());
        let limits = self.limits.unwrap_or(self.host.limits());
        let last = (present + added).saturating_sub(1);
        if added > 0
            && let Some(limit) = reached(limits.max_queues, last)
        {
            let virtual_host = self.host.name().to_string();
            let kind = FaultKind::QueueLimit { virtual_host, added, limit, present };
            report.fault("$.queues", kind);
        }
    }

    /// Does what was checked. Returns the virtual host if its policies are to be applied to the
    /// queues that were there.
    pub(super) fn apply(self) -> Option<&'v Arc<VirtualHost>> {
        let Self { host, mut update, queues, bindings, limits, policies, .. } = self;
        if let Some(limits) = limits {
            host.set_limits(limits);
        }
        let has_policies = policies.is_some();
        if let Some(policies) = policies {
            host.store_policies(policies);
        }
        set_alternates(&mut update.next, &host.policies());
        for definition in queues.into_values() {
            host.add_queue(&mut update.next, definition, None);
        }
        for binding in bindings {
            // Both ends are there.
            let _ = update.next.bind(binding);
        }
        if let Err(failure) = update.commit() {
            tracing::error!(%failure, "what was imported is not there");
            host.shared().definition_not_appended();
        }
        has_policies.then_some(host)
    }
}

fn is_the_brokers(name: &str) -> bool {
    name.starts_with(RESERVED_PREFIX)
}

/// What is declared, or all that is wrong with it: what is refused is left out, to see whether
/// something else is.
fn define(
    declaration: &QueueDeclaration,
    queue: Resource<'_>,
    path: &str,
    report: &mut Report,
) -> Option<QueueDefinition> {
    let mut left = declaration.clone();
    let mut is_right = true;
    loop {
        let error = match left.clone().define(queue) {
            Ok(definition) => return is_right.then_some(definition),
            Err(error) => error,
        };
        is_right = false;
        let refused = error.key().map(str::to_owned);
        refuse(Err(error), path, report);
        match refused?.as_str() {
            "auto_delete" if left.auto_delete => left.auto_delete = false,
            "durable" if !left.durable => left.durable = true,
            key => {
                left.arguments.remove(key)?;
                if key == "x-dead-letter-exchange" {
                    left.arguments.remove("x-dead-letter-routing-key");
                }
            }
        }
    }
}

/// What is no argument of a queue, exchange or binding.
const KEYS: [&str; 7] =
    ["type", "durable", "exclusive", "auto_delete", "internal", "routing_key", "destination"];

/// Reports what is wrong, at the key that it is about.
fn refuse(result: Result<(), ArgumentError>, path: &str, report: &mut Report) -> Option<()> {
    let error = match result {
        Ok(()) => return Some(()),
        Err(error) => error,
    };
    let path = match error.key() {
        Some(key) if KEYS.contains(&key) => format!("{path}.{key}"),
        Some(key) => format!("{path}.arguments.{key}"),
        None => path.to_owned(),
    };
    report.fault(path, FaultKind::Refused { text: error.to_string() });
    None
}
