//! Queues with `x-max-priority`.

use springhare::connection::Link;
use springhare_broker::{Multiple, Requeue};

use crate::features::{number, prioritized};
use crate::support::{Scene, arguments, received, shown};

contract!(
    the_highest_first,
    above_the_highest,
    in_order_among_their_own,
    one_that_is_put_back_is_first_of_its_own,
    no_priorities,
    a_late_one_overtakes,
    a_high_one_does_not_wait_for_what_is_held,
    what_a_closed_channel_held,
    the_property_stays,
    a_purge_takes_all,
);

/// Declares the case's own queue with priorities to 5.
async fn prioritizing<'l>(link: &'l dyn Link) -> Scene<'l> {
    let scene = Scene::new(link).await;
    scene.queue_with(scene.name(), arguments([("x-max-priority", number(5))])).await;
    scene
}

/// Publishes each body with a priority.
async fn send<const N: usize>(scene: &Scene<'_>, messages: [(&str, u8); N]) {
    for (body, priority) in messages {
        scene.send(scene.name(), prioritized(body, priority)).await;
    }
}

async fn the_highest_first(link: &dyn Link) {
    let scene = prioritizing(link).await;
    send(&scene, [("0", 0), ("3", 3), ("5", 5), ("1", 1), ("3 again", 3)]).await;
    scene.publish("", scene.name(), "none").await;
    let expected = ["5", "3", "3 again", "1", "0", "none"];
    assert_eq!(scene.drained(scene.name(), 6).await, expected, "none is 0");
}

async fn above_the_highest(link: &dyn Link) {
    let scene = prioritizing(link).await;
    send(&scene, [("5", 5), ("9", 9), ("255", 255), ("5 again", 5)]).await;
    assert_eq!(scene.drained(scene.name(), 4).await, ["5", "9", "255", "5 again"]);
}

async fn in_order_among_their_own(link: &dyn Link) {
    let scene = prioritizing(link).await;
    send(&scene, [("a", 3), ("b", 3), ("c", 1), ("d", 3), ("e", 1)]).await;
    scene.ready(scene.name(), 5).await;
    scene.get_many(scene.name(), 5).await;
    // They were got as a, b, d, c, e.
    for tag in [5, 1, 3, 2, 4] {
        scene.channel.basic_nack(tag, Multiple::One, Requeue::Yes).await.unwrap();
    }
    assert_eq!(scene.drained(scene.name(), 5).await, ["aR", "bR", "dR", "cR", "eR"]);
}

async fn one_that_is_put_back_is_first_of_its_own(link: &dyn Link) {
    let scene = prioritizing(link).await;
    send(&scene, [("a", 3), ("b", 3)]).await;
    let held = scene.get(scene.name()).await;
    send(&scene, [("c", 3), ("d", 5), ("e", 0)]).await;
    scene.channel.basic_reject(held.delivery_tag, Requeue::Yes).await.unwrap();
    assert_eq!(scene.drained(scene.name(), 5).await, ["d", "aR", "b", "c", "e"]);
}

async fn no_priorities(link: &dyn Link) {
    for options in [arguments([]), arguments([("x-max-priority", number(0))])] {
        let scene = Scene::new(link).await;
        scene.queue_with(scene.name(), options).await;
        send(&scene, [("0", 0), ("3", 3), ("1", 1)]).await;
        assert_eq!(scene.drained(scene.name(), 3).await, ["0", "3", "1"]);
    }
}

async fn a_late_one_overtakes(link: &dyn Link) {
    let scene = prioritizing(link).await;
    let queue = scene.name();
    send(&scene, [("a", 1), ("b", 1), ("c", 1), ("d", 1)]).await;
    scene.ready(queue, 4).await;
    scene.channel.basic_qos(2, Default::default()).await.unwrap();
    let mut consumer = scene.consume(queue, "a").await;
    assert_eq!(received(&mut consumer, 2).await, ["a", "b"]);
    send(&scene, [("high", 5)]).await;
    scene.ready(queue, 3).await;
    for (tag, next) in [(1, "high"), (2, "c"), (3, "d")] {
        scene.channel.basic_ack(tag, Multiple::One).await.unwrap();
        assert_eq!(received(&mut consumer, 1).await, [next]);
    }
}

async fn a_high_one_does_not_wait_for_what_is_held(link: &dyn Link) {
    let scene = prioritizing(link).await;
    send(&scene, [("high", 5), ("low", 1)]).await;
    scene.ready(scene.name(), 2).await;
    let high = scene.get(scene.name()).await;
    assert_eq!(shown(&scene.get(scene.name()).await), "low");
    scene.channel.basic_ack(high.delivery_tag, Multiple::One).await.unwrap();
    scene.ready(scene.name(), 0).await;
}

async fn what_a_closed_channel_held(link: &dyn Link) {
    let scene = prioritizing(link).await;
    send(&scene, [("a", 1), ("b", 5), ("c", 1), ("d", 5), ("e", 3)]).await;
    scene.ready(scene.name(), 5).await;
    let other = scene.reopened().await;
    other.get_many(other.name(), 4).await;
    other.channel.close().await.unwrap();
    assert_eq!(scene.drained(scene.name(), 5).await, ["bR", "dR", "eR", "aR", "c"]);
}

async fn the_property_stays(link: &dyn Link) {
    let scene = prioritizing(link).await;
    send(&scene, [("a", 9), ("b", 5)]).await;
    scene.ready(scene.name(), 2).await;
    for priority in [9, 5] {
        let got = scene.get(scene.name()).await;
        assert_eq!(got.message.message.properties.priority, Some(priority));
    }
}

async fn a_purge_takes_all(link: &dyn Link) {
    let scene = prioritizing(link).await;
    send(&scene, [("a", 1), ("b", 5), ("c", 3)]).await;
    scene.ready(scene.name(), 3).await;
    assert_eq!(scene.channel.queue_purge(scene.name()).await.unwrap(), 3);
    send(&scene, [("d", 1)]).await;
    assert_eq!(scene.drained(scene.name(), 1).await, ["d"]);
}
