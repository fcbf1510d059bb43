//! A channel whose consumers can be cancelled.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use springhare_amqp::{FieldTable, Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, ChannelEvent, ConsumerEnd, Delivery,
    ExchangeDeclareOptions, GetOk, IfUnused, Multiple, NoAck, QosScope, QueueDeclareOk,
    QueueDeclareOptions, QueueDeleteOptions, Requeue,
};

use super::Faults;
use crate::connection::{LinkChannel, LinkConsumer, LinkError, LinkFuture};

/// A channel on which faults happen.
#[derive(Debug)]
pub(super) struct FaultChannel {
    pub(super) inner: Arc<dyn LinkChannel>,
    pub(super) faults: Faults,
}

/// Calls that go through as they are.
macro_rules! through {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)+) => {
        $(
            fn $name<'a>(&'a self, $($argument: $kind),*) -> LinkFuture<'a, $answer> {
                self.inner.$name($($argument),*)
            }
        )+
    };
}

impl LinkChannel for FaultChannel {
    through! {
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
        basic_cancel(consumer_tag: &'a str) -> ();
        basic_get(queue: &'a str, no_ack: NoAck) -> Option<GetOk>;
        basic_publish(
            exchange: &'a str, routing_key: &'a str, options: BasicPublishOptions, message: Message
        ) -> Option<u64>;
        basic_ack(delivery_tag: u64, multiple: Multiple) -> ();
        basic_nack(delivery_tag: u64, multiple: Multiple, requeue: Requeue) -> ();
        basic_reject(delivery_tag: u64, requeue: Requeue) -> ();
        basic_recover() -> ();
        confirm_select() -> ();
        close() -> ();
    }

    fn basic_consume<'a>(
        &'a self,
        queue: &'a str,
        consumer_tag: &'a str,
        options: BasicConsumeOptions,
    ) -> LinkFuture<'a, Box<dyn LinkConsumer>> {
        Box::pin(async move {
            let inner = self.inner.basic_consume(queue, consumer_tag, options).await?;
            let cancelling = Arc::new(Cancelling::of(queue));
            self.faults.consumer(&cancelling);
            let tag = inner.tag().clone();
            let consumer: Box<dyn LinkConsumer> =
                Box::new(FaultConsumer { tag, inner: Some(inner), cancelling });
            Ok(consumer)
        })
    }

    fn next_event(&self) -> Pin<Box<dyn Future<Output = Option<ChannelEvent>> + Send + '_>> {
        self.inner.next_event()
    }

    fn close_reason(&self) -> Option<LinkError> {
        self.inner.close_reason()
    }
}

/// What cancels a consumer.
#[derive(Debug)]
pub(super) struct Cancelling {
    queue: String,
    is_cancelled: AtomicBool,
    reader: AtomicWaker,
}

impl Cancelling {
    fn of(queue: &str) -> Self {
        let (is_cancelled, reader) = (AtomicBool::new(false), AtomicWaker::new());
        Self { queue: queue.to_owned(), is_cancelled, reader }
    }

    /// Cancels it if it is this queue's; whether it did.
    pub(super) fn cancel(&self, queue: &str) -> bool {
        let cancels = self.queue == queue && !self.is_cancelled.swap(true, Ordering::AcqRel);
        if cancels {
            self.reader.wake();
        }
        cancels
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
struct FaultConsumer {
    tag: ShortString,
    /// None once it is cancelled.
    inner: Option<Box<dyn LinkConsumer>>,
    cancelling: Arc<Cancelling>,
}

impl LinkConsumer for FaultConsumer {
    fn tag(&self) -> &ShortString {
        &self.tag
    }

    fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut VecDeque<Delivery>,
        max: usize,
    ) -> Poll<usize> {
        self.cancelling.reader.register(cx.waker());
        if self.cancelling.is_cancelled() {
            self.inner = None;
        }
        match &mut self.inner {
            Some(inner) => inner.poll_recv_many(cx, buffer, max),
            None => Poll::Ready(0),
        }
    }

    fn end(&self) -> Option<ConsumerEnd> {
        match &self.inner {
            Some(inner) => inner.end(),
            None => Some(ConsumerEnd::CancelledByBroker),
        }
    }
}
