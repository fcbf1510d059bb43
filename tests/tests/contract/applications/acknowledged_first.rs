//! `ack = "first"`: a message is acknowledged before its handler is called.

use springhare::prelude::*;
use springhare_tests::{Gate, Tell, arrives, header_text, telling};

use crate::place::Place;

application!(
    a_message_is_acknowledged_before_its_handler_is_called,
    what_fails_after_its_ack_does_not_come_again,
    what_was_acknowledged_first_is_called_again_in_memory,
    a_copy_of_what_failed_is_kept_where_the_listener_asks_for_it,
    what_is_not_begun_goes_back,
    partitions_acknowledge_first_too,
);

type Said = State<Tell<String>>;

#[rabbit_listener(id = "f.one", queue = "f.one", ack = "first", prefetch = 1)]
async fn one(text: Text, gate: State<Gate>, said: Said) -> ListenerResult {
    said.tell(text.0);
    gate.pass().await;
    Err(ListenerError::msg("it did not work"))
}

/// With a prefetch of one the second message comes to the consumer while the first is in hand, and
/// the third waits.
async fn a_message_is_acknowledged_before_its_handler_is_called(place: &Place) {
    let (said, mut told) = telling::<String>();
    let gate = Gate::closed();
    let builder = place.builder().listeners(listeners![one]).manage(gate.clone()).manage(said);
    let app = builder.start().await.unwrap();
    let messages = (0..3).map(|n| ("f.one", n.to_string()));
    app.rabbit_template().convert_and_send_all(messages).await.unwrap();
    assert_eq!(told.next().await, "0");
    place.has_left("f.one", 1).await;
    app.force_stop().await.unwrap();
    // The one in hand is gone, the one behind it is back.
    place.has_left("f.one", 2).await;
}

async fn what_fails_after_its_ack_does_not_come_again(place: &Place) {
    let (said, mut told) = telling::<String>();
    let gate = Gate::closed();
    gate.let_through(3);
    let builder = place.builder().listeners(listeners![one]).manage(gate).manage(said);
    let app = builder.start().await.unwrap();
    let messages = (0..3).map(|n| ("f.one", n.to_string()));
    app.rabbit_template().convert_and_send_all(messages).await.unwrap();
    for expected in ["0", "1", "2"] {
        assert_eq!(told.next().await, expected);
    }
    app.stop().await.unwrap();
    assert!(told.is_silent());
    assert_eq!(place.left("f.one").await, 0);
    assert_eq!(place.consumers("f.one.error").await, None, "nothing was parked");
}

#[rabbit_listener(queue = "f.again", ack = "first", retry(max_attempts = 3, backoff = "1ms"))]
async fn again(attempt: Attempt, said: Said) -> ListenerResult {
    said.tell(attempt.value().to_string());
    Err(ListenerError::msg("it did not work"))
}

async fn what_was_acknowledged_first_is_called_again_in_memory(place: &Place) {
    let (said, mut told) = telling::<String>();
    let builder = place.builder().listeners(listeners![again]).manage(said);
    let app = builder.start().await.unwrap();
    app.rabbit_template().convert_and_send("f.again", "tea").await.unwrap();
    for expected in ["1", "2", "3"] {
        assert_eq!(told.next().await, expected);
    }
    app.stop().await.unwrap();
    assert!(told.is_silent());
    assert_eq!(place.left("f.again").await, 0);
}

#[rabbit_listener(queue = "f.kept", ack = "first", recover = "park")]
async fn kept() -> ListenerResult {
    Err(ListenerError::msg("it did not work"))
}

async fn a_copy_of_what_failed_is_kept_where_the_listener_asks_for_it(place: &Place) {
    let app = place.builder().listeners(listeners![kept]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("f.kept", "tea").await.unwrap();
    let parked = arrives(&rabbit, "f.kept.error").await;
    assert_eq!(&*parked.body, b"tea");
    assert_eq!(header_text(&parked, "x-exception-message"), "it did not work");
    app.stop().await.unwrap();
    assert_eq!(place.left("f.kept").await, 0);
}

#[rabbit_listener(id = "f.held", queue = "f.held", ack = "first")]
async fn held(text: Text, gate: State<Gate>, said: Said) {
    said.tell(text.0);
    gate.pass().await;
}

async fn what_is_not_begun_goes_back(place: &Place) {
    let (said, mut told) = telling::<String>();
    let gate = Gate::closed();
    let builder = place.builder().listeners(listeners![held]).manage(gate.clone()).manage(said);
    let app = builder.start().await.unwrap();
    let messages = (0..5).map(|n| ("f.held", n.to_string()));
    app.rabbit_template().convert_and_send_all(messages).await.unwrap();
    assert_eq!(told.next().await, "0");
    place.has_left("f.held", 0).await;
    app.force_stop().await.unwrap();
    place.has_left("f.held", 4).await;
}

#[rabbit_listener(
    queue = "f.parted",
    ack = "first",
    partition_by = "routing_key",
    concurrency = 2,
    retry(max_attempts = 2, backoff = "1ms")
)]
async fn parted(text: Text, attempt: Attempt, said: Said) -> ListenerResult {
    said.tell(format!("{} {}", text.0, attempt.value()));
    Err(ListenerError::msg("it did not work"))
}

async fn partitions_acknowledge_first_too(place: &Place) {
    let (said, mut told) = telling::<String>();
    let builder = place.builder().listeners(listeners![parted]).manage(said);
    let app = builder.start().await.unwrap();
    let messages = (0..3).map(|n| ("f.parted", n.to_string()));
    app.rabbit_template().convert_and_send_all(messages).await.unwrap();
    for expected in ["0 1", "0 2", "1 1", "1 2", "2 1", "2 2"] {
        assert_eq!(told.next().await, expected);
    }
    app.stop().await.unwrap();
    assert!(told.is_silent());
    assert_eq!(place.left("f.parted").await, 0);
}
