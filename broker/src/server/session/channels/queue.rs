use springhare_amqp::wire::method::queue::{
    self, Bind, BindOk, Declare, DeclareOk, Delete, DeleteOk, Purge, PurgeOk, Unbind, UnbindOk,
};
use springhare_amqp::{AmqpError, MethodId, ShortString};

use super::Call;
use crate::engine::channel_cell::ChannelCell;
use crate::engine::declare::BindingRequest;
use crate::engine::queue_cell::DeleteConditions;
use crate::model::binding::Destination;
use crate::model::definition::QueueDeclaration;
use crate::protocol::unimplemented;

impl Call<'_> {
    pub(super) fn queue(&mut self, method: queue::Method) -> Result<(), AmqpError> {
        match method {
            queue::Method::Declare(declare) => self.queue_declare(declare),
            queue::Method::Bind(bind) => self.queue_bind(bind),
            queue::Method::Unbind(unbind) => self.queue_unbind(unbind),
            queue::Method::Purge(purge) => self.queue_purge(&purge),
            queue::Method::Delete(delete) => self.queue_delete(&delete),
            other => Err(unimplemented(other.id())),
        }
    }

    fn queue_declare(&mut self, declare: Declare) -> Result<(), AmqpError> {
        let Declare { queue, passive, durable, exclusive, auto_delete, no_wait, arguments } =
            declare;
        let connection = self.connection;
        let (name, counts) = self.channel.run(MethodId::QUEUE_DECLARE, |channel| {
            let virtual_host = channel.virtual_host();
            let declared = if passive {
                virtual_host.queue_declare_passive(connection.id(), &queue)?
            } else {
                let declaration =
                    QueueDeclaration { name: queue, durable, exclusive, auto_delete, arguments };
                virtual_host.queue_declare(connection, declaration)?
            };
            let name = declared.name;
            channel.lock().channel.declared_queue(name.clone());
            Ok((name, declared.counts))
        })?;
        if !no_wait {
            let declared = DeclareOk {
                queue: name,
                message_count: count(counts.messages),
                consumer_count: count(counts.consumers),
            };
            self.answer_defined(MethodId::QUEUE_DECLARE, &declared);
        }
        Ok(())
    }

    fn queue_bind(&mut self, bind: Bind) -> Result<(), AmqpError> {
        let Bind { queue, exchange, routing_key, no_wait, arguments } = bind;
        let connection = self.connection;
        self.channel.run(MethodId::QUEUE_BIND, |channel| {
            let ends =
                channel.lock().channel.binding_ends(&queue, routing_key, MethodId::QUEUE_BIND);
            let (queue, routing_key) = ends?;
            let destination = Destination::Queue(queue);
            let request = BindingRequest { source: exchange, destination, routing_key, arguments };
            connection.authorize_binding(&request, MethodId::QUEUE_BIND)?;
            channel.virtual_host().bind(connection.id(), request)
        })?;
        if !no_wait {
            self.answer_defined(MethodId::QUEUE_BIND, &BindOk {});
        }
        Ok(())
    }

    fn queue_unbind(&mut self, unbind: Unbind) -> Result<(), AmqpError> {
        const METHOD: MethodId = MethodId::QUEUE_UNBIND;
        let Unbind { queue, exchange, routing_key, arguments } = unbind;
        let connection = self.connection;
        self.channel.run(METHOD, |channel| {
            let ends = channel.lock().channel.binding_ends(&queue, routing_key, METHOD);
            let (queue, routing_key) = ends?;
            let destination = Destination::Queue(queue);
            let request = BindingRequest { source: exchange, destination, routing_key, arguments };
            connection.authorize_binding(&request, METHOD)?;
            channel.virtual_host().unbind(connection.id(), request)
        })?;
        self.answer_defined(MethodId::QUEUE_UNBIND, &UnbindOk {});
        Ok(())
    }

    fn queue_purge(&mut self, purge: &Purge) -> Result<(), AmqpError> {
        let connection = self.connection;
        let purged = self.channel.run(MethodId::QUEUE_PURGE, |channel| {
            let queue = queue_name(channel, &purge.queue, MethodId::QUEUE_PURGE)?;
            connection.authorize_queue_purge(&queue)?;
            channel.virtual_host().queue_purge(connection.id(), &queue)
        })?;
        if !purge.no_wait {
            self.output.method(self.number, &PurgeOk { message_count: count(purged) });
        }
        Ok(())
    }

    fn queue_delete(&mut self, delete: &Delete) -> Result<(), AmqpError> {
        let conditions = DeleteConditions {
            if_unused: delete.if_unused,
            if_empty: delete.if_empty,
            if_expired: false,
        };
        let connection = self.connection;
        let deleted = self.channel.run(MethodId::QUEUE_DELETE, |channel| {
            let queue = queue_name(channel, &delete.queue, MethodId::QUEUE_DELETE)?;
            connection.authorize_queue_delete(&queue)?;
            channel.virtual_host().queue_delete(connection.id(), &queue, conditions)
        })?;
        if !delete.no_wait {
            self.answer_defined(
                MethodId::QUEUE_DELETE,
                &DeleteOk { message_count: count(deleted) },
            );
        }
        Ok(())
    }
}

/// The queue that is meant: an empty name is the last that was declared on this channel.
pub(super) fn queue_name(
    channel: &ChannelCell,
    queue: &ShortString,
    method: MethodId,
) -> Result<ShortString, AmqpError> {
    channel.lock().channel.queue_name(queue, method)
}

fn count(messages: usize) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}
