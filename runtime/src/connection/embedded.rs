//! The link to a broker in the same process: every operation is a call.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use springhare_amqp::{AmqpError, FieldTable, Message, MethodId, ReplyCode, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, Broker, Channel, ChannelEvent, Clock, Connection,
    Consumer, ConsumerEnd, Delivery, ExchangeDeclareOptions, GetOk, IfUnused, Multiple, NoAck,
    Publish, Publisher, QosScope, QueueDeclareOk, QueueDeclareOptions, QueueDeleteOptions, Requeue,
};

use super::{
    Confirmation, DeliveryCounting, Link, LinkChannel, LinkConnection, LinkConsumer, LinkError,
    LinkFuture, LinkPublisher, Product, PublishBatch, PublishCall, PublishError, PublishResult,
    PublishWait,
};

/// The link to a [`Broker`] in this process.
#[derive(Debug, Clone)]
pub struct EmbeddedLink {
    broker: Broker,
}

impl EmbeddedLink {
    /// A link to `broker`, which it keeps alive.
    #[must_use]
    pub fn new(broker: Broker) -> Self {
        Self { broker }
    }
}

impl Link for EmbeddedLink {
    fn describe(&self) -> String {
        let data = self.broker.data().map(|folder| folder.display().to_string());
        format!("embedded:{}", data.unwrap_or_default())
    }

    fn clock(&self) -> &Clock {
        self.broker.clock()
    }

    fn delivery_counting(&self) -> DeliveryCounting {
        DeliveryCounting::OnEveryQueue
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async move {
            let connection = self.broker.connect(name)?;
            let link: Arc<dyn LinkConnection> =
                Arc::new(EmbeddedConnection { connection, publisher: self.broker.publisher() });
            Ok(link)
        })
    }
}

#[derive(Debug)]
struct EmbeddedConnection {
    connection: Connection,
    publisher: Publisher,
}

impl LinkConnection for EmbeddedConnection {
    fn open_channel(&self) -> LinkFuture<'_, Arc<dyn LinkChannel>> {
        Box::pin(async move {
            let channel: Arc<dyn LinkChannel> =
                Arc::new(EmbeddedChannel(self.connection.open_channel()?));
            Ok(channel)
        })
    }

    fn publisher(&self) -> LinkFuture<'_, Arc<dyn LinkPublisher>> {
        Box::pin(async move {
            let publisher: Arc<dyn LinkPublisher> =
                Arc::new(EmbeddedPublisher::new(self.publisher.clone()));
            Ok(publisher)
        })
    }

    fn product(&self) -> Product {
        Product::Springhare
    }

    fn close(&self) -> LinkFuture<'_, ()> {
        Box::pin(async move {
            self.connection.close();
            Ok(())
        })
    }

    fn closed(&self) -> Option<LinkError> {
        let reason = self.connection.closed();
        (!self.connection.is_open()).then_some(LinkError::Closed { what: "connection", reason })
    }
}

#[derive(Debug)]
struct EmbeddedChannel(Channel);

/// Boxes a call of the broker's channel as a link future.
macro_rules! call {
    ($self:ident.$operation:ident($($argument:expr),*)) => {
        Box::pin(async move { Ok($self.0.$operation($($argument),*).await?) })
    };
}

impl LinkChannel for EmbeddedChannel {
    fn exchange_declare<'a>(
        &'a self,
        exchange: &'a str,
        kind: &'a str,
        options: ExchangeDeclareOptions,
    ) -> LinkFuture<'a, ()> {
        call!(self.exchange_declare(exchange, kind, options))
    }

    fn exchange_declare_passive<'a>(&'a self, exchange: &'a str) -> LinkFuture<'a, ()> {
        call!(self.exchange_declare_passive(exchange))
    }

    fn exchange_delete<'a>(&'a self, exchange: &'a str, if_unused: IfUnused) -> LinkFuture<'a, ()> {
        call!(self.exchange_delete(exchange, if_unused))
    }

    fn exchange_bind<'a>(
        &'a self,
        destination: &'a str,
        source: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()> {
        call!(self.exchange_bind(destination, source, routing_key, arguments))
    }

    fn exchange_unbind<'a>(
        &'a self,
        destination: &'a str,
        source: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()> {
        call!(self.exchange_unbind(destination, source, routing_key, arguments))
    }

    fn queue_declare<'a>(
        &'a self,
        queue: &'a str,
        options: QueueDeclareOptions,
    ) -> LinkFuture<'a, QueueDeclareOk> {
        call!(self.queue_declare(queue, options))
    }

    fn queue_declare_passive<'a>(&'a self, queue: &'a str) -> LinkFuture<'a, QueueDeclareOk> {
        call!(self.queue_declare_passive(queue))
    }

    fn queue_bind<'a>(
        &'a self,
        queue: &'a str,
        exchange: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()> {
        call!(self.queue_bind(queue, exchange, routing_key, arguments))
    }

    fn queue_unbind<'a>(
        &'a self,
        queue: &'a str,
        exchange: &'a str,
        routing_key: &'a str,
        arguments: FieldTable,
    ) -> LinkFuture<'a, ()> {
        call!(self.queue_unbind(queue, exchange, routing_key, arguments))
    }

    fn queue_purge<'a>(&'a self, queue: &'a str) -> LinkFuture<'a, u64> {
        call!(self.queue_purge(queue))
    }

    fn queue_delete<'a>(
        &'a self,
        queue: &'a str,
        options: QueueDeleteOptions,
    ) -> LinkFuture<'a, u64> {
        call!(self.queue_delete(queue, options))
    }

    fn basic_qos(&self, prefetch_count: u16, scope: QosScope) -> LinkFuture<'_, ()> {
        call!(self.basic_qos(prefetch_count, scope))
    }

    fn basic_consume<'a>(
        &'a self,
        queue: &'a str,
        consumer_tag: &'a str,
        options: BasicConsumeOptions,
    ) -> LinkFuture<'a, Box<dyn LinkConsumer>> {
        Box::pin(async move {
            let consumer = self.0.basic_consume(queue, consumer_tag, options).await?;
            let consumer: Box<dyn LinkConsumer> = Box::new(EmbeddedConsumer(consumer));
            Ok(consumer)
        })
    }

    fn basic_cancel<'a>(&'a self, consumer_tag: &'a str) -> LinkFuture<'a, ()> {
        call!(self.basic_cancel(consumer_tag))
    }

    fn basic_get<'a>(&'a self, queue: &'a str, no_ack: NoAck) -> LinkFuture<'a, Option<GetOk>> {
        call!(self.basic_get(queue, no_ack))
    }

    fn basic_publish<'a>(
        &'a self,
        exchange: &'a str,
        routing_key: &'a str,
        options: BasicPublishOptions,
        message: Message,
    ) -> LinkFuture<'a, Option<u64>> {
        call!(self.basic_publish(exchange, routing_key, options, message))
    }

    fn publish(&self, publish: Publish) -> LinkFuture<'_, Option<u64>> {
        call!(self.publish(publish))
    }

    fn basic_ack(&self, delivery_tag: u64, multiple: Multiple) -> LinkFuture<'_, ()> {
        call!(self.basic_ack(delivery_tag, multiple))
    }

    fn basic_nack(
        &self,
        delivery_tag: u64,
        multiple: Multiple,
        requeue: Requeue,
    ) -> LinkFuture<'_, ()> {
        call!(self.basic_nack(delivery_tag, multiple, requeue))
    }

    fn basic_reject(&self, delivery_tag: u64, requeue: Requeue) -> LinkFuture<'_, ()> {
        call!(self.basic_reject(delivery_tag, requeue))
    }

    fn basic_recover(&self) -> LinkFuture<'_, ()> {
        call!(self.basic_recover())
    }

    fn confirm_select(&self) -> LinkFuture<'_, ()> {
        call!(self.confirm_select())
    }

    fn next_event(&self) -> Pin<Box<dyn Future<Output = Option<ChannelEvent>> + Send + '_>> {
        Box::pin(self.0.next_event())
    }

    fn close(&self) -> LinkFuture<'_, ()> {
        call!(self.close())
    }

    fn close_reason(&self) -> Option<LinkError> {
        if self.0.is_open() {
            return None;
        }
        Some(LinkError::Closed { what: "channel", reason: self.0.close_reason() })
    }
}

#[derive(Debug)]
struct EmbeddedConsumer(Consumer);

impl LinkConsumer for EmbeddedConsumer {
    fn tag(&self) -> &ShortString {
        self.0.tag()
    }

    fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut VecDeque<Delivery>,
        max: usize,
    ) -> Poll<usize> {
        self.0.poll_recv_many(cx, buffer, max)
    }

    fn end(&self) -> Option<ConsumerEnd> {
        self.0.end()
    }
}

/// A publish waits for the disk alone, and for that only at a broker that has one.
#[derive(Debug)]
struct EmbeddedPublisher {
    publisher: Publisher,
    beyond_the_memory_mark: Publisher,
}

impl EmbeddedPublisher {
    fn new(publisher: Publisher) -> Self {
        let beyond_the_memory_mark = publisher.clone().beyond_the_memory_mark();
        Self { publisher, beyond_the_memory_mark }
    }
}

impl LinkPublisher for EmbeddedPublisher {
    fn poll_publish(&self, cx: &mut Context<'_>, call: &mut PublishCall) -> Poll<PublishResult> {
        poll_call(&self.publisher, cx, call)
    }

    fn poll_publish_beyond_the_memory_mark(
        &self,
        cx: &mut Context<'_>,
        call: &mut PublishCall,
    ) -> Poll<PublishResult> {
        poll_call(&self.beyond_the_memory_mark, cx, call)
    }

    fn poll_publish_many(&self, cx: &mut Context<'_>, batch: &mut PublishBatch) -> Poll<()> {
        let mut taken = VecDeque::with_capacity(batch.publishes.len());
        let has_taken = self.publisher.poll_publish_many(cx, &mut batch.publishes, &mut taken);
        let is_in_order = batch.waiting.is_empty();
        for taken in taken {
            match taken {
                Ok(unconfirmed) if !(is_in_order && unconfirmed.is_safe()) => {
                    batch.waiting.push_back(PublishWait::Disk(unconfirmed));
                }
                known => {
                    let known = result(known.map(|_| ()));
                    if batch.waiting.is_empty() {
                        batch.results.push_back(known);
                    } else {
                        batch.waiting.push_back(PublishWait::Known(known));
                    }
                }
            }
        }
        while let Some(waiting) = batch.waiting.front_mut()
            && let Poll::Ready(result) = poll_wait(&self.publisher, cx, waiting)
        {
            batch.results.push_back(result);
            batch.waiting.pop_front();
        }
        let is_done = has_taken.is_ready() && batch.waiting.len() <= batch.open_max;
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn poll_call(
    publisher: &Publisher,
    cx: &mut Context<'_>,
    call: &mut PublishCall,
) -> Poll<PublishResult> {
    let waiting = match &mut call.waiting {
        Some(waiting) => waiting,
        none => match ready!(publisher.poll_publish(cx, &mut call.publish)) {
            Ok(unconfirmed) if !unconfirmed.is_safe() => {
                none.insert(PublishWait::Disk(unconfirmed))
            }
            known => return Poll::Ready(result(known.map(|_| ()))),
        },
    };
    if call.confirmation == Confirmation::Unconfirmed {
        return Poll::Ready(Ok(()));
    }
    poll_wait(publisher, cx, waiting)
}

fn poll_wait(
    publisher: &Publisher,
    cx: &mut Context<'_>,
    waiting: &mut PublishWait,
) -> Poll<PublishResult> {
    match waiting {
        PublishWait::Disk(unconfirmed) => publisher.poll_confirm(cx, *unconfirmed).map(result),
        PublishWait::Known(known) => Poll::Ready(std::mem::replace(known, Ok(()))),
        // Another link has it.
        PublishWait::Answer(_) => {
            let reason = LinkError::Closed { what: "connection", reason: None };
            Poll::Ready(Err(PublishError::Unknown(reason)))
        }
    }
}

/// A publish is one call: a broker that is stopped has not taken it.
fn result(result: springhare_broker::PublishResult) -> PublishResult {
    use springhare_broker::PublishError as Broker;
    result.map_err(|error| match error {
        Broker::NoExchange(error) => PublishError::NoExchange(error),
        Broker::Unroutable(returned) => PublishError::Unroutable(returned),
        Broker::Refused(error) => PublishError::Refused(error),
        // As over a socket, where both are a `basic.nack`.
        full @ Broker::QueueFull => PublishError::Refused(AmqpError::new(
            ReplyCode::InternalError,
            MethodId::BASIC_NACK,
            full,
        )),
        Broker::NotStored(error) => PublishError::Refused(error),
        Broker::Closed(error) => {
            PublishError::NotSent(LinkError::Closed { what: "connection", reason: Some(error) })
        }
        other => PublishError::NotSent(LinkError::Transport(Arc::new(other))),
    })
}
