//! Exchanges: each type's own way to keep bindings and to find those that a message matches.
//!
//! In: one file per type, and what they share. Out: names, exchange-to-exchange routing and
//! alternate exchanges, which are the [`Topology`](crate::model::topology::Topology)'s.

mod destinations;
mod direct;
mod fanout;
mod headers;
mod topic;

use std::sync::Arc;

use smallvec::SmallVec;
use springhare_amqp::ShortString;

pub(crate) use self::destinations::{Destinations, Target};
use self::direct::Direct;
use self::fanout::Fanout;
use self::headers::Headers;
pub(crate) use self::headers::validate_binding_arguments;
use self::topic::Topic;
use crate::model::binding::Binding;
use crate::model::definition::{ExchangeDefinition, ExchangeKind};
use crate::model::message_headers::MessageHeaders;
use crate::model::small_map::SmallMap;

/// Bindings, as a set.
pub(crate) type Bindings = SmallMap<Arc<Binding>, ()>;

/// The destinations that a message matches, in as many parts as there are patterns that match;
/// none of them is empty.
pub(crate) type Found<'t, Q> = SmallVec<[&'t Destinations<Q>; 8]>;

/// A declared exchange with its bindings; a clone is O(1).
#[derive(Debug, Clone)]
pub(crate) struct Exchange<Q> {
    definition: Arc<ExchangeDefinition>,
    /// Where messages go that match no binding.
    alternate: Option<ShortString>,
    /// The bindings that lead away from here, each in `matcher` as well.
    outbound: Bindings,
    /// The bindings of other exchanges (or this one's own) that lead here.
    inbound: Bindings,
    matcher: Matcher<Q>,
}

#[derive(Debug, Clone)]
enum Matcher<Q> {
    Direct(Direct<Q>),
    Fanout(Fanout<Q>),
    Topic(Topic<Q>),
    Headers(Headers<Q>),
}

impl<Q: Clone> Exchange<Q> {
    /// An exchange without bindings.
    pub(crate) fn new(definition: ExchangeDefinition) -> Self {
        let matcher = match definition.kind {
            ExchangeKind::Direct => Matcher::Direct(Direct::default()),
            ExchangeKind::Fanout => Matcher::Fanout(Fanout::default()),
            ExchangeKind::Topic => Matcher::Topic(Topic::default()),
            ExchangeKind::Headers => Matcher::Headers(Headers::default()),
        };
        Self {
            alternate: definition.alternate_exchange(),
            definition: Arc::new(definition),
            outbound: Bindings::default(),
            inbound: Bindings::default(),
            matcher,
        }
    }

    pub(crate) fn definition(&self) -> &ExchangeDefinition {
        &self.definition
    }

    pub(crate) fn alternate(&self) -> Option<&ShortString> {
        self.alternate.as_ref()
    }

    /// The alternate exchange is what the argument says, or else what a policy does.
    pub(crate) fn set_policy_alternate(&mut self, alternate: Option<ShortString>) {
        self.alternate = self.definition.alternate_exchange().or(alternate);
    }

    pub(crate) fn outbound(&self) -> &Bindings {
        &self.outbound
    }

    pub(crate) fn inbound(&self) -> &Bindings {
        &self.inbound
    }

    pub(crate) fn inbound_mut(&mut self) -> &mut Bindings {
        &mut self.inbound
    }

    /// Adds a binding that leads from here and is not here yet.
    pub(crate) fn add(&mut self, binding: Arc<Binding>, target: Target<Q>) {
        match &mut self.matcher {
            Matcher::Direct(direct) => direct.add(&binding, target),
            Matcher::Fanout(fanout) => fanout.add(&binding, target),
            Matcher::Topic(topic) => topic.add(&binding, target),
            Matcher::Headers(headers) => headers.add(&binding, target),
        }
        self.outbound.insert(binding, ());
    }

    /// Takes a binding out; whether it was there.
    pub(crate) fn remove(&mut self, binding: &Binding) -> bool {
        let was_there = self.outbound.remove(binding).is_some();
        if was_there {
            match &mut self.matcher {
                Matcher::Direct(direct) => direct.remove(binding),
                Matcher::Fanout(fanout) => fanout.remove(binding),
                Matcher::Topic(topic) => topic.remove(binding),
                Matcher::Headers(headers) => headers.remove(binding),
            }
        }
        was_there
    }

    /// Adds to `found` what a message with this key and these headers matches.
    pub(crate) fn matching<'t>(
        &'t self,
        routing_key: &str,
        headers: &MessageHeaders<'_>,
        found: &mut Found<'t, Q>,
    ) {
        match &self.matcher {
            Matcher::Direct(direct) => direct.matching(routing_key, found),
            Matcher::Fanout(fanout) => fanout.matching(found),
            Matcher::Topic(topic) => topic.matching(routing_key, found),
            Matcher::Headers(by_headers) => by_headers.matching(headers.read(), found),
        }
    }
}
