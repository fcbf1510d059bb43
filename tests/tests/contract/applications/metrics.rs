//! What is counted is the same on every broker. A case has a thread to itself, and its recorder with it.

use metrics::LocalRecorderGuard;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use springhare::prelude::*;
use springhare_tests::{Tell, eventually, telling};

use crate::place::Place;

application!(
    each_message_that_an_ack_is_of_is_counted,
    an_ack_of_several_by_the_handler_is_counted_for_each,
    what_is_sent_back_is_counted_and_so_is_what_comes_again,
    a_message_is_published_and_confirmed_or_returned,
    a_request_is_published_and_its_reply_too,
    the_timer_tells_how_a_handler_ended,
);

type Said = State<Tell<String>>;

/// What is counted while it is there, on this thread.
struct Counted(PrometheusHandle);

/// A recorder that has no other owner.
fn recorder() -> (&'static PrometheusRecorder, Counted) {
    let recorder = Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
    let counted = Counted(recorder.handle());
    (recorder, counted)
}

fn begin() -> (LocalRecorderGuard<'static>, Counted) {
    let (recorder, counted) = recorder();
    (metrics::set_default_local_recorder(recorder), counted)
}

impl Counted {
    /// The sum of a metric's lines that have these labels.
    fn of(&self, name: &str, labels: &[&str]) -> f64 {
        let rendered = self.0.render();
        let lines = rendered.lines().filter(|line| {
            line.split(['{', ' ']).next() == Some(name)
                && labels.iter().all(|label| line.contains(label))
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Waits until a metric has come to this, and expects it to stay so.
    async fn comes_to(&self, name: &str, labels: &[&str], expected: f64) {
        eventually(&format!("{name} {labels:?} comes to {expected}"), async || {
            (self.of(name, labels) >= expected).then_some(())
        })
        .await;
        assert_eq!(self.of(name, labels), expected, "{name} {labels:?}");
    }
}

#[rabbit_listener(id = "m.plain", queue = "m.plain")]
async fn plain(_text: Text) {}

async fn each_message_that_an_ack_is_of_is_counted(place: &Place) {
    let (_recorder, counted) = begin();
    let builder = place.builder().metrics();
    let app = builder.listeners(listeners![plain]).start().await.unwrap();
    let messages = (0..100).map(|_| ("m.plain", "tea"));
    app.rabbit_template().convert_and_send_all(messages).await.unwrap();
    counted.comes_to("rabbitmq_acknowledged_total", &[], 100.0).await;
    let labels = ["listener_id=\"m.plain\"", "queue=\"m.plain\""];
    assert_eq!(counted.of("rabbitmq_consumed_total", &labels), 100.0);
    assert_eq!(counted.of("springhare_redelivered_total", &labels), 0.0);
    assert_eq!(counted.of("rabbitmq_rejected_total", &[]), 0.0);
    app.stop().await.unwrap();
    place.has_left("m.plain", 0).await;
}

/// Settles the first message alone, and the last with all that are open.
#[rabbit_listener(id = "m.several", queue = "m.several", ack = "manual")]
async fn several(Text(text): Text, channel: Channel, tag: DeliveryTag) -> ListenerResult {
    match &*text {
        "first" => channel.ack(tag).await?,
        "last" => channel.ack_multiple(tag).await?,
        _ => {}
    }
    Ok(())
}

async fn an_ack_of_several_by_the_handler_is_counted_for_each(place: &Place) {
    let (_recorder, counted) = begin();
    let builder = place.builder().metrics();
    let app = builder.listeners(listeners![several]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for text in ["second", "first", "third", "last", "after"] {
        rabbit.convert_and_send("m.several", text).await.unwrap();
    }
    counted.comes_to("rabbitmq_acknowledged_total", &[], 4.0).await;
    app.stop().await.unwrap();
    place.has_left("m.several", 1).await;
    assert_eq!(counted.of("rabbitmq_acknowledged_total", &[]), 4.0);
}

#[rabbit_listener(id = "m.back", queue = "m.back", ack = "manual")]
async fn back(
    Text(text): Text,
    again: Redelivered,
    channel: Channel,
    tag: DeliveryTag,
) -> ListenerResult {
    match &*text {
        _ if again.is_redelivered() => channel.ack(tag).await?,
        "nack" => channel.nack(tag, Requeue::Yes).await?,
        _ => channel.reject(tag, Requeue::No).await?,
    }
    Ok(())
}

async fn what_is_sent_back_is_counted_and_so_is_what_comes_again(place: &Place) {
    let (_recorder, counted) = begin();
    let app = place.builder().metrics().listeners(listeners![back]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for text in ["nack", "reject"] {
        rabbit.convert_and_send("m.back", text).await.unwrap();
    }
    counted.comes_to("rabbitmq_acknowledged_total", &[], 1.0).await;
    counted.comes_to("rabbitmq_rejected_total", &[], 2.0).await;
    assert_eq!(counted.of("rabbitmq_requeued_total", &[]), 1.0);
    let labels = ["listener_id=\"m.back\"", "queue=\"m.back\""];
    assert_eq!(counted.of("springhare_redelivered_total", &labels), 1.0);
    assert_eq!(counted.of("rabbitmq_consumed_total", &labels), 3.0);
    app.stop().await.unwrap();
}

async fn a_message_is_published_and_confirmed_or_returned(place: &Place) {
    let (_recorder, counted) = begin();
    let builder = place.builder().metrics().declare(Queue::durable("m.sent"));
    let app = builder.listeners(listeners![]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("m.sent", "tea").await.unwrap();
    rabbit.convert_and_send("m.sent", "cake").unconfirmed().await.unwrap();
    rabbit.convert_and_send("m.nobody", "tea").await.unwrap_err();
    rabbit.convert_and_send(("m.no-exchange", ""), "tea").await.unwrap_err();
    place.has_left("m.sent", 2).await;
    for (name, expected) in [
        ("rabbitmq_published_total", 3.0),
        ("rabbitmq_acknowledged_published_total", 1.0),
        ("rabbitmq_unrouted_published_total", 1.0),
        ("rabbitmq_not_acknowledged_published_total", 0.0),
        ("rabbitmq_failed_to_publish_total", 1.0),
    ] {
        assert_eq!(counted.of(name, &[]), expected, "{name}");
    }
    app.stop().await.unwrap();
    assert_eq!(counted.of("rabbitmq_connections", &[]), 0.0);
}

#[rabbit_listener(id = "m.asked", queue = "m.asked")]
async fn asked(text: Text) -> Text {
    text
}

async fn a_request_is_published_and_its_reply_too(place: &Place) {
    let (_recorder, counted) = begin();
    let app = place.builder().metrics().listeners(listeners![asked]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let reply = rabbit.convert_send_and_receive::<String>("m.asked", "tea").await.unwrap();
    assert_eq!(reply, "tea");
    counted.comes_to("rabbitmq_published_total", &[], 2.0).await;
    assert_eq!(counted.of("rabbitmq_unrouted_published_total", &[]), 0.0);
    rabbit.convert_send_and_receive::<String>("m.nobody", "tea").await.unwrap_err();
    assert_eq!(counted.of("rabbitmq_published_total", &[]), 3.0);
    assert_eq!(counted.of("rabbitmq_unrouted_published_total", &[]), 1.0);
    assert_eq!(counted.of("rabbitmq_failed_to_publish_total", &[]), 0.0);
    let lost = rabbit.convert_send_and_receive::<String>(("m.no-exchange", ""), "tea").await;
    lost.unwrap_err();
    assert_eq!(counted.of("rabbitmq_failed_to_publish_total", &[]), 1.0);
    assert_eq!(counted.of("rabbitmq_published_total", &[]), 3.0);
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "m.timed", queue = "m.timed", requeue_rejected = false)]
async fn timed(Text(text): Text, said: Said) -> ListenerResult {
    said.tell(text.clone());
    match &*text {
        "error" => Err(ListenerError::msg("no van")),
        "fatal" => Err(ListenerError::fatal("no van")),
        "panic" => panic!("no van"),
        _ => Ok(()),
    }
}

async fn the_timer_tells_how_a_handler_ended(place: &Place) {
    let (_recorder, counted) = begin();
    let (said, mut told) = telling::<String>();
    let builder = place.builder().metrics().manage(said);
    let app = builder.listeners(listeners![timed]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let outcomes = [
        ("tea", "success", "none"),
        ("error", "failure", "error"),
        ("fatal", "failure", "fatal"),
        ("panic", "failure", "panic"),
    ];
    for (text, result, exception) in outcomes {
        rabbit.convert_and_send("m.timed", text).await.unwrap();
        assert_eq!(told.next().await, text);
        let labels = [
            "listener_id=\"m.timed\"",
            "queue=\"m.timed\"",
            &format!("result=\"{result}\""),
            &format!("exception=\"{exception}\""),
        ];
        counted.comes_to("spring_rabbitmq_listener_seconds_count", &labels, 1.0).await;
    }
    let all = counted.of("spring_rabbitmq_listener_seconds_count", &[]);
    assert_eq!(all, 4.0);
    counted.comes_to("rabbitmq_rejected_total", &[], 2.0).await;
    // What is fatal is parked, and acknowledged then, as what has succeeded is.
    counted.comes_to("rabbitmq_acknowledged_total", &[], 2.0).await;
    assert_eq!(counted.of("springhare_parked_total", &["queue=\"m.timed.error\""]), 1.0);
    app.stop().await.unwrap();
    assert_eq!(counted.of("spring_rabbitmq_listener_active", &[]), 0.0);
}
