use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use springhare_amqp::{AmqpError, ShortString};
use springhare_broker::ConsumerEnd;

use super::events::Events;
use super::mailbox::Mailbox;
use crate::connection::LinkError;

/// A channel that was opened for a user, as its handles and the connection share it.
#[derive(Debug, Default)]
pub(super) struct UserChannel {
    pub(super) events: Events,
    /// Those that have started and not ended.
    consumers: Mutex<Vec<Arc<Mailbox>>>,
    closed: OnceLock<LinkError>,
}

impl UserChannel {
    pub(super) fn close_reason(&self) -> Option<LinkError> {
        self.closed.get().cloned()
    }

    pub(super) fn add(&self, mailbox: Arc<Mailbox>) {
        self.consumers().push(mailbox);
    }

    pub(super) fn consumer(&self, tag: &ShortString) -> Option<Arc<Mailbox>> {
        self.consumers().iter().find(|mailbox| mailbox.tag() == tag).cloned()
    }

    pub(super) fn remove(&self, tag: &ShortString) -> Option<Arc<Mailbox>> {
        let mut consumers = self.consumers();
        let index = consumers.iter().position(|mailbox| mailbox.tag() == tag)?;
        Some(consumers.swap_remove(index))
    }

    /// The channel is closed, by this error if by one: its consumers and its events end.
    pub(super) fn close(&self, reason: LinkError, error: Option<AmqpError>) {
        if self.closed.set(reason).is_err() {
            return;
        }
        let end = error.clone().map_or(ConsumerEnd::CancelledByUser, ConsumerEnd::Closed);
        for mailbox in self.consumers().drain(..) {
            mailbox.end(end.clone());
        }
        self.events.close(error);
    }

    fn consumers(&self) -> MutexGuard<'_, Vec<Arc<Mailbox>>> {
        self.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
