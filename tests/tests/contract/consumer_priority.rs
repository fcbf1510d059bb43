//! Who is served first, of consumers with priorities.

use springhare::connection::{Link, LinkConsumer};
use springhare_broker::{BasicConsumeOptions, Multiple};

use crate::features::{number, quorum};
use crate::support::{Scene, arguments, dealt, dealt_tags, table};

contract!(
    equals_take_turns_and_the_lower_take_the_rest,
    one_without_a_priority_has_priority_0,
    a_higher_one_that_comes_later_is_served_first,
);

async fn consumer(scene: &Scene<'_>, tag: &str, priority: Option<i32>) -> Box<dyn LinkConsumer> {
    let arguments = priority.map(|priority| table([("x-priority", number(priority))]));
    let options =
        BasicConsumeOptions { arguments: arguments.unwrap_or_default(), ..Default::default() };
    scene.channel.basic_consume(scene.name(), tag, options).await.unwrap()
}

async fn publish(scene: &Scene<'_>, count: u64) {
    for body in 1..=count {
        scene.publish("", scene.name(), &format!("{body:02}")).await;
    }
}

async fn equals_take_turns_and_the_lower_take_the_rest(link: &dyn Link) {
    for options in [arguments([]), quorum([])] {
        let scene = Scene::new(link).await;
        scene.queue_with(scene.name(), options).await;
        scene.channel.basic_qos(2, Default::default()).await.unwrap();
        let mut consumers = Vec::new();
        for (tag, priority) in [("a", 5), ("b", 10), ("c", 10), ("d", -1)] {
            consumers.push(consumer(&scene, tag, Some(priority)).await);
        }
        publish(&scene, 9).await;
        let expected = ["b:01", "c:02", "b:03", "c:04", "a:05", "a:06", "d:07", "d:08"];
        assert_eq!(dealt(&mut consumers, 8).await, expected);
        scene.ready(scene.name(), 1).await;
    }
}

async fn one_without_a_priority_has_priority_0(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    scene.channel.basic_qos(1, Default::default()).await.unwrap();
    let mut consumers = Vec::new();
    for (tag, priority) in [("a", Some(-1)), ("b", None), ("c", Some(0)), ("d", Some(1))] {
        consumers.push(consumer(&scene, tag, priority).await);
    }
    publish(&scene, 4).await;
    assert_eq!(dealt(&mut consumers, 4).await, ["d:01", "b:02", "c:03", "a:04"]);
}

async fn a_higher_one_that_comes_later_is_served_first(link: &dyn Link) {
    let scene = Scene::new(link).await;
    scene.queue(scene.name()).await;
    scene.channel.basic_qos(1, Default::default()).await.unwrap();
    let mut consumers = vec![consumer(&scene, "a", None).await];
    publish(&scene, 4).await;
    assert_eq!(dealt(&mut consumers, 1).await, ["a:01"]);
    consumers.push(consumer(&scene, "b", Some(1)).await);
    let (dealt, tag) = dealt_tags(&mut consumers, 1).await.remove(0);
    assert_eq!(dealt, "b:02", "the first one is busy");
    scene.channel.basic_ack(tag, Multiple::One).await.unwrap();
    let (dealt, _) = dealt_tags(&mut consumers, 1).await.remove(0);
    assert_eq!(dealt, "b:03");
}
