//! Who gets the next message.

use springhare::connection::{Link, LinkConsumer};
use springhare_amqp::FieldValue;
use springhare_broker::{BasicConsumeOptions, Multiple};

use crate::support::{Scene, dealt, dealt_tags, table};

contract!(
    round_robin_without_prefetch,
    round_robin_with_prefetch_1,
    prefetches_of_their_own,
    a_first_consumer_takes_what_waits,
    the_highest_priority_first,
    a_lower_priority_when_the_higher_is_busy,
);

async fn publish(scene: &Scene<'_>, count: u64) {
    for body in 1..=count {
        scene.publish("", scene.name(), &body.to_string()).await;
    }
}

fn names(dealt: &[(String, u64)]) -> Vec<&str> {
    dealt.iter().map(|(shown, _)| shown.as_str()).collect()
}

async fn round_robin_without_prefetch(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    let mut consumers = Vec::new();
    for tag in ["a", "b", "c"] {
        consumers.push(scene.consume(queue, tag).await);
    }
    publish(&scene, 7).await;
    let expected = ["a:1", "b:2", "c:3", "a:4", "b:5", "c:6", "a:7"];
    assert_eq!(dealt(&mut consumers, 7).await, expected);
}

async fn round_robin_with_prefetch_1(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    scene.channel.basic_qos(1, Default::default()).await.unwrap();
    let mut consumers = Vec::new();
    for tag in ["a", "b", "c"] {
        consumers.push(scene.consume(queue, tag).await);
    }
    publish(&scene, 6).await;
    let held = dealt_tags(&mut consumers, 3).await;
    assert_eq!(names(&held), ["a:1", "b:2", "c:3"]);
    scene.ready(queue, 3).await;
    scene.channel.basic_ack(held[1].1, Multiple::One).await.unwrap();
    assert_eq!(dealt(&mut consumers, 1).await, ["b:4"]);
    scene.channel.basic_ack(held[0].1, Multiple::One).await.unwrap();
    assert_eq!(dealt(&mut consumers, 1).await, ["a:5"]);
    scene.ready(queue, 1).await;
}

async fn prefetches_of_their_own(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    scene.channel.basic_qos(1, Default::default()).await.unwrap();
    let first = scene.consume(queue, "a").await;
    scene.channel.basic_qos(3, Default::default()).await.unwrap();
    let mut consumers = [first, scene.consume(queue, "b").await];
    publish(&scene, 7).await;
    assert_eq!(dealt(&mut consumers, 4).await, ["a:1", "b:2", "b:3", "b:4"]);
    scene.ready(queue, 3).await;
}

async fn a_first_consumer_takes_what_waits(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.fill(queue, 4).await;
    let first = scene.consume(queue, "a").await;
    scene.ready(queue, 0).await;
    let mut consumers = [first, scene.consume(queue, "b").await];
    assert_eq!(dealt(&mut consumers, 4).await, ["a:1", "a:2", "a:3", "a:4"]);
}

async fn prioritised(
    scene: &Scene<'_>,
    consumers: [(&str, Option<i32>); 4],
) -> Vec<Box<dyn LinkConsumer>> {
    let mut started = Vec::new();
    for (tag, priority) in consumers {
        let arguments = match priority {
            Some(priority) => table([("x-priority", FieldValue::I32(priority))]),
            None => Default::default(),
        };
        let options = BasicConsumeOptions { arguments, ..Default::default() };
        started.push(scene.channel.basic_consume(scene.name(), tag, options).await.unwrap());
    }
    started
}

const CONSUMERS: [(&str, Option<i32>); 4] =
    [("low", None), ("high", Some(5)), ("higher", Some(6)), ("negative", Some(-5))];

async fn the_highest_priority_first(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    let mut consumers = prioritised(&scene, CONSUMERS).await;
    publish(&scene, 3).await;
    assert_eq!(dealt(&mut consumers, 3).await, ["higher:1", "higher:2", "higher:3"]);
}

async fn a_lower_priority_when_the_higher_is_busy(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    scene.channel.basic_qos(1, Default::default()).await.unwrap();
    let mut consumers = prioritised(&scene, CONSUMERS).await;
    publish(&scene, 6).await;
    let held = dealt_tags(&mut consumers, 4).await;
    assert_eq!(names(&held), ["higher:1", "high:2", "low:3", "negative:4"]);
    scene.channel.basic_ack(held[2].1, Multiple::One).await.unwrap();
    assert_eq!(dealt(&mut consumers, 1).await, ["low:5"]);
    scene.channel.basic_ack(held[1].1, Multiple::One).await.unwrap();
    assert_eq!(dealt(&mut consumers, 1).await, ["high:6"]);
}
