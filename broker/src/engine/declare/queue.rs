use std::convert::Infallible;

use springhare_amqp::{AmqpError, FieldValue, MethodId, ShortString};

use super::{
    Access, check_access, check_not_reserved, not_found, precondition_failed, stripped,
    wrong_arguments,
};
use crate::engine::connection_cell::ConnectionCell;
use crate::engine::consume::not_supported_by_streams;
use crate::engine::queue_cell::{DeleteConditions, Deletion, QueueCell, QueueCounts, QueueRef};
use crate::engine::random;
use crate::engine::reply_to;
use crate::engine::virtual_host::VirtualHost;
use crate::model::arguments::QueueType;
use crate::model::definition::{QueueDeclaration, QueueDefinition, Resource};
use crate::model::deprecated;
use crate::model::ids::{ConnectionId, QueueId};
use crate::model::limits::reached;
use crate::model::queue::QueueConsumer;
use crate::model::topology::{QueueHandle, Topology};

/// A queue that was declared, and what was in it then.
#[derive(Debug)]
pub(crate) struct DeclaredQueue {
    pub(crate) name: ShortString,
    pub(crate) counts: QueueCounts,
}

impl DeclaredQueue {
    fn of(queue: &QueueRef) -> Self {
        Self { name: queue.name().clone(), counts: queue.counts() }
    }
}

impl VirtualHost {
    /// `queue.declare`: makes the queue, or checks that it is what is declared. An empty name
    /// asks for a generated one.
    ///
    /// # Errors
    ///
    /// 403 for a name that starts with `amq.` and for what the connection's user may not do,
    /// 405 for a queue that is exclusive to another connection or exclusive here and not there,
    /// 406 for one that is another than declared and for wrong arguments.
    pub(crate) fn queue_declare(
        &self,
        connection: &ConnectionCell,
        mut declaration: QueueDeclaration,
    ) -> Result<DeclaredQueue, AmqpError> {
        const METHOD: MethodId = MethodId::QUEUE_DECLARE;
        declaration.name = stripped(&declaration.name);
        if reply_to::is_pseudo_queue(&declaration.name) {
            return self.declared_pseudo_queue(declaration.name);
        }
        declaration.set_default_type(self.options().default_queue_type);
        if declaration.name.is_empty() {
            check_may_be_server_named(&declaration)?;
            declaration.name = random::name("amq.gen-");
        } else {
            check_not_reserved("queue", &declaration.name, METHOD)?;
        }
        connection.authorize_queue_declare(&declaration.name)?;
        let owner = declaration.exclusive.then(|| connection.id());
        let check_present = |present: &QueueRef| {
            let access = Access::Redeclare { owner };
            check_access(self, present, connection.id(), access, METHOD)?;
            let queue = Resource::queue(&declaration.name, self.name());
            present
                .definition()
                .check_equivalent(&declaration, queue)
                .map_err(wrong_arguments(METHOD))
        };
        // An application declares at each start what is there mostly: no new snapshot for that.
        if let Some(present) = self.topology().queue(&declaration.name) {
            check_present(present)?;
            present.touch();
            return Ok(DeclaredQueue::of(present));
        }
        let queue = self.update(|topology| {
            if let Some(present) = topology.queue(&declaration.name) {
                return check_present(present).map(|()| present.clone());
            }
            let QueueDeclaration { name, arguments, .. } = &declaration;
            self.check_queue_limit(topology, name)?;
            connection.authorize_dead_letter_exchange(name, arguments)?;
            let definition = define(self, declaration.clone())?;
            for deprecated in deprecated::of_queue(&definition) {
                let (queue, virtual_host) = (&definition.name, self.name());
                tracing::warn!(%queue, %virtual_host, "{deprecated}");
            }
            Ok(self.add_queue(topology, definition, owner))
        })?;
        // Whoever closes the connection marks it first and deletes its queues afterwards: if
        // that came before the queue was there, it is ours to delete.
        if owner.is_some() && !connection.is_open() {
            self.delete_exclusive_queues(connection.id());
        }
        Ok(DeclaredQueue::of(&queue))
    }

    /// `queue.declare`, passive: checks that the queue exists, whatever it is.
    ///
    /// # Errors
    ///
    /// 404 if it does not exist, 405 if it is exclusive to another connection.
    pub(crate) fn queue_declare_passive(
        &self,
        connection: ConnectionId,
        name: &ShortString,
    ) -> Result<DeclaredQueue, AmqpError> {
        let name = stripped(name);
        if reply_to::is_pseudo_queue(&name) {
            return self.declared_pseudo_queue(name);
        }
        let queue = self.find_queue(connection, &name, MethodId::QUEUE_DECLARE)?;
        // On RabbitMQ that counts as use too.
        queue.touch();
        Ok(DeclaredQueue::of(&queue))
    }

    /// What a declaration says of a name for direct replies: it makes nothing and compares
    /// nothing, passive or not.
    ///
    /// # Errors
    ///
    /// 404 for an address that nobody waits at.
    fn declared_pseudo_queue(&self, name: ShortString) -> Result<DeclaredQueue, AmqpError> {
        if self.has_pseudo_queue(&name) {
            return Ok(DeclaredQueue { name, counts: QueueCounts { messages: 0, consumers: 1 } });
        }
        Err(not_found(Resource::queue(&name, self.name()), MethodId::QUEUE_DECLARE))
    }

    /// The queue of this name, if the connection may use it.
    ///
    /// # Errors
    ///
    /// 404 if it does not exist, 405 if it is exclusive to another connection.
    pub(crate) fn find_queue(
        &self,
        connection: ConnectionId,
        name: &ShortString,
        method: MethodId,
    ) -> Result<QueueRef, AmqpError> {
        let topology = self.topology();
        let queue = topology
            .queue(name)
            .ok_or_else(|| not_found(Resource::queue(name, self.name()), method))?;
        check_access(self, queue, connection, Access::Use, method)?;
        Ok(queue.clone())
    }

    /// `queue.purge`: drops all ready messages and says how many there were.
    ///
    /// # Errors
    ///
    /// 404 if the queue does not exist, 405 if it is exclusive to another connection, 540 for a
    /// stream.
    pub(crate) fn queue_purge(
        &self,
        connection: ConnectionId,
        name: &ShortString,
    ) -> Result<usize, AmqpError> {
        let queue = self.find_queue(connection, name, MethodId::QUEUE_PURGE)?;
        if queue.definition().arguments.queue_type == QueueType::Stream {
            let resource = Resource::queue(name, self.name());
            return Err(not_supported_by_streams("queue.purge", resource, MethodId::QUEUE_PURGE));
        }
        Ok(queue.purge())
    }

    /// `queue.delete`: removes the queue with its bindings, cancels its consumers, and says how
    /// many messages were ready. One that does not exist is none.
    ///
    /// # Errors
    ///
    /// 405 if it is exclusive to another connection, 406 if it is in use or not empty, and that
    /// was asked.
    pub(crate) fn queue_delete(
        &self,
        connection: ConnectionId,
        name: &ShortString,
        conditions: DeleteConditions,
    ) -> Result<usize, AmqpError> {
        const METHOD: MethodId = MethodId::QUEUE_DELETE;
        let name = stripped(name);
        if self.topology().queue(&name).is_none() {
            return Ok(0);
        }
        let resource = Resource::queue(&name, self.name());
        self.shared().check_writable(METHOD)?;
        let deleted = self.update_deleting(|topology| {
            let Some(queue) = topology.queue(&name).cloned() else {
                return Ok(Deleted::default());
            };
            check_access(self, &queue, connection, Access::Use, METHOD)?;
            match queue.delete(conditions) {
                Deletion::InUse => {
                    Err(precondition_failed(METHOD, format_args!("{resource} in use")))
                }
                Deletion::NotEmpty => {
                    Err(precondition_failed(METHOD, format_args!("{resource} not empty")))
                }
                deletion @ (Deletion::Deleted { .. }
                | Deletion::NotExpired
                | Deletion::AlreadyDeleted) => Ok(Deleted::take_out(topology, &name, deletion)),
            }
        })?;
        Ok(deleted.finish())
    }

    /// Deletes an auto-delete queue that has lost its last consumer, unless it has got another.
    pub(crate) fn auto_delete_queue(&self, queue: &QueueRef) {
        let conditions = DeleteConditions { if_unused: true, ..DeleteConditions::default() };
        self.delete_where(queue.name(), queue.queue_id(), conditions).finish();
    }

    /// Deletes a queue that nobody has used for as long as it stays then (`x-expires`), unless
    /// somebody uses it now.
    pub(in crate::engine) fn delete_expired(&self, queue: &QueueCell) {
        let conditions = DeleteConditions { if_expired: true, ..DeleteConditions::default() };
        self.delete_where(queue.name(), queue.id(), conditions).finish();
    }

    /// Deletes the queues that belong to a connection, which is closed.
    pub(crate) fn delete_exclusive_queues(&self, connection: ConnectionId) {
        let topology = self.topology();
        let exclusive = topology.queues().filter(|(_, queue)| queue.owner() == Some(connection));
        for (name, queue) in exclusive {
            self.delete_where(name, queue.queue_id(), DeleteConditions::default()).finish();
        }
    }

    /// Deletes one certain queue, not another that has got its name meanwhile.
    fn delete_where(
        &self,
        name: &ShortString,
        id: QueueId,
        conditions: DeleteConditions,
    ) -> Deleted {
        self.update_deleting(|topology| {
            let queue = topology.queue(name).filter(|queue| queue.queue_id() == id).cloned();
            match queue.ok_or(())?.delete(conditions) {
                Deletion::InUse | Deletion::NotEmpty | Deletion::NotExpired => Err(()),
                deletion @ (Deletion::Deleted { .. } | Deletion::AlreadyDeleted) => {
                    Ok(Deleted::take_out(topology, name, deletion))
                }
            }
        })
        .unwrap_or_default()
    }

    /// Deletes everything: the virtual host is deleted, and its connections are closed.
    pub(in crate::engine) fn delete_all(&self) {
        let emptied: Result<(), Infallible> = self.update_deleting(|topology| {
            for (_, queue) in topology.queues() {
                // There are no consumers to be told.
                let _ = queue.delete(DeleteConditions::default());
            }
            *topology = Topology::new();
            Ok(())
        });
        let Ok(()) = emptied;
    }

    /// Checks that there may be one queue more.
    ///
    /// # Errors
    ///
    /// 406 when there are as many as the operator allows.
    fn check_queue_limit(
        &self,
        topology: &Topology<QueueRef>,
        queue: &str,
    ) -> Result<(), AmqpError> {
        match reached(self.limits().max_queues, topology.queue_count()) {
            None => Ok(()),
            Some(limit) => Err(precondition_failed(
                MethodId::QUEUE_DECLARE,
                format_args!(
                    "cannot declare queue '{queue}': queue limit in vhost '{}' ({limit}) is \
                     reached",
                    self.name()
                ),
            )),
        }
    }

    pub(in crate::engine) fn add_queue(
        &self,
        topology: &mut Topology<QueueRef>,
        definition: QueueDefinition,
        owner: Option<ConnectionId>,
    ) -> QueueRef {
        self.add_queue_of_id(topology, QueueId(self.next_id()), definition, owner)
    }

    /// Adds a queue that was there before the broker was started.
    pub(in crate::engine) fn restore_queue(
        &self,
        topology: &mut Topology<QueueRef>,
        id: QueueId,
        definition: QueueDefinition,
    ) -> QueueRef {
        self.add_queue_of_id(topology, id, definition, None)
    }

    fn add_queue_of_id(
        &self,
        topology: &mut Topology<QueueRef>,
        id: QueueId,
        definition: QueueDefinition,
        owner: Option<ConnectionId>,
    ) -> QueueRef {
        let name = definition.name.clone();
        let settings = self.settings_of(&definition);
        let queue = QueueCell::create(id, definition, owner, settings, self);
        topology.add_queue(name, queue.clone());
        queue
    }
}

/// A deleted queue's consumers, who are told once no lock is held.
#[derive(Debug, Default)]
#[must_use = "the consumers are to be told"]
struct Deleted {
    messages: usize,
    consumers: Vec<QueueConsumer>,
}

impl Deleted {
    fn take_out(topology: &mut Topology<QueueRef>, name: &str, deletion: Deletion) -> Self {
        topology.remove_queue(name);
        match deletion {
            Deletion::Deleted { messages, consumers } => Self { messages, consumers },
            Deletion::InUse
            | Deletion::NotEmpty
            | Deletion::NotExpired
            | Deletion::AlreadyDeleted => Self::default(),
        }
    }

    /// Tells the consumers; how many messages went with the queue.
    fn finish(self) -> usize {
        for consumer in self.consumers {
            consumer.outlet.cancelled(consumer.id);
        }
        self.messages
    }
}

/// RabbitMQ names classic queues only.
fn check_may_be_server_named(declaration: &QueueDeclaration) -> Result<(), AmqpError> {
    let queue_type = declaration.arguments.get("x-queue-type").and_then(FieldValue::as_str);
    if let Some(replicated @ ("quorum" | "stream")) = queue_type {
        return Err(precondition_failed(
            MethodId::QUEUE_DECLARE,
            format_args!("Cannot declare a server-named queue for type rabbit_{replicated}_queue"),
        ));
    }
    Ok(())
}

fn define(
    virtual_host: &VirtualHost,
    declaration: QueueDeclaration,
) -> Result<QueueDefinition, AmqpError> {
    const METHOD: MethodId = MethodId::QUEUE_DECLARE;
    let name = declaration.name.clone();
    let queue = Resource::queue(&name, virtual_host.name());
    declaration.define(queue).map_err(wrong_arguments(METHOD))
}
