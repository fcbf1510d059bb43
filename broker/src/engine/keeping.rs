//! What the journal keeps of which queue.

use smallvec::SmallVec;

use super::queue_cell::QueueRef;
use crate::model::arguments::QueueType;
use crate::model::definition::QueueDefinition;
use crate::model::ids::{ConnectionId, QueueId};
use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;
use crate::model::topology::QueueHandle;

/// Which messages of a queue the journal keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// None: the queue does not survive a restart.
    Nothing,
    /// Those whose publisher wants it.
    Persistent,
    /// All: the queue's type wants it.
    Everything,
}

impl Keeping {
    /// What is kept of a queue, where there is a journal.
    pub(super) fn of(definition: &QueueDefinition, owner: Option<ConnectionId>) -> Self {
        if !definition.durable || owner.is_some() {
            return Self::Nothing;
        }
        match definition.arguments.queue_type {
            QueueType::Classic => Self::Persistent,
            QueueType::Quorum | QueueType::Stream => Self::Everything,
        }
    }
}

/// The queues that some messages go to, as the journal sees them.
#[derive(Debug, Default)]
pub(super) struct Keepers {
    /// Those for which a persistent message is kept.
    persistent: SmallVec<[QueueId; 4]>,
    /// Those for which any message is kept.
    every: SmallVec<[QueueId; 4]>,
    /// Of each queue, its places in the two lists.
    places: SmallVec<[Places; 4]>,
}

/// Where a queue is in the lists of [`Keepers`].
#[derive(Debug, Clone, Copy, Default)]
struct Places {
    persistent: Option<u32>,
    every: Option<u32>,
}

impl Keepers {
    pub(super) fn of(queues: &[QueueRef]) -> Self {
        let mut keepers = Self::default();
        for queue in queues {
            let place = |list: &[QueueId]| u32::try_from(list.len()).ok();
            let mut places = Places::default();
            let keeping = queue.keeping();
            if keeping != Keeping::Nothing {
                places.persistent = place(&keepers.persistent);
                keepers.persistent.push(queue.queue_id());
            }
            if keeping == Keeping::Everything {
                places.every = place(&keepers.every);
                keepers.every.push(queue.queue_id());
            }
            keepers.places.push(places);
        }
        keepers
    }

    /// The queues for which this message is kept.
    pub(super) fn of_message(&self, message: &PublishedMessage) -> &[QueueId] {
        if message.is_persistent() { &self.persistent } else { &self.every }
    }

    /// What the journal knows a message by in the queue that is at this place of all, where `first` is
    /// what it knows it by in the first for which it is kept.
    pub(super) fn reference(
        &self,
        queue: usize,
        message: &PublishedMessage,
        first: Option<Reference>,
    ) -> Option<Reference> {
        let places = self.places.get(queue)?;
        let place = if message.is_persistent() { places.persistent } else { places.every };
        Some(first?.plus(u64::from(place?)))
    }
}

#[cfg(test)]
mod tests;
