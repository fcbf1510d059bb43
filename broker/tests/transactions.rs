//! Transactions on the embedded API, case by case as RabbitMQ 3.10 was seen to behave.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use springhare_amqp::{AmqpError, FieldTable, FieldValue, Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, Broker, BrokerConfig, Channel, ChannelEvent,
    Consumer, Delivery, Multiple, NoAck, QosScope, QueueDeclareOptions, QueueDeleteOptions,
    Requeue,
};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// A transactional channel, and a plain one of another connection that watches.
struct Scene {
    broker: Broker,
    channel: Channel,
    watcher: Channel,
}

impl Scene {
    /// With the queue `q`, in which are the messages `1` to `count`.
    async fn with(count: u64) -> Result<Self> {
        Self::on(Broker::builder().start()?, count).await
    }

    async fn on(broker: Broker, count: u64) -> Result<Self> {
        let channel = broker.connect("transactional")?.open_channel()?;
        let watcher = broker.connect("watcher")?.open_channel()?;
        let scene = Self { broker, channel, watcher };
        scene.declare("q").await?;
        for body in 1..=count {
            publish(&scene.watcher, "q", &body.to_string()).await?;
        }
        scene.channel.tx_select().await?;
        Ok(scene)
    }

    async fn declare(&self, queue: &str) -> Result<(), AmqpError> {
        self.watcher.queue_declare(queue, QueueDeclareOptions::default()).await.map(|_| ())
    }

    async fn delete(&self, queue: &str) -> Result<(), AmqpError> {
        self.watcher.queue_delete(queue, QueueDeleteOptions::default()).await.map(|_| ())
    }

    async fn ready(&self, queue: &str) -> Result<u64, AmqpError> {
        Ok(self.watcher.queue_declare_passive(queue).await?.message_count)
    }

    /// Takes everything out of the queue: bodies, with an `R` behind the redelivered ones.
    async fn drain(&self, queue: &str) -> Result<Vec<String>, AmqpError> {
        let mut drained = Vec::new();
        while let Some(got) = self.watcher.basic_get(queue, NoAck::Yes).await? {
            drained.push(shown(&got.delivery));
        }
        Ok(drained)
    }

    async fn get(&self) -> Result<u64> {
        let got = self.channel.basic_get("q", NoAck::No).await?.ok_or("a message")?;
        Ok(got.delivery.delivery_tag)
    }

    async fn consume(&self) -> Result<Consumer, AmqpError> {
        self.channel.basic_consume("q", "c", BasicConsumeOptions::default()).await
    }

    async fn ack(&self, tag: u64, multiple: Multiple) -> Result<(), AmqpError> {
        self.channel.basic_ack(tag, multiple).await
    }
}

fn shown(delivery: &Delivery) -> String {
    let body = String::from_utf8_lossy(&delivery.message.message.body).into_owned();
    if delivery.redelivered { body + "R" } else { body }
}

/// What the consumer has got by now.
fn received(consumer: &mut Consumer) -> Vec<String> {
    let mut context = Context::from_waker(Waker::noop());
    let mut received = Vec::new();
    while let Poll::Ready(Some(delivery)) = pin!(consumer.recv()).poll(&mut context) {
        received.push(shown(&delivery));
    }
    received
}

/// What the channel is told next, if anything waits.
fn event(channel: &Channel) -> Option<ChannelEvent> {
    match pin!(channel.next_event()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(event) => event,
        Poll::Pending => None,
    }
}

fn returned(channel: &Channel) -> Option<String> {
    match event(channel) {
        Some(ChannelEvent::Returned(returned)) => {
            assert_eq!((returned.reply_code.code(), &*returned.reply_text), (312, "NO_ROUTE"));
            Some(String::from_utf8_lossy(&returned.message.body).into_owned())
        }
        _ => None,
    }
}

async fn publish(channel: &Channel, queue: &str, body: &str) -> Result<(), AmqpError> {
    let message = Message::new(body.to_owned());
    let number = channel.basic_publish("", queue, Default::default(), message).await?;
    assert_eq!(number, None);
    Ok(())
}

async fn publish_mandatory(channel: &Channel, queue: &str, body: &str) -> Result<(), AmqpError> {
    let options = BasicPublishOptions { mandatory: true };
    let message = Message::new(body.to_owned());
    channel.basic_publish("", queue, options, message).await.map(|_| ())
}

fn check<T>(result: Result<T, AmqpError>, expected: &str) {
    assert_eq!(result.err().map(|error| error.to_string()).as_deref(), Some(expected));
}

#[tokio::test]
async fn a_channel_is_transactional_or_confirms_for_good() -> Result {
    let broker = Broker::builder().start()?;
    let connection = broker.connect("test")?;
    let not = "406 PRECONDITION_FAILED - channel is not transactional";
    check(connection.open_channel()?.tx_commit().await, not);
    check(connection.open_channel()?.tx_rollback().await, not);
    let confirming = connection.open_channel()?;
    confirming.confirm_select().await?;
    let error = "406 PRECONDITION_FAILED - cannot switch from confirm to tx mode";
    check(confirming.tx_select().await, error);
    assert!(!confirming.is_open(), "the error closes the channel");
    let channel = connection.open_channel()?;
    channel.tx_select().await?;
    channel.tx_select().await?;
    let error = "406 PRECONDITION_FAILED - cannot switch from tx to confirm mode";
    check(channel.confirm_select().await, error);
    check(channel.tx_commit().await, error);
    Ok(())
}

#[tokio::test]
async fn messages_are_there_at_the_commit_in_their_order() -> Result {
    let scene = Scene::with(0).await?;
    scene.declare("r").await?;
    for body in ["a", "b"] {
        publish(&scene.channel, "q", body).await?;
        publish(&scene.channel, "r", body).await?;
    }
    assert_eq!((scene.ready("q").await?, scene.ready("r").await?), (0, 0));
    scene.channel.tx_commit().await?;
    publish(&scene.channel, "q", "c").await?;
    assert_eq!(scene.drain("q").await?, ["a", "b"]);
    assert_eq!(scene.drain("r").await?, ["a", "b"]);
    scene.channel.tx_rollback().await?;
    scene.channel.tx_commit().await?;
    assert_eq!(scene.ready("q").await?, 0, "what was rolled back is gone");
    assert_eq!(event(&scene.channel), None);
    Ok(())
}

#[tokio::test]
async fn all_queues_that_a_message_goes_to_get_it() -> Result {
    let scene = Scene::with(0).await?;
    for queue in ["q", "r", "s"] {
        scene.declare(queue).await?;
        scene.watcher.queue_bind(queue, "amq.fanout", "", FieldTable::new()).await?;
    }
    for body in ["a", "b"] {
        let message = Message::new(body);
        scene.channel.basic_publish("amq.fanout", "", Default::default(), message).await?;
    }
    // Routed as it was published: what is bound later gets nothing.
    scene.declare("t").await?;
    scene.watcher.queue_bind("t", "amq.fanout", "", FieldTable::new()).await?;
    scene.delete("s").await?;
    publish(&scene.channel, "r", "c").await?;
    scene.channel.tx_commit().await?;
    assert_eq!(scene.drain("q").await?, ["a", "b"]);
    assert_eq!(scene.drain("r").await?, ["a", "b", "c"]);
    assert_eq!(scene.ready("t").await?, 0);
    assert_eq!(scene.broker.memory_used(), 0, "each message was charged as often as freed");
    Ok(())
}

#[tokio::test]
async fn the_queue_is_looked_for_at_the_commit() -> Result {
    let scene = Scene::with(0).await?;
    publish(&scene.channel, "q", "declared again").await?;
    scene.delete("q").await?;
    scene.declare("q").await?;
    publish_mandatory(&scene.channel, "later", "declared later").await?;
    scene.declare("later").await?;
    scene.declare("gone").await?;
    publish_mandatory(&scene.channel, "gone", "deleted").await?;
    scene.delete("gone").await?;
    scene.channel.tx_commit().await?;
    assert_eq!(scene.drain("q").await?, ["declared again"]);
    assert_eq!(scene.drain("later").await?, ["declared later"]);
    assert_eq!(returned(&scene.channel).as_deref(), Some("deleted"));
    assert_eq!(event(&scene.channel), None);
    Ok(())
}

#[tokio::test]
async fn a_mandatory_message_comes_back_at_the_commit() -> Result {
    let scene = Scene::with(0).await?;
    publish_mandatory(&scene.channel, "nobody", "a").await?;
    let topic = BasicPublishOptions { mandatory: true };
    scene.channel.basic_publish("amq.topic", "nobody", topic, Message::new("b")).await?;
    assert_eq!(event(&scene.channel), None);
    scene.channel.tx_commit().await?;
    assert_eq!(returned(&scene.channel).as_deref(), Some("a"));
    assert_eq!(returned(&scene.channel).as_deref(), Some("b"));
    publish_mandatory(&scene.channel, "nobody", "c").await?;
    scene.channel.tx_rollback().await?;
    scene.channel.tx_commit().await?;
    assert_eq!(event(&scene.channel), None, "what is dropped does not come back");
    Ok(())
}

#[tokio::test]
async fn a_message_that_can_not_be_published_is_an_error_at_once() -> Result {
    let scene = Scene::with(1).await?;
    let tag = scene.get().await?;
    scene.ack(tag, Multiple::One).await?;
    publish(&scene.channel, "q", "lost").await?;
    let no_exchange = scene.channel.basic_publish("nope", "", Default::default(), Message::new(""));
    check(no_exchange.await, "404 NOT_FOUND - no exchange 'nope' in vhost '/'");
    assert_eq!(scene.drain("q").await?, ["1R"], "the ack was never committed");
    assert_eq!(scene.broker.memory_used(), 0, "nor is what was held");
    Ok(())
}

#[tokio::test]
async fn acks_wait_for_the_commit_and_so_does_the_prefetch() -> Result {
    let scene = Scene::with(4).await?;
    scene.channel.basic_qos(2, QosScope::Consumer).await?;
    let mut consumer = scene.consume().await?;
    assert_eq!(received(&mut consumer), ["1", "2"]);
    scene.ack(2, Multiple::UpTo).await?;
    assert!(received(&mut consumer).is_empty());
    scene.channel.tx_commit().await?;
    assert_eq!(received(&mut consumer), ["3", "4"]);
    check(scene.ack(2, Multiple::One).await, "406 PRECONDITION_FAILED - unknown delivery tag 2");
    assert_eq!(scene.drain("q").await?, ["3R", "4R"]);
    Ok(())
}

#[tokio::test]
async fn the_prefetch_of_the_channel_waits_too() -> Result {
    let scene = Scene::with(3).await?;
    scene.channel.basic_qos(1, QosScope::Channel).await?;
    let mut consumer = scene.consume().await?;
    assert_eq!(received(&mut consumer), ["1"]);
    scene.ack(1, Multiple::One).await?;
    scene.channel.tx_rollback().await?;
    assert!(received(&mut consumer).is_empty());
    scene.ack(1, Multiple::One).await?;
    scene.channel.tx_commit().await?;
    assert_eq!(received(&mut consumer), ["2"]);
    Ok(())
}

#[tokio::test]
async fn a_rollback_lets_settle_again_and_delivers_nothing_again() -> Result {
    let scene = Scene::with(4).await?;
    let mut consumer = scene.consume().await?;
    assert_eq!(received(&mut consumer), ["1", "2", "3", "4"]);
    for tag in [3, 1, 2] {
        scene.ack(tag, Multiple::One).await?;
    }
    scene.channel.tx_rollback().await?;
    assert!(received(&mut consumer).is_empty());
    scene.ack(2, Multiple::UpTo).await?;
    scene.channel.tx_commit().await?;
    scene.channel.close().await?;
    assert_eq!(scene.drain("q").await?, ["3R", "4R"]);
    Ok(())
}

#[tokio::test]
async fn a_settled_tag_is_unknown_until_a_rollback() -> Result {
    let scene = Scene::with(1).await?;
    let tag = scene.get().await?;
    scene.ack(tag, Multiple::One).await?;
    check(
        scene.channel.basic_reject(tag, Requeue::Yes).await,
        "406 PRECONDITION_FAILED - unknown delivery tag 1",
    );
    assert_eq!(scene.drain("q").await?, ["1R"]);
    Ok(())
}

#[tokio::test]
async fn nothing_is_unsettled_by_an_ack_of_all() -> Result {
    let scene = Scene::with(2).await?;
    scene.ack(0, Multiple::UpTo).await?;
    scene.get().await?;
    scene.get().await?;
    scene.ack(0, Multiple::UpTo).await?;
    scene.ack(0, Multiple::UpTo).await?;
    scene.channel.tx_commit().await?;
    scene.channel.close().await?;
    assert_eq!(scene.ready("q").await?, 0);
    Ok(())
}

#[tokio::test]
async fn requeues_and_messages_of_one_commit() -> Result {
    let scene = Scene::with(2).await?;
    scene.get().await?;
    scene.get().await?;
    scene.channel.basic_reject(2, Requeue::Yes).await?;
    scene.ack(1, Multiple::One).await?;
    publish(&scene.channel, "q", "new").await?;
    assert_eq!(scene.ready("q").await?, 0);
    scene.channel.tx_commit().await?;
    assert_eq!(scene.drain("q").await?, ["2R", "new"]);
    Ok(())
}

#[tokio::test]
async fn dead_letters_come_at_the_commit_behind_its_messages() -> Result {
    let scene = Scene::with(0).await?;
    scene.declare("dead").await?;
    let mut arguments = FieldTable::new();
    arguments.insert("x-dead-letter-exchange", FieldValue::text(""))?;
    arguments.insert("x-dead-letter-routing-key", FieldValue::text("dead"))?;
    let options = QueueDeclareOptions { arguments, ..Default::default() };
    scene.delete("q").await?;
    scene.watcher.queue_declare("q", options).await?;
    for body in ["1", "2", "3", "4"] {
        publish(&scene.watcher, "q", body).await?;
    }
    for _ in 0..4 {
        scene.get().await?;
    }
    for tag in [3, 1] {
        scene.channel.basic_reject(tag, Requeue::No).await?;
    }
    scene.ack(4, Multiple::One).await?;
    scene.channel.basic_nack(2, Multiple::One, Requeue::No).await?;
    publish(&scene.channel, "dead", "mine").await?;
    assert_eq!(scene.ready("dead").await?, 0);
    scene.channel.tx_commit().await?;
    assert_eq!(scene.drain("dead").await?, ["mine", "1", "3", "2"]);
    Ok(())
}

#[tokio::test]
async fn recover_goes_at_once_and_leaves_what_is_settled() -> Result {
    let scene = Scene::with(3).await?;
    let mut consumer = scene.consume().await?;
    assert_eq!(received(&mut consumer), ["1", "2", "3"]);
    scene.ack(2, Multiple::One).await?;
    scene.channel.basic_recover().await?;
    assert_eq!(received(&mut consumer), ["1R", "3R"]);
    scene.channel.tx_rollback().await?;
    scene.ack(2, Multiple::One).await?;
    scene.channel.tx_commit().await?;
    scene.channel.close().await?;
    assert_eq!(scene.drain("q").await?, ["1R", "3R"]);
    Ok(())
}

#[tokio::test]
async fn a_cancelled_consumers_deliveries_are_settled_all_the_same() -> Result {
    let scene = Scene::with(4).await?;
    let mut consumer = scene.consume().await?;
    assert_eq!(received(&mut consumer).len(), 4);
    scene.ack(2, Multiple::UpTo).await?;
    scene.channel.basic_cancel("c").await?;
    scene.channel.basic_reject(3, Requeue::No).await?;
    scene.channel.tx_rollback().await?;
    scene.ack(2, Multiple::UpTo).await?;
    scene.channel.tx_commit().await?;
    scene.channel.basic_reject(3, Requeue::Yes).await?;
    publish(&scene.channel, "q", "lost").await?;
    scene.channel.close().await?;
    assert_eq!(scene.drain("q").await?, ["3R", "4R"]);
    Ok(())
}

#[tokio::test]
async fn a_deleted_queue_does_not_disturb_a_commit() -> Result {
    let scene = Scene::with(1).await?;
    let tag = scene.get().await?;
    scene.ack(tag, Multiple::One).await?;
    scene.delete("q").await?;
    scene.channel.tx_commit().await?;
    assert_eq!(scene.broker.memory_used(), 0);
    Ok(())
}

#[tokio::test]
async fn what_a_transaction_holds_is_counted_and_bounded() -> Result {
    let mut config = BrokerConfig::default();
    config.transaction_max_bytes = 2_000;
    let scene = Scene::on(Broker::builder().config(config).start()?, 0).await?;
    publish(&scene.channel, "q", &"x".repeat(1_000)).await?;
    assert!(scene.broker.memory_used() >= 1_000);
    scene.channel.tx_commit().await?;
    let in_the_queue = scene.broker.memory_used();
    assert!((1_000..2_000).contains(&in_the_queue), "{in_the_queue}");
    publish(&scene.channel, "q", &"x".repeat(1_000)).await?;
    assert!(scene.broker.memory_used() >= in_the_queue + 1_000);
    scene.channel.tx_rollback().await?;
    assert_eq!(scene.broker.memory_used(), in_the_queue);
    publish(&scene.channel, "q", &"x".repeat(1_000)).await?;
    check(
        publish(&scene.channel, "q", &"x".repeat(1_000)).await,
        "406 PRECONDITION_FAILED - a transaction holds at most 2000 bytes of messages \
         (transaction_max_bytes): commit it earlier",
    );
    assert_eq!(scene.broker.memory_used(), in_the_queue, "the close has dropped it");
    assert_eq!(scene.ready("q").await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_commit_that_would_return_too_much_does_nothing() -> Result {
    let mut config = BrokerConfig::default();
    config.returned_messages_max = 1;
    let scene = Scene::on(Broker::builder().config(config).start()?, 1).await?;
    let tag = scene.get().await?;
    scene.ack(tag, Multiple::One).await?;
    publish(&scene.channel, "q", "never").await?;
    for _ in 0..2 {
        publish_mandatory(&scene.channel, "nobody", "").await?;
    }
    check(
        scene.channel.tx_commit().await,
        "406 PRECONDITION_FAILED - 1 returned messages wait to be read: read the channel's events",
    );
    assert_eq!(scene.drain("q").await?, ["1R"]);
    assert_eq!(scene.broker.memory_used(), 0);
    Ok(())
}

#[tokio::test]
async fn a_direct_reply_does_not_wait_for_the_commit() -> Result {
    let scene = Scene::with(0).await?;
    let no_ack = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut replies = scene.watcher.basic_consume("amq.rabbitmq.reply-to", "r", no_ack).await?;
    let mut request = Message::new("request");
    request.properties.reply_to = Some(ShortString::from_static("amq.rabbitmq.reply-to"));
    scene.watcher.basic_publish("", "q", Default::default(), request).await?;
    let got = scene.channel.basic_get("q", NoAck::Yes).await?.ok_or("the request")?;
    let properties = &got.delivery.message.message.properties;
    let address = properties.reply_to.clone().ok_or("an address")?;
    publish_mandatory(&scene.channel, &address, "first").await?;
    assert_eq!(received(&mut replies), ["first"]);
    scene.channel.tx_rollback().await?;
    publish_mandatory(&scene.channel, &address, "second").await?;
    assert_eq!(received(&mut replies), ["second"]);
    assert_eq!(event(&scene.channel), None);
    scene.channel.tx_commit().await?;
    assert!(received(&mut replies).is_empty(), "once");
    assert_eq!(returned(&scene.channel).as_deref(), Some("second"));
    assert_eq!(event(&scene.channel), None);
    Ok(())
}
