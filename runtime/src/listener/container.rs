//! What shares consumers: a listener alone, or those that a queue's messages are divided among.

use std::sync::Arc;

use springhare_amqp::ShortString;
use springhare_broker::Clock;

use super::circuit::SharedCircuit;
use super::context::DeliveryContext;
use super::dispatch::{Dispatch, RouteTable};
use super::handling::Handling;
use super::idle::Idleness;
use super::plan::{ContainerPlan, ListenerPlan};
use super::telling::Telling;
use crate::connection::LinkError;
use crate::events::BrokerEvents;
use crate::middleware::Middleware;

/// One listener, or several that share queues and so consumers. They start and stop together.
#[derive(Debug)]
pub(crate) struct Container {
    /// Its listeners' ids, for people.
    pub(crate) name: Arc<str>,
    lead: Arc<Handling>,
    /// Those after the first.
    others: Vec<Arc<Handling>>,
    queues: Vec<(ShortString, Dispatch)>,
    circuit: Option<SharedCircuit>,
    /// Who is told of it.
    pub(crate) telling: Telling,
    /// Since when nothing came; none if nobody asks.
    idleness: Option<Idleness>,
}

/// How a consumer finds the handler of a delivery.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Selection<'c> {
    /// There is one.
    Only(&'c Arc<Handling>),
    ByRoute(&'c Container, &'c RouteTable),
}

impl Container {
    pub(crate) fn new(
        plan: &ContainerPlan,
        middleware: &Middleware,
        events: &BrokerEvents,
        clock: &Clock,
    ) -> Self {
        let handling =
            |plan: &Arc<ListenerPlan>| Arc::new(Handling::new(Arc::clone(plan), middleware));
        let name = match plan.others.as_slice() {
            [] => Arc::clone(&plan.lead.id),
            _ => {
                plan.listeners().map(|listener| &*listener.id).collect::<Vec<_>>().join(", ").into()
            }
        };
        let ids = plan.listeners().map(|listener| Arc::clone(&listener.id));
        let telling = Telling::new(events.clone(), ids);
        let circuit = plan.lead.failure.circuit;
        Self {
            name,
            lead: handling(&plan.lead),
            others: plan.others.iter().map(handling).collect(),
            queues: plan.queues.clone(),
            circuit: circuit.map(|plan| SharedCircuit::new(plan, telling.clone())),
            telling,
            idleness: plan.lead.idle_event.map(|interval| Idleness::new(interval, clock.clone())),
        }
    }

    /// What its listeners have in common: how many consumers there are, what they are like, whether
    /// they start. The graph has seen to it that all of them say the same.
    pub(crate) fn common(&self) -> &ListenerPlan {
        &self.lead.plan
    }

    /// When its consumers are left alone for a while; none if they never are.
    pub(crate) fn circuit(&self) -> Option<&SharedCircuit> {
        self.circuit.as_ref()
    }

    /// Whether the refusal of a consumer is no trouble: it is to be the only one of its queue, which
    /// another has.
    pub(crate) fn stands_by_at(&self, error: &LinkError) -> bool {
        self.common().exclusive_consumer && error.is_in_exclusive_use()
    }

    /// Since when nothing came, where somebody asks.
    pub(crate) fn idleness(&self) -> Option<&Idleness> {
        self.idleness.as_ref()
    }

    /// Its listeners.
    pub(crate) fn handlings(&self) -> impl Iterator<Item = &Arc<Handling>> {
        std::iter::once(&self.lead).chain(&self.others)
    }

    /// Its listeners' plans.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &ListenerPlan> {
        self.handlings().map(|handling| &*handling.plan)
    }

    /// The queues that it consumes from.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &ShortString> {
        self.queues.iter().map(|(queue, _)| queue)
    }

    /// How the handler of a delivery from `queue` is found.
    pub(crate) fn selection(&self, queue: &ShortString) -> Selection<'_> {
        match self.queues.iter().find(|(name, _)| name == queue).map(|(_, dispatch)| dispatch) {
            Some(Dispatch::ByRoute(routes)) => Selection::ByRoute(self, routes),
            Some(Dispatch::One(index)) => Selection::Only(self.handling(*index)),
            None => Selection::Only(&self.lead),
        }
    }

    fn handling(&self, index: usize) -> &Arc<Handling> {
        self.handlings().nth(index).unwrap_or(&self.lead)
    }
}

impl<'c> Selection<'c> {
    /// The handler of the delivery in `context`; none if no binding takes it.
    pub(crate) fn of(self, context: &DeliveryContext) -> Option<&'c Arc<Handling>> {
        let (container, routes) = match self {
            Self::Only(handling) => return Some(handling),
            Self::ByRoute(container, routes) => (container, routes),
        };
        let find = |(exchange, key): (&str, &str)| routes.find(exchange, key);
        find((context.exchange(), context.routing_key()))
            .or_else(|| context.earlier_routes().find_map(find))
            .or_else(|| routes.fallback())
            .map(|index| container.handling(index))
    }

    /// The listener that the first delivery is for, as far as is known before it has come.
    pub(crate) fn first(self) -> &'c Arc<Handling> {
        match self {
            Self::Only(handling) => handling,
            Self::ByRoute(container, _) => &container.lead,
        }
    }
}
