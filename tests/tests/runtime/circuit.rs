//! A listener whose every message fails is left alone for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use springhare::prelude::*;
use springhare::{ApplicationEvent, Events};
use springhare_broker::{Broker, ManualClock, NoAck, QueueDeleteOptions};
use springhare_tests::{Gate, eventually, within_limit};

use crate::support::{Tell, Told, broker, telling};

/// Whether what handlers need is there.
#[derive(Debug, Clone, Default)]
struct Shop(Arc<AtomicBool>);

#[rabbit_listener(
    id = "broken",
    queue = "broken",
    concurrency = 2,
    circuit(failures = 3, pause = "30s")
)]
async fn broken(text: Text, shop: State<Shop>, calls: State<Tell<String>>) -> ListenerResult {
    calls.tell(text.0);
    if shop.0.load(Ordering::Relaxed) { Ok(()) } else { Err(ListenerError::msg("no shop")) }
}

async fn start(broker: &Broker) -> (Springhare, Told<String>, Shop) {
    let (tell, calls) = telling::<String>();
    let builder = Springhare::builder().broker(broker.clone()).listeners(listeners![broken]);
    let shop = Shop::default();
    let app = builder.manage(tell).manage(shop.clone()).start().await.unwrap();
    (app, calls, shop)
}

/// How many consumers the queue has; none if there is no such queue.
async fn consumers(broker: &Broker) -> Option<u64> {
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    channel.queue_declare_passive("broken").await.ok().map(|queue| queue.consumer_count)
}

async fn are_consumers(broker: &Broker, count: u64) {
    let what = format!("{count} consumers");
    eventually(&what, async || (consumers(broker).await == Some(count)).then_some(())).await;
}

/// Lets little time pass until the circuit is open: how often the handler was called.
async fn until_open(broker: &Broker, hand: &ManualClock, calls: &mut Told<String>) -> usize {
    eventually("the circuit opens", async || {
        hand.advance(Duration::from_millis(100));
        (consumers(broker).await == Some(0)).then_some(())
    })
    .await;
    let mut called = 0;
    while !calls.is_silent() {
        calls.next().await;
        called += 1;
    }
    called
}

#[tokio::test]
async fn after_many_failures_nothing_is_consumed_and_health_is_down() {
    let (broker, hand) = broker();
    let (app, mut calls, _shop) = start(&broker).await;
    let rabbit = app.rabbit_template();
    for number in 0..10 {
        rabbit.convert_and_send("broken", number.to_string()).await.unwrap();
    }
    let called = until_open(&broker, &hand, &mut calls).await;
    // The other consumer may have been at work.
    assert!((3..=4).contains(&called), "{called}");
    let health = app.health();
    assert!(!health.is_up());
    assert!(health.to_string().contains("its circuit is open: 3 messages failed"), "{health}");
    let ready = springhare_tests::ready(&rabbit, "broken").await;
    assert_eq!(ready, 10, "all went back");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_no_handler_has_seen_goes_back_uncounted() {
    let (broker, hand) = broker();
    let (app, mut calls, _shop) = start(&broker).await;
    for number in 0..10 {
        app.rabbit_template().convert_and_send("broken", number.to_string()).await.unwrap();
    }
    let called = until_open(&broker, &hand, &mut calls).await;
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    let mut counts = Vec::new();
    while let Some(got) = channel.basic_get("broken", NoAck::Yes).await.unwrap() {
        counts.push(got.delivery.delivery_count);
    }
    assert_eq!(counts.len(), 10);
    let counted: u32 = counts.iter().sum();
    assert_eq!(usize::try_from(counted).unwrap(), called, "{counts:?}");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn one_message_is_tried_after_the_pause_and_a_success_lets_all_through() {
    let (broker, hand) = broker();
    let (app, mut calls, shop) = start(&broker).await;
    let rabbit = app.rabbit_template();
    for number in 0..5 {
        rabbit.convert_and_send("broken", number.to_string()).await.unwrap();
    }
    until_open(&broker, &hand, &mut calls).await;
    hand.advance(Duration::from_secs(20));
    assert!(calls.is_silent());
    hand.advance(Duration::from_secs(10));
    calls.next().await;
    // It failed once more: another pause.
    are_consumers(&broker, 0).await;
    assert!(calls.is_silent());
    hand.advance(Duration::from_secs(20));
    assert!(calls.is_silent());
    shop.0.store(true, Ordering::Relaxed);
    hand.advance(Duration::from_secs(10));
    for _ in 0..5 {
        calls.next().await;
    }
    are_consumers(&broker, 2).await;
    eventually("the health is up", async || app.health().is_up().then_some(())).await;
    app.stop().await.unwrap();
    assert!(calls.is_silent());
}

#[tokio::test]
async fn a_listener_that_tries_its_circuit_is_up_though_nothing_comes() {
    let (broker, hand) = broker();
    let (app, mut calls, shop) = start(&broker).await;
    let rabbit = app.rabbit_template();
    for number in 0..3 {
        rabbit.convert_and_send("broken", number.to_string()).await.unwrap();
    }
    until_open(&broker, &hand, &mut calls).await;
    eventually("all went back", async || {
        (springhare_tests::ready(&rabbit, "broken").await == 3).then_some(())
    })
    .await;
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    channel.queue_purge("broken").await.unwrap();
    assert!(!app.health().is_up());
    hand.advance(Duration::from_secs(30));
    are_consumers(&broker, 1).await;
    eventually("the health is up", async || app.health().is_up().then_some(())).await;
    let tried = app.health().listeners()[0].to_string();
    assert!(tried.contains("stands by: its circuit is half open"), "{tried}");
    shop.0.store(true, Ordering::Relaxed);
    rabbit.convert_and_send("broken", "tea").await.unwrap();
    are_consumers(&broker, 2).await;
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_the_end_of_the_pause() {
    let (broker, hand) = broker();
    let (app, mut calls, _shop) = start(&broker).await;
    for number in 0..3 {
        app.rabbit_template().convert_and_send("broken", number.to_string()).await.unwrap();
    }
    until_open(&broker, &hand, &mut calls).await;
    app.stop().await.unwrap();
    assert!(calls.is_silent());
}

#[tokio::test]
async fn a_listener_that_is_started_again_waits_out_the_pause_all_the_same() {
    let (broker, hand) = broker();
    let (app, mut calls, shop) = start(&broker).await;
    for number in 0..3 {
        app.rabbit_template().convert_and_send("broken", number.to_string()).await.unwrap();
    }
    until_open(&broker, &hand, &mut calls).await;
    app.stop_listener("broken").await.unwrap();
    app.start_listener("broken").await.unwrap();
    are_consumers(&broker, 0).await;
    assert!(calls.is_silent());
    shop.0.store(true, Ordering::Relaxed);
    hand.advance(Duration::from_secs(30));
    for _ in 0..3 {
        calls.next().await;
    }
    are_consumers(&broker, 2).await;
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_circuit_is_tried_at_once_after_its_pause_though_its_consumers_were_lost_before() {
    let (broker, hand) = broker();
    let (app, mut calls, _shop) = start(&broker).await;
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    // After the second loss there is a pause.
    for pause in [0, 100] {
        channel.queue_delete("broken", QueueDeleteOptions::default()).await.unwrap();
        eventually("both consumers are back", async || {
            hand.advance(Duration::from_millis(pause));
            (consumers(&broker).await == Some(2)).then_some(())
        })
        .await;
    }
    for number in 0..3 {
        app.rabbit_template().convert_and_send("broken", number.to_string()).await.unwrap();
    }
    until_open(&broker, &hand, &mut calls).await;
    hand.advance(Duration::from_secs(30));
    calls.next().await;
    app.stop().await.unwrap();
}

/// Holds the first that it gets at the gate, which then fails; others are handled or fail as they say.
#[rabbit_listener(
    id = "held",
    queue = "held",
    concurrency = 2,
    prefetch = 1,
    circuit(failures = 2, pause = "30s")
)]
async fn held(
    text: Text,
    redelivered: Redelivered,
    gate: State<Gate>,
    calls: State<Tell<String>>,
) -> ListenerResult {
    calls.tell(text.0.clone());
    match text.0.as_str() {
        "slow" if redelivered.is_redelivered() => Ok(()),
        "slow" => {
            gate.pass().await;
            Err(ListenerError::msg("no shop"))
        }
        _ => Err(ListenerError::msg("no shop")),
    }
}

/// What the circuit does next.
async fn next_turn(events: &mut Events) -> ApplicationEvent {
    let turning = async {
        while let Some(event) = events.next().await {
            match event {
                ApplicationEvent::CircuitOpened { .. }
                | ApplicationEvent::CircuitHalfOpened { .. }
                | ApplicationEvent::CircuitClosed { .. } => return event,
                _ => {}
            }
        }
        panic!("the application has ended");
    };
    within_limit("the circuit to turn", turning).await
}

#[tokio::test]
async fn who_was_at_work_before_the_circuit_opened_does_not_decide_how_its_try_ends() {
    let (broker, hand) = broker();
    let (tell, mut calls) = telling::<String>();
    let gate = Gate::closed();
    let builder = Springhare::builder().broker(broker.clone()).listeners(listeners![held]);
    let builder = builder.manage(tell).manage(gate.clone());
    let mut events = builder.events();
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("held", "slow").await.unwrap();
    assert_eq!(calls.next().await, "slow");
    rabbit.convert_and_send("held", "bad").await.unwrap();
    let opened = next_turn(&mut events).await;
    assert!(matches!(opened, ApplicationEvent::CircuitOpened { .. }), "{opened:?}");
    eventually("it went back", async || {
        (springhare_tests::ready(&rabbit, "held").await == 1).then_some(())
    })
    .await;
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    channel.queue_purge("held").await.unwrap();
    hand.advance(Duration::from_secs(30));
    let tried = next_turn(&mut events).await;
    assert!(matches!(tried, ApplicationEvent::CircuitHalfOpened { .. }), "{tried:?}");
    // It fails, and is handled by who tries.
    gate.let_through(1);
    let closed = next_turn(&mut events).await;
    assert!(matches!(closed, ApplicationEvent::CircuitClosed { .. }), "{closed:?}");
    app.stop().await.unwrap();
}
