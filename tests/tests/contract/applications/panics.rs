//! Whatever of the application's own code panics: the listener goes on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use springhare::OnError;
use springhare::prelude::*;
use springhare_tests::{Tell, Told, arrives, header_text, telling};

use crate::place::Place;

application!(
    a_rule_that_panics_has_no_opinion,
    an_error_that_can_not_be_told_is_a_failure_like_any_other,
    a_consumer_whose_work_panics_starts_again,
);

type Said = State<Tell<String>>;

/// An error whose text can't be made.
#[derive(Debug)]
struct Untold;

impl fmt::Display for Untold {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("a text of the test")
    }
}

impl std::error::Error for Untold {}

/// An error that panics as it is dropped, once.
#[derive(Debug)]
struct Sticky(Arc<AtomicBool>);

impl fmt::Display for Sticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sticky")
    }
}

impl std::error::Error for Sticky {}

impl Drop for Sticky {
    fn drop(&mut self) {
        assert!(self.0.swap(true, Ordering::Relaxed), "a drop of the test");
    }
}

fn fails(text: &str, has_stuck: &Arc<AtomicBool>) -> ListenerResult {
    match text {
        "untold" => Err(ListenerError::fatal(Untold)),
        "sticky" => Err(ListenerError::immediate_acknowledge(Sticky(Arc::clone(has_stuck)))),
        "plain" => Err(ListenerError::msg("plain")),
        _ => Ok(()),
    }
}

#[rabbit_listener(queue = "p.one")]
async fn one(text: Text, said: Said, has_stuck: State<Arc<AtomicBool>>) -> ListenerResult {
    said.tell(text.0.clone());
    fails(&text.0, &has_stuck)
}

#[rabbit_listener(queue = "p.keyed", partition_by = "routing_key", concurrency = 2)]
async fn keyed(text: Text, said: Said, has_stuck: State<Arc<AtomicBool>>) -> ListenerResult {
    said.tell(text.0.clone());
    fails(&text.0, &has_stuck)
}

#[rabbit_listener(queue = "p.several", batch = 1)]
async fn several(
    texts: Vec<Text>,
    said: Said,
    has_stuck: State<Arc<AtomicBool>>,
) -> ListenerResult {
    said.tell(texts[0].0.clone());
    fails(&texts[0].0, &has_stuck)
}

const QUEUES: [&str; 3] = ["p.one", "p.keyed", "p.several"];

async fn start(
    place: &Place,
    build: impl FnOnce(springhare::SpringhareBuilder) -> springhare::SpringhareBuilder,
) -> (Springhare, Told<String>) {
    let (said, told) = telling::<String>();
    let builder = place.builder().listeners(listeners![one, keyed, several]);
    let builder = build(builder).manage(said).manage(Arc::new(AtomicBool::new(false)));
    (builder.start().await.unwrap(), told)
}

/// The listener of the queue takes another message.
async fn goes_on(rabbit: &RabbitTemplate, told: &mut Told<String>, queue: &'static str) {
    rabbit.convert_and_send(queue, "tea").await.unwrap();
    assert_eq!(told.next().await, "tea", "{queue}");
}

async fn a_rule_that_panics_has_no_opinion(place: &Place) {
    let build = |builder: springhare::SpringhareBuilder| {
        builder
            .classify(|error| match &*error.report() {
                "plain" => panic!("a rule of the test"),
                _ => None,
            })
            .classify(|_| Some(OnError::Park))
    };
    let (app, mut told) = start(place, build).await;
    let rabbit = app.rabbit_template();
    for queue in QUEUES {
        rabbit.convert_and_send(queue, "plain").await.unwrap();
        assert_eq!(told.next().await, "plain");
        let parked = arrives(&rabbit, &format!("{queue}.error")).await;
        assert_eq!(header_text(&parked, "x-exception-message"), "plain", "the next rule decides");
        goes_on(&rabbit, &mut told, queue).await;
    }
    app.stop().await.unwrap();
}

async fn an_error_that_can_not_be_told_is_a_failure_like_any_other(place: &Place) {
    let (app, mut told) = start(place, |builder| builder).await;
    let rabbit = app.rabbit_template();
    for queue in QUEUES {
        rabbit.convert_and_send(queue, "untold").await.unwrap();
        assert_eq!(told.next().await, "untold");
        let parked = arrives(&rabbit, &format!("{queue}.error")).await;
        let text = header_text(&parked, "x-exception-message");
        assert!(text.contains("panicked") && text.contains("a text of the test"), "{text}");
        goes_on(&rabbit, &mut told, queue).await;
    }
    app.stop().await.unwrap();
}

async fn a_consumer_whose_work_panics_starts_again(place: &Place) {
    for queue in QUEUES {
        let (app, mut told) = start(place, |builder| builder).await;
        let rabbit = app.rabbit_template();
        let texts = ["green", "sticky", "tea"];
        rabbit.convert_and_send_all(texts.map(|text| (queue, text))).await.unwrap();
        // What it held comes again, and not what was done.
        for text in ["green", "sticky", "sticky", "tea"] {
            assert_eq!(told.next().await, text, "{queue}");
        }
        app.stop().await.unwrap();
    }
}
