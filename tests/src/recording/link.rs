use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use springhare::connection::{
    Link, LinkChannel, LinkConnection, LinkConsumer, LinkError, LinkFuture, LinkPublisher, Product,
};
use springhare_amqp::{FieldTable, Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, ChannelEvent, Clock, ConsumerEnd, Delivery,
    ExchangeDeclareOptions, GetOk, IfUnused, Multiple, NoAck, QosScope, QueueDeclareOk,
    QueueDeclareOptions, QueueDeleteOptions, Requeue,
};

use super::publisher::RecordingPublisher;
use super::record::{LaneWriter, PUBLISHER, Recorder};
use super::shown::{self, NOTHING, Shown};

/// A link that notes what goes over it.
#[derive(Debug)]
pub struct RecordingLink<L> {
    inner: L,
    recorder: Recorder,
}

impl<L: Link> RecordingLink<L> {
    /// A link over this one, and what writes its record.
    pub fn over(inner: L) -> (Self, Recorder) {
        let recorder = Recorder::default();
        (Self::with(inner, &recorder), recorder)
    }

    /// A link over this one, which goes on with a record.
    pub fn with(inner: L, recorder: &Recorder) -> Self {
        Self { inner, recorder: recorder.clone() }
    }
}

impl<L: Link> Link for RecordingLink<L> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn clock(&self) -> &Clock {
        self.inner.clock()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async move {
            let name_of_lane = format!("connection {}", self.recorder.next_connection());
            let lane = self.recorder.lane(&name_of_lane);
            let connected = self.inner.connect(name).await;
            lane.note(&format!("connect {name}"), outcome(&connected).as_str());
            let connection: Arc<dyn LinkConnection> = Arc::new(RecordingConnection {
                inner: connected?,
                recorder: self.recorder.clone(),
                name: name_of_lane,
                lane,
                channels: AtomicUsize::new(0),
            });
            Ok(connection)
        })
    }
}

fn outcome<T>(result: &Result<T, LinkError>) -> String {
    result.as_ref().map(|_| ()).map_err(Clone::clone).shown()
}

#[derive(Debug)]
struct RecordingConnection {
    inner: Arc<dyn LinkConnection>,
    recorder: Recorder,
    name: String,
    lane: LaneWriter,
    /// How many channels were opened on it.
    channels: AtomicUsize,
}

impl LinkConnection for RecordingConnection {
    fn open_channel(&self) -> LinkFuture<'_, Arc<dyn LinkChannel>> {
        Box::pin(async move {
            let number = self.channels.fetch_add(1, Ordering::Relaxed) + 1;
            let opened = self.inner.open_channel().await;
            self.lane.note("channel.open", &outcome(&opened));
            let name = format!("{}, channel {number}", self.name);
            let channel: Arc<dyn LinkChannel> = Arc::new(RecordingChannel {
                inner: opened?,
                recorder: self.recorder.clone(),
                lane: self.recorder.lane(&name),
                events: self.recorder.lane(&format!("{name}, events")),
                delivered: Delivered::default(),
                name,
            });
            Ok(channel)
        })
    }

    fn publisher(&self) -> LinkFuture<'_, Arc<dyn LinkPublisher>> {
        Box::pin(async move {
            let inner = self.inner.publisher().await?;
            let lane = self.recorder.lane(&format!("{}, {PUBLISHER}", self.name));
            let publisher: Arc<dyn LinkPublisher> = Arc::new(RecordingPublisher { inner, lane });
            Ok(publisher)
        })
    }

    fn product(&self) -> Product {
        self.inner.product()
    }

    fn close(&self) -> LinkFuture<'_, ()> {
        Box::pin(async move {
            let closed = self.inner.close().await;
            self.lane.note("connection.close", &closed.shown());
            closed
        })
    }

    fn closed(&self) -> Option<LinkError> {
        self.inner.closed()
    }
}

/// What a channel's deliveries were, by their tags: when it has several consumers, each broker
/// gives the tags in an order of its own.
#[derive(Debug, Clone, Default)]
struct Delivered(Arc<Mutex<HashMap<u64, String>>>);

impl Delivered {
    fn add(&self, delivery: &Delivery) {
        let body = shown::body(&delivery.message.message);
        self.bodies().insert(delivery.delivery_tag, body);
    }

    fn named(&self, delivery_tag: u64, multiple: Multiple) -> String {
        match multiple {
            Multiple::UpTo => format!("up to {delivery_tag}"),
            Multiple::One => {
                let known = self.bodies().get(&delivery_tag).cloned();
                known.unwrap_or_else(|| format!("tag {delivery_tag}"))
            }
        }
    }

    fn bodies(&self) -> MutexGuard<'_, HashMap<u64, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct RecordingChannel {
    inner: Arc<dyn LinkChannel>,
    recorder: Recorder,
    name: String,
    lane: LaneWriter,
    events: LaneWriter,
    delivered: Delivered,
}

/// Calls that are noted with their arguments as they are.
macro_rules! noted {
    ($($name:ident = $word:literal ($($argument:ident: $kind:ty),*) -> $answer:ty;)+) => {
        $(
            fn $name<'a>(&'a self, $($argument: $kind),*) -> LinkFuture<'a, $answer> {
                let operation = [$word.to_owned() $(, format!("{:?}", $argument))*].join(" ");
                Box::pin(async move {
                    let answer = self.inner.$name($($argument),*).await;
                    self.lane.note(&operation, &answer.shown());
                    answer
                })
            }
        )+
    };
}

impl RecordingChannel {
    fn settled<'a>(
        &'a self,
        operation: String,
        settling: LinkFuture<'a, ()>,
    ) -> LinkFuture<'a, ()> {
        Box::pin(async move {
            let answer = settling.await;
            self.lane.note(&operation, &answer.shown());
            answer
        })
    }
}

impl LinkChannel for RecordingChannel {
    noted! {
        exchange_declare = "exchange.declare" (
            exchange: &'a str, kind: &'a str, options: ExchangeDeclareOptions
        ) -> ();
        exchange_declare_passive = "exchange.declare passive" (exchange: &'a str) -> ();
        exchange_delete = "exchange.delete" (exchange: &'a str, if_unused: IfUnused) -> ();
        exchange_bind = "exchange.bind" (
            destination: &'a str, source: &'a str, routing_key: &'a str, arguments: FieldTable
        ) -> ();
        exchange_unbind = "exchange.unbind" (
            destination: &'a str, source: &'a str, routing_key: &'a str, arguments: FieldTable
        ) -> ();
        queue_declare = "queue.declare" (
            queue: &'a str, options: QueueDeclareOptions
        ) -> QueueDeclareOk;
        queue_bind = "queue.bind" (
            queue: &'a str, exchange: &'a str, routing_key: &'a str, arguments: FieldTable
        ) -> ();
        queue_unbind = "queue.unbind" (
            queue: &'a str, exchange: &'a str, routing_key: &'a str, arguments: FieldTable
        ) -> ();
        queue_purge = "queue.purge" (queue: &'a str) -> u64;
        queue_delete = "queue.delete" (queue: &'a str, options: QueueDeleteOptions) -> u64;
        basic_qos = "basic.qos" (prefetch_count: u16, scope: QosScope) -> ();
        basic_cancel = "basic.cancel" (consumer_tag: &'a str) -> ();
        basic_recover = "basic.recover" () -> ();
        confirm_select = "confirm.select" () -> ();
        close = "channel.close" () -> ();
    }

    fn basic_ack(&self, delivery_tag: u64, multiple: Multiple) -> LinkFuture<'_, ()> {
        let operation = format!("basic.ack {}", self.delivered.named(delivery_tag, multiple));
        self.settled(operation, self.inner.basic_ack(delivery_tag, multiple))
    }

    fn basic_nack(
        &self,
        delivery_tag: u64,
        multiple: Multiple,
        requeue: Requeue,
    ) -> LinkFuture<'_, ()> {
        let delivery = self.delivered.named(delivery_tag, multiple);
        let operation = format!("basic.nack {delivery}, requeue {requeue:?}");
        self.settled(operation, self.inner.basic_nack(delivery_tag, multiple, requeue))
    }

    fn basic_reject(&self, delivery_tag: u64, requeue: Requeue) -> LinkFuture<'_, ()> {
        let delivery = self.delivered.named(delivery_tag, Multiple::One);
        let operation = format!("basic.reject {delivery}, requeue {requeue:?}");
        self.settled(operation, self.inner.basic_reject(delivery_tag, requeue))
    }

    fn queue_declare_passive<'a>(&'a self, queue: &'a str) -> LinkFuture<'a, QueueDeclareOk> {
        Box::pin(async move {
            let answer = self.inner.queue_declare_passive(queue).await;
            let operation = format!("queue.declare passive {queue:?}");
            self.lane.note_poll(&operation, &answer.shown(), |_| true);
            answer
        })
    }

    fn basic_get<'a>(&'a self, queue: &'a str, no_ack: NoAck) -> LinkFuture<'a, Option<GetOk>> {
        Box::pin(async move {
            let answer = self.inner.basic_get(queue, no_ack).await;
            if let Ok(Some(got)) = &answer {
                self.delivered.add(&got.delivery);
            }
            let operation = format!("basic.get {queue:?} {no_ack:?}");
            self.lane.note_poll(&operation, &answer.shown(), |last| last == NOTHING);
            answer
        })
    }

    fn basic_publish<'a>(
        &'a self,
        exchange: &'a str,
        routing_key: &'a str,
        options: BasicPublishOptions,
        message: Message,
    ) -> LinkFuture<'a, Option<u64>> {
        let shown = message.shown();
        Box::pin(async move {
            let answer = self.inner.basic_publish(exchange, routing_key, options, message).await;
            let operation = format!("basic.publish {exchange:?} {routing_key:?} {shown}");
            self.lane.note(&operation, &answer.shown());
            answer
        })
    }

    fn basic_consume<'a>(
        &'a self,
        queue: &'a str,
        consumer_tag: &'a str,
        options: BasicConsumeOptions,
    ) -> LinkFuture<'a, Box<dyn LinkConsumer>> {
        let operation = format!("basic.consume {queue:?} {consumer_tag:?} {options:?}");
        Box::pin(async move {
            let answer = self.inner.basic_consume(queue, consumer_tag, options).await;
            self.lane.note(&operation, &answer.shown());
            let inner = answer?;
            let lane = self.recorder.lane(&format!("{}, consumer {}", self.name, inner.tag()));
            let consumer: Box<dyn LinkConsumer> =
                Box::new(RecordingConsumer { inner, lane, delivered: self.delivered.clone() });
            Ok(consumer)
        })
    }

    fn next_event(&self) -> Pin<Box<dyn Future<Output = Option<ChannelEvent>> + Send + '_>> {
        Box::pin(async move {
            let event = self.inner.next_event().await;
            if let Some(shown) = shown::event(event.as_ref()) {
                self.events.note("event", &shown);
            }
            event
        })
    }

    fn close_reason(&self) -> Option<LinkError> {
        self.inner.close_reason()
    }
}

#[derive(Debug)]
struct RecordingConsumer {
    inner: Box<dyn LinkConsumer>,
    lane: LaneWriter,
    delivered: Delivered,
}

impl LinkConsumer for RecordingConsumer {
    fn tag(&self) -> &ShortString {
        self.inner.tag()
    }

    fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut VecDeque<Delivery>,
        max: usize,
    ) -> Poll<usize> {
        let before = buffer.len();
        let polled = self.inner.poll_recv_many(cx, buffer, max);
        for delivery in buffer.iter().skip(before) {
            self.delivered.add(delivery);
            self.lane.note("delivery", &delivery.shown());
        }
        if let (Poll::Ready(0), Some(end)) = (&polled, self.inner.end()) {
            self.lane.note_poll("the end", &end.shown(), |_| true);
        }
        polled
    }

    fn end(&self) -> Option<ConsumerEnd> {
        self.inner.end()
    }
}
