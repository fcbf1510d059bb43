//! Messages that wait for their next delivery at the broker, while their queue is not this
//! application's, or goes.

use springhare::prelude::*;
use springhare_tests::{Tell, telling};

use crate::place::Place;

application!(
    what_waits_for_a_queue_of_somebody_elses_comes_back_to_it,
    what_waits_for_a_queue_that_was_deleted_and_declared_again_comes_back_to_it,
);

/// Fails once, and tells each call.
async fn fails_once(text: Text, count: DeliveryCount, seen: State<Tell<u32>>) -> ListenerResult {
    seen.tell(count.value());
    if text.0 == "bad" && count.value() == 0 { Err(ListenerError::msg("no van")) } else { Ok(()) }
}

#[rabbit_listener(queue = "r.theirs", declare = false, retry(delays = ["50ms", "50ms"]))]
async fn theirs(text: Text, count: DeliveryCount, seen: State<Tell<u32>>) -> ListenerResult {
    fails_once(text, count, seen).await
}

#[rabbit_listener(queue = "r.beside", retry(delays = ["50ms"]))]
async fn beside(_text: Text) {}

async fn what_waits_for_a_queue_of_somebody_elses_comes_back_to_it(place: &Place) {
    let options = springhare_broker::QueueDeclareOptions::default();
    for listeners in [listeners![theirs], listeners![theirs, beside]] {
        let theirs = options.clone();
        place.channel().await.queue_declare("r.theirs", theirs).await.unwrap();
        let (tell, mut seen) = telling::<u32>();
        let app = place.builder().listeners(listeners).manage(tell).start().await.unwrap();
        app.rabbit_template().convert_and_send("r.theirs", "bad").await.unwrap();
        assert_eq!(seen.next().await, 0);
        assert_eq!(seen.next().await, 1);
        app.stop().await.unwrap();
    }
}

#[rabbit_listener(
    id = "r.reborn",
    queue = "r.reborn",
    exchange = "r.reborn",
    kind = "topic",
    key = "order.*",
    retry(delays = ["50ms", "50ms"])
)]
async fn reborn(text: Text, count: DeliveryCount, seen: State<Tell<u32>>) -> ListenerResult {
    fails_once(text, count, seen).await
}

async fn what_waits_for_a_queue_that_was_deleted_and_declared_again_comes_back_to_it(
    place: &Place,
) {
    let (tell, mut seen) = telling::<u32>();
    let app = place.builder().listeners(listeners![reborn]).manage(tell).start().await.unwrap();
    let (admin, rabbit) = (app.admin(), app.rabbit_template());
    for round in 0..3 {
        // Nothing here asks for the binding but the queue that is declared.
        rabbit.convert_and_send(("r.reborn", "order.new"), "bad").mandatory().await.unwrap();
        assert_eq!(seen.next().await, 0, "round {round}");
        assert_eq!(seen.next().await, 1, "round {round}");
        if round == 0 {
            admin.delete_queue("r.reborn").await.unwrap();
            admin.declare(Queue::durable("r.reborn")).await.unwrap();
        } else {
            admin.delete_exchange("r.reborn").await.unwrap();
            admin.declare(Exchange::topic("r.reborn")).await.unwrap();
        }
    }
    app.stop().await.unwrap();
}
