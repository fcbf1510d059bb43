//! The same application on a real RabbitMQ, over a link that is not ours.

use springhare::Error;
use springhare::connection::AmqpLink;
use springhare::prelude::*;
use springhare_tests::{RabbitMq, amqp_link};

use crate::support::{Tell, arrives, header_text, ready, telling};

/// None when this run does without RabbitMQ.
fn link() -> Option<AmqpLink> {
    RabbitMq::shared().map(|node| amqp_link(node.address()))
}

#[rabbit_listener(
    queue = "runtime.numbers",
    exchange = "runtime",
    kind = "topic",
    key = "number.*"
)]
async fn number(number: Json<u32>, key: RoutingKey, seen: State<Tell<(String, u32)>>) {
    seen.tell((key.as_str().to_owned(), number.0));
}

#[rabbit_listener(exchange = "runtime", kind = "topic", key = "#", ack = "manual", prefetch = 1)]
async fn everything(
    text: Text,
    redelivered: Redelivered,
    channel: Channel,
    tag: DeliveryTag,
    seen: State<Tell<(String, bool)>>,
) -> ListenerResult {
    seen.tell((text.0.clone(), redelivered.is_redelivered()));
    if redelivered.is_redelivered() || text.0 == "7" {
        channel.ack(tag).await?;
        return Ok(());
    }
    Err(ListenerError::msg("once more"))
}

#[tokio::test]
async fn the_same_application_runs_on_rabbitmq() {
    let Some(link) = link() else { return };
    let (numbers_tell, mut numbers) = telling::<(String, u32)>();
    let (texts_tell, mut texts) = telling::<(String, bool)>();
    let app = Springhare::builder()
        .link(link)
        .listeners(listeners![number, everything])
        .manage(numbers_tell)
        .manage(texts_tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("runtime", "number.one"), &7).await.unwrap();
    rabbit.convert_and_send(("runtime", "number.two"), "x").await.unwrap();
    assert_eq!(numbers.next().await, ("number.one".to_owned(), 7));
    assert_eq!(texts.next().await, ("7".to_owned(), false));
    assert_eq!(texts.next().await, ("x".to_owned(), false));
    assert_eq!(texts.next().await, ("x".to_owned(), true), "it failed and came back");
    let parked = arrives(&rabbit, "runtime.numbers.error").await;
    assert_eq!(&*parked.body, b"x");
    assert_eq!(header_text(&parked, "x-original-routingKey"), "number.two");
    assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
    assert_eq!(ready(&rabbit, "runtime.numbers").await, 0);

    let missing = rabbit.convert_and_send(("runtime.missing", ""), "x").await.unwrap_err();
    assert!(matches!(missing, Error::NoExchange(_)), "{missing}");
    let unroutable = rabbit.convert_and_send("runtime.missing", "x").await.unwrap_err();
    assert!(matches!(unroutable, Error::Unroutable(_)), "{unroutable}");
    let many = (0..300_u32).map(|n| (("runtime", "number.many"), n.to_string()));
    // The manual listener would take each of them twice.
    let id = app.listener_ids().find(|id| id.ends_with("everything")).unwrap().to_owned();
    app.stop_listener(&id).await.unwrap();
    rabbit.convert_and_send_all(many).await.unwrap();
    for expected in 0..300 {
        assert_eq!(numbers.next().await, ("number.many".to_owned(), expected));
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "runtime.conflict", durable = false)]
async fn conflicting(_body: Bytes) {}

#[tokio::test]
async fn a_definition_that_differs_from_rabbitmqs_shows_both_sides() {
    let Some(node) = RabbitMq::shared() else { return };
    let declare = |queue: Queue| {
        Springhare::builder()
            .link(amqp_link(node.address()))
            .listeners(listeners![])
            .declare(queue)
            .start()
    };
    declare(Queue::durable("runtime.conflict")).await.unwrap().stop().await.unwrap();
    let Err(Error::Start(error)) = Springhare::builder()
        .link(amqp_link(node.address()))
        .listeners(listeners![conflicting])
        .declare(Queue::durable("runtime.new"))
        .start()
        .await
    else {
        panic!("it started")
    };
    let text = error.to_string();
    for words in ["as not durable", "inequivalent arg 'durable'", "delete the queue"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let app = declare(Queue::durable("runtime.other")).await.unwrap();
    let looked = app.rabbit_template().receive("runtime.new").await;
    assert!(looked.is_err(), "the failed start has left nothing behind");
    app.stop().await.unwrap();
}
