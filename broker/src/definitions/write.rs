use serde_json::{Value, json};

use super::arguments::{write_table, write_value};
use crate::engine::broker_cell::BrokerCell;
use crate::engine::declare::RESERVED_PREFIX;
use crate::engine::virtual_host::VirtualHost;
use crate::model::access::{AuthenticatedUser, PasswordHash, Permission};
use crate::model::binding::{Binding, Destination};
use crate::model::definition::{ExchangeDefinition, QueueDefinition};
use crate::model::policy::{Policy, PolicyKind};

/// The whole broker as RabbitMQ writes it: keys, and names where there is an order, sorted.
pub(crate) fn export(broker: &BrokerCell) -> String {
    let hosts = broker.virtual_hosts();
    let users = broker.users().all();
    let mut parts = Parts::default();
    hosts.values().for_each(|host| parts.add(host));
    let global = broker.global_parameters();
    let global =
        global.iter().map(|(name, value)| json!({"name": name, "value": write_value(value)}));
    pretty(&json!({
        "rabbit_version": broker.shared().config().version,
        "rabbitmq_version": broker.shared().config().version,
        "product_name": broker.shared().config().product,
        "users": users.iter().map(|(hash, user)| user_entry(hash, user)).collect::<Vec<_>>(),
        "permissions": users.iter().flat_map(|(_, user)| permissions(user)).collect::<Vec<_>>(),
        "topic_permissions":
            users.iter().flat_map(|(_, user)| topic_permissions(user)).collect::<Vec<_>>(),
        "global_parameters": global.collect::<Vec<_>>(),
        "vhosts": parts.virtual_hosts,
        "parameters": parts.parameters,
        "policies": parts.policies,
        "exchanges": parts.exchanges,
        "queues": parts.queues,
        "bindings": parts.bindings,
    }))
}

/// One virtual host, without users and what they may do.
pub(crate) fn export_virtual_host(broker: &BrokerCell, host: &VirtualHost) -> String {
    let mut parts = Parts::default();
    parts.add(host);
    pretty(&json!({
        "rabbit_version": broker.shared().config().version,
        "rabbitmq_version": broker.shared().config().version,
        "product_name": broker.shared().config().product,
        "vhosts": parts.virtual_hosts,
        "parameters": parts.parameters,
        "policies": parts.policies,
        "exchanges": parts.exchanges,
        "queues": parts.queues,
        "bindings": parts.bindings,
    }))
}

/// A value always has a text.
fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

/// What is in virtual hosts.
#[derive(Debug, Default)]
struct Parts {
    virtual_hosts: Vec<Value>,
    parameters: Vec<Value>,
    policies: Vec<Value>,
    exchanges: Vec<Value>,
    queues: Vec<Value>,
    bindings: Vec<Value>,
}

impl Parts {
    fn add(&mut self, host: &VirtualHost) {
        self.virtual_hosts.push(virtual_host(host));
        self.add_parameters(host);
        let name = host.name().as_str();
        let topology = host.topology();
        let mut exchanges: Vec<_> = topology.exchanges().filter(is_declared).collect();
        exchanges.sort_unstable_by_key(|exchange| &exchange.name);
        self.exchanges.extend(exchanges.into_iter().map(|exchange| exchange_entry(name, exchange)));
        let queues = topology.queues().map(|(_, queue)| queue.definition());
        let mut queues: Vec<_> = queues.filter(|queue| is_kept(queue)).collect();
        queues.sort_unstable_by_key(|queue| &queue.name);
        self.queues.extend(queues.into_iter().map(|queue| queue_entry(name, queue)));
        let is_kept = |binding: &&Binding| match binding.destination() {
            Destination::Exchange(_) => true,
            Destination::Queue(queue) => {
                topology.queue(queue).is_some_and(|queue| is_kept(queue.definition()))
            }
        };
        let mut bindings: Vec<_> = topology.bindings().filter(is_kept).collect();
        bindings.sort_by_cached_key(|binding| {
            let place = topology.place(binding);
            let arguments = write_table(binding.arguments()).to_string();
            (binding.source(), binding.destination(), place, binding.routing_key(), arguments)
        });
        self.bindings.extend(bindings.into_iter().map(|binding| binding_entry(name, binding)));
    }

    fn add_parameters(&mut self, host: &VirtualHost) {
        let name = host.name().as_str();
        let limits = host.limits();
        let limits = entries([
            ("max-connections", limits.max_connections),
            ("max-queues", limits.max_queues),
        ]);
        if limits.as_object().is_some_and(|limits| !limits.is_empty()) {
            self.parameters.push(json!({
                "vhost": name, "component": "vhost-limits", "name": "limits", "value": limits,
            }));
        }
        let policies = host.policies();
        for policy in policies.of_kind(PolicyKind::Operator) {
            let mut value = policy_entry(policy.policy());
            let name_of_policy = value.as_object_mut().and_then(|value| value.remove("name"));
            self.parameters.push(json!({
                "vhost": name, "component": "operator_policy", "name": name_of_policy,
                "value": value,
            }));
        }
        for policy in policies.of_kind(PolicyKind::User) {
            let mut value = policy_entry(policy.policy());
            if let Some(value) = value.as_object_mut() {
                value.insert("vhost".to_owned(), name.into());
            }
            self.policies.push(value);
        }
    }
}

/// Whether somebody has declared it, and not the broker itself.
fn is_declared(exchange: &&ExchangeDefinition) -> bool {
    !exchange.name.is_empty() && !exchange.name.starts_with(RESERVED_PREFIX)
}

/// Whether the queue is more than a connection's, and has a name that it can be declared with.
fn is_kept(queue: &QueueDefinition) -> bool {
    !queue.exclusive && !queue.name.starts_with(RESERVED_PREFIX)
}

fn user_entry(hash: &PasswordHash, user: &AuthenticatedUser) -> Value {
    let limits = user.limits();
    json!({
        "name": user.name(),
        "password_hash": hash.encode(),
        "hashing_algorithm": hash.algorithm().as_str(),
        "tags": user.tags(),
        "limits":
            entries([("max-connections", limits.max_connections), ("max-channels", limits.max_channels)]),
    })
}

fn permissions(user: &AuthenticatedUser) -> impl Iterator<Item = Value> {
    user.all_permissions().map(|(virtual_host, permissions)| {
        let pattern = |permission| permissions.pattern(permission).as_str();
        json!({
            "user": user.name(),
            "vhost": virtual_host,
            "configure": pattern(Permission::Configure),
            "write": pattern(Permission::Write),
            "read": pattern(Permission::Read),
        })
    })
}

fn topic_permissions(user: &AuthenticatedUser) -> impl Iterator<Item = Value> {
    user.all_topics().map(|(virtual_host, exchange, patterns)| {
        let (write, read) = patterns.given();
        json!({
            "user": user.name(), "vhost": virtual_host, "exchange": exchange,
            "write": write, "read": read,
        })
    })
}

fn virtual_host(host: &VirtualHost) -> Value {
    let (options, limits) = (host.options(), host.limits());
    let mut metadata = json!({"description": options.description, "tags": options.tags});
    if let (Some(metadata), Some(queue_type)) =
        (metadata.as_object_mut(), options.default_queue_type)
    {
        metadata.insert("default_queue_type".to_owned(), queue_type.as_str().into());
    }
    json!({
        "name": host.name().as_str(),
        "limits":
            entries([("max-connections", limits.max_connections), ("max-queues", limits.max_queues)]),
        "metadata": metadata,
    })
}

fn policy_entry(policy: &Policy) -> Value {
    json!({
        "name": policy.name,
        "pattern": policy.pattern,
        "apply-to": policy.apply_to.as_str(),
        "priority": policy.priority,
        "definition": write_table(&policy.definition),
    })
}

fn exchange_entry(virtual_host: &str, exchange: &ExchangeDefinition) -> Value {
    let mut entry = json!({
        "name": exchange.name.as_str(),
        "vhost": virtual_host,
        "type": exchange.kind.as_str(),
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        "arguments": write_table(&exchange.arguments),
    });
    // RabbitMQ exports no internal exchanges, but it imports them.
    if exchange.internal
        && let Some(entry) = entry.as_object_mut()
    {
        entry.insert("internal".to_owned(), true.into());
    }
    entry
}

fn queue_entry(virtual_host: &str, queue: &QueueDefinition) -> Value {
    json!({
        "name": queue.name.as_str(),
        "vhost": virtual_host,
        "type": queue.arguments.queue_type.as_str(),
        "durable": queue.durable,
        "auto_delete": queue.auto_delete,
        "arguments": write_table(queue.arguments.table()),
    })
}

fn binding_entry(virtual_host: &str, binding: &Binding) -> Value {
    let (destination, destination_type) = match binding.destination() {
        Destination::Queue(name) => (name, "queue"),
        Destination::Exchange(name) => (name, "exchange"),
    };
    json!({
        "source": binding.source().as_str(),
        "vhost": virtual_host,
        "destination": destination.as_str(),
        "destination_type": destination_type,
        "routing_key": binding.routing_key().as_str(),
        "arguments": write_table(binding.arguments()),
    })
}

/// The limits that are set.
fn entries<const N: usize>(limits: [(&str, Option<i64>); N]) -> Value {
    let limits =
        limits.into_iter().filter_map(|(key, limit)| Some((key.to_owned(), limit?.into())));
    Value::Object(limits.collect())
}
