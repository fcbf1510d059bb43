//! What becomes of a message by the error that its handler failed with.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use springhare::prelude::*;
use springhare::{DeliveryContext, OnError};
use springhare_tests::{Tell, arrives, header_text, telling};

use crate::place::Place;

application!(
    an_error_decides_by_its_type_anywhere_in_its_chain,
    what_is_said_of_one_listener_goes_before_what_is_said_of_all,
    what_could_not_be_read_may_be_told_apart_and_what_was_chosen_may_not,
    an_error_handler_says_what_becomes_of_the_message,
    an_error_handler_hears_of_each_call_and_its_error_goes_on,
    an_error_handler_that_says_all_is_well_sends_nothing_of_the_handler_that_failed,
    as_spring_does_failures_are_requeued_without_an_end_and_what_is_fatal_is_rejected,
);

/// An error of a kind.
#[derive(Debug)]
struct Down(&'static str);

#[derive(Debug)]
struct Unpaid;

#[derive(Debug)]
struct Wrapped(Unpaid);

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is down", self.0)
    }
}

impl fmt::Display for Unpaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unpaid")
    }
}

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no order")
    }
}

impl std::error::Error for Down {}
impl std::error::Error for Unpaid {}
impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

type Words = Tell<(String, u32)>;

fn fail(word: &str) -> ListenerResult {
    match word {
        "down" => Err(Down("the shop").into()),
        "wrapped" => Err(Wrapped(Unpaid).into()),
        "chosen" => Err(ListenerError::immediate_acknowledge(Down("the shop"))),
        _ => Ok(()),
    }
}

#[rabbit_listener(id = "o.one", queue = "o.one")]
async fn one(word: Text, count: DeliveryCount, words: State<Words>) -> ListenerResult {
    words.tell((word.0.clone(), count.value()));
    if count.value() > 0 { Ok(()) } else { fail(&word.0) }
}

#[rabbit_listener(id = "o.two", queue = "o.two")]
async fn two(number: Json<u32>, words: State<Words>) -> ListenerResult {
    words.tell((number.0.to_string(), 0));
    if number.0 == 1 { Err(ListenerError::fatal(Down("the shop"))) } else { fail("down") }
}

async fn an_error_decides_by_its_type_anywhere_in_its_chain(place: &Place) {
    let (tell, mut words) = telling::<(String, u32)>();
    let app = place
        .builder()
        .listeners(listeners![one])
        .on_error::<Down>(OnError::RetryAfter(Duration::from_millis(20)))
        .on_error::<Unpaid>(OnError::Park)
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("o.one", "down").await.unwrap();
    assert_eq!(words.next().await, ("down".to_owned(), 0));
    assert_eq!(words.next().await, ("down".to_owned(), 1));
    rabbit.convert_and_send("o.one", "wrapped").await.unwrap();
    assert_eq!(words.next().await, ("wrapped".to_owned(), 0));
    let parked = arrives(&rabbit, "o.one.error").await;
    assert_eq!(header_text(&parked, "x-exception-message"), "no order: unpaid");
    rabbit.convert_and_send("o.one", "chosen").await.unwrap();
    assert_eq!(words.next().await, ("chosen".to_owned(), 0));
    app.stop().await.unwrap();
    assert!(words.is_silent());
    place.has_left("o.one", 0).await;
}

async fn what_is_said_of_one_listener_goes_before_what_is_said_of_all(place: &Place) {
    let (tell, mut words) = telling::<(String, u32)>();
    let app = place
        .builder()
        .listeners(listeners![one, two])
        .on_error::<Down>(OnError::Acknowledge)
        .on_error_of::<Down>("o.two", OnError::Fatal)
        .classify_of("o.one", |error| error.report().contains("unpaid").then_some(OnError::Reject))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    for word in ["down", "wrapped"] {
        rabbit.convert_and_send("o.one", word).await.unwrap();
        assert_eq!(words.next().await, (word.to_owned(), 0));
    }
    rabbit.convert_and_send("o.two", &2).await.unwrap();
    assert_eq!(words.next().await, ("2".to_owned(), 0));
    assert_eq!(&*arrives(&rabbit, "o.two.error").await.body, b"2");
    app.stop().await.unwrap();
    assert!(words.is_silent());
    place.has_left("o.one", 0).await;
}

async fn what_could_not_be_read_may_be_told_apart_and_what_was_chosen_may_not(place: &Place) {
    let (tell, mut words) = telling::<(String, u32)>();
    let app = place
        .builder()
        .listeners(listeners![two])
        .on_error::<springhare::convert::ConversionError>(OnError::Acknowledge)
        .on_error::<Down>(OnError::Acknowledge)
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("o.two", "{").await.unwrap();
    rabbit.convert_and_send("o.two", &1).await.unwrap();
    assert_eq!(words.next().await, ("1".to_owned(), 0));
    // The handler said that it was fatal.
    assert_eq!(&*arrives(&rabbit, "o.two.error").await.body, b"1");
    app.stop().await.unwrap();
    place.has_left("o.two", 0).await;
    place.has_left("o.two.error", 0).await;
}

async fn on_failure(error: ListenerError, cx: &DeliveryContext) -> ListenerResult<Option<Text>> {
    cx.state::<Words>().unwrap().tell((format!("handled {error}"), cx.attempt()));
    match error.to_string().as_str() {
        "the shop is down" => Ok(Some(Text("later".to_owned()))),
        "no order" => Ok(None),
        _ => Err(error),
    }
}

#[rabbit_listener(queue = "o.handled", error_handler = on_failure)]
async fn handled(word: Text, words: State<Words>) -> ListenerResult<Text> {
    words.tell((word.0.clone(), 0));
    fail(&word.0)?;
    Ok(word)
}

async fn an_error_handler_says_what_becomes_of_the_message(place: &Place) {
    let (tell, mut words) = telling::<(String, u32)>();
    let app = place.builder().listeners(listeners![handled]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let answer: String = rabbit.convert_send_and_receive("o.handled", "down").await.unwrap();
    assert_eq!(answer, "later");
    assert_eq!(words.next().await, ("down".to_owned(), 0));
    assert_eq!(words.next().await, ("handled the shop is down".to_owned(), 1));
    rabbit.convert_and_send("o.handled", "wrapped").await.unwrap();
    assert_eq!(words.next().await, ("wrapped".to_owned(), 0));
    assert_eq!(words.next().await, ("handled no order".to_owned(), 1));
    app.stop().await.unwrap();
    assert!(words.is_silent());
    place.has_left("o.handled", 0).await;
}

#[rabbit_listener(
    queue = "o.each",
    retry(max_attempts = 2, backoff = "1ms"),
    error_handler = on_failure
)]
async fn each() -> ListenerResult {
    Err(ListenerError::msg("no van"))
}

async fn an_error_handler_hears_of_each_call_and_its_error_goes_on(place: &Place) {
    let (tell, mut words) = telling::<(String, u32)>();
    let app = place.builder().listeners(listeners![each]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("o.each", "tea").await.unwrap();
    for call in 1..=2 {
        assert_eq!(words.next().await, ("handled no van".to_owned(), call));
    }
    let parked = arrives(&rabbit, "o.each.error").await;
    assert_eq!(header_text(&parked, "x-exception-message"), "no van");
    app.stop().await.unwrap();
    assert!(words.is_silent());
}

/// How often [`spring`] was called.
#[derive(Debug, Default)]
struct Called(AtomicU32);

#[rabbit_listener(
    queue = "o.spring",
    profile = "spring",
    arguments(dead_letter = "", dead_letter_routing_key = "o.turn")
)]
async fn spring(word: Text, called: State<Called>, words: State<Words>) -> ListenerResult {
    let call = called.0.fetch_add(1, Ordering::Relaxed);
    words.tell((word.0.clone(), 0));
    match word.0.as_str() {
        "fatal" => Err(ListenerError::fatal("hopeless")),
        _ if call < 30 => Err(ListenerError::msg("no van")),
        _ => Ok(()),
    }
}

async fn as_spring_does_failures_are_requeued_without_an_end_and_what_is_fatal_is_rejected(
    place: &Place,
) {
    let (tell, mut words) = telling::<(String, u32)>();
    let turn = Queue::durable("o.turn").ttl(Duration::from_millis(1));
    let app = place
        .builder()
        .listeners(listeners![spring])
        .declare(turn.dead_letter("").dead_letter_routing_key("o.spring"))
        .declare(Queue::durable("o.spring.error"))
        .manage(Called::default())
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("o.spring", "bad").await.unwrap();
    for _ in 0..31 {
        assert_eq!(words.next().await.0, "bad");
    }
    // It comes back from its rejection once, and is dropped then.
    rabbit.convert_and_send("o.spring", "fatal").await.unwrap();
    for _ in 0..2 {
        assert_eq!(words.next().await.0, "fatal");
    }
    app.stop().await.unwrap();
    assert!(words.is_silent());
    for queue in ["o.spring", "o.turn", "o.spring.error"] {
        place.has_left(queue, 0).await;
    }
}

async fn all_is_well(_error: ListenerError, cx: &DeliveryContext) -> ListenerResult {
    cx.state::<Words>().unwrap().tell(("well".to_owned(), cx.attempt()));
    Ok(())
}

#[rabbit_listener(queue = "o.outbox", error_handler = all_is_well)]
async fn with_outbox(Text(word): Text, outbox: Outbox<'_>) -> ListenerResult {
    outbox.convert_and_send("o.invoices", &word)?;
    fail(&word)
}

#[rabbit_listener(
    queue = "o.outbox.lanes",
    partition_by = "routing_key",
    concurrency = 2,
    error_handler = all_is_well
)]
async fn with_outbox_in_lanes(Text(word): Text, outbox: Outbox<'_>) -> ListenerResult {
    outbox.convert_and_send("o.invoices", &word)?;
    fail(&word)
}

async fn an_error_handler_that_says_all_is_well_sends_nothing_of_the_handler_that_failed(
    place: &Place,
) {
    let (tell, mut words) = telling::<(String, u32)>();
    let app = place
        .builder()
        .listeners(listeners![with_outbox, with_outbox_in_lanes])
        .declare(Queue::durable("o.invoices"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    for queue in ["o.outbox", "o.outbox.lanes"] {
        rabbit.convert_and_send(queue, "down").await.unwrap();
        assert_eq!(words.next().await, ("well".to_owned(), 1));
        rabbit.convert_and_send(queue, "fine").await.unwrap();
        assert_eq!(&*arrives(&rabbit, "o.invoices").await.body, b"fine");
    }
    app.stop().await.unwrap();
    place.has_left("o.outbox", 0).await;
    place.has_left("o.outbox.lanes", 0).await;
    place.has_left("o.invoices", 0).await;
}
