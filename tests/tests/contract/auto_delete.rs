//! Queues that go with their last consumer, and exchanges that go with their last binding.

use springhare::connection::Link;
use springhare_amqp::FieldTable;
use springhare_broker::{ExchangeDeclareOptions, Multiple, NoAck, QueueDeclareOptions};

use crate::support::{Scene, received};

contract!(
    a_queue_goes_with_its_last_consumer,
    a_queue_goes_with_its_consumers_channel,
    a_queue_without_a_consumer_stays,
    a_queue_takes_what_was_delivered_along,
    an_exchange_goes_with_its_last_binding,
    an_exchange_goes_with_its_last_queue,
    an_exchange_goes_with_its_last_destination,
    a_chain_goes_together,
);

async fn queue(scene: &Scene<'_>) {
    let options = QueueDeclareOptions { auto_delete: true, ..Default::default() };
    scene.queue_with(scene.name(), options).await;
}

async fn exchange(scene: &Scene<'_>, name: &str) {
    let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
    scene.channel.exchange_declare(name, "direct", options).await.unwrap();
}

async fn queue_is_gone(scene: &Scene<'_>) {
    let name = scene.name();
    let gone = format!("NOT_FOUND - no queue '{name}' in vhost '/'");
    scene.refused(404, &gone, async |c| c.queue_declare_passive(name).await).await;
}

async fn exchange_is_gone(scene: &Scene<'_>, name: &str) {
    let gone = format!("NOT_FOUND - no exchange '{name}' in vhost '/'");
    scene.refused(404, &gone, async |c| c.exchange_declare_passive(name).await).await;
}

async fn a_queue_goes_with_its_last_consumer(link: &dyn Link) {
    let scene = Scene::new(link).await;
    queue(&scene).await;
    let _first = scene.consume(scene.name(), "a").await;
    let _second = scene.consume(scene.name(), "b").await;
    scene.channel.basic_cancel("a").await.unwrap();
    scene.channel.queue_declare_passive(scene.name()).await.unwrap();
    scene.channel.basic_cancel("b").await.unwrap();
    queue_is_gone(&scene).await;
}

async fn a_queue_goes_with_its_consumers_channel(link: &dyn Link) {
    let scene = Scene::new(link).await;
    queue(&scene).await;
    let channel = scene.open().await;
    let _consumer = channel.basic_consume(scene.name(), "", Default::default()).await.unwrap();
    channel.close().await.unwrap();
    queue_is_gone(&scene).await;
}

async fn a_queue_without_a_consumer_stays(link: &dyn Link) {
    let scene = Scene::new(link).await;
    queue(&scene).await;
    let channel = scene.open().await;
    channel.basic_get(scene.name(), NoAck::No).await.unwrap();
    channel.close().await.unwrap();
    scene.channel.queue_declare_passive(scene.name()).await.unwrap();
}

async fn a_queue_takes_what_was_delivered_along(link: &dyn Link) {
    let scene = Scene::new(link).await;
    queue(&scene).await;
    scene.add(scene.name(), 2).await;
    let mut consumer = scene.consume(scene.name(), "a").await;
    assert_eq!(received(&mut consumer, 2).await, ["1", "2"]);
    scene.channel.basic_cancel("a").await.unwrap();
    queue_is_gone(&scene).await;
    scene.channel.basic_ack(2, Multiple::UpTo).await.unwrap();
}

async fn an_exchange_goes_with_its_last_binding(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, q) = (scene.name(), &scene.named("queue"));
    exchange(&scene, x).await;
    scene.queue(q).await;
    // What was never bound stays.
    scene.channel.queue_unbind(q, x, "k", FieldTable::new()).await.unwrap();
    scene.channel.exchange_declare_passive(x).await.unwrap();
    scene.bind(q, x, "k").await;
    scene.bind(q, x, "l").await;
    scene.channel.queue_unbind(q, x, "k", FieldTable::new()).await.unwrap();
    scene.channel.exchange_declare_passive(x).await.unwrap();
    scene.channel.queue_unbind(q, x, "l", FieldTable::new()).await.unwrap();
    exchange_is_gone(&scene, x).await;
}

async fn an_exchange_goes_with_its_last_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, q) = (scene.name(), &scene.named("queue"));
    exchange(&scene, x).await;
    scene.queue(q).await;
    scene.bind(q, x, "k").await;
    scene.channel.queue_delete(q, Default::default()).await.unwrap();
    exchange_is_gone(&scene, x).await;
}

async fn an_exchange_goes_with_its_last_destination(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (source, destination) = (scene.name(), &scene.named("destination"));
    exchange(&scene, source).await;
    scene.exchange(destination, "fanout").await;
    scene.channel.exchange_bind(destination, source, "k", FieldTable::new()).await.unwrap();
    scene.channel.exchange_delete(destination, springhare_broker::IfUnused::No).await.unwrap();
    exchange_is_gone(&scene, source).await;
}

async fn a_chain_goes_together(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (first, second, q) = (scene.name(), &scene.named("second"), &scene.named("queue"));
    exchange(&scene, first).await;
    exchange(&scene, second).await;
    scene.channel.exchange_bind(second, first, "k", FieldTable::new()).await.unwrap();
    scene.queue(q).await;
    scene.bind(q, second, "k").await;
    scene.channel.queue_delete(q, Default::default()).await.unwrap();
    exchange_is_gone(&scene, second).await;
    exchange_is_gone(&scene, first).await;
}
