use springhare_amqp::ShortString;

use crate::model::binding::Destination;
use crate::model::small_map::SmallMap;

/// Where one binding leads, looked up already.
#[derive(Debug, Clone)]
pub(crate) enum Target<Q> {
    /// A queue, by its handle: routing to it needs no lookup.
    Queue(Q),
    /// An exchange, by its name: its bindings change while this one's stay.
    Exchange(ShortString),
}

/// Everything that bindings of one kind lead to, each destination once.
///
/// Several bindings may lead to one destination, with other arguments, or with other keys that
/// mean the same: they are counted, so that the destination stays until the last is gone.
#[derive(Debug, Clone)]
pub(crate) struct Destinations<Q>(SmallMap<Destination, Counted<Q>>);

#[derive(Debug, Clone)]
struct Counted<Q> {
    target: Target<Q>,
    bindings: usize,
}

impl<Q> Default for Destinations<Q> {
    fn default() -> Self {
        Self(SmallMap::default())
    }
}

impl<Q: Clone> Destinations<Q> {
    /// Whether nothing is bound.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One binding more.
    pub(crate) fn add(&mut self, destination: &Destination, target: Target<Q>) {
        let counted = || Counted { target, bindings: 0 };
        self.0.get_or_insert_with(destination.clone(), counted).bindings += 1;
    }

    /// One binding less.
    pub(crate) fn remove(&mut self, destination: &Destination) {
        match self.0.get_mut(destination) {
            Some(counted) if counted.bindings > 1 => counted.bindings -= 1,
            Some(_) => {
                self.0.remove(destination);
            }
            None => {}
        }
    }

    /// Where the bindings lead.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target<Q>> {
        self.0.iter().map(|(_, counted)| &counted.target)
    }
}
