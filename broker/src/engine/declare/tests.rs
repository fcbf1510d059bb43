//! Every error of the two classes, with the texts seen on RabbitMQ 3.10.8.

mod exchanges;
mod queues;

use std::sync::{Arc, Weak};

use springhare_amqp::{AmqpError, FieldTable, FieldValue, MethodId, ShortString};

use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::engine::connection_cell::ConnectionCell;
use crate::engine::declare::{BindingRequest, DeclaredQueue};
use crate::engine::queue_cell::QueueRef;
use crate::engine::shared::Shared;
use crate::engine::virtual_host::VirtualHost;
use crate::model::binding::Destination;
use crate::model::definition::{ExchangeDefinition, QueueDeclaration};
use crate::model::exchange::ExchangeKind;
use crate::model::ids::ConnectionId;
use crate::model::virtual_host::VirtualHostOptions;

/// A virtual host and a connection to it.
struct Host {
    virtual_host: Arc<VirtualHost>,
    connection: ConnectionCell,
}

impl Host {
    fn new() -> Self {
        let name = ShortString::from_static("/");
        let shared = Arc::new(Shared::new(BrokerConfig::default(), Clock::default()));
        let virtual_host = VirtualHost::new(name, VirtualHostOptions::default(), shared);
        let connection = connection(&virtual_host);
        Self { virtual_host, connection }
    }

    /// Another connection to the same virtual host.
    fn other(&self) -> Self {
        let connection = connection(&self.virtual_host);
        Self { virtual_host: Arc::clone(&self.virtual_host), connection }
    }

    fn id(&self) -> ConnectionId {
        self.connection.id()
    }

    fn declare(
        &self,
        queue: &str,
        change: impl FnOnce(&mut QueueDeclaration),
    ) -> Result<DeclaredQueue, AmqpError> {
        let mut declaration = QueueDeclaration {
            name: name(queue),
            durable: false,
            exclusive: false,
            auto_delete: false,
            arguments: FieldTable::new(),
        };
        change(&mut declaration);
        self.virtual_host.queue_declare(&self.connection, declaration)
    }

    fn declare_exchange(
        &self,
        exchange: &str,
        change: impl FnOnce(&mut ExchangeDefinition),
    ) -> Result<(), AmqpError> {
        let mut definition = ExchangeDefinition {
            name: name(exchange),
            kind: ExchangeKind::Direct,
            durable: false,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::new(),
        };
        change(&mut definition);
        self.virtual_host.exchange_declare(&self.connection, definition)
    }

    fn bind(&self, source: &str, destination: Destination) -> Result<(), AmqpError> {
        self.virtual_host.bind(self.id(), request(source, destination, FieldTable::new()))
    }

    fn unbind(&self, source: &str, destination: Destination) -> Result<(), AmqpError> {
        self.virtual_host.unbind(self.id(), request(source, destination, FieldTable::new()))
    }

    fn queue(&self, queue: &str) -> QueueRef {
        self.virtual_host.topology().queue(queue).cloned().unwrap()
    }

    fn has_queue(&self, queue: &str) -> bool {
        self.virtual_host.topology().queue(queue).is_some()
    }
}

fn connection(virtual_host: &Arc<VirtualHost>) -> ConnectionCell {
    let id = ConnectionId(virtual_host.next_id());
    ConnectionCell::new(id, ShortString::EMPTY, Weak::new(), Arc::clone(virtual_host), None)
}

fn request(source: &str, destination: Destination, arguments: FieldTable) -> BindingRequest {
    BindingRequest { source: name(source), destination, routing_key: name("k"), arguments }
}

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn queue(text: &str) -> Destination {
    Destination::Queue(name(text))
}

fn exchange(text: &str) -> Destination {
    Destination::Exchange(name(text))
}

fn with(argument: &str, value: impl Into<FieldValue>) -> FieldTable {
    let mut table = FieldTable::new();
    table.insert(argument, value).unwrap();
    table
}

#[track_caller]
fn check<T: std::fmt::Debug>(result: Result<T, AmqpError>, method: MethodId, expected: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.method(), method);
}
