//! What the journal had when the broker was started, back in its queues.

use std::time::Duration;

use super::queue_cell::QueueCell;
use super::queue_state::QueueState;
use super::virtual_host::VirtualHost;
use crate::model::queue::RestoredMessage;
use crate::model::stored::Reference;
use crate::store::RecoveredMessage;

/// Messages of a stream, until all are there: an offset is counted from those before.
pub(super) type OfStream = Vec<RecoveredMessage>;

impl QueueCell {
    /// Puts a message back, whose content stays in the journal. They may come in any order; when there
    /// are no more of any queue, [`VirtualHost::restored`] is to follow before anything else.
    pub(crate) fn restore(&self, message: &RecoveredMessage) {
        let epoch = self.shared().clock().epoch();
        self.change_restoring(|state| match state {
            QueueState::Live { queue, .. } => match message.retry_at {
                None => queue.restore(&restored(message), epoch),
                Some(due) => {
                    let due = Duration::from_millis(due).saturating_sub(epoch);
                    queue.restore_delayed(&restored(message), epoch, due);
                }
            },
            QueueState::Stream { .. } => {
                self.lock_of_stream().push(message.clone());
            }
            QueueState::Deleted { settled } => settled.add(Some(message.reference)),
        });
    }

    /// The journal had a definition of where this stream begins: with this offset.
    pub(crate) fn restore_stream_start(&self, reference: Reference, offset: u64) {
        let Some(journal) = self.shared().journal() else { return };
        match self.stream_journal() {
            Some(stream) => stream.restore(journal, reference, offset),
            None => journal.settle(&[reference]),
        }
    }

    /// All messages are back; what is too much by now is dropped.
    fn restored(&self) {
        let mut of_stream = std::mem::take(&mut *self.lock_of_stream());
        of_stream.sort_unstable_by_key(|message| message.reference);
        let start = self.stream_journal().map(|stream| stream.start());
        self.change_restoring(|state| match state {
            QueueState::Live { queue, .. } => queue.restored(),
            QueueState::Stream { stream, .. } => {
                if let Some(start) = start {
                    stream.restore_start(start);
                }
                for RecoveredMessage { place, reference, published_at, .. } in of_stream {
                    stream.restore(place, reference, Duration::from_millis(published_at));
                }
            }
            QueueState::Deleted { .. } => {}
        });
    }
}

impl VirtualHost {
    /// All messages of all queues are back: from now on time goes on in them.
    pub(crate) fn restored(&self) {
        let topology = self.topology();
        for (_, queue) in topology.queues() {
            queue.restored();
        }
        // Only now: what dies of it goes to others.
        for (_, queue) in topology.queues() {
            queue.end_restoring();
        }
    }
}

fn restored(message: &RecoveredMessage) -> RestoredMessage {
    RestoredMessage {
        reference: message.reference,
        place: message.place,
        body_len: u64::from(message.body_len),
        published_at: Duration::from_millis(message.published_at),
        expiration: message.expiration.map(Duration::from_millis),
        priority: message.priority,
        delivery_count: message.delivery_count,
        redelivered: message.redelivered,
    }
}
