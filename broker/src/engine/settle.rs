//! Acknowledging, refusing and recovering deliveries.

use std::collections::BTreeMap;

use springhare_amqp::{AmqpError, MethodId};

use super::channel_cell::ChannelCell;
use super::queue_cell::QueueRef;
use crate::model::channel::{Settled, Settlement, Tags};
use crate::model::ids::{ConsumerId, QueueId};
use crate::model::queue::{QueueMessage, Returned};
use crate::model::topology::QueueHandle;

impl ChannelCell {
    /// `basic.ack`: the messages are gone from their queues.
    pub(crate) fn acknowledge(&self, tags: Tags) -> Result<(), AmqpError> {
        self.settle_tags(tags, Settlement::Acknowledge, MethodId::BASIC_ACK)
    }

    /// Several `basic.ack`, one after the other.
    ///
    /// # Errors
    ///
    /// 406 for the first whose tag is unknown; those before it have taken effect.
    pub(crate) fn acknowledge_all(&self, acks: &[Tags]) -> Result<(), AmqpError> {
        let (settled, result) =
            self.lock().channel.settle_each(acks, Settlement::Acknowledge, MethodId::BASIC_ACK);
        self.settle(Settlement::Acknowledge, settled);
        self.resume_limited();
        result
    }

    /// `basic.nack` or `basic.reject` with requeue: the messages go back to their old places.
    pub(crate) fn requeue(
        &self,
        tags: Tags,
        method: MethodId,
        why: Returned,
    ) -> Result<(), AmqpError> {
        self.settle_tags(tags, Settlement::Requeue(why), method)
    }

    /// `basic.nack` or `basic.reject` without requeue: the messages are dead-lettered if their
    /// queue says where to, and dropped if not.
    pub(crate) fn discard(&self, tags: Tags, method: MethodId) -> Result<(), AmqpError> {
        self.settle_tags(tags, Settlement::Discard, method)
    }

    /// `basic.recover`: all that is unsettled goes back to its queue, at once also in a
    /// transaction. What the transaction has settled stays so until it is rolled back.
    pub(crate) fn recover(&self) {
        let settled = self.lock().channel.settle_all();
        self.settle(Settlement::Requeue(Returned::HandedBack), settled);
        self.resume_limited();
    }

    /// Settles now, or at the commit in a transaction.
    fn settle_tags(
        &self,
        tags: Tags,
        settlement: Settlement,
        method: MethodId,
    ) -> Result<(), AmqpError> {
        let settled = self.lock().channel.settle(tags, settlement, method)?;
        self.settle(settlement, settled);
        self.resume_limited();
        Ok(())
    }

    /// Does to the queues what a settlement is. The channel's prefetch may have room then.
    pub(super) fn settle(&self, settlement: Settlement, settled: Vec<Settled<QueueRef>>) {
        for Settled { queue, consumer, messages } in settled {
            self.settled(consumer, &messages);
            match settlement {
                Settlement::Acknowledge => queue.acknowledge(consumer, &messages),
                Settlement::Requeue(why) => queue.put_back(consumer, messages, why),
                Settlement::Discard => queue.discard(consumer, messages),
            }
        }
    }

    /// Counts settled deliveries of a consumer out of the channel's prefetch.
    fn settled(&self, consumer: Option<ConsumerId>, messages: &[QueueMessage]) {
        if consumer.is_some() {
            self.limiter().release(messages.len());
        }
    }

    /// The channel's prefetch may have room again, for a consumer on any of its queues.
    pub(crate) fn resume_limited(&self) {
        if self.limiter().is_limited() {
            self.resume_all();
        }
    }

    /// Tells the queues of all consumers that they may be served again.
    pub(crate) fn resume_all(&self) {
        let mut by_queue: BTreeMap<QueueId, (QueueRef, Vec<ConsumerId>)> = BTreeMap::new();
        let first = {
            let mut state = self.lock();
            for consumer in state.channel.consumers() {
                let queue = &consumer.queue;
                let of_queue = by_queue.entry(queue.queue_id());
                of_queue.or_insert_with(|| (queue.clone(), Vec::new())).1.push(consumer.id);
            }
            state.resumed = state.resumed.wrapping_add(1);
            state.resumed % by_queue.len().max(1)
        };
        // Another queue first each time: a backlog in one must not starve the others.
        let mut queues: Vec<_> = by_queue.into_values().collect();
        queues.rotate_left(first);
        for (queue, consumers) in queues {
            queue.resume(&consumers);
        }
    }
}
