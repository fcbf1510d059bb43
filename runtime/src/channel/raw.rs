use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::Ordering;

use springhare_amqp::{FieldTable, Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, ChannelEvent, ConsumerEnd, Delivery,
    ExchangeDeclareOptions, GetOk, IfUnused, Multiple, NoAck, QosScope, QueueDeclareOk,
    QueueDeclareOptions, QueueDeleteOptions, Requeue,
};

use super::{Channel, Purpose, SettleError};
use crate::connection::{LinkConsumer, LinkError};

/// # AMQP's operations
///
/// What the broker refuses closes the channel (a `404`, a `406`) or its whole connection, with
/// the reply code and text that the error carries.
impl Channel {
    /// Declares an exchange (`exchange.declare`); `kind` is `direct`, `fanout`, `topic` or
    /// `headers`.
    ///
    /// # Errors
    ///
    /// [`LinkError`] when the broker refuses or the channel is closed; so for all operations.
    pub async fn exchange_declare(
        &self,
        exchange: &str,
        kind: &str,
        options: ExchangeDeclareOptions,
    ) -> Result<(), LinkError> {
        self.link().exchange_declare(exchange, kind, options).await
    }

    /// Asks whether an exchange is there (`exchange.declare`, passive).
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn exchange_declare_passive(&self, exchange: &str) -> Result<(), LinkError> {
        self.link().exchange_declare_passive(exchange).await
    }

    /// Deletes an exchange and its bindings (`exchange.delete`).
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn exchange_delete(
        &self,
        exchange: &str,
        if_unused: IfUnused,
    ) -> Result<(), LinkError> {
        self.link().exchange_delete(exchange, if_unused).await
    }

    /// Binds an exchange to another (`exchange.bind`): what `source` routes goes on to
    /// `destination`.
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn exchange_bind(
        &self,
        destination: &str,
        source: &str,
        routing_key: &str,
        arguments: FieldTable,
    ) -> Result<(), LinkError> {
        self.link().exchange_bind(destination, source, routing_key, arguments).await
    }

    /// Removes a binding between exchanges (`exchange.unbind`).
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn exchange_unbind(
        &self,
        destination: &str,
        source: &str,
        routing_key: &str,
        arguments: FieldTable,
    ) -> Result<(), LinkError> {
        self.link().exchange_unbind(destination, source, routing_key, arguments).await
    }

    /// Declares a queue (`queue.declare`); with an empty name the broker chooses one and says
    /// which.
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn queue_declare(
        &self,
        queue: &str,
        options: QueueDeclareOptions,
    ) -> Result<QueueDeclareOk, LinkError> {
        self.link().queue_declare(queue, options).await
    }

    /// Asks whether a queue is there and what is in it (`queue.declare`, passive).
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn queue_declare_passive(&self, queue: &str) -> Result<QueueDeclareOk, LinkError> {
        self.link().queue_declare_passive(queue).await
    }

    /// Binds a queue to an exchange (`queue.bind`).
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn queue_bind(
        &self,
        queue: &str,
        exchange: &str,
        routing_key: &str,
        arguments: FieldTable,
    ) -> Result<(), LinkError> {
        self.link().queue_bind(queue, exchange, routing_key, arguments).await
    }

    /// Removes a queue's binding (`queue.unbind`).
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn queue_unbind(
        &self,
        queue: &str,
        exchange: &str,
        routing_key: &str,
        arguments: FieldTable,
    ) -> Result<(), LinkError> {
        self.link().queue_unbind(queue, exchange, routing_key, arguments).await
    }

    /// Removes a queue's ready messages and says how many (`queue.purge`).
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn queue_purge(&self, queue: &str) -> Result<u64, LinkError> {
        self.link().queue_purge(queue).await
    }

    /// Deletes a queue and says how many messages went with it (`queue.delete`).
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn queue_delete(
        &self,
        queue: &str,
        options: QueueDeleteOptions,
    ) -> Result<u64, LinkError> {
        self.link().queue_delete(queue, options).await
    }

    /// Bounds the unacknowledged deliveries (`basic.qos`); 0 is no bound.
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn basic_qos(&self, prefetch_count: u16, scope: QosScope) -> Result<(), LinkError> {
        self.link().basic_qos(prefetch_count, scope).await
    }

    /// Starts a consumer (`basic.consume`); with an empty tag the broker chooses one.
    ///
    /// In a handler, on its listener's channel, only with `no_ack`: that channel settles by
    /// [`DeliveryTag`](crate::DeliveryTag) alone. Elsewhere take the channel of
    /// [`RabbitTemplate::execute`](crate::RabbitTemplate::execute).
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn basic_consume(
        &self,
        queue: &str,
        consumer_tag: &str,
        options: BasicConsumeOptions,
    ) -> Result<Consumer, LinkError> {
        self.shared.consumed_on.store(true, Ordering::Release);
        let consumer = self.link().basic_consume(queue, consumer_tag, options).await?;
        Ok(Consumer { link: consumer, received: VecDeque::new() })
    }

    /// Ends a consumer (`basic.cancel`); what it has received can still be settled.
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn basic_cancel(&self, consumer_tag: &str) -> Result<(), LinkError> {
        self.link().basic_cancel(consumer_tag).await
    }

    /// Takes one message, if there is one (`basic.get`). In a handler, on its listener's channel,
    /// only with [`NoAck::Yes`], as [`basic_consume`](Self::basic_consume) says.
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn basic_get(&self, queue: &str, no_ack: NoAck) -> Result<Option<GetOk>, LinkError> {
        self.shared.consumed_on.store(true, Ordering::Release);
        self.link().basic_get(queue, no_ack).await
    }

    /// Publishes (`basic.publish`); in confirm mode it says the publish's sequence number. The
    /// confirm and a return come as [events](Self::next_event).
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn basic_publish(
        &self,
        exchange: &str,
        routing_key: &str,
        options: BasicPublishOptions,
        message: Message,
    ) -> Result<Option<u64>, LinkError> {
        self.link().basic_publish(exchange, routing_key, options, message).await
    }

    /// Acknowledges by number (`basic.ack`); not on a listener's channel.
    ///
    /// # Errors
    ///
    /// [`SettleError`] on a listener's channel, or when the broker refuses.
    pub async fn basic_ack(
        &self,
        delivery_tag: u64,
        multiple: Multiple,
    ) -> Result<(), SettleError> {
        self.refuse_on_a_listeners_channel()?;
        let sent = self.link().basic_ack(delivery_tag, multiple).await;
        sent.map_err(|source| SettleError::Link { delivery_tag, source })
    }

    /// Refuses by number (`basic.nack`); not on a listener's channel.
    ///
    /// # Errors
    ///
    /// As [`basic_ack`](Self::basic_ack).
    pub async fn basic_nack(
        &self,
        delivery_tag: u64,
        multiple: Multiple,
        requeue: Requeue,
    ) -> Result<(), SettleError> {
        self.refuse_on_a_listeners_channel()?;
        let sent = self.link().basic_nack(delivery_tag, multiple, requeue).await;
        sent.map_err(|source| SettleError::Link { delivery_tag, source })
    }

    /// Refuses one by number (`basic.reject`); not on a listener's channel.
    ///
    /// # Errors
    ///
    /// As [`basic_ack`](Self::basic_ack).
    pub async fn basic_reject(
        &self,
        delivery_tag: u64,
        requeue: Requeue,
    ) -> Result<(), SettleError> {
        self.refuse_on_a_listeners_channel()?;
        let sent = self.link().basic_reject(delivery_tag, requeue).await;
        sent.map_err(|source| SettleError::Link { delivery_tag, source })
    }

    /// Requeues everything unacknowledged (`basic.recover`); not on a listener's channel.
    ///
    /// # Errors
    ///
    /// As [`basic_ack`](Self::basic_ack).
    pub async fn basic_recover(&self) -> Result<(), SettleError> {
        self.refuse_on_a_listeners_channel()?;
        let sent = self.link().basic_recover().await;
        sent.map_err(|source| SettleError::Link { delivery_tag: 0, source })
    }

    /// Asks for publisher confirms (`confirm.select`).
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    pub async fn confirm_select(&self) -> Result<(), LinkError> {
        self.link().confirm_select().await
    }

    /// The next return, confirm or closure of the channel; none once its closure was told.
    pub async fn next_event(&self) -> Option<ChannelEvent> {
        self.link().next_event().await
    }

    /// Closes the channel; what it holds unacknowledged is requeued.
    ///
    /// # Errors
    ///
    /// [`LinkError`] when the connection fails meanwhile.
    pub async fn close(&self) -> Result<(), LinkError> {
        self.link().close().await
    }

    fn refuse_on_a_listeners_channel(&self) -> Result<(), SettleError> {
        match self.shared.purpose {
            Purpose::Listener => Err(SettleError::ListenersChannel),
            Purpose::Raw => Ok(()),
        }
    }
}

/// A consumer started by [`Channel::basic_consume`]. Dropping it cancels it; what it has not
/// received is handed back.
#[derive(Debug)]
pub struct Consumer {
    link: Box<dyn LinkConsumer>,
    received: VecDeque<Delivery>,
}

impl Consumer {
    /// Its tag.
    #[must_use]
    pub fn tag(&self) -> &ShortString {
        self.link.tag()
    }

    /// The next delivery; none when the consumer has ended, see [`end`](Self::end).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Delivery> {
        // One at a time: what waits here could not be handed back by a drop.
        let (link, received) = (&mut self.link, &mut self.received);
        poll_fn(|cx| link.poll_recv_many(cx, received, 1)).await;
        self.received.pop_front()
    }

    /// How it ended; none while it lives.
    #[must_use]
    pub fn end(&self) -> Option<ConsumerEnd> {
        self.link.end()
    }
}
