//! Messages that wait for another delivery at the broker, when it or the way to it fails.

use std::future::ready as ready_future;
use std::time::Duration;

use springhare::prelude::*;
use springhare_broker::{Broker, Clock, ManualClock};
use springhare_tests::{eventually, ready};

use crate::support::{Tell, Told, telling};
use crate::switch_link::SwitchLink;

#[rabbit_listener(queue = "waits", retry(delays = ["1h", "1h"]))]
async fn waits(
    text: Text,
    count: DeliveryCount,
    seen: State<Tell<(String, u32)>>,
) -> ListenerResult {
    seen.tell((text.0.clone(), count.value()));
    if text.0 == "bad" && count.value() < 2 { Err(ListenerError::msg("no van")) } else { Ok(()) }
}

async fn start(folder: &std::path::Path) -> (Springhare, Told<(String, u32)>, ManualClock) {
    let (clock, hand) = Clock::manual();
    let broker = Broker::builder().clock(clock).data(folder).start().unwrap();
    let (tell, seen) = telling::<(String, u32)>();
    let builder = Springhare::builder().broker(broker).listeners(listeners![waits]).manage(tell);
    (builder.start().await.unwrap(), seen, hand)
}

#[tokio::test]
async fn messages_that_wait_come_at_their_time_though_the_broker_was_restarted() {
    let folder = tempfile::tempdir().unwrap();
    for count in 0..2 {
        let (app, mut seen, hand) = start(folder.path()).await;
        let rabbit = app.rabbit_template();
        if count == 0 {
            rabbit.convert_and_send("waits", "bad").await.unwrap();
        } else {
            hand.advance(Duration::from_secs(3600));
        }
        assert_eq!(seen.next().await, ("bad".to_owned(), count));
        // It is handled after the copy is on its way.
        rabbit.convert_and_send("waits", "good").await.unwrap();
        assert_eq!(seen.next().await, ("good".to_owned(), 0));
        app.stop().await.unwrap();
        assert!(seen.is_silent());
    }
    let (app, mut seen, hand) = start(folder.path()).await;
    assert_eq!(ready(&app.rabbit_template(), "waits").await, 0);
    assert!(seen.is_silent(), "it waits");
    // Each broker's clock begins anew, and the message began to wait when this one's was at 1 h.
    hand.advance(Duration::from_secs(7199));
    assert!(seen.is_silent(), "it waits");
    hand.advance(Duration::from_secs(1));
    assert_eq!(seen.next().await, ("bad".to_owned(), 2));
    app.stop().await.unwrap();
}

/// Cuts the listeners' connection before it fails: the copy goes out, and is confirmed, and the ack
/// of the original never comes.
#[rabbit_listener(queue = "cut", retry(delays = ["1h", "1h", "1h"]))]
async fn cut(
    count: DeliveryCount,
    link: State<SwitchLink>,
    seen: State<Tell<u32>>,
) -> ListenerResult {
    seen.tell(count.value());
    match count.value() {
        0 => link.close_those_named("listeners"),
        _ => return Ok(()),
    }
    Err(ListenerError::msg("no van"))
}

#[tokio::test]
async fn a_message_whose_connection_is_lost_between_confirm_and_ack_is_not_lost_and_keeps_its_count()
 {
    let (link, broker, hand) = SwitchLink::on();
    let (tell, mut seen) = telling::<u32>();
    let builder = Springhare::builder().link(link.clone()).manage(link).manage(tell);
    let app = builder.listeners(listeners![cut]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("cut", "tea").await.unwrap();
    assert_eq!(seen.next().await, 0);
    // The original came back when its connection was lost, and the copy comes after its time.
    eventually("the copy comes", || {
        hand.advance(Duration::from_secs(5));
        ready_future((seen.take() == Some(1)).then_some(()))
    })
    .await;
    app.stop().await.unwrap();
    drop(broker);
}

#[rabbit_listener(queue = "paused", retry(max_attempts = 3, backoff = "10m"))]
async fn paused(attempt: Attempt, seen: State<Tell<u32>>) -> ListenerResult {
    seen.tell(attempt.value());
    Err(ListenerError::msg("no van"))
}

#[tokio::test]
async fn a_pause_between_two_calls_ends_when_the_message_is_somebody_elses() {
    let (link, _broker, hand) = SwitchLink::on();
    let (tell, mut seen) = telling::<u32>();
    let builder = Springhare::builder().link(link.clone()).manage(tell);
    let app = builder.listeners(listeners![paused]).start().await.unwrap();
    app.rabbit_template().convert_and_send("paused", "tea").await.unwrap();
    assert_eq!(seen.next().await, 1);
    link.close_those_named("listeners");
    // Long before the pause is over, the message is here once more, as another delivery.
    let call = eventually("the message comes again", || {
        hand.advance(Duration::from_secs(1));
        ready_future(seen.take())
    })
    .await;
    assert_eq!(call, 1, "it is not called again with a message that is lost");
    app.stop().await.unwrap();
}
