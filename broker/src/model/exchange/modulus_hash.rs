//! The exchange type `x-modulus-hash` (RabbitMQ's plugin for sharding): a message goes by one
//! binding, whose number is the hash of its routing keys modulo the number of bindings.
//!
//! The same keys go the same way as long as the bindings stay. Which way that is differs from
//! RabbitMQ, whose hash is Erlang's.

use std::sync::Arc;

use super::Found;
use super::choices::Choices;
use super::destinations::Target;
use super::stable_hash::StableHash;
use crate::model::binding::Binding;
use crate::model::routed_message::RoutedMessage;

/// The bindings of a modulus-hash exchange. Their keys mean nothing.
#[derive(Debug, Clone)]
pub(crate) struct ModulusHash<Q>(Choices<Q>);

impl<Q: Clone> Default for ModulusHash<Q> {
    fn default() -> Self {
        Self(Choices::default())
    }
}

impl<Q: Clone> ModulusHash<Q> {
    pub(crate) fn add(&mut self, binding: &Arc<Binding>, target: Target<Q>) {
        self.0.add(binding, target);
    }

    pub(crate) fn remove(&mut self, binding: &Binding) {
        self.0.remove(binding);
    }

    pub(crate) fn matching<'t>(&'t self, message: &RoutedMessage<'_>, found: &mut Found<'t, Q>) {
        let keys = message.routing_keys();
        let hash = keys.fold(StableHash::new(), |hash, key| hash.with(key.as_bytes()));
        found.choose(self.0.choose(hash.finish()));
    }
}
