use std::cmp::Ordering;
use std::sync::Arc;

use super::destinations::Target;
use crate::model::binding::Binding;

/// Bindings to choose one of by its number.
///
/// Their order is their own and not that in which they were made, as on RabbitMQ: the same bindings
/// have the same numbers. A destination that is bound twice is there twice.
#[derive(Debug, Clone)]
pub(super) struct Choices<Q>(imbl::Vector<Choice<Q>>);

#[derive(Debug, Clone)]
struct Choice<Q> {
    binding: Arc<Binding>,
    target: Target<Q>,
}

impl<Q: Clone> Default for Choices<Q> {
    fn default() -> Self {
        Self(imbl::Vector::new())
    }
}

impl<Q: Clone> Choices<Q> {
    pub(super) fn add(&mut self, binding: &Arc<Binding>, target: Target<Q>) {
        if let Err(place) = self.place_of(binding) {
            self.0.insert(place, Choice { binding: Arc::clone(binding), target });
        }
    }

    pub(super) fn remove(&mut self, binding: &Binding) {
        if let Ok(place) = self.place_of(binding) {
            self.0.remove(place);
        }
    }

    /// The one that a number chooses, whatever the number.
    pub(super) fn choose(&self, number: u64) -> Option<&Target<Q>> {
        let place = number.checked_rem(self.0.len() as u64)?;
        self.0.get(usize::try_from(place).ok()?).map(|choice| &choice.target)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn place_of(&self, binding: &Binding) -> Result<usize, usize> {
        self.0.binary_search_by(|choice| order(&choice.binding, binding))
    }
}

fn order(one: &Binding, other: &Binding) -> Ordering {
    let keys = one.routing_key().cmp(other.routing_key());
    keys.then_with(|| one.destination().cmp(other.destination()))
        .then_with(|| one.arguments_identity().cmp(other.arguments_identity()))
}
