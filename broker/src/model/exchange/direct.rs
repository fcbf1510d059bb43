use springhare_amqp::ShortString;

use super::Found;
use super::destinations::{Destinations, Target};
use crate::model::binding::Binding;
use crate::model::small_map::SmallMap;

/// The bindings of a direct exchange: a message goes where its key equals the binding's.
#[derive(Debug, Clone)]
pub(crate) struct Direct<Q>(SmallMap<ShortString, Destinations<Q>>);

impl<Q> Default for Direct<Q> {
    fn default() -> Self {
        Self(SmallMap::default())
    }
}

impl<Q: Clone> Direct<Q> {
    pub(crate) fn add(&mut self, binding: &Binding, target: Target<Q>) {
        self.0
            .get_or_insert_with(binding.routing_key().clone(), Destinations::default)
            .add(binding.destination(), target);
    }

    pub(crate) fn remove(&mut self, binding: &Binding) {
        let key = binding.routing_key().as_str();
        if let Some(destinations) = self.0.get_mut(key) {
            destinations.remove(binding.destination());
            if destinations.is_empty() {
                self.0.remove(key);
            }
        }
    }

    pub(crate) fn matching<'t>(&'t self, routing_key: &str, found: &mut Found<'t, Q>) {
        found.extend(self.0.get(routing_key));
    }
}
