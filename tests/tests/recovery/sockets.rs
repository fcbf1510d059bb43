use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use springhare::connection::{Address, AmqpLink, Link};
use springhare::prelude::*;
use springhare::{Error, SpringhareBuilder, Startup};
use springhare_broker::Broker;
use springhare_tests::{Proxy, eventually, within_limit};

use crate::support::{
    Tell, Told, consumers, has_lost_its_connection, is_down, is_gone, publish, telling,
};

/// A link to the broker at this address.
fn link(address: SocketAddr, password: &str) -> impl Link {
    match format!("amqp://guest:{password}@{address}").parse() {
        Ok(Address::Amqp(addresses)) => AmqpLink::new(addresses),
        other => panic!("{other:?}"),
    }
}

/// A broker that listens, and a way to it that can be cut.
async fn broker_behind_a_proxy() -> (Broker, Proxy) {
    let listening = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let broker = Broker::builder().listen(listening).start().unwrap();
    let proxy = Proxy::start(*broker.local_addrs().first().unwrap()).await.unwrap();
    (broker, proxy)
}

#[rabbit_listener(id = "work", queue = "work", concurrency = 2)]
async fn work(text: Text, seen: State<Tell<(String, String)>>) {
    seen.tell(("work".to_owned(), text.0));
}

#[rabbit_listener(id = "fan", exchange = "news", kind = "fanout", concurrency = 2)]
async fn fan(text: Text, queue: QueueName, seen: State<Tell<(String, String)>>) {
    seen.tell((queue.as_str().to_owned(), text.0));
}

fn builder(proxy: &Proxy) -> (SpringhareBuilder, Told<(String, String)>) {
    let (seen, told) = telling();
    let builder = Springhare::builder().link(link(proxy.address(), "guest"));
    (builder.listeners(listeners![work, fan]).manage(seen), told)
}

async fn is_up(app: &Springhare) {
    eventually("all listeners consume", async || app.health().is_up().then_some(())).await;
}

/// Sends one message to each listener, and returns the fan's queue. What was not acknowledged before
/// a cut may come again.
async fn both_work(broker: &Broker, told: &mut Told<(String, String)>, round: &str) -> String {
    publish(broker, "", "work", round).await;
    publish(broker, "news", "", round).await;
    let mut queues = Vec::new();
    while queues.len() < 2 {
        let (queue, text) = told.next().await;
        if text == round {
            queues.push(queue);
        }
    }
    queues.sort();
    assert_eq!(queues.get(1).map(String::as_str), Some("work"), "{queues:?}");
    queues.swap_remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_comes_back_with_new_anonymous_queues() {
    let (broker, proxy) = broker_behind_a_proxy().await;
    let (builder, mut told) = builder(&proxy);
    let app = builder.start().await.unwrap();
    let mut events = app.events();
    let mut queues = vec![both_work(&broker, &mut told, "before").await];
    for round in ["first", "second", "third"] {
        proxy.cut();
        // It may be back before anybody looks, and look well before it knows of the cut.
        has_lost_its_connection(&mut events).await;
        let old = queues.last().unwrap().clone();
        eventually("the old queue is gone", async || is_gone(&broker, &old).await.then_some(()))
            .await;
        is_up(&app).await;
        let queue = both_work(&broker, &mut told, round).await;
        assert!(!queues.contains(&queue), "{queue} in {queues:?}");
        queues.push(queue);
    }
    assert_eq!(consumers(&broker, "work").await, Some(2));
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_does_not_know_of_the_cut_keeps_nobody_from_coming_back() {
    let (broker, proxy) = broker_behind_a_proxy().await;
    let (builder, mut told) = builder(&proxy);
    let app = builder.start().await.unwrap();
    let old = both_work(&broker, &mut told, "before").await;
    proxy.cut_clients();
    let new = eventually("the fan is back", || {
        let told = std::iter::from_fn(|| told.take());
        let new = told.map(|(queue, _)| queue).find(|queue| *queue != old);
        let publishing = publish(&broker, "news", "", "again");
        async {
            publishing.await;
            new
        }
    });
    assert!(new.await.starts_with("springhare.gen-"));
    is_up(&app).await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_red_and_its_end_is_green() {
    let (broker, proxy) = broker_behind_a_proxy().await;
    let (builder, mut told) = builder(&proxy);
    let app = builder.start().await.unwrap();
    proxy.refuse();
    proxy.cut();
    let health = is_down(&app).await;
    assert!(health.contains("`fan`") && health.contains("`work`"), "{health}");
    eventually("the health tells where the broker should be", async || {
        app.health().to_string().contains(&proxy.address().to_string()).then_some(())
    })
    .await;
    app.stop_listener("work").await.unwrap();
    proxy.resume();
    is_up(&app).await;
    assert_eq!(consumers(&broker, "work").await, Some(0), "it stays stopped");
    app.start_listener("work").await.unwrap();
    both_work(&broker, &mut told, "after").await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_there_is_found_as_the_startup_says() {
    let (broker, proxy) = broker_behind_a_proxy().await;
    proxy.refuse();
    for startup in [Startup::Fail, Startup::Wait(Duration::from_millis(300))] {
        let starting = builder(&proxy).0.startup(startup).start();
        let error = within_limit("the start", starting).await.unwrap_err();
        assert!(matches!(error, Error::Link(_)), "{error}");
        assert!(error.to_string().contains(&proxy.address().to_string()), "{error}");
    }
    let (in_background, mut told_in_background) = builder(&proxy);
    let in_background = in_background.startup(Startup::Background).start();
    let in_background = within_limit("the start", in_background).await.unwrap();
    assert!(!in_background.health().is_up());
    let (waiting, mut told_waiting) = builder(&proxy);
    let waiting = tokio::spawn(waiting.start());
    proxy.resume();
    let waiting = within_limit("the start", waiting).await.unwrap().unwrap();
    is_up(&in_background).await;
    publish(&broker, "news", "", "tea").await;
    assert_eq!(told_in_background.next().await.1, "tea");
    assert_eq!(told_waiting.next().await.1, "tea");
    waiting.stop().await.unwrap();
    in_background.stop().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_says_nothing_is_named_by_the_start_that_gives_up() {
    let silent = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = silent.local_addr().unwrap();
    let startup = Startup::Wait(Duration::from_millis(50));
    let builder = Springhare::builder().link(link(address, "guest")).startup(startup);
    let starting = builder.listeners(listeners![]).start();
    let error = within_limit("the start", starting).await.unwrap_err().to_string();
    assert!(error.contains(&format!("cannot connect to amqp://{address}")), "{error}");
    assert!(error.contains("50ms"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_fails_at_once_and_names_the_address_but_not_itself() {
    let (_broker, proxy) = broker_behind_a_proxy().await;
    // Far longer than the test waits.
    let startup = Startup::Wait(Duration::from_secs(3600));
    let builder = Springhare::builder().link(link(proxy.address(), "s3cret")).startup(startup);
    let starting = builder.listeners(listeners![]).start();
    let error = within_limit("the start", starting).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(&error, Error::Link(error) if error.is_login_refused()), "{text}");
    assert!(text.contains(&proxy.address().to_string()) && !text.contains("s3cret"), "{text}");
}

/// Its name is the user's: it can't be had anew while the broker keeps it for a dead connection.
#[rabbit_listener(id = "mine", queue = "mine", exclusive = true)]
async fn mine(text: Text, seen: State<Tell<(String, String)>>) {
    seen.tell(("mine".to_owned(), text.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_locked_by_a_dead_connection_keeps_its_own_listener_alone() {
    let (broker, proxy) = broker_behind_a_proxy().await;
    let (seen, mut told) = telling::<(String, String)>();
    let builder = Springhare::builder().link(link(proxy.address(), "guest"));
    let builder = builder.listeners(listeners![mine, fan]).manage(seen);
    let app = builder.start().await.unwrap();
    proxy.cut_clients();
    eventually("the queue is locked, and nothing else is wrong", async || {
        let health = app.health().to_string();
        let is_locked = health.contains("`mine` is recovering: 405 RESOURCE_LOCKED");
        (is_locked && !health.contains("`fan`")).then_some(())
    })
    .await;
    // Now the broker learns of both cuts.
    let mut events = app.events();
    proxy.cut();
    has_lost_its_connection(&mut events).await;
    is_up(&app).await;
    publish(&broker, "", "mine", "tea").await;
    assert_eq!(told.next().await, ("mine".to_owned(), "tea".to_owned()));
    app.stop().await.unwrap();
}
