//! Exchanges: each type's own way to keep bindings and to find those that a message matches.
//!
//! In: one file per type, and what they share. Out: names, exchange-to-exchange routing and
//! alternate exchanges, which are the [`Topology`](crate::model::topology::Topology)'s.

mod choices;
mod consistent_hash;
mod delayed_message;
mod destinations;
mod direct;
mod fanout;
mod found;
mod hash_on;
mod headers;
mod kind;
mod local_random;
mod modulus_hash;
mod random;
mod stable_hash;
mod topic;

use std::sync::Arc;

use springhare_amqp::ShortString;

use self::consistent_hash::ConsistentHash;
pub(crate) use self::consistent_hash::check_arguments as check_hash_arguments;
pub(crate) use self::delayed_message::{
    DelayedTypeError, X_DELAYED_TYPE, delay_of, delayed_type, end_delay,
};
pub(crate) use self::destinations::Target;
use self::direct::Direct;
use self::fanout::Fanout;
pub(crate) use self::found::Found;
pub(crate) use self::hash_on::{HASH_HEADER, HASH_PROPERTY};
use self::headers::Headers;
pub(crate) use self::kind::{ExchangeKind, UnknownExchangeKind};
use self::modulus_hash::ModulusHash;
use self::random::Random;
use self::topic::Topic;
use crate::model::arguments::{ArgumentError, check_depth};
use crate::model::binding::Binding;
use crate::model::definition::ExchangeDefinition;
use crate::model::routed_message::RoutedMessage;
use crate::model::small_map::SmallMap;

/// Bindings, as a set.
pub(crate) type Bindings = SmallMap<Arc<Binding>, ()>;

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
    ConsistentHash(ConsistentHash<Q>),
    ModulusHash(ModulusHash<Q>),
    Random(Random<Q>),
}

impl<Q: Clone> Exchange<Q> {
    /// An exchange without bindings.
    pub(crate) fn new(definition: ExchangeDefinition) -> Self {
        let matcher = match definition.routes_as() {
            // What delays as nothing that it could route as was refused.
            ExchangeKind::Direct | ExchangeKind::DelayedMessage => {
                Matcher::Direct(Direct::default())
            }
            ExchangeKind::Fanout => Matcher::Fanout(Fanout::default()),
            ExchangeKind::Topic => Matcher::Topic(Topic::default()),
            ExchangeKind::Headers => Matcher::Headers(Headers::default()),
            ExchangeKind::ConsistentHash => {
                Matcher::ConsistentHash(ConsistentHash::new(&definition.arguments))
            }
            ExchangeKind::ModulusHash => Matcher::ModulusHash(ModulusHash::default()),
            ExchangeKind::Random | ExchangeKind::LocalRandom => Matcher::Random(Random::default()),
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
            Matcher::ConsistentHash(hash) => hash.add(&binding, target),
            Matcher::ModulusHash(hash) => hash.add(&binding, target),
            Matcher::Random(random) => random.add(&binding, target),
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
                Matcher::ConsistentHash(hash) => hash.remove(binding),
                Matcher::ModulusHash(hash) => hash.remove(binding),
                Matcher::Random(random) => random.remove(binding),
            }
        }
        was_there
    }

    /// When a binding was made among those to its destination, if that means anything.
    pub(crate) fn place(&self, binding: &Binding) -> usize {
        match &self.matcher {
            Matcher::ConsistentHash(hash) => hash.place(binding),
            _ => 0,
        }
    }

    /// Adds to `found`, which is empty, what a message matches by any of its keys.
    pub(crate) fn matching<'t>(&'t self, message: &RoutedMessage<'_>, found: &mut Found<'t, Q>) {
        match &self.matcher {
            Matcher::Direct(direct) => by_each_key(message, found, |key, found| {
                direct.matching(key, found);
            }),
            Matcher::Fanout(fanout) => fanout.matching(found),
            Matcher::Topic(topic) => by_each_key(message, found, |key, found| {
                topic.matching(key, found);
            }),
            Matcher::Headers(headers) => headers.matching(message.headers(), found),
            Matcher::ConsistentHash(hash) => hash.matching(message, found),
            Matcher::ModulusHash(hash) => hash.matching(message, found),
            Matcher::Random(random) => random.matching(message, found),
        }
    }
}

/// Adds what each key of a message matches, once. There is mostly one.
fn by_each_key<'t, Q: Clone>(
    message: &RoutedMessage<'_>,
    found: &mut Found<'t, Q>,
    matching: impl Fn(&str, &mut Found<'t, Q>),
) {
    matching(message.routing_key(), found);
    if message.copies().is_empty() {
        return;
    }
    for key in message.copies() {
        matching(key, found);
        found.next_key();
    }
    found.collapse();
}

/// Checks a binding from an exchange that routes as `kind`.
///
/// # Errors
///
/// A key or arguments that this type does not understand: 406.
pub(crate) fn check_binding(kind: ExchangeKind, binding: &Binding) -> Result<(), ArgumentError> {
    check_depth(binding.arguments())?;
    match kind {
        ExchangeKind::Headers => headers::validate_binding_arguments(binding.arguments()),
        ExchangeKind::ConsistentHash => consistent_hash::weight(binding.routing_key()).map(drop),
        ExchangeKind::LocalRandom => local_random::check_binding(binding),
        _ => Ok(()),
    }
}
