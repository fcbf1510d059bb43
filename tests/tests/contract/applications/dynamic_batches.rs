//! Listeners of batches that are made while the program runs.

use std::time::Duration;

use springhare::prelude::*;
use springhare::{BatchError, BatchSize};
use springhare_tests::{Gate, Tell, Told, arrives, header_text, telling};

use crate::place::Place;

application!(
    a_made_listener_takes_full_batches_and_those_whose_time_is_up,
    what_a_made_batch_can_not_read_is_taken_out_of_it,
    each_message_of_a_made_batch_may_have_its_outcome,
    a_failure_of_one_message_parts_a_made_batch,
    what_a_made_batch_can_not_mean_is_told,
);

type Said = State<Tell<Vec<String>>>;

const LONG: Duration = Duration::from_secs(600);

async fn start(place: &Place) -> (Springhare, Told<Vec<String>>) {
    let (said, told) = telling::<Vec<String>>();
    let builder = place.builder().listeners(listeners![]).manage(said);
    (builder.start().await.unwrap(), told)
}

async fn send(app: &Springhare, queue: &'static str, texts: &[&str]) {
    let messages: Vec<_> = texts.iter().map(|text| (queue, (*text).to_owned())).collect();
    app.rabbit_template().convert_and_send_all(messages).await.unwrap();
}

fn strings(numbers: Vec<Json<u32>>) -> Vec<String> {
    numbers.into_iter().map(|Json(number)| number.to_string()).collect()
}

async fn a_made_listener_takes_full_batches_and_those_whose_time_is_up(place: &Place) {
    let (app, mut told) = start(place).await;
    let full = Listener::queue("mb.full").batch(3).batch_timeout(LONG).prefetch(2).handler(
        |numbers: Vec<Json<u32>>, keys: Vec<RoutingKey>, size: BatchSize, said: Said| async move {
            assert_eq!((keys.len(), size.value()), (3, 3));
            said.tell(strings(numbers));
        },
    );
    app.listeners().add(full).await.unwrap();
    send(&app, "mb.full", &["1", "2", "3", "4"]).await;
    assert_eq!(told.next().await, ["1", "2", "3"]);
    let short = Duration::from_millis(50);
    let some = Listener::queue("mb.some")
        .batch(100)
        .batch_timeout(short)
        .handler(|numbers: Vec<Json<u32>>, said: Said| async move { said.tell(strings(numbers)) });
    app.listeners().add(some).await.unwrap();
    send(&app, "mb.some", &["7"]).await;
    assert_eq!(told.next().await, ["7"]);
    app.stop().await.unwrap();
    assert_eq!(place.left("mb.some").await, 0);
}

async fn what_a_made_batch_can_not_read_is_taken_out_of_it(place: &Place) {
    let (app, mut told) = start(place).await;
    let read = Listener::queue("mb.read")
        .batch(3)
        .batch_timeout(LONG)
        .handler(|numbers: Vec<Json<u32>>, said: Said| async move { said.tell(strings(numbers)) });
    app.listeners().add(read).await.unwrap();
    send(&app, "mb.read", &["1", "x", "3"]).await;
    assert_eq!(told.next().await, ["1", "3"]);
    let parked = arrives(&app.rabbit_template(), "mb.read.error").await;
    assert_eq!(
        (&*parked.body, &*header_text(&parked, "x-springhare-reason")),
        (&b"x"[..], "fatal")
    );
    // None that can be read, and nobody is called.
    send(&app, "mb.read", &["y", "y", "y"]).await;
    for _ in 0..3 {
        assert_eq!(&*arrives(&app.rabbit_template(), "mb.read.error").await.body, b"y");
    }
    assert!(told.is_silent());
    app.stop().await.unwrap();
}

/// Refuses what is `bad`.
async fn each(texts: Vec<Text>, said: Said) -> Vec<Outcome> {
    said.tell(texts.iter().map(|text| text.0.clone()).collect());
    let outcome = |text: Text| match text.0.as_str() {
        "bad" => Outcome::Reject,
        _ => Outcome::Ack,
    };
    texts.into_iter().map(outcome).collect()
}

async fn each_message_of_a_made_batch_may_have_its_outcome(place: &Place) {
    let (app, mut told) = start(place).await;
    let queue = Queue::durable("mb.each").dead_letter("").dead_letter_routing_key("mb.dead");
    app.declare(queue).await.unwrap();
    app.declare(Queue::durable("mb.dead")).await.unwrap();
    let listener = Listener::queue("mb.each").batch(3).batch_timeout(LONG).handler(each);
    app.listeners().add(listener).await.unwrap();
    send(&app, "mb.each", &["tea", "bad", "milk"]).await;
    assert_eq!(told.next().await, ["tea", "bad", "milk"]);
    assert_eq!(&*arrives(&app.rabbit_template(), "mb.dead").await.body, b"bad");
    app.stop().await.unwrap();
    assert_eq!(place.left("mb.each").await, 0);
}

async fn a_failure_of_one_message_parts_a_made_batch(place: &Place) {
    let (app, mut told) = start(place).await;
    let parted = Listener::queue("mb.parted")
        .batch(3)
        .batch_timeout(Duration::from_millis(50))
        .max_attempts(1)
        .handler(|texts: Vec<Text>, said: Said| async move {
            said.tell(texts.iter().map(|text| text.0.clone()).collect());
            match texts.iter().position(|text| text.0 == "bad") {
                Some(index) => Err(BatchError::at(index, ListenerError::msg("no van")).into()),
                None => ListenerResult::Ok(()),
            }
        });
    app.listeners().add(parted).await.unwrap();
    send(&app, "mb.parted", &["tea", "bad", "milk"]).await;
    // What is behind the bad one comes again. On a slow machine they may come in several batches.
    loop {
        let batch = told.next().await;
        if batch.last().is_some_and(|last| last == "milk") && !batch.contains(&"bad".to_owned()) {
            assert_eq!(batch, ["milk"]);
            break;
        }
    }
    assert_eq!(&*arrives(&app.rabbit_template(), "mb.parted.error").await.body, b"bad");
    app.stop().await.unwrap();
    assert_eq!(place.left("mb.parted").await, 0);
}

async fn what_a_made_batch_can_not_mean_is_told(place: &Place) {
    let (app, _told) = start(place).await;
    let lists = |_texts: Vec<Text>| async {};
    let new = |size| Listener::queue("mb.new").batch(size);
    for (listener, words) in [
        (new(0).handler(lists), "at least one message"),
        (new(3).circuit(2, LONG).handler(lists), "counts single messages"),
        (new(3).retry(|retry| retry.max_attempts(2)).handler(lists), "not called again in memory"),
        (new(3).batch_timeout(2 * LONG).handler(lists), "is 1200s, and 900s at most"),
        (
            new(3).partition_by(springhare::PartitionBy::RoutingKey).handler(lists),
            "a batch mixes keys",
        ),
        (
            new(3).ack(springhare::AcknowledgeMode::First).handler(lists),
            "the function takes batches",
        ),
        (new(3).handler(|_texts: Vec<Text>, _: State<Gate>| async {}), "needs a `State<"),
    ] {
        let text = app.listeners().add(listener).await.unwrap_err().to_string();
        assert!(text.contains(words), "{text}\n instead of {words}");
    }
    app.stop().await.unwrap();
}
