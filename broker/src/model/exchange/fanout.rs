use super::Found;
use super::destinations::{Destinations, Target};
use crate::model::binding::Binding;

/// The bindings of a fanout exchange: every message goes everywhere, whatever its key.
#[derive(Debug, Clone)]
pub(crate) struct Fanout<Q>(Destinations<Q>);

impl<Q> Default for Fanout<Q> {
    fn default() -> Self {
        Self(Destinations::default())
    }
}

impl<Q: Clone> Fanout<Q> {
    pub(crate) fn add(&mut self, binding: &Binding, target: Target<Q>) {
        self.0.add(binding.destination(), target);
    }

    pub(crate) fn remove(&mut self, binding: &Binding) {
        self.0.remove(binding.destination());
    }

    pub(crate) fn matching<'t>(&'t self, found: &mut Found<'t, Q>) {
        if !self.0.is_empty() {
            found.extend([&self.0]);
        }
    }
}
