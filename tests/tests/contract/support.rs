use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use springhare::connection::{Link, LinkChannel, LinkConnection, LinkConsumer, LinkError};
use springhare_amqp::{AmqpError, BasicProperties, FieldTable, FieldValue, Message};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, ChannelEvent, Delivery, ExchangeDeclareOptions,
    NoAck, QueueDeclareOptions,
};
use springhare_tests::{eventually, within_limit};

/// A connection, a channel on it, and names that no other case uses.
pub(crate) struct Scene<'l> {
    link: &'l dyn Link,
    name: String,
    pub(crate) connection: Arc<dyn LinkConnection>,
    pub(crate) channel: Arc<dyn LinkChannel>,
}

impl<'l> Scene<'l> {
    pub(crate) async fn new(link: &'l dyn Link) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let name = format!("case{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let connection = link.connect(&name).await.unwrap();
        let channel = connection.open_channel().await.unwrap();
        Self { link, name, connection, channel }
    }

    /// The name of the case's own queue or exchange.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Another name of the case's own.
    pub(crate) fn named(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    /// Another channel on the same connection.
    pub(crate) async fn open(&self) -> Arc<dyn LinkChannel> {
        self.connection.open_channel().await.unwrap()
    }

    /// The same on another channel.
    pub(crate) async fn reopened(&self) -> Self {
        let (connection, channel) = (Arc::clone(&self.connection), self.open().await);
        Self { link: self.link, name: self.name.clone(), connection, channel }
    }

    /// Another connection.
    pub(crate) async fn connect(&self) -> Arc<dyn LinkConnection> {
        self.link.connect(&self.name).await.unwrap()
    }

    /// Declares a queue without any options.
    pub(crate) async fn queue(&self, name: &str) {
        self.queue_with(name, QueueDeclareOptions::default()).await;
    }

    pub(crate) async fn queue_with(&self, name: &str, options: QueueDeclareOptions) {
        self.channel.queue_declare(name, options).await.unwrap();
    }

    /// Declares an exchange without any options.
    pub(crate) async fn exchange(&self, name: &str, kind: &str) {
        let options = ExchangeDeclareOptions::default();
        self.channel.exchange_declare(name, kind, options).await.unwrap();
    }

    pub(crate) async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        self.channel.queue_bind(queue, exchange, key, FieldTable::new()).await.unwrap();
    }

    pub(crate) async fn publish(&self, exchange: &str, key: &str, body: &str) {
        let message = Message::new(body.to_owned());
        let options = BasicPublishOptions::default();
        self.channel.basic_publish(exchange, key, options, message).await.unwrap();
    }

    /// Declares the queue and publishes the bodies `1` to `count` into it.
    pub(crate) async fn fill(&self, queue: &str, count: u64) {
        self.queue(queue).await;
        self.add(queue, count).await;
    }

    /// Publishes the bodies `1` to `count` into an empty queue.
    pub(crate) async fn add(&self, queue: &str, count: u64) {
        for body in 1..=count {
            self.publish("", queue, &body.to_string()).await;
        }
        self.ready(queue, count).await;
    }

    /// Waits until so many messages are ready in the queue.
    pub(crate) async fn ready(&self, queue: &str, count: u64) {
        let what = format!("{count} messages are ready in '{queue}'");
        eventually(&what, async || {
            let declared = self.channel.queue_declare_passive(queue).await.unwrap();
            (declared.message_count == count).then_some(())
        })
        .await;
    }

    pub(crate) async fn get(&self, queue: &str) -> Delivery {
        let got = self.channel.basic_get(queue, NoAck::No).await.unwrap();
        got.expect("a message is ready").delivery
    }

    /// Gets `count` messages, unacknowledged.
    pub(crate) async fn get_many(&self, queue: &str, count: u64) {
        for _ in 0..count {
            self.get(queue).await;
        }
    }

    /// Takes everything out of the queue: bodies, with an `R` behind the redelivered ones.
    pub(crate) async fn drain(&self, queue: &str) -> Vec<String> {
        let mut drained = Vec::new();
        while let Some(got) = self.channel.basic_get(queue, NoAck::Yes).await.unwrap() {
            drained.push(shown(&got.delivery));
        }
        drained
    }

    /// Starts a consumer with acknowledgements.
    pub(crate) async fn consume(&self, queue: &str, tag: &str) -> Box<dyn LinkConsumer> {
        let options = BasicConsumeOptions::default();
        self.channel.basic_consume(queue, tag, options).await.unwrap()
    }

    /// What `attempt` does on a channel of its own is refused with this error, and closes just
    /// that channel.
    pub(crate) async fn refused<T: Debug>(
        &self,
        code: u16,
        text: &str,
        attempt: impl AsyncFnOnce(Arc<dyn LinkChannel>) -> Result<T, LinkError>,
    ) {
        let channel = self.open().await;
        let error = refusal(attempt(Arc::clone(&channel)).await, code, text);
        closed_with(channel.close_reason(), &error);
        within_limit("the channel's last event", last_event(&*channel, &error)).await;
        assert!(channel.basic_recover().await.is_err(), "a closed channel does nothing");
        assert!(self.connection.closed().is_none(), "a channel's error closes no connection");
        self.open().await;
    }

    /// What `attempt` does on a connection of its own is refused with this error, and closes
    /// that connection with all its channels.
    pub(crate) async fn connection_refused<T: Debug>(
        &self,
        code: u16,
        text: &str,
        attempt: impl AsyncFnOnce(Arc<dyn LinkChannel>) -> Result<T, LinkError>,
    ) {
        let connection = self.connect().await;
        let bystander = connection.open_channel().await.unwrap();
        let channel = connection.open_channel().await.unwrap();
        let error = refusal(attempt(channel).await, code, text);
        eventually("the connection is closed", async || connection.closed()).await;
        closed_with(connection.closed(), &error);
        within_limit("the other channel's last event", last_event(&*bystander, &error)).await;
        assert!(connection.open_channel().await.is_err(), "a closed connection does nothing");
    }
}

fn refusal<T: Debug>(result: Result<T, LinkError>, code: u16, text: &str) -> AmqpError {
    match result {
        Err(LinkError::Amqp(error)) => {
            assert_eq!((error.code().code(), error.text()), (code, text));
            error
        }
        other => panic!("expected {code} {text}, got {other:?}"),
    }
}

fn closed_with(reason: Option<LinkError>, error: &AmqpError) {
    let reason = reason.expect("it is closed");
    let reason = reason.amqp().expect("by the protocol's error");
    assert_eq!((reason.code(), reason.text()), (error.code(), error.text()));
}

/// Events end with the closure, which names the error.
async fn last_event(channel: &dyn LinkChannel, error: &AmqpError) {
    loop {
        match channel.next_event().await {
            Some(ChannelEvent::Closed(reason)) => {
                assert_eq!((reason.code(), reason.text()), (error.code(), error.text()));
                break;
            }
            Some(_) => {}
            None => panic!("the events ended without the closure"),
        }
    }
    assert!(channel.next_event().await.is_none(), "nothing after the closure");
}

/// The body, with an `R` behind it if redelivered.
pub(crate) fn shown(delivery: &Delivery) -> String {
    let body = String::from_utf8_lossy(&delivery.message.message.body).into_owned();
    if delivery.redelivered { body + "R" } else { body }
}

/// Receives from all the consumers until `count` deliveries are there, in the order of their
/// bodies: `consumer:body`, with an `R` behind the redelivered ones.
pub(crate) async fn dealt(consumers: &mut [Box<dyn LinkConsumer>], count: usize) -> Vec<String> {
    dealt_tags(consumers, count).await.into_iter().map(|(shown, _)| shown).collect()
}

/// The same with the delivery tags, which each broker gives in an order of its own when there
/// are several consumers.
pub(crate) async fn dealt_tags(
    consumers: &mut [Box<dyn LinkConsumer>],
    count: usize,
) -> Vec<(String, u64)> {
    let mut dealt = Vec::new();
    let mut buffer = VecDeque::new();
    let receive = poll_fn(|cx| {
        for consumer in consumers.iter_mut() {
            // Until it is pending, or else nobody wakes this up for what comes next.
            while dealt.len() < count
                && let Poll::Ready(1..) =
                    consumer.poll_recv_many(cx, &mut buffer, count - dealt.len())
            {
                let tag = consumer.tag().as_str();
                dealt.extend(buffer.drain(..).map(|d| (shown(&d), tag.to_owned(), d.delivery_tag)));
            }
        }
        if dealt.len() < count { Poll::Pending } else { Poll::Ready(()) }
    });
    within_limit(&format!("{count} deliveries"), receive).await;
    dealt.sort();
    dealt.into_iter().map(|(body, tag, number)| (format!("{tag}:{body}"), number)).collect()
}

/// The same for one consumer, without its name.
pub(crate) async fn received(consumer: &mut Box<dyn LinkConsumer>, count: usize) -> Vec<String> {
    let skipped = consumer.tag().len() + 1;
    let mut dealt = dealt_tags(std::slice::from_mut(consumer), count).await;
    dealt.sort_by_key(|(_, delivery_tag)| *delivery_tag);
    dealt.into_iter().map(|(shown, _)| shown[skipped..].to_owned()).collect()
}

/// Waits until the consumer has ended, and returns what it received on the way.
pub(crate) async fn ended(consumer: &mut Box<dyn LinkConsumer>) -> VecDeque<Delivery> {
    let mut buffer = VecDeque::new();
    let ended =
        async { while poll_fn(|cx| consumer.poll_recv_many(cx, &mut buffer, 16)).await > 0 {} };
    within_limit("the end of the consumer", ended).await;
    buffer
}

pub(crate) fn table<const N: usize>(entries: [(&str, FieldValue); N]) -> FieldTable {
    let mut table = FieldTable::new();
    for (name, value) in entries {
        table.insert(name, value).unwrap();
    }
    table
}

pub(crate) fn text(text: &str) -> FieldValue {
    FieldValue::text(text)
}

pub(crate) fn arguments<const N: usize>(entries: [(&str, FieldValue); N]) -> QueueDeclareOptions {
    QueueDeclareOptions { arguments: table(entries), ..Default::default() }
}

pub(crate) fn with_properties(body: &str, properties: BasicProperties) -> Message {
    Message::new(body.to_owned()).with_properties(properties)
}

/// A channel in confirm mode that finds out whether a message reaches a queue.
pub(crate) struct Router(Arc<dyn LinkChannel>);

impl Router {
    pub(crate) async fn new(scene: &Scene<'_>) -> Self {
        let channel = scene.open().await;
        channel.confirm_select().await.unwrap();
        Self(channel)
    }

    pub(crate) async fn routes(&self, exchange: &str, key: &str) -> bool {
        self.routes_message(exchange, key, Message::new("")).await
    }

    pub(crate) async fn routes_message(&self, exchange: &str, key: &str, message: Message) -> bool {
        let options = BasicPublishOptions { mandatory: true };
        self.0.basic_publish(exchange, key, options, message).await.unwrap();
        let mut is_routed = true;
        loop {
            match within_limit("a confirm", self.0.next_event()).await {
                Some(ChannelEvent::Returned(_)) => is_routed = false,
                Some(ChannelEvent::Confirmed { .. }) => return is_routed,
                other => panic!("unexpected: {other:?}"),
            }
        }
    }
}
