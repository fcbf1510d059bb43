//! The map of a virtual host: exchanges, queues and the bindings between them, and the way that
//! a message takes through it.
//!
//! A topology is a value. Its clone is O(1) and shares all that does not change afterwards, so
//! the engine lets publishers read one snapshot while the next is being made.
//!
//! In: who is bound to whom, what goes with what, and routing. Out: what may be declared and by
//! whom (the engine's `declare`), and what a queue does with a message.

use std::sync::Arc;

use imbl::GenericHashMap;
use imbl::shared_ptr::DefaultSharedPtr;
use smallvec::{SmallVec, smallvec};
use springhare_amqp::{FieldTable, ShortString};

use crate::model::binding::{Binding, Destination};
use crate::model::definition::ExchangeDefinition;
use crate::model::exchange::{Bindings, Exchange, ExchangeKind, Found, Target};
use crate::model::ids::QueueId;
use crate::model::routed_message::RoutedMessage;
pub(crate) use crate::model::routes::Routes;
use crate::model::routes::Visited;

/// The exchanges that every virtual host has, beside the default exchange.
const PREDECLARED: [(&str, ExchangeKind); 6] = [
    ("amq.direct", ExchangeKind::Direct),
    ("amq.fanout", ExchangeKind::Fanout),
    ("amq.topic", ExchangeKind::Topic),
    ("amq.headers", ExchangeKind::Headers),
    ("amq.match", ExchangeKind::Headers),
    (TRACE, ExchangeKind::Topic),
];

/// The exchange that RabbitMQ's firehose publishes to; nobody else may.
const TRACE: &str = "amq.rabbitmq.trace";

/// What the topology keeps of a queue: a cheap clone that leads to it and knows its number.
pub(crate) trait QueueHandle: Clone {
    /// The number of the queue behind the handle.
    fn queue_id(&self) -> QueueId;
}

/// By names.
type ByName<T> = GenericHashMap<ShortString, T, ahash::RandomState, DefaultSharedPtr>;

/// Exchanges, queues and bindings, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Topology<Q> {
    exchanges: ByName<Arc<Exchange<Q>>>,
    queues: ByName<BoundQueue<Q>>,
    /// What was added or removed since it was last taken.
    changed: Vec<Changed>,
}

/// Something that was added or removed; which of the two, the topology tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changed {
    Exchange(ShortString),
    Queue(ShortString),
    Binding(Arc<Binding>),
}

#[derive(Debug, Clone)]
struct BoundQueue<Q> {
    handle: Q,
    /// The bindings that lead here.
    inbound: Bindings,
}

/// What binding changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// The binding is new.
    New,
    /// The same binding was there already.
    Known,
}

/// What unbinding changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removed {
    /// The binding is gone, and the exchange too if it deletes itself without bindings.
    Gone,
    /// There was no such binding.
    Unknown,
}

/// An end of a binding that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MissingEnd {
    /// The exchange that it leads from.
    #[error("the source of the binding does not exist")]
    Source,
    /// The queue or exchange that it leads to.
    #[error("the destination of the binding does not exist")]
    Destination,
}

/// A message was published to an exchange that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the exchange does not exist")]
pub(crate) struct UnknownExchange;

impl<Q: QueueHandle> Topology<Q> {
    /// The exchanges that are always there, and nothing else.
    pub(crate) fn new() -> Self {
        let (exchanges, queues) = Default::default();
        let mut topology = Self { exchanges, queues, changed: Vec::new() };
        for (name, kind) in [("", ExchangeKind::Direct)].into_iter().chain(PREDECLARED) {
            topology.add_exchange(ExchangeDefinition {
                name: ShortString::from_static(name),
                kind,
                durable: true,
                auto_delete: false,
                internal: name == TRACE,
                arguments: FieldTable::new(),
            });
        }
        topology.changed.clear();
        topology
    }

    /// What was added or removed since this was last asked, in that order; twice if both.
    pub(crate) fn take_changed(&mut self) -> Vec<Changed> {
        std::mem::take(&mut self.changed)
    }

    /// The exchange of this name.
    pub(crate) fn exchange(&self, name: &str) -> Option<&ExchangeDefinition> {
        self.exchanges.get(name).map(|exchange| exchange.definition())
    }

    /// The queue of this name.
    pub(crate) fn queue(&self, name: &str) -> Option<&Q> {
        self.queues.get(name).map(|queue| &queue.handle)
    }

    /// All exchanges, in no particular order.
    pub(crate) fn exchanges(&self) -> impl Iterator<Item = &ExchangeDefinition> {
        self.exchanges.values().map(|exchange| exchange.definition())
    }

    /// The number of exchanges.
    pub(crate) fn exchange_count(&self) -> usize {
        self.exchanges.len()
    }

    /// All queues, in no particular order.
    pub(crate) fn queues(&self) -> impl Iterator<Item = (&ShortString, &Q)> {
        self.queues.iter().map(|(name, queue)| (name, &queue.handle))
    }

    /// All bindings, in no particular order; not those to the default exchange, which every
    /// queue has by its name alone.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = &Binding> {
        let outbound = self.exchanges.values().map(|exchange| exchange.outbound());
        outbound.flat_map(|bindings| bindings.iter().map(|(binding, ())| binding.as_ref()))
    }

    /// When a binding was made among those with its ends, where routing depends on it; 0 elsewhere.
    pub(crate) fn place(&self, binding: &Binding) -> usize {
        self.exchanges.get(binding.source()).map_or(0, |source| source.place(binding))
    }

    /// Whether any binding leads from this exchange.
    pub(crate) fn has_bindings_from(&self, exchange: &str) -> bool {
        self.exchanges.get(exchange).is_some_and(|exchange| !exchange.outbound().is_empty())
    }

    /// Whether this binding is there.
    pub(crate) fn has_binding(&self, binding: &Binding) -> bool {
        let source = self.exchanges.get(binding.source());
        source.is_some_and(|source| source.outbound().get(binding).is_some())
    }

    /// Adds an exchange whose name is free.
    pub(crate) fn add_exchange(&mut self, definition: ExchangeDefinition) {
        self.changed.push(Changed::Exchange(definition.name.clone()));
        self.exchanges.insert(definition.name.clone(), Arc::new(Exchange::new(definition)));
    }

    /// Gives an exchange the alternate exchange of a policy, which its own goes before.
    pub(crate) fn set_policy_alternate(&mut self, name: &str, alternate: Option<ShortString>) {
        if let Some(exchange) = self.exchanges.get_mut(name) {
            Arc::make_mut(exchange).set_policy_alternate(alternate);
        }
    }

    /// Where an exchange sends what matches no binding.
    #[cfg(test)]
    pub(crate) fn alternate(&self, name: &str) -> Option<&ShortString> {
        self.exchanges.get(name)?.alternate()
    }

    /// How many queues there are.
    pub(crate) fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// Adds a queue whose name is free. The default exchange routes to it from now on.
    pub(crate) fn add_queue(&mut self, name: ShortString, handle: Q) {
        self.changed.push(Changed::Queue(name.clone()));
        self.queues.insert(name, BoundQueue { handle, inbound: Bindings::default() });
    }

    /// Removes an exchange, the bindings from it and to it, and the exchanges that delete
    /// themselves because of that.
    pub(crate) fn remove_exchange(&mut self, name: &str) {
        self.remove_exchanges(vec![ShortString::truncated(name)]);
    }

    /// Removes a queue, the bindings to it, and the exchanges that delete themselves because of
    /// that. Returns the queue.
    pub(crate) fn remove_queue(&mut self, name: &str) -> Option<Q> {
        let queue = self.queues.remove(name)?;
        self.changed.push(Changed::Queue(ShortString::truncated(name)));
        let mut bare = Vec::new();
        for (binding, ()) in queue.inbound.iter() {
            self.changed.push(Changed::Binding(Arc::clone(binding)));
            bare.extend(self.take_out_of_source(binding));
        }
        self.remove_exchanges(bare);
        Some(queue.handle)
    }

    /// Adds a binding, if it is not there already.
    ///
    /// # Errors
    ///
    /// One of its ends does not exist; the source is looked at first.
    pub(crate) fn bind(&mut self, binding: Binding) -> Result<Added, MissingEnd> {
        let source = self.exchanges.get(binding.source()).ok_or(MissingEnd::Source)?;
        let target = match binding.destination() {
            Destination::Queue(name) => self.queue(name).cloned().map(Target::Queue),
            Destination::Exchange(name) => {
                self.exchange(name).map(|exchange| Target::Exchange(exchange.name.clone()))
            }
        };
        let target = target.ok_or(MissingEnd::Destination)?;
        if source.outbound().get(&binding).is_some() {
            return Ok(Added::Known);
        }
        let binding = Arc::new(binding);
        self.changed.push(Changed::Binding(Arc::clone(&binding)));
        if let Some(source) = self.exchanges.get_mut(binding.source()) {
            Arc::make_mut(source).add(binding.clone(), target);
        }
        if let Some(inbound) = self.inbound_mut(binding.destination()) {
            inbound.insert(binding.clone(), ());
        }
        Ok(Added::New)
    }

    /// Removes a binding, and its source if that deletes itself without bindings.
    pub(crate) fn unbind(&mut self, binding: &Binding) -> Removed {
        if !self.has_binding(binding) {
            return Removed::Unknown;
        }
        self.changed.push(Changed::Binding(Arc::new(binding.clone())));
        if let Some(inbound) = self.inbound_mut(binding.destination()) {
            inbound.remove(binding);
        }
        let bare = self.take_out_of_source(binding);
        self.remove_exchanges(bare.into_iter().collect());
        Removed::Gone
    }

    /// Finds the queues that a message reaches by any of its keys, each once, and the exchanges
    /// that delay it.
    ///
    /// The message goes from exchange to exchange where they are bound so, to each at most once.
    /// An exchange where it matches nothing hands it to its alternate exchange, if it has one.
    ///
    /// # Errors
    ///
    /// The exchange does not exist; `routes` is empty then.
    pub(crate) fn route(
        &self,
        exchange: &str,
        message: &RoutedMessage<'_>,
        routes: &mut Routes<Q>,
    ) -> Result<(), UnknownExchange> {
        routes.clear();
        if exchange.is_empty() {
            if self.route_by_queue_names(message, routes) > 1 {
                routes.collapse();
            }
            return Ok(());
        }
        let first = self.exchanges.get(exchange).ok_or(UnknownExchange)?.as_ref();
        let mut pending: SmallVec<[&Exchange<Q>; 4]> = smallvec![first];
        let mut visited = Visited::default();
        visited.insert(first);
        let mut found = Found::default();
        // One part has no queue twice; more of them may.
        let mut parts = 0;
        while let Some(exchange) = pending.pop() {
            let mut follow = |name: &ShortString| {
                let next = self.exchanges.get(name).map(Arc::as_ref);
                pending.extend(next.filter(|next| visited.insert(*next)));
            };
            let definition = exchange.definition();
            if definition.name.is_empty() {
                parts += self.route_by_queue_names(message, routes);
                continue;
            }
            if definition.kind == ExchangeKind::DelayedMessage
                && let Some(delay) = message.delay()
            {
                routes.delay(definition.name.clone(), delay);
                continue;
            }
            found.clear();
            exchange.matching(message, &mut found);
            if found.is_empty() {
                exchange.alternate().into_iter().for_each(&mut follow);
            }
            parts += found.parts();
            for target in found.targets() {
                match target {
                    Target::Queue(queue) => routes.push(queue.clone()),
                    Target::Exchange(name) => follow(name),
                }
            }
        }
        if parts > 1 {
            routes.collapse();
        }
        Ok(())
    }

    /// What the default exchange does; the number of queues, of which some may be the same.
    fn route_by_queue_names(&self, message: &RoutedMessage<'_>, routes: &mut Routes<Q>) -> usize {
        let before = routes.len();
        for queue in message.routing_keys().filter_map(|key| self.queue(key)) {
            routes.push(queue.clone());
        }
        routes.len() - before
    }

    fn inbound_mut(&mut self, destination: &Destination) -> Option<&mut Bindings> {
        match destination {
            Destination::Queue(name) => self.queues.get_mut(name).map(|queue| &mut queue.inbound),
            Destination::Exchange(name) => {
                self.exchanges.get_mut(name).map(|exchange| Arc::make_mut(exchange).inbound_mut())
            }
        }
    }

    /// Takes a binding out of the exchange that it leads from. Returns that exchange's name if it
    /// deletes itself now.
    fn take_out_of_source(&mut self, binding: &Binding) -> Option<ShortString> {
        let source = Arc::make_mut(self.exchanges.get_mut(binding.source())?);
        let bare = source.remove(binding) && source.outbound().is_empty();
        (bare && source.definition().auto_delete).then(|| binding.source().clone())
    }

    /// Removes exchanges with their bindings, and those that are left bare by it, and so on: a
    /// list and no recursion, since a chain of exchanges may be long.
    fn remove_exchanges(&mut self, mut doomed: Vec<ShortString>) {
        while let Some(name) = doomed.pop() {
            let Some(exchange) = self.exchanges.remove(&name) else { continue };
            self.changed.push(Changed::Exchange(name));
            let bindings = exchange.outbound().iter().chain(exchange.inbound().iter());
            let gone = bindings.map(|(binding, ())| Changed::Binding(Arc::clone(binding)));
            self.changed.extend(gone);
            for (binding, ()) in exchange.outbound().iter() {
                if let Some(inbound) = self.inbound_mut(binding.destination()) {
                    inbound.remove(&**binding);
                }
            }
            for (binding, ()) in exchange.inbound().iter() {
                doomed.extend(self.take_out_of_source(binding));
            }
        }
    }
}

#[cfg(test)]
mod tests;
