//! Direct and fanout exchanges, exchanges bound to exchanges, and alternate exchanges.

use springhare::connection::Link;
use springhare_amqp::FieldTable;
use springhare_broker::ExchangeDeclareOptions;

use crate::support::{Router, Scene, table, text};

contract!(
    direct_compares_the_key,
    fanout_ignores_the_key,
    bindings_differ_by_their_arguments,
    a_deleted_exchange_takes_its_bindings_along,
    each_exchange_matches_for_itself,
    a_message_once_per_queue,
    an_alternate_exchange,
    an_alternate_exchange_that_routes_nowhere,
    an_alternate_exchange_behind_a_binding,
    the_delivery_names_where_it_was_published,
);

async fn with_alternate(scene: &Scene<'_>, exchange: &str, alternate: &str) {
    let arguments = table([("alternate-exchange", text(alternate))]);
    let options = ExchangeDeclareOptions { arguments, ..Default::default() };
    scene.channel.exchange_declare(exchange, "direct", options).await.unwrap();
}

async fn chain(scene: &Scene<'_>, destination: &str, source: &str, key: &str) {
    scene.channel.exchange_bind(destination, source, key, FieldTable::new()).await.unwrap();
}

async fn direct_compares_the_key(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, q) = (&scene.named("x"), scene.name());
    scene.exchange(x, "direct").await;
    scene.queue(q).await;
    for key in ["a.*", "b", ""] {
        scene.bind(q, x, key).await;
    }
    let router = Router::new(&scene).await;
    for (key, is_routed) in [("a.*", true), ("b", true), ("", true), ("a.b", false), ("B", false)] {
        assert_eq!(router.routes(x, key).await, is_routed, "{key}");
    }
    scene.channel.queue_unbind(q, x, "b", FieldTable::new()).await.unwrap();
    assert!(!router.routes(x, "b").await);
    assert!(router.routes(x, "a.*").await);
}

async fn fanout_ignores_the_key(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, first, second) = (&scene.named("x"), scene.name(), &scene.named("second"));
    scene.exchange(x, "fanout").await;
    for queue in [first, second] {
        scene.queue(queue).await;
        scene.bind(queue, x, "ignored").await;
    }
    scene.publish(x, "any", "1").await;
    assert_eq!(scene.drain(first).await, ["1"]);
    assert_eq!(scene.drain(second).await, ["1"]);
}

async fn bindings_differ_by_their_arguments(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, q) = (&scene.named("x"), scene.name());
    scene.exchange(x, "direct").await;
    scene.queue(q).await;
    let with = || table([("a", text("1"))]);
    scene.bind(q, x, "k").await;
    scene.channel.queue_bind(q, x, "k", with()).await.unwrap();
    scene.publish(x, "k", "1").await;
    assert_eq!(scene.drain(q).await, ["1"]);
    let router = Router::new(&scene).await;
    scene.channel.queue_unbind(q, x, "k", FieldTable::new()).await.unwrap();
    assert!(router.routes(x, "k").await);
    scene.channel.queue_unbind(q, x, "k", with()).await.unwrap();
    assert!(!router.routes(x, "k").await);
}

async fn a_deleted_exchange_takes_its_bindings_along(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, q) = (&scene.named("x"), scene.name());
    scene.exchange(x, "fanout").await;
    scene.queue(q).await;
    scene.bind(q, x, "").await;
    scene.channel.exchange_delete(x, springhare_broker::IfUnused::No).await.unwrap();
    scene.exchange(x, "fanout").await;
    assert!(!Router::new(&scene).await.routes(x, "").await);
    // So does a queue.
    scene.bind(q, x, "").await;
    scene.channel.queue_delete(q, Default::default()).await.unwrap();
    scene.queue(q).await;
    assert!(!Router::new(&scene).await.routes(x, "").await);
}

async fn each_exchange_matches_for_itself(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (direct, topic, q) = (&scene.named("direct"), &scene.named("topic"), scene.name());
    scene.exchange(direct, "direct").await;
    scene.exchange(topic, "topic").await;
    scene.queue(q).await;
    for key in ["a.b", "b.b"] {
        chain(&scene, topic, direct, key).await;
    }
    scene.bind(q, topic, "a.*").await;
    let router = Router::new(&scene).await;
    for (key, is_routed) in [("a.b", true), ("a.c", false), ("b.b", false)] {
        assert_eq!(router.routes(direct, key).await, is_routed, "{key}");
    }
    scene.channel.exchange_unbind(topic, direct, "a.b", FieldTable::new()).await.unwrap();
    assert!(!router.routes(direct, "a.b").await);
}

/// By whatever ways it is reached: here over a cycle of two, and an exchange bound to itself.
async fn a_message_once_per_queue(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (first, second, q) = (&scene.named("first"), &scene.named("second"), scene.name());
    scene.queue(q).await;
    for exchange in [first, second] {
        scene.exchange(exchange, "fanout").await;
        scene.bind(q, exchange, "").await;
    }
    for (destination, source) in [(first, second), (second, first), (first, first)] {
        chain(&scene, destination, source, "").await;
    }
    scene.publish(first, "", "1").await;
    scene.publish(second, "", "2").await;
    assert_eq!(scene.drain(q).await, ["1", "2"]);
}

async fn an_alternate_exchange(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, alternate) = (&scene.named("x"), &scene.named("alternate"));
    let (q, other) = (scene.name(), &scene.named("other"));
    scene.exchange(alternate, "fanout").await;
    with_alternate(&scene, x, alternate).await;
    scene.queue(q).await;
    scene.queue(other).await;
    scene.bind(q, x, "k").await;
    scene.bind(other, alternate, "").await;
    scene.publish(x, "k", "1").await;
    scene.publish(x, "elsewhere", "2").await;
    assert_eq!(scene.drain(q).await, ["1"]);
    assert_eq!(scene.drain(other).await, ["2"]);
    assert!(Router::new(&scene).await.routes(x, "elsewhere").await, "mandatory is satisfied");
}

async fn an_alternate_exchange_that_routes_nowhere(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, y, z) = (&scene.named("x"), &scene.named("y"), &scene.named("z"));
    with_alternate(&scene, x, y).await;
    with_alternate(&scene, y, x).await;
    with_alternate(&scene, z, "not-there").await;
    let router = Router::new(&scene).await;
    assert!(!router.routes(x, "k").await, "a cycle ends");
    assert!(!router.routes(z, "k").await);
}

/// An exchange has routed when it passed the message on, whatever becomes of it there.
async fn an_alternate_exchange_behind_a_binding(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, dead_end) = (&scene.named("x"), &scene.named("dead-end"));
    let (alternate, front, q) = (&scene.named("alternate"), &scene.named("front"), scene.name());
    scene.exchange(alternate, "fanout").await;
    scene.exchange(dead_end, "fanout").await;
    scene.exchange(front, "fanout").await;
    with_alternate(&scene, x, alternate).await;
    scene.queue(q).await;
    scene.bind(q, alternate, "").await;
    chain(&scene, dead_end, x, "k").await;
    chain(&scene, x, front, "").await;
    let router = Router::new(&scene).await;
    assert!(!router.routes(x, "k").await);
    assert!(router.routes(x, "other").await);
    assert!(router.routes(front, "other").await, "the alternate of one that was passed on to");
}

async fn the_delivery_names_where_it_was_published(link: &dyn Link) {
    let scene = Scene::new(link).await;
    let (x, alternate, q) = (&scene.named("x"), &scene.named("alternate"), scene.name());
    scene.exchange(alternate, "fanout").await;
    with_alternate(&scene, x, alternate).await;
    scene.queue(q).await;
    scene.bind(q, alternate, "ignored").await;
    scene.publish(x, "k", "1").await;
    let delivery = scene.get(q).await;
    assert_eq!(
        (delivery.message.exchange.as_str(), delivery.message.routing_key.as_str()),
        (x.as_str(), "k")
    );
}
