use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use springhare_amqp::{AmqpError, ErrorScope, MethodId};

use super::connection_cell::ConnectionCell;
use super::events::ChannelEvents;
use super::limiter::ChannelLimiter;
use super::outbox::{ConsumerEnd, Outbox};
use super::queue_cell::QueueRef;
use super::virtual_host::VirtualHost;
use crate::model::channel::{Channel, ChannelRemains};
use crate::model::ids::{ChannelId, ConsumerId};
use crate::model::queue::Returned;

/// A channel behind its lock.
///
/// The lock is taken before an outbox's and never together with a queue's: what an operation
/// does to queues, it does after it let go of the channel.
#[derive(Debug)]
pub(crate) struct ChannelCell {
    id: ChannelId,
    connection: Weak<ConnectionCell>,
    virtual_host: Arc<VirtualHost>,
    limiter: Arc<ChannelLimiter>,
    events: ChannelEvents,
    state: Mutex<ChannelState>,
}

#[derive(Debug)]
pub(crate) struct ChannelState {
    pub(crate) channel: Channel<QueueRef>,
    /// What its consumers have not read yet.
    pub(crate) outboxes: HashMap<ConsumerId, Arc<Outbox>>,
}

impl ChannelCell {
    pub(crate) fn new(
        id: ChannelId,
        connection: &Arc<ConnectionCell>,
        virtual_host: &Arc<VirtualHost>,
    ) -> Self {
        Self {
            id,
            connection: Arc::downgrade(connection),
            virtual_host: Arc::clone(virtual_host),
            limiter: Arc::default(),
            events: ChannelEvents::new(virtual_host.config().returned_messages_max),
            state: Mutex::new(ChannelState { channel: Channel::new(), outboxes: HashMap::new() }),
        }
    }

    pub(crate) fn virtual_host(&self) -> &Arc<VirtualHost> {
        &self.virtual_host
    }

    pub(crate) fn limiter(&self) -> &Arc<ChannelLimiter> {
        &self.limiter
    }

    pub(crate) fn events(&self) -> &ChannelEvents {
        &self.events
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
        operation(self).inspect_err(|error| self.fail(error))
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
        let (remains, mut outboxes) = {
            let mut state = self.lock();
            let Some(remains) = state.channel.close(reason.cloned()) else { return };
            (remains, std::mem::take(&mut state.outboxes))
        };
        let end = reason.cloned().map_or(ConsumerEnd::CancelledByUser, ConsumerEnd::Closed);
        let ChannelRemains { consumers, unsettled } = remains;
        // Settled first, consumers still in place: what goes back must not be dealt to them.
        let mut ended = Vec::with_capacity(consumers.len());
        for consumer in consumers {
            if let Some(outbox) = outboxes.remove(&consumer.id) {
                ended.push((consumer, outbox.end(end.clone()), outbox.settlement()));
            }
        }
        for settled in unsettled {
            settled.queue.put_back(settled.consumer, settled.messages, Returned::Failed);
        }
        for (consumer, unread, settlement) in ended {
            self.virtual_host.end_consumer(&consumer.queue, consumer.id, unread, settlement);
        }
        self.events.close(reason.cloned());
        if let Some(connection) = self.connection.upgrade() {
            connection.forget_channel(self.id);
        }
    }

    /// The broker cancelled a consumer: its tag is free again.
    pub(crate) fn forget_consumer(&self, tag: &str, consumer: ConsumerId) {
        let mut state = self.lock();
        state.channel.remove_consumer_by_id(tag, consumer);
        state.outboxes.remove(&consumer);
    }

    /// The pure state is whole between any two calls, so the channel survives a panic elsewhere.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ChannelState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
