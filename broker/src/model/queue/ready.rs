use std::collections::{BTreeMap, VecDeque};

use super::QueueMessage;

/// The messages that wait for a consumer, by position.
///
/// New ones go to the end of one list. One that comes back goes to its old place among those
/// that came back; whatever order they come back in, each costs little.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    fresh: VecDeque<QueueMessage>,
    returned: BTreeMap<u64, QueueMessage>,
}

impl Ready {
    pub(crate) fn len(&self) -> usize {
        self.fresh.len() + self.returned.len()
    }

    pub(crate) fn push_back(&mut self, message: QueueMessage) {
        debug_assert!(self.fresh.back().is_none_or(|last| last.position < message.position));
        self.fresh.push_back(message);
    }

    pub(crate) fn pop_front(&mut self) -> Option<QueueMessage> {
        if let Some(returned) = self.returned.first_entry() {
            let fresh = self.fresh.front();
            if fresh.is_none_or(|fresh| *returned.key() < fresh.position) {
                return Some(returned.remove());
            }
        }
        self.fresh.pop_front()
    }

    /// Puts a message back to where its position says.
    pub(crate) fn put_back(&mut self, message: QueueMessage) {
        self.returned.insert(message.position, message);
    }

    /// Takes all messages out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = QueueMessage> {
        let Self { fresh, returned } = std::mem::take(self);
        returned.into_values().chain(fresh)
    }
}
