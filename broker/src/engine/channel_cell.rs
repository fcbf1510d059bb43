use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use springhare_amqp::{AmqpError, ErrorScope, MethodId};

use super::connection_cell::ConnectionCell;
use super::events::ChannelEvents;
use super::limiter::ChannelLimiter;
use super::outbox::{ConsumerEnd, Outbox};
use super::queue_cell::{Leaving, QueueRef};
use super::virtual_host::VirtualHost;
use crate::model::channel::{Channel, ChannelConsumer, ChannelRemains, ReplyConsumer, Settled};
use crate::model::ids::{ChannelId, ConnectionId, ConsumerId, QueueId};
use crate::model::topology::QueueHandle;

/// A channel behind its lock.
///
/// The lock is taken before an outbox's and never together with a queue's: what an operation
/// does to queues, it does after it let go of the channel.
#[derive(Debug)]
pub(crate) struct ChannelCell {
    id: ChannelId,
    connection_id: ConnectionId,
    connection: Weak<ConnectionCell>,
    virtual_host: Arc<VirtualHost>,
    limiter: Arc<ChannelLimiter>,
    events: ChannelEvents,
    /// Set for good by `tx.select`: who publishes need not take the lock to know.
    is_transactional: AtomicBool,
    state: Mutex<ChannelState>,
}

#[derive(Debug)]
pub(crate) struct ChannelState {
    pub(crate) channel: Channel<QueueRef>,
    /// What its consumers have not read yet.
    pub(crate) outboxes: HashMap<ConsumerId, Arc<Outbox>>,
    /// Counts up: which queue hears first that the shared prefetch has room.
    pub(crate) resumed: usize,
}

impl ChannelState {
    /// Takes a consumer out, unless its tag is another's by now.
    pub(crate) fn forget_consumer(
        &mut self,
        tag: &str,
        consumer: ConsumerId,
    ) -> Option<ChannelConsumer<QueueRef>> {
        self.outboxes.remove(&consumer);
        self.channel.remove_consumer_by_id(tag, consumer)
    }
}

/// What leaves this queue.
fn leaving(by_queue: &mut BTreeMap<QueueId, (QueueRef, Leaving)>, queue: QueueRef) -> &mut Leaving {
    &mut by_queue.entry(queue.queue_id()).or_insert_with(|| (queue, Leaving::default())).1
}

impl ChannelCell {
    pub(crate) fn new(
        id: ChannelId,
        connection: &Arc<ConnectionCell>,
        virtual_host: &Arc<VirtualHost>,
    ) -> Self {
        Self {
            id,
            connection_id: connection.id(),
            connection: Arc::downgrade(connection),
            virtual_host: Arc::clone(virtual_host),
            limiter: Arc::default(),
            events: ChannelEvents::new(Arc::clone(virtual_host.shared())),
            is_transactional: AtomicBool::new(false),
            state: Mutex::new(ChannelState {
                channel: Channel::new(),
                outboxes: HashMap::new(),
                resumed: 0,
            }),
        }
    }

    pub(crate) fn connection_id(&self) -> ConnectionId {
        self.connection_id
    }

    pub(crate) fn virtual_host(&self) -> &Arc<VirtualHost> {
        &self.virtual_host
    }

    pub(crate) fn limiter(&self) -> &Arc<ChannelLimiter> {
        &self.limiter
    }

    /// Sets the prefetch that the consumers of the channel share.
    pub(crate) fn set_shared_prefetch(&self, count: u16) {
        if count > 0 {
            self.virtual_host.shared().tell_global_qos();
        }
        self.limiter.set_limit(count);
    }

    pub(crate) fn events(&self) -> &ChannelEvents {
        &self.events
    }

    /// Whether what is published waits for a commit.
    pub(super) fn is_transactional(&self) -> bool {
        self.is_transactional.load(Ordering::Acquire)
    }

    pub(super) fn set_transactional(&self) {
        self.is_transactional.store(true, Ordering::Release);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().channel.is_open()
    }

    pub(crate) fn close_reason(&self) -> Option<AmqpError> {
        self.lock().channel.close_reason()
    }

    /// Runs a method of this channel: refused when the channel is closed, and an error closes
    /// what RabbitMQ closes.
    pub(crate) fn run<T>(
        &self,
        method: MethodId,
        operation: impl FnOnce(&Self) -> Result<T, AmqpError>,
    ) -> Result<T, AmqpError> {
        self.lock().channel.ensure_open(method)?;
        operation(self).or_else(|error| {
            // Closed meanwhile by another task: then this error closes nothing more.
            self.lock().channel.ensure_open(method)?;
            self.fail(&error);
            Err(error)
        })
    }

    /// Closes what the error closes: this channel, or its connection with all its channels.
    pub(crate) fn fail(&self, error: &AmqpError) {
        match error.scope() {
            ErrorScope::Channel => self.close(Some(error)),
            ErrorScope::Connection => match self.connection.upgrade() {
                Some(connection) => connection.close(Some(error)),
                None => self.close(Some(error)),
            },
        }
    }

    /// Closes the channel: its consumers end, and all that is unsettled goes back to its queue.
    pub(crate) fn close(&self, reason: Option<&AmqpError>) {
        let end = reason.cloned().map_or(ConsumerEnd::CancelledByUser, ConsumerEnd::Closed);
        let (remains, mut ended) = {
            let mut state = self.lock();
            let Some(remains) = state.channel.close(reason.cloned()) else { return };
            let outboxes = std::mem::take(&mut state.outboxes).into_iter();
            let ended: HashMap<_, _> = outboxes
                .map(|(id, outbox)| (id, (outbox.settlement(), outbox.end(end.clone()))))
                .collect();
            (remains, ended)
        };
        let ChannelRemains { consumers, reply_consumer, unsettled, held_bytes } = remains;
        if let Some(ReplyConsumer { id, address, .. }) = reply_consumer {
            self.virtual_host.reply_consumers().remove(&address);
            if let Some((_, unread)) = ended.remove(&id) {
                // Replies are delivered at most once: those are lost.
                unread.wake_reader();
            }
        }
        self.release(held_bytes);
        let mut by_queue: BTreeMap<QueueId, (QueueRef, Leaving)> = BTreeMap::new();
        for ChannelConsumer { id, queue, .. } in consumers {
            let leaving = leaving(&mut by_queue, queue);
            leaving.consumers.push(id);
            if let Some((settlement, unread)) = ended.remove(&id) {
                leaving.unread.push((settlement, unread.wake_reader()));
            }
        }
        for Settled { queue, messages, .. } in unsettled {
            leaving(&mut by_queue, queue).failed.extend(messages);
        }
        for (queue, leaving) in by_queue.into_values() {
            self.virtual_host.leave_queue(&queue, leaving);
        }
        self.events.close(reason.cloned());
        // Publishers of this channel that wait for memory.
        self.virtual_host.memory().wake_waiting();
        if let Some(connection) = self.connection.upgrade() {
            connection.forget_channel(self.id);
        }
    }

    /// The broker cancelled a consumer: its tag is free again.
    pub(crate) fn forget_consumer(&self, tag: &str, consumer: ConsumerId) {
        self.lock().forget_consumer(tag, consumer);
    }

    /// The pure state is whole between any two calls, so the channel survives a panic elsewhere.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ChannelState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
