//! Quorum queues count how often a message was delivered, and give it up at their limit.

use springhare::connection::{Link, LinkConsumer};
use springhare_broker::{Delivery, Multiple, Requeue};

use crate::dead_letters::{deaths, headers};
use crate::features::{number, quorum, to_queue};
use crate::support::{Scene, received, shown, text};

contract!(
    rejections_count,
    lost_channels_count,
    no_second_delivery,
    each_message_for_itself,
    what_it_becomes,
    a_consumer_is_told,
    what_is_put_back_keeps_its_place,
    a_cancelled_consumer_puts_nothing_back,
);

contract_beyond!(a_nack_does_not_count > "RabbitMQ 3.10 counts it as a rejection; 4.3 does not");

/// Declares the case's own queue with a limit, and another for its dead letters.
async fn limited<'l>(link: &'l dyn Link, limit: i32) -> (Scene<'l>, String) {
    let scene = Scene::new(link).await;
    let dead = scene.named("dead");
    scene.queue(&dead).await;
    let options = to_queue(quorum([("x-delivery-limit", number(limit))]), &dead);
    scene.queue_with(scene.name(), options).await;
    (scene, dead)
}

/// Waits for a message and gets it: the deliveries before that failed, as its header says, must be
/// so many.
async fn get(scene: &Scene<'_>, failed: u32) -> Delivery {
    scene.ready(scene.name(), 1).await;
    let delivery = scene.get(scene.name()).await;
    assert_eq!((delivery.delivery_count, delivery.redelivered), (failed, failed > 0));
    delivery
}

async fn rejections_count(link: &dyn Link) {
    let (scene, dead) = limited(link, 2).await;
    scene.publish("", scene.name(), "1").await;
    for failed in 0..=2 {
        let tag = get(&scene, failed).await.delivery_tag;
        scene.channel.basic_reject(tag, Requeue::Yes).await.unwrap();
    }
    assert_eq!(scene.drained(&dead, 1).await, ["1"]);
    scene.ready(scene.name(), 0).await;
}

async fn lost_channels_count(link: &dyn Link) {
    let (scene, dead) = limited(link, 2).await;
    scene.publish("", scene.name(), "1").await;
    for failed in 0..=2 {
        let lost = scene.reopened().await;
        get(&lost, failed).await;
        lost.channel.close().await.unwrap();
    }
    assert_eq!(scene.drained(&dead, 1).await, ["1"]);
}

async fn no_second_delivery(link: &dyn Link) {
    let (scene, dead) = limited(link, 0).await;
    scene.publish("", scene.name(), "1").await;
    let tag = get(&scene, 0).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::Yes).await.unwrap();
    assert_eq!(scene.drained(&dead, 1).await, ["1"]);
}

async fn each_message_for_itself(link: &dyn Link) {
    let (scene, dead) = limited(link, 1).await;
    scene.publish("", scene.name(), "1").await;
    let tag = get(&scene, 0).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::Yes).await.unwrap();
    scene.ready(scene.name(), 1).await;
    scene.publish("", scene.name(), "2").await;
    scene.ready(scene.name(), 2).await;
    for (body, failed) in [("1R", 1), ("2", 0)] {
        let delivery = scene.get(scene.name()).await;
        assert_eq!((shown(&delivery).as_str(), delivery.delivery_count), (body, failed));
        scene.channel.basic_reject(delivery.delivery_tag, Requeue::Yes).await.unwrap();
    }
    assert_eq!(scene.drained(&dead, 1).await, ["1"]);
    assert_eq!(scene.drained(scene.name(), 1).await, ["2R"]);
}

async fn what_it_becomes(link: &dyn Link) {
    let (scene, dead) = limited(link, 0).await;
    scene.publish("", scene.name(), "1").await;
    let tag = get(&scene, 0).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::Yes).await.unwrap();
    scene.ready(&dead, 1).await;
    let letter = scene.get(&dead).await;
    assert_eq!(shown(&letter), "1", "not redelivered");
    let [death] = deaths(&letter).try_into().expect("one death");
    assert_eq!(death.get("reason"), Some(&text("delivery_limit")));
    assert_eq!(headers(&letter).get("x-first-death-reason"), Some(&text("delivery_limit")));
    assert_eq!(headers(&letter).get("x-delivery-count"), None);
}

async fn a_consumer_is_told(link: &dyn Link) {
    let (scene, dead) = limited(link, 2).await;
    scene.publish("", scene.name(), "1").await;
    let mut consumer = scene.consume(scene.name(), "a").await;
    for failed in 0..=2 {
        let delivery = next(&mut consumer).await;
        assert_eq!((delivery.delivery_count, delivery.redelivered), (failed, failed > 0));
        scene.channel.basic_reject(delivery.delivery_tag, Requeue::Yes).await.unwrap();
    }
    assert_eq!(scene.drained(&dead, 1).await, ["1"]);
}

async fn next(consumer: &mut Box<dyn LinkConsumer>) -> Delivery {
    let mut buffer = std::collections::VecDeque::new();
    let receiving = std::future::poll_fn(|cx| consumer.poll_recv_many(cx, &mut buffer, 1));
    springhare_tests::within_limit("a delivery", receiving).await;
    buffer.pop_front().expect("the consumer goes on")
}

async fn what_is_put_back_keeps_its_place(link: &dyn Link) {
    let (scene, _dead) = limited(link, 5).await;
    scene.publish("", scene.name(), "1").await;
    scene.publish("", scene.name(), "2").await;
    scene.publish("", scene.name(), "3").await;
    scene.ready(scene.name(), 3).await;
    scene.get_many(scene.name(), 2).await;
    scene.channel.basic_nack(2, Multiple::UpTo, Requeue::Yes).await.unwrap();
    assert_eq!(scene.drained(scene.name(), 3).await, ["1R", "2R", "3"]);
}

async fn a_cancelled_consumer_puts_nothing_back(link: &dyn Link) {
    let (scene, _dead) = limited(link, 0).await;
    scene.publish("", scene.name(), "1").await;
    let mut consumer = scene.consume(scene.name(), "a").await;
    assert_eq!(received(&mut consumer, 1).await, ["1"]);
    scene.channel.basic_cancel("a").await.unwrap();
    assert!(scene.drain(scene.name()).await.is_empty());
    scene.channel.basic_ack(1, Multiple::One).await.unwrap();
}

async fn a_nack_does_not_count(link: &dyn Link) {
    let (scene, dead) = limited(link, 1).await;
    scene.publish("", scene.name(), "1").await;
    for redelivered in [false, true, true, true] {
        scene.ready(scene.name(), 1).await;
        let delivery = scene.get(scene.name()).await;
        assert_eq!((delivery.delivery_count, delivery.redelivered), (0, redelivered));
        let tag = delivery.delivery_tag;
        scene.channel.basic_nack(tag, Multiple::One, Requeue::Yes).await.unwrap();
    }
    assert_eq!(scene.drained(scene.name(), 1).await, ["1R"]);
    scene.ready(&dead, 0).await;
}
