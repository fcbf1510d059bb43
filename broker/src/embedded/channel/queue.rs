//! Queues: `queue.declare`, `bind`, `unbind`, `purge`, `delete`.

use springhare_amqp::{AmqpError, FieldTable, MethodId};

use super::Channel;
use crate::embedded::name;
use crate::embedded::options::{QueueDeclareOptions, QueueDeleteOptions};
use crate::engine::declare::{BindingRequest, DeclaredQueue};
use crate::engine::queue_cell::DeleteConditions;
use crate::model::binding::Destination;
use crate::model::definition::QueueDeclaration;
use crate::model::delivery::QueueDeclareOk;

impl Channel {
    /// `queue.declare`: makes the queue, or checks that the one there is equivalent. An empty
    /// name asks the broker for one.
    ///
    /// # Errors
    ///
    /// 406 `inequivalent arg ..` or `invalid arg ..`, 403 for a name that starts with `amq.`,
    /// 405 for another connection's exclusive queue.
    pub async fn queue_declare(
        &self,
        queue: &str,
        options: QueueDeclareOptions,
    ) -> Result<QueueDeclareOk, AmqpError> {
        let method = MethodId::QUEUE_DECLARE;
        self.define(method, |cell| {
            let QueueDeclareOptions { durable, exclusive, auto_delete, arguments } = options;
            let declaration = QueueDeclaration {
                name: name(queue, method)?,
                durable,
                exclusive,
                auto_delete,
                arguments,
            };
            let declared = cell.virtual_host().queue_declare(self.connection(), declaration)?;
            Ok(self.declared(declared))
        })
        .await
    }

    /// `queue.declare` with `passive`: checks that the queue is there. It is then the
    /// channel's last declared queue.
    ///
    /// # Errors
    ///
    /// 404 `no queue ..`, 405 for another connection's exclusive queue.
    pub async fn queue_declare_passive(&self, queue: &str) -> Result<QueueDeclareOk, AmqpError> {
        let method = MethodId::QUEUE_DECLARE;
        self.define(method, |cell| {
            let connection = self.connection().id();
            let declared =
                cell.virtual_host().queue_declare_passive(connection, &name(queue, method)?)?;
            Ok(self.declared(declared))
        })
        .await
    }

    /// `queue.bind`. An empty queue name is the last queue that was declared on this channel, and
    /// with it an empty routing key is that queue's name.
    ///
    /// # Errors
    ///
    /// 404 without the queue or the exchange, 403 for the default exchange, 405 for another
    /// connection's exclusive queue.
    pub async fn queue_bind(
        &self,
        queue: &str,
        exchange: &str,
        routing_key: &str,
        arguments: FieldTable,
    ) -> Result<(), AmqpError> {
        let method = MethodId::QUEUE_BIND;
        self.define(method, |cell| {
            let source = name(exchange, method)?;
            let (queue, routing_key) = (name(queue, method)?, name(routing_key, method)?);
            let ends = cell.lock().channel.binding_ends(&queue, routing_key, method);
            let (queue, routing_key) = ends?;
            let destination = Destination::Queue(queue);
            let request = BindingRequest { source, destination, routing_key, arguments };
            cell.virtual_host().bind(self.connection().id(), request)
        })
        .await
    }

    /// `queue.unbind`; a missing binding is none.
    ///
    /// # Errors
    ///
    /// As [`queue_bind`](Self::queue_bind).
    pub async fn queue_unbind(
        &self,
        queue: &str,
        exchange: &str,
        routing_key: &str,
        arguments: FieldTable,
    ) -> Result<(), AmqpError> {
        let method = MethodId::QUEUE_UNBIND;
        self.define(method, |cell| {
            let source = name(exchange, method)?;
            let (queue, routing_key) = (name(queue, method)?, name(routing_key, method)?);
            let ends = cell.lock().channel.binding_ends(&queue, routing_key, method);
            let (queue, routing_key) = ends?;
            let destination = Destination::Queue(queue);
            let request = BindingRequest { source, destination, routing_key, arguments };
            cell.virtual_host().unbind(self.connection().id(), request)
        })
        .await
    }

    /// `queue.purge`: drops the ready messages and says how many there were.
    ///
    /// # Errors
    ///
    /// 404 `no queue ..`, 405 for another connection's exclusive queue.
    pub async fn queue_purge(&self, queue: &str) -> Result<u64, AmqpError> {
        let method = MethodId::QUEUE_PURGE;
        self.cell().run(method, |cell| {
            let queue = self.queue_name(queue, method)?;
            Ok(count(cell.virtual_host().queue_purge(self.connection().id(), &queue)?))
        })
    }

    /// `queue.delete`: says how many ready messages went with it; a missing queue is none.
    ///
    /// # Errors
    ///
    /// 406 `queue .. in use` or `not empty`, 405 for another connection's exclusive queue.
    pub async fn queue_delete(
        &self,
        queue: &str,
        options: QueueDeleteOptions,
    ) -> Result<u64, AmqpError> {
        let method = MethodId::QUEUE_DELETE;
        self.define(method, |cell| {
            let queue = self.queue_name(queue, method)?;
            let QueueDeleteOptions { if_unused, if_empty } = options;
            let conditions = DeleteConditions { if_unused, if_empty, if_expired: false };
            let connection = self.connection().id();
            Ok(count(cell.virtual_host().queue_delete(connection, &queue, conditions)?))
        })
        .await
    }

    /// Remembers the queue that an empty name stands for, and reports it.
    fn declared(&self, declared: DeclaredQueue) -> QueueDeclareOk {
        let DeclaredQueue { name, counts } = declared;
        self.cell().lock().channel.declared_queue(name.clone());
        QueueDeclareOk {
            queue: name,
            message_count: count(counts.messages),
            consumer_count: count(counts.consumers),
        }
    }
}

fn count(messages: usize) -> u64 {
    u64::try_from(messages).unwrap_or(u64::MAX)
}
