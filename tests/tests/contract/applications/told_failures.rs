//! What becomes of a request whose caller was told that it failed.

use springhare::prelude::*;
use springhare::{DeliveryContext, OnError, SpringhareBuilder};
use springhare_tests::{Tell, arrives, header_text, telling};

use crate::place::Place;

application!(
    what_is_said_of_an_error_holds_where_its_caller_is_told,
    a_request_that_cannot_be_read_is_not_tried_again_once_its_caller_knows,
    a_caller_of_a_key_is_told_though_its_request_is_settled,
    an_error_handler_is_asked_before_the_caller_is_told,
    a_key_waits_for_no_request_whose_caller_was_told,
    a_key_waits_for_a_request_whose_caller_is_gone,
);

const ANSWERS: &str = "n.answers";

fn by_its_text(builder: SpringhareBuilder) -> SpringhareBuilder {
    let builder = builder.declare(Queue::durable(ANSWERS));
    builder.classify(|error| match &*error.to_string() {
        "park" => Some(OnError::Park),
        "fatal" => Some(OnError::Fatal),
        "reject" => Some(OnError::Reject),
        "acknowledge" => Some(OnError::Acknowledge),
        "retry" => Some(OnError::Retry),
        _ => None,
    })
}

/// Asks, and says which kind of failure the answer tells of.
async fn kind_for(rabbit: &RabbitTemplate, queue: &str, word: &str) -> String {
    let request = rabbit.convert_and_send(queue, word);
    request.reply_to(ANSWERS).header("x-customer", "ann").await.unwrap();
    header_text(&arrives(rabbit, ANSWERS).await, "x-springhare-error")
}

#[rabbit_listener(
    queue = "n.said",
    return_errors = true,
    arguments(dead_letter = "", dead_letter_routing_key = "n.dead")
)]
async fn said(Text(word): Text) -> ListenerResult<Text> {
    Err(ListenerError::msg(word))
}

async fn what_is_said_of_an_error_holds_where_its_caller_is_told(place: &Place) {
    let builder = by_its_text(place.builder()).declare(Queue::durable("n.dead"));
    let app = builder.listeners(listeners![said]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let cases = [
        ("park", "fatal", Some("n.said.error")),
        ("fatal", "fatal", Some("n.dead")),
        ("reject", "rejected", Some("n.dead")),
        ("acknowledge", "failed", None),
        ("retry", "failed", None),
        ("other", "failed", None),
    ];
    for (word, kind, kept_in) in cases {
        assert_eq!(kind_for(&rabbit, "n.said", word).await, kind, "{word}");
        if let Some(queue) = kept_in {
            assert_eq!(&*arrives(&rabbit, queue).await.body, word.as_bytes());
        }
    }
    app.stop().await.unwrap();
    for queue in ["n.said", "n.dead", "n.said.error"] {
        place.has_left(queue, 0).await;
    }
}

#[rabbit_listener(queue = "n.read", return_errors = true)]
async fn read(Json(number): Json<u64>) -> Json<u64> {
    Json(number)
}

async fn a_request_that_cannot_be_read_is_not_tried_again_once_its_caller_knows(place: &Place) {
    let builder = by_its_text(place.builder()).listeners(listeners![read]);
    let builder = builder.on_error::<springhare::convert::ConversionError>(OnError::Retry);
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    assert_eq!(kind_for(&rabbit, "n.read", "seven").await, "failed");
    app.stop().await.unwrap();
    // Neither is it told once more.
    for queue in ["n.read", ANSWERS] {
        place.has_left(queue, 0).await;
    }
}

#[rabbit_listener(
    queue = "n.settled",
    return_errors = true,
    partition_by = "header:x-customer",
    retry(max_attempts = 3, backoff = "1ms..1ms")
)]
async fn settled(_word: Text, channel: Channel, tag: DeliveryTag) -> ListenerResult<Text> {
    channel.ack(tag).await?;
    Err(ListenerError::msg("too late"))
}

async fn a_caller_of_a_key_is_told_though_its_request_is_settled(place: &Place) {
    let builder = by_its_text(place.builder()).listeners(listeners![settled]);
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    assert_eq!(kind_for(&rabbit, "n.settled", "tea").await, "failed");
    app.stop().await.unwrap();
    place.has_left("n.settled", 0).await;
}

async fn refuse(error: ListenerError, cx: &DeliveryContext) -> ListenerResult {
    match &**cx.body() {
        b"well" => Ok(()),
        _ => Err(ListenerError::reject_and_dont_requeue(format!("not {error}"))),
    }
}

#[rabbit_listener(queue = "n.handled", return_errors = true, error_handler = refuse)]
async fn handled(Text(word): Text) -> ListenerResult<Text> {
    Err(ListenerError::msg(word))
}

async fn an_error_handler_is_asked_before_the_caller_is_told(place: &Place) {
    let builder = by_its_text(place.builder()).listeners(listeners![handled]);
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    // Who is told that all is well is not answered: the next answer is the next request's.
    rabbit.convert_and_send("n.handled", "well").reply_to(ANSWERS).await.unwrap();
    assert_eq!(kind_for(&rabbit, "n.handled", "park").await, "rejected");
    app.stop().await.unwrap();
    place.has_left("n.handled", 0).await;
    place.has_left(ANSWERS, 0).await;
}

#[rabbit_listener(
    queue = "n.keyed",
    return_errors = true,
    partition_by = "header:x-customer",
    concurrency = 2
)]
async fn keyed(Text(word): Text, calls: State<Tell<String>>) -> ListenerResult<Text> {
    calls.tell(word.clone());
    Err(ListenerError::msg(word))
}

async fn a_key_waits_for_no_request_whose_caller_was_told(place: &Place) {
    let (calls, mut called) = telling::<String>();
    let builder = by_its_text(place.builder()).listeners(listeners![keyed]).manage(calls);
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    for word in ["retry", "other", "acknowledge"] {
        assert_eq!(kind_for(&rabbit, "n.keyed", word).await, "failed");
    }
    app.stop().await.unwrap();
    place.has_left("n.keyed", 0).await;
    for expected in ["retry", "other", "acknowledge"] {
        assert_eq!(called.next().await, expected);
    }
    assert!(called.is_silent(), "its caller asks again, or nobody does");
}

#[rabbit_listener(
    queue = "n.unheard",
    return_errors = true,
    partition_by = "header:x-customer",
    concurrency = 2,
    max_attempts = 2
)]
async fn unheard(Text(word): Text, calls: State<Tell<String>>) -> ListenerResult<Text> {
    calls.tell(word.clone());
    Err(ListenerError::msg(word))
}

async fn a_key_waits_for_a_request_whose_caller_is_gone(place: &Place) {
    let (calls, mut called) = telling::<String>();
    let builder = by_its_text(place.builder()).listeners(listeners![unheard]).manage(calls);
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    for word in ["one", "two"] {
        let request = rabbit.convert_and_send("n.unheard", word).header("x-customer", "ann");
        request.reply_to("n.of_a_caller_that_left").await.unwrap();
    }
    for expected in ["one", "one", "two", "two"] {
        assert_eq!(called.next().await, expected);
    }
    app.stop().await.unwrap();
}
