use std::sync::{Mutex, mpsc};

use serde::de::value::{Error as ValueError, StringDeserializer};
use springhare::convert::{
    ConverterError, MessageConverter, MessageConverters, ReadBody, erased_serde,
};
use springhare::prelude::*;
use springhare::{Error, NotConfirmed};
use springhare_broker::QueueDeclareOptions;
use springhare_tests::{Gate, Tell, arrives, ready, telling};

use crate::place::Place;

application!(
    a_blocking_handler_holds_up_nobody,
    a_headers_exchange_matches_the_bindings_arguments,
    arguments_reach_the_queue,
    a_concurrency_of_four_is_four_consumers,
    a_higher_priority_is_served_first_while_it_can_take_more,
    listeners_start_by_their_id_and_by_their_group,
    without_acks_nothing_comes_back,
    a_failed_message_may_be_dropped_at_once,
    a_converter_of_ones_own_writes_and_reads,
    headers_that_fit_no_frame_are_the_callers_error,
);

type Said = State<Tell<String>>;

/// What a blocking handler waits for, with its thread.
type Released = Mutex<mpsc::Receiver<()>>;

#[expect(clippy::needless_pass_by_value, reason = "arguments are taken by value")]
#[rabbit_listener(queue = "a.blocking", blocking)]
fn block(text: Text, released: State<Released>, said: Said) -> ListenerResult {
    said.tell(format!("{text} waits"));
    released.lock().map_err(|_| ListenerError::msg("poisoned"))?.recv()?;
    said.tell(format!("{text} is done"));
    Ok(())
}

/// On a runtime of one thread, which the handler must leave alone.
async fn a_blocking_handler_holds_up_nobody(place: &Place) {
    let (said, mut told) = telling::<String>();
    let (release, released) = mpsc::channel();
    let app = place
        .builder()
        .listeners(listeners![block])
        .declare(Queue::durable("a.meanwhile"))
        .manage(Mutex::new(released))
        .manage(said)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("a.blocking", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea waits");
    rabbit.convert_and_send("a.meanwhile", "go on").await.unwrap();
    assert_eq!(&*arrives(&rabbit, "a.meanwhile").await.body, b"go on");
    release.send(()).unwrap();
    assert_eq!(told.next().await, "tea is done");
    app.stop().await.unwrap();
}

#[rabbit_listener(
    queue = "a.any",
    exchange = "a.headers",
    kind = "headers",
    binding_arguments("x-match" = "any", "level" = 3, "host" = "kern")
)]
async fn any(text: Text, said: Said) {
    said.tell(text.0);
}

async fn a_headers_exchange_matches_the_bindings_arguments(place: &Place) {
    let (said, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![any]).manage(said).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let send = |text| rabbit.convert_and_send(("a.headers", ""), text).mandatory();
    send("level").header("level", 3).await.unwrap();
    assert_eq!(told.next().await, "level");
    send("host").header("level", 4).header("host", "kern").await.unwrap();
    assert_eq!(told.next().await, "host");
    let neither = send("neither").header("level", 4).header("host", "mail").await.unwrap_err();
    assert!(matches!(neither, Error::Unroutable(_)), "{neither}");
    app.stop().await.unwrap();
    assert!(told.is_silent());
}

#[rabbit_listener(
    queue = "a.arguments",
    arguments("x-max-length" = 1000, "x-overflow" = "reject-publish")
)]
async fn with_arguments(_text: Text) {}

async fn arguments_reach_the_queue(place: &Place) {
    let builder = place.builder();
    let app = builder.listeners(listeners![with_arguments]).start().await.unwrap();
    let mut options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    options.arguments.insert("x-max-length", 1000).unwrap();
    let less = place.channel().await;
    let less = less.queue_declare("a.arguments", options.clone()).await.unwrap_err();
    assert!(less.to_string().contains("inequivalent arg 'x-overflow'"), "{less}");
    options.arguments.insert("x-overflow", "reject-publish").unwrap();
    place.channel().await.queue_declare("a.arguments", options).await.unwrap();
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "a.four", concurrency = 4, prefetch = 1)]
async fn one_of_four(consumer: ConsumerTag, gate: State<Gate>, said: Said) {
    said.tell(consumer.into());
    gate.pass().await;
}

async fn a_concurrency_of_four_is_four_consumers(place: &Place) {
    let (said, mut told) = telling::<String>();
    let gate = Gate::closed();
    let app = place
        .builder()
        .listeners(listeners![one_of_four])
        .manage(gate.clone())
        .manage(said)
        .start()
        .await
        .unwrap();
    assert_eq!(place.consumers("a.four").await, Some(4));
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..5).map(|n| ("a.four", n.to_string()))).await.unwrap();
    let mut tags = Vec::new();
    for _ in 0..4 {
        tags.push(told.next().await);
    }
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 4, "all four are at it at once");
    place.has_left("a.four", 1).await;
    gate.let_through(5);
    told.next().await;
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "a.ranked", prefetch = 1, priority = 1)]
async fn second(said: Said) {
    said.tell("second".to_owned());
}

#[rabbit_listener(queue = "a.ranked", prefetch = 1, priority = 10)]
async fn first(gate: State<Gate>, said: Said) {
    said.tell("first".to_owned());
    gate.pass().await;
}

async fn a_higher_priority_is_served_first_while_it_can_take_more(place: &Place) {
    let (said, mut told) = telling::<String>();
    let gate = Gate::closed();
    let app = place
        .builder()
        .listeners(listeners![second, first])
        .manage(gate.clone())
        .manage(said)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    for expected in ["first", "second", "second"] {
        rabbit.convert_and_send("a.ranked", "").await.unwrap();
        assert_eq!(told.next().await, expected);
    }
    gate.let_through(1);
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "a.late", queue = "a.late", auto_startup = false, group = "a.shop")]
async fn late(text: Text, said: Said) {
    said.tell(text.0);
}

#[rabbit_listener(id = "a.early", queue = "a.early", group = "a.shop")]
async fn early(text: Text, said: Said) {
    said.tell(text.0);
}

async fn listeners_start_by_their_id_and_by_their_group(place: &Place) {
    let (said, mut told) = telling::<String>();
    let builder = place.builder().manage(said);
    let app = builder.listeners(listeners![late, early]).start().await.unwrap();
    let counts = async || (place.consumers("a.late").await, place.consumers("a.early").await);
    assert_eq!(counts().await, (Some(0), Some(1)));
    assert!(app.health().is_up(), "who was not to start is not missed");
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("a.late", "kept").await.unwrap();
    app.start_listener("a.late").await.unwrap();
    assert_eq!(told.next().await, "kept");
    assert_eq!(counts().await, (Some(1), Some(1)));
    app.stop_group("a.shop").await.unwrap();
    assert_eq!(counts().await, (Some(0), Some(0)));
    rabbit.convert_and_send("a.early", "kept too").await.unwrap();
    app.start_group("a.shop").await.unwrap();
    assert_eq!(counts().await, (Some(1), Some(1)));
    assert_eq!(told.next().await, "kept too");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "a.unsigned", ack = "none")]
async fn unsigned(said: Said) {
    said.tell("sent is settled".to_owned());
    std::future::pending::<()>().await;
}

async fn without_acks_nothing_comes_back(place: &Place) {
    let (said, mut told) = telling::<String>();
    let builder = place.builder();
    let app = builder.listeners(listeners![unsigned]).manage(said).start().await.unwrap();
    app.rabbit_template().convert_and_send("a.unsigned", "tea").await.unwrap();
    told.next().await;
    app.force_stop().await.unwrap();
    assert_eq!(place.left("a.unsigned").await, 0);
}

#[rabbit_listener(queue = "a.once", requeue_rejected = false)]
async fn once(text: Text, said: Said) -> ListenerResult {
    said.tell(text.0);
    Err(ListenerError::msg("no van"))
}

async fn a_failed_message_may_be_dropped_at_once(place: &Place) {
    let (said, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![once]).manage(said).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for text in ["tea", "coffee"] {
        rabbit.convert_and_send("a.once", text).await.unwrap();
        assert_eq!(told.next().await, text);
    }
    assert!(rabbit.receive("a.once.error").await.is_err(), "no such queue");
    app.stop().await.unwrap();
    assert!(told.is_silent());
}

/// Texts from right to left.
#[derive(Debug)]
struct Reversed;

impl MessageConverter for Reversed {
    fn content_type(&self) -> &str {
        "application/x-reversed"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, ConverterError> {
        let plain = MessageConverters::new().encode(value)?.body;
        Ok(std::str::from_utf8(&plain)?.chars().rev().collect::<String>().into_bytes())
    }

    fn decode<'d>(
        &self,
        body: &'d [u8],
        read: &mut ReadBody<'_, 'd>,
    ) -> Result<(), ConverterError> {
        let text = std::str::from_utf8(body)?.chars().rev().collect();
        let text = StringDeserializer::<ValueError>::new(text);
        Ok(read(&mut <dyn erased_serde::Deserializer<'_>>::erase(text))?)
    }
}

#[rabbit_listener(queue = "a.reversed")]
async fn read_reversed(#[payload] text: String, message: Message, said: Said) {
    let content_type = message.properties.content_type.as_deref().unwrap_or_default();
    said.tell(format!("{text} {:?} {content_type}", message.body));
}

async fn a_converter_of_ones_own_writes_and_reads(place: &Place) {
    let (said, mut told) = telling::<String>();
    let app = place
        .builder()
        .message_converter(Reversed)
        .listeners(listeners![read_reversed])
        .declare(Queue::durable("a.received"))
        .manage(said)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("a.reversed", "tea").await.unwrap();
    assert_eq!(told.next().await, r#"tea b"aet" application/x-reversed"#);
    rabbit.convert_and_send("a.received", "tea").await.unwrap();
    let text = rabbit.receive_and_convert::<String>("a.received").await.unwrap();
    assert_eq!(text.as_deref(), Some("tea"));
    app.stop().await.unwrap();
}

async fn headers_that_fit_no_frame_are_the_callers_error(place: &Place) {
    let builder = place.builder().listeners(listeners![]);
    let app = builder.declare(Queue::durable("a.large")).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let large = rabbit.convert_and_send("a.large", "tea").header("x", "x".repeat(200_000));
    let error = large.await.unwrap_err();
    assert!(matches!(error, Error::NotConfirmed(NotConfirmed::Refused(_))), "{error}");
    rabbit.convert_and_send("a.large", "tea").await.unwrap();
    assert_eq!(ready(&rabbit, "a.large").await, 1, "others are not disturbed");
    app.stop().await.unwrap();
}
