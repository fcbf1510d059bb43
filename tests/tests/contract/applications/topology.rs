//! Several queues of one listener, several keys, and exchanges as the builder has them.

use springhare::Error;
use springhare::prelude::*;
use springhare_broker::{ExchangeDeclareOptions, QueueDeclareOptions};
use springhare_tests::{Tell, eventually, telling};

use crate::place::Place;

application!(
    of_several_queues_the_missing_one_holds_up_none_of_the_others,
    several_keys_are_several_bindings,
    an_exchange_is_declared_as_it_was_built,
);

type Said = State<Tell<(String, String)>>;

#[rabbit_listener(id = "y.two", queues = ["y.here", "y.later"], declare = false)]
async fn two(text: Text, queue: QueueName, said: Said) {
    said.tell((queue.to_string(), text.0));
}

async fn of_several_queues_the_missing_one_holds_up_none_of_the_others(place: &Place) {
    let (said, mut told) = telling::<(String, String)>();
    let channel = place.channel().await;
    channel.queue_declare("y.here", QueueDeclareOptions::default()).await.unwrap();
    let app = place
        .builder()
        .listeners(listeners![two])
        .listener("y.two", |two| two.missing_queues_fatal(false))
        .manage(said)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    eventually("health names the queue that is missing", async || {
        let health = app.health();
        (!health.is_up() && health.to_string().contains("y.later")).then_some(())
    })
    .await;
    rabbit.convert_and_send("y.here", "tea").await.unwrap();
    assert_eq!(told.next().await, ("y.here".to_owned(), "tea".to_owned()));
    channel.queue_declare("y.later", QueueDeclareOptions::default()).await.unwrap();
    eventually("it consumes from both", async || app.health().is_up().then_some(())).await;
    for queue in ["y.later", "y.here"] {
        rabbit.convert_and_send(queue, "cake").await.unwrap();
        assert_eq!(told.next().await, (queue.to_owned(), "cake".to_owned()));
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(
    queue = "y.keys",
    exchange = "y.log",
    kind = "direct",
    keys = ["error", "warn"]
)]
async fn keyed(text: Text, key: RoutingKey, said: Said) {
    said.tell((key.to_string(), text.0));
}

async fn several_keys_are_several_bindings(place: &Place) {
    let (said, mut told) = telling::<(String, String)>();
    let app = place.builder().listeners(listeners![keyed]).manage(said).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for key in ["warn", "error"] {
        rabbit.convert_and_send(("y.log", key), "fire").mandatory().await.unwrap();
        assert_eq!(told.next().await, (key.to_owned(), "fire".to_owned()));
    }
    let other = rabbit.convert_and_send(("y.log", "info"), "fine").mandatory().await.unwrap_err();
    assert!(matches!(other, Error::Unroutable(_)), "{other}");
    app.stop().await.unwrap();
    assert!(told.is_silent());
}

async fn an_exchange_is_declared_as_it_was_built(place: &Place) {
    let app = place
        .builder()
        .listeners(listeners![])
        .declare(Exchange::topic("y.inner").internal())
        .declare(Exchange::fanout("y.passing").transient().auto_delete())
        .declare(Exchange::direct("y.door"))
        .declare(Queue::durable("y.all"))
        .declare(Binding::queue("y.all").to("y.inner").with("#"))
        .declare(Binding::queue("y.all").to("y.passing"))
        .declare(Binding::exchange("y.inner").to("y.door").with("in"))
        .start()
        .await
        .unwrap();
    let (rabbit, admin) = (app.rabbit_template(), app.admin());
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let inner = ExchangeDeclareOptions { internal: true, ..durable.clone() };
    let passing = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
    for (name, kind, options) in [
        ("y.inner", "topic", inner),
        ("y.passing", "fanout", passing),
        ("y.door", "direct", durable),
    ] {
        let declared = place.channel().await.exchange_declare(name, kind, options.clone()).await;
        declared.unwrap_or_else(|error| panic!("{name} is as it was built: {error}"));
        let other = ExchangeDeclareOptions { internal: !options.internal, ..options };
        let refused = place.channel().await.exchange_declare(name, kind, other).await.unwrap_err();
        assert!(refused.to_string().contains("inequivalent arg 'internal'"), "{refused}");
    }
    let refused = rabbit.convert_and_send(("y.inner", "in"), "tea").await.unwrap_err();
    assert!(refused.to_string().contains("internal"), "{refused}");
    rabbit.convert_and_send(("y.door", "in"), "tea").mandatory().await.unwrap();
    place.has_left("y.all", 1).await;
    admin.unbind(Binding::queue("y.all").to("y.passing")).await.unwrap();
    let gone = rabbit.convert_and_send(("y.passing", ""), "tea").await.unwrap_err();
    assert!(matches!(gone, Error::NoExchange(_)), "the last binding took it along: {gone}");
    app.stop().await.unwrap();
}
