//! What a newcomer to queues expects to hold.

use std::collections::BTreeSet;

use springhare::prelude::*;
use springhare::{Error, SpringhareBuilder};
use springhare_tests::{Gate, Tell, telling, within_limit};

use crate::place::Place;

application!(
    a_queues_definition_is_the_same_wherever_it_is_declared,
    an_exclusive_queue_serves_one_connection,
    an_auto_delete_queue_goes_with_its_last_consumer,
    without_prefetch_work_is_dealt_evenly_however_slow_one_is,
    with_a_prefetch_of_one_the_faster_gets_more,
    what_one_of_four_consumers_takes_no_other_takes,
    an_unsigned_message_comes_back_when_its_consumer_dies,
);

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

async fn a_queues_definition_is_the_same_wherever_it_is_declared(place: &Place) {
    let builder = || place.builder();
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
    let both = refused(place.builder().listeners(listeners![agreed, longer])).await;
    assert!(both.contains("'f.agreed'") && both.contains("x-max-length"), "{both}");
    place.has_consumers("f.agreed", Some(2)).await;
    same.stop().await.unwrap();
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "f.mine", exclusive = true)]
async fn mine(word: Text, seen: State<Tell<String>>) {
    seen.tell(word.0);
}

async fn an_exclusive_queue_serves_one_connection(place: &Place) {
    let builder = || place.builder().listeners(listeners![mine]);
    let (seen, mut words) = telling::<String>();
    let app = builder().manage(seen).start().await.unwrap();
    let (other, unheard) = telling::<String>();
    let text = refused(builder().manage(other)).await;
    assert!(text.contains("RESOURCE_LOCKED") && text.contains("'f.mine'"), "{text}");
    app.rabbit_template().convert_and_send("f.mine", "tea").await.unwrap();
    assert_eq!(words.next().await, "tea", "the first is not disturbed");
    app.stop().await.unwrap();
    // It goes with its connection.
    place.has_consumers("f.mine", None).await;
    let (next, _words) = telling::<String>();
    builder().manage(next).start().await.unwrap().stop().await.unwrap();
    assert!(unheard.is_silent());
}

#[rabbit_listener(id = "f.first", queue = "f.passing", auto_delete = true)]
async fn first(_word: Text) {}

#[rabbit_listener(id = "f.last", queue = "f.passing", auto_delete = true)]
async fn last(_word: Text) {}

async fn an_auto_delete_queue_goes_with_its_last_consumer(place: &Place) {
    let app = place.builder().listeners(listeners![first, last]).start().await.unwrap();
    place.has_consumers("f.passing", Some(2)).await;
    app.stop_listener("f.first").await.unwrap();
    place.has_consumers("f.passing", Some(1)).await;
    app.stop().await.unwrap();
    place.has_consumers("f.passing", None).await;
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

async fn without_prefetch_work_is_dealt_evenly_however_slow_one_is(place: &Place) {
    let (seen, mut hands) = telling::<&'static str>();
    let gate = Gate::closed();
    let app = place
        .builder()
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
    // The slow one has its half.
    place.has_left("f.dealt", 0).await;
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

async fn with_a_prefetch_of_one_the_faster_gets_more(place: &Place) {
    let (seen, mut hands) = telling::<&'static str>();
    let gate = Gate::closed();
    let app = place
        .builder()
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
    place.has_left("f.able", 0).await;
    gate.let_through(1);
    assert_eq!(hands.next().await, "slow");
    app.stop().await.unwrap();
    assert!(hands.is_silent());
}

#[rabbit_listener(queue = "f.many", concurrency = 4, prefetch = 1)]
async fn many(number: Json<u32>, tag: ConsumerTag, seen: State<Tell<(String, u32)>>) {
    seen.tell((tag.as_str().to_owned(), number.0));
    tokio::task::yield_now().await;
}

async fn what_one_of_four_consumers_takes_no_other_takes(place: &Place) {
    let (seen, mut told) = telling::<(String, u32)>();
    let app = place.builder().listeners(listeners![many]).manage(seen).start().await.unwrap();
    place.has_consumers("f.many", Some(4)).await;
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..100_u32).map(|n| ("f.many", n.to_string()))).await.unwrap();
    let mut consumers = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for _ in 0..100 {
        let (consumer, number) = told.next().await;
        consumers.insert(consumer);
        numbers.insert(number);
    }
    assert_eq!(numbers.len(), 100);
    assert_eq!(consumers.len(), 4);
    app.stop().await.unwrap();
    assert!(told.is_silent());
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

async fn an_unsigned_message_comes_back_when_its_consumer_dies(place: &Place) {
    for death in [Death::Stopped, Death::Forced, Death::Dropped] {
        let start = async || {
            let (held, tags) = telling::<Tag>();
            let builder = place.builder();
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
        place.has_consumers("f.unsigned", Some(0)).await;
        let (next, mut tags) = start().await;
        let (_tag, redelivered) = tags.next().await;
        assert!(redelivered, "{death:?}");
        next.force_stop().await.unwrap();
        place.has_left("f.unsigned", 1).await;
        place.channel().await.queue_purge("f.unsigned").await.unwrap();
    }
}
