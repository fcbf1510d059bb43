use springhare::__private::{Argument, ListenerAttributes, ListenerItem, RabbitListenerEndpoint};
use springhare::prelude::*;
use springhare::{Concurrency, Error, ListenerStatus};
use springhare_tests::{Tell, Told, eventually, telling};

use crate::place::Place;

application!(
    a_second_program_stands_by_and_takes_over_from_an_exclusive_consumer,
    a_listener_that_is_started_later_stands_by_too,
    an_exclusive_consumer_has_no_second_one,
    a_consumers_arguments_reach_the_broker,
    a_consumer_may_have_arguments_that_nobody_knows,
);

type Said = State<Tell<String>>;

#[rabbit_listener(id = "x.alone", queue = "x.alone", exclusive_consumer)]
async fn alone(text: Text, said: Said) {
    said.tell(text.0);
}

/// A program of its own on the same broker.
async fn program(place: &Place) -> (Springhare, Told<String>) {
    let (said, told) = telling::<String>();
    let builder = place.builder().listeners(listeners![alone]).manage(said);
    (builder.start().await.unwrap(), told)
}

fn status(app: &Springhare) -> ListenerStatus {
    app.listener("x.alone").unwrap().status()
}

async fn stands_by(app: &Springhare) {
    eventually("it stands by", async || {
        let ListenerStatus::StandingBy { reason } = status(app) else { return None };
        assert!(reason.contains("in exclusive use"), "{reason}");
        Some(())
    })
    .await;
    assert!(app.health().is_up(), "who stands by is well: {}", app.health());
}

async fn a_second_program_stands_by_and_takes_over_from_an_exclusive_consumer(place: &Place) {
    let (first, mut told_first) = program(place).await;
    let (second, mut told_second) = program(place).await;
    stands_by(&second).await;
    assert_eq!(status(&first), ListenerStatus::Consuming);
    assert_eq!(place.consumers("x.alone").await, Some(1));
    let rabbit = second.rabbit_template();
    rabbit.convert_and_send("x.alone", "to the first").await.unwrap();
    assert_eq!(told_first.next().await, "to the first");
    first.stop().await.unwrap();
    rabbit.convert_and_send("x.alone", "to the second").await.unwrap();
    assert_eq!(told_second.next().await, "to the second");
    assert_eq!(status(&second), ListenerStatus::Consuming);
    second.stop().await.unwrap();
}

async fn a_listener_that_is_started_later_stands_by_too(place: &Place) {
    let (first, _told) = program(place).await;
    first.stop_listener("x.alone").await.unwrap();
    let (second, mut told) = program(place).await;
    assert_eq!(status(&second), ListenerStatus::Consuming);
    first.start_listener("x.alone").await.unwrap();
    stands_by(&first).await;
    first.stop_listener("x.alone").await.unwrap();
    assert_eq!(status(&first), ListenerStatus::Stopped, "who stands by can be stopped");
    second.rabbit_template().convert_and_send("x.alone", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea");
    second.stop().await.unwrap();
    first.stop().await.unwrap();
}

#[rabbit_listener(queue = "x.alone")]
async fn beside(_text: Text) {}

async fn an_exclusive_consumer_has_no_second_one(place: &Place) {
    let (first, _told) = program(place).await;
    let refused = place.builder().listeners(listeners![beside]).start().await.unwrap_err();
    assert!(refused.to_string().contains("in exclusive use"), "{refused}");
    let listener = first.listener("x.alone").unwrap();
    let several = listener.set_concurrency(2).await.unwrap_err();
    assert!(several.to_string().contains("exclusive consumer"), "{several}");
    // The more is what counts, on whichever side it stands.
    listener.set_concurrency(Concurrency { min: 3, max: 1 }).await.unwrap_err();
    listener.set_concurrency(1).await.unwrap();
    first.stop().await.unwrap();
}

#[rabbit_listener(queue = "x.arguments")]
async fn with_arguments(_text: Text) {}

/// What the attribute refuses by name, so that the broker has something to refuse.
const WRONG_PRIORITY: &[(&str, Argument<'static>)] = &[("x-priority", Argument::Text("high"))];

async fn a_consumers_arguments_reach_the_broker(place: &Place) {
    let [model] = <with_arguments as ListenerItem>::ENDPOINTS else { panic!("one") };
    let attributes = ListenerAttributes { consumer_arguments: WRONG_PRIORITY, ..model.attributes };
    let wrong: &'static RabbitListenerEndpoint =
        Box::leak(Box::new(RabbitListenerEndpoint { attributes, ..**model }));
    let listeners: &'static [_] = Box::leak(Box::new([wrong]));
    let refused = place.builder().listeners([listeners]).start().await.unwrap_err();
    assert!(matches!(refused, Error::Start(_)), "{refused}");
    let refused = refused.to_string();
    assert!(refused.contains("invalid arg 'x-priority'"), "{refused}");
    assert!(refused.contains("consumers.rs:"), "{refused}");
}

#[rabbit_listener(
    queue = "x.own",
    consumer_arguments("x-cancel-on-ha-failover" = true, "x-own" = "${x.own:text}", "x-level" = 3)
)]
async fn with_own(text: Text, said: Said) {
    said.tell(text.0);
}

async fn a_consumer_may_have_arguments_that_nobody_knows(place: &Place) {
    let (said, mut told) = telling::<String>();
    let builder = place.builder().listeners(listeners![with_own]).manage(said);
    let app = builder.start().await.unwrap();
    app.rabbit_template().convert_and_send("x.own", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea");
    app.stop().await.unwrap();
}
