//! What a batch comes to by the layers round its handler.

use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use springhare::middleware::NextBatch;
use springhare::prelude::*;
use springhare::{BatchContext, BatchError, Invocation};
use springhare_tests::{arrives, header_text, ready};

use super::batch_layers::{Passing, Steps, bodies, send, steps};
use crate::place::Place;

application!(
    a_layer_that_fails_has_failed_each_message_of_its_batch,
    a_layer_that_panics_has_failed_its_batch,
    what_the_handler_says_of_each_message_holds_where_a_layer_says_that_all_is_well,
    a_layer_knows_how_many_have_succeeded,
    what_a_layer_calls_once_more_begins_anew,
    of_a_batch_that_fails_in_part_the_outboxes_of_those_before_go_out,
);

/// Fails before the handler, or after it.
fn refusing<'d>(cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
    Box::pin(async move {
        if bodies(cx).contains("after") {
            let _ = next.run(cx).await;
        }
        Outcome::Failed(ListenerError::fatal("not today"))
    })
}

#[rabbit_listener(queue = "bl.refused", batch = 2, batch_timeout = "10m")]
async fn refused(texts: Vec<Text>, steps: State<Steps>) -> Vec<Outcome> {
    steps.tell(format!("{} {}", texts[0].0, texts[1].0));
    vec![Outcome::Ack, Outcome::Reject]
}

async fn a_layer_that_fails_has_failed_each_message_of_its_batch(place: &Place) {
    let (tell, mut told) = steps();
    let builder = place.builder().batch_layer(refusing).listeners(listeners![refused]);
    let app = builder.manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    send(&app, "bl.refused", &["1", "2", "3 after", "4 after"]).await;
    assert_eq!(told.next().await, "3 after 4 after");
    for body in ["1", "2", "3 after", "4 after"] {
        let parked = arrives(&rabbit, "bl.refused.error").await;
        assert_eq!(&*parked.body, body.as_bytes());
        assert_eq!(header_text(&parked, "x-exception-message"), "not today");
    }
    app.stop().await.unwrap();
    assert!(told.is_silent());
    assert_eq!(place.left("bl.refused").await, 0);
}

/// Panics where it is called, and where it is polled, while messages are new.
fn panicking<'d>(cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
    let is_new = cx.messages().iter().all(|message| !message.delivery().redelivered);
    assert!(!is_new || bodies(cx) != "now now", "a panic of the test");
    Box::pin(async move {
        let outcome = next.run(cx).await;
        assert!(!is_new, "a panic of the test");
        outcome
    })
}

#[rabbit_listener(queue = "bl.panics", batch = 2, batch_timeout = "10m")]
async fn after_panics(texts: Vec<Text>, counts: Vec<DeliveryCount>, steps: State<Steps>) {
    let counts = counts.iter().map(|count| count.value());
    steps.tell(format!("{} {:?}", texts[0].0, counts.collect::<Vec<_>>()));
}

async fn a_layer_that_panics_has_failed_its_batch(place: &Place) {
    let (tell, mut told) = steps();
    let builder = place.builder().batch_layer(panicking).listeners(listeners![after_panics]);
    let app = builder.manage(tell).start().await.unwrap();
    send(&app, "bl.panics", &["now", "now"]).await;
    assert_eq!(told.next().await, "now [1, 1]", "delivered again, and counted");
    send(&app, "bl.panics", &["later", "later"]).await;
    assert_eq!(told.next().await, "later [0, 0]");
    assert_eq!(told.next().await, "later [1, 1]");
    app.stop().await.unwrap();
    assert_eq!(place.left("bl.panics").await, 0);
}

/// Says that all is well.
fn content<'d>(cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
    Box::pin(async move {
        drop(next.run(cx).await);
        Outcome::Ack
    })
}

#[rabbit_listener(
    queue = "bl.each",
    batch = 3,
    batch_timeout = "10m",
    arguments(dead_letter = "", dead_letter_routing_key = "bl.dead")
)]
async fn each(texts: Vec<Text>) -> ListenerResult<Vec<Outcome>> {
    if texts.iter().any(|text| text.0 == "broken") {
        return Err(ListenerError::msg("broken"));
    }
    let outcome = |text: Text| if text.0 == "bad" { Outcome::Reject } else { Outcome::Ack };
    Ok(texts.into_iter().map(outcome).collect())
}

async fn what_the_handler_says_of_each_message_holds_where_a_layer_says_that_all_is_well(
    place: &Place,
) {
    let (tell, mut told) = steps();
    let builder = place.builder().batch_layer(Passing("outer", tell)).batch_layer(content);
    let builder = builder.declare(Queue::durable("bl.dead"));
    let app = builder.listeners(listeners![each]).start().await.unwrap();
    send(&app, "bl.each", &["tea", "bad", "cake", "tea", "broken", "cake"]).await;
    for (bodies, done) in [("tea bad cake", 2), ("tea broken cake", 3)] {
        assert!(told.next().await.starts_with(&format!("outer in: {bodies} of ")));
        assert_eq!(told.next().await, format!("outer out: {done} of 3"));
    }
    assert_eq!(&*arrives(&app.rabbit_template(), "bl.dead").await.body, b"bad");
    app.stop().await.unwrap();
    assert_eq!(place.left("bl.each").await + place.left("bl.dead").await, 0);
}

#[rabbit_listener(queue = "bl.parted", batch = 3, batch_timeout = "10m")]
async fn parted(numbers: Vec<Json<u32>>) -> ListenerResult {
    match numbers.iter().position(|number| number.0 == 0) {
        Some(index) => Err(BatchError::at(index, ListenerError::fatal("zero")))?,
        None => Ok(()),
    }
}

async fn a_layer_knows_how_many_have_succeeded(place: &Place) {
    let (tell, mut told) = steps();
    let builder = place.builder().batch_layer(Passing("all", tell));
    let app = builder.listeners(listeners![parted]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    send(&app, "bl.parted", &["7", "0", "9"]).await;
    assert_eq!(told.next().await, "all in: 7 0 9 of ".to_owned() + &id_of("parted", "bl.parted"));
    assert_eq!(told.next().await, "all out: 1 of 3");
    assert_eq!(&*arrives(&rabbit, "bl.parted.error").await.body, b"0");
    // The one behind it begins the next batch; what an extractor refuses is no success.
    send(&app, "bl.parted", &["x", "8"]).await;
    assert_eq!(told.next().await, "all in: 9 x 8 of ".to_owned() + &id_of("parted", "bl.parted"));
    assert_eq!(told.next().await, "all out: 2 of 2");
    assert_eq!(&*arrives(&rabbit, "bl.parted.error").await.body, b"x");
    app.stop().await.unwrap();
    assert_eq!(place.left("bl.parted").await, 0);
}

fn id_of(function: &str, queue: &str) -> String {
    format!("{}::{function} from {queue}", module_path!())
}

/// Calls its handler twice.
fn twice<'d>(cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
    Box::pin(async move {
        drop(next.run(cx).await);
        next.run(cx).await
    })
}

#[rabbit_listener(queue = "bl.twice", batch = 2, batch_timeout = "10m")]
async fn called_twice(
    outboxes: Vec<Outbox<'_>>,
    calls: State<AtomicU32>,
) -> ListenerResult<Vec<Outcome>> {
    let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
    outboxes[0].convert_and_send("bl.out", &call)?;
    match call {
        1 => Ok(vec![Outcome::Ack, Outcome::Requeue]),
        _ => Err(ListenerError::reject_and_dont_requeue("the second time"))?,
    }
}

#[rabbit_listener(queue = "bl.again", batch = 2, batch_timeout = "10m")]
async fn called_again(
    texts: Vec<Text>,
    outboxes: Vec<Outbox<'_>>,
    calls: State<AtomicU32>,
) -> ListenerResult<Vec<Outcome>> {
    let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
    for (text, outbox) in texts.iter().zip(outboxes) {
        outbox.convert_and_send("bl.out", format!("{} {call}", text.0))?;
    }
    let first = if call == 1 { Outcome::Reject } else { Outcome::Ack };
    Ok(vec![first, Outcome::Ack])
}

async fn what_a_layer_calls_once_more_begins_anew(place: &Place) {
    let builder = place.builder().batch_layer(twice).declare(Queue::durable("bl.out"));
    let builder = builder.listeners(listeners![called_again]).manage(AtomicU32::new(0));
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    send(&app, "bl.again", &["tea", "cake"]).await;
    for body in ["tea 2", "cake 2"] {
        assert_eq!(&*arrives(&rabbit, "bl.out").await.body, body.as_bytes());
    }
    app.stop().await.unwrap();
    // What was said of each in the first call is nothing that the second has said.
    let (tell, mut told) = steps();
    let builder = place.builder().batch_layer(Passing("outer", tell)).batch_layer(content);
    let builder = builder.batch_layer(twice).listeners(listeners![called_twice]);
    let app = builder.manage(AtomicU32::new(0)).start().await.unwrap();
    send(&app, "bl.twice", &["tea", "cake"]).await;
    assert!(told.next().await.starts_with("outer in"));
    assert_eq!(told.next().await, "outer out: 2 of 2");
    app.stop().await.unwrap();
    assert_eq!(place.left("bl.out").await, 0, "what failed sends nothing");
    assert_eq!(place.left("bl.twice").await + place.left("bl.again").await, 0);
}

/// Says of failures that all is well, and is impatient.
fn forgiving<'d>(cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
    Box::pin(async move {
        let mut call = next.run(cx);
        match std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await {
            Poll::Ready(Outcome::Failed(_)) if bodies(cx).starts_with("kept") => Outcome::Ack,
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Outcome::Ack,
        }
    })
}

#[rabbit_listener(queue = "bl.outboxes", batch = 3, batch_timeout = "10m")]
async fn fulfil(texts: Vec<Text>, outboxes: Vec<Outbox<'_>>) -> ListenerResult {
    for (text, outbox) in texts.iter().zip(outboxes) {
        outbox.convert_and_send("bl.out", &text.0)?;
    }
    match texts.iter().position(|text| text.0.ends_with("bad")) {
        Some(index) => Err(BatchError::at(index, ListenerError::fatal("bad")))?,
        None if texts[0].0 == "slow" => std::future::pending().await,
        None if texts[0].0.ends_with("whole") => Err(ListenerError::fatal("the whole batch")),
        None => Ok(()),
    }
}

async fn of_a_batch_that_fails_in_part_the_outboxes_of_those_before_go_out(place: &Place) {
    let builder = place.builder().batch_layer(forgiving).declare(Queue::durable("bl.out"));
    let app = builder.listeners(listeners![fulfil]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    send(&app, "bl.outboxes", &["kept 1", "bad", "kept 3"]).await;
    assert_eq!(&*arrives(&rabbit, "bl.out").await.body, b"kept 1");
    send(&app, "bl.outboxes", &["slow", "slow", "slow"]).await;
    send(&app, "bl.outboxes", &["kept whole", "kept", "kept"]).await;
    send(&app, "bl.outboxes", &["1", "2", "bad"]).await;
    assert_eq!(&*arrives(&rabbit, "bl.out").await.body, b"1");
    assert_eq!(&*arrives(&rabbit, "bl.out").await.body, b"2");
    assert_eq!(&*arrives(&rabbit, "bl.outboxes.error").await.body, b"bad");
    assert_eq!(ready(&rabbit, "bl.out").await, 0);
    app.stop().await.unwrap();
    assert_eq!(place.left("bl.outboxes").await + place.left("bl.outboxes.error").await, 0);
}
