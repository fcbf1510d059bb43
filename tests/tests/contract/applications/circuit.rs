//! A listener whose every message fails is left alone for a while, and its health says why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use springhare::prelude::*;
use springhare_broker::{Clock, ManualClock};
use springhare_tests::{Tell, Told, eventually, telling};

use crate::place::Place;

application!(
    a_circuit_opens_after_failures_is_tried_after_its_pause_and_closes,
    a_circuit_counts_what_is_rejected_where_nothing_is_tried_again,
);

/// Whether what the handler needs is there.
#[derive(Debug, Clone, Default)]
struct Shop(Arc<AtomicBool>);

#[rabbit_listener(id = "c.broken", queue = "c.broken", circuit(failures = 3, pause = "30s"))]
async fn broken(text: Text, shop: State<Shop>, calls: State<Tell<String>>) -> ListenerResult {
    calls.tell(text.0);
    if shop.0.load(Ordering::Relaxed) { Ok(()) } else { Err(ListenerError::msg("no shop")) }
}

/// Lets time pass until the handler is called.
async fn until_called(hand: &ManualClock, calls: &mut Told<String>) {
    eventually("the handler is called", async || {
        if calls.is_silent() {
            hand.advance(Duration::from_secs(1));
        }
        (!calls.is_silent()).then_some(())
    })
    .await;
    calls.next().await;
}

async fn a_circuit_opens_after_failures_is_tried_after_its_pause_and_closes(place: &Place) {
    let (clock, hand) = Clock::manual();
    let (tell, mut calls) = telling::<String>();
    let shop = Shop::default();
    let app = place
        .builder_on(&clock)
        .listeners(listeners![broken])
        .manage(tell)
        .manage(shop.clone())
        .start()
        .await
        .unwrap();
    let messages = (0..5).map(|n| ("c.broken", n.to_string()));
    app.rabbit_template().convert_and_send_all(messages).await.unwrap();
    for _ in 0..3 {
        calls.next().await;
    }
    place.has_consumers("c.broken", Some(0)).await;
    place.has_left("c.broken", 5).await;
    assert!(calls.is_silent(), "what was prefetched went back");
    let down = app.health();
    assert!(!down.is_up());
    assert!(down.to_string().contains("its circuit is open: 3 messages failed"), "{down}");

    // One message, after the whole pause: it fails once more, and the circuit stays open.
    let opened = clock.now();
    until_called(&hand, &mut calls).await;
    assert!(clock.now() - opened >= Duration::from_secs(30));
    place.has_left("c.broken", 5).await;
    place.has_consumers("c.broken", Some(0)).await;
    assert!(calls.is_silent());
    assert!(!app.health().is_up());

    shop.0.store(true, Ordering::Relaxed);
    until_called(&hand, &mut calls).await;
    for _ in 1..5 {
        calls.next().await;
    }
    place.has_consumers("c.broken", Some(1)).await;
    eventually("the health is up", async || app.health().is_up().then_some(())).await;
    app.stop().await.unwrap();
    assert!(calls.is_silent());
    place.has_left("c.broken", 0).await;
}

#[rabbit_listener(
    id = "c.refusing",
    queue = "c.refusing",
    requeue_rejected = false,
    circuit(failures = 3, pause = "30s")
)]
async fn refusing(text: Text, calls: State<Tell<String>>) -> ListenerResult {
    let is_its_own_fault = text.0 == "bad";
    calls.tell(text.0);
    if is_its_own_fault {
        return Err(ListenerError::reject_and_dont_requeue("bad"));
    }
    Err(ListenerError::msg("no shop"))
}

async fn a_circuit_counts_what_is_rejected_where_nothing_is_tried_again(place: &Place) {
    let (clock, _hand) = Clock::manual();
    let (tell, mut calls) = telling::<String>();
    let builder = place.builder_on(&clock).listeners(listeners![refusing]).manage(tell);
    let app = builder.start().await.unwrap();
    let texts = ["bad", "bad", "bad", "bad", "0", "1", "2", "3", "4"];
    let messages = texts.map(|text| ("c.refusing", text));
    app.rabbit_template().convert_and_send_all(messages).await.unwrap();
    for text in &texts[..7] {
        assert_eq!(calls.next().await, *text);
    }
    place.has_consumers("c.refusing", Some(0)).await;
    place.has_left("c.refusing", 2).await;
    assert!(calls.is_silent());
    app.stop().await.unwrap();
}
