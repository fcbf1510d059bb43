//! Queues that may grow only so long.

use std::sync::Arc;

use springhare::connection::{Link, LinkChannel};
use springhare_amqp::Message;
use springhare_broker::ConfirmOutcome::{self, Ack, Nack};
use springhare_broker::{BasicPublishOptions, Multiple, Requeue};

use crate::confirms::outcome;
use crate::dead_letters::{deaths, headers};
use crate::features::{number, prioritized};
use crate::support::{Scene, arguments, dealt_tags, ended, received, shown, text};

contract!(
    the_oldest_are_dropped,
    what_is_dropped_is_dead_lettered_in_order,
    what_is_held_does_not_count,
    a_requeue_drops_too,
    no_length,
    bytes_of_bodies,
    both_limits_hold,
    a_purge_makes_room,
    the_highest_priority_is_dropped_first,
    a_full_queue_refuses_for_one_that_takes,
    room_for_one_more,
    refused_bytes,
    a_refused_message_is_not_returned,
    refused_without_confirms,
    a_waiting_consumer_makes_no_room,
    what_a_consumer_holds_makes_room,
    refused_messages_are_not_dead_lettered,
    refused_messages_are_dead_lettered_on_request,
);

async fn the_oldest_are_dropped(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, arguments([("x-max-length", number(2))])).await;
    for body in ["1", "2", "3", "4", "5"] {
        scene.publish("", queue, body).await;
    }
    scene.ready(queue, 2).await;
    assert_eq!(scene.drain(queue).await, ["4", "5"]);
}

async fn what_is_dropped_is_dead_lettered_in_order(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([("x-max-length", number(1))]).await);
    for body in ["1", "2", "3", "4", "5"] {
        scene.publish("", queue, body).await;
    }
    scene.ready(dead, 4).await;
    let first = scene.get(dead).await;
    assert_eq!(shown(&first), "1");
    assert_eq!(deaths(&first)[0].get("reason"), Some(&text("maxlen")));
    assert_eq!(headers(&first).get("x-first-death-reason"), Some(&text("maxlen")));
    assert_eq!(scene.drain(dead).await, ["2", "3", "4"]);
    assert_eq!(scene.drain(queue).await, ["5"]);
}

async fn what_is_held_does_not_count(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, arguments([("x-max-length", number(2))])).await;
    scene.add(queue, 2).await;
    scene.get_many(queue, 2).await;
    scene.add(queue, 2).await;
    scene.ready(queue, 2).await;
}

async fn a_requeue_drops_too(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([("x-max-length", number(2))]).await);
    scene.add(queue, 2).await;
    scene.get_many(queue, 2).await;
    scene.publish("", queue, "3").await;
    scene.publish("", queue, "4").await;
    scene.channel.basic_nack(2, Multiple::UpTo, Requeue::Yes).await.unwrap();
    assert_eq!(scene.drained(dead, 2).await, ["1", "2"], "they are the head again");
    assert_eq!(scene.drained(queue, 2).await, ["3", "4"]);
}

async fn no_length(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([("x-max-length", number(0))]).await);
    scene.publish("", queue, "1").await;
    assert_eq!(scene.drained(dead, 1).await, ["1"]);
    scene.channel.basic_qos(1, Default::default()).await.unwrap();
    let mut consumer = scene.consume(queue, "a").await;
    scene.publish("", queue, "2").await;
    // It need not lie in the queue.
    let (delivered, tag) = dealt_tags(std::slice::from_mut(&mut consumer), 1).await.remove(0);
    assert_eq!(delivered, "a:2");
    scene.publish("", queue, "3").await;
    assert_eq!(scene.drained(dead, 1).await, ["3"]);
    scene.channel.basic_nack(tag, Multiple::One, Requeue::Yes).await.unwrap();
    assert_eq!(scene.drained(dead, 1).await, ["2"]);
}

async fn bytes_of_bodies(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, arguments([("x-max-length-bytes", number(10))])).await;
    for (published, kept) in [
        (vec!["12345", "12345678901234567890"], vec![]),
        (vec!["1234", "abcd", "ABCD"], vec!["abcd", "ABCD"]),
        (vec!["1234567890"], vec!["1234567890"]),
        (vec!["", "1234567890", ""], vec!["", "1234567890", ""]),
        (vec!["1", "2", "34567890", "a"], vec!["2", "34567890", "a"]),
    ] {
        for body in published {
            scene.publish("", queue, body).await;
        }
        scene.ready(queue, kept.len().try_into().unwrap()).await;
        assert_eq!(scene.drain(queue).await, kept);
    }
}

async fn both_limits_hold(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    let limits = [("x-max-length", number(3)), ("x-max-length-bytes", number(10))];
    scene.queue_with(queue, arguments(limits)).await;
    for (published, kept) in [
        (["1", "2", "3", "4"], vec!["2", "3", "4"]),
        (["12345", "1", "123456", "1"], vec!["1", "123456", "1"]),
    ] {
        for body in published {
            scene.publish("", queue, body).await;
        }
        scene.ready(queue, 3).await;
        assert_eq!(scene.drain(queue).await, kept);
    }
}

async fn a_purge_makes_room(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    let limits = [("x-max-length", number(2)), ("x-max-length-bytes", number(2))];
    scene.queue_with(queue, arguments(limits)).await;
    for _ in 0..2 {
        scene.add(queue, 2).await;
        assert_eq!(scene.channel.queue_purge(queue).await.unwrap(), 2);
    }
}

/// The head is what would be delivered next.
async fn the_highest_priority_is_dropped_first(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    let limits = [("x-max-length", number(2)), ("x-max-priority", number(5))];
    scene.queue_with(queue, arguments(limits)).await;
    for (published, kept) in [
        ([("a", 5), ("b", 1), ("c", 3), ("d", 0)], ["b", "d"]),
        ([("a", 1), ("b", 1), ("c", 3), ("d", 5)], ["a", "b"]),
    ] {
        for (body, priority) in published {
            scene.send(queue, prioritized(body, priority)).await;
        }
        scene.ready(queue, 2).await;
        assert_eq!(scene.drain(queue).await, kept);
    }
}

/// A queue that refuses what goes beyond its limit, and a channel that is told.
async fn refusing<'l>(
    link: &'l dyn Link,
    argument: &str,
    limit: i32,
) -> (Scene<'l>, Arc<dyn LinkChannel>) {
    let scene = Scene::new(link).await;
    let limits = [(argument, number(limit)), ("x-overflow", text("reject-publish"))];
    scene.queue_with(scene.name(), arguments(limits)).await;
    let channel = scene.open().await;
    channel.confirm_select().await.unwrap();
    (scene, channel)
}

/// Publishes the bodies on a channel in confirm mode, and waits for what becomes of each.
async fn confirmed<const N: usize>(
    channel: &Arc<dyn LinkChannel>,
    (exchange, key): (&str, &str),
    bodies: [&str; N],
) -> Vec<ConfirmOutcome> {
    let mut told = Vec::new();
    for body in bodies {
        let message = Message::new(body.to_owned());
        let options = BasicPublishOptions { mandatory: true };
        let number = channel.basic_publish(exchange, key, options, message).await.unwrap();
        let (confirmed, outcome) = outcome(channel).await;
        assert_eq!(Some(confirmed), number);
        told.push(outcome);
    }
    told
}

async fn a_full_queue_refuses_for_one_that_takes(link: &dyn Link) {
    let (scene, channel) = refusing(link, "x-max-length", 1).await;
    let (exchange, open) = (&scene.named("exchange"), &scene.named("open"));
    scene.exchange(exchange, "fanout").await;
    scene.queue(open).await;
    for queue in [scene.name(), open] {
        scene.bind(queue, exchange, "").await;
    }
    assert_eq!(confirmed(&channel, (exchange, ""), ["1", "2"]).await, [Ack, Nack]);
    assert_eq!(scene.drained(scene.name(), 1).await, ["1"]);
    assert_eq!(scene.drained(open, 2).await, ["1", "2"], "it has both");
}

async fn room_for_one_more(link: &dyn Link) {
    let (scene, channel) = refusing(link, "x-max-length", 1).await;
    let queue = scene.name();
    assert_eq!(confirmed(&channel, ("", queue), ["1", "2"]).await, [Ack, Nack]);
    let tag = scene.get(queue).await.delivery_tag;
    assert_eq!(confirmed(&channel, ("", queue), ["3", "4"]).await, [Ack, Nack]);
    scene.channel.basic_reject(tag, Requeue::Yes).await.unwrap();
    assert_eq!(scene.drained(queue, 2).await, ["1R", "3"], "what is put back is not refused");
}

async fn refused_bytes(link: &dyn Link) {
    let (scene, channel) = refusing(link, "x-max-length-bytes", 10).await;
    let queue = scene.name();
    let bodies = ["1234", "12345678901234567890", "1", "12345", "1"];
    assert_eq!(confirmed(&channel, ("", queue), bodies).await, [Ack, Nack, Ack, Ack, Nack]);
    assert_eq!(scene.drained(queue, 3).await, ["1234", "1", "12345"]);
}

async fn a_refused_message_is_not_returned(link: &dyn Link) {
    let (scene, channel) = refusing(link, "x-max-length", 0).await;
    assert_eq!(confirmed(&channel, ("", scene.name()), ["1"]).await, [Nack]);
}

async fn refused_without_confirms(link: &dyn Link) {
    let (scene, _) = refusing(link, "x-max-length", 1).await;
    scene.publish("", scene.name(), "1").await;
    scene.publish("", scene.name(), "2").await;
    assert_eq!(scene.drained(scene.name(), 1).await, ["1"]);
}

async fn a_waiting_consumer_makes_no_room(link: &dyn Link) {
    let (scene, channel) = refusing(link, "x-max-length", 0).await;
    let mut consumer = scene.consume(scene.name(), "a").await;
    assert_eq!(confirmed(&channel, ("", scene.name()), ["1"]).await, [Nack]);
    scene.channel.basic_cancel("a").await.unwrap();
    assert!(ended(&mut consumer).await.is_empty());
}

async fn what_a_consumer_holds_makes_room(link: &dyn Link) {
    let (scene, channel) = refusing(link, "x-max-length", 1).await;
    let queue = scene.name();
    scene.channel.basic_qos(1, Default::default()).await.unwrap();
    let mut consumer = scene.consume(queue, "a").await;
    let told = confirmed(&channel, ("", queue), ["1", "2", "3"]).await;
    assert_eq!(told, [Ack, Ack, Nack]);
    assert_eq!(received(&mut consumer, 1).await, ["1"]);
}

async fn refused_messages_are_not_dead_lettered(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let limits = [("x-max-length", number(1)), ("x-overflow", text("reject-publish"))];
    let (queue, dead) = (scene.name(), &scene.dying(limits).await);
    for body in ["1", "2"] {
        scene.publish("", queue, body).await;
    }
    let tag = scene.get(queue).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::No).await.unwrap();
    assert_eq!(scene.drained(dead, 1).await, ["1"], "it would have come before");
}

async fn refused_messages_are_dead_lettered_on_request(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let limits = [("x-max-length", number(1)), ("x-overflow", text("reject-publish-dlx"))];
    let (queue, dead) = (scene.name(), &scene.dying(limits).await);
    let channel = scene.open().await;
    channel.confirm_select().await.unwrap();
    let told = confirmed(&channel, ("", queue), ["1", "2", "3"]).await;
    assert_eq!(told, [Ack, Nack, Nack]);
    scene.ready(dead, 2).await;
    let refused = scene.get(dead).await;
    assert_eq!(shown(&refused), "2");
    assert_eq!(deaths(&refused)[0].get("reason"), Some(&text("maxlen")));
    assert_eq!(scene.drain(dead).await, ["3"]);
    assert_eq!(scene.drain(queue).await, ["1"]);
}
