//! Exchanges that choose one of their destinations: by a hash, or by chance. RabbitMQ keeps them in
//! plugins of its own.

use std::collections::BTreeMap;

use springhare::connection::Link;
use springhare_amqp::{BasicProperties, FieldTable, FieldValue, Message, ShortString};
use springhare_broker::{BasicPublishOptions, ExchangeDeclareOptions};

use crate::support::{Router, Scene, table, text};

contract!(
    a_key_has_one_queue ~ "each broker hashes in its own way",
    a_weight_is_a_share ~ "each broker hashes in its own way",
    a_header_is_hashed ~ "each broker hashes in its own way",
    a_property_is_hashed ~ "each broker hashes in its own way",
    a_key_without_what_is_hashed ~ "each broker hashes in its own way",
    arguments_of_a_hash,
    weights,
    redeclared,
    a_modulus_hash ~ "each broker hashes in its own way",
    by_chance ~ "it is by chance",
    one_destination,
    bound_to_exchanges ~ "each broker hashes in its own way",
    with_an_alternate_exchange,
);

const QUEUES: usize = 3;

async fn declare<const N: usize>(
    scene: &Scene<'_>,
    name: &str,
    kind: &str,
    arguments: [(&str, FieldValue); N],
) {
    let options = ExchangeDeclareOptions { arguments: table(arguments), ..Default::default() };
    scene.channel.exchange_declare(name, kind, options).await.unwrap();
}

/// The case's exchange, with queues that are bound to it with these keys.
async fn bound<const N: usize>(
    scene: &Scene<'_>,
    kind: &str,
    arguments: [(&str, FieldValue); N],
    keys: [&str; QUEUES],
) -> [String; QUEUES] {
    declare(scene, scene.name(), kind, arguments).await;
    let queues = std::array::from_fn(|number| scene.named(&format!("q{number}")));
    for (queue, key) in queues.iter().zip(keys) {
        scene.queue(queue).await;
        scene.bind(queue, scene.name(), key).await;
    }
    queues
}

async fn publish(scene: &Scene<'_>, key: &str, body: &str, properties: BasicProperties) {
    let message = Message::new(body.to_owned()).with_properties(properties);
    let options = BasicPublishOptions::default();
    scene.channel.basic_publish(scene.name(), key, options, message).await.unwrap();
}

/// Where each body went: the number of its queue. Each must be somewhere `times` times, and always
/// in the same queue.
async fn places(
    scene: &Scene<'_>,
    queues: &[String; QUEUES],
    times: usize,
) -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for (number, queue) in queues.iter().enumerate() {
        for body in scene.drain(queue).await {
            assert_eq!(*places.entry(body.clone()).or_insert(number), number, "{body} moved");
            *counts.entry(body).or_insert(0) += 1;
        }
    }
    assert!(counts.values().all(|count| *count == times), "{counts:?}");
    places
}

/// How many there are in each queue.
fn shares(places: &BTreeMap<String, usize>) -> [usize; QUEUES] {
    std::array::from_fn(|queue| places.values().filter(|place| **place == queue).count())
}

async fn a_key_has_one_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queues = bound(&scene, "x-consistent-hash", [], ["10", "10", "10"]).await;
    for _ in 0..2 {
        for key in 0..60 {
            let key = format!("key.{key}");
            publish(&scene, &key, &key, BasicProperties::default()).await;
        }
    }
    let places = places(&scene, &queues, 2).await;
    assert_eq!(places.len(), 60);
    assert!(shares(&places).iter().all(|share| *share > 0), "{places:?}");
}

async fn a_weight_is_a_share(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queues = bound(&scene, "x-consistent-hash", [], ["1", "1", "20"]).await;
    for key in 0..110 {
        let key = format!("key.{key}");
        publish(&scene, &key, &key, BasicProperties::default()).await;
    }
    let places = places(&scene, &queues, 1).await;
    let [first, second, heavy] = shares(&places);
    assert_eq!(first + second + heavy, 110);
    assert!(heavy > 80, "{heavy} of 110, and 100 are to be expected");
}

async fn a_header_is_hashed(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let arguments = [("hash-header", text("h"))];
    let queues = bound(&scene, "x-consistent-hash", arguments, ["5", "5", "5"]).await;
    for key in ["a", "b"] {
        for value in 0..60 {
            let headers = Some(table([("h", text(&format!("value.{value}")))]));
            let properties = BasicProperties { headers, ..Default::default() };
            publish(&scene, key, &value.to_string(), properties).await;
        }
    }
    let places = places(&scene, &queues, 2).await;
    assert!(shares(&places).iter().all(|share| *share > 0), "{places:?}");
}

async fn a_property_is_hashed(link: &dyn Link) {
    let id = |value: u64| ShortString::new(format!("value.{value}")).ok();
    type Set<'s> = &'s dyn Fn(u64) -> BasicProperties;
    let properties: [(&str, Set<'_>); 3] = [
        ("message_id", &|n| BasicProperties { message_id: id(n), ..Default::default() }),
        ("correlation_id", &|n| BasicProperties { correlation_id: id(n), ..Default::default() }),
        ("timestamp", &|n| BasicProperties { timestamp: Some(n), ..Default::default() }),
    ];
    for (name, properties) in properties {
        let scene = Scene::new(link).await;
        let arguments = [("hash-property", text(name))];
        let queues = bound(&scene, "x-consistent-hash", arguments, ["5", "5", "5"]).await;
        for key in ["a", "b"] {
            for value in 0..60 {
                publish(&scene, key, &value.to_string(), properties(value)).await;
            }
        }
        let places = places(&scene, &queues, 2).await;
        assert!(shares(&places).iter().all(|share| *share > 0), "{name}: {places:?}");
    }
}

async fn a_key_without_what_is_hashed(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let arguments = [("hash-header", text("h"))];
    let queues = bound(&scene, "x-consistent-hash", arguments, ["5", "5", "5"]).await;
    for key in 0..20 {
        publish(&scene, &format!("key.{key}"), "all", BasicProperties::default()).await;
    }
    assert_eq!(places(&scene, &queues, 20).await.len(), 1, "all in one queue");
}

async fn arguments_of_a_hash(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let x = scene.name();
    for (arguments, fault) in [
        (table([("hash-property", text("app_id"))]), "Unsupported property: app_id"),
        (table([("hash-property", text(""))]), "Unsupported property: "),
        (
            table([("hash-property", text("message_id")), ("hash-header", text("h"))]),
            "hash-header and hash-property are mutually exclusive",
        ),
    ] {
        let text = format!("PRECONDITION_FAILED - {fault}");
        let options = ExchangeDeclareOptions { arguments, ..Default::default() };
        scene
            .refused(406, &text, async |channel| {
                channel.exchange_declare(x, "x-consistent-hash", options).await
            })
            .await;
    }
    // Nobody else minds.
    declare(&scene, x, "x-random", [("hash-property", text("app_id"))]).await;
}

async fn weights(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, q) = (&scene.named("x"), scene.name());
    declare(&scene, x, "x-consistent-hash", []).await;
    scene.queue(q).await;
    for (weight, fault) in [
        ("", "The binding key must be an integer: <<>>"),
        ("k", "The binding key must be an integer: <<\"k\">>"),
        ("1.5", "The binding key must be an integer: <<\"1.5\">>"),
        (" 1", "The binding key must be an integer: <<\" 1\">>"),
        ("0", "The binding key must be greater than 0"),
        ("-7", "The binding key must be greater than 0"),
    ] {
        let text = format!("PRECONDITION_FAILED - {fault}");
        let none = FieldTable::new;
        scene.refused(406, &text, async |c| c.queue_bind(q, x, weight, none()).await).await;
        let to_exchange = async |c: std::sync::Arc<dyn springhare::connection::LinkChannel>| {
            c.exchange_bind("amq.fanout", x, weight, none()).await
        };
        scene.refused(406, &text, to_exchange).await;
        // What is not bound can be unbound.
        scene.channel.queue_unbind(q, x, weight, none()).await.unwrap();
    }
    for weight in ["1", "+2", "003"] {
        scene.bind(q, x, weight).await;
    }
    assert!(Router::new(&scene).await.routes(x, "k").await);
}

async fn redeclared(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let x = scene.name();
    declare(&scene, x, "x-consistent-hash", [("hash-header", text("h"))]).await;
    // As for all exchanges, only the alternate exchange is compared.
    declare(&scene, x, "x-consistent-hash", [("hash-property", text("bogus"))]).await;
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{x}' in vhost '/': received \
         ''x-random'' but current is ''x-consistent-hash''"
    );
    let options = ExchangeDeclareOptions::default();
    scene
        .refused(406, &text, async |channel| channel.exchange_declare(x, "x-random", options).await)
        .await;
}

async fn a_modulus_hash(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queues = bound(&scene, "x-modulus-hash", [], ["", "ignored", "1"]).await;
    for _ in 0..2 {
        for key in 0..60 {
            let key = format!("key.{key}");
            publish(&scene, &key, &key, BasicProperties::default()).await;
        }
    }
    let places = places(&scene, &queues, 2).await;
    assert!(shares(&places).iter().all(|share| *share > 0), "{places:?}");
}

async fn by_chance(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let queues = bound(&scene, "x-random", [], ["", "ignored", "1"]).await;
    // The chance that one of three queues gets none of these is one in ten billion.
    for number in 0..60 {
        publish(&scene, "k", &number.to_string(), BasicProperties::default()).await;
    }
    let places = places(&scene, &queues, 1).await;
    assert_eq!(places.len(), 60);
    assert!(shares(&places).iter().all(|share| *share > 0), "{places:?}");
}

async fn one_destination(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let q = scene.name();
    scene.queue(q).await;
    let router = Router::new(&scene).await;
    for kind in ["x-consistent-hash", "x-modulus-hash", "x-random"] {
        let x = &scene.named(kind);
        declare(&scene, x, kind, []).await;
        assert!(!router.routes(x, "k").await);
        scene.bind(q, x, "1").await;
        assert!(router.routes(x, "k").await);
        scene.channel.queue_unbind(q, x, "1", FieldTable::new()).await.unwrap();
        assert!(!router.routes(x, "k").await);
        scene.bind(q, x, "1").await;
    }
    scene.channel.queue_delete(q, Default::default()).await.unwrap();
    for kind in ["x-consistent-hash", "x-modulus-hash", "x-random"] {
        assert!(!router.routes(&scene.named(kind), "k").await);
    }
}

async fn bound_to_exchanges(link: &dyn Link) {
    let scene = Scene::new(link).await;
    declare(&scene, scene.name(), "x-consistent-hash", []).await;
    let queues: [String; QUEUES] = std::array::from_fn(|n| scene.named(&format!("q{n}")));
    for queue in &queues {
        let x = &format!("{queue}-x");
        scene.exchange(x, "fanout").await;
        scene.queue(queue).await;
        scene.bind(queue, x, "").await;
        let bound = scene.channel.exchange_bind(x, scene.name(), "5", FieldTable::new());
        bound.await.unwrap();
    }
    // And around in a circle, which ends.
    let circle = scene.channel.exchange_bind(scene.name(), "amq.fanout", "", FieldTable::new());
    circle.await.unwrap();
    for key in 0..60 {
        let key = format!("key.{key}");
        publish(&scene, &key, &key, BasicProperties::default()).await;
    }
    let places = places(&scene, &queues, 1).await;
    assert_eq!(places.len(), 60);
    assert!(shares(&places).iter().all(|share| *share > 0), "{places:?}");
    scene.channel.exchange_unbind(scene.name(), "amq.fanout", "", FieldTable::new()).await.unwrap();
}

async fn with_an_alternate_exchange(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (alternate, q) = (&scene.named("alternate"), scene.name());
    scene.exchange(alternate, "fanout").await;
    scene.queue(q).await;
    scene.bind(q, alternate, "").await;
    let router = Router::new(&scene).await;
    for kind in ["x-consistent-hash", "x-modulus-hash", "x-random"] {
        let x = &scene.named(kind);
        declare(&scene, x, kind, [("alternate-exchange", text(alternate))]).await;
        assert!(router.routes(x, "k").await, "nothing is bound");
    }
}
