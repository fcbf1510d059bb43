use springhare::prelude::*;
use springhare::{ApplicationEvent, CallError, Events};
use springhare_tests::within_limit;

use crate::place::Place;

application!(
    what_becomes_of_a_listener_is_told_from_its_start_to_its_end,
    a_listener_that_gets_nothing_is_told_to_be_idle,
    who_is_idle_names_its_queue_as_the_broker_does,
    a_message_that_reaches_no_queue_is_told,
    a_request_that_reaches_no_queue_is_told_once,
);

#[rabbit_listener(id = "e.told", queue = "e.told")]
async fn told(_text: Text) {}

/// The next event that is not about a connection.
async fn next(events: &mut Events) -> ApplicationEvent {
    loop {
        let event = within_limit("an event", events.next()).await.unwrap();
        if !matches!(event, ApplicationEvent::ConnectionOpened { .. }) {
            return event;
        }
    }
}

async fn is_started(events: &mut Events) {
    let event = next(events).await;
    let ApplicationEvent::ConsumerStarted { listener, broker, queue, consumer_tag, .. } = &event
    else {
        panic!("{event:?}")
    };
    assert_eq!((listener.as_str(), queue.as_str()), ("e.told", "e.told"));
    assert_eq!(broker, "rabbitmq");
    assert!(!consumer_tag.is_empty());
}

async fn what_becomes_of_a_listener_is_told_from_its_start_to_its_end(place: &Place) {
    let builder = place.builder().listeners(listeners![told]);
    let mut events = builder.events();
    let app = builder.start().await.unwrap();
    let opened = within_limit("an event", events.next()).await.unwrap();
    let ApplicationEvent::ConnectionOpened { connection, address, .. } = &opened else {
        panic!("{opened:?}")
    };
    assert_eq!(connection, "listeners");
    assert!(!address.contains(":guest@"), "no password is told: {address}");
    is_started(&mut events).await;
    let is_stopped = async |events: &mut Events| {
        let event = next(events).await;
        let ApplicationEvent::ConsumerStopped { listener, queue, .. } = &event else {
            panic!("{event:?}")
        };
        assert_eq!((listener.as_str(), queue.as_str()), ("e.told", "e.told"));
    };

    let listener = app.listener("e.told").unwrap();
    listener.pause().await.unwrap();
    listener.pause().await.unwrap();
    let paused = next(&mut events).await;
    assert!(matches!(paused, ApplicationEvent::Paused { .. }), "{paused:?}");
    is_stopped(&mut events).await;
    listener.resume().await.unwrap();
    let resumed = next(&mut events).await;
    assert!(matches!(resumed, ApplicationEvent::Resumed { .. }), "{resumed:?}");
    is_started(&mut events).await;

    listener.stop().await.unwrap();
    is_stopped(&mut events).await;
    listener.start().await.unwrap();
    is_started(&mut events).await;
    app.stop().await.unwrap();
    is_stopped(&mut events).await;
    assert_eq!(within_limit("the end", events.next()).await, None);
    assert_eq!(within_limit("the end", app.events().next()).await, None);
}

#[rabbit_listener(id = "e.idle", queues = ["e.idle", "e.idle-too"], concurrency = 2, idle_event = "20ms")]
async fn idle(_text: Text) {}

async fn a_listener_that_gets_nothing_is_told_to_be_idle(place: &Place) {
    let app = place.builder().listeners(listeners![idle]).start().await.unwrap();
    let mut events = app.events();
    let mut last = std::time::Duration::ZERO;
    for _ in 0..2 {
        let time = loop {
            if let ApplicationEvent::Idle { listener, broker, queues, idle_time, .. } =
                next(&mut events).await
            {
                assert_eq!((listener.as_str(), broker.as_str()), ("e.idle", "rabbitmq"));
                assert_eq!(queues, ["e.idle", "e.idle-too"]);
                break idle_time;
            }
        };
        assert!(time.as_millis() >= 20 && time > last, "{time:?} after {last:?}");
        last = time;
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "e.quiet", exchange = "e.events", kind = "fanout", idle_event = "20ms")]
async fn quiet(_text: Text) {}

async fn who_is_idle_names_its_queue_as_the_broker_does(place: &Place) {
    let builder = place.builder().listeners(listeners![quiet]);
    let mut events = builder.events();
    let app = builder.start().await.unwrap();
    let started = next(&mut events).await;
    let ApplicationEvent::ConsumerStarted { queue, .. } = started else { panic!("{started:?}") };
    let idle = next(&mut events).await;
    let ApplicationEvent::Idle { queues, .. } = idle else { panic!("{idle:?}") };
    assert_eq!(queues, [queue]);
    app.stop().await.unwrap();
}

async fn a_message_that_reaches_no_queue_is_told(place: &Place) {
    let app = place.builder().listeners(listeners![]).start().await.unwrap();
    let mut events = app.events();
    let rabbit = app.rabbit_template();
    let refused = rabbit.convert_and_send(("amq.direct", "e.nobody"), "tea").mandatory().await;
    refused.unwrap_err();
    assert_returned(&next(&mut events).await, "amq.direct", "e.nobody");
    app.stop().await.unwrap();
}

async fn a_request_that_reaches_no_queue_is_told_once(place: &Place) {
    let app = place.builder().listeners(listeners![]).start().await.unwrap();
    let mut events = app.events();
    let rabbit = app.rabbit_template();
    for (exchange, key) in [("amq.direct", "e.nobody"), ("", "e.no-queue")] {
        let call = rabbit.convert_send_and_receive::<String>((exchange, key), "tea").await;
        assert!(matches!(call, Err(CallError::Unroutable(_))), "{call:?}");
        assert_returned(&next(&mut events).await, exchange, key);
    }
    app.stop().await.unwrap();
    while let Some(event) = within_limit("the end", events.next()).await {
        assert!(!matches!(event, ApplicationEvent::Returned { .. }), "{event:?}");
    }
}

fn assert_returned(event: &ApplicationEvent, from: &str, key: &str) {
    let ApplicationEvent::Returned { broker, exchange, routing_key, reason, .. } = event else {
        panic!("{event:?}")
    };
    let told = (broker.as_str(), exchange.as_str(), routing_key.as_str(), reason.as_str());
    assert_eq!(told, ("rabbitmq", from, key, "NO_ROUTE"));
}
