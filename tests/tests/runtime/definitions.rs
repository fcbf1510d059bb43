//! What is told of a definition: the same one in two places is one, a wrong one stops the start
//! with its place, and what a broker refuses is told in the broker's words.

use std::time::Duration;

use springhare::prelude::*;
use springhare::{DeadLetterStrategy, Declaration, Error, ExchangeType, Overflow};

use crate::support::broker;

mod twice {
    use super::*;

    #[rabbit_listener(
        queue = "twice",
        arguments(max_priority = 10, ttl = "10s", max_length = 5, "x-own" = 3)
    )]
    pub(super) async fn ranked(_body: Bytes) {}

    #[rabbit_listener(queue = "taken", arguments(max_length = 5))]
    pub(super) async fn taken(_body: Bytes) {}

    #[rabbit_listener(
        queue = "surely",
        arguments(queue_type = "quorum", dead_letter_strategy = "at-least-once")
    )]
    pub(super) async fn surely(_body: Bytes) {}
}

#[tokio::test]
async fn the_same_queue_by_builder_and_by_arguments_is_one() {
    let queue = Queue::durable("twice")
        .argument("x-own", 3_u16)
        .max_length(5)
        .ttl(Duration::from_secs(10))
        .max_priority(10);
    let builder = Springhare::builder().broker(broker().0).listeners(listeners![twice::ranked]);
    builder.declare(queue).start().await.unwrap().stop().await.unwrap();
}

/// What is told of these items, which nobody listens to.
async fn faults(items: Vec<Declaration>) -> Vec<String> {
    let builder = Springhare::builder().broker(broker().0).listeners(listeners![]);
    match items.into_iter().fold(builder, |builder, item| builder.declare(item)).start().await {
        Ok(app) => {
            app.stop().await.unwrap();
            Vec::new()
        }
        Err(Error::Start(error)) => {
            for fault in error.faults() {
                let [place] = fault.places() else { panic!("{fault}") };
                assert!(place.file.ends_with("definitions.rs"), "{fault}");
            }
            error.faults().iter().map(|fault| fault.text().to_owned()).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_a_broker_refuses_is_told_as_it_is() {
    let told = faults(vec![Queue::durable("new").argument("x-message-ttl", -5).into()]).await;
    let [text] = told.as_slice() else { panic!("{told:?}") };
    assert!(
        text.contains("the broker refuses queue 'new' as durable, x-message-ttl = -5"),
        "{text}"
    );
    assert!(text.contains("invalid arg 'x-message-ttl'"), "{text}");
    assert!(!text.contains("otherwise") && !text.contains("delete the queue"), "{text}");

    let (broker, _hand) = broker();
    let builder = || Springhare::builder().broker(broker.clone());
    let other = Queue::durable("taken").max_length(6);
    let app = builder().listeners(listeners![]).declare(other).start().await.unwrap();
    app.stop().await.unwrap();
    let Err(error) = builder().listeners(listeners![twice::taken]).start().await else {
        panic!("it started")
    };
    let text = error.to_string();
    assert!(text.contains("the broker has it otherwise"), "{text}");
    assert!(text.contains("inequivalent arg 'x-max-length'"), "{text}");
}

#[tokio::test]
async fn values_that_can_not_be_are_told_at_start() {
    let long = || "x".repeat(256);
    let quorum = || Queue::durable("q").quorum();
    let surely = |queue: Queue| queue.dead_letter_strategy(DeadLetterStrategy::AtLeastOnce);
    let bound = |exchange: Exchange, key: &str| -> Vec<Declaration> {
        let binding = Binding::queue("q").to(&exchange).with(key);
        vec![Queue::durable("q").into(), exchange.into(), binding.into()]
    };
    let delayed = || Exchange::delayed("d", ExchangeType::ConsistentHash);
    for (items, words) in [
        (vec![Queue::durable("q").max_priority(0).into()], "`x-max-priority` of 0"),
        (vec![Queue::durable("q").stream().max_age(Duration::MAX).into()], "ten years"),
        (vec![Queue::durable("q").dead_letter(long()).into()], "256 bytes"),
        (vec![Queue::durable("q").dead_letter_queue(long()).into()], "256 bytes"),
        (vec![Exchange::direct("d").alternate(long()).into()], "256 bytes"),
        (vec![surely(quorum().dead_letter("amq.fanout")).into()], "`reject-publish`"),
        (
            vec![surely(quorum().overflow(Overflow::RejectPublish)).into()],
            "no exchange to send them to",
        ),
        (vec![Exchange::topic("d").hash_header("h").into()], "hash-header"),
        (
            vec![
                Exchange::delayed("d", ExchangeType::Topic)
                    .hash_property(springhare::HashProperty::MessageId)
                    .into(),
            ],
            "hash-property",
        ),
        (bound(Exchange::consistent_hash("d"), "1000001"), "no weight"),
        (bound(delayed(), "abc"), "no weight"),
    ] {
        let told = faults(items).await;
        let [text] = told.as_slice() else { panic!("{words}: {told:?}") };
        assert!(text.contains(words), "{words}: {text}");
    }
    for items in [
        vec![Queue::durable("q").max_priority(1).into()],
        bound(delayed().hash_header("h"), "1000000"),
        vec![surely(quorum().dead_letter("amq.fanout").overflow(Overflow::RejectPublish)).into()],
    ] {
        assert_eq!(faults(items).await, Vec::<String>::new());
    }
    // A listener's arguments are held to the same.
    let error = Springhare::builder().listeners(listeners![twice::surely]).start().await;
    let text = error.map(drop).unwrap_err().to_string();
    assert!(text.contains("no exchange to send them to"), "{text}");
}
