use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::model::arguments::QueueType;
use crate::model::ids::ConsumerId;
use crate::model::message::PublishedMessage;
use crate::model::now::Now;
use crate::model::pager::Pager;
use crate::model::queue::{
    Dead, DeadBatch, Enqueued, JournalChanges, PageOut, Queue, QueueConsumer, QueueMessage,
    QueueSettings, Returned, SettledReferences, SettlementMode, Wakeups,
};
use crate::model::stored::Reference;
use crate::model::stream::{Stream, StreamOffset};

/// What is behind a queue's lock.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all queues are live")]
pub(super) enum QueueState {
    Live {
        queue: Queue,
        /// The consumer that has the queue for itself.
        exclusive_consumer: Option<ConsumerId>,
        /// What the timers know.
        due: Option<Duration>,
    },
    Stream {
        stream: Box<Stream>,
        /// What the timers know.
        due: Option<Duration>,
    },
    /// What comes back to it is done with.
    Deleted { settled: SettledReferences },
}

/// Counts that a declaration reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueCounts {
    /// Ready messages only, as RabbitMQ counts; of a stream all that it keeps.
    pub(crate) messages: usize,
    pub(crate) consumers: usize,
}

/// Why a consumer can't be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsumeRefused {
    /// An exclusive consumer is there, or an exclusive one is asked for beside others.
    InExclusiveUse,
    /// The queue was deleted meanwhile.
    Deleted,
}

/// How a consumer takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consuming {
    /// With whom it is to be served.
    Queue(ConsumerAccess),
    /// Where it begins to read.
    Stream(StreamOffset),
}

/// Whether a consumer wants the queue for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsumerAccess {
    Shared,
    Exclusive,
}

/// Which conditions a deletion has: `if-unused`, `if-empty`, and for one that nobody asked for that
/// the queue has expired. A stream is deleted whatever these say, as on RabbitMQ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DeleteConditions {
    pub(crate) if_unused: bool,
    pub(crate) if_empty: bool,
    pub(crate) if_expired: bool,
}

/// What a deletion met.
#[derive(Debug)]
pub(crate) enum Deletion {
    /// Gone, with this many ready messages; these consumers are to be told.
    Deleted { messages: usize, consumers: Vec<QueueConsumer> },
    /// It has consumers, and `if-unused` was asked for.
    InUse,
    /// It has ready messages, and `if-empty` was asked for.
    NotEmpty,
    /// It was used meanwhile, and lives on.
    NotExpired,
    /// Somebody else deleted it.
    AlreadyDeleted,
}

/// Who leaves a queue, and what goes back to it: of one consumer, or of a whole channel.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    pub(crate) consumers: Vec<ConsumerId>,
    /// Delivered and not settled.
    pub(crate) failed: Vec<QueueMessage>,
    /// Never reached the application, by who would have settled it.
    pub(crate) unread: Vec<(SettlementMode, Vec<QueueMessage>)>,
}

impl Leaving {
    /// One consumer with what it never read; what it has unsettled stays with its channel.
    pub(crate) fn consumer(
        id: ConsumerId,
        unread: Vec<QueueMessage>,
        settlement: SettlementMode,
    ) -> Self {
        Self { consumers: vec![id], failed: Vec::new(), unread: vec![(settlement, unread)] }
    }
}

/// What the end of consumers leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsumersRemoved {
    /// The last one went: an auto-delete queue goes too.
    NoneLeft,
    OthersLeft,
    QueueGone,
}

impl QueueState {
    /// Nothing in it yet; what the journal has of it is read back through the pager.
    pub(super) fn new(
        queue_type: QueueType,
        settings: Arc<QueueSettings>,
        clock: &Clock,
        pager: Option<Arc<dyn Pager>>,
    ) -> Self {
        match queue_type {
            QueueType::Classic | QueueType::Quorum => {
                let queue = Queue::new(settings, &Now::from_clock(&|| clock.now()));
                let queue = queue.with_pager(pager);
                Self::Live { queue, exclusive_consumer: None, due: None }
            }
            QueueType::Stream => {
                let epoch = clock.epoch();
                let stream = Stream::new(settings, epoch).with_pager(pager);
                Self::Stream { stream: Box::new(stream), due: None }
            }
        }
    }

    pub(super) fn counts(&self) -> QueueCounts {
        let (messages, consumers) = match self {
            Self::Live { queue, .. } => (queue.ready_count(), queue.consumer_count()),
            Self::Stream { stream, .. } => (stream.message_count(), stream.consumer_count()),
            Self::Deleted { .. } => (0, 0),
        };
        QueueCounts { messages, consumers }
    }

    pub(super) fn held_bytes(&self) -> u64 {
        match self {
            Self::Live { queue, .. } => queue.held_bytes(),
            Self::Stream { stream, .. } => stream.held_bytes(),
            Self::Deleted { .. } => 0,
        }
    }

    #[cfg(test)]
    pub(super) fn settings(&self) -> Arc<QueueSettings> {
        match self {
            Self::Live { queue, .. } => Arc::clone(queue.settings()),
            Self::Stream { stream, .. } => Arc::clone(stream.settings()),
            Self::Deleted { .. } => Arc::default(),
        }
    }

    /// The time has come so far.
    pub(super) fn advance(&mut self, now: &Now<'_>, wakeups: &mut Wakeups) {
        match self {
            Self::Live { queue, .. } => queue.advance(now, wakeups),
            Self::Stream { stream, .. } => stream.advance(now),
            Self::Deleted { .. } => {}
        }
    }

    /// Serves consumers; what has died, to be dead-lettered.
    pub(super) fn dispatch(&mut self, now: &Now<'_>, wakeups: &mut Wakeups) -> Option<DeadBatch> {
        match self {
            Self::Live { queue, .. } => {
                queue.dispatch(wakeups);
                queue.pause_reading(now);
                queue.take_dead()
            }
            Self::Stream { stream, .. } => {
                stream.dispatch(wakeups);
                stream.pause_reading(now);
                None
            }
            Self::Deleted { .. } => None,
        }
    }

    /// What the timers know, and when time changes something next.
    pub(super) fn times(&mut self) -> Option<(&mut Option<Duration>, Option<Duration>)> {
        match self {
            Self::Live { queue, due, .. } => Some((due, queue.next_due())),
            Self::Stream { stream, due } => Some((due, stream.next_due())),
            Self::Deleted { .. } => None,
        }
    }

    pub(super) fn apply(&mut self, settings: Arc<QueueSettings>, now: &Now<'_>) {
        match self {
            Self::Live { queue, .. } => queue.apply(settings, now),
            Self::Stream { stream, .. } => stream.apply(settings, now),
            Self::Deleted { .. } => {}
        }
    }

    pub(super) fn enqueue(
        &mut self,
        message: Arc<PublishedMessage>,
        charge: u32,
        reference: Option<Reference>,
        now: &Now<'_>,
        wakeups: &mut Wakeups,
    ) -> Enqueued {
        match self {
            Self::Live { queue, .. } => {
                return queue.enqueue(message, charge, reference, now, wakeups);
            }
            Self::Stream { stream, .. } => stream.append(message, charge, reference, now),
            Self::Deleted { settled } => settled.add(reference),
        }
        Enqueued::Taken
    }

    pub(super) fn acknowledge(&mut self, consumer: Option<ConsumerId>, messages: &[QueueMessage]) {
        match self {
            Self::Live { queue, .. } => queue.acknowledge(consumer, messages),
            Self::Stream { stream, .. } => credit(stream, consumer, messages),
            Self::Deleted { settled } => settled.extend(references(messages)),
        }
    }

    /// What is refused for good is dead; what was read of a stream stays there.
    pub(super) fn discard(&mut self, consumer: Option<ConsumerId>, messages: Vec<QueueMessage>) {
        match self {
            Self::Live { queue, .. } => queue.discard(consumer, messages),
            Self::Stream { stream, .. } => credit(stream, consumer, &messages),
            Self::Deleted { settled } => settled.extend(references(&messages)),
        }
    }

    /// What comes back has its place again; of a stream it never left that.
    pub(super) fn put_back(
        &mut self,
        consumer: Option<ConsumerId>,
        messages: Vec<QueueMessage>,
        why: Returned,
        now: &Now<'_>,
    ) {
        match self {
            Self::Live { queue, .. } => queue.put_back(consumer, messages, why, now),
            Self::Stream { stream, .. } => credit(stream, consumer, &messages),
            Self::Deleted { settled } => settled.extend(references(&messages)),
        }
    }

    pub(super) fn put_back_unread(
        &mut self,
        messages: Vec<QueueMessage>,
        settlement: SettlementMode,
        now: &Now<'_>,
    ) {
        match self {
            Self::Live { queue, .. } => put_back_unread(queue, messages, settlement, now),
            // It never left that.
            Self::Stream { .. } => {}
            Self::Deleted { settled } => settled.extend(references(&messages)),
        }
    }

    /// What became of dead messages that the queue gave away.
    pub(super) fn dead_lettered(&mut self, done: &[Dead], kept: Vec<Dead>, now: &Now<'_>) {
        match self {
            Self::Live { queue, .. } => queue.dead_lettered(done, kept, now),
            // It has none.
            Self::Stream { .. } => {}
            Self::Deleted { settled } => {
                let dead = done.iter().chain(&kept);
                settled.extend(dead.filter_map(|dead| dead.message.reference));
            }
        }
    }

    /// What the journal is to know of what has happened since this was last asked.
    pub(super) fn take_changes(&mut self) -> JournalChanges {
        match self {
            Self::Live { queue, .. } => queue.take_changes(),
            Self::Stream { stream, .. } => stream.take_changes(),
            Self::Deleted { settled } => {
                JournalChanges { settled: std::mem::take(settled), ..JournalChanges::default() }
            }
        }
    }

    /// Takes messages out of memory that can be read back, if there are many.
    pub(super) fn page_out(&mut self, how: PageOut) {
        match self {
            Self::Live { queue, .. } => queue.page_out(how),
            Self::Stream { stream, .. } => stream.page_out(how),
            Self::Deleted { .. } => {}
        }
    }

    pub(super) fn add_consumer(
        &mut self,
        consumer: QueueConsumer,
        consuming: Consuming,
        now: &Now<'_>,
    ) -> Result<(), ConsumeRefused> {
        match (self, consuming) {
            (Self::Live { queue, exclusive_consumer, .. }, Consuming::Queue(access)) => {
                let wants_all = access == ConsumerAccess::Exclusive;
                if exclusive_consumer.is_some() || (wants_all && queue.has_consumers()) {
                    return Err(ConsumeRefused::InExclusiveUse);
                }
                *exclusive_consumer = wants_all.then_some(consumer.id);
                queue.add_consumer(consumer);
                Ok(())
            }
            (Self::Stream { stream, .. }, Consuming::Stream(offset)) => {
                stream.add_consumer(consumer, offset, now);
                Ok(())
            }
            // Who asks knows the queue's type, so it is another queue that it knew.
            (Self::Deleted { .. } | Self::Live { .. } | Self::Stream { .. }, _) => {
                Err(ConsumeRefused::Deleted)
            }
        }
    }

    /// Removes consumers and puts back what they had, all before the next one is served.
    pub(super) fn leave(&mut self, leaving: Leaving, now: &Now<'_>) -> ConsumersRemoved {
        let Leaving { consumers, mut failed, unread } = leaving;
        match self {
            Self::Live { queue, exclusive_consumer, .. } => {
                let mut has_removed = false;
                for id in consumers {
                    has_removed |= queue.remove_consumer(id, now).is_some();
                    exclusive_consumer.take_if(|exclusive| *exclusive == id);
                }
                for (settlement, messages) in unread {
                    put_back_unread(queue, messages, settlement, now);
                }
                // Those of several consumers in one order: each then goes to the very front.
                failed.sort_unstable_by_key(|message| message.position);
                queue.put_back(None, failed, Returned::Failed, now);
                if has_removed && !queue.has_consumers() {
                    ConsumersRemoved::NoneLeft
                } else {
                    ConsumersRemoved::OthersLeft
                }
            }
            Self::Stream { stream, .. } => {
                for id in consumers {
                    stream.remove_consumer(id);
                }
                // A stream is never deleted with its last consumer.
                ConsumersRemoved::OthersLeft
            }
            Self::Deleted { settled } => {
                settled.extend(references(&failed));
                for (_, messages) in &unread {
                    settled.extend(references(messages));
                }
                ConsumersRemoved::QueueGone
            }
        }
    }

    pub(super) fn resume(&mut self, consumers: &[ConsumerId]) {
        match self {
            Self::Live { queue, .. } => queue.resume(consumers),
            Self::Stream { stream, .. } => stream.resume(consumers),
            Self::Deleted { .. } => {}
        }
    }

    /// Ends it, if the conditions hold. What the timers know is then to be taken from them.
    pub(super) fn delete(&mut self, conditions: DeleteConditions, now: &Now<'_>) -> Deletion {
        let (messages, (consumers, settled)) = match self {
            Self::Live { queue, .. } => {
                if conditions.if_empty && !queue.is_empty() {
                    return Deletion::NotEmpty;
                }
                if conditions.if_unused && queue.has_consumers() {
                    return Deletion::InUse;
                }
                if conditions.if_expired && queue.expires_at().is_none_or(|at| at > now.get()) {
                    return Deletion::NotExpired;
                }
                (queue.ready_count(), queue.delete())
            }
            // RabbitMQ does not say how many messages there were.
            Self::Stream { stream, .. } => (0, stream.delete()),
            Self::Deleted { .. } => return Deletion::AlreadyDeleted,
        };
        *self = Self::Deleted { settled };
        Deletion::Deleted { messages, consumers }
    }

    /// The timers have taken out what they knew; whether the queue goes, since nobody used it.
    pub(super) fn is_due(&mut self, now: &Now<'_>) -> bool {
        match self {
            Self::Live { queue, due, .. } => {
                *due = None;
                queue.expires_at().is_some_and(|at| at <= now.get())
            }
            Self::Stream { due, .. } => {
                *due = None;
                false
            }
            Self::Deleted { .. } => false,
        }
    }
}

fn references(messages: &[QueueMessage]) -> impl Iterator<Item = Reference> {
    messages.iter().filter_map(|message| message.reference)
}

/// However a consumer settles what it has read of a stream, it gets its credit back.
fn credit(stream: &mut Stream, consumer: Option<ConsumerId>, messages: &[QueueMessage]) {
    if let Some(consumer) = consumer {
        stream.settled(consumer, messages.len());
    }
}

fn put_back_unread(
    queue: &mut Queue,
    messages: Vec<QueueMessage>,
    settlement: SettlementMode,
    now: &Now<'_>,
) {
    match settlement {
        SettlementMode::Explicit => queue.put_back(None, messages, Returned::Undelivered, now),
        SettlementMode::Automatic => queue.put_back_unread(messages, now),
    }
}
