//! Metrics to the last one. Counters of the whole process are looked at by one test at a time, and every
//! test here opens connections.
#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

use std::time::Duration;

use springhare::prelude::*;
use springhare::test::Harness;
use springhare::{BatchError, metrics};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

type Seen = State<UnboundedSender<String>>;

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The sum of a metric's lines that have these labels.
fn value(name: &str, labels: &[&str]) -> f64 {
    let rendered = metrics::prometheus().unwrap().render();
    let lines = rendered.lines().filter(|line| {
        line.split(['{', ' ']).next() == Some(name)
            && labels.iter().all(|label| line.contains(label))
    });
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn opened() -> f64 {
    value("springhare_connections_opened_total", &["connection=\"listeners\""])
}

/// How many connections are open.
fn open() -> f64 {
    value("rabbitmq_connections", &[])
}

fn active(id: &str) -> f64 {
    value("spring_rabbitmq_listener_active", &[&format!("listener_id=\"{id}\"")])
}

#[rabbit_listener(id = "x.three", queue = "x.three", concurrency = 3)]
async fn three() {}

#[tokio::test]
async fn a_connection_is_counted_when_it_is_opened_and_not_when_it_is_used() {
    let _one = ONE_AT_A_TIME.lock().await;
    let (before, open_before) = (opened(), open());
    let h = Harness::start(|app| app.metrics().listeners(listeners![three])).await.unwrap();
    let admin = h.app().admin();
    for _ in 0..10 {
        admin.queue_info("x.three").await.unwrap();
    }
    assert_eq!(opened() - before, 1.0);
    assert_eq!(open() - open_before, 2.0, "the listeners' and the publisher's");
    h.faults().kill_connections().await;
    let info = loop {
        h.advance(Duration::from_secs(1)).await;
        match admin.queue_info("x.three").await {
            Ok(Some(info)) if info.consumers == 3 => break info,
            _ => {}
        }
    };
    assert_eq!(opened() - before, 2.0, "{info:?}");
    h.rabbit().convert_and_send("x.three", "tea").await.unwrap();
    assert_eq!(open() - open_before, 2.0, "lost ones are not counted");
    h.stop().await.unwrap();
    assert_eq!(open(), open_before);
}

#[tokio::test]
async fn a_message_that_was_not_sent_is_counted_once_where_there_is_no_broker() {
    let _one = ONE_AT_A_TIME.lock().await;
    let builder = Springhare::builder().url("amqp://127.0.0.1:1").metrics().listeners(listeners![]);
    let app = builder.startup(springhare::Startup::Background).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let failed = || value("rabbitmq_failed_to_publish_total", &[]);
    let published = value("rabbitmq_published_total", &[]);
    let before = failed();
    rabbit.convert_and_send("x.none", "tea").await.unwrap_err();
    assert_eq!(failed() - before, 1.0);
    rabbit.convert_and_send("x.none", "tea").retry(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(failed() - before, 2.0);
    rabbit.convert_and_send_all([("x.none", "tea"), ("x.none", "cake")]).await.unwrap_err();
    assert_eq!(failed() - before, 4.0);
    assert_eq!(value("rabbitmq_published_total", &[]), published);
    app.stop().await.unwrap();
}

#[rabbit_listener(
    id = "x.batch",
    queue = "x.batch",
    ack = "manual",
    batch = 3,
    batch_timeout = "10m"
)]
async fn in_threes(
    channel: Channel,
    texts: Vec<Text>,
    tags: Vec<DeliveryTag>,
    seen: Seen,
) -> ListenerResult {
    let is_bad = texts.iter().any(|text| text.0 == "bad");
    for (tag, Text(text)) in tags.into_iter().zip(texts) {
        if !is_bad {
            channel.ack(tag).await?;
            seen.send(text)?;
        }
    }
    if is_bad {
        Err(BatchError::at(0, ListenerError::fatal("bad")))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_message_of_a_batch_that_comes_again_is_not_at_work_meanwhile() {
    let _one = ONE_AT_A_TIME.lock().await;
    let (sender, mut seen) = unbounded_channel::<String>();
    let build = |app: springhare::SpringhareBuilder| app.metrics().manage(sender);
    let h = Harness::start(|app| build(app).listeners(listeners![in_threes])).await.unwrap();
    let bodies = ["bad", "tea", "cake", "milk"];
    h.rabbit().convert_and_send_all(bodies.map(|body| ("x.batch", body))).await.unwrap();
    let mut handled = Vec::new();
    for _ in 0..3 {
        handled.push(seen.recv().await.unwrap());
    }
    handled.sort();
    assert_eq!(handled, ["cake", "milk", "tea"]);
    h.stop().await.unwrap();
    assert_eq!(active("x.batch"), 0.0);
}

#[rabbit_listener(
    id = "x.lanes",
    queue = "x.lanes",
    partition_by = "header:x-key",
    concurrency = 3
)]
async fn for_ever(Text(text): Text, seen: Seen) -> ListenerResult {
    seen.send(text)?;
    std::future::pending().await
}

#[tokio::test]
async fn handlers_of_partitions_that_are_cut_short_are_not_at_work_any_more() {
    let _one = ONE_AT_A_TIME.lock().await;
    let (sender, mut seen) = unbounded_channel::<String>();
    let build = |app: springhare::SpringhareBuilder| app.metrics().manage(sender);
    let h = Harness::start(|app| build(app).listeners(listeners![for_ever])).await.unwrap();
    for key in ["a", "b", "c"] {
        h.rabbit().convert_and_send("x.lanes", key).header("x-key", key).await.unwrap();
        seen.recv().await.unwrap();
    }
    assert_eq!(active("x.lanes"), 3.0);
    h.app().force_stop().await.unwrap();
    assert_eq!(active("x.lanes"), 0.0);
}

#[rabbit_listener(id = "x.nameless", exchange = "x.events", kind = "fanout")]
async fn nameless() {}

#[tokio::test]
async fn all_anonymous_queues_are_one_to_who_counts() {
    let _one = ONE_AT_A_TIME.lock().await;
    let h = Harness::start(|app| app.metrics().listeners(listeners![nameless])).await.unwrap();
    h.rabbit().convert_and_send(("x.events", ""), "tea").await.unwrap();
    h.listener("x.nameless").await_calls(1).await;
    h.stop().await.unwrap();
    let labels = ["listener_id=\"x.nameless\"", "queue=\"anonymous\""];
    assert_eq!(value("rabbitmq_consumed_total", &labels), 1.0);
    assert_eq!(value("rabbitmq_consumed_total", &labels[..1]), 1.0, "there is no other");
    assert_eq!(value("spring_rabbitmq_listener_seconds_count", &labels), 1.0);
}

#[rabbit_listener(id = "x.elsewhere", queue = "x.elsewhere", broker = "billing")]
async fn elsewhere() {}

#[tokio::test]
async fn with_several_brokers_it_is_counted_for_each() {
    let _one = ONE_AT_A_TIME.lock().await;
    let app = Springhare::builder()
        .environment([("SPRINGHARE_URL", "embedded:")])
        .named_broker("billing", |it| it.url("embedded:"))
        .listeners(listeners![elsewhere])
        .metrics()
        .start()
        .await
        .unwrap();
    let billing = app.broker("billing").unwrap().rabbit_template();
    billing.convert_and_send("x.elsewhere", "tea").await.unwrap();
    let at = |name: &str, labels: &[&str]| {
        let all: Vec<&str> = labels.iter().copied().chain(["broker=\"billing\""]).collect();
        value(name, &all)
    };
    for connection in ["connection=\"listeners\"", "connection=\"publisher\""] {
        assert_eq!(at("rabbitmq_connections", &[connection]), 1.0, "{connection}");
        let main = [connection, "broker=\"rabbitmq\""];
        assert_eq!(value("rabbitmq_connections", &main), 1.0, "{connection}");
    }
    app.stop().await.unwrap();
    assert_eq!(at("rabbitmq_connections", &[]), 0.0);
    assert_eq!(at("rabbitmq_published_total", &[]), 1.0);
    assert_eq!(at("rabbitmq_consumed_total", &["listener_id=\"x.elsewhere\""]), 1.0);
    assert_eq!(at("spring_rabbitmq_listener_active", &["listener_id=\"x.elsewhere\""]), 0.0);
    assert_eq!(at("spring_rabbitmq_listener_seconds_count", &["result=\"success\""]), 1.0);
    assert_eq!(at("springhare_connections_opened_total", &["connection=\"listeners\""]), 1.0);
}
