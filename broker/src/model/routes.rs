use std::collections::HashSet;
use std::time::Duration;

use smallvec::SmallVec;
use springhare_amqp::ShortString;

use crate::model::topology::QueueHandle;

/// Where a message goes: each queue once, and the exchanges that delay it.
///
/// Made once and filled for one message after the other by
/// [`Topology::route`](crate::model::topology::Topology::route), so that routing allocates
/// nothing.
#[derive(Debug, Clone)]
pub(crate) struct Routes<Q> {
    queues: SmallVec<[Q; 4]>,
    delays: Vec<Delay>,
}

/// An exchange that a message is to wait at, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delay {
    pub(crate) exchange: ShortString,
    pub(crate) delay: Duration,
}

impl<Q> Default for Routes<Q> {
    fn default() -> Self {
        Self { queues: SmallVec::new(), delays: Vec::new() }
    }
}

impl<Q> Routes<Q> {
    /// Whether the message reaches no queue now.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// The number of queues.
    pub(crate) fn len(&self) -> usize {
        self.queues.len()
    }

    /// The queues.
    pub(crate) fn queues(&self) -> &[Q] {
        &self.queues
    }

    /// Where the message waits first.
    pub(crate) fn delays(&self) -> &[Delay] {
        &self.delays
    }

    /// Lets go of the queues, which would otherwise live as long as the routes.
    pub(crate) fn clear(&mut self) {
        self.queues.clear();
        self.delays.clear();
    }

    pub(crate) fn delay(&mut self, exchange: ShortString, delay: Duration) {
        self.delays.push(Delay { exchange, delay });
    }

    pub(crate) fn push(&mut self, queue: Q) {
        self.queues.push(queue);
    }
}

impl<Q: QueueHandle> Routes<Q> {
    /// Drops what is there more than once. Sorting costs least for the few queues that a message
    /// has mostly, and stays cheap for thousands.
    pub(crate) fn collapse(&mut self) {
        self.queues.sort_unstable_by_key(QueueHandle::queue_id);
        self.queues.dedup_by_key(|queue| queue.queue_id());
    }
}

/// Which nodes or exchanges a walk has met, by their place in memory: they are borrowed from one
/// snapshot, which stays where it is meanwhile.
///
/// A list for the few that a walk mostly meets, a hash set beyond.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    few: SmallVec<[usize; 16]>,
    many: HashSet<usize>,
}

impl Visited {
    /// Remembers `item`; whether it is met for the first time.
    pub(crate) fn insert<T>(&mut self, item: &T) -> bool {
        let place = std::ptr::from_ref(item).addr();
        if !self.many.is_empty() {
            return self.many.insert(place);
        }
        if self.few.contains(&place) {
            return false;
        }
        if self.few.len() == self.few.inline_size() {
            self.many = self.few.drain(..).chain([place]).collect();
        } else {
            self.few.push(place);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_again_is_known_however_much_was_met() {
        let items: Vec<u64> = (0..40).collect();
        let mut visited = Visited::default();
        for (count, item) in items.iter().enumerate() {
            assert!(visited.insert(item));
            assert!(items.iter().take(count + 1).all(|met| !visited.insert(met)));
        }
    }
}
