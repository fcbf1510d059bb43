use springhare::middleware::{Flow, MessageProcessor};
use springhare::prelude::*;
use springhare::{BatchError, BatchSize, DeliveryContext, FromDelivery};
use springhare_tests::{Tell, Told, arrives, header_number, header_text, telling};

use crate::place::Place;

application!(
    a_full_batch_comes_as_a_list_in_order,
    a_batch_larger_than_the_default_prefetch_becomes_full,
    a_batch_that_is_not_full_comes_when_its_time_is_up,
    a_stop_hands_over_what_has_gathered,
    what_an_extractor_refuses_is_taken_out_of_its_batch,
    a_failure_of_one_message_parts_the_batch,
    a_failed_batch_fails_with_each_of_its_messages,
    each_message_of_a_batch_may_have_its_outcome,
    a_manual_batch_is_settled_by_its_tags,
    a_panic_fails_the_batch,
    a_message_whose_extractor_panics_is_given_up_alone,
    a_batch_may_be_asked_for_later,
    what_the_handler_has_settled_is_not_handled_again,
    what_is_handled_again_is_not_acknowledged_with_what_was_passed_over,
);

type Endpoints = &'static [&'static springhare::__private::RabbitListenerEndpoint];
type Said = State<Tell<Vec<String>>>;

fn strings<T: ToString>(items: impl Iterator<Item = T>) -> Vec<String> {
    items.map(|item| item.to_string()).collect()
}

async fn send_numbers(rabbit: &RabbitTemplate, queue: &'static str, numbers: std::ops::Range<u32>) {
    rabbit.convert_and_send_all(numbers.map(|n| (queue, n.to_string()))).await.unwrap();
}

async fn start(place: &Place, listener: Vec<Endpoints>) -> (Springhare, Told<Vec<String>>) {
    let (said, told) = telling::<Vec<String>>();
    let app = place.builder().listeners(listener).manage(said).start().await.unwrap();
    (app, told)
}

#[rabbit_listener(queue = "b.three", batch = 3, batch_timeout = "10m")]
async fn three(
    numbers: Vec<Json<u32>>,
    keys: Vec<RoutingKey>,
    #[header("x-none", default = 7)] defaults: Vec<u8>,
    size: BatchSize,
    queue: QueueName,
    _channel: Channel,
    said: Said,
) {
    let lengths = [numbers.len(), keys.len(), defaults.len(), size.value()];
    assert_eq!((lengths, &*queue, defaults[2]), ([3; 4], "b.three", 7));
    assert!(keys.iter().all(|key| key == "b.three"));
    said.tell(numbers.into_iter().map(|Json(number)| number.to_string()).collect());
}

async fn a_full_batch_comes_as_a_list_in_order(place: &Place) {
    let (app, mut told) = start(place, listeners![three]).await;
    send_numbers(&app.rabbit_template(), "b.three", 0..6).await;
    assert_eq!(told.next().await, ["0", "1", "2"]);
    assert_eq!(told.next().await, ["3", "4", "5"]);
    app.stop().await.unwrap();
    assert_eq!(place.left("b.three").await, 0);
}

#[rabbit_listener(queue = "b.large", batch = 300, batch_timeout = "10m")]
async fn large(texts: Vec<Text>, said: Said) {
    said.tell(vec![texts.len().to_string()]);
}

async fn a_batch_larger_than_the_default_prefetch_becomes_full(place: &Place) {
    let (app, mut told) = start(place, listeners![large]).await;
    send_numbers(&app.rabbit_template(), "b.large", 0..300).await;
    assert_eq!(told.next().await, ["300"]);
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "b.short", batch = 100, batch_timeout = "100ms")]
async fn short(texts: Vec<Text>, said: Said) {
    said.tell(texts.into_iter().map(|text| text.0).collect());
}

async fn a_batch_that_is_not_full_comes_when_its_time_is_up(place: &Place) {
    let (app, mut told) = start(place, listeners![short]).await;
    send_numbers(&app.rabbit_template(), "b.short", 0..2).await;
    let mut got = told.next().await;
    while got.len() < 2 {
        got.extend(told.next().await);
    }
    assert_eq!(got, ["0", "1"]);
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "b.stop", batch = 100, batch_timeout = "10m")]
async fn until_the_stop(texts: Vec<Text>, said: Said) {
    said.tell(texts.into_iter().map(|text| text.0).collect());
}

async fn a_stop_hands_over_what_has_gathered(place: &Place) {
    let (app, mut told) = start(place, listeners![until_the_stop]).await;
    send_numbers(&app.rabbit_template(), "b.stop", 0..3).await;
    place.has_left("b.stop", 0).await;
    assert!(told.is_silent());
    app.stop().await.unwrap();
    let mut got = told.next().await;
    while got.len() < 3 {
        got.extend(told.next().await);
    }
    assert_eq!(got, ["0", "1", "2"]);
    assert_eq!(place.left("b.stop").await, 0, "they are acknowledged");
}

#[rabbit_listener(queue = "b.mixed", batch = 4, batch_timeout = "10m")]
async fn mixed(numbers: Vec<Json<u32>>, ids: Vec<MessageId>, size: BatchSize, said: Said) {
    assert_eq!((ids.len(), size.value()), (2, 2));
    said.tell(numbers.into_iter().map(|number| number.0.to_string()).collect());
}

async fn what_an_extractor_refuses_is_taken_out_of_its_batch(place: &Place) {
    let (app, mut told) = start(place, listeners![mixed]).await;
    let rabbit = app.rabbit_template();
    for (body, id) in [("1", Some("a")), ("{", Some("b")), ("3", None), ("4", Some("d"))] {
        let sending = rabbit.convert_and_send("b.mixed", body);
        match id {
            Some(id) => sending.message_id(id).await.unwrap(),
            None => sending.await.unwrap(),
        }
    }
    assert_eq!(told.next().await, ["1", "4"]);
    for body in ["{", "3"] {
        let parked = arrives(&rabbit, "b.mixed.error").await;
        assert_eq!(&*parked.body, body.as_bytes());
        assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
        assert_eq!(header_number(&parked, "x-springhare-attempts"), Some(1));
    }
    app.stop().await.unwrap();
    assert_eq!(place.left("b.mixed").await, 0);
}

#[rabbit_listener(queue = "b.parted", batch = 4, batch_timeout = "10m")]
async fn parted(texts: Vec<Text>, redelivered: Vec<Redelivered>, said: Said) -> ListenerResult {
    assert!(redelivered.iter().all(|redelivered| !redelivered.is_redelivered()));
    said.tell(texts.iter().map(|text| text.0.clone()).collect());
    if let Some(bad) = texts.iter().position(|text| text.0 == "1") {
        Err(BatchError::at(bad, ListenerError::fatal("one")))?;
    }
    Ok(())
}

async fn a_failure_of_one_message_parts_the_batch(place: &Place) {
    let (app, mut told) = start(place, listeners![parted]).await;
    let rabbit = app.rabbit_template();
    send_numbers(&rabbit, "b.parted", 0..4).await;
    assert_eq!(told.next().await, ["0", "1", "2", "3"]);
    let parked = arrives(&rabbit, "b.parted.error").await;
    assert_eq!(&*parked.body, b"1");
    assert_eq!(header_text(&parked, "x-exception-message"), "one");
    send_numbers(&rabbit, "b.parted", 4..6).await;
    assert_eq!(told.next().await, ["2", "3", "4", "5"], "those behind it begin the next batch");
    app.stop().await.unwrap();
    assert_eq!(place.left("b.parted").await, 0);
}

#[rabbit_listener(queue = "b.failed", batch = 2, batch_timeout = "10m")]
async fn failing(texts: Vec<Text>, counts: Vec<DeliveryCount>, said: Said) -> ListenerResult {
    said.tell(texts.into_iter().map(|text| text.0).collect());
    match counts.iter().all(|count| count.value() == 0) {
        true => Err(ListenerError::msg("at first")),
        false => Ok(()),
    }
}

async fn a_failed_batch_fails_with_each_of_its_messages(place: &Place) {
    let (app, mut told) = start(place, listeners![failing]).await;
    send_numbers(&app.rabbit_template(), "b.failed", 0..2).await;
    assert_eq!(told.next().await, ["0", "1"]);
    let mut again = told.next().await;
    again.sort();
    assert_eq!(again, ["0", "1"]);
    app.stop().await.unwrap();
    assert_eq!(place.left("b.failed").await, 0);
}

#[rabbit_listener(
    queue = "b.each",
    batch = 3,
    batch_timeout = "10m",
    arguments(dead_letter = "", dead_letter_routing_key = "b.dead")
)]
async fn each(texts: Vec<Text>, redelivered: Vec<Redelivered>, said: Said) -> Vec<Outcome> {
    let outcome = |(text, redelivered): (&Text, &Redelivered)| match &*text.0 {
        "0" => Outcome::Reject,
        "1" if !redelivered.is_redelivered() => Outcome::Requeue,
        _ => Outcome::Ack,
    };
    let outcomes = texts.iter().zip(&redelivered).map(outcome).collect();
    said.tell(texts.into_iter().map(|text| text.0).collect());
    outcomes
}

async fn each_message_of_a_batch_may_have_its_outcome(place: &Place) {
    let (said, mut told) = telling::<Vec<String>>();
    let app = place
        .builder()
        .listeners(listeners![each])
        .declare(Queue::durable("b.dead"))
        .manage(said)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    send_numbers(&rabbit, "b.each", 0..3).await;
    assert_eq!(told.next().await, ["0", "1", "2"]);
    send_numbers(&rabbit, "b.each", 3..5).await;
    let mut next = told.next().await;
    next.sort();
    assert_eq!(next, ["1", "3", "4"]);
    assert_eq!(&*arrives(&rabbit, "b.dead").await.body, b"0");
    app.stop().await.unwrap();
    assert_eq!(place.left("b.each").await, 0);
}

#[rabbit_listener(queue = "b.manual", ack = "manual", batch = 3, batch_timeout = "10m")]
async fn manual(
    channel: Channel,
    texts: Vec<Text>,
    tags: Vec<DeliveryTag>,
    said: Said,
) -> ListenerResult {
    let mut tags = tags.into_iter();
    let (Some(first), Some(second), Some(third)) = (tags.next(), tags.next(), tags.next()) else {
        return Err(ListenerError::msg("three tags"));
    };
    channel.ack_multiple(second).await?;
    assert!(channel.ack(first).await.is_err(), "the second's covered it");
    channel.nack(third, Requeue::No).await?;
    said.tell(strings(texts.iter().map(|text| &text.0)));
    Ok(())
}

async fn a_manual_batch_is_settled_by_its_tags(place: &Place) {
    let (app, mut told) = start(place, listeners![manual]).await;
    send_numbers(&app.rabbit_template(), "b.manual", 0..6).await;
    assert_eq!(told.next().await, ["0", "1", "2"]);
    assert_eq!(told.next().await, ["3", "4", "5"]);
    app.stop().await.unwrap();
    assert_eq!(place.left("b.manual").await, 0);
}

#[rabbit_listener(queue = "b.panic", batch = 2, batch_timeout = "10m")]
async fn panicking(counts: Vec<DeliveryCount>, said: Said) {
    assert!(counts.iter().any(|count| count.value() > 0), "a panic of the test");
    said.tell(strings(counts.iter().map(|count| count.value())));
}

async fn a_panic_fails_the_batch(place: &Place) {
    let (app, mut told) = start(place, listeners![panicking]).await;
    send_numbers(&app.rabbit_template(), "b.panic", 0..2).await;
    assert_eq!(told.next().await, ["1", "1"]);
    app.stop().await.unwrap();
}

/// An extractor that can't stand some bodies.
struct Picky(String);

impl<'d> FromDelivery<'d> for Picky {
    type Rejection = std::convert::Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Self::Rejection> {
        let text = String::from_utf8_lossy(cx.body()).into_owned();
        assert_ne!(text, "1", "a panic of the test");
        Ok(Self(text))
    }
}

#[rabbit_listener(queue = "b.picky", batch = 3, batch_timeout = "10m")]
async fn picky(texts: Vec<Picky>, said: Said) {
    said.tell(texts.into_iter().map(|text| text.0).collect());
}

async fn a_message_whose_extractor_panics_is_given_up_alone(place: &Place) {
    let (app, mut told) = start(place, listeners![picky]).await;
    let rabbit = app.rabbit_template();
    send_numbers(&rabbit, "b.picky", 0..3).await;
    assert_eq!(told.next().await, ["0", "2"]);
    assert_eq!(&*arrives(&rabbit, "b.picky.error").await.body, b"1");
    app.stop().await.unwrap();
    assert_eq!(place.left("b.picky").await, 0);
}

#[rabbit_listener(queue = "b.later", batch = 2, batch_timeout = "10m")]
async fn later(texts: Vec<Text>, counts: Vec<DeliveryCount>, said: Said) -> Outcome {
    said.tell(texts.into_iter().map(|text| text.0).collect());
    match counts.iter().all(|count| count.value() == 0) {
        true => Outcome::RetryAfter(std::time::Duration::from_millis(50)),
        false => Outcome::Ack,
    }
}

async fn a_batch_may_be_asked_for_later(place: &Place) {
    let (app, mut told) = start(place, listeners![later]).await;
    send_numbers(&app.rabbit_template(), "b.later", 0..2).await;
    assert_eq!(told.next().await, ["0", "1"]);
    let mut again = told.next().await;
    again.sort();
    assert_eq!(again, ["0", "1"]);
    app.stop().await.unwrap();
    assert_eq!(place.left("b.later").await, 0);
}

#[rabbit_listener(queue = "b.tags", batch = 4, batch_timeout = "10m")]
async fn some_tags(
    channel: Channel,
    texts: Vec<Text>,
    tags: Vec<DeliveryTag>,
    said: Said,
) -> ListenerResult {
    let texts: Vec<String> = texts.into_iter().map(|text| text.0).collect();
    said.tell(texts.clone());
    if texts.first().is_some_and(|first| first == "0") {
        for (tag, text) in tags.into_iter().zip(texts) {
            if text == "3" {
                channel.ack(tag).await?;
            }
        }
        Err(BatchError::at(1, ListenerError::fatal("one")))?;
    }
    Ok(())
}

async fn what_the_handler_has_settled_is_not_handled_again(place: &Place) {
    let (app, mut told) = start(place, listeners![some_tags]).await;
    let rabbit = app.rabbit_template();
    send_numbers(&rabbit, "b.tags", 0..4).await;
    assert_eq!(told.next().await, ["0", "1", "2", "3"]);
    assert_eq!(&*arrives(&rabbit, "b.tags.error").await.body, b"1");
    send_numbers(&rabbit, "b.tags", 4..7).await;
    assert_eq!(told.next().await, ["2", "4", "5", "6"]);
    app.stop().await.unwrap();
    assert_eq!(place.left("b.tags").await, 0);
}

/// Passes over `skip`.
struct PassesOver;

impl MessageProcessor for PassesOver {
    fn after_receive(&self, message: &mut Message) -> Result<Flow, ListenerError> {
        Ok(if &*message.body == b"skip" { Flow::Discard } else { Flow::Continue })
    }
}

#[rabbit_listener(queue = "b.around", batch = 6, batch_timeout = "10m")]
async fn around(texts: Vec<Text>, again: Vec<Redelivered>, said: Said) -> ListenerResult {
    let texts: Vec<String> = texts.into_iter().map(|text| text.0).collect();
    said.tell(texts.clone());
    match &*texts[0] {
        "bad" => Err(BatchError::at(0, ListenerError::fatal("bad")))?,
        _ if again.iter().any(|again| again.is_redelivered()) => Ok(()),
        _ => Err(ListenerError::immediate_requeue("once more")),
    }
}

/// Those behind the bad one stay open while those that were passed over are done: were they
/// acknowledged with these, they could not come again.
async fn what_is_handled_again_is_not_acknowledged_with_what_was_passed_over(place: &Place) {
    let (said, mut told) = telling::<Vec<String>>();
    let builder = place.builder().processor(PassesOver).manage(said);
    let app = builder.listeners(listeners![around]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let send = async |texts: &[&str]| {
        let messages = texts.iter().map(|text| ("b.around", *text));
        rabbit.convert_and_send_all(messages).await.unwrap();
    };
    send(&["bad", "a", "skip", "b", "skip", "c"]).await;
    assert_eq!(told.next().await, ["bad", "a", "b", "c"]);
    arrives(&rabbit, "b.around.error").await;
    send(&["d", "e", "f"]).await;
    assert_eq!(told.next().await, ["a", "b", "c", "d", "e", "f"]);
    let mut again = told.next().await;
    again.sort();
    assert_eq!(again, ["a", "b", "c", "d", "e", "f"], "all of them were requeued");
    app.stop().await.unwrap();
    assert_eq!(place.left("b.around").await, 0);
}
