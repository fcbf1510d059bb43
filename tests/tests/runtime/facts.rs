//! What a newcomer to queues expects to hold.

use springhare::prelude::*;
use springhare::{Error, SpringhareBuilder};
use springhare_broker::Broker;
use springhare_tests::{eventually, within_limit};

use crate::support::{Gate, Tell, broker, consumers, ready, telling};

type Tag = (DeliveryTag, bool);

/// Why the application did not start.
async fn refused(builder: SpringhareBuilder) -> String {
    match builder.start().await {
        Err(Error::Start(error)) => error.to_string(),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it started"),
    }
}

#[rabbit_listener(queue = "f.agreed", arguments("x-max-length" = 5))]
async fn agreed(_word: Text) {}

#[rabbit_listener(queue = "f.agreed", arguments("x-max-length" = 5), durable = false)]
async fn not_durable(_word: Text) {}

#[rabbit_listener(queue = "f.agreed", arguments("x-max-length" = 5), auto_delete = true)]
async fn passing(_word: Text) {}

#[rabbit_listener(queue = "f.agreed", arguments("x-max-length" = 6))]
async fn longer(_word: Text) {}

#[tokio::test]
async fn a_queues_definition_is_the_same_wherever_it_is_declared() {
    let (broker, _hand) = broker();
    let builder = || Springhare::builder().broker(broker.clone());
    let app = builder().listeners(listeners![agreed]).start().await.unwrap();
    let same = builder().listeners(listeners![agreed]).start().await.unwrap();
    for (listeners, argument) in [
        (listeners![not_durable], "durable"),
        (listeners![passing], "auto_delete"),
        (listeners![longer], "x-max-length"),
    ] {
        let text = refused(builder().listeners(listeners)).await;
        let inequivalent = format!("inequivalent arg '{argument}' for queue 'f.agreed'");
        assert!(text.contains(&inequivalent) && text.contains("facts.rs:"), "{text}");
    }
    let both = refused(Springhare::builder().listeners(listeners![agreed, longer])).await;
    assert!(both.contains("'f.agreed'") && both.contains("x-max-length"), "{both}");
    assert_eq!(consumers(&broker, "f.agreed").await, Some(2));
    same.stop().await.unwrap();
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "f.mine", exclusive = true)]
async fn mine(word: Text, seen: State<Tell<String>>) {
    seen.tell(word.0);
}

#[tokio::test]
async fn an_exclusive_queue_serves_one_connection() {
    let (broker, _hand) = broker();
    let builder = || Springhare::builder().broker(broker.clone()).listeners(listeners![mine]);
    let (seen, mut words) = telling::<String>();
    let app = builder().manage(seen).start().await.unwrap();
    let (other, unheard) = telling::<String>();
    let text = refused(builder().manage(other)).await;
    assert!(text.contains("RESOURCE_LOCKED") && text.contains("'f.mine'"), "{text}");
    app.rabbit_template().convert_and_send("f.mine", "tea").await.unwrap();
    assert_eq!(words.next().await, "tea", "the first is not disturbed");
    app.stop().await.unwrap();
    assert_eq!(consumers(&broker, "f.mine").await, None, "it goes with its connection");
    let (next, _words) = telling::<String>();
    builder().manage(next).start().await.unwrap().stop().await.unwrap();
    assert!(unheard.is_silent());
}

#[rabbit_listener(id = "f.first", queue = "f.passing", auto_delete = true)]
async fn first(_word: Text) {}

#[rabbit_listener(id = "f.last", queue = "f.passing", auto_delete = true)]
async fn last(_word: Text) {}

#[tokio::test]
async fn an_auto_delete_queue_goes_with_its_last_consumer() {
    let (broker, _hand) = broker();
    let app = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![first, last])
        .start()
        .await
        .unwrap();
    assert_eq!(consumers(&broker, "f.passing").await, Some(2));
    app.stop_listener("f.first").await.unwrap();
    assert_eq!(consumers(&broker, "f.passing").await, Some(1));
    app.stop().await.unwrap();
    assert_eq!(consumers(&broker, "f.passing").await, None);
}

#[rabbit_listener(queue = "f.dealt")]
async fn left_hand(_word: Text, seen: State<Tell<&'static str>>) {
    seen.tell("left");
}

#[rabbit_listener(queue = "f.dealt")]
async fn right_hand(_word: Text, gate: State<Gate>, seen: State<Tell<&'static str>>) {
    gate.pass().await;
    seen.tell("right");
}

#[tokio::test]
async fn without_prefetch_work_is_dealt_evenly_however_slow_one_is() {
    let (seen, mut hands) = telling::<&'static str>();
    let gate = Gate::closed();
    let app = Springhare::builder()
        .listeners(listeners![left_hand, right_hand])
        .manage(gate.clone())
        .manage(seen)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..100).map(|n| ("f.dealt", n.to_string()))).await.unwrap();
    for _ in 0..50 {
        assert_eq!(hands.next().await, "left");
    }
    assert_eq!(ready(&rabbit, "f.dealt").await, 0, "the slow one has its half");
    assert!(hands.is_silent());
    gate.let_through(50);
    for _ in 0..50 {
        assert_eq!(hands.next().await, "right");
    }
    app.stop().await.unwrap();
    assert!(hands.is_silent());
}

#[rabbit_listener(queue = "f.able", prefetch = 1)]
async fn fast(_word: Text, seen: State<Tell<&'static str>>) {
    seen.tell("fast");
}

#[rabbit_listener(queue = "f.able", prefetch = 1)]
async fn slow(_word: Text, gate: State<Gate>, seen: State<Tell<&'static str>>) {
    gate.pass().await;
    seen.tell("slow");
}

#[tokio::test]
async fn with_a_prefetch_of_one_the_faster_gets_more() {
    let (seen, mut hands) = telling::<&'static str>();
    let gate = Gate::closed();
    let app = Springhare::builder()
        .listeners(listeners![fast, slow])
        .manage(gate.clone())
        .manage(seen)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..100).map(|n| ("f.able", n.to_string()))).await.unwrap();
    for _ in 0..99 {
        assert_eq!(hands.next().await, "fast");
    }
    assert_eq!(ready(&rabbit, "f.able").await, 0);
    gate.let_through(1);
    assert_eq!(hands.next().await, "slow");
    app.stop().await.unwrap();
    assert!(hands.is_silent());
}

#[rabbit_listener(queue = "f.unsigned", ack = "manual")]
async fn unsigned(tag: DeliveryTag, redelivered: Redelivered, held: State<Tell<Tag>>) {
    held.tell((tag, redelivered.is_redelivered()));
}

/// How a consumer dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    Stopped,
    Forced,
    Dropped,
}

#[tokio::test]
async fn an_unsigned_message_comes_back_when_its_consumer_dies() {
    for death in [Death::Stopped, Death::Forced, Death::Dropped] {
        // A stop may wait for the signature that never comes, so this clock runs.
        let broker = Broker::builder().start().unwrap();
        let start = async || {
            let (held, tags) = telling::<Tag>();
            let builder = Springhare::builder().broker(broker.clone());
            let app = builder.listeners(listeners![unsigned]).manage(held).start().await.unwrap();
            (app, tags)
        };
        let (app, mut tags) = start().await;
        app.rabbit_template().convert_and_send("f.unsigned", "tea").await.unwrap();
        let (_never_signed, redelivered) = tags.next().await;
        assert!(!redelivered);
        match death {
            Death::Stopped => within_limit("the stop", app.stop()).await.unwrap(),
            Death::Forced => within_limit("the stop", app.force_stop()).await.unwrap(),
            Death::Dropped => drop(app),
        }
        eventually("its consumer is gone", async || {
            (consumers(&broker, "f.unsigned").await == Some(0)).then_some(())
        })
        .await;
        let (next, mut tags) = start().await;
        let (_tag, redelivered) = tags.next().await;
        assert!(redelivered, "{death:?}");
        next.force_stop().await.unwrap();
    }
}
