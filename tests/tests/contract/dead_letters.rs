//! What becomes of messages that their queue gives up.

use springhare::connection::Link;
use springhare_amqp::{BasicProperties, DeliveryMode, FieldTable, FieldValue, ShortString};
use springhare_broker::{Delivery, Multiple, QueueDeclareOptions, Requeue};

use crate::support::{Scene, arguments, table, text, with_properties};

contract!(
    a_rejected_message,
    the_headers_of_a_rejected_message,
    a_routing_key_of_its_own,
    deaths_of_one_kind_are_counted,
    a_queue_that_is_full,
    a_dead_letter_exchange_that_is_missing,
    back_into_the_same_queue,
    in_order,
    purged_and_deleted_messages_are_just_gone,
);

/// A queue whose dead letters go through a fanout exchange to another queue.
struct Graveyard {
    queue: String,
    exchange: String,
    dead: String,
}

impl Graveyard {
    async fn dig<const N: usize>(scene: &Scene<'_>, extra: [(&str, FieldValue); N]) -> Self {
        let (queue, exchange, dead) =
            (scene.name().to_owned(), scene.named("exchange"), scene.named("dead"));
        scene.exchange(&exchange, "fanout").await;
        scene.queue(&dead).await;
        scene.bind(&dead, &exchange, "").await;
        let mut options = arguments(extra);
        options.arguments.insert("x-dead-letter-exchange", text(&exchange)).unwrap();
        scene.queue_with(&queue, options).await;
        Self { queue, exchange, dead }
    }

    /// Publishes a message, rejects it, and returns it as a dead letter.
    async fn bury(&self, scene: &Scene<'_>, properties: BasicProperties) -> Delivery {
        let message = with_properties("m", properties);
        scene.channel.basic_publish("", &self.queue, Default::default(), message).await.unwrap();
        let tag = scene.get(&self.queue).await.delivery_tag;
        scene.channel.basic_reject(tag, Requeue::No).await.unwrap();
        scene.ready(&self.dead, 1).await;
        scene.get(&self.dead).await
    }
}

pub(crate) fn headers(delivery: &Delivery) -> &FieldTable {
    delivery.message.message.properties.headers.as_ref().expect("headers")
}

pub(crate) fn deaths(delivery: &Delivery) -> Vec<FieldTable> {
    let Some(FieldValue::Array(deaths)) = headers(delivery).get("x-death") else {
        panic!("no x-death")
    };
    let death = |death: &FieldValue| match death {
        FieldValue::Table(table) => table.clone(),
        other => panic!("{other:?}"),
    };
    deaths.iter().map(death).collect()
}

fn shown(delivery: &Delivery) -> (String, String, bool) {
    let message = &delivery.message;
    (message.exchange.to_string(), message.routing_key.to_string(), delivery.redelivered)
}

async fn a_rejected_message(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let graves = Graveyard::dig(&scene, []).await;
    let properties = BasicProperties {
        content_type: Some(ShortString::new("text/plain").unwrap()),
        delivery_mode: Some(DeliveryMode::Persistent),
        headers: Some(table([("mine", FieldValue::I32(1))])),
        ..Default::default()
    };
    let dead = graves.bury(&scene, properties.clone()).await;
    assert_eq!(shown(&dead), (graves.exchange.clone(), graves.queue.clone(), false));
    let kept = &dead.message.message;
    assert_eq!(kept.body, "m");
    assert_eq!(kept.properties.content_type, properties.content_type);
    assert_eq!(kept.properties.delivery_mode, properties.delivery_mode);
    assert_eq!(headers(&dead).get("mine"), Some(&FieldValue::I32(1)));
    // The other way of saying it.
    scene.publish("", &graves.queue, "n").await;
    let tag = scene.get(&graves.queue).await.delivery_tag;
    scene.channel.basic_nack(tag, Multiple::One, Requeue::No).await.unwrap();
    scene.ready(&graves.dead, 1).await;
    let dead = scene.get(&graves.dead).await;
    assert_eq!(deaths(&dead)[0].get("reason"), Some(&text("rejected")));
}

async fn the_headers_of_a_rejected_message(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let graves = Graveyard::dig(&scene, []).await;
    let expiration = Some(ShortString::new("60000").unwrap());
    let dead = graves.bury(&scene, BasicProperties { expiration, ..Default::default() }).await;
    assert_eq!(dead.message.message.properties.expiration, None, "else it would expire again");
    for (name, value) in [
        ("x-first-death-exchange", ""),
        ("x-first-death-queue", graves.queue.as_str()),
        ("x-first-death-reason", "rejected"),
    ] {
        assert_eq!(headers(&dead).get(name), Some(&text(value)), "{name}");
    }
    let [death] = deaths(&dead).try_into().expect("one death");
    let keys = FieldValue::Array(vec![text(&graves.queue)]);
    for (name, value) in [
        ("count", FieldValue::I64(1)),
        ("reason", text("rejected")),
        ("queue", text(&graves.queue)),
        ("exchange", text("")),
        ("routing-keys", keys),
        ("original-expiration", text("60000")),
    ] {
        assert_eq!(death.get(name), Some(&value), "{name}");
    }
    assert!(matches!(death.get("time"), Some(FieldValue::Timestamp(_))), "{death:?}");
    assert_eq!(death.len(), 7);
}

async fn a_routing_key_of_its_own(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let graves = Graveyard::dig(&scene, [("x-dead-letter-routing-key", text("new"))]).await;
    let dead = graves.bury(&scene, BasicProperties::default()).await;
    assert_eq!(shown(&dead), (graves.exchange.clone(), "new".to_owned(), false));
    let keys = FieldValue::Array(vec![text(&graves.queue)]);
    assert_eq!(deaths(&dead)[0].get("routing-keys"), Some(&keys), "the original ones");
}

async fn deaths_of_one_kind_are_counted(link: &dyn Link) {
    let scene = Scene::new(link).await;
    // Rejected, the message lies in the second queue, and from there goes back to the first.
    let (first, second) = (scene.name(), &scene.named("second"));
    for (queue, next) in [(first, second.as_str()), (second, first)] {
        let to = [("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(next))];
        scene.queue_with(queue, arguments(to)).await;
    }
    scene.publish("", first, "m").await;
    for queue in [first, second, first, second, first] {
        scene.ready(queue, 1).await;
        let tag = scene.get(queue).await.delivery_tag;
        scene.channel.basic_reject(tag, Requeue::No).await.unwrap();
    }
    scene.ready(second, 1).await;
    let dead = scene.get(second).await;
    let counts: Vec<_> = deaths(&dead)
        .iter()
        .map(|death| (death.get("queue").cloned(), death.get("count").cloned()))
        .collect();
    let expected = [(first, 3), (second.as_str(), 2)]
        .map(|(queue, count)| (Some(text(queue)), Some(FieldValue::I64(count))));
    assert_eq!(counts, expected, "the latest death first");
    assert_eq!(headers(&dead).get("x-first-death-queue"), Some(&text(first)));
}

async fn a_queue_that_is_full(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let graves = Graveyard::dig(&scene, [("x-max-length", FieldValue::I32(1))]).await;
    scene.publish("", &graves.queue, "1").await;
    scene.publish("", &graves.queue, "2").await;
    scene.ready(&graves.dead, 1).await;
    let dead = scene.get(&graves.dead).await;
    assert_eq!(dead.message.message.body, "1");
    assert_eq!(deaths(&dead)[0].get("reason"), Some(&text("maxlen")));
    assert_eq!(scene.drain(&graves.queue).await, ["2"]);
}

async fn a_dead_letter_exchange_that_is_missing(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    let missing = arguments([("x-dead-letter-exchange", text("not-there"))]);
    scene.queue_with(queue, missing).await;
    scene.add(queue, 1).await;
    scene.get(queue).await;
    scene.channel.basic_reject(1, Requeue::No).await.unwrap();
    scene.channel.basic_recover().await.unwrap();
    assert!(scene.drain(queue).await.is_empty());
}

async fn back_into_the_same_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queue = scene.name();
    scene.queue_with(queue, arguments([("x-dead-letter-exchange", text(""))])).await;
    scene.add(queue, 1).await;
    scene.get(queue).await;
    scene.channel.basic_reject(1, Requeue::No).await.unwrap();
    scene.ready(queue, 1).await;
    let back = scene.get(queue).await;
    assert!(!back.redelivered, "it is another message");
    assert_eq!(deaths(&back).len(), 1);
}

async fn in_order(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let graves = Graveyard::dig(&scene, []).await;
    scene.add(&graves.queue, 3).await;
    scene.get_many(&graves.queue, 3).await;
    scene.channel.basic_nack(0, Multiple::UpTo, Requeue::No).await.unwrap();
    scene.ready(&graves.dead, 3).await;
    assert_eq!(scene.drain(&graves.dead).await, ["1", "2", "3"]);
}

async fn purged_and_deleted_messages_are_just_gone(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let graves = Graveyard::dig(&scene, []).await;
    scene.add(&graves.queue, 2).await;
    assert_eq!(scene.channel.queue_purge(&graves.queue).await.unwrap(), 2);
    scene.add(&graves.queue, 2).await;
    scene.channel.queue_delete(&graves.queue, Default::default()).await.unwrap();
    // What is rejected afterwards would come behind them.
    let to = [("x-dead-letter-exchange", text(&graves.exchange))];
    scene.queue_with(&graves.queue, QueueDeclareOptions { ..arguments(to) }).await;
    graves.bury(&scene, BasicProperties::default()).await;
    assert!(scene.drain(&graves.dead).await.is_empty());
}
