//! Queues that are deleted and channels that break under a listener.

use springhare::prelude::*;
use springhare_broker::QueueDeleteOptions;
use springhare_tests::{Tell, eventually, telling};

use crate::place::Place;

application!(
    a_consumer_whose_queue_is_deleted_comes_back_with_its_queue,
    a_channel_that_a_handler_breaks_is_opened_again,
);

#[rabbit_listener(exchange = "news", kind = "fanout")]
#[rabbit_listener(queue = "kept.news", exchange = "news", kind = "fanout")]
async fn read(text: Text, queue: QueueName, seen: State<Tell<(String, String)>>) {
    seen.tell((queue.as_str().to_owned(), text.0));
}

async fn a_consumer_whose_queue_is_deleted_comes_back_with_its_queue(place: &Place) {
    let (seen, mut texts) = telling::<(String, String)>();
    let app = place.builder().listeners(listeners![read]).manage(seen).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("news", ""), "one").await.unwrap();
    let mut queues = [texts.next().await.0, texts.next().await.0];
    queues.sort();
    assert_eq!(queues[0], "kept.news");
    assert!(queues[1].starts_with("springhare.gen-"), "{queues:?}");

    let channel = place.channel().await;
    for round in 0..2 {
        channel.queue_delete("kept.news", QueueDeleteOptions::default()).await.unwrap();
        place.has_consumers("kept.news", Some(1)).await;
        eventually("the application sees it", async || app.health().is_up().then_some(())).await;
        rabbit.convert_and_send(("news", ""), format!("round {round}")).await.unwrap();
        let mut told = [texts.next().await, texts.next().await];
        told.sort();
        assert_eq!(told[0], ("kept.news".to_owned(), format!("round {round}")));
        assert_eq!(told[1].0, queues[1]);
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "breaks")]
async fn break_the_channel(text: Text, channel: Channel, seen: State<Tell<String>>) {
    seen.tell(text.0.clone());
    if text.0 == "break" && channel.is_open() {
        drop(channel.queue_purge("no such queue").await);
    }
}

async fn a_channel_that_a_handler_breaks_is_opened_again(place: &Place) {
    let (seen, mut texts) = telling::<String>();
    let listeners = listeners![break_the_channel];
    let app = place.builder().listeners(listeners).manage(seen).start().await.unwrap();
    app.rabbit_template().convert_and_send("breaks", "break").await.unwrap();
    for _ in 0..3 {
        assert_eq!(texts.next().await, "break");
    }
    app.force_stop().await.unwrap();
}
