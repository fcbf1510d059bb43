use std::future::ready;
use std::time::Duration;

use springhare::prelude::*;
use springhare_broker::QueueDeleteOptions;
use springhare_tests::eventually;

use crate::support::{Tell, broker, telling};

#[rabbit_listener(exchange = "news", kind = "fanout")]
#[rabbit_listener(queue = "kept.news", exchange = "news", kind = "fanout")]
async fn read(text: Text, queue: QueueName, seen: State<Tell<(String, String)>>) {
    seen.tell((queue.as_str().to_owned(), text.0));
}

#[tokio::test]
async fn a_consumer_whose_queue_is_deleted_comes_back_with_its_queue() {
    let (broker, hand) = broker();
    let (seen, mut texts) = telling::<(String, String)>();
    let app = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![read])
        .manage(seen)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("news", ""), "one").await.unwrap();
    let mut queues = [texts.next().await.0, texts.next().await.0];
    queues.sort();
    assert_eq!(queues[0], "kept.news");
    assert!(queues[1].starts_with("springhare.gen-"), "{queues:?}");

    let channel = broker.connect("deleting").unwrap().open_channel().unwrap();
    for round in 0..3 {
        channel.queue_delete("kept.news", QueueDeleteOptions::default()).await.unwrap();
        eventually("the consumer is back", async || {
            hand.advance(Duration::from_secs(5));
            let found = channel_of(&broker).queue_declare_passive("kept.news").await;
            found.is_ok_and(|found| found.consumer_count == 1).then_some(())
        })
        .await;
        eventually("the application sees it", async || app.health().is_up().then_some(())).await;
        rabbit.convert_and_send(("news", ""), format!("round {round}")).await.unwrap();
        let mut told = [texts.next().await, texts.next().await];
        told.sort();
        assert_eq!(told[0], ("kept.news".to_owned(), format!("round {round}")));
        assert_eq!(told[1].0, queues[1]);
    }
    app.stop().await.unwrap();
}

fn channel_of(broker: &springhare_broker::Broker) -> springhare_broker::Channel {
    broker.connect("looking").unwrap().open_channel().unwrap()
}

#[rabbit_listener(queue = "many", concurrency = 4, prefetch = 1)]
async fn many(number: Json<u32>, tag: ConsumerTag, seen: State<Tell<(String, u32)>>) {
    seen.tell((tag.as_str().to_owned(), number.0));
    tokio::task::yield_now().await;
}

#[tokio::test]
async fn concurrency_is_consumers_of_their_own() {
    let (broker, _hand) = broker();
    let (seen, mut told) = telling::<(String, u32)>();
    let app = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![many])
        .manage(seen)
        .start()
        .await
        .unwrap();
    let found = channel_of(&broker).queue_declare_passive("many").await.unwrap();
    assert_eq!(found.consumer_count, 4);
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..100_u32).map(|n| ("many", n.to_string()))).await.unwrap();
    let mut consumers = std::collections::BTreeSet::new();
    let mut numbers = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let (consumer, number) = told.next().await;
        consumers.insert(consumer);
        numbers.insert(number);
    }
    assert_eq!(numbers.len(), 100);
    assert_eq!(consumers.len(), 4);
    app.stop().await.unwrap();
    drop(broker);
}

#[rabbit_listener(queue = "breaks")]
async fn break_the_channel(text: Text, channel: Channel, seen: State<Tell<String>>) {
    seen.tell(text.0.clone());
    if text.0 == "break" && channel.is_open() {
        drop(channel.queue_purge("no such queue").await);
    }
}

#[tokio::test]
async fn a_channel_that_a_handler_breaks_is_opened_again() {
    let (broker, hand) = broker();
    let (seen, mut texts) = telling::<String>();
    let app = Springhare::builder()
        .broker(broker)
        .listeners(listeners![break_the_channel])
        .manage(seen)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("breaks", "break").await.unwrap();
    for _ in 0..3 {
        eventually("it is delivered again", || {
            hand.advance(Duration::from_secs(5));
            ready((!texts.is_silent()).then_some(()))
        })
        .await;
        assert_eq!(texts.next().await, "break");
    }
    app.force_stop().await.unwrap();
}
