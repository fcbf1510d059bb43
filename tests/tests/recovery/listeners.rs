use springhare::ListenerStatus;
use springhare::prelude::*;
use springhare_broker::{Broker, ManualClock, QueueDeleteOptions};
use springhare_tests::eventually;

use crate::support::{
    LONG, Tell, Told, channel_of, consumers, is_down, is_up_again, publish, status, telling,
};
use crate::switch_link::SwitchLink;

#[rabbit_listener(id = "kept", queue = "kept", exchange = "news", kind = "fanout", concurrency = 2)]
async fn kept(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

#[tokio::test]
async fn a_queue_that_is_deleted_is_declared_anew_with_its_bindings() {
    let (link, broker, hand) = SwitchLink::on();
    let (seen, mut told) = telling::<String>();
    let builder = Springhare::builder().link(link.clone()).listeners(listeners![kept]);
    let app = builder.manage(seen).start().await.unwrap();
    for time in [Time::StandsStill, Time::Passes] {
        let channel = channel_of(&broker);
        channel.queue_delete("kept", QueueDeleteOptions::default()).await.unwrap();
        // The first time it is back at once; the next time there is a pause.
        if time == Time::Passes {
            let health = is_down(&app).await;
            assert!(health.contains("`kept` is recovering: the broker cancelled"), "{health}");
            hand.advance(LONG);
        }
        eventually("both consumers are back", async || {
            (consumers(&broker, "kept").await == Some(2)).then_some(())
        })
        .await;
        eventually("the health is up", async || app.health().is_up().then_some(())).await;
        publish(&broker, "news", "", "tea").await;
        assert_eq!(told.next().await, "tea");
    }
    assert_eq!(link.attempts(), 1, "the connection was never to blame");
    app.stop().await.unwrap();
}

/// Whether a consumer that was lost has to wait for its turn.
#[derive(PartialEq)]
enum Time {
    StandsStill,
    Passes,
}

/// Anonymous: its queue goes with its connection.
#[rabbit_listener(id = "fan", exchange = "news", kind = "fanout", concurrency = 2)]
async fn fan(
    text: Text,
    queue: QueueName,
    consumer: ConsumerTag,
    seen: State<Tell<(String, String)>>,
) {
    assert_eq!(text.0, "tea");
    seen.tell((queue.as_str().to_owned(), consumer.as_str().to_owned()));
}

#[tokio::test]
async fn an_anonymous_queue_has_one_new_name_on_each_connection() {
    let (link, broker, hand) = SwitchLink::on();
    let (seen, mut told) = telling::<(String, String)>();
    let builder = Springhare::builder().link(link.clone()).listeners(listeners![fan]);
    let app = builder.manage(seen).start().await.unwrap();
    let mut names = Vec::new();
    for round in 0..3 {
        for _ in 0..4 {
            publish(&broker, "news", "", "tea").await;
        }
        let (queue, consumer) = told.next().await;
        let mut by_others = 0;
        for _ in 0..3 {
            let (of_queue, by) = told.next().await;
            assert_eq!(of_queue, queue, "one queue for both consumers, in round {round}");
            by_others += usize::from(by != consumer);
        }
        assert_eq!(by_others, 2, "they take turns, in round {round}");
        assert!(queue.starts_with("springhare.gen-"), "{queue}");
        names.push(queue);
        // A consumer that comes back on the same connection finds the same queue.
        let id = app.listener_ids().next().unwrap();
        app.stop_listener(&id).await.unwrap();
        app.start_listener(&id).await.unwrap();
        publish(&broker, "news", "", "tea").await;
        assert_eq!(told.next().await.0, *names.last().unwrap());
        link.close_connections();
        is_up_again(&app, &hand).await;
    }
    assert!(told.is_silent(), "each message came once");
    names.dedup();
    assert_eq!(names.len(), 3, "{names:?}");
    app.stop().await.unwrap();
}

/// Has its channel closed by the broker with every message.
#[rabbit_listener(id = "rash", queue = "rash", concurrency = 2)]
async fn rash(text: Text, channel: Channel, seen: State<Tell<String>>) {
    seen.tell(text.0);
    drop(channel.queue_purge("no such queue").await);
}

#[rabbit_listener(id = "calm", queue = "calm")]
async fn calm(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

#[tokio::test]
async fn a_channel_that_an_error_closes_is_opened_again_and_nobody_else_notices() {
    let (link, broker, hand) = SwitchLink::on();
    let (seen, mut told) = telling::<String>();
    let app = Springhare::builder()
        .link(link.clone())
        .listeners(listeners![rash, calm])
        .manage(seen)
        .start()
        .await
        .unwrap();
    publish(&broker, "", "rash", "tea").await;
    assert_eq!(told.next().await, "tea");
    let health = is_down(&app).await;
    assert!(health.contains("`rash` is recovering") && health.contains("404"), "{health}");
    assert!(!health.contains("`calm`"), "{health}");
    again(&mut told, &hand).await;
    publish(&broker, "", "calm", "milk").await;
    while told.next().await != "milk" {}
    assert_eq!(link.attempts(), 1, "the connection was never to blame");
    app.force_stop().await.unwrap();
}

/// Lets time pass until a message comes again.
async fn again(told: &mut Told<String>, hand: &ManualClock) {
    eventually("it is delivered again", async || {
        hand.advance(LONG);
        (!told.is_silent()).then_some(())
    })
    .await;
    assert_eq!(told.next().await, "tea");
}

#[tokio::test]
async fn a_queue_that_cannot_be_declared_makes_its_own_listener_red() {
    let (link, _broker, hand) = SwitchLink::on();
    let (seen, mut told) = telling::<String>();
    let app = Springhare::builder()
        .link(link.clone())
        .listeners(listeners![kept, calm])
        .manage(seen)
        .start()
        .await
        .unwrap();
    link.kill_broker();
    is_down(&app).await;
    let broker = with_another_queue(&link).await;
    eventually("the other listener works", async || {
        hand.advance(LONG);
        (status(&app, "calm") == ListenerStatus::Consuming).then_some(())
    })
    .await;
    let health = eventually("the health tells what differs", async || {
        hand.advance(LONG);
        let health = app.health().to_string();
        health.contains("inequivalent arg 'durable'").then_some(health)
    });
    let health = health.await;
    assert!(health.starts_with("down: listener `kept` is recovering: 406"), "{health}");
    assert_eq!(consumers(&broker, "kept").await, Some(0), "it is not consumed from as it is");
    publish(&broker, "", "calm", "milk").await;
    assert_eq!(told.next().await, "milk");

    channel_of(&broker).queue_delete("kept", QueueDeleteOptions::default()).await.unwrap();
    is_up_again(&app, &hand).await;
    publish(&broker, "news", "", "tea").await;
    assert_eq!(told.next().await, "tea");
    app.stop().await.unwrap();
}

/// A broker at the link's end that has the queue `kept` otherwise.
async fn with_another_queue(link: &SwitchLink) -> Broker {
    let broker = link.new_broker();
    channel_of(&broker).queue_declare("kept", Default::default()).await.unwrap();
    link.connect_to(&broker);
    broker
}
