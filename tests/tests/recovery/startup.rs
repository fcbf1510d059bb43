use std::time::Duration;

use springhare::prelude::*;
use springhare::{Error, ListenerStatus, STARTUP_WAIT, SpringhareBuilder, Startup};
use springhare_broker::QueueDeclareOptions;
use springhare_tests::{eventually, within_limit};

use crate::support::{
    LONG, Tell, Told, channel_of, consumers, is_up_again, publish, status, telling,
};
use crate::switch_link::{ADDRESS, SwitchLink};

#[rabbit_listener(id = "patient", queue = "patient", concurrency = 2)]
async fn patient(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

fn builder(link: &SwitchLink) -> (SpringhareBuilder, Told<String>) {
    let (seen, told) = telling::<String>();
    let builder = Springhare::builder().link(link.clone()).listeners(listeners![patient]);
    (builder.manage(seen), told)
}

#[tokio::test]
async fn a_start_waits_for_its_broker() {
    let (link, hand) = SwitchLink::off();
    let (builder, mut told) = builder(&link);
    let starting = tokio::spawn(builder.start());
    eventually("it has tried more than once", async || {
        hand.advance(Duration::from_millis(100));
        (link.attempts() > 1).then_some(())
    })
    .await;
    assert!(!starting.is_finished());
    let broker = link.new_broker();
    link.connect_to(&broker);
    hand.advance(LONG);
    let app = within_limit("the start", starting).await.unwrap().unwrap();
    assert!(app.health().is_up());
    app.rabbit_template().convert_and_send("patient", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_start_that_has_waited_long_enough_fails_with_the_last_error() {
    let (link, hand) = SwitchLink::off();
    let starting = tokio::spawn(builder(&link).0.start());
    let error = eventually("the start gives up", async || {
        hand.advance(Duration::from_secs(1));
        starting.is_finished().then_some(())
    });
    error.await;
    let error = starting.await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::Link(_)), "{error}");
    assert!(error.to_string().contains(ADDRESS), "{error}");
    let attempts = link.attempts();
    assert!((5..=30).contains(&attempts), "{attempts} attempts in {STARTUP_WAIT:?}");
}

#[tokio::test]
async fn a_start_may_fail_at_once() {
    let (link, _hand) = SwitchLink::off();
    let starting = builder(&link).0.startup(Startup::Fail).start();
    let error = within_limit("the start", starting).await.unwrap_err();
    assert!(error.to_string().contains(ADDRESS), "{error}");
    assert_eq!(link.attempts(), 1);
}

#[tokio::test]
async fn faults_of_the_application_are_told_without_a_wait_for_the_broker() {
    let (link, _hand) = SwitchLink::off();
    let without_state = Springhare::builder().link(link.clone()).listeners(listeners![patient]);
    let error = within_limit("the start", without_state.start()).await.unwrap_err();
    assert!(matches!(error, Error::Start(_)), "{error}");
    let (link, _hand) = SwitchLink::off();
    let without_state = Springhare::builder().link(link.clone()).listeners(listeners![patient]);
    let starting = without_state.startup(Startup::Background).start();
    let error = within_limit("the start", starting).await.unwrap_err();
    assert!(matches!(error, Error::Start(_)), "{error}");
    assert_eq!(link.attempts(), 0);
}

#[tokio::test]
async fn a_start_in_the_background_is_done_before_its_broker_is_there() {
    let (link, hand) = SwitchLink::off();
    let (builder, mut told) = builder(&link);
    let builder = builder.startup(Startup::Background).declare(Queue::durable("nobodys"));
    let app = within_limit("the start", builder.start()).await.unwrap();
    eventually("an attempt was made", async || (link.attempts() > 0).then_some(())).await;
    let health = eventually("the health knows why", async || {
        let health = app.health().to_string();
        health.contains(ADDRESS).then_some(health)
    });
    let health = health.await;
    assert!(health.starts_with("down: listener `patient` is starting: cannot connect"), "{health}");
    let refused = app.start_listener("patient").await;
    assert!(refused.is_ok(), "it is started already, as far as the user is concerned");

    let broker = link.new_broker();
    link.connect_to(&broker);
    is_up_again(&app, &hand).await;
    assert_eq!(status(&app, "patient"), ListenerStatus::Consuming);
    assert_eq!(consumers(&broker, "patient").await, Some(2));
    assert_eq!(consumers(&broker, "nobodys").await, Some(0), "the whole graph is declared");
    app.rabbit_template().convert_and_send("patient", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_the_broker_does_not_know_in_the_background_is_tried_again() {
    let (link, broker, hand) = SwitchLink::on();
    let (builder, mut told) = builder(&link);
    let app = builder
        .startup(Startup::Background)
        .declare(Queue::durable("bound"))
        .declare(Binding::queue("bound").to("somebody.elses"))
        .start()
        .await
        .unwrap();
    is_up_again(&app, &hand).await;
    let channel = channel_of(&broker);
    channel.exchange_declare("somebody.elses", "fanout", Default::default()).await.unwrap();
    eventually("the binding is made", async || {
        hand.advance(LONG);
        publish(&broker, "somebody.elses", "", "x").await;
        let found = channel.queue_declare("bound", durable()).await.unwrap();
        (found.message_count > 0).then_some(())
    })
    .await;
    app.rabbit_template().convert_and_send("patient", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea");
    app.stop().await.unwrap();
}

fn durable() -> QueueDeclareOptions {
    QueueDeclareOptions { durable: true, ..Default::default() }
}

#[tokio::test]
async fn a_login_that_is_refused_is_not_waited_for() {
    let (link, _broker, _hand) = SwitchLink::on();
    link.refuse_logins();
    let error = within_limit("the start", builder(&link).0.start()).await.unwrap_err();
    assert!(matches!(error, Error::Link(_)), "{error}");
    assert!(error.to_string().contains("the broker refuses user 'guest'"), "{error}");
    assert_eq!(link.attempts(), 1);
}

#[tokio::test]
async fn a_login_that_is_refused_in_the_background_is_tried_rarely() {
    let (link, broker, hand) = SwitchLink::on();
    link.refuse_logins();
    let (builder, _told) = builder(&link);
    let app = builder.startup(Startup::Background).start().await.unwrap();
    for attempts in 1..4 {
        eventually("an attempt is refused", async || {
            let is_told = app.health().to_string().contains("refuses user 'guest'");
            (is_told && link.attempts() == attempts).then_some(())
        })
        .await;
        // Both consumers and who keeps the connection wait for the next.
        eventually("all wait", async || (hand.sleepers() == 3).then_some(())).await;
        hand.advance(Duration::from_secs(29));
        eventually("all wait on", async || (hand.sleepers() == 3).then_some(())).await;
        assert_eq!(link.attempts(), attempts);
        hand.advance(Duration::from_secs(16));
    }
    eventually("the last is refused", async || (link.attempts() == 4).then_some(())).await;
    link.accept_logins();
    is_up_again(&app, &hand).await;
    assert_eq!(consumers(&broker, "patient").await, Some(2));
    app.stop().await.unwrap();
}
