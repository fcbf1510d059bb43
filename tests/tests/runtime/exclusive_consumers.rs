//! What an application may not have beside an exclusive consumer.

use springhare::prelude::*;
use springhare::{Error, SpringhareBuilder};

async fn refused(builder: SpringhareBuilder, places: usize, words: &str) {
    let error = match builder.start().await {
        Err(Error::Start(error)) => error,
        other => panic!("{other:?}"),
    };
    let [fault] = error.faults() else { panic!("{error}") };
    assert!(fault.text().contains(words), "{fault}");
    assert_eq!(fault.places().len(), places, "{fault}");
}

#[rabbit_listener(id = "alone", queue = "q", exclusive_consumer)]
async fn alone(_body: Bytes) {}

#[rabbit_listener(queue = "q")]
async fn beside(_body: Bytes) {}

#[rabbit_listener(queue = "q", exclusive_consumer)]
async fn alone_too(_body: Bytes) {}

#[tokio::test]
async fn two_listeners_cannot_both_consume_where_one_is_to_be_alone() {
    let app = Springhare::builder;
    let words = "`alone` is to be the only consumer of queue 'q'";
    refused(app().listeners(listeners![alone, beside]), 2, words).await;
    refused(app().listeners(listeners![alone, alone_too]), 2, words).await;
}

#[tokio::test]
async fn what_the_attribute_does_not_show_is_found_at_the_start() {
    let app = || Springhare::builder().listeners(listeners![alone]);
    let several = app().listener("alone", |alone| alone.concurrency(1..=3));
    refused(several, 1, "`concurrency` is set to 3").await;
    let single = app().declare(Queue::durable("q").single_active_consumer());
    refused(single, 1, "refuses exclusive consumers").await;
    refused(app().declare(Queue::durable("q").quorum()), 1, "no classic queue").await;
    refused(app().declare(Queue::durable("q").stream()), 1, "no classic queue").await;
}

#[rabbit_listener(queue = "q", exchange = "x", kind = "topic", key = "a", exclusive_consumer)]
async fn of_a(_body: Bytes) {}

#[rabbit_listener(
    queue = "q",
    exchange = "x",
    kind = "topic",
    key = "b",
    consumer_arguments("x-own" = 1, "x-two" = 2)
)]
async fn of_b(_body: Bytes) {}

#[rabbit_listener(
    queue = "q",
    exchange = "x",
    kind = "topic",
    key = "c",
    consumer_arguments("x-two" = 2, "x-own" = 1)
)]
async fn of_c(_body: Bytes) {}

#[tokio::test]
async fn listeners_that_share_a_consumer_say_the_same_of_it() {
    let builder = Springhare::builder().listeners(listeners![of_a, of_b]);
    let Err(Error::Start(error)) = builder.start().await else { panic!("it started") };
    let texts: Vec<&str> = error.faults().iter().map(springhare::StartFault::text).collect();
    let [arguments, exclusive] = texts.as_slice() else { panic!("{texts:?}") };
    let both = format!("{arguments} {exclusive}");
    assert!(both.contains("their `exclusive_consumer` differs: true and false"), "{both}");
    assert!(both.contains("their `consumer_arguments` differs: nothing and"), "{both}");
    let builder = Springhare::builder().listeners(listeners![of_b, of_c]);
    builder.start().await.unwrap().stop().await.unwrap();
}
