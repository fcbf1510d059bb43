//! The start and the stop of a harness, and which broker it takes.

use std::process::Command;

use springhare::amqp::ReplyCode;
use springhare::connection::{Address, AmqpLink, Link};
use springhare::prelude::*;
use springhare::test::{Harness, TEST_URL_VARIABLE};
use springhare_broker::{Broker, QueueDeclareOptions};

use crate::place::Place;

cases!(what_stands_in_the_way_is_deleted_before_and_what_was_declared_after);

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
