//! Queues with `x-single-active-consumer`: of all consumers, one is served.

use std::sync::Arc;

use springhare::connection::{Link, LinkChannel, LinkConnection, LinkConsumer};
use springhare_amqp::FieldValue;
use springhare_broker::{BasicConsumeOptions, Multiple, NoAck, QueueDeclareOptions, Requeue};

use crate::features::{number, quorum};
use crate::support::{Scene, arguments, dealt, received, shown, table};

contract!(
    one_is_served_and_the_others_wait,
    those_that_wait_are_counted,
    an_active_one_that_is_busy_keeps_the_queue,
    the_next_takes_what_a_lost_connection_held,
    the_next_takes_what_a_closed_channel_held,
    the_next_after_a_cancel_and_what_the_first_held,
    the_highest_priority_is_next,
    another_may_get,
    nobody_gets_from_a_quorum_queue,
    nobody_may_be_exclusive,
);

contract_beyond!(
    the_next_after_a_cancel_on_a_classic_queue
        > "RabbitMQ 3.10 leaves the next one waiting, and its queue may crash then"
);

const SINGLE: (&str, FieldValue) = ("x-single-active-consumer", FieldValue::Boolean(true));

fn classic() -> QueueDeclareOptions {
    arguments([SINGLE])
}

/// With a limit, a quorum queue puts back what was held to where it was, as a classic one does.
fn limited() -> QueueDeclareOptions {
    quorum([SINGLE, ("x-delivery-limit", number(10))])
}

/// A consumer on a connection and a channel of its own.
struct Client {
    connection: Arc<dyn LinkConnection>,
    channel: Arc<dyn LinkChannel>,
    consumer: Box<dyn LinkConsumer>,
}

impl Client {
    /// Consumes from the case's own queue, and may hold so many messages.
    async fn new(scene: &Scene<'_>, tag: &str, prefetch: u16) -> Self {
        Self::with(scene, tag, prefetch, BasicConsumeOptions::default()).await
    }

    async fn with(
        scene: &Scene<'_>,
        tag: &str,
        prefetch: u16,
        options: BasicConsumeOptions,
    ) -> Self {
        let connection = scene.connect().await;
        let channel = connection.open_channel().await.unwrap();
        channel.basic_qos(prefetch, Default::default()).await.unwrap();
        let consumer = channel.basic_consume(scene.name(), tag, options).await.unwrap();
        Self { connection, channel, consumer }
    }
}

async fn one_is_served_and_the_others_wait(link: &dyn Link) {
    for options in [classic(), limited()] {
        let scene = Scene::new(link).await;
        let queue = scene.name();
        scene.queue_with(queue, options).await;
        let mut consumers = Vec::new();
        for tag in ["a", "b", "c"] {
            consumers.push(scene.consume(queue, tag).await);
        }
        for body in ["1", "2", "3"] {
            scene.publish("", queue, body).await;
        }
        assert_eq!(dealt(&mut consumers, 3).await, ["a:1", "a:2", "a:3"]);
    }
}

async fn those_that_wait_are_counted(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue_with(scene.name(), classic()).await;
    let _first = scene.consume(scene.name(), "a").await;
    let _second = scene.consume(scene.name(), "b").await;
    let declared = scene.channel.queue_declare_passive(scene.name()).await.unwrap();
    assert_eq!(declared.consumer_count, 2);
}

async fn an_active_one_that_is_busy_keeps_the_queue(link: &dyn Link) {
    for options in [classic(), limited()] {
        let scene = Scene::new(link).await;
        let queue = scene.name();
        scene.queue_with(queue, options).await;
        let active = Client::new(&scene, "a", 1).await;
        let waiting = Client::new(&scene, "b", 1).await;
        for body in ["1", "2", "3"] {
            scene.publish("", queue, body).await;
        }
        let mut consumers = [active.consumer, waiting.consumer];
        for (tag, delivered) in [(1, "a:1"), (2, "a:2"), (3, "a:3")] {
            assert_eq!(dealt(&mut consumers, 1).await, [delivered]);
            active.channel.basic_ack(tag, Multiple::One).await.unwrap();
        }
    }
}

async fn the_next_takes_what_a_lost_connection_held(link: &dyn Link) {
    for options in [classic(), limited()] {
        in_turn(link, options, async |client| client.connection.close().await.unwrap()).await;
    }
}

async fn the_next_takes_what_a_closed_channel_held(link: &dyn Link) {
    for options in [classic(), limited()] {
        in_turn(link, options, async |client| client.channel.close().await.unwrap()).await;
    }
}

/// Three consumers are served in the order in which they came, each after the one before it left.
async fn in_turn(link: &dyn Link, options: QueueDeclareOptions, leave: impl AsyncFn(&Client)) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, options).await;
    let mut first = Client::new(&scene, "a", 2).await;
    let mut second = Client::new(&scene, "b", 3).await;
    let mut third = Client::new(&scene, "c", 4).await;
    for body in ["1", "2", "3", "4"] {
        scene.publish("", queue, body).await;
    }
    assert_eq!(received(&mut first.consumer, 2).await, ["1", "2"]);
    leave(&first).await;
    assert_eq!(received(&mut second.consumer, 3).await, ["1R", "2R", "3"]);
    second.channel.basic_ack(1, Multiple::One).await.unwrap();
    assert_eq!(received(&mut second.consumer, 1).await, ["4"]);
    leave(&second).await;
    assert_eq!(received(&mut third.consumer, 3).await, ["2R", "3R", "4R"]);
}

async fn the_next_after_a_cancel_and_what_the_first_held(link: &dyn Link) {
    cancelled(link, limited()).await;
}

async fn the_next_after_a_cancel_on_a_classic_queue(link: &dyn Link) {
    cancelled(link, classic()).await;
}

/// The cancelled one keeps what it holds, and the next is served at once.
async fn cancelled(link: &dyn Link, options: QueueDeclareOptions) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, options).await;
    let mut first = Client::new(&scene, "a", 2).await;
    let mut second = Client::new(&scene, "b", 10).await;
    for body in ["1", "2", "3", "4"] {
        scene.publish("", queue, body).await;
    }
    assert_eq!(received(&mut first.consumer, 2).await, ["1", "2"]);
    first.channel.basic_cancel("a").await.unwrap();
    assert_eq!(received(&mut second.consumer, 2).await, ["3", "4"]);
    first.channel.basic_ack(1, Multiple::One).await.unwrap();
    first.channel.basic_reject(2, Requeue::Yes).await.unwrap();
    assert_eq!(received(&mut second.consumer, 1).await, ["2R"]);
}

/// A higher priority takes it from nobody, and comes first when the active one has left.
async fn the_highest_priority_is_next(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue_with(scene.name(), classic()).await;
    let mut clients = Vec::new();
    for (tag, priority) in [("a", 1), ("b", 5), ("c", 10), ("d", 10)] {
        let arguments = table([("x-priority", number(priority))]);
        let options = BasicConsumeOptions { arguments, ..Default::default() };
        clients.push(Client::with(&scene, tag, 1, options).await);
    }
    scene.publish("", scene.name(), "m").await;
    for (at, delivered) in [(0, "m"), (2, "mR"), (3, "mR"), (1, "mR")] {
        assert_eq!(received(&mut clients[at].consumer, 1).await, [delivered]);
        clients[at].channel.close().await.unwrap();
    }
    assert_eq!(scene.drained(scene.name(), 1).await, ["mR"]);
}

async fn another_may_get(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, classic()).await;
    let mut client = Client::new(&scene, "a", 1).await;
    scene.publish("", queue, "1").await;
    scene.publish("", queue, "2").await;
    assert_eq!(received(&mut client.consumer, 1).await, ["1"]);
    scene.ready(queue, 1).await;
    assert_eq!(shown(&scene.get(queue).await), "2");
}

async fn nobody_gets_from_a_quorum_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, limited()).await;
    let text = format!(
        "RESOURCE_LOCKED - cannot obtain access to locked queue '{queue}' in vhost '/'. basic.get \
         operations are not supported by quorum queues with single active consumer"
    );
    scene.refused(405, &text, async |channel| channel.basic_get(queue, NoAck::No).await).await;
}

async fn nobody_may_be_exclusive(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, classic()).await;
    let text = format!("ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use");
    for _ in 0..2 {
        let exclusive = || BasicConsumeOptions { exclusive: true, ..Default::default() };
        scene.refused(403, &text, async |c| c.basic_consume(queue, "", exclusive()).await).await;
        // Neither the first, nor beside another.
        let _consumer = scene.consume(queue, "").await;
    }
}
