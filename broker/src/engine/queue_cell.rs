use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use springhare_amqp::ShortString;

use super::memory::MessageMemory;
use crate::model::definition::QueueDefinition;
use crate::model::ids::{ConnectionId, ConsumerId, QueueId};
use crate::model::message::PublishedMessage;
use crate::model::queue::{Queue, QueueConsumer, QueueMessage, Returned, SettlementMode, Wakeups};
use crate::model::topology::QueueHandle;

/// A queue behind its lock: the only place that knows that there is one.
///
/// Every change dispatches before the lock is let go, tells the memory count what the queue
/// holds, and wakes readers afterwards. Nothing here waits, and nothing called under the lock
/// takes another queue's lock.
#[derive(Debug)]
pub(crate) struct QueueCell {
    id: QueueId,
    definition: QueueDefinition,
    /// The connection that an exclusive queue belongs to.
    owner: Option<ConnectionId>,
    memory: Arc<MessageMemory>,
    state: Mutex<QueueState>,
}

/// A handle of a queue: cheap to clone, the same queue for all.
#[derive(Debug, Clone)]
pub(crate) struct QueueRef(pub(crate) Arc<QueueCell>);

impl std::ops::Deref for QueueRef {
    type Target = QueueCell;

    fn deref(&self) -> &QueueCell {
        &self.0
    }
}

impl QueueHandle for QueueRef {
    fn queue_id(&self) -> QueueId {
        self.0.id
    }
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all queues are live")]
enum QueueState {
    Live {
        queue: Queue,
        /// The consumer that has the queue for itself.
        exclusive_consumer: Option<ConsumerId>,
    },
    Deleted,
}

/// Counts that a declaration reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueCounts {
    /// Ready messages only, as RabbitMQ counts.
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

/// Whether a consumer wants the queue for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsumerAccess {
    Shared,
    Exclusive,
}

/// Which conditions a deletion has: `if-unused`, `if-empty`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DeleteConditions {
    pub(crate) if_unused: bool,
    pub(crate) if_empty: bool,
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
    /// Somebody else deleted it.
    AlreadyDeleted,
}

impl QueueCell {
    pub(crate) fn new(
        id: QueueId,
        definition: QueueDefinition,
        owner: Option<ConnectionId>,
        memory: Arc<MessageMemory>,
    ) -> Self {
        let state = QueueState::Live { queue: Queue::default(), exclusive_consumer: None };
        Self { id, definition, owner, memory, state: Mutex::new(state) }
    }

    pub(crate) fn name(&self) -> &ShortString {
        &self.definition.name
    }

    pub(crate) fn definition(&self) -> &QueueDefinition {
        &self.definition
    }

    pub(crate) fn owner(&self) -> Option<ConnectionId> {
        self.owner
    }

    pub(crate) fn counts(&self) -> QueueCounts {
        match &*self.lock() {
            QueueState::Live { queue, .. } => {
                QueueCounts { messages: queue.ready_count(), consumers: queue.consumer_count() }
            }
            QueueState::Deleted => QueueCounts { messages: 0, consumers: 0 },
        }
    }

    /// Puts messages at the end, in their order. `copies` is how many queues share each.
    pub(crate) fn enqueue(
        &self,
        messages: impl IntoIterator<Item = Arc<PublishedMessage>>,
        copies: usize,
    ) {
        self.enqueue_shared(messages.into_iter().map(|message| (message, copies)));
    }

    /// The same, each message with the number of queues that share it.
    pub(crate) fn enqueue_shared(
        &self,
        messages: impl IntoIterator<Item = (Arc<PublishedMessage>, usize)>,
    ) {
        self.change(|queue| {
            for (message, copies) in messages {
                let share = message.charge() / copies.max(1);
                queue.enqueue(message, u32::try_from(share).unwrap_or(u32::MAX));
            }
        });
    }

    /// Takes the first ready message, and says how many are left.
    pub(crate) fn get(&self, settlement: SettlementMode) -> Option<(QueueMessage, usize)> {
        self.change(|queue| Some((queue.get(settlement)?, queue.ready_count())))?
    }

    /// Forgets settled deliveries.
    pub(crate) fn acknowledge(&self, consumer: Option<ConsumerId>, messages: &[QueueMessage]) {
        self.change(|queue| queue.acknowledge(consumer, messages));
    }

    /// Puts deliveries back to their old places.
    pub(crate) fn put_back(
        &self,
        consumer: Option<ConsumerId>,
        messages: Vec<QueueMessage>,
        why: Returned,
    ) {
        self.change(|queue| queue.put_back(consumer, messages, why));
    }

    pub(crate) fn add_consumer(
        &self,
        consumer: QueueConsumer,
        access: ConsumerAccess,
    ) -> Result<(), ConsumeRefused> {
        self.change_state(|state| {
            let QueueState::Live { queue, exclusive_consumer } = state else {
                return Err(ConsumeRefused::Deleted);
            };
            let wants_all = access == ConsumerAccess::Exclusive;
            if exclusive_consumer.is_some() || (wants_all && queue.has_consumers()) {
                return Err(ConsumeRefused::InExclusiveUse);
            }
            *exclusive_consumer = wants_all.then_some(consumer.id);
            queue.add_consumer(consumer);
            Ok(())
        })
    }

    /// Puts back a message that never reached the application.
    pub(crate) fn put_back_unread(&self, messages: Vec<QueueMessage>, settlement: SettlementMode) {
        self.change(|queue| put_back_unread(queue, messages, settlement));
    }

    /// Removes consumers and puts back what they had, all before the next one is served.
    pub(crate) fn leave(&self, leaving: Leaving) -> ConsumersRemoved {
        let Leaving { consumers, mut failed, unread } = leaving;
        self.change_state(|state| {
            let QueueState::Live { queue, exclusive_consumer } = state else {
                return ConsumersRemoved::QueueGone;
            };
            let mut has_removed = false;
            for id in consumers {
                has_removed |= queue.remove_consumer(id).is_some();
                exclusive_consumer.take_if(|exclusive| *exclusive == id);
            }
            for (settlement, messages) in unread {
                put_back_unread(queue, messages, settlement);
            }
            // Those of several consumers in one order: each then goes to the very front.
            failed.sort_unstable_by_key(|message| message.position);
            queue.put_back(None, failed, Returned::Failed);
            if has_removed && !queue.has_consumers() {
                ConsumersRemoved::NoneLeft
            } else {
                ConsumersRemoved::OthersLeft
            }
        })
    }

    /// The outlets of these consumers may take messages again.
    pub(crate) fn resume(&self, consumers: &[ConsumerId]) {
        self.change(|queue| queue.resume(consumers));
    }

    /// Drops all ready messages and says how many there were.
    pub(crate) fn purge(&self) -> usize {
        self.change(Queue::purge).unwrap_or(0)
    }

    /// Ends the queue, if the conditions hold.
    pub(crate) fn delete(&self, conditions: DeleteConditions) -> Deletion {
        self.change_state(|state| {
            let QueueState::Live { queue, .. } = state else { return Deletion::AlreadyDeleted };
            if conditions.if_empty && queue.ready_count() > 0 {
                return Deletion::NotEmpty;
            }
            if conditions.if_unused && queue.has_consumers() {
                return Deletion::InUse;
            }
            let messages = queue.ready_count();
            let consumers = queue.delete();
            *state = QueueState::Deleted;
            Deletion::Deleted { messages, consumers }
        })
    }

    /// Changes the live queue, dispatches, and wakes readers; none when it is deleted.
    fn change<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> Option<T> {
        self.change_state(|state| match state {
            QueueState::Live { queue, .. } => Some(change(queue)),
            QueueState::Deleted => None,
        })
    }

    fn change_state<T>(&self, change: impl FnOnce(&mut QueueState) -> T) -> T {
        let mut wakeups = Wakeups::new();
        let mut state = self.lock();
        let before = held_bytes(&state);
        let result = change(&mut state);
        if let QueueState::Live { queue, .. } = &mut *state {
            queue.dispatch(&mut wakeups);
        }
        let after = held_bytes(&state);
        // Before the lock is let go: nobody can free what is not counted yet.
        self.memory.grow(after.saturating_sub(before));
        drop(state);
        self.memory.free(before.saturating_sub(after));
        for outlet in wakeups {
            outlet.wake();
        }
        result
    }

    /// A panic under the lock would be a defect of the pure queue; its counts may then be wrong,
    /// but its messages are whole, so the queue goes on.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

fn put_back_unread(queue: &mut Queue, messages: Vec<QueueMessage>, settlement: SettlementMode) {
    match settlement {
        SettlementMode::Explicit => queue.put_back(None, messages, Returned::Undelivered),
        SettlementMode::Automatic => queue.put_back_unread(messages),
    }
}

fn held_bytes(state: &QueueState) -> u64 {
    match state {
        QueueState::Live { queue, .. } => queue.held_bytes(),
        QueueState::Deleted => 0,
    }
}
