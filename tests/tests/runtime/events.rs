//! What happens in an application is told to who listens.

use std::time::Duration;

use springhare::prelude::*;
use springhare::{ApplicationEvent, EVENTS_MAX, Events};
use springhare_broker::{Broker, Clock, ManualClock};
use springhare_tests::{eventually, within_limit};

use crate::support::{Gate, Tell, broker, telling};

const SECOND: Duration = Duration::from_secs(1);

#[rabbit_listener(id = "quiet", queue = "quiet", idle_event = "30s")]
async fn quiet(text: Text, gate: State<Gate>, said: State<Tell<String>>) {
    said.tell(text.0);
    gate.pass().await;
}

/// Moves the clock on second by second until the listener is told to be idle: for how long it was.
async fn until_idle(events: &mut Events, hand: &ManualClock) -> Duration {
    loop {
        tokio::select! {
            biased;
            event = events.next() => {
                if let Some(ApplicationEvent::Idle { listener, idle_time, .. }) = event {
                    assert_eq!(listener, "quiet");
                    return idle_time;
                }
            }
            () = tokio::task::yield_now() => hand.advance(SECOND),
        }
    }
}

#[tokio::test]
async fn who_works_is_not_idle_and_who_rests_is_so_again_and_again() {
    let (clock, hand) = Clock::manual();
    let broker = Broker::builder().clock(clock.clone()).start().unwrap();
    let (said, mut told) = telling::<String>();
    let gate = Gate::closed();
    let builder = Springhare::builder().broker(broker).listeners(listeners![quiet]);
    let app = builder.manage(gate.clone()).manage(said).start().await.unwrap();
    let mut events = app.events();
    let first = within_limit("an event", until_idle(&mut events, &hand)).await;
    assert!(first >= 30 * SECOND, "{first:?}");
    let second = within_limit("an event", until_idle(&mut events, &hand)).await;
    assert!(second >= 60 * SECOND, "{second:?}");

    app.rabbit_template().convert_and_send("quiet", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea");
    let begun = clock.now();
    hand.advance(300 * SECOND);
    gate.let_through(1);
    let again = within_limit("an event", until_idle(&mut events, &hand)).await;
    let since_begun = clock.now().saturating_sub(begun);
    assert!(again >= 30 * SECOND && again + 300 * SECOND <= since_begun, "{again:?}");
    app.stop().await.unwrap();
}

#[rabbit_listener(
    id = "quiet",
    queue = "gathered",
    batch = 10,
    batch_timeout = "60s",
    idle_event = "30s"
)]
async fn gathered(texts: Vec<Text>, said: State<Tell<usize>>) {
    said.tell(texts.len());
}

#[tokio::test]
async fn a_batch_that_waits_to_be_full_is_not_idle() {
    let (clock, hand) = Clock::manual();
    let broker = Broker::builder().clock(clock.clone()).start().unwrap();
    let (said, mut told) = telling::<usize>();
    let builder = Springhare::builder().broker(broker).listeners(listeners![gathered]);
    let app = builder.manage(said).start().await.unwrap();
    app.rabbit_template().convert_and_send("gathered", "tea").await.unwrap();
    let mut events = app.events();
    let idle = async {
        let idle_time = until_idle(&mut events, &hand).await;
        (idle_time, told.is_silent())
    };
    let (idle_time, is_in_hand) = within_limit("an event", idle).await;
    assert!(!is_in_hand, "idle for {idle_time:?} with a message in hand");
    assert_eq!(told.next().await, 1);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn who_reads_too_slowly_is_told_how_much_it_missed() {
    let (broker, _hand) = broker();
    let app = Springhare::builder().broker(broker).listeners(listeners![]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("nobody", "first").await.unwrap_err();
    let mut events = app.events();
    for _ in 0..EVENTS_MAX + 5 {
        rabbit.convert_and_send("nobody", "tea").await.unwrap_err();
    }
    let mut next = async || within_limit("an event", events.next()).await;
    let missed = next().await;
    assert!(matches!(missed, Some(ApplicationEvent::Missed { events: 5, .. })), "{missed:?}");
    for _ in 0..EVENTS_MAX {
        let event = next().await;
        assert!(matches!(event, Some(ApplicationEvent::Returned { .. })), "{event:?}");
    }
    app.stop().await.unwrap();
    assert_eq!(next().await, None);
}

#[rabbit_listener(
    id = "broken",
    queue = "events.broken",
    retry(max_attempts = 1),
    circuit(failures = 2, pause = "30s")
)]
async fn broken(text: Text) -> ListenerResult {
    if text.0 == "good" { Ok(()) } else { Err(ListenerError::msg("bad")) }
}

#[tokio::test]
async fn the_turns_of_a_circuit_are_told() {
    let (broker, hand) = broker();
    let builder = Springhare::builder().broker(broker).listeners(listeners![broken]);
    let mut events = builder.events();
    let app = builder.start().await.unwrap();
    let mut consumers = 0;
    let rabbit = app.rabbit_template();
    for text in ["bad", "bad", "good"] {
        rabbit.convert_and_send("events.broken", text).await.unwrap();
    }
    let turns: [fn(&ApplicationEvent) -> bool; 3] = [
        |event| match event {
            ApplicationEvent::CircuitOpened { listener, pause, .. } => {
                listener == "broken" && *pause == 30 * SECOND
            }
            _ => false,
        },
        |event| matches!(event, ApplicationEvent::CircuitHalfOpened { .. }),
        |event| matches!(event, ApplicationEvent::CircuitClosed { .. }),
    ];
    for is_turn in turns {
        let next = async {
            loop {
                tokio::select! {
                    biased;
                    event = events.next() => match event.unwrap() {
                        ApplicationEvent::ConnectionOpened { .. } => {}
                        event => match change_of_consumers(&event) {
                            0 => return event,
                            change => consumers += change,
                        },
                    },
                    () = tokio::task::yield_now() => hand.advance(SECOND),
                }
            }
        };
        let turn = within_limit("an event", next).await;
        assert!(is_turn(&turn), "{turn:?}");
        assert!((0..=1).contains(&consumers), "{consumers} consumers at {turn:?}");
    }
    app.stop().await.unwrap();
    while let Some(event) = events.next().await {
        consumers += change_of_consumers(&event);
    }
    assert_eq!(consumers, 0, "each that was started has ended");
}

/// By how many there are more after it.
fn change_of_consumers(event: &ApplicationEvent) -> i32 {
    match event {
        ApplicationEvent::ConsumerStarted { .. } | ApplicationEvent::ConsumerRestarted { .. } => 1,
        ApplicationEvent::ConsumerStopped { .. } | ApplicationEvent::ConsumerLost { .. } => -1,
        _ => 0,
    }
}

/// A broker on the network that is short of memory says so, and when it is not any more.
#[tokio::test]
async fn a_broker_that_takes_no_messages_is_told_and_that_it_takes_them_again() {
    let builder = Broker::builder().memory_high_watermark(100_000);
    let broker = builder.listen("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let url = format!("amqp://guest:guest@{}", broker.local_addrs()[0]);
    let app = Springhare::builder()
        .url(url)
        .listeners(listeners![])
        .declare(Queue::durable("full"))
        .start()
        .await
        .unwrap();
    let mut events = app.events();
    let rabbit = app.rabbit_template();
    let sending = tokio::spawn(async move {
        for _ in 0..4 {
            rabbit.convert_and_send("full", vec![0_u8; 50_000]).await?;
        }
        Ok::<(), springhare::Error>(())
    });
    let mut next = async || within_limit("an event", events.next()).await.unwrap();
    let blocked = next().await;
    let ApplicationEvent::Blocked { connection, reason, .. } = &blocked else {
        panic!("{blocked:?}")
    };
    assert_eq!(connection, "publisher");
    assert!(!reason.is_empty());
    eventually("the messages are taken", async || {
        app.admin().purge_queue("full").await.unwrap();
        sending.is_finished().then_some(())
    })
    .await;
    let unblocked = next().await;
    assert!(matches!(unblocked, ApplicationEvent::Unblocked { .. }), "{unblocked:?}");
    sending.await.unwrap().unwrap();
    app.stop().await.unwrap();
}
