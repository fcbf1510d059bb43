//! Where the log goes, when something is in its way.

use springhare::connection::EmbeddedLink;
use springhare::prelude::*;
use springhare::test::{FaultLink, Faults};
use springhare::{AmqpAppender, SpringhareBuilder};
use springhare_broker::{Broker, ManualClock};
use springhare_tests::eventually;
use tracing::Level;

use crate::log::Log;
use crate::support::{arrives, broker, ready, refused, someone_sleeps};

fn bound(builder: SpringhareBuilder, appender: &AmqpAppender) -> SpringhareBuilder {
    builder
        .listeners(listeners![])
        .declare(Queue::durable("lines"))
        .declare(Binding::queue("lines").to("logs").with("#"))
        .log_appender(appender.clone())
}

async fn with_faults(appender: &AmqpAppender) -> (Springhare, Faults, ManualClock) {
    let (broker, hand) = broker();
    let (app, faults) = with_faults_on(&broker, appender).await;
    (app, faults, hand)
}

async fn with_faults_on(broker: &Broker, appender: &AmqpAppender) -> (Springhare, Faults) {
    let (link, faults) = FaultLink::over(EmbeddedLink::new(broker.clone()));
    let app = bound(Springhare::builder().link(link), appender).start().await.unwrap();
    (app, faults)
}

/// Stops it, and lets the time go by that it takes.
async fn stop(app: Springhare, hand: &ManualClock) {
    let stopping = tokio::spawn(async move { app.stop().await });
    eventually("the application is stopped", async || {
        hand.advance(AmqpAppender::FLUSH_DEADLINE / 10);
        stopping.is_finished().then_some(())
    })
    .await;
    stopping.await.unwrap().unwrap();
}

fn append(appender: &AmqpAppender, text: &'static str) {
    appender.append(Level::INFO, "shop", text);
}

async fn next(app: &Springhare) -> String {
    let message = arrives(&app.rabbit_template(), "lines").await;
    String::from_utf8(message.body.to_vec()).unwrap()
}

#[tokio::test]
async fn what_the_broker_can_not_take_now_is_sent_again() {
    let appender = AmqpAppender::builder().build();
    let (app, faults, hand) = with_faults(&appender).await;
    faults.refuse_publishes(1);
    append(&appender, "a");
    someone_sleeps(&hand).await;
    hand.advance(AmqpAppender::FLUSH_DEADLINE);
    assert_eq!((next(&app).await, appender.dropped()), ("a".to_owned(), 0));
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_the_broker_can_not_take_again_and_again_is_given_up() {
    let appender = AmqpAppender::builder().build();
    let (log, _listening) = Log::of_this_thread();
    let (app, faults, hand) = with_faults(&appender).await;
    faults.refuse_publishes(AmqpAppender::REFUSALS_MAX as usize);
    append(&appender, "a");
    for _ in 1..AmqpAppender::REFUSALS_MAX {
        someone_sleeps(&hand).await;
        append(&appender, "b");
        hand.advance(AmqpAppender::FLUSH_DEADLINE);
    }
    assert_eq!((next(&app).await, appender.dropped()), ("b".to_owned(), 1));
    let text = log.text();
    assert!(text.contains("what was logged is refused and dropped error="), "{text}");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_waits_so_long_for_a_broker_that_takes_nothing() {
    let appender = AmqpAppender::builder().build();
    let (log, _listening) = Log::of_this_thread();
    let (broker, hand) = broker();
    let (app, faults) = with_faults_on(&broker, &appender).await;
    faults.block();
    append(&appender, "on its way");
    stop(app, &hand).await;
    let text = log.text();
    assert!(text.contains("what was logged is not published before the stop lines=1"), "{text}");
    let (app, _) = with_faults_on(&broker, &appender).await;
    assert_eq!((next(&app).await, appender.dropped()), ("on its way".to_owned(), 0));
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_on_its_way_as_an_application_is_dropped_is_for_another() {
    let appender = AmqpAppender::builder().build();
    let (broker, _hand) = broker();
    let (app, faults) = with_faults_on(&broker, &appender).await;
    faults.block();
    append(&appender, "a");
    tokio::task::yield_now().await;
    append(&appender, "b");
    drop(app);
    let (app, _) = with_faults_on(&broker, &appender).await;
    assert_eq!((next(&app).await, next(&app).await), ("a".to_owned(), "b".to_owned()));
    assert_eq!(appender.dropped(), 0);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_after_a_refused_line_ends_with_those_behind_it() {
    let appender = AmqpAppender::builder().build();
    let (broker, hand) = broker();
    let app = bound(Springhare::builder().broker(broker.clone()), &appender).start().await.unwrap();
    app.admin().delete_exchange("logs").await.unwrap();
    append(&appender, "nowhere");
    eventually("it is refused", async || (appender.dropped() == 1).then_some(())).await;
    append(&appender, "behind it");
    someone_sleeps(&hand).await;
    let before = hand.sleepers();
    let stopping = tokio::spawn(async move { app.stop().await });
    // Its deadline, and those of the connections' close.
    eventually("the stop waits", async || (hand.sleepers() > before + 1).then_some(())).await;
    hand.advance(AmqpAppender::FLUSH_DEADLINE);
    stopping.await.unwrap().unwrap();
    let app = bound(Springhare::builder().broker(broker), &appender).start().await.unwrap();
    assert_eq!((next(&app).await, appender.dropped()), ("behind it".to_owned(), 1));
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_refused_for_good_is_dropped_and_told_to_others() {
    let appender = AmqpAppender::builder().build();
    let (log, _listening) = Log::of_this_thread();
    let (broker, hand) = broker();
    let builder = Springhare::builder().broker(broker);
    let app = bound(builder, &appender).start().await.unwrap();
    app.admin().delete_exchange("logs").await.unwrap();
    append(&appender, "nowhere");
    eventually("it is refused", async || (appender.dropped() == 1).then_some(())).await;
    let text = log.text();
    assert!(text.contains("what was logged is refused and dropped error="), "{text}");
    assert_eq!(ready(&app.rabbit_template(), "lines").await, 0);
    app.declare(Exchange::topic("logs")).await.unwrap();
    app.declare(Binding::queue("lines").to("logs").with("#")).await.unwrap();
    append(&appender, "somewhere");
    someone_sleeps(&hand).await;
    hand.advance(AmqpAppender::FLUSH_DEADLINE);
    assert_eq!(next(&app).await, "somewhere");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn two_applications_share_what_is_logged() {
    let appender = AmqpAppender::builder().build();
    let (broker, _hand) = broker();
    let start = async || {
        let builder = Springhare::builder().broker(broker.clone());
        bound(builder, &appender).start().await.unwrap()
    };
    let (one, other) = (start().await, start().await);
    append(&appender, "a");
    assert_eq!(next(&other).await, "a");
    one.stop().await.unwrap();
    append(&appender, "b");
    assert_eq!(next(&other).await, "b");
    drop(other);
}

#[tokio::test]
async fn the_log_may_go_to_another_broker() {
    let appender = AmqpAppender::builder().build();
    let (orders, logs) = (Broker::builder().start().unwrap(), Broker::builder().start().unwrap());
    let app = Springhare::builder()
        .listeners(listeners![])
        .broker(orders)
        .named_broker("logs", |broker| {
            broker
                .broker(logs)
                .declare(Queue::durable("lines"))
                .declare(Binding::queue("lines").to("logs").with("shop.info"))
                .log_appender(appender.clone())
        })
        .start()
        .await
        .unwrap();
    append(&appender, "a");
    let rabbit = app.broker("logs").unwrap().rabbit_template();
    assert_eq!(&*arrives(&rabbit, "lines").await.body, b"a");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_this_crate_tells_of_each_publish_is_no_line() {
    let appender = AmqpAppender::builder().build();
    let (app, ..) = with_faults(&appender).await;
    appender.append(Level::DEBUG, "springhare::template::send", "a message is sent again");
    appender.append(Level::DEBUG, "springhare_broker::engine::dead_letters", "no route");
    appender.append(Level::DEBUG, "springhare_shop", "a line");
    appender.append(Level::WARN, "springhare::listener::failure", "another");
    assert_eq!((next(&app).await, next(&app).await), ("a line".to_owned(), "another".to_owned()));
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_an_appender_can_not_be_is_told_at_the_start() {
    let start = async |appender: AmqpAppender| {
        refused(Springhare::builder().listeners(listeners![]).log_appender(appender)).await
    };
    let text = start(AmqpAppender::builder().routing_key("{app}.{level}").build()).await;
    assert!(text.contains("appender.rs:") && text.contains("`{app}.{level}`"), "{text}");
    let long = "x".repeat(256);
    let text = start(AmqpAppender::builder().app_id(&long).content_type(&long).build()).await;
    assert!(text.contains("the appender's app id") && text.contains("content type"), "{text}");
    let text = start(AmqpAppender::builder().exchange(Exchange::topic("")).build()).await;
    assert!(text.contains("exchange"), "{text}");
}
