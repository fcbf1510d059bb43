use std::collections::VecDeque;

use super::QueueMessage;

/// The messages that wait for a consumer, by position.
///
/// New ones go to the end. One that comes back goes to its old place, which is nearly always
/// the front: only messages that came back too can stand before it.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    messages: VecDeque<QueueMessage>,
}

impl Ready {
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn push_back(&mut self, message: QueueMessage) {
        debug_assert!(self.messages.back().is_none_or(|last| last.position < message.position));
        self.messages.push_back(message);
    }

    pub(crate) fn pop_front(&mut self) -> Option<QueueMessage> {
        self.messages.pop_front()
    }

    /// Puts a message back to where its position says.
    pub(crate) fn put_back(&mut self, message: QueueMessage) {
        if self.messages.front().is_none_or(|first| message.position < first.position) {
            self.messages.push_front(message);
            return;
        }
        let place = self.messages.partition_point(|other| other.position < message.position);
        self.messages.insert(place, message);
    }

    /// Takes all messages out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = QueueMessage> {
        std::mem::take(&mut self.messages).into_iter()
    }
}
