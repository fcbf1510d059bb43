//! Transactions (`tx.select`, `tx.commit`, `tx.rollback`): what a channel publishes and settles
//! waits for the commit.
//!
//! As on RabbitMQ, a commit is not atomic over several queues: each queue gets all messages of
//! the transaction in one step, one queue after the other, and the settlements come after all
//! messages. So a message that is passed on in a transaction is in both queues for a moment, and
//! never in none.

use std::collections::BTreeMap;
use std::sync::Arc;

use springhare_amqp::{AmqpError, MethodId, ReplyCode, ShortString};

use super::channel_cell::ChannelCell;
use super::publish::{ReturnedMessage, unroutable};
use super::queue_cell::QueueRef;
use crate::model::channel::{Committed, RoutedPublish, Settled, Settlement, Unroutable};
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::queue::Returned;
use crate::model::routes::Delay;
use crate::model::stored::Lsn;
use crate::model::topology::{QueueHandle, Topology};

impl ChannelCell {
    /// `confirm.select`: from now on messages are numbered and confirmed.
    ///
    /// # Errors
    ///
    /// 406 `cannot switch from tx to confirm mode`.
    pub(crate) fn select_confirms(&self) -> Result<(), AmqpError> {
        self.lock().channel.select_confirms()
    }

    /// `tx.select`: from now on publishes and settlements wait for a commit.
    ///
    /// # Errors
    ///
    /// 406 `cannot switch from confirm to tx mode`.
    pub(crate) fn tx_select(&self) -> Result<(), AmqpError> {
        let mut state = self.lock();
        state.channel.select_transactions()?;
        self.set_transactional();
        Ok(())
    }

    /// `tx.commit`: enqueues what was published, then settles what was settled; what has to be
    /// synced for that to be safe. Mandatory messages that reach no queue are given to
    /// `tell_returned` before that.
    ///
    /// # Errors
    ///
    /// 406 `channel is not transactional`, and what `tell_returned` answers; nothing of the
    /// transaction is done then. 406 `partial tx completion` when a full queue refuses a message;
    /// all else is done then.
    pub(crate) fn tx_commit(
        &self,
        mut tell_returned: impl FnMut(ReturnedMessage) -> Result<(), AmqpError>,
    ) -> Result<Lsn, AmqpError> {
        let Committed { publishes, held_bytes, settlements } = self.lock().channel.commit()?;
        let destinations = Destinations::of(publishes, &self.virtual_host().topology());
        for message in destinations.returned {
            if let Err(error) = tell_returned(message) {
                self.release(held_bytes);
                self.give_back(settlements);
                return Err(error);
            }
        }
        let mut has_refused = false;
        for (message, delays) in destinations.delayed {
            has_refused |= self.virtual_host().delay(&message, &delays).is_err();
        }
        for (queue, messages) in destinations.by_queue.into_values() {
            queue.enqueue_shared(messages, |_| has_refused = true);
        }
        // Only now: the messages are counted twice for a moment, and never not at all.
        self.release(held_bytes);
        for (settlement, settled) in settlements {
            self.settle(settlement, settled);
        }
        self.resume_limited();
        if has_refused {
            return Err(AmqpError::new(
                ReplyCode::PreconditionFailed,
                MethodId::TX_COMMIT,
                "partial tx completion",
            ));
        }
        Ok(Lsn::NONE)
    }

    /// `tx.rollback`: drops what was published; what was settled is unsettled again.
    ///
    /// # Errors
    ///
    /// 406 `channel is not transactional`.
    pub(crate) fn tx_rollback(&self) -> Result<(), AmqpError> {
        let held_bytes = self.lock().channel.rollback()?;
        self.release(held_bytes);
        Ok(())
    }

    /// Keeps a message until the commit.
    pub(super) fn defer_publish(&self, publish: RoutedPublish) -> Result<(), AmqpError> {
        let max_bytes = self.virtual_host().config().transaction_max_bytes;
        let mut state = self.lock();
        let bytes = state.channel.defer_publish(publish, max_bytes)?;
        // Under the lock: nobody can drop what is not counted yet.
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.virtual_host().unfinished().grow(self.connection_id(), bytes);
        Ok(())
    }

    /// A transaction holds these bytes no more.
    pub(super) fn release(&self, held_bytes: usize) {
        let bytes = u64::try_from(held_bytes).unwrap_or(u64::MAX);
        self.virtual_host().unfinished().shrink(self.connection_id(), bytes);
    }

    /// The commit has failed, and the channel is about to be closed: what it had settled goes
    /// back as what it had not.
    fn give_back(&self, settlements: Vec<(Settlement, Vec<Settled<QueueRef>>)>) {
        for (_, settled) in settlements {
            self.settle(Settlement::Requeue(Returned::Failed), settled);
        }
    }
}

/// Where the messages of a transaction go.
#[derive(Debug, Default)]
struct Destinations {
    by_queue: BTreeMap<QueueId, (QueueRef, SharedMessages)>,
    /// What waits at delayed exchanges first.
    delayed: Vec<(Arc<PublishedMessage>, Vec<Delay>)>,
    /// Mandatory, and without a queue.
    returned: Vec<ReturnedMessage>,
}

/// Messages in the order in which they were published, each with the number of queues that
/// share it.
type SharedMessages = Vec<(Arc<PublishedMessage>, usize)>;

impl Destinations {
    fn of(publishes: Vec<RoutedPublish>, topology: &Topology<QueueRef>) -> Self {
        let mut destinations = Self::default();
        // Neighbours that go the same way share their list of names.
        let mut way: Option<(Arc<[ShortString]>, Vec<QueueRef>)> = None;
        for publish in publishes {
            let RoutedPublish { message, queues: names, delays, unroutable: without_queue } =
                publish;
            if !delays.is_empty() {
                destinations.delayed.push((Arc::clone(&message), delays));
            }
            let known = way.take_if(|(known, _)| Arc::ptr_eq(known, &names));
            let (_, queues) = way.insert(known.unwrap_or_else(|| {
                let queues = names.iter().filter_map(|name| topology.queue(name).cloned());
                let queues = queues.collect();
                (names, queues)
            }));
            if queues.is_empty() && without_queue == Unroutable::Return {
                destinations.returned.push(unroutable(Arc::unwrap_or_clone(message)));
                continue;
            }
            for queue in queues.iter() {
                let of_queue = destinations.by_queue.entry(queue.queue_id());
                let (_, messages) = of_queue.or_insert_with(|| (queue.clone(), Vec::new()));
                messages.push((Arc::clone(&message), queues.len()));
            }
        }
        destinations
    }
}
