//! Messages on their way into queues: the journal has what it keeps of them before any queue does.

use std::sync::{Arc, MutexGuard};

use smallvec::SmallVec;

use super::keeping::{Keepers, Keeping};
use super::queue_cell::{Entering, QueueRef};
use super::virtual_host::VirtualHost;
use crate::model::message::PublishedMessage;
use crate::model::stored::{Lsn, Reference};
use crate::store::{Failure, Journal};

/// Messages that go to the same queues and are in the journal, as far as it keeps them.
///
/// Streams get theirs first, and in the order in which the journal has them.
#[derive(Debug)]
#[must_use = "the messages are to go through"]
pub(super) struct Entrance<'q> {
    queues: &'q [QueueRef],
    order: Order<'q>,
    references: References,
    end: Lsn,
}

/// Nobody else puts messages to some streams meanwhile.
pub(super) type Order<'q> = SmallVec<[MutexGuard<'q, ()>; 1]>;

/// What the journal knows messages by in their queues; nothing if it keeps none of them, as mostly.
#[derive(Debug, Default)]
pub(super) struct References(Option<Box<Kept>>);

/// Messages that the journal keeps for some of their queues.
#[derive(Debug)]
struct Kept {
    keepers: Keepers,
    /// Of each message, that in the first queue for which it is kept.
    firsts: SmallVec<[Option<Reference>; 8]>,
}

impl References {
    /// As the queue at this place of all gets the messages; `copies` is how many queues share each.
    pub(super) fn entering(
        &self,
        queue: usize,
        messages: impl IntoIterator<Item = Arc<PublishedMessage>>,
        copies: usize,
    ) -> impl Iterator<Item = Entering> {
        let kept = self.0.as_deref();
        messages.into_iter().enumerate().map(move |(place, message)| {
            let reference = kept.and_then(|kept| kept.reference(queue, place, &message));
            Entering { message, copies, reference }
        })
    }
}

impl Kept {
    fn reference(
        &self,
        queue: usize,
        place: usize,
        message: &PublishedMessage,
    ) -> Option<Reference> {
        let first = self.firsts.get(place).copied().flatten();
        first.and_then(|_| self.keepers.reference(queue, message, first))
    }
}

impl<'q> Entrance<'q> {
    /// Appends to the journal what it keeps of the messages, each with the one that it takes the place
    /// of, if there is one.
    ///
    /// # Errors
    ///
    /// The journal takes nothing: none of them may go to any queue.
    pub(super) fn open<'m>(
        virtual_host: &VirtualHost,
        queues: &'q [QueueRef],
        messages: impl IntoIterator<Item = (&'m PublishedMessage, Option<Reference>), IntoIter: Clone>,
    ) -> Result<Self, Failure> {
        let mut entrance =
            Self { queues, order: Order::new(), references: References::default(), end: Lsn::NONE };
        let keeps = |queue: &QueueRef| queue.keeping() != Keeping::Nothing;
        let Some(journal) = virtual_host.shared().journal().filter(|_| queues.iter().any(keeps))
        else {
            return Ok(entrance);
        };
        let (keepers, messages) = (Keepers::of(queues), messages.into_iter());
        // Transient messages in a durable queue are nothing to the journal, however full it is.
        let mut all = messages.clone();
        if all.all(|(message, _)| keepers.of_message(message).is_empty()) {
            return Ok(entrance);
        }
        entrance.order = lock_order(queues);
        let now = virtual_host.clock().unix_time();
        let bytes = messages.clone().map(|(message, _)| match keepers.of_message(message).len() {
            0 => 0,
            queues => Journal::message_bound(message, queues) + Journal::SMALL_BOUND,
        });
        let (firsts, end) = journal.append(bytes.sum(), |append| {
            let appended = messages.map(|(message, replaced)| {
                let queues = keepers.of_message(message);
                let is_kept = !queues.is_empty();
                is_kept.then(|| append.message(message, queues, now, replaced.as_slice()))
            });
            appended.collect()
        })?;
        entrance.references = References(Some(Box::new(Kept { keepers, firsts })));
        entrance.end = end;
        Ok(entrance)
    }

    /// What has to be synced for the messages to be safe.
    pub(super) fn end(&self) -> Lsn {
        self.end
    }

    /// Whether the journal keeps the message at this place of all for any queue.
    pub(super) fn is_kept(&self, place: usize) -> bool {
        let kept = self.references.0.as_ref();
        kept.is_some_and(|kept| kept.firsts.get(place).is_some_and(Option::is_some))
    }

    /// Goes through the queues, each with its place among all.
    pub(super) fn through(self, mut enter: impl FnMut(usize, &QueueRef, &References)) {
        let Self { queues, order, references, .. } = self;
        let is_ordered = |queue: &QueueRef| queue.stream_journal().is_some();
        if !order.is_empty() {
            for (at, queue) in queues.iter().enumerate().filter(|(_, queue)| is_ordered(queue)) {
                enter(at, queue, &references);
            }
        }
        // What dies of it in the others may go to these streams.
        drop(order);
        for (at, queue) in queues.iter().enumerate().filter(|(_, queue)| !is_ordered(queue)) {
            enter(at, queue, &references);
        }
    }
}

/// Keeps others from putting messages to the streams among these queues, which are sorted by their
/// numbers.
pub(super) fn lock_order<'q>(queues: impl IntoIterator<Item = &'q QueueRef>) -> Order<'q> {
    let streams = queues.into_iter().filter_map(|queue| queue.stream_journal());
    streams.map(|stream| stream.lock_order()).collect()
}
