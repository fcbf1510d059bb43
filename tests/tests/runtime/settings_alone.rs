//! What is set of one listener by its id, and that it can't do.

use std::time::Duration;

use springhare::prelude::*;
use springhare::{AcknowledgeMode, SpringhareBuilder};

use crate::support::{broker, refused};

const SECOND: Duration = Duration::from_secs(1);

#[rabbit_listener(id = "alone.batch", queue = "alone.batch", batch = 5)]
async fn batch(_rows: Vec<Bytes>) {}

#[rabbit_listener(id = "alone.thread", queue = "alone.thread", blocking)]
fn thread(_body: Bytes) {}

#[rabbit_listener(id = "alone.parts", queue = "alone.parts", partition_by = "routing_key")]
async fn parts(_body: Bytes) {}

#[rabbit_listener(id = "alone.delays", queue = "alone.delays", retry(delays = ["5s"]))]
async fn delays(_body: Bytes) {}

#[rabbit_listener(id = "alone.plain", queue = "alone.plain")]
async fn plain(_body: Bytes) {}

fn app() -> SpringhareBuilder {
    let all = listeners![batch, thread, parts, delays, plain];
    Springhare::builder().environment([("A", "b")]).listeners(all)
}

#[tokio::test]
async fn what_one_listener_is_set_to_and_can_not_do_is_told_with_its_place() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("springhare.toml");
    let text = "[listener.\"alone.batch\"]\nretry.enabled = true\ncircuit.failures = 3\n\
                circuit.pause = \"1s\"\n[listener.\"alone.plain\"]\nbatch-size = 7\n";
    std::fs::write(&path, text).unwrap();
    let builder = app()
        .config(path)
        .environment([
            ("SPRINGHARE_LISTENER_ALONE_THREAD_TIMEOUT", "1s"),
            ("SPRINGHARE_LISTENER_ALONE_PARTS_CIRCUIT_FAILURES", "3"),
            ("SPRINGHARE_LISTENER_ALONE_PARTS_CIRCUIT_PAUSE", "1s"),
            ("SPRINGHARE_LISTENER_ALONE_PARTS_CONCURRENCY", "2-4"),
            ("SPRINGHARE_LISTENER_ALONE_PLAIN_RETRY_MAX_ATTEMPTS", "3"),
        ])
        .listener("alone.delays", |delays| delays.max_attempts(3).retry_multiplier(3.0));
    let text = refused(builder).await;
    for words in [
        "springhare.toml:2:7: `retry.enabled` is set of listener `alone.batch`, which can't do it: a \
         batch is not called again in memory",
        "springhare.toml:3:9: `circuit.failures` is set of listener `alone.batch`, which can't do it: \
         a circuit counts",
        "springhare.toml:6:1: `batch-size` is set of listener `alone.plain`, which can't do it: its \
         handler takes single messages: add `batch = ..`",
        "SPRINGHARE_LISTENER_ALONE_THREAD_TIMEOUT: `timeout` is set of listener `alone.thread`, which \
         can't do it: a thread can't be stopped in the middle of its work: make",
        "SPRINGHARE_LISTENER_ALONE_PARTS_CIRCUIT_FAILURES: `circuit.failures` is set of",
        "SPRINGHARE_LISTENER_ALONE_PARTS_CONCURRENCY: `concurrency` is set of",
        "SPRINGHARE_LISTENER_ALONE_PLAIN_RETRY_MAX_ATTEMPTS: `retry.max-attempts` is set of listener \
         `alone.plain`, which can't do it: nothing says that a handler that failed is called again: \
         add `retry.enabled = true`",
        "settings_alone.rs:48: `max-attempts` is set of listener `alone.delays`, which can't do it: \
         the listener retries",
        "settings_alone.rs:48: `retry.multiplier` is set of listener `alone.delays`, which can't do \
         it: the attribute's `retry(delays = [..])` calls the handler once",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(text.contains("for 11 reasons"), "{text}");
}

#[tokio::test]
async fn what_does_not_go_with_the_mode_that_is_set_is_told() {
    let builder = app()
        .listener("alone.plain", |plain| {
            let plain = plain.acknowledge_mode(AcknowledgeMode::None).prefetch(5);
            plain.max_attempts(3).retry_enabled(true).consumer_timeout(SECOND)
        })
        .listener("alone.parts", |parts| {
            let parts = parts.acknowledge_mode(AcknowledgeMode::First).max_attempts(3);
            parts.default_requeue_rejected(true).retry_enabled(true)
        });
    let text = refused(builder).await;
    for (id, key, why) in [
        ("plain", "prefetch", "the broker ignores it"),
        ("plain", "max-attempts", "the broker has forgotten a message when its handler fails"),
        ("plain", "retry.enabled", "the broker has forgotten a message when its handler fails"),
        ("plain", "consumer-timeout", "it holds no message unacknowledged"),
        ("parts", "max-attempts", "a message is acknowledged before its handler is called"),
        ("parts", "default-requeue-rejected", "a message is acknowledged before its handler"),
    ] {
        let words = format!("`{key}` is set of listener `alone.{id}`, which can't do it: {why}");
        assert!(text.contains(&words), "{words} in {text}");
    }
    assert!(text.contains("for 6 reasons"), "{text}");
}

#[tokio::test]
async fn what_is_set_of_many_or_turned_off_keeps_nobody_from_starting() {
    let (broker, _hand) = broker();
    let off = |one: springhare::ListenerSettings| {
        one.retry_enabled(false).retry_max_attempts(3).circuit_failures(0).circuit_pause(SECOND)
    };
    let app = app()
        .broker(broker)
        .listener_defaults(|all| {
            let all = all.retry_enabled(true).timeout(SECOND).batch_size(5).max_attempts(3);
            all.circuit_failures(3).circuit_pause(SECOND)
        })
        .listener("alone.batch", off)
        .listener("alone.parts", off)
        .listener("alone.thread", |thread| thread.timeout(Duration::ZERO))
        .start()
        .await
        .unwrap();
    let late = Listener::queue("alone.late").settings(|late| late.batch_size(5));
    let error = app.listeners().add(late.handler(|| async {})).await.unwrap_err().to_string();
    assert!(
        error.contains("settings_alone.rs:") && error.contains("`batch-size` is set of listener"),
        "{error}"
    );
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_batch_that_would_wait_for_too_long_is_refused_wherever_that_is_said() {
    let refuses = "listener `alone.batch`: `batch-receive-timeout` (`batch_timeout`) is 901s, and 900s \
                   at most, since RabbitMQ takes a message back that waits for long: lower it";
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("springhare.toml");
    std::fs::write(&path, "[listener.\"alone.batch\"]\nbatch-receive-timeout = \"901s\"\n")
        .unwrap();
    let text = refused(app().config(path)).await;
    assert!(text.contains(&format!("springhare.toml:2:1: {refuses}")), "{text}");
    // Of many, it is a fault of those that take batches, at their place.
    let builder = app().listener_defaults(|all| all.batch_receive_timeout(901 * SECOND));
    let text = refused(builder).await;
    assert!(text.contains(refuses) && text.contains("settings_alone.rs:"), "{text}");
    assert!(!text.contains("alone.plain"), "{text}");
    // What is longest is not too long.
    let (broker, _hand) = broker();
    let builder = app().listener_defaults(|all| all.batch_receive_timeout(900 * SECOND));
    builder.broker(broker).start().await.unwrap().stop().await.unwrap();
}

#[rabbit_listener(
    id = "alone.patient",
    queue = "alone.patient",
    retry(max_attempts = 4, backoff = "15m")
)]
async fn patient(_body: Bytes) {}

#[tokio::test]
async fn pauses_in_memory_that_last_longer_than_the_broker_waits_are_refused() {
    let with = |timeout| {
        let app = Springhare::builder().environment([("A", "b")]).listeners(listeners![patient]);
        app.listener("alone.patient", move |it| it.consumer_timeout(timeout))
    };
    let text = refused(with(45 * 60 * SECOND)).await;
    assert!(
        text.contains(
            "listener `alone.patient`: the pauses between its calls in memory come to 2700s together, \
             and the broker takes a message back that is held for 2700s"
        ) && text.contains("`retry(delays = [..])` and without `partition_by`, or,"),
        "{text}"
    );
    let broker = broker().0;
    for timeout in [46 * 60 * SECOND, Duration::ZERO] {
        with(timeout).broker(broker.clone()).start().await.unwrap().stop().await.unwrap();
    }
    // Nobody says how long that is: half an hour on RabbitMQ, which is logged.
    let app = Springhare::builder().environment([("A", "b")]).listeners(listeners![patient]);
    app.broker(broker).start().await.unwrap().stop().await.unwrap();
}
