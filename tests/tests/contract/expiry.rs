//! Messages whose time is over.

use springhare::connection::Link;
use springhare_amqp::{BasicProperties, DeliveryMode, FieldValue, ShortString};
use springhare_broker::{Multiple, Requeue};

use crate::dead_letters::{deaths, headers};
use crate::features::{Hourglass, expiring, number, prioritized, to_queue};
use crate::support::{Scene, arguments, received, shown, table, text, with_properties};

contract!(
    a_message_with_a_time_of_its_own,
    a_queue_that_gives_its_messages_a_time,
    the_shorter_time_counts,
    no_time_at_all,
    no_time_and_a_waiting_consumer,
    behind_a_live_head_it_stays,
    it_goes_when_the_head_is_taken,
    behind_a_live_head_it_is_purged,
    one_that_is_held_does_not_expire,
    a_requeue_gives_no_new_time,
    in_the_order_of_the_queue,
    what_an_expired_message_becomes,
    a_busy_consumer_does_not_keep_them,
    a_higher_priority_shields_a_lower,
    the_highest_priority_dies_first,
    the_longest_time,
);

async fn a_message_with_a_time_of_its_own(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue(queue).await;
    scene.send(queue, expiring("1", "60")).await;
    scene.publish("", queue, "2").await;
    scene.ready(queue, 1).await;
    assert_eq!(scene.drain(queue).await, ["2"]);
}

async fn a_queue_that_gives_its_messages_a_time(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, arguments([("x-message-ttl", number(300))])).await;
    scene.publish("", queue, "1").await;
    scene.publish("", queue, "2").await;
    assert_eq!(shown(&scene.get(queue).await), "1", "until then it is delivered");
    scene.ready(queue, 0).await;
    assert!(scene.drain(queue).await.is_empty());
}

async fn the_shorter_time_counts(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let dead = scene.dying([("x-message-ttl", number(60))]).await;
    scene.send(scene.name(), expiring("1", "60000")).await;
    assert_eq!(scene.drained(&dead, 1).await, ["1"]);
    let patient = &scene.named("patient");
    scene.queue_with(patient, to_queue(arguments([("x-message-ttl", number(60000))]), &dead)).await;
    scene.send(patient, expiring("2", "60")).await;
    assert_eq!(scene.drained(&dead, 1).await, ["2"]);
}

async fn no_time_at_all(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let dead = scene.dying([]).await;
    scene.send(scene.name(), expiring("1", "0")).await;
    assert_eq!(scene.drained(&dead, 1).await, ["1"]);
    scene.ready(scene.name(), 0).await;
    let hasty = &scene.named("hasty");
    scene.queue_with(hasty, to_queue(arguments([("x-message-ttl", number(0))]), &dead)).await;
    scene.publish("", hasty, "2").await;
    assert_eq!(scene.drained(&dead, 1).await, ["2"]);
    assert!(scene.drain(hasty).await.is_empty());
}

/// Instead of `immediate`, which RabbitMQ has no more.
async fn no_time_and_a_waiting_consumer(link: &dyn Link) {
    for (ttl, expiration) in [(Some(0), None), (None, Some("0"))] {
        let scene = Scene::new(link).await;
        let (queue, dead) = (scene.name(), &scene.named("dead"));
        scene.queue(dead).await;
        let ttl = ttl.map(|ttl| arguments([("x-message-ttl", number(ttl))]));
        scene.queue_with(queue, to_queue(ttl.unwrap_or_default(), dead)).await;
        let message = |body| match expiration {
            Some(expiration) => expiring(body, expiration),
            None => with_properties(body, BasicProperties::NONE),
        };
        scene.channel.basic_qos(1, Default::default()).await.unwrap();
        let mut consumer = scene.consume(queue, "a").await;
        scene.send(queue, message("1")).await;
        scene.send(queue, message("2")).await;
        assert_eq!(received(&mut consumer, 1).await, ["1"]);
        assert_eq!(scene.drained(dead, 1).await, ["2"], "the consumer was busy");
        scene.channel.basic_nack(1, Multiple::One, Requeue::Yes).await.unwrap();
        assert_eq!(scene.drained(dead, 1).await, ["1"]);
    }
}

async fn behind_a_live_head_it_stays(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([]).await);
    scene.publish("", queue, "1").await;
    scene.send(queue, expiring("2", "50")).await;
    scene.publish("", queue, "3").await;
    Hourglass::new(&scene).await.runs(100).await;
    scene.ready(queue, 3).await;
    scene.ready(dead, 0).await;
    assert_eq!(scene.drain(queue).await, ["1", "3"], "it is never delivered");
    assert_eq!(scene.drained(dead, 1).await, ["2"]);
}

async fn it_goes_when_the_head_is_taken(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([]).await);
    scene.send(queue, expiring("1", "60000")).await;
    scene.send(queue, expiring("2", "50")).await;
    scene.publish("", queue, "3").await;
    Hourglass::new(&scene).await.runs(100).await;
    let head = scene.get(queue).await;
    assert_eq!(scene.drained(dead, 1).await, ["2"]);
    scene.ready(queue, 1).await;
    let tag = head.delivery_tag;
    scene.channel.basic_nack(tag, Multiple::One, Requeue::Yes).await.unwrap();
    assert_eq!(scene.drained(queue, 2).await, ["1R", "3"]);
}

async fn behind_a_live_head_it_is_purged(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([]).await);
    scene.publish("", queue, "1").await;
    scene.send(queue, expiring("2", "50")).await;
    Hourglass::new(&scene).await.runs(100).await;
    assert_eq!(scene.channel.queue_purge(queue).await.unwrap(), 2);
    scene.send(queue, expiring("3", "0")).await;
    assert_eq!(scene.drained(dead, 1).await, ["3"], "the purged ones are just gone");
}

async fn one_that_is_held_does_not_expire(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([]).await);
    scene.send(queue, expiring("1", "200")).await;
    let held = scene.get(queue).await;
    Hourglass::new(&scene).await.runs(250).await;
    scene.ready(dead, 0).await;
    let tag = held.delivery_tag;
    scene.channel.basic_nack(tag, Multiple::One, Requeue::Yes).await.unwrap();
    scene.ready(dead, 1).await;
    let expired = scene.get(dead).await;
    assert_eq!(shown(&expired), "1", "not redelivered");
    assert_eq!(deaths(&expired)[0].get("reason"), Some(&text("expired")));
}

async fn a_requeue_gives_no_new_time(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([]).await);
    scene.send(queue, expiring("1", "600")).await;
    let hourglass = Hourglass::new(&scene).await;
    hourglass.runs(300).await;
    let tag = scene.get(queue).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::Yes).await.unwrap();
    scene.ready(queue, 1).await;
    // It would have 600 ms again.
    hourglass.runs(400).await;
    scene.ready(queue, 0).await;
    assert_eq!(scene.drained(dead, 1).await, ["1"]);
}

async fn in_the_order_of_the_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let dead = scene.dying([("x-message-ttl", number(60))]).await;
    for body in ["1", "2", "3", "4", "5", "6"] {
        scene.publish("", scene.name(), body).await;
    }
    assert_eq!(scene.drained(&dead, 6).await, ["1", "2", "3", "4", "5", "6"]);
}

async fn what_an_expired_message_becomes(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([]).await);
    let properties = BasicProperties {
        content_type: Some(ShortString::new("text/plain").unwrap()),
        delivery_mode: Some(DeliveryMode::Persistent),
        priority: Some(3),
        timestamp: Some(5),
        expiration: Some(ShortString::new("100").unwrap()),
        headers: Some(table([("mine", number(1))])),
        ..Default::default()
    };
    scene.send(queue, with_properties("m", properties.clone())).await;
    scene.ready(dead, 1).await;
    let expired = scene.get(dead).await;
    let kept = &expired.message.message.properties;
    assert_eq!(kept.expiration, None);
    assert_eq!(kept.content_type, properties.content_type);
    assert_eq!(kept.delivery_mode, properties.delivery_mode);
    assert_eq!((kept.priority, kept.timestamp), (Some(3), Some(5)));
    assert_eq!(headers(&expired).get("mine"), Some(&number(1)));
    assert_eq!(headers(&expired).get("x-first-death-reason"), Some(&text("expired")));
    let [death] = deaths(&expired).try_into().expect("one death");
    assert_eq!(death.get("reason"), Some(&text("expired")));
    assert_eq!(death.get("count"), Some(&FieldValue::I64(1)));
    assert_eq!(death.get("original-expiration"), Some(&text("100")));
    // The queue's own time is not told.
    let hasty = &scene.named("hasty");
    scene.queue_with(hasty, to_queue(arguments([("x-message-ttl", number(60))]), dead)).await;
    scene.publish("", hasty, "n").await;
    scene.ready(dead, 1).await;
    let [death] = deaths(&scene.get(dead).await).try_into().expect("one death");
    assert_eq!(death.get("original-expiration"), None);
}

async fn a_busy_consumer_does_not_keep_them(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([("x-message-ttl", number(60))]).await);
    scene.channel.basic_qos(1, Default::default()).await.unwrap();
    let mut consumer = scene.consume(queue, "a").await;
    for body in ["1", "2", "3"] {
        scene.publish("", queue, body).await;
    }
    assert_eq!(received(&mut consumer, 1).await, ["1"]);
    assert_eq!(scene.drained(dead, 2).await, ["2", "3"]);
    scene.channel.basic_ack(1, Multiple::One).await.unwrap();
    scene.publish("", queue, "4").await;
    assert_eq!(received(&mut consumer, 1).await, ["4"]);
}

async fn a_higher_priority_shields_a_lower(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([("x-max-priority", number(5))]).await);
    scene.send(queue, prioritized("high", 5)).await;
    let mut low = expiring("low", "50");
    low.properties.priority = Some(1);
    scene.send(queue, low).await;
    Hourglass::new(&scene).await.runs(100).await;
    scene.ready(queue, 2).await;
    scene.ready(dead, 0).await;
    assert_eq!(scene.drain(queue).await, ["high"]);
    assert_eq!(scene.drained(dead, 1).await, ["low"]);
}

async fn the_highest_priority_dies_first(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let limits = [("x-max-priority", number(5)), ("x-message-ttl", number(150))];
    let (queue, dead) = (scene.name(), &scene.dying(limits).await);
    for (body, priority) in [("low", 1), ("high", 5), ("middle", 3)] {
        scene.send(queue, prioritized(body, priority)).await;
    }
    assert_eq!(scene.drained(dead, 3).await, ["high", "middle", "low"]);
}

async fn the_longest_time(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, longest) = (scene.name(), 315_360_000_000);
    for argument in ["x-message-ttl", "x-expires"] {
        let name = scene.named(argument);
        scene.queue_with(&name, arguments([(argument, FieldValue::I64(longest))])).await;
        let text = format!(
            "PRECONDITION_FAILED - invalid arg '{argument}' for queue '{queue}' in vhost '/': \
             {{value_too_large,315360000001}}"
        );
        let options = arguments([(argument, FieldValue::I64(longest + 1))]);
        scene.refused(406, &text, async |c| c.queue_declare(queue, options).await).await;
    }
    scene.queue(queue).await;
    scene.send(queue, expiring("1", "315360000000")).await;
    let text = "PRECONDITION_FAILED - invalid expiration '315360000001': \
                {value_too_large,315360000001}";
    let message = expiring("2", "315360000001");
    scene
        .refused(406, text, async |c| c.basic_publish("", queue, Default::default(), message).await)
        .await;
    assert_eq!(scene.drain(queue).await, ["1"]);
}
