//! Transactions (`tx.select`, `tx.commit`, `tx.rollback`): what a channel publishes and settles
//! waits for the commit.
//!
//! As on RabbitMQ, a commit is not atomic over several queues for who reads them: each queue gets all
//! messages of the transaction in one step, one queue after the other, and the settlements come after all
//! messages. So a message that is passed on in a transaction is in both queues for a moment, and
//! never in none. After a restart all of it was done, or nothing; but what it rejects is dead-lettered
//! afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use springhare_amqp::{AmqpError, MethodId, ReplyCode, ShortString};

use super::channel_cell::ChannelCell;
use super::delaying::DelayedBatch;
use super::entering::lock_order;
use super::keeping::Keepers;
use super::publish::{ReturnedMessage, unroutable};
use super::queue_cell::{Entering, QueueRef};
use super::synced::not_stored;
use crate::model::channel::{Committed, RoutedPublish, Settled, Settlement, Unroutable};
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::queue::{QueueMessage, Returned};
use crate::model::routes::Delay;
use crate::model::stored::{Lsn, Reference};
use crate::model::topology::{QueueHandle, Topology};
use crate::store::{Append, Failure, Journal};

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
    /// 406 `channel is not transactional`, 541 when the store takes nothing, and what
    /// `tell_returned` answers; nothing of the transaction is done then. 406 `partial tx completion`
    /// when a full queue refuses a message; all else is done then.
    pub(crate) fn tx_commit(
        &self,
        mut tell_returned: impl FnMut(ReturnedMessage) -> Result<(), AmqpError>,
    ) -> Result<Lsn, AmqpError> {
        let Committed { publishes, held_bytes, mut settlements } = self.lock().channel.commit()?;
        let Destinations { messages, delayed, returned } =
            Destinations::of(publishes, &self.virtual_host().topology());
        for message in returned {
            if let Err(error) = tell_returned(message) {
                self.release(held_bytes);
                self.give_back(settlements);
                return Err(error);
            }
        }
        let committed = self.commit(messages, &delayed, &mut settlements);
        // Only now: the messages are counted twice for a moment, and never not at all.
        self.release(held_bytes);
        let (mut end, has_refused) = match committed {
            Ok(committed) => committed,
            Err(failure) => {
                self.give_back(settlements);
                return Err(not_stored(MethodId::TX_COMMIT, &failure));
            }
        };
        let is_more_told = settlements.iter().any(|(how, _)| *how != Settlement::Acknowledge);
        for (settlement, settled) in settlements {
            self.settle(settlement, settled);
        }
        if let Some(journal) = self.virtual_host().shared().journal().filter(|_| is_more_told) {
            end = journal.append_always(None, |_| ()).map_or(end, |((), end)| end);
        }
        self.resume_limited();
        if has_refused {
            return Err(AmqpError::new(
                ReplyCode::PreconditionFailed,
                MethodId::TX_COMMIT,
                "partial tx completion",
            ));
        }
        Ok(end)
    }

    /// Writes the transaction to the journal, in one step, and hands the messages to their queues. What
    /// has to be synced for it to be safe, and whether anything was refused.
    ///
    /// # Errors
    ///
    /// The journal takes nothing: nothing is done.
    fn commit(
        &self,
        messages: Vec<Destined>,
        delayed: &[(Arc<PublishedMessage>, Vec<Delay>)],
        settlements: &mut [(Settlement, Vec<Settled<QueueRef>>)],
    ) -> Result<(Lsn, bool), Failure> {
        let mut has_refused = false;
        let mut waiting = (!delayed.is_empty()).then(|| self.virtual_host().begin_delaying());
        if let Some(waiting) = &mut waiting {
            for (message, delays) in delayed {
                has_refused |= waiting.add(message, delays).is_err();
            }
        }
        let mut by_queue = ByQueue::new();
        for queue in messages.iter().flat_map(|message| message.queues.iter()) {
            by_queue.entry(queue.queue_id()).or_insert_with(|| (queue.clone(), Vec::new()));
        }
        let queues: Vec<QueueRef> = by_queue.values().map(|(queue, _)| queue.clone()).collect();
        let order = lock_order(&queues);
        let (firsts, end) = self.write(&messages, waiting.as_mut(), settlements)?;
        if let Some(waiting) = waiting {
            waiting.finish();
        }
        share_out(messages, firsts, &mut by_queue);
        let (streams, others): (Vec<_>, Vec<_>) =
            by_queue.into_values().partition(|(queue, _)| queue.stream_journal().is_some());
        for (queue, entering) in streams {
            queue.enqueue(entering, |_| has_refused = true);
        }
        drop(order);
        for (queue, entering) in others {
            queue.enqueue(entering, |_| has_refused = true);
        }
        Ok((end, has_refused))
    }

    /// Appends to the journal what it keeps of a transaction. Of each message what it is known by in
    /// the first queue for which it is kept, and the end of all.
    fn write(
        &self,
        messages: &[Destined],
        mut waiting: Option<&mut DelayedBatch<'_>>,
        settlements: &mut [(Settlement, Vec<Settled<QueueRef>>)],
    ) -> Result<(Vec<Option<Reference>>, Lsn), Failure> {
        let Some(journal) = self.virtual_host().shared().journal() else {
            return Ok((Vec::new(), Lsn::NONE));
        };
        let settled = acknowledged(settlements);
        let waiting_bound =
            waiting.as_ref().filter(|waiting| waiting.is_any_kept()).map(|waiting| waiting.bound());
        let kept = messages.iter().map(|destined| {
            let queues = destined.keepers.of_message(&destined.message).len();
            if queues == 0 { 0 } else { Journal::message_bound(&destined.message, queues) }
        });
        let settled_bound = settled.len() * Journal::SMALL_BOUND;
        let bytes = kept.sum::<usize>() + waiting_bound.unwrap_or(0) + settled_bound;
        if bytes == 0 {
            return Ok((Vec::new(), Lsn::NONE));
        }
        let now = self.virtual_host().clock().unix_time();
        let write = |append: &mut Append<'_>| {
            let firsts = messages.iter().map(|Destined { message, keepers, .. }| {
                let queues = keepers.of_message(message);
                (!queues.is_empty()).then(|| append.message(message, queues, now, &[]))
            });
            let firsts = firsts.collect();
            if let Some(waiting) = &mut waiting {
                waiting.append(append);
            }
            append.settle(&settled);
            firsts
        };
        // What settles alone makes room, and is taken always.
        let appended = if bytes > settled_bound {
            journal.append_together(bytes, write)?
        } else {
            journal.append_always(Some(bytes), write)?
        };
        // The journal knows it: the queues need not tell it again.
        for message in acknowledged_messages(settlements) {
            message.reference = None;
        }
        Ok(appended)
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

/// The messages that a transaction acknowledges.
fn acknowledged_messages(
    settlements: &mut [(Settlement, Vec<Settled<QueueRef>>)],
) -> impl Iterator<Item = &mut QueueMessage> {
    let acknowledged = settlements.iter_mut().filter(|(how, _)| *how == Settlement::Acknowledge);
    acknowledged.flat_map(|(_, settled)| settled).flat_map(|settled| &mut settled.messages)
}

/// What the journal knows them by, as far as it keeps them.
fn acknowledged(settlements: &mut [(Settlement, Vec<Settled<QueueRef>>)]) -> Vec<Reference> {
    acknowledged_messages(settlements).filter_map(|message| message.reference).collect()
}

/// Each queue with what enters it.
type ByQueue = BTreeMap<QueueId, (QueueRef, Vec<Entering>)>;

/// Gives each queue its messages, in the order in which they were published.
fn share_out(messages: Vec<Destined>, firsts: Vec<Option<Reference>>, by_queue: &mut ByQueue) {
    let firsts = firsts.into_iter().chain(std::iter::repeat(None));
    for (Destined { message, queues, keepers }, first) in messages.into_iter().zip(firsts) {
        for (at, queue) in queues.iter().enumerate() {
            let reference = first.and_then(|_| keepers.reference(at, &message, first));
            let (message, copies) = (Arc::clone(&message), queues.len());
            if let Some((_, entering)) = by_queue.get_mut(&queue.queue_id()) {
                entering.push(Entering { message, copies, reference });
            }
        }
    }
}

/// Where the messages of a transaction go.
#[derive(Debug, Default)]
struct Destinations {
    /// In the order in which they were published.
    messages: Vec<Destined>,
    /// What waits at delayed exchanges first.
    delayed: Vec<(Arc<PublishedMessage>, Vec<Delay>)>,
    /// Mandatory, and without a queue.
    returned: Vec<ReturnedMessage>,
}

/// A message with the queues that it goes to.
#[derive(Debug)]
struct Destined {
    message: Arc<PublishedMessage>,
    queues: Arc<[QueueRef]>,
    keepers: Arc<Keepers>,
}

/// The queues that messages go to, and what the journal keeps of them.
#[derive(Debug)]
struct Way {
    queues: Arc<[QueueRef]>,
    keepers: Arc<Keepers>,
}

impl Destinations {
    fn of(publishes: Vec<RoutedPublish>, topology: &Topology<QueueRef>) -> Self {
        let mut destinations = Self::default();
        // Neighbours that go the same way share their list of names.
        let mut way: Option<(Arc<[ShortString]>, Way)> = None;
        for publish in publishes {
            let RoutedPublish { message, queues: names, delays, unroutable: without_queue } =
                publish;
            if !delays.is_empty() {
                destinations.delayed.push((Arc::clone(&message), delays));
            }
            let known = way.take_if(|(known, _)| Arc::ptr_eq(known, &names));
            let (_, Way { queues, keepers }) = way.insert(known.unwrap_or_else(|| {
                let queues = names.iter().filter_map(|name| topology.queue(name).cloned());
                let queues: Arc<[QueueRef]> = queues.collect();
                let keepers = Arc::new(Keepers::of(&queues));
                (names, Way { queues, keepers })
            }));
            if queues.is_empty() && without_queue == Unroutable::Return {
                destinations.returned.push(unroutable(Arc::unwrap_or_clone(message)));
                continue;
            }
            let (queues, keepers) = (Arc::clone(queues), Arc::clone(keepers));
            if !queues.is_empty() {
                destinations.messages.push(Destined { message, queues, keepers });
            }
        }
        destinations
    }
}
