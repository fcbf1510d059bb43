//! What the publishers of a program share: its connection, and the attempts to open it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use springhare::Startup;
use springhare::connection::{Address, AmqpLink, Link, LinkConnection, LinkFuture};
use springhare::prelude::*;
use springhare_broker::{Clock, IfUnused};
use springhare_tests::{LIMIT, Proxy, eventually, within_limit};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{channel_of, served};

/// A link over sockets that counts how often the publishers' connection was asked for.
#[derive(Debug, Clone)]
struct CountedLink {
    inner: Arc<AmqpLink>,
    attempts: Arc<AtomicUsize>,
}

impl CountedLink {
    fn to(uri: &str) -> Self {
        match uri.parse() {
            Ok(Address::Amqp(addresses)) => {
                Self { inner: Arc::new(AmqpLink::new(addresses)), attempts: Arc::default() }
            }
            other => panic!("{uri}: {other:?}"),
        }
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }

    async fn started(&self, startup: Startup) -> Springhare {
        let builder = Springhare::builder().link(self.clone()).startup(startup);
        let starting = builder.listeners(listeners![]).declare(Queue::durable("sent")).start();
        within_limit("the start", starting).await.unwrap()
    }
}

impl Link for CountedLink {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn clock(&self) -> &Clock {
        self.inner.clock()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        if !name.contains("listeners") {
            self.attempts.fetch_add(1, Ordering::Relaxed);
        }
        self.inner.connect(name)
    }
}

/// Something that accepts connections and says nothing, until it is dropped.
async fn silent_broker() -> (JoinSet<()>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut kept = Vec::new();
        while let Ok(accepted) = listener.accept().await {
            kept.push(accepted);
        }
    });
    (tasks, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_share_an_attempt_to_connect() {
    let (_silent, address) = silent_broker().await;
    let link = CountedLink::to(&format!("amqp://{address}?connection_timeout=300"));
    let app = link.started(Startup::Background).await;
    let rabbit = app.rabbit_template();
    let calls = (0..20).map(|_| async { rabbit.convert_and_send("sent", "x").await });
    for result in within_limit("all calls", join_all(calls)).await {
        result.unwrap_err();
    }
    let attempts = link.attempts();
    assert!(attempts < 5, "20 calls made {attempts} attempts");
    within_limit("the stop", app.stop()).await.unwrap();
}

/// Who waits for an attempt does not hold up the stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_the_attempts_of_publishers() {
    let (_silent, address) = silent_broker().await;
    let link = CountedLink::to(&format!("amqp://{address}?connection_timeout=3600000"));
    let app = link.started(Startup::Background).await;
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let rabbit = app.rabbit_template();
        calls.spawn(async move { rabbit.convert_and_send("sent", "x").await });
    }
    eventually("an attempt is made", async || (link.attempts() > 0).then_some(())).await;
    within_limit("the stop", app.stop()).await.unwrap();
    for result in within_limit("the calls", calls.join_all()).await {
        result.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_do_not_hammer_a_broker_that_refuses_the_login() {
    let (_broker, address) = served();
    let link = CountedLink::to(&format!("amqp://guest:wrong@{address}"));
    let app = link.started(Startup::Background).await;
    let rabbit = app.rabbit_template();
    for _ in 0..20 {
        let sending = async { rabbit.convert_and_send("sent", "x").await };
        within_limit("the publish", sending).await.unwrap_err();
    }
    let attempts = link.attempts();
    assert!(attempts < 4, "20 publishes made {attempts} attempts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_that_is_deleted_costs_the_publishers_no_connection() {
    let (broker, address) = served();
    let link = CountedLink::to(&format!("amqp://{address}"));
    let app = link.started(Startup::Fail).await;
    let rabbit = app.rabbit_template();
    let channel = channel_of(&broker);
    for _ in 0..5 {
        channel.exchange_declare("e", "fanout", Default::default()).await.unwrap();
        rabbit.convert_and_send(("e", ""), "x").await.unwrap();
        channel.exchange_delete("e", IfUnused::No).await.unwrap();
        let burst = (0..20).map(|_| async { rabbit.convert_and_send(("e", ""), "x").await });
        for result in within_limit("the burst", join_all(burst)).await {
            result.unwrap_err();
        }
    }
    assert_eq!(link.attempts(), 1);
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_retried_waits_for_the_end_of_an_outage() {
    let (_broker, address) = served();
    let proxy = Proxy::start(address).await.unwrap();
    let link = CountedLink::to(&format!("amqp://{}", proxy.address()));
    let app = link.started(Startup::Fail).await;
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("sent", "1").await.unwrap();
    let before = link.attempts();
    proxy.refuse();
    proxy.cut_clients();
    let retrying = app.rabbit_template();
    let sending =
        tokio::spawn(async move { retrying.convert_and_send("sent", "2").retry(LIMIT).await });
    eventually("it is tried again", async || (link.attempts() > before + 1).then_some(())).await;
    assert!(!sending.is_finished());
    proxy.resume();
    within_limit("the publish", sending).await.unwrap().unwrap();
    for text in ["1", "2"] {
        let got = rabbit.receive_and_convert::<String>("sent").await.unwrap();
        assert_eq!(got.as_deref(), Some(text));
    }
    app.stop().await.unwrap();
}

/// Even while an attempt to connect would last far longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_ends_when_its_time_is_over() {
    let (_silent, address) = silent_broker().await;
    let link = CountedLink::to(&format!("amqp://{address}?connection_timeout=3600000"));
    let app = link.started(Startup::Background).await;
    let rabbit = app.rabbit_template();
    let retrying = rabbit.convert_and_send("sent", "x").retry(Duration::from_millis(100));
    within_limit("the end of the retries", async { retrying.await }).await.unwrap_err();
}
