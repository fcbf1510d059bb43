//! Direct reply-to: answers that pass no queue.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;

use springhare::connection::{Link, LinkChannel, LinkConsumer};
use springhare_amqp::{BasicProperties, Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, ChannelEvent, Delivery, NoAck, QueueDeclareOk,
    QueueDeclareOptions,
};
use springhare_tests::within_limit;

use crate::support::{Router, Scene, ended, received, shown, with_properties};

contract!(
    a_reply_comes_to_who_asked,
    a_reply_takes_no_delivery_tag,
    a_mandatory_reply_arrives_and_comes_back,
    a_reply_to_nobody_is_dropped,
    only_the_default_exchange_knows_an_address,
    a_consumer_of_replies_does_not_acknowledge,
    one_consumer_of_replies_on_a_channel,
    a_tag_in_use_can_not_be_taken,
    the_tag_of_a_reply_consumer_can,
    a_cancelled_consumer_can_be_started_again,
    asking_needs_a_consumer,
    what_is_no_pseudo_queue_stays_as_it_is,
    the_pseudo_queue_is_always_declared,
    an_address_is_declared_while_somebody_waits,
    other_operations_find_no_queue,
    the_last_declared_queue_may_be_the_pseudo_queue,
);

const PSEUDO_QUEUE: &str = "amq.rabbitmq.reply-to";
const NO_CONSUMER: &str = "PRECONDITION_FAILED - fast reply consumer does not exist";

fn no_ack() -> BasicConsumeOptions {
    BasicConsumeOptions { no_ack: true, ..Default::default() }
}

async fn consume(channel: &Arc<dyn LinkChannel>) -> Box<dyn LinkConsumer> {
    channel.basic_consume(PSEUDO_QUEUE, "replies", no_ack()).await.unwrap()
}

fn asking(reply_to: &str) -> Message {
    let reply_to = Some(ShortString::new(reply_to).unwrap());
    with_properties("question", BasicProperties { reply_to, ..Default::default() })
}

/// Asks on the scene's channel, and says what the question carries as `reply_to`.
async fn address(scene: &Scene<'_>) -> ShortString {
    let queue = &scene.named("questions");
    scene.queue(queue).await;
    let options = BasicPublishOptions::default();
    scene.channel.basic_publish("", queue, options, asking(PSEUDO_QUEUE)).await.unwrap();
    let got = scene.channel.basic_get(queue, NoAck::Yes).await.unwrap().expect("the question");
    let properties = &got.delivery.message.message.properties;
    let address = properties.reply_to.clone().expect("an address");
    assert!(address.starts_with("amq.rabbitmq.reply-to."), "{address}");
    address
}

async fn next(consumer: &mut Box<dyn LinkConsumer>) -> Delivery {
    let mut buffer = VecDeque::new();
    let receive = poll_fn(|cx| consumer.poll_recv_many(cx, &mut buffer, 1));
    within_limit("a reply", receive).await;
    buffer.pop_front().expect("the consumer runs")
}

async fn declare_passive(channel: &Arc<dyn LinkChannel>, name: &str) -> QueueDeclareOk {
    channel.queue_declare_passive(name).await.unwrap()
}

async fn a_reply_comes_to_who_asked(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let mut replies = consume(&scene.channel).await;
    let address = address(&scene).await;
    let other = scene.connect().await.open_channel().await.unwrap();
    let correlation_id = Some(ShortString::from_static("7"));
    let properties = BasicProperties { correlation_id, ..Default::default() };
    let reply = with_properties("answer", properties.clone());
    other.basic_publish("", &address, Default::default(), reply).await.unwrap();
    other.basic_publish("", &address, Default::default(), Message::new("more")).await.unwrap();
    let delivery = next(&mut replies).await;
    assert_eq!((shown(&delivery).as_str(), delivery.delivery_count), ("answer", 0));
    assert_eq!(*delivery.message.message.properties, properties);
    assert_eq!(delivery.message.exchange, "");
    assert_eq!(delivery.message.routing_key, address);
    assert_eq!(shown(&next(&mut replies).await), "more");
}

async fn a_reply_takes_no_delivery_tag(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let mut replies = consume(&scene.channel).await;
    let address = address(&scene).await;
    for _ in 0..2 {
        scene.publish("", &address, "reply").await;
        assert_eq!(next(&mut replies).await.delivery_tag, 2, "a get took the first");
    }
    scene.fill(scene.name(), 1).await;
    assert_eq!(scene.get(scene.name()).await.delivery_tag, 2);
    scene.publish("", &address, "reply").await;
    assert_eq!(next(&mut replies).await.delivery_tag, 3);
}

async fn a_mandatory_reply_arrives_and_comes_back(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let mut replies = consume(&scene.channel).await;
    let address = address(&scene).await;
    let other = scene.open().await;
    let mandatory = BasicPublishOptions { mandatory: true };
    other.basic_publish("", &address, mandatory, Message::new("reply")).await.unwrap();
    let event = within_limit("the return", other.next_event()).await;
    let Some(ChannelEvent::Returned(returned)) = event else { panic!("{event:?}") };
    assert_eq!((returned.reply_code.code(), &*returned.reply_text), (312, "NO_ROUTE"));
    assert_eq!(returned.routing_key, address);
    assert_eq!(shown(&next(&mut replies).await), "reply");
}

async fn a_reply_to_nobody_is_dropped(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let mut replies = consume(&scene.channel).await;
    let address = address(&scene).await;
    scene.channel.basic_cancel("replies").await.unwrap();
    assert!(ended(&mut replies).await.is_empty());
    let router = Router::new(&scene).await;
    assert!(!router.routes("", &address).await, "and mandatory it comes back");
    scene.publish("", &address, "nobody").await;
    scene.publish("", "amq.rabbitmq.reply-to.made-up", "nobody").await;
    assert!(!router.routes("", PSEUDO_QUEUE).await, "the name itself is no address");
    let mut again = consume(&scene.channel).await;
    let other_address = self::address(&scene).await;
    scene.publish("", &other_address, "for the next one").await;
    assert_eq!(received(&mut again, 1).await, ["for the next one"]);
}

async fn only_the_default_exchange_knows_an_address(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let mut replies = consume(&scene.channel).await;
    let address = address(&scene).await;
    let router = Router::new(&scene).await;
    for exchange in ["amq.direct", "amq.topic", "amq.fanout"] {
        assert!(!router.routes(exchange, &address).await);
    }
    scene.publish("", &address, "the only one").await;
    assert_eq!(received(&mut replies, 1).await, ["the only one"]);
}

async fn a_consumer_of_replies_does_not_acknowledge(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let text = "PRECONDITION_FAILED - reply consumer cannot acknowledge";
    scene
        .refused(406, text, async |channel| {
            channel.basic_consume(PSEUDO_QUEUE, "", Default::default()).await
        })
        .await;
    scene
        .refused(406, text, async |channel| {
            channel.basic_consume(PSEUDO_QUEUE, "a", no_ack()).await?;
            channel.basic_consume(PSEUDO_QUEUE, "b", Default::default()).await
        })
        .await;
}

async fn one_consumer_of_replies_on_a_channel(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let text = "PRECONDITION_FAILED - reply consumer already set";
    for tag in ["b", "a", ""] {
        scene
            .refused(406, text, async |channel| {
                let _first = channel.basic_consume(PSEUDO_QUEUE, "a", no_ack()).await?;
                channel.basic_consume(PSEUDO_QUEUE, tag, no_ack()).await
            })
            .await;
    }
    let other = scene.open().await;
    let (_one, two) = (consume(&scene.channel).await, consume(&other).await);
    assert_eq!(two.tag(), "replies");
}

async fn a_tag_in_use_can_not_be_taken(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    scene
        .connection_refused(
            530,
            "NOT_ALLOWED - attempt to reuse consumer tag 'a'",
            async |channel| {
                let _first = channel.basic_consume(queue, "a", no_ack()).await?;
                channel.basic_consume(PSEUDO_QUEUE, "a", no_ack()).await
            },
        )
        .await;
}

async fn the_tag_of_a_reply_consumer_can(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    let _replies = consume(&scene.channel).await;
    scene.channel.basic_consume(queue, "replies", no_ack()).await.unwrap();
}

async fn a_cancelled_consumer_can_be_started_again(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let first = scene.channel.basic_consume(PSEUDO_QUEUE, "", no_ack()).await.unwrap();
    assert!(first.tag().starts_with("amq.ctag-"), "{}", first.tag());
    let address = address(&scene).await;
    scene.channel.basic_cancel(first.tag()).await.unwrap();
    let mut second = consume(&scene.channel).await;
    let next_address = self::address(&scene).await;
    assert_ne!(address, next_address);
    scene.publish("", &address, "too late").await;
    scene.publish("", &next_address, "in time").await;
    assert_eq!(received(&mut second, 1).await, ["in time"]);
}

async fn asking_needs_a_consumer(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let router = Router::new(&scene).await;
    scene
        .refused(406, NO_CONSUMER, async |channel| ask(&channel, "", asking(PSEUDO_QUEUE)).await)
        .await;
    scene
        .refused(406, NO_CONSUMER, async |channel| {
            let consumer = channel.basic_consume(PSEUDO_QUEUE, "a", no_ack()).await?;
            channel.basic_cancel(consumer.tag()).await?;
            ask(&channel, "", asking(PSEUDO_QUEUE)).await
        })
        .await;
    let no_exchange = "NOT_FOUND - no exchange 'not-there' in vhost '/'";
    scene
        .refused(404, no_exchange, async |channel| {
            ask(&channel, "not-there", asking(PSEUDO_QUEUE)).await
        })
        .await;
    let mut wrong = asking(PSEUDO_QUEUE);
    wrong.properties.expiration = Some(ShortString::from_static("x"));
    scene.refused(406, NO_CONSUMER, async |channel| ask(&channel, "", wrong).await).await;
    assert!(!router.routes("", &scene.named("questions")).await);
}

/// Publishes, and waits for the broker's word on it.
async fn ask(
    channel: &Arc<dyn LinkChannel>,
    exchange: &str,
    message: Message,
) -> Result<(), springhare::connection::LinkError> {
    channel.basic_publish(exchange, "nobody", Default::default(), message).await?;
    channel.basic_recover().await
}

async fn what_is_no_pseudo_queue_stays_as_it_is(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    for reply_to in ["amq.rabbitmq.reply-to.made-up", "amq.rabbitmq.reply-to2", "somewhere"] {
        let options = BasicPublishOptions::default();
        scene.channel.basic_publish("", queue, options, asking(reply_to)).await.unwrap();
        scene.ready(queue, 1).await;
        let got = scene.channel.basic_get(queue, NoAck::Yes).await.unwrap().unwrap();
        let properties = &got.delivery.message.message.properties;
        assert_eq!(properties.reply_to.as_deref(), Some(reply_to));
    }
}

async fn the_pseudo_queue_is_always_declared(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let expected = QueueDeclareOk {
        queue: ShortString::from_static(PSEUDO_QUEUE),
        message_count: 0,
        consumer_count: 1,
    };
    assert_eq!(declare_passive(&scene.channel, PSEUDO_QUEUE).await, expected);
    let options = QueueDeclareOptions { durable: true, exclusive: true, ..Default::default() };
    assert_eq!(scene.channel.queue_declare(PSEUDO_QUEUE, options).await.unwrap(), expected);
    for name in ["amq.rabbitmq.reply-to2", "amq.rabbitmq.reply-to.made-up"] {
        let text = format!("NOT_FOUND - no queue '{name}' in vhost '/'");
        scene.refused(404, &text, async |channel| channel.queue_declare_passive(name).await).await;
        scene
            .refused(404, &text, async |channel| {
                channel.queue_declare(name, Default::default()).await
            })
            .await;
    }
}

async fn an_address_is_declared_while_somebody_waits(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let _replies = consume(&scene.channel).await;
    let address = address(&scene).await;
    let other = scene.connect().await.open_channel().await.unwrap();
    let declared = declare_passive(&other, &address).await;
    let expected = QueueDeclareOk { queue: address.clone(), message_count: 0, consumer_count: 1 };
    assert_eq!(declared, expected);
    assert_eq!(other.queue_declare(&address, Default::default()).await.unwrap(), expected);
    scene.channel.basic_cancel("replies").await.unwrap();
    let text = format!("NOT_FOUND - no queue '{address}' in vhost '/'");
    scene.refused(404, &text, async |channel| channel.queue_declare_passive(&address).await).await;
}

async fn other_operations_find_no_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let _replies = consume(&scene.channel).await;
    let address = address(&scene).await;
    // RabbitMQ can't tell a channel of the address that is its own: it fails with 541.
    let other = scene.open().await;
    for name in [PSEUDO_QUEUE, &address] {
        let text = &format!("NOT_FOUND - no queue '{name}' in vhost '/'");
        scene.refused(404, text, async |channel| channel.basic_get(name, NoAck::Yes).await).await;
        scene.refused(404, text, async |channel| channel.queue_purge(name).await).await;
        scene
            .refused(404, text, async |channel| {
                channel.queue_bind(name, "amq.direct", "key", Default::default()).await
            })
            .await;
        assert_eq!(scene.channel.queue_delete(name, Default::default()).await.unwrap(), 0);
        declare_passive(&other, name).await;
    }
    let text = &format!("NOT_FOUND - no queue '{address}' in vhost '/'");
    scene
        .refused(404, text, async |channel| channel.basic_consume(&address, "", no_ack()).await)
        .await;
}

async fn the_last_declared_queue_may_be_the_pseudo_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    declare_passive(&scene.channel, PSEUDO_QUEUE).await;
    let mut replies = scene.channel.basic_consume("", "", no_ack()).await.unwrap();
    let address = address(&scene).await;
    scene.publish("", &address, "reply").await;
    assert_eq!(received(&mut replies, 1).await, ["reply"]);
}
