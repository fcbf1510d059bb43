//! What is lost and comes back is told to who listens.

use springhare::prelude::*;
use springhare::{ApplicationEvent, Events};
use springhare_broker::{ManualClock, QueueDeclareOptions, QueueDeleteOptions};
use springhare_tests::within_limit;

use crate::door_link::DoorLink;
use crate::support::{LONG, channel_of};
use crate::switch_link::{ADDRESS, SwitchLink};

#[rabbit_listener(id = "heard", queue = "heard")]
async fn heard(_text: Text) {}

/// The next event; time passes until it is there.
async fn next(events: &mut Events, hand: &ManualClock) -> ApplicationEvent {
    let next = async {
        loop {
            tokio::select! {
                biased;
                event = events.next() => return event.unwrap(),
                () = tokio::task::yield_now() => hand.advance(LONG),
            }
        }
    };
    within_limit("an event", next).await
}

#[tokio::test]
async fn a_connection_that_is_lost_and_opened_again_is_told_and_its_consumers_too() {
    let (link, broker, hand) = SwitchLink::on();
    let builder = Springhare::builder().link(link.clone()).listeners(listeners![heard]);
    let app = builder.start().await.unwrap();
    let mut events = app.events();
    let mut seen = Vec::new();
    link.kill_broker();
    let is_lost = |event: &ApplicationEvent| match event {
        ApplicationEvent::ConnectionLost { connection, address, .. } => {
            assert_eq!(address, ADDRESS);
            connection == "listeners"
        }
        _ => false,
    };
    let is_failed = |event: &ApplicationEvent| match event {
        ApplicationEvent::ConnectionFailed { connection, .. } => connection == "listeners",
        _ => false,
    };
    while !(seen.iter().any(is_lost) && seen.iter().any(is_failed)) {
        seen.push(next(&mut events, &hand).await);
    }
    link.connect_to(&link.new_broker());
    drop(broker);
    let is_back = |event: &ApplicationEvent| match event {
        ApplicationEvent::ConsumerRestarted { listener, queue, .. } => {
            (listener.as_str(), queue.as_str()) == ("heard", "heard")
        }
        _ => false,
    };
    while !seen.iter().any(is_back) {
        seen.push(next(&mut events, &hand).await);
    }
    let position = |what: &dyn Fn(&ApplicationEvent) -> bool| seen.iter().position(what).unwrap();
    let consumer_lost = position(
        &|event| matches!(event, ApplicationEvent::ConsumerLost { listener, .. } if listener == "heard"),
    );
    let opened = position(
        &|event| matches!(event, ApplicationEvent::ConnectionOpened { connection, .. } if connection == "listeners"),
    );
    assert!(position(&is_lost) < opened && consumer_lost < position(&is_back), "{seen:?}");
    assert!(opened < position(&is_back), "{seen:?}");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_lost_while_it_declares_is_no_refusal() {
    let (switch, _broker, hand) = SwitchLink::on();
    let (link, door) = DoorLink::over(switch.clone());
    let app = Springhare::builder().link(link).listeners(listeners![heard]).start().await.unwrap();
    let mut events = app.events();
    door.shut();
    switch.close_connections();
    // That which replaces it.
    door.has_a_visitor().await;
    switch.close_connections();
    door.open();
    loop {
        match next(&mut events, &hand).await {
            ApplicationEvent::ConsumerRestarted { .. } => break,
            ApplicationEvent::DeclarationRefused { fault, .. } => panic!("{fault}"),
            _ => {}
        }
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "crowd", exchange = "events.crowd", kind = "fanout")]
async fn crowd(_text: Text) {}

#[tokio::test]
async fn a_consumer_of_an_anonymous_queue_ends_under_the_name_that_it_began_with() {
    let (link, _broker, hand) = SwitchLink::on();
    let builder = Springhare::builder().link(link.clone()).listeners(listeners![crowd]);
    let mut events = builder.events();
    let app = builder.start().await.unwrap();
    let mut next_queue = async || loop {
        let event = next(&mut events, &hand).await;
        match event {
            ApplicationEvent::ConsumerStarted { queue, .. }
            | ApplicationEvent::ConsumerLost { queue, .. }
            | ApplicationEvent::ConsumerRestarted { queue, .. }
            | ApplicationEvent::ConsumerStopped { queue, .. } => return queue,
            _ => {}
        }
    };
    let first = next_queue().await;
    link.close_connections();
    assert_eq!(next_queue().await, first, "lost");
    let second = next_queue().await;
    assert_ne!(second, first, "restarted");
    app.stop().await.unwrap();
    assert_eq!(next_queue().await, second, "stopped");
}

#[rabbit_listener(id = "guest", queue = "theirs", declare = false)]
async fn guest(_text: Text) {}

#[tokio::test]
async fn a_queue_that_is_not_there_is_told_until_it_is() {
    let (link, broker, hand) = SwitchLink::on();
    let channel = channel_of(&broker);
    channel.queue_declare("theirs", QueueDeclareOptions::default()).await.unwrap();
    let builder = Springhare::builder().link(link.clone()).listeners(listeners![guest]);
    let mut events = builder.events();
    let app = builder.start().await.unwrap();
    loop {
        if let ApplicationEvent::ConsumerStarted { .. } = next(&mut events, &hand).await {
            break;
        }
    }
    channel.queue_delete("theirs", QueueDeleteOptions::default()).await.unwrap();
    let event = next(&mut events, &hand).await;
    assert!(
        matches!(&event, ApplicationEvent::ConsumerLost { listener, .. } if listener == "guest")
    );
    let is_missing = |event: &ApplicationEvent| match event {
        ApplicationEvent::QueueMissing { listener, queue, .. } => {
            (listener.as_str(), queue.as_str()) == ("guest", "theirs")
        }
        _ => false,
    };
    for _ in 0..2 {
        let event = next(&mut events, &hand).await;
        assert!(is_missing(&event), "{event:?}");
    }
    channel.queue_declare("theirs", QueueDeclareOptions::default()).await.unwrap();
    let back = loop {
        let event = next(&mut events, &hand).await;
        if !is_missing(&event) {
            break event;
        }
    };
    assert!(matches!(back, ApplicationEvent::ConsumerRestarted { .. }), "{back:?}");
    app.stop().await.unwrap();
}
