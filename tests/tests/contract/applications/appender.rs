//! What is logged, as messages.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;
use springhare::amqp::DeliveryMode;
use springhare::middleware::{LayerFuture, MessageProcessor, NextPublish, PublishLayer};
use springhare::prelude::*;
use springhare::{AmqpAppender, Error, Publish, SpringhareBuilder};
use springhare_log::{EcsLayer, Service};
use springhare_tests::{Tell, arrives, eventually, header_text, ready, telling};
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::place::Place;

application!(
    a_line_goes_to_those_who_listen_to_its_level_and_target,
    a_line_is_json_and_says_where_it_is_from,
    what_found_no_room_is_told_once_there_is_some,
    what_publishing_logs_is_no_line,
    a_full_queue_holds_up_no_other_line,
    a_layer_that_says_stopped_once_keeps_no_line_back,
    a_stop_publishes_what_waits_and_ends_it,
);

/// All that this thread logs goes to the appender, until the guard is dropped.
fn logs_to(appender: &AmqpAppender) -> impl Sized + use<> {
    // With a single subscriber a place that logs would ask that of its own thread whether anybody
    // listens, and remember the answer: tests on other threads have none.
    let second = tracing_subscriber::fmt().with_writer(io::sink).finish().set_default();
    let layer = EcsLayer::new(Service::new("shop").version("1.2.3"), appender.clone());
    let first = tracing_subscriber::registry().with(LevelFilter::TRACE).with(layer).set_default();
    (second, first)
}

/// All that this test logs is kept in a queue.
fn kept(app: SpringhareBuilder) -> SpringhareBuilder {
    app.declare(Queue::durable("ap.all")).declare(Binding::queue("ap.all").to("logs").with("ap.#"))
}

fn json(message: &Message) -> Value {
    serde_json::from_slice(&message.body).unwrap()
}

type Said = State<Tell<String>>;

#[rabbit_listener(queue = "ap.errors", exchange = "logs", kind = "topic", key = "error.#")]
async fn errors(Json(line): Json<Value>, key: RoutingKey, said: Said) {
    said.tell(format!("errors: {} {key}", line["message"]));
}

#[rabbit_listener(queue = "ap.disk", exchange = "logs", kind = "topic", key = "*.ap.disk")]
async fn disk(Json(line): Json<Value>, key: RoutingKey, said: Said) {
    said.tell(format!("disk: {} {key}", line["message"]));
}

#[rabbit_listener(queue = "ap.last", exchange = "logs", kind = "topic", keys = ["*.ap.end"])]
async fn last(Json(line): Json<Value>, said: Said) {
    said.tell(format!("last: {}", line["message"]));
}

async fn a_line_goes_to_those_who_listen_to_its_level_and_target(place: &Place) {
    let appender = AmqpAppender::builder().routing_key("{level}.{target}").build();
    let logging = logs_to(&appender);
    tracing::error!(target: "ap::disk", "on fire");
    let (tell, mut told) = telling::<String>();
    let builder = place.builder().listeners(listeners![errors, disk, last]).manage(tell);
    let app = builder.log_appender(appender).start().await.unwrap();
    tracing::warn!(target: "ap::disk", "warm");
    tracing::info!(target: "ap::net", "slow");
    tracing::error!(target: "ap::net::dns", "lost");
    tracing::error!(target: "error", "an error of errors");
    tracing::info!(target: "ap::end", "the end");
    drop(logging);
    let mut heard = BTreeSet::new();
    let expected = [
        "disk: \"on fire\" error.ap.disk",
        "disk: \"warm\" warn.ap.disk",
        "errors: \"an error of errors\" error.error",
        "errors: \"lost\" error.ap.net.dns",
        "errors: \"on fire\" error.ap.disk",
        "last: \"the end\"",
    ];
    for _ in &expected {
        heard.insert(told.next().await);
    }
    assert_eq!(heard, expected.map(str::to_owned).into());
    app.stop().await.unwrap();
    assert!(told.is_silent(), "each came once");
}

async fn a_line_is_json_and_says_where_it_is_from(place: &Place) {
    let exchange = Exchange::direct("ap.logs");
    let appender = AmqpAppender::builder().exchange(exchange).app_id("shop").build();
    let app = place
        .builder()
        .listeners(listeners![])
        .declare(Queue::durable("ap.raw"))
        .declare(Binding::queue("ap.raw").to("ap.logs").with("ap.raw.error"))
        .log_appender(appender.clone())
        .start()
        .await
        .unwrap();
    let logging = logs_to(&appender);
    tracing::error!(target: "ap::raw", order = 7, "no van");
    drop(logging);
    let message = arrives(&app.rabbit_template(), "ap.raw").await;
    let line = json(&message);
    assert_eq!((&line["message"], &line["log.level"]), (&"no van".into(), &"error".into()));
    assert_eq!((&line["log.logger"], &line["labels.order"]), (&"ap::raw".into(), &"7".into()));
    assert_eq!(line["service.name"], "shop");
    assert!(!message.body.ends_with(b"\n"));
    let properties = &message.properties;
    assert_eq!(properties.content_type.as_deref(), Some("application/json"));
    assert_eq!(properties.app_id.as_deref(), Some("shop"));
    assert_eq!(properties.delivery_mode, Some(DeliveryMode::Persistent));
    // Seconds, and no milliseconds.
    assert!(
        properties.timestamp.is_some_and(|time| (1_700_000_000..1_700_000_000_000).contains(&time))
    );
    assert_eq!(header_text(&message, "level"), "error");
    assert_eq!(header_text(&message, "categoryName"), "ap::raw");
    app.stop().await.unwrap();
}

async fn what_found_no_room_is_told_once_there_is_some(place: &Place) {
    // Room for two of them.
    let appender = AmqpAppender::builder().buffer_limit(1000).build();
    let builder = place
        .builder()
        .listeners(listeners![])
        .declare(Queue::durable("ap.lines"))
        .declare(Binding::queue("ap.lines").to("logs").with("ap.lines.info"))
        .declare(Queue::durable("ap.told"))
        .declare(Binding::queue("ap.told").to("logs").with("springhare.appender.warn"))
        .log_appender(appender.clone());
    let _logging = logs_to(&appender);
    (0..9).for_each(|number| tracing::info!(target: "ap::lines", number, "{}", "x".repeat(100)));
    let dropped = appender.dropped();
    let kept = 9 - dropped;
    assert!((1..9).contains(&kept), "{kept}");
    let app = builder.start().await.unwrap();
    let told = json(&arrives(&app.rabbit_template(), "ap.told").await);
    let untold = appender.dropped();
    // The start has logged something, too, for which there was no room.
    assert_eq!(told["labels.dropped"], untold.to_string());
    place.has_left("ap.lines", kept).await;
    tracing::info!(target: "ap::lines", "one more");
    place.has_left("ap.lines", kept + 1).await;
    app.stop().await.unwrap();
    assert_eq!(appender.dropped(), untold);
}

/// Logs each message that goes out.
struct Talkative(Arc<AtomicUsize>);

impl MessageProcessor for Talkative {
    fn before_publish(&self, publish: &mut Publish) -> springhare::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        tracing::error!(target: "ap::talkative", key = %publish.routing_key, "a message goes out");
        Ok(())
    }
}

async fn what_publishing_logs_is_no_line(place: &Place) {
    let appender = AmqpAppender::builder().build();
    // Before the start: what publishes logs as who starts it does.
    let logging = logs_to(&appender);
    let published = Arc::new(AtomicUsize::new(0));
    let app = place
        .builder()
        .listeners(listeners![])
        .processor(Talkative(Arc::clone(&published)))
        .log_appender(appender.clone());
    let app = kept(app).start().await.unwrap();
    let rabbit = app.rabbit_template();
    tracing::info!(target: "ap::first", "a line");
    place.has_left("ap.all", 1).await;
    rabbit.convert_and_send("ap.all", "a message").await.unwrap();
    // The message itself, and the line about it.
    place.has_left("ap.all", 3).await;
    tracing::info!(target: "ap::last", "a line");
    place.has_left("ap.all", 4).await;
    app.stop().await.unwrap();
    drop(logging);
    assert_eq!(place.left("ap.all").await, 4);
    // A server of ours in this process has logged something, too.
    assert!(published.load(Ordering::Relaxed) >= 4, "the processor saw each");
}

/// Says of the first message that it can't be sent, for a reason that passes.
struct NotTheFirst(AtomicBool);

impl PublishLayer for NotTheFirst {
    fn call<'p>(&'p self, publish: Publish, next: NextPublish<'p>) -> LayerFuture<'p> {
        if self.0.swap(true, Ordering::Relaxed) {
            return next.run(publish);
        }
        Box::pin(async { Err(Error::Stopped) })
    }
}

async fn a_layer_that_says_stopped_once_keeps_no_line_back(place: &Place) {
    let appender = AmqpAppender::builder().build();
    let app = place
        .builder()
        .listeners(listeners![])
        .publish_layer(NotTheFirst(AtomicBool::new(false)))
        .log_appender(appender.clone());
    let app = kept(app).start().await.unwrap();
    let logging = logs_to(&appender);
    for number in 0..3 {
        tracing::info!(target: "ap::lines", number, "a line");
    }
    drop(logging);
    place.has_left("ap.all", 3).await;
    app.stop().await.unwrap();
}

async fn a_full_queue_holds_up_no_other_line(place: &Place) {
    let appender = AmqpAppender::builder().build();
    let full = Queue::durable("ap.full").argument("x-max-length", 1);
    let app = place
        .builder()
        .listeners(listeners![])
        .declare(full.argument("x-overflow", "reject-publish"))
        .declare(Binding::queue("ap.full").to("logs").with("ap.full.info"))
        .declare(Queue::durable("ap.beside"))
        .declare(Binding::queue("ap.beside").to("logs").with("ap.#"))
        .log_appender(appender.clone())
        .start()
        .await
        .unwrap();
    let append = |target: &str, text: &'static str| appender.append(Level::INFO, target, text);
    append("ap::full", "the first");
    place.has_left("ap.full", 1).await;
    place.has_left("ap.beside", 1).await;
    append("ap::full", "too much");
    ["a", "b", "c"].into_iter().for_each(|text| append("ap::free", text));
    append("ap::full", "too much, too");
    append("ap::free", "d");
    eventually("what is refused is given up", async || (appender.dropped() == 2).then_some(()))
        .await;
    append("ap::free", "the last");
    let rabbit = app.rabbit_template();
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != "the last") {
        let message = arrives(&rabbit, "ap.beside").await;
        lines.push(String::from_utf8(message.body.to_vec()).unwrap());
    }
    let free: Vec<_> = lines.iter().filter(|line| !line.starts_with("too much")).collect();
    assert_eq!(free, ["the first", "a", "b", "c", "d", "the last"], "each comes once");
    // A broker may give those that it refuses to the queues that have room.
    let refused = lines.len() - free.len();
    assert!(refused <= 2 * AmqpAppender::REFUSALS_MAX as usize, "{lines:?}");
    app.stop().await.unwrap();
    assert_eq!((place.left("ap.full").await, appender.dropped()), (1, 2));
}

async fn a_stop_publishes_what_waits_and_ends_it(place: &Place) {
    let appender = AmqpAppender::builder().build();
    let builder = || {
        let bound = Binding::queue("ap.kept").to("logs").with("ap.kept.*");
        let builder = place.builder().listeners(listeners![]).declare(Queue::durable("ap.kept"));
        builder.declare(bound).log_appender(appender.clone())
    };
    let app = builder().start().await.unwrap();
    let log = |number: usize| {
        tracing::subscriber::with_default(
            tracing_subscriber::registry()
                .with(EcsLayer::new(Service::new("shop"), appender.clone())),
            || tracing::info!(target: "ap::kept", number, "a line"),
        );
    };
    (0..300).for_each(log);
    app.stop().await.unwrap();
    assert_eq!((place.left("ap.kept").await, appender.dropped()), (300, 0));
    log(300);
    assert_eq!(place.left("ap.kept").await, 300);
    let app = builder().start().await.unwrap();
    place.has_left("ap.kept", 301).await;
    let rabbit = app.rabbit_template();
    for number in 0..301 {
        let line = json(&arrives(&rabbit, "ap.kept").await);
        assert_eq!(line["labels.number"], number.to_string());
    }
    assert_eq!(ready(&rabbit, "ap.kept").await, 0);
    app.stop().await.unwrap();
}
