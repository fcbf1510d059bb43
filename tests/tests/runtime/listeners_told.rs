//! What a start tells of its listeners, and what it says where one is not there.

use springhare::__private::{ListenerAttributes, ListenerItem, RabbitListenerEndpoint};
use springhare::prelude::*;
use springhare::{Error, StartFault};

use crate::log::Log;

#[rabbit_listener(id = "orders", queue = "orders", prefetch = 10, concurrency = "2-8")]
async fn orders(_body: Bytes) {}

#[rabbit_listener(id = "lines", exchange = "logs", kind = "fanout", ack = "first")]
async fn lines(_body: Bytes) {}

#[tokio::test]
async fn every_listener_is_told_once_at_the_start() {
    let (log, _logging) = Log::of_this_thread();
    let app = Springhare::builder().listeners(listeners![orders, lines]).start().await.unwrap();
    app.stop().await.unwrap();
    let text = log.text();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<_> = text.lines().map(words).collect();
    let head = ["LISTENER", "QUEUE", "CONSUMERS", "PREFETCH", "ACK", "AT"];
    assert_eq!(lines.iter().filter(|line| **line == head).count(), 1, "{text}");
    for (id, expected) in [
        ("orders", ["orders", "2-8", "10", "auto"]),
        ("lines", ["(anonymous)", "1", "250", "first"]),
    ] {
        let of_id = |line: &&Vec<String>| line.first().is_some_and(|first| first == id);
        let row = lines.iter().find(of_id).unwrap();
        assert_eq!(row[1..5], expected, "{text}");
        assert!(row[5].contains("listeners_told.rs:"), "{text}");
    }
}

#[tokio::test]
async fn beyond_two_hundred_listeners_are_counted() {
    let [model] = <orders as ListenerItem>::ENDPOINTS else { panic!("one") };
    let numbered = |number: usize| -> &'static RabbitListenerEndpoint {
        let id: &'static str = Box::leak(format!("orders.{number}").into_boxed_str());
        let attributes = ListenerAttributes { id: Some(id), concurrency: None, ..model.attributes };
        Box::leak(Box::new(RabbitListenerEndpoint { attributes, ..**model }))
    };
    let listeners: &'static [_] = Box::leak((0..203).map(numbered).collect::<Box<[_]>>());
    let (log, _logging) = Log::of_this_thread();
    let app = Springhare::builder().listeners([listeners]).start().await.unwrap();
    app.stop().await.unwrap();
    let text = log.text();
    assert_eq!(text.lines().filter(|line| line.starts_with("orders.")).count(), 200, "{text}");
    assert!(text.contains(".. and 3 more"), "{text}");
}

async fn faults(builder: springhare::SpringhareBuilder) -> Vec<StartFault> {
    match builder.start().await {
        Err(Error::Start(error)) => error.faults().to_vec(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_listener_that_is_expected_and_not_there_is_a_fault() {
    let builder = || Springhare::builder().listeners(listeners![orders]);
    let found = faults(builder().expect_listeners(["orders", "ordres", "refunds", "lines"])).await;
    let [misspelt, unlinked, unchosen] = found.as_slice() else { panic!("{found:?}") };
    assert!(misspelt.text().contains("did you mean `orders`?"), "{misspelt}");
    assert!(unlinked.text().contains("`springhare::link!(its_crate);`"), "{unlinked}");
    assert!(unchosen.text().contains("among those that `.listeners(..)` names"), "{unchosen}");
    for fault in &found {
        let [place] = fault.places() else { panic!("{fault}") };
        assert!(place.file.ends_with("listeners_told.rs"), "{fault}");
    }
    let app = builder().expect_listeners(["orders"]).start().await.unwrap();
    app.stop().await.unwrap();
}
