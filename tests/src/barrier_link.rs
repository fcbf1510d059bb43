//! A link that waits, where AMQP has no answer (publish, ack, nack, reject), for a passive
//! declaration behind it: an error is then returned by the call that caused it, as the embedded
//! broker does, and the same cases run on all.

use std::pin::Pin;
use std::sync::Arc;

use springhare::connection::{
    DeliveryCounting, Link, LinkChannel, LinkConnection, LinkConsumer, LinkError, LinkFuture,
    LinkPublisher, Product,
};
use springhare_amqp::{FieldTable, Message};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, ChannelEvent, Clock, ExchangeDeclareOptions, GetOk,
    IfUnused, Multiple, NoAck, QosScope, QueueDeclareOk, QueueDeclareOptions, QueueDeleteOptions,
    Requeue,
};

/// A link over `inner` whose calls all wait for the broker.
#[derive(Debug)]
pub struct BarrierLink<L> {
    inner: L,
}

impl<L: Link> BarrierLink<L> {
    /// A link over this one.
    pub fn over(inner: L) -> Self {
        Self { inner }
    }
}

impl<L: Link> Link for BarrierLink<L> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn clock(&self) -> &Clock {
        self.inner.clock()
    }

    fn delivery_counting(&self) -> DeliveryCounting {
        self.inner.delivery_counting()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async move {
            let connection: Arc<dyn LinkConnection> =
                Arc::new(BarrierConnection(self.inner.connect(name).await?));
            Ok(connection)
        })
    }
}

#[derive(Debug)]
struct BarrierConnection(Arc<dyn LinkConnection>);

impl LinkConnection for BarrierConnection {
    fn open_channel(&self) -> LinkFuture<'_, Arc<dyn LinkChannel>> {
        Box::pin(async move {
            let channel: Arc<dyn LinkChannel> =
                Arc::new(BarrierChannel(self.0.open_channel().await?));
            Ok(channel)
        })
    }

    fn publisher(&self) -> LinkFuture<'_, Arc<dyn LinkPublisher>> {
        self.0.publisher()
    }

    fn product(&self) -> Product {
        self.0.product()
    }

    fn close(&self) -> LinkFuture<'_, ()> {
        self.0.close()
    }

    fn closed(&self) -> Option<LinkError> {
        self.0.closed()
    }
}

#[derive(Debug)]
struct BarrierChannel(Arc<dyn LinkChannel>);

impl BarrierChannel {
    /// Waits until the broker has worked off what was sent, and says what it refused of it.
    async fn barrier<T>(&self, sent: T) -> Result<T, LinkError> {
        match self.0.exchange_declare_passive("amq.direct").await {
            Ok(()) => Ok(sent),
            Err(LinkError::Closed { reason: Some(error), .. }) => Err(LinkError::Amqp(error)),
            Err(error) => Err(error),
        }
    }
}

/// Calls that the broker answers go through as they are.
macro_rules! answered {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)+) => {
        $(
            fn $name<'a>(&'a self, $($argument: $kind),*) -> LinkFuture<'a, $answer> {
                self.0.$name($($argument),*)
            }
        )+
    };
}

/// Calls that it does not answer wait.
macro_rules! unanswered {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)+) => {
        $(
            fn $name<'a>(&'a self, $($argument: $kind),*) -> LinkFuture<'a, $answer> {
                Box::pin(async move {
                    let sent = self.0.$name($($argument),*).await?;
                    self.barrier(sent).await
                })
            }
        )+
    };
}

impl LinkChannel for BarrierChannel {
    answered! {
        exchange_declare(
            exchange: &'a str, kind: &'a str, options: ExchangeDeclareOptions
        ) -> ();
        exchange_declare_passive(exchange: &'a str) -> ();
        exchange_delete(exchange: &'a str, if_unused: IfUnused) -> ();
        exchange_bind(
            destination: &'a str, source: &'a str, routing_key: &'a str, arguments: FieldTable
        ) -> ();
        exchange_unbind(
            destination: &'a str, source: &'a str, routing_key: &'a str, arguments: FieldTable
        ) -> ();
        queue_declare(queue: &'a str, options: QueueDeclareOptions) -> QueueDeclareOk;
        queue_declare_passive(queue: &'a str) -> QueueDeclareOk;
        queue_bind(
            queue: &'a str, exchange: &'a str, routing_key: &'a str, arguments: FieldTable
        ) -> ();
        queue_unbind(
            queue: &'a str, exchange: &'a str, routing_key: &'a str, arguments: FieldTable
        ) -> ();
        queue_purge(queue: &'a str) -> u64;
        queue_delete(queue: &'a str, options: QueueDeleteOptions) -> u64;
        basic_qos(prefetch_count: u16, scope: QosScope) -> ();
        basic_consume(
            queue: &'a str, consumer_tag: &'a str, options: BasicConsumeOptions
        ) -> Box<dyn LinkConsumer>;
        basic_cancel(consumer_tag: &'a str) -> ();
        basic_get(queue: &'a str, no_ack: NoAck) -> Option<GetOk>;
        basic_recover() -> ();
        confirm_select() -> ();
        close() -> ();
    }

    unanswered! {
        basic_publish(
            exchange: &'a str, routing_key: &'a str, options: BasicPublishOptions, message: Message
        ) -> Option<u64>;
        basic_ack(delivery_tag: u64, multiple: Multiple) -> ();
        basic_nack(delivery_tag: u64, multiple: Multiple, requeue: Requeue) -> ();
        basic_reject(delivery_tag: u64, requeue: Requeue) -> ();
    }

    fn next_event(&self) -> Pin<Box<dyn Future<Output = Option<ChannelEvent>> + Send + '_>> {
        self.0.next_event()
    }

    fn close_reason(&self) -> Option<LinkError> {
        self.0.close_reason()
    }
}
