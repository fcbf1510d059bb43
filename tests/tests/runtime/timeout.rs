//! How long a handler may take, and how long the pauses between its calls are: on a clock that is
//! driven by hand.

use std::time::Duration;

use springhare::SpringhareBuilder;
use springhare::prelude::*;
use springhare_tests::{eventually, within_limit};

use crate::support::{Gate, Tell, arrives, broker, header_text, ready, someone_sleeps, telling};

#[rabbit_listener(queue = "slow", timeout = "30s", max_attempts = 2)]
async fn slow(text: Text, gate: State<Gate>, calls: State<Tell<String>>) {
    calls.tell(text.0.clone());
    if text.0 == "slow" {
        gate.pass().await;
    }
}

#[tokio::test]
async fn a_handler_that_takes_too_long_has_failed_and_holds_nobody_up() {
    let (broker, hand) = broker();
    let (tell, mut calls) = telling::<String>();
    let app = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![slow])
        .manage(tell)
        .manage(Gate::closed())
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("slow", "slow").await.unwrap();
    for call in 0..2 {
        assert_eq!(calls.next().await, "slow", "{call}");
        someone_sleeps(&hand).await;
        hand.advance(Duration::from_millis(29_999));
        assert_eq!(ready(&rabbit, "slow").await, 0);
        assert!(calls.is_silent());
        hand.advance(Duration::from_millis(1));
    }
    let parked = arrives(&rabbit, "slow.error").await;
    assert_eq!(header_text(&parked, "x-exception-message"), "the handler took longer than 30s");
    rabbit.convert_and_send("slow", "quick").await.unwrap();
    assert_eq!(calls.next().await, "quick");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "patient", timeout = "30s", retry(max_attempts = 3, backoff = "1s..1m"))]
async fn patient(attempt: Attempt, gate: State<Gate>, calls: State<Tell<u32>>) {
    calls.tell(attempt.value());
    gate.pass().await;
}

#[tokio::test]
async fn each_call_has_the_whole_time_and_the_pause_comes_between() {
    let (broker, hand) = broker();
    let (tell, mut calls) = telling::<u32>();
    let app = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![patient])
        .manage(tell)
        .manage(Gate::closed())
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("patient", "tea").await.unwrap();
    for (call, pause) in [(1, 1), (2, 2), (3, 0)] {
        assert_eq!(calls.next().await, call);
        someone_sleeps(&hand).await;
        hand.advance(Duration::from_secs(30));
        if pause > 0 {
            someone_sleeps(&hand).await;
            hand.advance(Duration::from_secs(pause) - Duration::from_millis(1));
            assert!(calls.is_silent(), "{call}");
            hand.advance(Duration::from_millis(1));
        }
    }
    let parked = arrives(&rabbit, "patient.error").await;
    assert!(header_text(&parked, "x-exception-message").contains("longer than 30s"));
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "on_hold")]
async fn on_hold(count: DeliveryCount, calls: State<Tell<u32>>) -> ListenerResult {
    calls.tell(count.value());
    if count.value() == 0 {
        let fault = std::io::Error::other("no van");
        return Err(fault).retry_after(Duration::from_secs(600));
    }
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_to_come_later_comes_then() {
    let (broker, hand) = broker();
    let (tell, mut calls) = telling::<u32>();
    let app = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![on_hold])
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("on_hold", "tea").await.unwrap();
    assert_eq!(calls.next().await, 0);
    someone_sleeps(&hand).await;
    hand.advance(Duration::from_millis(599_999));
    assert!(calls.is_silent());
    hand.advance(Duration::from_millis(1));
    assert_eq!(calls.next().await, 1);
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "stopping", timeout = "2s", retry(max_attempts = 3, backoff = "10m"))]
async fn stopping(gate: State<Gate>, calls: State<Tell<()>>) {
    calls.tell(());
    gate.pass().await;
}

/// Stops it while a handler works, and lets this much time pass: how many messages are left.
async fn left_after_a_stop(
    listeners: impl FnOnce(SpringhareBuilder) -> SpringhareBuilder,
    queue: &str,
) -> u64 {
    let (broker, hand) = broker();
    let (tell, mut calls) = telling::<()>();
    let builder = listeners(Springhare::builder().broker(broker.clone()));
    let app = builder.manage(tell).manage(Gate::closed()).start().await.unwrap();
    app.rabbit_template().convert_and_send(queue, "tea").await.unwrap();
    calls.next().await;
    let stopping = tokio::spawn(async move { app.stop().await });
    eventually("the stop has begun", async || (hand.sleepers() > 1).then_some(())).await;
    hand.advance(Duration::from_secs(2));
    within_limit("the stop", stopping).await.unwrap().unwrap();
    assert!(calls.is_silent(), "it is called no more");
    let onlooker = Springhare::builder().broker(broker).listeners(listeners![]);
    let onlooker = onlooker.start().await.unwrap();
    let left = ready(&onlooker.rabbit_template(), queue).await;
    onlooker.stop().await.unwrap();
    left
}

#[tokio::test]
async fn a_message_that_fails_while_its_consumer_stops_goes_back() {
    let listeners = |builder: SpringhareBuilder| builder.listeners(listeners![stopping]);
    assert_eq!(left_after_a_stop(listeners, "stopping").await, 1);
}
