//! A listener that is told something while it starts.

use futures_util::poll;
use springhare::ListenerStatus;
use springhare::prelude::*;
use springhare_broker::Broker;
use springhare_tests::{amqp_link, has_status, within_limit};

use crate::door_link::{Door, DoorLink};
use crate::support::{Tell, channel_of, consumers, publish, served, status, telling};
use crate::switch_link::SwitchLink;

#[rabbit_listener(id = "late", queue = "late", auto_startup = false)]
async fn late(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

/// An application whose listener is not started, and the door that its start comes to.
async fn with_a_door() -> (Springhare, Door, Broker) {
    let (link, broker, _hand) = SwitchLink::on();
    let (link, door) = DoorLink::over(link);
    let (seen, _told) = telling::<String>();
    let builder = Springhare::builder().link(link).listeners(listeners![late]);
    let app = builder.declare(Queue::durable("made")).manage(seen).start().await.unwrap();
    (app, door, broker)
}

#[tokio::test]
async fn a_stop_that_comes_while_a_listener_starts_stops_it() {
    let (app, door, broker) = with_a_door().await;
    door.shut();
    let mut starting = Box::pin(app.start_listener("late"));
    assert!(poll!(&mut starting).is_pending());
    door.has_a_visitor().await;
    let mut stopping = Box::pin(app.stop_listener("late"));
    assert!(poll!(&mut stopping).is_pending(), "it waits for the start");
    door.open();
    within_limit("the start", starting).await.unwrap();
    within_limit("the stop", stopping).await.unwrap();
    assert_eq!(consumers(&broker, "late").await, Some(0));
    assert_eq!(status(&app, "late"), ListenerStatus::Stopped);
    app.start_listener("late").await.unwrap();
    assert_eq!(status(&app, "late"), ListenerStatus::Consuming);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_that_comes_while_an_added_listener_starts_stops_it() {
    let (app, door, broker) = with_a_door().await;
    door.shut();
    let listeners = app.listeners();
    let made = Listener::queue("made").handler(|Text(_): Text| async {});
    let mut adding = Box::pin(listeners.add(made));
    assert!(poll!(&mut adding).is_pending());
    door.has_a_visitor().await;
    let mut stopping = Box::pin(app.stop_listener("made"));
    assert!(poll!(&mut stopping).is_pending(), "it waits for the start");
    door.open();
    let made = within_limit("the start", adding).await.unwrap();
    within_limit("the stop", stopping).await.unwrap();
    assert_eq!(consumers(&broker, "made").await, Some(0));
    assert_eq!(made.status(), ListenerStatus::Stopped);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_pause_that_comes_while_a_listener_starts_holds_until_it_is_resumed() {
    let (app, door, broker) = with_a_door().await;
    let listener = app.listener("late").unwrap();
    for round in 0..2 {
        door.shut();
        let mut starting = Box::pin(async {
            if round == 0 { listener.start().await } else { listener.resume().await }
        });
        assert!(poll!(&mut starting).is_pending());
        door.has_a_visitor().await;
        let mut pausing = Box::pin(listener.pause());
        assert!(poll!(&mut pausing).is_pending(), "it waits for the start");
        door.open();
        within_limit("the start", starting).await.unwrap();
        within_limit("the pause", pausing).await.unwrap();
        assert_eq!(listener.status(), ListenerStatus::Paused);
        assert_eq!(consumers(&broker, "late").await, Some(0));
    }
    listener.resume().await.unwrap();
    has_status(&listener, &ListenerStatus::Consuming).await;
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "sent", queue = "sent", ack = "none", auto_startup = false)]
async fn sent(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

#[tokio::test]
async fn what_does_not_come_again_is_not_lost_to_who_is_stopped_while_it_starts() {
    let (broker, address) = served();
    let (link, door) = DoorLink::over(amqp_link(address));
    let (seen, told) = telling::<String>();
    let builder = Springhare::builder().link(link).listeners(listeners![sent]).manage(seen);
    let app = builder.start().await.unwrap();
    publish(&broker, "", "sent", "tea").await;
    door.shut();
    let mut starting = Box::pin(app.start_listener("sent"));
    assert!(poll!(&mut starting).is_pending());
    door.has_a_visitor().await;
    let mut stopping = Box::pin(app.stop_listener("sent"));
    assert!(poll!(&mut stopping).is_pending(), "it waits for the start");
    door.open();
    within_limit("the start", starting).await.unwrap();
    within_limit("the stop", stopping).await.unwrap();
    let sent = channel_of(&broker).queue_declare_passive("sent").await.unwrap();
    assert_ne!(told.is_silent(), sent.message_count == 0, "it is handled, or there still");
    app.stop().await.unwrap();
}
