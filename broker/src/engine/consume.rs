//! Consumers of a channel: start, cancel, and what one delivery becomes on its way out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};

use springhare_amqp::{AmqpError, FieldTable, FieldValue, MethodId, ReplyCode, ShortString};

use super::channel_cell::ChannelCell;
use super::consumer_arguments::ConsumerArguments;
use super::outbox::{ConsumerEnd, Counted, Outbox, Read};
use super::queue_cell::{
    ConsumeRefused, ConsumerAccess, ConsumersRemoved, Consuming, Leaving, QueueRef,
};
use super::random;
use super::reply_to;
use super::virtual_host::VirtualHost;
use crate::model::arguments::{ActiveConsumers, QueueType};
use crate::model::channel::{Channel, ChannelConsumer};
use crate::model::definition::Resource;
use crate::model::delivery::{Delivery, GetOk};
use crate::model::ids::{ConnectionId, ConsumerId, QueueId};
use crate::model::message::PublishedMessage;
use crate::model::pager::NotReadNow;
use crate::model::queue::{QueueConsumer, QueueMessage, SettlementMode};
use crate::model::topology::QueueHandle;

/// What `basic.consume` asks for.
#[derive(Debug)]
pub(crate) struct ConsumeRequest {
    /// Empty for a generated one.
    pub(crate) tag: ShortString,
    pub(crate) settlement: SettlementMode,
    pub(crate) access: ConsumerAccess,
    pub(crate) arguments: FieldTable,
}

/// A consumer that was started.
#[derive(Debug)]
pub(crate) struct StartedConsumer {
    pub(crate) tag: ShortString,
    pub(crate) id: ConsumerId,
    pub(crate) source: ConsumerSource,
    pub(crate) outbox: Arc<Outbox>,
}

/// Where a consumer's messages come from.
#[derive(Debug)]
pub(crate) enum ConsumerSource {
    /// A queue, and the number that the channel knows it by.
    Queue { queue: QueueRef, number: usize },
    /// Those who answer the channel's messages directly.
    DirectReplies,
}

impl StartedConsumer {
    /// The name of the queue that it consumes from.
    pub(crate) fn queue_name(&self) -> &ShortString {
        match &self.source {
            ConsumerSource::Queue { queue, .. } => queue.name(),
            ConsumerSource::DirectReplies => &reply_to::PSEUDO_QUEUE,
        }
    }

    /// The queue that it consumes from; none for direct replies.
    pub(crate) fn queue_id(&self) -> Option<QueueId> {
        match &self.source {
            ConsumerSource::Queue { queue, .. } => Some(queue.queue_id()),
            ConsumerSource::DirectReplies => None,
        }
    }

    /// Gives a message that was read its delivery tag; one that the consumer has to settle stays
    /// with the channel until then.
    pub(crate) fn delivered(&self, channel: &mut Channel<QueueRef>, message: QueueMessage) -> u64 {
        match (&self.source, self.outbox.settlement()) {
            (ConsumerSource::DirectReplies, _) => channel.next_delivery_tag(),
            (ConsumerSource::Queue { .. }, SettlementMode::Automatic) => channel.deliver_settled(),
            (ConsumerSource::Queue { queue, number }, SettlementMode::Explicit) => {
                let message = match queue.definition().arguments.queue_type {
                    QueueType::Stream => message.without_content(),
                    QueueType::Classic | QueueType::Quorum => message,
                };
                if channel.has_source(*number, self.id) {
                    channel.deliver(*number, message)
                } else {
                    // One that the broker cancelled may still read what was sent to it before.
                    channel.deliver_alone(queue.clone(), Some(self.id), message)
                }
            }
        }
    }

    /// A message as the consumer sees it, if that is not as it was published: of a stream, with
    /// its offset.
    pub(crate) fn as_delivered(&self, message: &QueueMessage) -> Option<Arc<PublishedMessage>> {
        match &self.source {
            ConsumerSource::Queue { queue, .. }
                if queue.definition().arguments.queue_type == QueueType::Stream =>
            {
                let offset = i64::try_from(message.position).unwrap_or(i64::MAX);
                Some(with_header(message, ShortString::from_static("x-stream-offset"), offset))
            }
            _ => counted(message),
        }
    }

    /// Its outbox has room again, and who fills it waits to hear of that.
    pub(crate) fn resume(&self) {
        match &self.source {
            ConsumerSource::Queue { queue, .. } => queue.resume(&[self.id]),
            // What had no room was dropped: nothing waits.
            ConsumerSource::DirectReplies => {}
        }
    }
}

impl ChannelCell {
    /// `basic.consume`: starts a consumer of the queue of this name, or of direct replies.
    ///
    /// # Errors
    ///
    /// 530 for a tag in use, 404 if the queue does not exist, 405 if it is exclusive to another
    /// connection, 403 if a consumer has it for itself or would have beside others, 406 for a
    /// wrong argument; 406 for a consumer of direct replies that acknowledges, or is the second.
    pub(crate) fn consume_from(
        self: &Arc<Self>,
        connection: ConnectionId,
        queue: &ShortString,
        request: ConsumeRequest,
    ) -> Result<StartedConsumer, AmqpError> {
        if *queue == reply_to::PSEUDO_QUEUE {
            return self.consume_replies(request);
        }
        let queue = self.virtual_host().find_queue(connection, queue, MethodId::BASIC_CONSUME)?;
        self.consume(request, queue)
    }

    /// Starts a consumer.
    pub(crate) fn consume(
        self: &Arc<Self>,
        request: ConsumeRequest,
        queue: QueueRef,
    ) -> Result<StartedConsumer, AmqpError> {
        let ConsumeRequest { tag, settlement, access, arguments } = request;
        let queue_type = queue.definition().arguments.queue_type;
        let resource = Resource::queue(queue.name(), self.virtual_host().name());
        let arguments = ConsumerArguments::read(&arguments, queue_type, resource)?;
        let consuming = if queue_type == QueueType::Stream {
            self.check_reads_stream(settlement, resource)?;
            Consuming::Stream(arguments.stream_offset)
        } else {
            Consuming::Queue(self.granted_access(access, &queue)?)
        };
        let counted = match (settlement, consuming) {
            (SettlementMode::Explicit, Consuming::Queue(_)) => Counted::ByQueue,
            (SettlementMode::Automatic, _) | (_, Consuming::Stream(_)) => Counted::Here,
        };
        let priority = arguments.priority;
        let id = ConsumerId(self.virtual_host().next_id());
        let (tag, number, outbox, prefetch) = {
            let mut state = self.lock();
            state.channel.ensure_open(MethodId::BASIC_CONSUME)?;
            state.channel.ensure_free_tag(&tag)?;
            let tag = consumer_tag(tag);
            let outbox = self.new_outbox(id, &tag, (settlement, counted));
            let number = state.channel.add_consumer(tag.clone(), id, queue.clone());
            state.outboxes.insert(id, Arc::clone(&outbox));
            (tag, number, outbox, state.channel.prefetch(settlement))
        };
        let outlet = Arc::<Outbox>::clone(&outbox);
        let added = queue
            .add_consumer(QueueConsumer { id, outlet, priority, prefetch, settlement }, consuming);
        if let Err(refused) = added {
            self.forget_consumer(&tag, id);
            return Err(refusal(refused, &queue, self.virtual_host()));
        }
        if outbox.ended().is_some() {
            // Cancelled, or its channel closed, by another task before the queue knew of it.
            let leaving = Leaving::consumer(id, Vec::new(), settlement);
            self.virtual_host().leave_queue(&queue, leaving);
            self.lock().channel.ensure_open(MethodId::BASIC_CONSUME)?;
        }
        Ok(StartedConsumer { tag, id, source: ConsumerSource::Queue { queue, number }, outbox })
    }

    /// Checks that a consumer of a stream has a prefetch of its own, and acknowledges.
    ///
    /// # Errors
    ///
    /// 406 without the first, 540 without the second.
    fn check_reads_stream(
        &self,
        settlement: SettlementMode,
        queue: Resource<'_>,
    ) -> Result<(), AmqpError> {
        let prefetch = self.lock().channel.prefetch(SettlementMode::Explicit);
        if prefetch.is_none() {
            let explanation = format_args!("consumer prefetch count is not set for '{queue}'");
            let (code, method) = (ReplyCode::PreconditionFailed, MethodId::BASIC_CONSUME);
            return Err(AmqpError::new(code, method, explanation));
        }
        if settlement == SettlementMode::Automatic {
            let what = "automatic acknowledgement";
            return Err(not_supported_by_streams(what, queue, MethodId::BASIC_CONSUME));
        }
        Ok(())
    }

    /// What a consumer has of the queue: one of a quorum queue is never alone, and one of a queue
    /// with a single active consumer can't be.
    ///
    /// # Errors
    ///
    /// 540 where the queue's type knows no prefetch for a whole channel, 403 where a consumer
    /// can't have the queue for itself.
    fn granted_access(
        &self,
        access: ConsumerAccess,
        queue: &QueueRef,
    ) -> Result<ConsumerAccess, AmqpError> {
        let arguments = &queue.definition().arguments;
        if arguments.queue_type != QueueType::Classic {
            if self.limiter().is_limited() {
                let queue = Resource::queue(queue.name(), self.virtual_host().name());
                let explanation = format_args!("{queue} does not support global qos");
                let method = MethodId::BASIC_CONSUME;
                return Err(AmqpError::new(ReplyCode::NotImplemented, method, explanation));
            }
            return Ok(ConsumerAccess::Shared);
        }
        let is_single = arguments.active_consumers == ActiveConsumers::Single;
        if is_single && access == ConsumerAccess::Exclusive {
            return Err(refusal(ConsumeRefused::InExclusiveUse, queue, self.virtual_host()));
        }
        Ok(access)
    }

    pub(super) fn new_outbox(
        self: &Arc<Self>,
        id: ConsumerId,
        tag: &ShortString,
        by: (SettlementMode, Counted),
    ) -> Arc<Outbox> {
        Arc::new(Outbox::new(
            id,
            tag.clone(),
            by,
            Arc::clone(self.limiter()),
            Arc::clone(self.virtual_host().shared()),
            Arc::downgrade(self),
        ))
    }

    /// Moves up to `max` of the consumer's messages to `buffer`, each with its delivery tag; 0
    /// when the consumer has ended.
    pub(crate) fn read(
        &self,
        consumer: &StartedConsumer,
        max: usize,
        reader: &Waker,
        buffer: &mut VecDeque<Delivery>,
    ) -> Poll<usize> {
        let before = buffer.len();
        let mut state = self.lock();
        let channel = &mut state.channel;
        if !channel.is_open() {
            return Poll::Ready(0);
        }
        let read = consumer.outbox.read(max, reader, |message| {
            let (redelivered, delivery_count) = (message.redelivered, message.delivery_count);
            let shown = consumer.as_delivered(&message);
            let shown = shown.unwrap_or_else(|| Arc::clone(&message.message));
            let delivery_tag = consumer.delivered(channel, message);
            buffer.push_back(Delivery {
                delivery_tag,
                redelivered,
                delivery_count,
                message: shown,
            });
        });
        drop(state);
        match read {
            Read::Empty => Poll::Pending,
            Read::Ended => Poll::Ready(0),
            Read::Messages { room_awaited } => {
                if room_awaited {
                    consumer.resume();
                }
                Poll::Ready(buffer.len() - before)
            }
        }
    }

    /// `basic.get`: the first ready message of the queue.
    ///
    /// # Errors
    ///
    /// 405 for a quorum queue with a single active consumer, 540 for a stream, and 541 where the disk
    /// does not give the message now.
    pub(crate) fn get(
        &self,
        queue: &QueueRef,
        settlement: SettlementMode,
    ) -> Result<Option<GetOk>, AmqpError> {
        check_readable(queue, self.virtual_host())?;
        let got =
            queue.get(settlement).map_err(|NotReadNow| not_read_now(queue, self.virtual_host()))?;
        Ok(got.and_then(|(message, left)| self.take_got(queue, settlement, message, left)))
    }

    fn take_got(
        &self,
        queue: &QueueRef,
        settlement: SettlementMode,
        message: QueueMessage,
        left: usize,
    ) -> Option<GetOk> {
        let (redelivered, delivery_count) = (message.redelivered, message.delivery_count);
        let shown = counted(&message).unwrap_or_else(|| Arc::clone(&message.message));
        let mut state = self.lock();
        if !state.channel.is_open() {
            // Closed meanwhile, by another task: the message goes back unread.
            drop(state);
            queue.put_back_unread(vec![message], settlement);
            return None;
        }
        let delivery_tag = match settlement {
            SettlementMode::Explicit => state.channel.deliver_alone(queue.clone(), None, message),
            SettlementMode::Automatic => {
                queue.given_away(&message);
                state.channel.deliver_settled()
            }
        };
        let delivery = Delivery { delivery_tag, redelivered, delivery_count, message: shown };
        Some(GetOk { delivery, message_count: u64::try_from(left).unwrap_or(u64::MAX) })
    }

    /// Cancels a consumer whose handle is dropped.
    pub(crate) fn cancel_started(&self, consumer: &StartedConsumer) {
        let StartedConsumer { tag, id, source, outbox } = consumer;
        let ConsumerSource::Queue { queue, .. } = source else {
            self.cancel_replies(|channel| channel.remove_reply_consumer_by_id(*id));
            return;
        };
        let (was_running, unread) = {
            let mut state = self.lock();
            let was_running = state.forget_consumer(tag, *id).is_some();
            (was_running, outbox.end(ConsumerEnd::CancelledByUser))
        };
        let unread = unread.wake_reader();
        if was_running {
            let leaving = Leaving::consumer(*id, unread, outbox.settlement());
            self.virtual_host().leave_queue(queue, leaving);
        } else if !unread.is_empty() {
            // The broker has cancelled it: the queue is gone, and what it had sent is done with.
            queue.put_back_unread(unread, outbox.settlement());
        }
        self.resume_limited();
    }

    /// Cancels a consumer; an unknown tag is none. What it has unsettled stays so.
    pub(crate) fn cancel(&self, tag: &str) {
        if self.cancel_replies(|channel| channel.remove_reply_consumer(tag)) {
            return;
        }
        let (id, queue, unread, settlement) = {
            let mut state = self.lock();
            let Some(ChannelConsumer { id, queue, .. }) = state.channel.remove_consumer(tag) else {
                return;
            };
            let Some(outbox) = state.outboxes.remove(&id) else { return };
            (id, queue, outbox.end(ConsumerEnd::CancelledByUser), outbox.settlement())
        };
        let leaving = Leaving::consumer(id, unread.wake_reader(), settlement);
        self.virtual_host().leave_queue(&queue, leaving);
        self.resume_limited();
    }
}

impl VirtualHost {
    /// Takes consumers off their queue, with what goes back; an auto-delete queue goes with its
    /// last consumer.
    pub(crate) fn leave_queue(&self, queue: &QueueRef, leaving: Leaving) {
        let removed = queue.leave(leaving);
        if removed == ConsumersRemoved::NoneLeft && queue.definition().auto_delete {
            self.auto_delete_queue(queue);
        }
    }
}

/// The tag that was asked for, or a generated one.
pub(super) fn consumer_tag(tag: ShortString) -> ShortString {
    if tag.is_empty() { random::name("amq.ctag-") } else { tag }
}

/// A message whose deliveries failed, as it is delivered: it tells how many, in the header
/// `x-delivery-count` (as RabbitMQ's quorum queues do). None is as it was published.
fn counted(message: &QueueMessage) -> Option<Arc<PublishedMessage>> {
    if message.delivery_count == 0 {
        return None;
    }
    let count = i64::from(message.delivery_count);
    Some(with_header(message, ShortString::from_static("x-delivery-count"), count))
}

fn with_header(message: &QueueMessage, name: ShortString, value: i64) -> Arc<PublishedMessage> {
    let mut shown = PublishedMessage::clone(&message.message);
    shown.message.properties.set_header(name, FieldValue::I64(value));
    Arc::new(shown)
}

/// To say that the queue is empty would be a lie.
fn not_read_now(queue: &QueueRef, virtual_host: &VirtualHost) -> AmqpError {
    let queue = Resource::queue(queue.name(), virtual_host.name());
    let text = format_args!("the next message of {queue} can't be read back from the disk now");
    AmqpError::new(ReplyCode::InternalError, MethodId::BASIC_GET, text)
}

/// Checks that `basic.get` may read from a queue.
fn check_readable(queue: &QueueRef, virtual_host: &VirtualHost) -> Result<(), AmqpError> {
    let arguments = &queue.definition().arguments;
    let is_single = arguments.active_consumers == ActiveConsumers::Single;
    let queue = Resource::queue(queue.name(), virtual_host.name());
    if arguments.queue_type == QueueType::Stream {
        return Err(not_supported_by_streams("basic.get", queue, MethodId::BASIC_GET));
    }
    if arguments.queue_type == QueueType::Quorum && is_single {
        return Err(AmqpError::new(
            ReplyCode::ResourceLocked,
            MethodId::BASIC_GET,
            format_args!(
                "cannot obtain access to locked {queue}. basic.get operations are not supported \
                 by quorum queues with single active consumer"
            ),
        ));
    }
    Ok(())
}

/// 540 for what nobody does with a stream.
pub(super) fn not_supported_by_streams(
    what: &str,
    queue: Resource<'_>,
    method: MethodId,
) -> AmqpError {
    let explanation = format_args!("{what} not supported by stream queues {queue}");
    AmqpError::new(ReplyCode::NotImplemented, method, explanation)
}

fn refusal(refused: ConsumeRefused, queue: &QueueRef, virtual_host: &VirtualHost) -> AmqpError {
    let queue = Resource::queue(queue.name(), virtual_host.name());
    match refused {
        ConsumeRefused::InExclusiveUse => AmqpError::new(
            ReplyCode::AccessRefused,
            MethodId::BASIC_CONSUME,
            format_args!("{queue} in exclusive use"),
        ),
        ConsumeRefused::Deleted => {
            AmqpError::new(ReplyCode::NotFound, MethodId::BASIC_CONSUME, format_args!("no {queue}"))
        }
    }
}
