//! A definition as bytes: AMQP's encoding of a field table, which keeps the types of arguments.
//!
//! Whoever reads one passes over entries that he does not know, so more can be added.

use bytes::BytesMut;
use springhare_amqp::wire::encode_table;
use springhare_amqp::{FieldTable, FieldValue, ShortString};

use super::Change;
use super::key::Key;
use crate::engine::broker_cell::BrokerCell;
use crate::engine::virtual_host::VirtualHost;
use crate::model::access::{AuthenticatedUser, PasswordHash, Permission};
use crate::model::binding::{Binding, Destination};
use crate::model::definition::{ExchangeDefinition, QueueDefinition};
use crate::model::ids::QueueId;
use crate::model::policy::{Policy, PolicyKind};

/// The bytes of a table that is put together here.
#[derive(Debug, Default)]
struct Encoder(FieldTable);

impl Encoder {
    fn new(kind: &'static str) -> Self {
        Self::default().with("kind", kind)
    }

    fn with(mut self, name: &'static str, value: impl Into<FieldValue>) -> Self {
        self.0.set(ShortString::from_static(name), value);
        self
    }

    fn with_some(self, name: &'static str, value: Option<impl Into<FieldValue>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// A table that came from a peer: it may be as deep as a table may be, so it is not put into
    /// this one.
    fn with_table(self, name: &'static str, table: &FieldTable) -> Self {
        if table.is_empty() { self } else { self.with(name, bytes_of(table)) }
    }

    fn finish(self) -> Vec<u8> {
        bytes_of(&self.0)
    }
}

fn bytes_of(table: &FieldTable) -> Vec<u8> {
    let mut bytes = BytesMut::with_capacity(table.encoded_len());
    encode_table(table, &mut bytes);
    bytes.to_vec()
}

pub(super) fn exchange(virtual_host: &str, exchange: &ExchangeDefinition) -> Vec<u8> {
    Encoder::new("exchange")
        .with("vhost", virtual_host)
        .with("name", exchange.name.as_str())
        .with("type", exchange.kind.as_str())
        .with("auto_delete", exchange.auto_delete)
        .with("internal", exchange.internal)
        .with_table("arguments", &exchange.arguments)
        .finish()
}

pub(super) fn queue(virtual_host: &str, id: QueueId, queue: &QueueDefinition) -> Vec<u8> {
    Encoder::new("queue")
        .with("vhost", virtual_host)
        .with("name", queue.name.as_str())
        .with("id", i64::try_from(id.0).unwrap_or(i64::MAX))
        .with("auto_delete", queue.auto_delete)
        .with_table("arguments", queue.arguments.table())
        .finish()
}

pub(super) fn binding(virtual_host: &str, binding: &Binding) -> Vec<u8> {
    let (name, kind) = match binding.destination() {
        Destination::Queue(name) => (name, "queue"),
        Destination::Exchange(name) => (name, "exchange"),
    };
    Encoder::new("binding")
        .with("vhost", virtual_host)
        .with("source", binding.source().as_str())
        .with("destination", name.as_str())
        .with("destination_type", kind)
        .with("routing_key", binding.routing_key().as_str())
        .with_table("arguments", binding.arguments())
        .finish()
}

/// All that an operator has set.
pub(super) fn administration(broker: &BrokerCell) -> Vec<Change> {
    let mut all = Vec::new();
    for host in broker.virtual_hosts().values() {
        let name = host.name().to_string();
        all.push((Key::VirtualHost(name.clone()), Some(virtual_host(host))));
        let policies = host.policies();
        for kind in [PolicyKind::User, PolicyKind::Operator] {
            all.extend(policies.of_kind(kind).map(|checked| {
                let policy = checked.policy();
                (Key::policy(&name, kind, &policy.name), Some(encode_policy(&name, kind, policy)))
            }));
        }
    }
    for (hash, user) in broker.users().all() {
        all.push((Key::User(user.name().to_owned()), Some(encode_user(&hash, &user))));
    }
    for (name, value) in broker.global_parameters().iter() {
        let value = std::iter::once((ShortString::from_static("value"), value.clone()));
        let content = Encoder::new("global_parameter")
            .with("name", name.as_str())
            .with_table("value", &value.collect())
            .finish();
        all.push((Key::GlobalParameter(name.clone()), Some(content)));
    }
    all
}

pub(super) fn virtual_host(host: &VirtualHost) -> Vec<u8> {
    let (options, limits) = (host.options(), host.limits());
    Encoder::new("vhost")
        .with("name", host.name().as_str())
        .with("description", options.description.as_str())
        .with("tags", options.tags.clone())
        .with_some("default_queue_type", options.default_queue_type.map(|kind| kind.as_str()))
        .with_some("max_connections", limits.max_connections)
        .with_some("max_queues", limits.max_queues)
        .finish()
}

fn encode_policy(virtual_host: &str, kind: PolicyKind, policy: &Policy) -> Vec<u8> {
    Encoder::new("policy")
        .with("vhost", virtual_host)
        .with("operator", kind == PolicyKind::Operator)
        .with("name", policy.name.as_str())
        .with("pattern", policy.pattern.as_str())
        .with("apply_to", policy.apply_to.as_str())
        .with("priority", policy.priority)
        .with_table("definition", &policy.definition)
        .finish()
}

fn encode_user(hash: &PasswordHash, user: &AuthenticatedUser) -> Vec<u8> {
    let limits = user.limits();
    let permissions = user.all_permissions().map(|(virtual_host, permissions)| {
        let pattern = |permission| permissions.pattern(permission).as_str();
        list([
            virtual_host.as_str(),
            pattern(Permission::Configure),
            pattern(Permission::Write),
            pattern(Permission::Read),
        ])
    });
    let topics = user.all_topics().map(|(virtual_host, exchange, patterns)| {
        let (write, read) = patterns.given();
        list([virtual_host.as_str(), exchange.as_str(), write, read])
    });
    Encoder::new("user")
        .with("name", user.name())
        .with("password_hash", hash.encode())
        .with("hashing_algorithm", hash.algorithm().as_str())
        .with("tags", user.tags().to_vec())
        .with("permissions", FieldValue::Array(permissions.collect()))
        .with("topic_permissions", FieldValue::Array(topics.collect()))
        .with_some("max_connections", limits.max_connections)
        .with_some("max_channels", limits.max_channels)
        .finish()
}

fn list<const N: usize>(texts: [&str; N]) -> FieldValue {
    FieldValue::Array(texts.into_iter().map(FieldValue::text).collect())
}
