//! What becomes of a message by the error that its handler failed with.

use std::fmt;
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
