//! What an application declares, where the broker has something of that name.

use springhare::prelude::*;
use springhare::{Error, SpringhareBuilder, StartError};
use springhare_broker::QueueDeclareOptions;

use crate::place::Place;

application!(
    a_listener_that_only_names_a_queue_takes_over_its_declaration,
    a_definition_that_differs_from_the_brokers_shows_both_sides_and_leaves_nothing_behind,
);

/// What keeps the application from starting.
async fn refused(builder: SpringhareBuilder) -> StartError {
    match builder.start().await {
        Err(Error::Start(error)) => error,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it started"),
    }
}

#[rabbit_listener(queue = "adopted", exchange = "adopting", key = "k")]
async fn by_name(_body: Bytes) {}

async fn a_listener_that_only_names_a_queue_takes_over_its_declaration(place: &Place) {
    let app = place
        .builder()
        .listeners(listeners![by_name])
        .declare(Queue::transient("adopted").max_length(5))
        .declare(Exchange::topic("adopting"))
        .start()
        .await
        .unwrap();
    let mut options = QueueDeclareOptions::default();
    options.arguments.insert("x-max-length", 5_i64).unwrap();
    place.channel().await.queue_declare("adopted", options).await.unwrap();
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "new", exchange = "new.exchange", kind = "fanout")]
async fn new(_body: Bytes) {}

#[rabbit_listener(queue = "old")]
async fn old(_body: Bytes) {}

async fn a_definition_that_differs_from_the_brokers_shows_both_sides_and_leaves_nothing_behind(
    place: &Place,
) {
    let channel = place.channel().await;
    channel.queue_declare("old", QueueDeclareOptions::default()).await.unwrap();
    let builder = || place.builder().listeners(listeners![new, old]);
    let error = refused(builder()).await;
    let [fault] = error.faults() else { panic!("{error}") };
    for words in ["queue 'old' as durable", "inequivalent arg 'durable'", "delete the queue"] {
        assert!(fault.text().contains(words), "{fault}");
    }
    assert_eq!(fault.places().len(), 1);
    assert_eq!(place.consumers("new").await, None, "the new queue is gone again");
    let exchange = place.channel().await.exchange_declare_passive("new.exchange").await;
    assert!(exchange.is_err(), "so is its exchange");
    assert!(channel.queue_declare_passive("old").await.is_ok(), "what was there stays");
    channel.queue_delete("old", Default::default()).await.unwrap();
    builder().start().await.unwrap().stop().await.unwrap();
}
