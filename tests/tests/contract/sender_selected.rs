//! Routing keys that the sender selects beside its own: the headers `CC` and `BCC`.

use springhare::connection::Link;
use springhare_amqp::{BasicProperties, FieldTable, FieldValue, Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, ChannelEvent, Delivery, ExchangeDeclareOptions,
    QueueDeclareOptions, Requeue,
};
use springhare_tests::within_limit;

use crate::support::{Router, Scene, arguments, received, table, text, with_properties};

contract!(
    each_key_reaches_its_queue,
    a_queue_gets_a_message_once,
    what_is_no_text_is_overlooked,
    lists_without_keys,
    keys_match_as_the_routing_key_does,
    keys_are_matched_at_each_exchange,
    the_alternate_exchange_gets_what_no_key_routes,
    mandatory_is_satisfied_by_any_key,
    a_returned_message,
    the_next_message_goes_its_own_way,
    answers_to_several,
    a_dead_letter_goes_by_all_keys,
    a_dead_letter_with_a_key_of_its_own,
);

fn list(keys: &[&str]) -> FieldValue {
    keys.to_vec().into()
}

fn with_headers<const N: usize>(headers: [(&str, FieldValue); N]) -> Message {
    with_properties("m", BasicProperties { headers: Some(table(headers)), ..Default::default() })
}

async fn publish(scene: &Scene<'_>, exchange: &str, key: &str, message: Message) {
    let options = BasicPublishOptions::default();
    scene.channel.basic_publish(exchange, key, options, message).await.unwrap();
}

/// Declares so many queues.
async fn queues<const N: usize>(scene: &Scene<'_>) -> [String; N] {
    let names = std::array::from_fn(|number| scene.named(&format!("q{number}")));
    for name in &names {
        scene.queue(name).await;
    }
    names
}

fn headers(delivery: &Delivery) -> &FieldTable {
    delivery.message.message.properties.headers.as_ref().expect("headers")
}

/// How many messages each queue has; all are taken out.
async fn counts(scene: &Scene<'_>, queues: &[String]) -> Vec<usize> {
    let mut counts = Vec::new();
    for queue in queues {
        counts.push(scene.drain(queue).await.len());
    }
    counts
}

async fn each_key_reaches_its_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let [own, open, blind] = &queues(&scene).await;
    let message = with_headers([
        ("BCC", list(&[blind])),
        ("n", FieldValue::I32(7)),
        ("CC", list(&[open, "nowhere"])),
    ]);
    publish(&scene, "", own, message).await;
    for queue in [own, open, blind] {
        let delivery = scene.get(queue).await;
        assert_eq!(delivery.message.routing_key.as_str(), own);
        let headers = headers(&delivery);
        assert_eq!(headers.get("CC"), Some(&list(&[open, "nowhere"])));
        assert_eq!(headers.get("n"), Some(&FieldValue::I32(7)));
        assert_eq!(headers.len(), 2, "the blind ones are nobody's to see");
    }
}

async fn a_queue_gets_a_message_once(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let names: [String; 2] = queues(&scene).await;
    let [own, other] = &names;
    let message = with_headers([("CC", list(&[own, other, other])), ("BCC", list(&[own, other]))]);
    publish(&scene, "", own, message).await;
    assert_eq!(counts(&scene, &names).await, [1, 1]);
    let x = &scene.named("x");
    scene.exchange(x, "topic").await;
    for key in ["a.#", "*.b"] {
        scene.bind(own, x, key).await;
    }
    publish(&scene, x, "a.b", with_headers([("CC", list(&["a", "c.b"]))])).await;
    assert_eq!(counts(&scene, &names).await, [1, 0]);
}

async fn what_is_no_text_is_overlooked(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let names: [String; 2] = queues(&scene).await;
    let [own, other] = &names;
    let mixed = vec![FieldValue::I32(1), FieldValue::Void, text(other), FieldValue::Boolean(true)];
    publish(&scene, "", own, with_headers([("CC", FieldValue::Array(mixed))])).await;
    assert_eq!(counts(&scene, &names).await, [1, 1]);
}

async fn lists_without_keys(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let [own] = &queues(&scene).await;
    publish(&scene, "", own, with_headers([("CC", list(&[])), ("BCC", list(&[]))])).await;
    let delivery = scene.get(own).await;
    assert_eq!((headers(&delivery).len(), headers(&delivery).contains("CC")), (1, true));
    publish(&scene, "", own, with_headers([("BCC", list(&[]))])).await;
    assert!(headers(&scene.get(own).await).is_empty(), "the table itself stays");
    // Names are taken literally.
    let other = with_headers([("cc", text("x")), ("Bcc", text("y"))]);
    publish(&scene, "", own, other).await;
    assert_eq!(headers(&scene.get(own).await).len(), 2);
}

async fn keys_match_as_the_routing_key_does(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let names: [String; 3] = queues(&scene).await;
    for (kind, keys, expected) in [
        ("direct", ["a", "b", "c"], [1, 1, 0]),
        ("topic", ["#", "b.*", "*.c"], [1, 1, 0]),
        ("fanout", ["a", "", ""], [1, 1, 1]),
    ] {
        let x = &scene.named(kind);
        scene.exchange(x, kind).await;
        for (queue, key) in names.iter().zip(keys) {
            scene.bind(queue, x, key).await;
        }
        let message = with_headers([("CC", list(&["b.x"])), ("BCC", list(&["b", "d"]))]);
        publish(&scene, x, "a", message).await;
        assert_eq!(counts(&scene, &names).await, expected, "{kind}");
    }
}

async fn keys_are_matched_at_each_exchange(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let names: [String; 2] = queues(&scene).await;
    let (front, back) = (&scene.named("front"), &scene.named("back"));
    scene.exchange(front, "direct").await;
    scene.exchange(back, "direct").await;
    scene.channel.exchange_bind(back, front, "copy", FieldTable::new()).await.unwrap();
    scene.bind(&names[0], back, "own").await;
    scene.bind(&names[1], back, "blind").await;
    let message = with_headers([("CC", list(&["copy"])), ("BCC", list(&["blind"]))]);
    publish(&scene, front, "own", message).await;
    assert_eq!(counts(&scene, &names).await, [1, 1], "led there by one key, it has all of them");
}

async fn the_alternate_exchange_gets_what_no_key_routes(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let names: [String; 2] = queues(&scene).await;
    let (x, alternate) = (&scene.named("x"), &scene.named("alternate"));
    scene.exchange(alternate, "fanout").await;
    let options = ExchangeDeclareOptions {
        arguments: table([("alternate-exchange", text(alternate))]),
        ..Default::default()
    };
    scene.channel.exchange_declare(x, "direct", options).await.unwrap();
    scene.bind(&names[0], x, "k").await;
    scene.bind(&names[1], alternate, "").await;
    publish(&scene, x, "nowhere", with_headers([("CC", list(&["k"]))])).await;
    assert_eq!(counts(&scene, &names).await, [1, 0]);
    publish(&scene, x, "nowhere", with_headers([("CC", list(&["neither"]))])).await;
    assert_eq!(counts(&scene, &names).await, [0, 1]);
}

async fn mandatory_is_satisfied_by_any_key(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let [queue] = &queues(&scene).await;
    let router = Router::new(&scene).await;
    for (header, keys, is_routed) in [
        ("CC", &[queue.as_str()][..], true),
        ("BCC", &["nowhere", queue], true),
        ("CC", &["nowhere"], false),
        ("BCC", &[], false),
    ] {
        let message = with_headers([(header, list(keys))]);
        assert_eq!(router.routes_message("", "nobody", message).await, is_routed, "{keys:?}");
    }
}

async fn a_returned_message(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let options = BasicPublishOptions { mandatory: true };
    let message = with_headers([("BCC", list(&["nowhere"])), ("CC", list(&["neither"]))]);
    scene.channel.basic_publish("", "nobody", options, message).await.unwrap();
    match within_limit("the message", scene.channel.next_event()).await {
        Some(ChannelEvent::Returned(returned)) => {
            assert_eq!(returned.routing_key, "nobody");
            let headers = returned.message.properties.headers.clone().expect("headers");
            assert_eq!(headers.get("CC"), Some(&list(&["neither"])));
            assert!(!headers.contains("BCC"), "{headers:?}");
        }
        other => panic!("unexpected: {other:?}"),
    }
}

/// With the same exchange and key, before it and behind it.
async fn the_next_message_goes_its_own_way(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let names: [String; 2] = queues(&scene).await;
    let [own, other] = &names;
    for (copies, expected) in
        [(None, [1, 0]), (Some([other]), [1, 1]), (None, [1, 0]), (Some([own]), [1, 0])]
    {
        let message = match copies {
            None => with_headers([]),
            Some([key]) => with_headers([("CC", list(&[key]))]),
        };
        publish(&scene, "", own, message).await;
        assert_eq!(counts(&scene, &names).await, expected);
    }
    // All in one go.
    publish(&scene, "", own, with_headers([])).await;
    publish(&scene, "", own, with_headers([("BCC", list(&[other]))])).await;
    publish(&scene, "", own, with_headers([])).await;
    assert_eq!(counts(&scene, &names).await, [3, 1]);
}

async fn answers_to_several(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let [queue] = &queues(&scene).await;
    let options = || BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut consumers = Vec::new();
    let mut addresses = Vec::new();
    for _ in 0..2 {
        let asking = scene.reopened().await;
        let pseudo_queue = "amq.rabbitmq.reply-to";
        let consumer = asking.channel.basic_consume(pseudo_queue, "replies", options()).await;
        consumers.push((consumer.unwrap(), asking.channel.clone()));
        let reply_to = Some(ShortString::from_static(pseudo_queue));
        let question =
            with_properties("question", BasicProperties { reply_to, ..Default::default() });
        publish(&asking, "", queue, question).await;
        let question = scene.get(queue).await;
        let properties = &question.message.message.properties;
        addresses.push(properties.reply_to.clone().expect("an address"));
    }
    let answer = with_headers([("CC", list(&[&addresses[1], &addresses[1], queue]))]);
    publish(&scene, "", &addresses[0], answer).await;
    for (consumer, _) in &mut consumers {
        assert_eq!(received(consumer, 1).await, ["m"]);
    }
    assert_eq!(scene.drain(queue).await, ["m"]);
}

/// The keys that the only death of a message names.
fn death_keys(delivery: &Delivery) -> FieldValue {
    let Some(FieldValue::Array(deaths)) = headers(delivery).get("x-death") else {
        panic!("no x-death")
    };
    let [FieldValue::Table(death)] = &deaths[..] else { panic!("{deaths:?}") };
    death.get("routing-keys").expect("routing keys").clone()
}

/// Publishes to a queue of its own and by `CC` and `BCC`, and rejects it there.
async fn reject(scene: &Scene<'_>, options: QueueDeclareOptions) {
    let dying = scene.name();
    scene.queue_with(dying, options).await;
    let message = with_headers([("CC", list(&["open"])), ("BCC", list(&["blind"]))]);
    publish(scene, "", dying, message).await;
    let tag = scene.get(dying).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::No).await.unwrap();
}

async fn a_dead_letter_goes_by_all_keys(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let names: [String; 3] = queues(&scene).await;
    let x = &scene.named("x");
    scene.exchange(x, "direct").await;
    for (queue, key) in names.iter().zip([scene.name(), "open", "blind"]) {
        scene.bind(queue, x, key).await;
    }
    reject(&scene, arguments([("x-dead-letter-exchange", text(x))])).await;
    for queue in &names {
        scene.ready(queue, 1).await;
        let letter = scene.get(queue).await;
        assert_eq!(letter.message.routing_key, scene.name());
        assert_eq!(headers(&letter).get("CC"), Some(&list(&["open"])));
        assert!(!headers(&letter).contains("BCC"));
        assert_eq!(death_keys(&letter), list(&[scene.name(), "open"]));
    }
}

async fn a_dead_letter_with_a_key_of_its_own(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let names: [String; 3] = queues(&scene).await;
    let x = &scene.named("x");
    scene.exchange(x, "direct").await;
    for (queue, key) in names.iter().zip(["dead", "open", "blind"]) {
        scene.bind(queue, x, key).await;
    }
    let options = arguments([
        ("x-dead-letter-exchange", text(x)),
        ("x-dead-letter-routing-key", text("dead")),
    ]);
    reject(&scene, options).await;
    scene.ready(&names[0], 1).await;
    let letter = scene.get(&names[0]).await;
    assert_eq!(letter.message.routing_key, "dead");
    assert!(!headers(&letter).contains("CC") && !headers(&letter).contains("BCC"));
    assert_eq!(death_keys(&letter), list(&[scene.name(), "open"]));
    assert_eq!(counts(&scene, &names[1..]).await, [0, 0]);
}
