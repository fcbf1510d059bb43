//! How much a consumer, or a channel, may hold unacknowledged.

use springhare::connection::Link;
use springhare_broker::{BasicConsumeOptions, Multiple, QosScope};

use crate::support::{Scene, dealt, dealt_tags, received};

contract!(
    a_consumers_prefetch,
    a_new_prefetch_is_for_new_consumers,
    a_channels_prefetch,
    a_channels_prefetch_deals_in_turn,
    a_channels_prefetch_of_1_starves_nobody,
    both_prefetches_hold,
    get_does_not_count,
    a_channels_prefetch_can_change,
    a_channels_prefetch_set_late,
    no_ack_does_not_count,
    a_requeue_makes_room,
);

async fn a_consumers_prefetch(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 5).await;
    scene.channel.basic_qos(2, QosScope::Consumer).await.unwrap();
    let mut consumer = scene.consume(queue, "a").await;
    assert_eq!(received(&mut consumer, 2).await, ["1", "2"]);
    scene.ready(queue, 3).await;
    scene.channel.basic_ack(2, Multiple::UpTo).await.unwrap();
    assert_eq!(received(&mut consumer, 2).await, ["3", "4"]);
    scene.ready(queue, 1).await;
}

async fn a_new_prefetch_is_for_new_consumers(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 5).await;
    scene.channel.basic_qos(2, QosScope::Consumer).await.unwrap();
    let mut old = scene.consume(queue, "a").await;
    assert_eq!(received(&mut old, 2).await, ["1", "2"]);
    scene.channel.basic_qos(1, QosScope::Consumer).await.unwrap();
    let mut new = scene.consume(queue, "b").await;
    assert_eq!(received(&mut new, 1).await, ["3"]);
    scene.ready(queue, 2).await;
}

async fn a_channels_prefetch(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 8).await;
    scene.channel.basic_qos(3, QosScope::Channel).await.unwrap();
    let first = scene.consume(queue, "a").await;
    scene.ready(queue, 5).await;
    let mut consumers = [first, scene.consume(queue, "b").await];
    assert_eq!(dealt(&mut consumers, 3).await, ["a:1", "a:2", "a:3"]);
    scene.ready(queue, 5).await;
}

async fn a_channels_prefetch_deals_in_turn(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    scene.channel.basic_qos(3, QosScope::Channel).await.unwrap();
    let mut consumers = [scene.consume(queue, "a").await, scene.consume(queue, "b").await];
    for body in 1..=7 {
        scene.publish("", queue, &body.to_string()).await;
    }
    assert_eq!(dealt(&mut consumers, 3).await, ["a:1", "b:2", "a:3"]);
    scene.ready(queue, 4).await;
    scene.channel.basic_ack(3, Multiple::UpTo).await.unwrap();
    assert_eq!(dealt(&mut consumers, 3).await, ["b:4", "a:5", "b:6"]);
    scene.ready(queue, 1).await;
}

async fn a_channels_prefetch_of_1_starves_nobody(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    scene.channel.basic_qos(1, QosScope::Channel).await.unwrap();
    let mut consumers = [scene.consume(queue, "a").await, scene.consume(queue, "b").await];
    for body in 1..=6 {
        scene.publish("", queue, &body.to_string()).await;
    }
    let mut order = Vec::new();
    for _ in 1..=6 {
        let (shown, delivery_tag) = dealt_tags(&mut consumers, 1).await.remove(0);
        order.push(shown);
        scene.channel.basic_ack(delivery_tag, Multiple::One).await.unwrap();
    }
    assert_eq!(order, ["a:1", "b:2", "a:3", "b:4", "a:5", "b:6"]);
}

async fn both_prefetches_hold(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 8).await;
    scene.channel.basic_qos(2, QosScope::Consumer).await.unwrap();
    scene.channel.basic_qos(3, QosScope::Channel).await.unwrap();
    let first = scene.consume(queue, "a").await;
    scene.ready(queue, 6).await;
    let mut consumers = [first, scene.consume(queue, "b").await];
    assert_eq!(dealt(&mut consumers, 3).await, ["a:1", "a:2", "b:3"]);
    scene.ready(queue, 5).await;
}

async fn get_does_not_count(link: &dyn Link) {
    for scope in [QosScope::Consumer, QosScope::Channel] {
        let scene = Scene::new(link).await;
        let queue = scene.name();
        scene.fill(queue, 6).await;
        scene.channel.basic_qos(2, scope).await.unwrap();
        scene.get_many(queue, 3).await;
        let mut consumer = scene.consume(queue, "a").await;
        assert_eq!(received(&mut consumer, 2).await, ["4", "5"]);
        scene.ready(queue, 1).await;
        // Nor does acknowledging it make room.
        scene.channel.basic_ack(3, Multiple::UpTo).await.unwrap();
        scene.channel.basic_ack(4, Multiple::One).await.unwrap();
        assert_eq!(received(&mut consumer, 1).await, ["6"]);
    }
}

async fn a_channels_prefetch_can_change(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 5).await;
    scene.channel.basic_qos(2, QosScope::Channel).await.unwrap();
    let mut consumer = scene.consume(queue, "a").await;
    assert_eq!(received(&mut consumer, 2).await, ["1", "2"]);
    scene.ready(queue, 3).await;
    scene.channel.basic_qos(4, QosScope::Channel).await.unwrap();
    assert_eq!(received(&mut consumer, 2).await, ["3", "4"]);
    scene.ready(queue, 1).await;
    scene.channel.basic_qos(0, QosScope::Channel).await.unwrap();
    assert_eq!(received(&mut consumer, 1).await, ["5"]);
}

async fn a_channels_prefetch_set_late(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 5).await;
    let mut consumer = scene.consume(queue, "a").await;
    assert_eq!(received(&mut consumer, 5).await, ["1", "2", "3", "4", "5"]);
    scene.channel.basic_qos(2, QosScope::Channel).await.unwrap();
    scene.add(queue, 3).await;
    scene.channel.basic_ack(5, Multiple::UpTo).await.unwrap();
    assert_eq!(received(&mut consumer, 2).await, ["1", "2"]);
    scene.ready(queue, 1).await;
}

async fn no_ack_does_not_count(link: &dyn Link) {
    for scope in [QosScope::Consumer, QosScope::Channel] {
        let scene = Scene::new(link).await;
        let queue = scene.name();
        scene.fill(queue, 5).await;
        scene.channel.basic_qos(1, scope).await.unwrap();
        let no_ack = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let mut consumer = scene.channel.basic_consume(queue, "a", no_ack).await.unwrap();
        assert_eq!(received(&mut consumer, 5).await, ["1", "2", "3", "4", "5"]);
    }
}

async fn a_requeue_makes_room(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 2).await;
    scene.channel.basic_qos(1, QosScope::Consumer).await.unwrap();
    let first = scene.consume(queue, "a").await;
    scene.ready(queue, 1).await;
    let second = scene.consume(queue, "b").await;
    let mut consumers = [first, second];
    let held = dealt_tags(&mut consumers, 2).await;
    let requeue = springhare_broker::Requeue::Yes;
    scene.channel.basic_nack(held[1].1, Multiple::One, requeue).await.unwrap();
    assert_eq!(dealt(&mut consumers, 1).await, ["b:2R"]);
}
