//! What is in a queue, and time that passes when the test says so.

use std::time::Duration;

use springhare::prelude::*;

use crate::place::{Place, time_passes_until};

cases!(
    messages_are_shown_in_their_order_and_stay,
    a_queue_that_is_not_there_is_an_error,
    a_message_expires_when_time_has_passed,
);

async fn messages_are_shown_in_their_order_and_stay(place: &Place) {
    let declared = Queue::durable("k.shown");
    let h = place.start(|app| app.listeners(listeners![]).declare(declared)).await;
    let queue = h.queue("k.shown");
    assert!(queue.is_empty().await.unwrap());
    for text in ["one", "two", "three"] {
        h.rabbit().convert_and_send("k.shown", text).await.unwrap();
    }
    for _ in 0..2 {
        // RabbitMQ puts them back after it has said that the channel is closed.
        time_passes_until(&h, "they are back", async || queue.len().await.unwrap() == 3).await;
        let messages = queue.messages().await.unwrap();
        let bodies: Vec<&[u8]> = messages.iter().map(|message| &*message.body).collect();
        assert_eq!(bodies, [b"one" as &[u8], b"two", b"three"]);
    }
    time_passes_until(&h, "they are back", async || queue.len().await.unwrap() == 3).await;
    h.stop().await.unwrap();
}

async fn a_queue_that_is_not_there_is_an_error(place: &Place) {
    let h = place.start(|app| app.listeners(listeners![])).await;
    let error = h.queue("k.missing").len().await.unwrap_err();
    assert!(error.to_string().contains("no queue 'k.missing'"), "{error}");
    assert!(h.queue("k.missing").messages().await.is_err());
    h.stop().await.unwrap();
}

async fn a_message_expires_when_time_has_passed(place: &Place) {
    let declared =
        [Queue::durable("k.waits").dead_letter_queue("k.dead"), Queue::durable("k.dead")];
    let [waits, dead] = declared;
    let h = place.start(|app| app.listeners(listeners![]).declare(waits).declare(dead)).await;
    let in_200_ms = Duration::from_millis(200);
    h.rabbit().convert_and_send("k.waits", "tea").expiration(in_200_ms).await.unwrap();
    if place.url.is_none() {
        assert_eq!(h.queue("k.waits").len().await.unwrap(), 1, "no time has passed");
    }
    h.advance(Duration::from_millis(300)).await;
    let arrived = async || h.queue("k.dead").len().await.unwrap() == 1;
    time_passes_until(&h, "it is dead-lettered", arrived).await;
    assert!(h.queue("k.waits").is_empty().await.unwrap());
    assert_eq!(h.queue("k.dead").messages().await.unwrap()[0].body, "tea");
    h.stop().await.unwrap();
}
