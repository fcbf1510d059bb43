//! Callers that began something and are not polled any more, as a branch of a `select!` in a loop is
//! while another's body is awaited.

use futures_util::poll;
use springhare::prelude::*;
use springhare::{Error, ListenerStatus};
use springhare_broker::ManualClock;
use springhare_tests::{eventually, within_limit};

use crate::door_link::{Door, DoorLink};
use crate::support::{is_down, is_up_again};
use crate::switch_link::SwitchLink;

#[rabbit_listener(id = "late", queue = "late", auto_startup = false)]
async fn late(_text: Text) {}

fn made() -> Listener {
    Listener::queue("made").id("fleeting").handler(|Text(_): Text| async {})
}

/// An application, its door, and the link behind that.
async fn with_a_door() -> (Springhare, Door, SwitchLink, ManualClock) {
    let (switch, _broker, hand) = SwitchLink::on();
    let (link, door) = DoorLink::over(switch.clone());
    let builder = Springhare::builder().link(link).listeners(listeners![late]);
    let app = builder.declare(Queue::durable("kept")).start().await.unwrap();
    (app, door, switch, hand)
}

#[tokio::test]
async fn who_began_to_get_the_connection_back_holds_up_nobody_else() {
    let (app, door, link, hand) = with_a_door().await;
    let admin = app.admin();
    door.shut();
    link.close_connections();
    // Nobody else has noticed yet.
    let mut asking = Box::pin(admin.queue_info("kept"));
    assert!(poll!(&mut asking).is_pending());
    is_down(&app).await;
    door.has_a_visitor().await;
    door.open();
    is_up_again(&app, &hand).await;
    within_limit("another one who asks", admin.queue_info("kept")).await.unwrap().unwrap();
    within_limit("the stop", app.stop()).await.unwrap();
}

#[tokio::test]
async fn who_began_to_get_the_connection_back_holds_up_no_stop() {
    let (app, door, link, _hand) = with_a_door().await;
    let admin = app.admin();
    door.shut();
    link.close_connections();
    let mut asking = Box::pin(admin.queue_info("kept"));
    assert!(poll!(&mut asking).is_pending());
    door.has_a_visitor().await;
    within_limit("the stop", app.stop()).await.unwrap();
    let asked = asking.await;
    assert!(matches!(asked, Err(Error::Stopped)), "{asked:?}");
}

#[tokio::test]
async fn who_began_to_declare_or_to_delete_holds_up_nobody_else() {
    let (app, door, ..) = with_a_door().await;
    let admin = app.admin();
    door.shut();
    let mut declaring = Box::pin(admin.declare(Queue::durable("first")));
    assert!(poll!(&mut declaring).is_pending());
    let mut deleting = Box::pin(admin.delete_queue("kept"));
    assert!(poll!(&mut deleting).is_pending());
    door.has_a_visitor().await;
    door.open();
    let other = admin.declare(Queue::durable("second"));
    within_limit("another one who declares", other).await.unwrap();
    for (queue, is_there) in [("first", true), ("second", true), ("kept", false)] {
        eventually("all is done", async || {
            let info = admin.queue_info(queue).await.unwrap();
            (info.is_some() == is_there).then_some(())
        })
        .await;
    }
    within_limit("the stop", app.stop()).await.unwrap();
}

#[tokio::test]
async fn who_began_to_start_a_listener_holds_up_nobody_else() {
    let (app, door, ..) = with_a_door().await;
    door.shut();
    let mut starting = Box::pin(app.start_listener("late"));
    assert!(poll!(&mut starting).is_pending());
    door.has_a_visitor().await;
    door.open();
    within_limit("another change", app.listeners().add(made())).await.unwrap();
    assert_eq!(app.listener("late").unwrap().status(), ListenerStatus::Consuming);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn who_began_to_start_a_listener_holds_up_no_stop() {
    let (app, door, ..) = with_a_door().await;
    door.shut();
    let mut starting = Box::pin(app.start_listener("late"));
    assert!(poll!(&mut starting).is_pending());
    door.has_a_visitor().await;
    within_limit("the stop", app.stop()).await.unwrap();
    let started = starting.await;
    assert!(matches!(started, Err(Error::Stopped)), "{started:?}");
}

#[tokio::test]
async fn a_listener_whose_removal_nobody_waits_for_is_removed_as_a_whole() {
    let (app, door, ..) = with_a_door().await;
    let listeners = app.listeners();
    let admin = app.admin();
    let listener = listeners.add(made()).await.unwrap();
    listener.stop().await.unwrap();
    door.shut();
    let mut declaring = Box::pin(admin.declare(Queue::durable("first")));
    assert!(poll!(&mut declaring).is_pending());
    door.has_a_visitor().await;
    {
        let mut removing = Box::pin(listeners.remove("fleeting"));
        for _ in 0..20 {
            assert!(poll!(&mut removing).is_pending(), "the declaration comes first");
            tokio::task::yield_now().await;
        }
    }
    door.open();
    within_limit("the declaration", declaring).await.unwrap();
    eventually("it is forgotten", async || {
        (!app.describe().to_string().contains("fleeting")).then_some(())
    })
    .await;
    within_limit("it joins anew", listeners.add(made())).await.unwrap();
    app.stop().await.unwrap();
}
