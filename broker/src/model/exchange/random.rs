//! The exchange type `x-random`: a message goes by one binding, which chance chooses.

use std::sync::Arc;

use super::Found;
use super::choices::Choices;
use super::destinations::Target;
use crate::model::binding::Binding;
use crate::model::routed_message::RoutedMessage;

/// The bindings of a random exchange. Their keys mean nothing.
#[derive(Debug, Clone)]
pub(crate) struct Random<Q>(Choices<Q>);

impl<Q: Clone> Default for Random<Q> {
    fn default() -> Self {
        Self(Choices::default())
    }
}

impl<Q: Clone> Random<Q> {
    pub(crate) fn add(&mut self, binding: &Arc<Binding>, target: Target<Q>) {
        self.0.add(binding, target);
    }

    pub(crate) fn remove(&mut self, binding: &Binding) {
        self.0.remove(binding);
    }

    pub(crate) fn matching<'t>(&'t self, message: &RoutedMessage<'_>, found: &mut Found<'t, Q>) {
        // Without a choice there is no chance, and all messages go the same way.
        let number = if self.0.len() > 1 { message.random() } else { 0 };
        found.choose(self.0.choose(number));
    }
}
