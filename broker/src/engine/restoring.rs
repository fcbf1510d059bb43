//! What the journal had when the broker was started, back in its queues.

use std::time::Duration;

use super::queue_cell::QueueCell;
use super::queue_state::QueueState;
use super::virtual_host::VirtualHost;
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::pager::ReadBack;
use crate::model::queue::RestoredMessage;
use crate::model::stored::Reference;
use crate::store::{Journal, RecoveredMessage};

/// How many messages are read back together while a queue is restored.
const READ_AT_ONCE_MAX: usize = 256;

/// Messages of a stream, which are to be in memory when it is restored.
pub(super) type Unread = Vec<RecoveredMessage>;

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
                self.lock_unread().push(message.clone());
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

    /// All messages are back: reads those that are to be in memory, and drops what is too much by now.
    fn restored(&self) {
        let Some(journal) = self.shared().journal() else { return };
        let mut unread = std::mem::take(&mut *self.lock_unread());
        unread.sort_unstable_by_key(|message| message.reference);
        let start = self.stream_journal().map(|stream| stream.start());
        self.change_restoring(|state| {
            if let (QueueState::Stream { stream, .. }, Some(start)) = (&mut *state, start) {
                stream.restore_start(start);
            }
            read_back(journal, &unread, self.id(), |message, read| match &mut *state {
                QueueState::Stream { stream, .. } => {
                    let published_at = Duration::from_millis(message.published_at);
                    stream.restore(read, message.reference, published_at);
                }
                QueueState::Live { .. } | QueueState::Deleted { .. } => {}
            });
            match state {
                QueueState::Live { queue, .. } => queue.restored(),
                QueueState::Stream { .. } | QueueState::Deleted { .. } => {}
            }
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

/// Reads messages in their order, some at a time. What can't be read is given as none.
fn read_back(
    journal: &Journal,
    messages: &[RecoveredMessage],
    queue: QueueId,
    mut give: impl FnMut(&RecoveredMessage, Option<PublishedMessage>),
) {
    for of_segment in messages.chunk_by(|one, other| one.place.segment == other.place.segment) {
        for some in of_segment.chunks(READ_AT_ONCE_MAX) {
            let Some(first) = some.first() else { continue };
            let places: Vec<_> =
                some.iter().map(|message| (message.reference, message.place.offset)).collect();
            let mut read = journal.read(first.place.segment, &places).into_iter();
            for message in some {
                let read = match read.next() {
                    Some(ReadBack::Message(read)) => Some(read),
                    _ => None,
                };
                if read.is_none() {
                    let reference = message.reference.number();
                    tracing::error!(%queue, reference, "a message can't be read back");
                }
                give(message, read);
            }
        }
    }
}
