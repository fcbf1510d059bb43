//! What the cases about the queues' own features share: messages that expire or have a priority,
//! queues with dead letters, and time that passes on the broker's clock.

use springhare_amqp::{BasicProperties, FieldTable, FieldValue, Message, ShortString};
use springhare_broker::{NoAck, QueueDeclareOptions};

use crate::support::{Scene, arguments, text, with_properties};

/// A message that lives so many milliseconds.
pub(crate) fn expiring(body: &str, expiration: &str) -> Message {
    let expiration = Some(ShortString::new(expiration).unwrap());
    with_properties(body, BasicProperties { expiration, ..Default::default() })
}

/// A message with a priority.
pub(crate) fn prioritized(body: &str, priority: u8) -> Message {
    let priority = Some(priority);
    with_properties(body, BasicProperties { priority, ..Default::default() })
}

/// A number as an argument.
pub(crate) fn number(number: i32) -> FieldValue {
    FieldValue::I32(number)
}

/// A quorum queue.
pub(crate) fn quorum<const N: usize>(entries: [(&str, FieldValue); N]) -> QueueDeclareOptions {
    durable("quorum", entries)
}

/// A stream.
pub(crate) fn stream<const N: usize>(entries: [(&str, FieldValue); N]) -> QueueDeclareOptions {
    durable("stream", entries)
}

fn durable<const N: usize>(kind: &str, entries: [(&str, FieldValue); N]) -> QueueDeclareOptions {
    let mut options = QueueDeclareOptions { durable: true, ..arguments(entries) };
    options.arguments.insert("x-queue-type", text(kind)).unwrap();
    options
}

/// What a queue's dead letters are sent to, in its arguments: another queue, straight.
pub(crate) fn to_queue(mut options: QueueDeclareOptions, dead: &str) -> QueueDeclareOptions {
    options.arguments.insert("x-dead-letter-exchange", text("")).unwrap();
    options.arguments.insert("x-dead-letter-routing-key", text(dead)).unwrap();
    options
}

impl Scene<'_> {
    /// Publishes straight to the queue.
    pub(crate) async fn send(&self, queue: &str, message: Message) {
        self.channel.basic_publish("", queue, Default::default(), message).await.unwrap();
    }

    /// Declares the case's own queue, whose dead letters go straight to another, which is named.
    pub(crate) async fn dying<const N: usize>(&self, entries: [(&str, FieldValue); N]) -> String {
        let dead = self.named("dead");
        self.queue(&dead).await;
        self.queue_with(self.name(), to_queue(arguments(entries), &dead)).await;
        dead
    }

    /// Waits until so many messages are ready in the queue, and takes them out.
    pub(crate) async fn drained(&self, queue: &str, count: u64) -> Vec<String> {
        self.ready(queue, count).await;
        self.drain(queue).await
    }

    /// Asks whether the queue is there, which is no use of it: it does not begin to wait anew for
    /// its `x-expires`.
    pub(crate) async fn is_there(&self, queue: &str) {
        self.bind(queue, "amq.fanout", "unused").await;
    }

    /// The same for one that is not.
    pub(crate) async fn is_gone(&self, queue: &str) {
        let missing = format!("NOT_FOUND - no queue '{queue}' in vhost '/'");
        self.refused(404, &missing, async |channel| {
            channel.queue_bind(queue, "amq.fanout", "unused", FieldTable::new()).await
        })
        .await;
    }
}

/// Time that passes on the broker's own clock: a message in it lies there until it expires.
pub(crate) struct Hourglass<'s, 'l> {
    scene: &'s Scene<'l>,
    upper: String,
    lower: String,
}

impl<'s, 'l> Hourglass<'s, 'l> {
    pub(crate) async fn new(scene: &'s Scene<'l>) -> Self {
        let (upper, lower) = (scene.named("upper"), scene.named("lower"));
        scene.queue(&lower).await;
        scene.queue_with(&upper, to_queue(QueueDeclareOptions::default(), &lower)).await;
        Self { scene, upper, lower }
    }

    /// Waits until so many milliseconds have passed.
    pub(crate) async fn runs(&self, milliseconds: u32) {
        self.scene.send(&self.upper, expiring("sand", &milliseconds.to_string())).await;
        self.scene.ready(&self.lower, 1).await;
        self.scene.channel.basic_get(&self.lower, NoAck::Yes).await.unwrap().expect("it is ready");
    }
}
