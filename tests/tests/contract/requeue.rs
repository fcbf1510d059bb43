//! What comes back, where it comes back to, and how it is marked.

use springhare::connection::Link;
use springhare_broker::{Multiple, NoAck, Requeue};

use crate::support::{Scene, dealt, received};

contract!(
    the_original_positions,
    in_front_of_what_was_never_delivered,
    a_closed_channel_gives_back,
    a_closed_connection_gives_back,
    recover_gives_back,
    recover_redelivers_to_the_consumer,
    redelivered_is_about_the_message,
    the_same_consumer_may_get_it_again,
    a_requeue_goes_to_the_next_consumer,
    rejected_without_requeue_is_dropped,
);

async fn the_original_positions(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 5).await;
    scene.get_many(queue, 5).await;
    for tag in [4, 2, 5, 1, 3] {
        scene.channel.basic_nack(tag, Multiple::One, Requeue::Yes).await.unwrap();
    }
    scene.ready(queue, 5).await;
    assert_eq!(scene.drain(queue).await, ["1R", "2R", "3R", "4R", "5R"]);
}

async fn in_front_of_what_was_never_delivered(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 5).await;
    scene.get_many(queue, 3).await;
    scene.publish("", queue, "6").await;
    scene.channel.basic_reject(3, Requeue::Yes).await.unwrap();
    scene.channel.basic_reject(1, Requeue::Yes).await.unwrap();
    scene.ready(queue, 5).await;
    assert_eq!(scene.drain(queue).await, ["1R", "3R", "4", "5", "6"]);
}

async fn a_closed_channel_gives_back(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 3).await;
    let channel = scene.open().await;
    for _ in 0..3 {
        channel.basic_get(queue, NoAck::No).await.unwrap();
    }
    scene.publish("", queue, "4").await;
    channel.close().await.unwrap();
    scene.ready(queue, 4).await;
    assert_eq!(scene.drain(queue).await, ["1R", "2R", "3R", "4"]);
}

async fn a_closed_connection_gives_back(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 2).await;
    let connection = scene.connect().await;
    let channel = connection.open_channel().await.unwrap();
    channel.basic_get(queue, NoAck::No).await.unwrap();
    connection.close().await.unwrap();
    scene.ready(queue, 2).await;
    assert_eq!(scene.drain(queue).await, ["1R", "2"]);
}

async fn recover_gives_back(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.channel.basic_recover().await.unwrap();
    scene.fill(queue, 3).await;
    scene.get_many(queue, 3).await;
    scene.channel.basic_ack(2, Multiple::One).await.unwrap();
    scene.channel.basic_recover().await.unwrap();
    scene.ready(queue, 2).await;
    assert_eq!(scene.drain(queue).await, ["1R", "3R"]);
}

async fn recover_redelivers_to_the_consumer(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 3).await;
    scene.channel.basic_qos(2, Default::default()).await.unwrap();
    let mut consumer = scene.consume(queue, "a").await;
    assert_eq!(received(&mut consumer, 2).await, ["1", "2"]);
    scene.channel.basic_ack(1, Multiple::One).await.unwrap();
    assert_eq!(received(&mut consumer, 1).await, ["3"]);
    scene.channel.basic_recover().await.unwrap();
    assert_eq!(received(&mut consumer, 2).await, ["2R", "3R"]);
    // Under new tags.
    scene.channel.basic_ack(5, Multiple::UpTo).await.unwrap();
}

async fn redelivered_is_about_the_message(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 1).await;
    for (tag, is_redelivered) in [(1, false), (2, true), (3, true)] {
        let delivery = scene.get(queue).await;
        assert_eq!((delivery.delivery_tag, delivery.redelivered), (tag, is_redelivered));
        scene.channel.basic_nack(tag, Multiple::One, Requeue::Yes).await.unwrap();
        scene.ready(queue, 1).await;
    }
}

async fn the_same_consumer_may_get_it_again(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 3).await;
    scene.channel.basic_qos(1, Default::default()).await.unwrap();
    let mut consumer = scene.consume(queue, "a").await;
    assert_eq!(received(&mut consumer, 1).await, ["1"]);
    scene.channel.basic_nack(1, Multiple::One, Requeue::Yes).await.unwrap();
    assert_eq!(received(&mut consumer, 1).await, ["1R"]);
    scene.channel.basic_ack(2, Multiple::One).await.unwrap();
    assert_eq!(received(&mut consumer, 1).await, ["2"]);
}

async fn a_requeue_goes_to_the_next_consumer(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    let mut consumers = [scene.consume(queue, "a").await, scene.consume(queue, "b").await];
    scene.publish("", queue, "1").await;
    assert_eq!(dealt(&mut consumers, 1).await, ["a:1"]);
    scene.channel.basic_nack(1, Multiple::One, Requeue::Yes).await.unwrap();
    assert_eq!(dealt(&mut consumers, 1).await, ["b:1R"]);
}

async fn rejected_without_requeue_is_dropped(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 4).await;
    scene.get_many(queue, 3).await;
    scene.channel.basic_reject(1, Requeue::No).await.unwrap();
    scene.channel.basic_nack(3, Multiple::UpTo, Requeue::No).await.unwrap();
    scene.channel.basic_recover().await.unwrap();
    assert_eq!(scene.drain(queue).await, ["4"]);
}
