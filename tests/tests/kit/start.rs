//! The start and the stop of a harness, and which broker it takes.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use springhare::amqp::ReplyCode;
use springhare::connection::{Address, AmqpLink, Link, LinkConnection, Product};
use springhare::prelude::*;
use springhare::test::{Harness, TEST_URL_VARIABLE};
use springhare_broker::{Broker, ExchangeDeclareOptions, QueueDeclareOptions};
use springhare_tests::within_limit;
use tokio::sync::Notify;

use crate::place::Place;

cases!(
    what_stands_in_the_way_is_deleted_before_and_what_was_declared_after,
    what_others_share_and_what_is_not_declared_is_not_deleted,
    what_cannot_start_deletes_nothing,
    what_was_declared_is_deleted_though_its_connections_were_lost,
    a_stop_lets_a_handler_go_on_that_a_fault_holds_up,
);

#[rabbit_listener(id = "starts", queue = "k.starts", exchange = "k.ex", kind = "fanout")]
async fn handle(_body: Bytes) {}

async fn what_stands_in_the_way_is_deleted_before_and_what_was_declared_after(place: &Place) {
    let Some(url) = &place.url else {
        let h = place.start(|app| app.listeners(listeners![handle])).await;
        let broker = h.broker().unwrap().clone();
        h.stop().await.unwrap();
        assert!(broker.connect("late").is_err(), "its own broker ends with it");
        return;
    };
    let Ok(Address::Amqp(addresses)) = url.parse() else { panic!("{url}") };
    let link = AmqpLink::new(addresses);
    let connection = link.connect("onlooker").await.unwrap();
    let channel = connection.open_channel().await.unwrap();
    let transient = QueueDeclareOptions { durable: false, ..QueueDeclareOptions::default() };
    channel.queue_declare("k.starts", transient).await.unwrap();
    let h = place.start(|app| app.listeners(listeners![handle])).await;
    h.rabbit().convert_and_send(("k.ex", ""), "tea").await.unwrap();
    h.listener("starts").await_calls(1).await;
    h.stop().await.unwrap();
    for (what, missing) in [
        ("queue", channel.queue_declare_passive("k.starts").await.map(drop)),
        ("exchange", {
            let channel = connection.open_channel().await.unwrap();
            channel.exchange_declare_passive("k.ex").await
        }),
    ] {
        let error = missing.expect_err(what);
        assert_eq!(error.amqp().map(|error| error.code()), Some(ReplyCode::NotFound), "{what}");
    }
}

#[rabbit_listener(id = "delays", queue = "k.delays", retry(delays = ["1h"]))]
async fn delay(_body: Bytes) {}

#[rabbit_listener(id = "theirs", queue = "k.theirs", declare = false)]
async fn of_others(_body: Bytes) {}

async fn onlooker(place: &Place) -> Option<Arc<dyn LinkConnection>> {
    let Ok(Address::Amqp(addresses)) = place.url.as_ref()?.parse() else { panic!("{place:?}") };
    Some(AmqpLink::new(addresses).connect("onlooker").await.unwrap())
}

async fn what_others_share_and_what_is_not_declared_is_not_deleted(place: &Place) {
    let Some(connection) = onlooker(place).await else { return };
    let channel = connection.open_channel().await.unwrap();
    // A direct one in place of the plugin's: on a broker where nobody declares it, it is another's.
    let is_ours = connection.product() == Product::Springhare;
    let mut arguments = springhare::amqp::FieldTable::new();
    arguments.insert("x-delayed-type", "direct").unwrap();
    let options = ExchangeDeclareOptions {
        durable: true,
        arguments: if is_ours { arguments } else { Default::default() },
        ..Default::default()
    };
    let kind = if is_ours { "x-delayed-message" } else { "direct" };
    channel.exchange_declare("springhare.retry", kind, options).await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    for queue in ["k.theirs", "k.theirs.error"] {
        channel.queue_declare(queue, durable.clone()).await.unwrap();
    }
    if is_ours {
        channel.queue_declare("k.delays.retry.1h", durable).await.unwrap();
    }
    let h = place.start(|app| app.listeners(listeners![delay, of_others])).await;
    h.stop().await.unwrap();
    channel.exchange_declare_passive("springhare.retry").await.unwrap();
    for queue in ["k.theirs", "k.theirs.error"] {
        channel.queue_declare_passive(queue).await.unwrap();
    }
    let waits = channel.queue_declare_passive("k.delays.retry.1h").await;
    assert_eq!(
        waits.is_ok(),
        is_ours,
        "declared on RabbitMQ alone, and so deleted there: {waits:?}"
    );
    let channel = connection.open_channel().await.unwrap();
    let gone = channel.queue_declare_passive("k.delays").await.unwrap_err();
    assert_eq!(gone.amqp().map(|error| error.code()), Some(ReplyCode::NotFound));
}

#[rabbit_listener(id = "needs", queue = "k.needs")]
async fn need(_body: Bytes, _number: State<u64>) {}

async fn what_cannot_start_deletes_nothing(place: &Place) {
    let Some(connection) = onlooker(place).await else { return };
    let channel = connection.open_channel().await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("k.needs", durable).await.unwrap();
    let error = place.try_start(|app| app.listeners(listeners![need])).await.unwrap_err();
    assert!(error.to_string().contains("needs a `State<u64>`"), "{error}");
    channel.queue_declare_passive("k.needs").await.unwrap();
}

async fn what_was_declared_is_deleted_though_its_connections_were_lost(place: &Place) {
    let h = place.start(|app| app.listeners(listeners![handle])).await;
    h.faults().cut_off().await;
    drop(h.stop().await);
    let Some(connection) = onlooker(place).await else { return };
    let channel = connection.open_channel().await.unwrap();
    let gone = channel.queue_declare_passive("k.starts").await.unwrap_err();
    assert_eq!(gone.amqp().map(|error| error.code()), Some(ReplyCode::NotFound));
}

/// When the handler has begun, when publishes are blocked, and whether it came to its end.
#[derive(Debug, Default)]
struct Gates {
    handler: Notify,
    blocked: Notify,
    has_sent: AtomicBool,
}

#[rabbit_listener(id = "sends", queue = "k.sends")]
async fn send(_body: Bytes, rabbit: RabbitTemplate, gates: State<Arc<Gates>>) -> ListenerResult {
    gates.handler.notify_one();
    gates.blocked.notified().await;
    rabbit.convert_and_send("k.starts", "more").await?;
    gates.has_sent.store(true, Ordering::Relaxed);
    Ok(())
}

#[rabbit_listener(id = "never", queue = "k.never")]
async fn never(_body: Bytes, gates: State<Arc<Gates>>) {
    gates.handler.notify_one();
    std::future::pending::<()>().await;
}

/// Stops in the handler of `queue`, where publishes are blocked by then: whether that has sent
/// something.
async fn has_sent_before_the_stop(place: &Place, queue: &str) -> bool {
    let gates = Arc::new(Gates::default());
    let listeners = listeners![send, handle, never];
    let h = place.start(|app| app.listeners(listeners).manage(Arc::clone(&gates))).await;
    h.rabbit().convert_and_send(queue, "tea").await.unwrap();
    gates.handler.notified().await;
    h.faults().block();
    gates.blocked.notify_one();
    h.stop().await.unwrap();
    gates.has_sent.load(Ordering::Relaxed)
}

async fn a_stop_lets_a_handler_go_on_that_a_fault_holds_up(place: &Place) {
    assert!(has_sent_before_the_stop(place, "k.sends").await);
}

/// Elsewhere the clock is the real one, and so is the application's deadline.
#[tokio::test]
async fn a_stop_moves_the_clock_on_for_a_handler_that_never_ends() {
    let here = Place { url: None };
    let stopping = Box::pin(has_sent_before_the_stop(&here, "k.never"));
    assert!(!within_limit("the stop", stopping).await);
}

#[tokio::test]
#[should_panic(expected = "there is no listener 'start'; there are: starts")]
async fn a_listener_that_is_not_there_is_a_panic_that_names_those_that_are() {
    let h = Harness::start(|app| app.listeners(listeners![handle])).await.unwrap();
    let _ = h.listener("start");
}

/// Run by the one below, in a process of its own.
#[tokio::test]
async fn a_harness_asks_the_environment() {
    let h = Harness::start(|app| app.listeners(listeners![handle])).await.unwrap();
    assert_eq!(h.broker().is_none(), std::env::var_os(TEST_URL_VARIABLE).is_some());
    h.rabbit().convert_and_send(("k.ex", ""), "tea").await.unwrap();
    assert_eq!(h.listener("starts").await_calls(1).await[0].message().body, "tea");
    h.stop().await.unwrap();
}

/// Run by the one below, in a folder and an environment that mean other programs.
#[tokio::test]
async fn a_harness_reads_what_it_is_told_to() {
    let h = Harness::start(|app| app.listeners(listeners![handle])).await.unwrap();
    h.rabbit().convert_and_send(("k.ex", ""), "tea").await.unwrap();
    assert_eq!(h.listener("starts").await_calls(1).await[0].message().body, "tea");
    h.stop().await.unwrap();
    if std::env::var_os("SPRINGHARE_RABBITMQ_HOTS").is_some() {
        let told = Harness::start(|app| {
            app.listeners(listeners![handle])
                .config("springhare.toml")
                .environment(std::env::vars())
        });
        let error = told.await.unwrap_err().to_string();
        for words in ["`prefech`", "`${NOWHERE}`", "SPRINGHARE_RABBITMQ_HOTS"] {
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}

#[tokio::test]
async fn the_settings_of_the_folder_and_of_the_process_are_no_harnesss() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[rabbitmq]\npassword = \"${NOWHERE}\"\nprefech = 1\n\
                [listener.\"shop::orders\"]\nprefetch = 1\n";
    std::fs::write(folder.path().join("springhare.toml"), text).unwrap();
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "start::a_harness_reads_what_it_is_told_to"]).current_dir(folder.path());
    test.env_remove(TEST_URL_VARIABLE).env("SPRINGHARE_RABBITMQ_HOTS", "a");
    let run = test.env("SPRINGHARE_STARTUP", "background").output().unwrap();
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && output.contains("1 passed"), "{output}");
}

#[tokio::test]
async fn settings_of_listeners_that_do_not_run_here_keep_none_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.toml");
    std::fs::write(&path, "[listener.needs]\nprefetch = 1\n[listener.elsewhere]\nprefetch = 1\n")
        .unwrap();
    let variable = ("SPRINGHARE_LISTENER_SHOP_ORDERS_PREFETCH", "1");
    let h = Harness::start(|app| {
        let app = app.listeners(listeners![handle]).listener("needs", |needs| needs.prefetch(2));
        app.config(&path).environment([variable])
    });
    h.await.unwrap().stop().await.unwrap();
    let all = Harness::start(|app| app.manage(5_u64).config(&path).environment([variable]));
    let error = all.await.unwrap_err().to_string();
    assert!(error.contains("there is no listener `elsewhere`"), "{error}");
    assert!(error.contains(variable.0) && !error.contains("`needs`;"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_variable_takes_the_same_test_to_another_broker() {
    let broker = Broker::builder().listen("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let ran = |url: String| {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "start::a_harness_asks_the_environment"]);
        let run = test.env(TEST_URL_VARIABLE, url).output().unwrap();
        (run.status.success(), String::from_utf8_lossy(&run.stdout).into_owned())
    };
    let url = format!("amqp://guest:guest@{}", broker.local_addrs()[0]);
    let (has_passed, output) = ran(url);
    assert!(has_passed && output.contains("1 passed"), "{output}");
    broker.stop();
    let (has_passed, output) = ran("amqp:/nowhere".to_owned());
    assert!(!has_passed && output.contains("is not a broker's address"), "{output}");
}
