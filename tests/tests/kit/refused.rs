//! What is to be done for a message after its handler, where the broker refuses that for a while: nothing
//! is lost for it that would go well a moment later.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use springhare::middleware::{Flow, MessageProcessor};
use springhare::prelude::*;
use springhare::test::{Call, Harness};
use springhare::{Discarded, DiscardedTo};
use springhare_broker::BasicPublishOptions;
use springhare_tests::{Told, telling};

use crate::place::{Place, time_passes_until};

cases!(
    what_a_handler_in_lanes_came_to_and_could_not_be_sent_is_no_failure_of_its,
    a_copy_of_what_is_acknowledged_is_kept_though_it_is_refused_for_a_while,
    what_no_handler_takes_and_nobody_has_any_more_is_told,
);

/// Publishes past the faults, which are the application's own.
async fn publish(h: &Harness, queue: &str, text: &str) {
    let (queue, message) = (queue.to_owned(), Message::new(text.to_owned()));
    let rabbit = h.rabbit();
    let publishing = rabbit.execute(|channel| async move {
        let options = BasicPublishOptions::default();
        Ok(channel.basic_publish("", &queue, options, message).await?)
    });
    publishing.await.unwrap();
}

#[rabbit_listener(
    id = "k.invoices",
    queue = "k.invoices",
    partition_by = "routing_key",
    retry(max_attempts = 2, backoff = "100ms")
)]
async fn invoice(text: Text, outbox: Outbox<'_>) -> ListenerResult {
    outbox.convert_and_send("k.sent", &text.0)?;
    Ok(())
}

#[rabbit_listener(
    id = "k.answers",
    queue = "k.answers",
    partition_by = "routing_key",
    retry(max_attempts = 1),
    send_to = "k.sent"
)]
async fn answer(text: Text) -> Text {
    text
}

/// Counts what it looks at.
struct Looks(Arc<AtomicUsize>);

impl MessageProcessor for Looks {
    fn after_receive(&self, _message: &mut Message) -> Result<Flow, ListenerError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Flow::Continue)
    }
}

async fn what_a_handler_in_lanes_came_to_and_could_not_be_sent_is_no_failure_of_its(place: &Place) {
    for queue in ["k.invoices", "k.answers"] {
        let looks = Arc::new(AtomicUsize::new(0));
        let processor = Looks(Arc::clone(&looks));
        let h = place
            .start(|app| {
                let app = app.listeners(listeners![invoice, answer]).processor(processor);
                app.declare(Queue::durable("k.sent"))
            })
            .await;
        h.faults().refuse_publishes(3);
        publish(&h, queue, "tea").await;
        let sent = async || h.queue("k.sent").len().await.is_ok_and(|length| length == 1);
        time_passes_until(&h, "it is sent", sent).await;
        let deliveries: Vec<u32> = h.listener(queue).calls().iter().map(Call::attempt).collect();
        assert_eq!(deliveries, [1, 2, 3, 4], "each counts as one of its deliveries");
        assert_eq!(looks.load(Ordering::Relaxed), 1, "it came once");
        assert!(h.queue(format!("{queue}.error")).len().await.is_err(), "none was given up");
        assert_eq!(
            h.rabbit().receive_and_convert::<String>("k.sent").await.unwrap().unwrap(),
            "tea"
        );
        h.stop().await.unwrap();
    }
}

#[rabbit_listener(id = "k.parks", queue = "k.parks", ack = "first", recover = "park")]
async fn parks(_text: Text) -> ListenerResult {
    Err(ListenerError::msg("no van"))
}

#[rabbit_listener(
    id = "k.moves",
    queue = "k.moves",
    ack = "first",
    recover(exchange = "k.failed", key = "moved")
)]
async fn moves(_text: Text) -> ListenerResult {
    Err(ListenerError::msg("no van"))
}

/// With what is heard of each message that is given up.
async fn start(place: &Place) -> (Harness, Told<(String, DiscardedTo)>) {
    let (tell, told) = telling();
    let hook = move |discarded: &Discarded| {
        let body = String::from_utf8_lossy(discarded.context().body());
        tell.tell((body.into_owned(), discarded.to()));
    };
    let build = |app: springhare::SpringhareBuilder| {
        let listeners = listeners![parks, moves, by_one, by_two];
        let app = app.listeners(listeners).on_discarded(hook);
        let moved = Binding::queue("k.moved").to("k.failed").with("moved");
        app.declare(Queue::durable("k.moved")).declare(Exchange::direct("k.failed")).declare(moved)
    };
    (place.start(build).await, told)
}

async fn a_copy_of_what_is_acknowledged_is_kept_though_it_is_refused_for_a_while(place: &Place) {
    let places = [
        ("k.parks", "k.parks.error", DiscardedTo::ErrorQueue),
        ("k.moves", "k.moved", DiscardedTo::Exchange),
    ];
    for (queue, kept_in, to) in places {
        let (h, mut told) = start(place).await;
        h.faults().refuse_publishes(2);
        publish(&h, queue, "tea").await;
        let kept = async || h.queue(kept_in).len().await.is_ok_and(|length| length == 1);
        time_passes_until(&h, "the copy is kept", kept).await;
        assert_eq!(told.next().await, ("tea".to_owned(), to));
        h.stop().await.unwrap();
        assert!(told.is_silent());
    }
}

/// On a clock that a hand drives.
#[tokio::test]
async fn a_copy_that_is_refused_for_good_does_not_hold_the_consumer_up_for_ever() {
    let (h, mut told) = start(&Place { url: None }).await;
    h.faults().refuse_publishes(usize::MAX);
    publish(&h, "k.parks", "tea").await;
    publish(&h, "k.parks", "coffee").await;
    let called = |times| h.listener("k.parks").calls().len() == times;
    time_passes_until(&h, "the handler is called", async || called(1)).await;
    h.advance(Duration::from_secs(5)).await;
    assert!(called(1), "the copy is tried for some time");
    time_passes_until(&h, "it is called with the next", async || called(2)).await;
    h.faults().refuse_publishes(0);
    assert_eq!(told.next().await, ("tea".to_owned(), DiscardedTo::Nowhere));
    let kept = async || h.queue("k.parks.error").len().await.is_ok_and(|length| length == 1);
    time_passes_until(&h, "the other is kept", kept).await;
    assert_eq!(told.next().await, ("coffee".to_owned(), DiscardedTo::ErrorQueue));
    h.stop().await.unwrap();
}

#[rabbit_listener(
    queue = "k.keyed",
    exchange = "k.keys",
    kind = "direct",
    key = "one",
    ack = "none"
)]
async fn by_one(_text: Text) {}

#[rabbit_listener(
    queue = "k.keyed",
    exchange = "k.keys",
    kind = "direct",
    key = "two",
    ack = "none"
)]
async fn by_two(_text: Text) {}

async fn what_no_handler_takes_and_nobody_has_any_more_is_told(place: &Place) {
    let (h, mut told) = start(place).await;
    for (refusals, to) in [(1, DiscardedTo::Nowhere), (0, DiscardedTo::ErrorQueue)] {
        h.faults().refuse_publishes(refusals);
        publish(&h, "k.keyed", "tea").await;
        assert_eq!(told.next().await, ("tea".to_owned(), to));
    }
    h.stop().await.unwrap();
    assert!(told.is_silent());
}
