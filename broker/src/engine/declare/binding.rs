use springhare_amqp::{AmqpError, FieldTable, MethodId, ShortString};

use super::{Access, check_access, check_not_default, not_found, stripped, wrong_arguments};
use crate::engine::queue_cell::QueueRef;
use crate::engine::virtual_host::VirtualHost;
use crate::model::binding::{Binding, Destination};
use crate::model::definition::{ExchangeDefinition, Resource};
use crate::model::deprecated;
use crate::model::exchange::check_binding;
use crate::model::ids::ConnectionId;
use crate::model::topology::{Added, MissingEnd, Removed, Topology};

/// A binding that is made or undone, as a client names it: `queue.bind`, `exchange.bind` and
/// their opposites.
#[derive(Debug, Clone)]
pub(crate) struct BindingRequest {
    /// The exchange that it leads from.
    pub(crate) source: ShortString,
    /// The queue or exchange that it leads to.
    pub(crate) destination: Destination,
    /// The binding key.
    pub(crate) routing_key: ShortString,
    /// What a headers exchange matches by.
    pub(crate) arguments: FieldTable,
}

impl BindingRequest {
    /// The binding, unless an end of it is the default exchange.
    fn into_binding(self, method: MethodId) -> Result<Binding, AmqpError> {
        let source = stripped(&self.source);
        let destination = match self.destination {
            Destination::Queue(name) => Destination::Queue(stripped(&name)),
            Destination::Exchange(name) => {
                check_not_default(&name, method)?;
                Destination::Exchange(stripped(&name))
            }
        };
        check_not_default(&source, method)?;
        Ok(Binding::new(source, destination, self.routing_key, self.arguments))
    }
}

impl VirtualHost {
    /// `queue.bind` or `exchange.bind`: adds a binding, if it is not there.
    ///
    /// # Errors
    ///
    /// 403 if an end is the default exchange, 404 if one does not exist, 405 for a queue that
    /// is exclusive to another connection, 406 for a key or arguments that the exchange's type does
    /// not understand.
    pub(crate) fn bind(
        &self,
        connection: ConnectionId,
        request: BindingRequest,
    ) -> Result<(), AmqpError> {
        let method = match request.destination {
            Destination::Queue(_) => MethodId::QUEUE_BIND,
            Destination::Exchange(_) => MethodId::EXCHANGE_BIND,
        };
        let binding = request.into_binding(method)?;
        if self.topology().has_binding(&binding) {
            return self.check_bindable(&self.topology(), &binding, connection, method);
        }
        self.update(|topology| {
            self.check_bindable(topology, &binding, connection, method)?;
            match topology.bind(binding.clone()) {
                Ok(Added::New) => {
                    self.warn_of(topology, &binding);
                    Ok(())
                }
                Ok(Added::Known) => Ok(()),
                Err(end) => Err(self.missing(end, &binding, method)),
            }
        })
    }

    /// `queue.unbind` or `exchange.unbind`: removes a binding. One that does not exist is none.
    ///
    /// # Errors
    ///
    /// 403 if an end is the default exchange, 405 for a queue that is exclusive to another
    /// connection.
    pub(crate) fn unbind(
        &self,
        connection: ConnectionId,
        request: BindingRequest,
    ) -> Result<(), AmqpError> {
        let method = match request.destination {
            Destination::Queue(_) => MethodId::QUEUE_UNBIND,
            Destination::Exchange(_) => MethodId::EXCHANGE_UNBIND,
        };
        let binding = request.into_binding(method)?;
        if !self.topology().has_binding(&binding) {
            return Ok(());
        }
        self.update(|topology| {
            if let Some(queue) = bound_queue(topology, &binding) {
                check_access(self, queue, connection, Access::Use, method)?;
            }
            match topology.unbind(&binding) {
                Removed::Gone | Removed::Unknown => Ok(()),
            }
        })
    }

    /// Checks both ends of a binding, its arguments, and whose queue it is.
    fn check_bindable(
        &self,
        topology: &Topology<QueueRef>,
        binding: &Binding,
        connection: ConnectionId,
        method: MethodId,
    ) -> Result<(), AmqpError> {
        let source = topology.exchange(binding.source());
        let source = source.ok_or_else(|| self.missing(MissingEnd::Source, binding, method))?;
        let queue = bound_queue(topology, binding);
        let is_there = match binding.destination() {
            Destination::Queue(_) => queue.is_some(),
            Destination::Exchange(name) => topology.exchange(name).is_some(),
        };
        if !is_there {
            return Err(self.missing(MissingEnd::Destination, binding, method));
        }
        check_binding(source.routes_as(), binding).map_err(wrong_arguments(method))?;
        match queue {
            Some(queue) => check_access(self, queue, connection, Access::Use, method),
            None => Ok(()),
        }
    }

    /// Tells what RabbitMQ 4.3 would not take.
    fn warn_of(&self, topology: &Topology<QueueRef>, binding: &Binding) {
        let kind = topology.exchange(binding.source()).map(ExchangeDefinition::routes_as);
        if let Some(deprecated) = kind.and_then(|kind| deprecated::of_binding(kind, binding)) {
            let (exchange, key) = (binding.source(), binding.routing_key());
            tracing::warn!(%exchange, %key, virtual_host = %self.name(), "{deprecated}");
        }
    }

    fn missing(&self, end: MissingEnd, binding: &Binding, method: MethodId) -> AmqpError {
        let virtual_host = self.name();
        let resource = match (end, binding.destination()) {
            (MissingEnd::Source, _) => Resource::exchange(binding.source(), virtual_host),
            (MissingEnd::Destination, Destination::Queue(name)) => {
                Resource::queue(name, virtual_host)
            }
            (MissingEnd::Destination, Destination::Exchange(name)) => {
                Resource::exchange(name, virtual_host)
            }
        };
        not_found(resource, method)
    }
}

fn bound_queue<'t>(topology: &'t Topology<QueueRef>, binding: &Binding) -> Option<&'t QueueRef> {
    match binding.destination() {
        Destination::Queue(name) => topology.queue(name),
        Destination::Exchange(_) => None,
    }
}
