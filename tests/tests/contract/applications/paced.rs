//! The failure default to its end, and what is a failure: an error, a panic, a handler that takes too
//! long.

use std::time::Duration;

use springhare::SpringhareBuilder;
use springhare::prelude::*;
use springhare_broker::{Clock, ManualClock};
use springhare_tests::{
    Gate, Tell, Told, arrives, eventually, header_number, header_text, telling,
};

use crate::place::Place;

application!(
    a_failing_message_is_paced_and_parked_after_as_many_deliveries_as_are_set,
    a_failing_message_ends_at_the_dead_letter_exchange_of_its_queue,
    a_panic_is_a_failure_of_its_message_and_the_consumer_goes_on,
    a_handler_that_takes_too_long_has_failed_and_holds_nobody_up,
);

#[rabbit_listener(id = "p.paced", queue = "p.paced")]
async fn paced(count: DeliveryCount, tries: State<Tell<u32>>) -> ListenerResult {
    tries.tell(count.value());
    Err(ListenerError::msg("no van"))
}

#[rabbit_listener(
    id = "p.buried",
    queue = "p.buried",
    arguments(dead_letter = "", dead_letter_routing_key = "p.dead")
)]
async fn buried(count: DeliveryCount, tries: State<Tell<u32>>) -> ListenerResult {
    tries.tell(count.value());
    Err(ListenerError::msg("no van"))
}

/// The next try, which does not come before `pause` has passed.
async fn next_after(
    pause: Duration,
    (clock, hand): (&Clock, &ManualClock),
    tries: &mut Told<u32>,
) -> u32 {
    let before = clock.now();
    if !pause.is_zero() {
        eventually("the next try", async || {
            hand.advance(pause / 4);
            (!tries.is_silent()).then_some(())
        })
        .await;
    }
    let next = tries.next().await;
    let waited = clock.now() - before;
    assert!(waited >= pause, "try {next} after {waited:?} and not {pause:?}");
    next
}

/// An application whose messages may have four deliveries, and its tries of one message.
async fn fail_four_times(
    place: &Place,
    of: impl FnOnce(SpringhareBuilder) -> SpringhareBuilder,
    queue: &'static str,
) -> (Springhare, Told<u32>) {
    let (clock, hand) = Clock::manual();
    let (tell, mut tries) = telling::<u32>();
    let builder = place.builder_on(&clock).listener(queue, |one| one.max_attempts(4));
    let app = of(builder).manage(tell).start().await.unwrap();
    app.rabbit_template().convert_and_send(queue, "bad").await.unwrap();
    for (failures, pause) in [(0, 0), (1, 0), (2, 100), (3, 200)] {
        let pause = Duration::from_millis(pause);
        assert_eq!(next_after(pause, (&clock, &hand), &mut tries).await, failures);
    }
    (app, tries)
}

async fn a_failing_message_is_paced_and_parked_after_as_many_deliveries_as_are_set(place: &Place) {
    let listener = |builder: SpringhareBuilder| builder.listeners(listeners![paced]);
    let (app, tries) = fail_four_times(place, listener, "p.paced").await;
    let parked = arrives(&app.rabbit_template(), "p.paced.error").await;
    assert_eq!(&*parked.body, b"bad");
    assert_eq!(header_text(&parked, "x-exception-message"), "no van");
    assert_eq!(header_text(&parked, "x-springhare-reason"), "deliveries-exhausted");
    assert_eq!(header_number(&parked, "x-springhare-attempts"), Some(4));
    app.stop().await.unwrap();
    assert!(tries.is_silent());
    place.has_left("p.paced", 0).await;
}

async fn a_failing_message_ends_at_the_dead_letter_exchange_of_its_queue(place: &Place) {
    let listener = |builder: SpringhareBuilder| {
        builder.listeners(listeners![buried]).declare(Queue::durable("p.dead"))
    };
    let (app, tries) = fail_four_times(place, listener, "p.buried").await;
    let dead = arrives(&app.rabbit_template(), "p.dead").await;
    assert_eq!(&*dead.body, b"bad");
    assert!(dead.properties.header("x-death").is_some());
    app.stop().await.unwrap();
    assert!(tries.is_silent());
    place.has_left("p.buried", 0).await;
    assert_eq!(place.consumers("p.buried.error").await, None, "it has no error queue");
}

#[rabbit_listener(queue = "p.panics", max_attempts = 2)]
async fn panics(text: Text, tag: ConsumerTag, seen: State<Tell<(String, String)>>) {
    seen.tell((text.0.clone(), tag.into()));
    assert_eq!(text.0, "good", "a handler's own mistake");
}

async fn a_panic_is_a_failure_of_its_message_and_the_consumer_goes_on(place: &Place) {
    let (tell, mut seen) = telling::<(String, String)>();
    let app = place.builder().listeners(listeners![panics]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("p.panics", "bad").await.unwrap();
    let (first, consumer) = seen.next().await;
    assert_eq!(first, "bad");
    assert_eq!(seen.next().await, ("bad".to_owned(), consumer.clone()));
    let parked = arrives(&rabbit, "p.panics.error").await;
    let exception = header_text(&parked, "x-exception-message");
    assert!(exception.contains("the handler panicked") && exception.contains("own mistake"));
    rabbit.convert_and_send("p.panics", "good").await.unwrap();
    assert_eq!(seen.next().await, ("good".to_owned(), consumer));
    assert!(app.health().is_up());
    app.stop().await.unwrap();
    place.has_left("p.panics", 0).await;
}

#[rabbit_listener(queue = "p.slow", timeout = "30s", max_attempts = 2)]
async fn slow(text: Text, gate: State<Gate>, calls: State<Tell<String>>) {
    calls.tell(text.0.clone());
    if text.0 == "slow" {
        gate.pass().await;
    }
}

async fn a_handler_that_takes_too_long_has_failed_and_holds_nobody_up(place: &Place) {
    let (clock, hand) = Clock::manual();
    let (tell, mut calls) = telling::<String>();
    let builder = place.builder_on(&clock).listeners(listeners![slow]);
    let app = builder.manage(tell).manage(Gate::closed()).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let began = clock.now();
    rabbit.convert_and_send("p.slow", "slow").await.unwrap();
    for _ in 0..2 {
        assert_eq!(calls.next().await, "slow");
        eventually("the call has ended", async || {
            let has_ended = !calls.is_silent() || place.consumers("p.slow.error").await.is_some();
            if !has_ended {
                hand.advance(Duration::from_secs(10));
            }
            has_ended.then_some(())
        })
        .await;
    }
    assert!(clock.now() - began >= Duration::from_secs(60), "30 s each");
    let parked = arrives(&rabbit, "p.slow.error").await;
    assert_eq!(header_text(&parked, "x-exception-message"), "the handler took longer than 30s");
    rabbit.convert_and_send("p.slow", "quick").await.unwrap();
    assert_eq!(calls.next().await, "quick");
    app.stop().await.unwrap();
    place.has_left("p.slow", 0).await;
}
