//! For unit tests of handlers: a channel and a delivery tag without a broker.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use springhare_amqp::{AmqpError, FieldTable, Message, MethodId, ReplyCode};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, ChannelEvent, ExchangeDeclareOptions, GetOk,
    IfUnused, Multiple, NoAck, QosScope, QueueDeclareOk, QueueDeclareOptions, QueueDeleteOptions,
    Requeue,
};

use crate::channel::{Channel, DeliveryTag, Purpose, Settlement};
use crate::connection::{LinkChannel, LinkConsumer, LinkError, LinkFuture};

/// What a handler did to a delivery of [`delivery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It acknowledged it.
    Acked(Multiple),
    /// It refused it by `nack`.
    Nacked(Requeue),
    /// It refused it by `reject`.
    Rejected(Requeue),
}

/// A delivery for a unit test of a handler, with a channel that only settles.
#[derive(Debug)]
pub struct TestDelivery {
    /// For the handler's `Channel`.
    pub channel: Channel,
    /// For the handler's `DeliveryTag`.
    pub tag: DeliveryTag,
    /// Tells what the handler did.
    pub settlements: Settlements,
}

/// What was settled on a test's channel.
#[derive(Debug, Clone)]
pub struct Settlements(Arc<SettlingChannel>);

impl Settlements {
    /// The settlements so far, in their order.
    #[must_use]
    pub fn all(&self) -> Vec<Settled> {
        self.0.lock().clone()
    }

    /// The one settlement; none if there is none.
    #[must_use]
    pub fn last(&self) -> Option<Settled> {
        self.0.lock().last().copied()
    }
}

/// A channel and a delivery tag to call a handler with.
///
/// The channel settles and does nothing else: every other operation is refused.
///
/// ```
/// use springhare::prelude::*;
/// use springhare::test::{Settled, delivery};
///
/// #[rabbit_listener(queue = "orders", ack = "manual")]
/// async fn fulfil(order: Text, channel: Channel, tag: DeliveryTag) -> ListenerResult {
///     channel.ack(tag).await?;
///     Ok(())
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() {
///     let test = delivery();
///     fulfil(Text("tea".into()), test.channel, test.tag).await.unwrap();
///     assert!(matches!(test.settlements.last(), Some(Settled::Acked(_))));
/// }
/// ```
#[must_use]
pub fn delivery() -> TestDelivery {
    let link = Arc::new(SettlingChannel::default());
    let channel = Channel::new(Arc::clone(&link) as Arc<dyn LinkChannel>, Purpose::Listener);
    let settlement = Settlement::new(Arc::from("a test"));
    let tag = channel.delivery_tag(1, settlement);
    TestDelivery { channel, tag, settlements: Settlements(link) }
}

/// A channel that only settles, and remembers it.
#[derive(Debug, Default)]
struct SettlingChannel(Mutex<Vec<Settled>>);

impl SettlingChannel {
    fn lock(&self) -> MutexGuard<'_, Vec<Settled>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settled(&self, settled: Settled) -> LinkFuture<'_, ()> {
        self.lock().push(settled);
        Box::pin(std::future::ready(Ok(())))
    }
}

fn refused<'a, T: Send + 'a>(method: MethodId) -> LinkFuture<'a, T> {
    let text = "a test's channel only settles";
    let error = AmqpError::new(ReplyCode::NotImplemented, method, text);
    Box::pin(std::future::ready(Err(LinkError::Amqp(error))))
}

impl LinkChannel for SettlingChannel {
    fn exchange_declare<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: ExchangeDeclareOptions,
    ) -> LinkFuture<'a, ()> {
        refused(MethodId::EXCHANGE_DECLARE)
    }

    fn exchange_declare_passive<'a>(&'a self, _: &'a str) -> LinkFuture<'a, ()> {
        refused(MethodId::EXCHANGE_DECLARE)
    }

    fn exchange_delete<'a>(&'a self, _: &'a str, _: IfUnused) -> LinkFuture<'a, ()> {
        refused(MethodId::EXCHANGE_DELETE)
    }

    fn exchange_bind<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
        _: FieldTable,
    ) -> LinkFuture<'a, ()> {
        refused(MethodId::EXCHANGE_BIND)
    }

    fn exchange_unbind<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
        _: FieldTable,
    ) -> LinkFuture<'a, ()> {
        refused(MethodId::EXCHANGE_UNBIND)
    }

    fn queue_declare<'a>(
        &'a self,
        _: &'a str,
        _: QueueDeclareOptions,
    ) -> LinkFuture<'a, QueueDeclareOk> {
        refused(MethodId::QUEUE_DECLARE)
    }

    fn queue_declare_passive<'a>(&'a self, _: &'a str) -> LinkFuture<'a, QueueDeclareOk> {
        refused(MethodId::QUEUE_DECLARE)
    }

    fn queue_bind<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
        _: FieldTable,
    ) -> LinkFuture<'a, ()> {
        refused(MethodId::QUEUE_BIND)
    }

    fn queue_unbind<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
        _: FieldTable,
    ) -> LinkFuture<'a, ()> {
        refused(MethodId::QUEUE_UNBIND)
    }

    fn queue_purge<'a>(&'a self, _: &'a str) -> LinkFuture<'a, u64> {
        refused(MethodId::QUEUE_PURGE)
    }

    fn queue_delete<'a>(&'a self, _: &'a str, _: QueueDeleteOptions) -> LinkFuture<'a, u64> {
        refused(MethodId::QUEUE_DELETE)
    }

    fn basic_qos(&self, _: u16, _: QosScope) -> LinkFuture<'_, ()> {
        refused(MethodId::BASIC_QOS)
    }

    fn basic_consume<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: BasicConsumeOptions,
    ) -> LinkFuture<'a, Box<dyn LinkConsumer>> {
        refused(MethodId::BASIC_CONSUME)
    }

    fn basic_cancel<'a>(&'a self, _: &'a str) -> LinkFuture<'a, ()> {
        refused(MethodId::BASIC_CANCEL)
    }

    fn basic_get<'a>(&'a self, _: &'a str, _: NoAck) -> LinkFuture<'a, Option<GetOk>> {
        refused(MethodId::BASIC_GET)
    }

    fn basic_publish<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: BasicPublishOptions,
        _: Message,
    ) -> LinkFuture<'a, Option<u64>> {
        refused(MethodId::BASIC_PUBLISH)
    }

    fn basic_ack(&self, _: u64, multiple: Multiple) -> LinkFuture<'_, ()> {
        self.settled(Settled::Acked(multiple))
    }

    fn basic_nack(&self, _: u64, _: Multiple, requeue: Requeue) -> LinkFuture<'_, ()> {
        self.settled(Settled::Nacked(requeue))
    }

    fn basic_reject(&self, _: u64, requeue: Requeue) -> LinkFuture<'_, ()> {
        self.settled(Settled::Rejected(requeue))
    }

    fn basic_recover(&self) -> LinkFuture<'_, ()> {
        refused(MethodId::BASIC_RECOVER)
    }

    fn confirm_select(&self) -> LinkFuture<'_, ()> {
        refused(MethodId::CONFIRM_SELECT)
    }

    fn next_event(&self) -> Pin<Box<dyn Future<Output = Option<ChannelEvent>> + Send + '_>> {
        Box::pin(std::future::ready(None))
    }

    fn close(&self) -> LinkFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close_reason(&self) -> Option<LinkError> {
        None
    }
}
