//! What was acknowledged before its handler was called and fails is told and kept, whatever ends its
//! consumer meanwhile.

use std::time::Duration;

use springhare::prelude::*;
use springhare::{CallError, DeliveryContext, FromDelivery};
use springhare_broker::{Broker, ManualClock};
use springhare_tests::eventually;

use crate::log::Log;
use crate::support::{
    Gate, Tell, Told, arrives, broker, header_text, ready, someone_sleeps, telling,
};

type Said = State<Tell<String>>;

#[rabbit_listener(
    id = "alone",
    queue = "alone",
    ack = "first",
    recover = "park",
    retry(max_attempts = 5, backoff = "10s")
)]
async fn alone(attempt: Attempt, said: Said) -> ListenerResult {
    said.tell(attempt.value().to_string());
    Err(ListenerError::msg("it did not work"))
}

#[rabbit_listener(
    id = "parted",
    queue = "parted",
    ack = "first",
    partition_by = "routing_key",
    concurrency = 2,
    recover = "park",
    retry(max_attempts = 5, backoff = "10s")
)]
async fn parted(attempt: Attempt, said: Said) -> ListenerResult {
    said.tell(attempt.value().to_string());
    Err(ListenerError::msg("it did not work"))
}

/// An application whose listener has failed once and waits for its second call.
async fn resting(queue: &str) -> (Broker, ManualClock, Springhare, Told<String>) {
    let (broker, hand) = broker();
    let (said, mut told) = telling::<String>();
    let builder = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![alone, parted])
        .manage(said);
    let app = builder.start().await.unwrap();
    app.rabbit_template().convert_and_send(queue, "tea").await.unwrap();
    assert_eq!(told.next().await, "1");
    someone_sleeps(&hand).await;
    (broker, hand, app, told)
}

/// The copy is there, with the handler's error, and the message is not.
async fn is_kept(broker: &Broker, queue: &str) {
    let app =
        Springhare::builder().broker(broker.clone()).listeners(listeners![]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let parked = arrives(&rabbit, &format!("{queue}.error")).await;
    assert_eq!(&*parked.body, b"tea");
    assert_eq!(header_text(&parked, "x-exception-message"), "it did not work");
    assert_eq!(ready(&rabbit, queue).await, 0);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_rests_between_two_calls_is_kept_when_its_listener_pauses() {
    for queue in ["alone", "parted"] {
        let (broker, _hand, app, told) = resting(queue).await;
        app.listener(queue).unwrap().pause().await.unwrap();
        is_kept(&broker, queue).await;
        app.stop().await.unwrap();
        assert!(told.is_silent());
    }
}

#[tokio::test]
async fn what_rests_between_two_calls_is_kept_when_its_application_stops() {
    for queue in ["alone", "parted"] {
        let (broker, _hand, app, told) = resting(queue).await;
        app.stop().await.unwrap();
        is_kept(&broker, queue).await;
        assert!(told.is_silent());
    }
}

#[tokio::test]
async fn what_a_forced_stop_cuts_off_is_told_as_an_error() {
    for queue in ["alone", "parted"] {
        let (log, _guard) = Log::of_this_thread();
        let (_broker, _hand, app, _told) = resting(queue).await;
        app.force_stop().await.unwrap();
        let told = log.text();
        let is_told =
            |line: &str| line.contains("ERROR") && line.contains("is not delivered again");
        assert!(told.lines().any(is_told), "{told}");
    }
}

#[rabbit_listener(id = "held", queue = "held", ack = "first")]
async fn held(gate: State<Gate>, said: Said) {
    said.tell("begun".to_owned());
    gate.pass().await;
}

#[tokio::test]
async fn a_handler_that_is_cut_off_is_told_as_an_error() {
    let (log, _guard) = Log::of_this_thread();
    let (broker, _hand) = broker();
    let (said, mut told) = telling::<String>();
    let builder =
        Springhare::builder().broker(broker.clone()).listeners(listeners![held]).manage(said);
    let app = builder.manage(Gate::closed()).start().await.unwrap();
    app.rabbit_template().convert_and_send("held", "tea").await.unwrap();
    assert_eq!(told.next().await, "begun");
    app.force_stop().await.unwrap();
    assert!(log.text().contains("a handler was cut off"), "{}", log.text());
}

fn no_key(_cx: &DeliveryContext) -> Option<u64> {
    panic!("no key")
}

#[rabbit_listener(
    queue = "keyless",
    ack = "first",
    partition_by = no_key,
    prefetch = 1,
    recover = "park"
)]
async fn keyless() {}

#[tokio::test]
async fn a_message_whose_key_panics_is_acknowledged_and_the_next_one_comes() {
    let (broker, _hand) = broker();
    let app = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![keyless])
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..3).map(|n| ("keyless", n.to_string()))).await.unwrap();
    for expected in ["0", "1", "2"] {
        assert_eq!(&*arrives(&rabbit, "keyless.error").await.body, expected.as_bytes());
    }
    app.stop().await.unwrap();
    let app =
        Springhare::builder().broker(broker.clone()).listeners(listeners![]).start().await.unwrap();
    assert_eq!(ready(&app.rabbit_template(), "keyless").await, 0);
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "later.first", ack = "first")]
async fn later_first() -> Outcome {
    Outcome::RetryAfter(Duration::from_secs(1))
}

#[rabbit_listener(queue = "later.none", ack = "none")]
async fn later_none() -> ListenerResult {
    Err(ListenerError::retry_after(Duration::from_secs(1), "no van"))
}

#[rabbit_listener(queue = "later.requeued", ack = "none")]
async fn later_requeued() -> Outcome {
    Outcome::Requeue
}

/// The clock stands still: no caller gives up waiting.
#[tokio::test]
async fn a_caller_is_answered_where_its_request_does_not_come_again() {
    let (broker, _hand) = broker();
    let listeners = listeners![later_first, later_none, later_requeued];
    let app =
        Springhare::builder().broker(broker.clone()).listeners(listeners).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for queue in ["later.first", "later.none", "later.requeued"] {
        let call = rabbit.convert_send_and_receive::<u64>(queue, "tea").into_future();
        let error = springhare_tests::within_limit("an answer", call).await.unwrap_err();
        assert!(matches!(error, CallError::Remote(_)), "{queue}: {error}");
    }
    app.stop().await.unwrap();
}

/// Whether the delivery may still be settled.
struct MaySettle(bool);

impl<'d> FromDelivery<'d> for MaySettle {
    type Rejection = ListenerError;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, ListenerError> {
        Ok(Self(cx.take_delivery_tag().is_some()))
    }
}

#[rabbit_listener(queue = "settled.first", ack = "first")]
async fn settled_first(may_settle: MaySettle, said: Said) {
    said.tell(may_settle.0.to_string());
}

#[rabbit_listener(queue = "settled.none", ack = "none")]
async fn settled_none(may_settle: MaySettle, said: Said) {
    said.tell(may_settle.0.to_string());
}

#[tokio::test]
async fn what_is_acknowledged_before_cannot_be_settled_a_second_time() {
    let (broker, _hand) = broker();
    let (said, mut told) = telling::<String>();
    let listeners = listeners![settled_first, settled_none];
    let app = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners)
        .manage(said)
        .start()
        .await
        .unwrap();
    for queue in ["settled.first", "settled.none"] {
        app.rabbit_template().convert_and_send(queue, "tea").await.unwrap();
        assert_eq!(told.next().await, "false");
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "endless", ack = "first", prefetch = 0)]
async fn endless(said: Said, gate: State<Gate>) {
    said.tell("handled".to_owned());
    gate.pass().await;
}

/// Each ack is waited for behind what the broker has sent ahead: without a limit that is everything.
#[tokio::test]
async fn what_is_acknowledged_first_has_a_prefetch() {
    let (broker, _hand) = broker();
    let (said, mut told) = telling::<String>();
    let gate = Gate::closed();
    let builder = Springhare::builder().broker(broker).listeners(listeners![endless]);
    let app = builder.manage(said).manage(gate.clone()).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..300).map(|_| ("endless", "x"))).await.unwrap();
    assert_eq!(told.next().await, "handled");
    // One is acknowledged, and 250 are prefetched.
    eventually("the others wait in the queue", async || {
        (ready(&rabbit, "endless").await == 300 - 1 - 250).then_some(())
    })
    .await;
    gate.let_through(300);
    for _ in 1..300 {
        assert_eq!(told.next().await, "handled");
    }
    app.stop().await.unwrap();
}
