//! What a dead letter tells of its deaths, and where it may go.

use springhare::connection::Link;
use springhare_amqp::{BasicProperties, FieldTable, FieldValue};
use springhare_broker::{
    BasicPublishOptions, ChannelEvent, Delivery, ExchangeDeclareOptions, Requeue,
};
use springhare_tests::within_limit;

use crate::dead_letters::{deaths, headers};
use crate::features::{number, to_queue};
use crate::support::{Scene, arguments, shown, table, text, with_properties};

contract!(
    a_death_keeps_its_first_time,
    several_reasons_in_one_queue,
    the_first_death_is_remembered,
    the_exchange_and_the_key_it_was_published_with,
    deaths_that_a_client_published,
    deaths_that_are_no_list,
    a_first_death_that_a_client_published,
    through_exchanges_of_every_type,
    over_an_alternate_exchange,
    an_exchange_that_is_made_later,
    a_dead_letter_is_never_returned,
);

/// Rejects the next message of the queue, and returns what lies in the other one afterwards.
async fn bury(scene: &Scene<'_>, queue: &str, dead: &str) -> Delivery {
    scene.ready(queue, 1).await;
    let tag = scene.get(queue).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::No).await.unwrap();
    scene.ready(dead, 1).await;
    scene.get(dead).await
}

/// Queue, reason and count of each death.
fn counted(delivery: &Delivery) -> Vec<(String, String, Option<i64>)> {
    let text = |death: &FieldTable, name| {
        death.get(name).and_then(FieldValue::as_str).unwrap_or_default().to_owned()
    };
    let death = |death: &FieldTable| {
        (
            text(death, "queue"),
            text(death, "reason"),
            death.get("count").and_then(FieldValue::as_i64),
        )
    };
    deaths(delivery).iter().map(death).collect()
}

fn death(queue: &str, reason: &str, count: i64) -> (String, String, Option<i64>) {
    (queue.to_owned(), reason.to_owned(), Some(count))
}

async fn a_death_keeps_its_first_time(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (main, retry) = (scene.name(), &scene.named("retry"));
    scene.queue_with(main, to_queue(arguments([]), retry)).await;
    // Times are told in seconds.
    scene.queue_with(retry, to_queue(arguments([("x-message-ttl", number(1100))]), main)).await;
    scene.publish("", main, "m").await;
    let tag = scene.get(main).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::No).await.unwrap();
    scene.ready(main, 1).await;
    let back = scene.get(main).await;
    assert_eq!(counted(&back), [death(retry, "expired", 1), death(main, "rejected", 1)]);
    scene.channel.basic_reject(back.delivery_tag, Requeue::No).await.unwrap();
    scene.ready(retry, 1).await;
    let again = scene.get(retry).await;
    assert_eq!(counted(&again), [death(main, "rejected", 2), death(retry, "expired", 1)]);
    assert_eq!(deaths(&again)[0].get("time"), deaths(&back)[1].get("time"));
    assert_ne!(deaths(&again)[0].get("time"), deaths(&again)[1].get("time"));
}

async fn several_reasons_in_one_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    // Its dead letters come back to it, and go to another queue too.
    let (queue, exchange, other) = (scene.name(), &scene.named("exchange"), &scene.named("other"));
    scene.exchange(exchange, "fanout").await;
    scene.queue(other).await;
    let limited = [("x-dead-letter-exchange", text(exchange)), ("x-max-length", number(1))];
    scene.queue_with(queue, arguments(limited)).await;
    for queue in [queue, other] {
        scene.bind(queue, exchange, "").await;
    }
    scene.publish("", queue, "1").await;
    let dead = bury(&scene, queue, other).await;
    assert_eq!(counted(&dead), [death(queue, "rejected", 1)]);
    scene.ready(queue, 1).await;
    scene.publish("", queue, "2").await;
    scene.ready(other, 1).await;
    let dead = scene.get(other).await;
    assert_eq!(shown(&dead), "1");
    assert_eq!(counted(&dead), [death(queue, "maxlen", 1), death(queue, "rejected", 1)]);
    assert_eq!(scene.drained(queue, 1).await, ["2"], "without a rejection it does not come back");
}

async fn the_first_death_is_remembered(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (first, second, last) = (scene.name(), &scene.named("second"), &scene.named("last"));
    scene.queue_with(first, to_queue(arguments([("x-max-length", number(0))]), second)).await;
    scene.queue_with(second, to_queue(arguments([]), last)).await;
    scene.queue(last).await;
    scene.publish("", first, "m").await;
    let dead = bury(&scene, second, last).await;
    assert_eq!(counted(&dead), [death(second, "rejected", 1), death(first, "maxlen", 1)]);
    for (name, value) in [
        ("x-first-death-reason", "maxlen"),
        ("x-first-death-queue", first),
        ("x-first-death-exchange", ""),
    ] {
        assert_eq!(headers(&dead).get(name), Some(&text(value)), "{name}");
    }
}

async fn the_exchange_and_the_key_it_was_published_with(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (exchange, dead) = (&scene.named("exchange"), &scene.dying([]).await);
    scene.exchange(exchange, "topic").await;
    scene.bind(scene.name(), exchange, "a.#").await;
    scene.publish(exchange, "a.b", "m").await;
    let dead = bury(&scene, scene.name(), dead).await;
    let [death] = deaths(&dead).try_into().expect("one death");
    assert_eq!(death.get("exchange"), Some(&text(exchange)));
    assert_eq!(death.get("routing-keys"), Some(&FieldValue::Array(vec![text("a.b")])));
    assert_eq!(headers(&dead).get("x-first-death-exchange"), Some(&text(exchange)));
}

/// The deaths of a message that was published with such a header, and is rejected then.
async fn after(scene: &Scene<'_>, dead: &str, header: FieldValue) -> Delivery {
    let headers = Some(table([("x-death", header)]));
    let properties = BasicProperties { headers, ..Default::default() };
    scene.send(scene.name(), with_properties("m", properties)).await;
    bury(scene, scene.name(), dead).await
}

/// RabbitMQ 4.0 has its own count and does not look at these any more.
async fn deaths_that_a_client_published(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([]).await);
    let published = |queue: &str, count| {
        let count = ("count", FieldValue::I64(count));
        FieldValue::Table(table([("queue", text(queue)), ("reason", text("rejected")), count]))
    };
    let list = |entry| FieldValue::Array(vec![entry]);
    let other = after(&scene, dead, list(published("other", 7))).await;
    assert_eq!(counted(&other), [death(queue, "rejected", 1), death("other", "rejected", 7)]);
    assert_eq!(headers(&other).get("x-first-death-queue"), None, "it was not the first");
    let same = after(&scene, dead, list(published(queue, 7))).await;
    assert_eq!(counted(&same), [death(queue, "rejected", 8)]);
    assert_eq!(deaths(&same)[0].get("time"), None, "the rest is as it was published");
    let none = after(&scene, dead, FieldValue::Array(Vec::new())).await;
    assert_eq!(counted(&none), [death(queue, "rejected", 1)]);
    assert_eq!(headers(&none).get("x-first-death-queue"), None);
}

async fn deaths_that_are_no_list(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([]).await);
    for header in [text("many"), number(5), FieldValue::Table(table([("a", number(1))]))] {
        let dead = after(&scene, dead, header).await;
        assert_eq!(counted(&dead), [death(queue, "rejected", 1)]);
        assert_eq!(headers(&dead).get("x-first-death-queue"), None);
    }
}

async fn a_first_death_that_a_client_published(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, dead) = (scene.name(), &scene.dying([]).await);
    let headers_ = Some(table([("x-first-death-queue", text("mine"))]));
    let properties = BasicProperties { headers: headers_, ..Default::default() };
    scene.send(queue, with_properties("m", properties)).await;
    let dead = bury(&scene, queue, dead).await;
    assert_eq!(headers(&dead).get("x-first-death-queue"), Some(&text(queue)));
    assert_eq!(headers(&dead).get("x-first-death-reason"), Some(&text("rejected")));
}

async fn through_exchanges_of_every_type(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let dead = &scene.named("dead");
    scene.queue(dead).await;
    for kind in ["direct", "topic", "headers", "fanout"] {
        let (exchange, queue) = (&scene.named(kind), &scene.named(&format!("from-{kind}")));
        // No client publishes to it, and it takes dead letters all the same.
        let internal = ExchangeDeclareOptions { internal: true, ..Default::default() };
        scene.channel.exchange_declare(exchange, kind, internal).await.unwrap();
        scene.queue_with(queue, arguments([("x-dead-letter-exchange", text(exchange))])).await;
        let key = if kind == "topic" { "#" } else { queue };
        let bound = table([("x-match", text("all")), ("mine", number(1))]);
        scene.channel.queue_bind(dead, exchange, key, bound).await.unwrap();
        let headers = Some(table([("mine", number(1))]));
        let properties = BasicProperties { headers, ..Default::default() };
        scene.send(queue, with_properties(kind, properties)).await;
        let letter = bury(&scene, queue, dead).await;
        assert_eq!(shown(&letter), kind);
        assert_eq!(letter.message.exchange.as_str(), exchange);
        assert_eq!(letter.message.routing_key.as_str(), queue);
    }
}

async fn over_an_alternate_exchange(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (exchange, alternate) = (&scene.named("exchange"), &scene.named("alternate"));
    let (queue, dead) = (scene.name(), &scene.named("dead"));
    scene.exchange(alternate, "fanout").await;
    scene.queue(dead).await;
    scene.bind(dead, alternate, "").await;
    let arguments_ = table([("alternate-exchange", text(alternate))]);
    let options = ExchangeDeclareOptions { arguments: arguments_, ..Default::default() };
    scene.channel.exchange_declare(exchange, "direct", options).await.unwrap();
    scene.queue_with(queue, arguments([("x-dead-letter-exchange", text(exchange))])).await;
    scene.publish("", queue, "m").await;
    let letter = bury(&scene, queue, dead).await;
    assert_eq!(letter.message.exchange.as_str(), exchange, "not the alternate one");
}

async fn an_exchange_that_is_made_later(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, exchange, dead) = (scene.name(), &scene.named("exchange"), &scene.named("dead"));
    scene.queue_with(queue, arguments([("x-dead-letter-exchange", text(exchange))])).await;
    scene.add(queue, 2).await;
    let tag = scene.get(queue).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::No).await.unwrap();
    scene.exchange(exchange, "fanout").await;
    scene.queue(dead).await;
    scene.bind(dead, exchange, "").await;
    let letter = bury(&scene, queue, dead).await;
    assert_eq!(shown(&letter), "2", "the first found no exchange and is gone");
    scene.ready(dead, 0).await;
}

async fn a_dead_letter_is_never_returned(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (queue, missing) = (scene.name(), &scene.named("missing"));
    scene.queue_with(queue, to_queue(arguments([]), missing)).await;
    let options = BasicPublishOptions { mandatory: true };
    for (key, body) in [(queue, "1"), (missing, "2")] {
        let message = with_properties(body, BasicProperties::NONE);
        scene.channel.basic_publish("", key, options, message).await.unwrap();
        if key == queue {
            let tag = scene.get(queue).await.delivery_tag;
            scene.channel.basic_reject(tag, Requeue::No).await.unwrap();
        }
    }
    match within_limit("a return", scene.channel.next_event()).await {
        Some(ChannelEvent::Returned(returned)) => assert_eq!(returned.message.body, "2"),
        other => panic!("not the return of the second: {other:?}"),
    }
}
