use springhare::connection::{EmbeddedLink, Link};
use springhare::prelude::*;
use springhare::{Description, TopologyDiff};
use springhare_broker::{Broker, QueueDeclareOptions};
use springhare_tests::{RabbitMq, VirtualHost, amqp_link};

use crate::{builder, description};

async fn diff(link: &dyn Link, definitions: Option<&str>) -> TopologyDiff {
    description().diff(link, definitions).await.unwrap()
}

/// A broker that has nothing, then all, then something else.
async fn shows_what_a_broker_has_not_and_has_otherwise(link: impl Link + Clone) {
    let fresh = diff(&link, None).await;
    assert_eq!(fresh.missing().len(), 2 + 6, "exchanges, and queues with a name: {fresh}");
    assert!(
        fresh.to_string().contains("+ queue 'd.dead' (durable, x-max-length = 10), "),
        "{fresh}"
    );
    assert_eq!(diff(&link, None).await, fresh, "nothing was declared by looking");

    let app = builder().link(link.clone()).start().await.unwrap();
    let same = diff(&link, None).await;
    assert!(same.is_empty(), "{same}");
    assert!(same.to_string().starts_with("no difference\n? "), "{same}");
    app.stop().await.unwrap();

    let connection = link.connect("somebody else").await.unwrap();
    let channel = connection.open_channel().await.unwrap();
    channel.queue_delete("d.dead", Default::default()).await.unwrap();
    let transient = QueueDeclareOptions { durable: false, ..Default::default() };
    channel.queue_declare("d.dead", transient).await.unwrap();
    let other = diff(&link, None).await;
    assert_eq!((other.missing().len(), other.different().len()), (0, 1), "{other}");
    assert!(other.different()[0].contains("inequivalent arg 'durable'"), "{other}");
    let at = "`.declare(..)` (tests/tests/describe/main.rs:";
    assert!(other.different()[0].contains(at), "{other}");
    connection.close().await.unwrap();
}

#[tokio::test]
async fn shows_what_the_broker_in_this_process_has_not_and_has_otherwise() {
    let broker = Broker::builder().start().unwrap();
    shows_what_a_broker_has_not_and_has_otherwise(EmbeddedLink::new(broker)).await;
}

#[tokio::test]
async fn shows_what_a_server_has_not_and_has_otherwise() {
    let broker = Broker::builder().listen("127.0.0.1:0".parse().unwrap()).start().unwrap();
    shows_what_a_broker_has_not_and_has_otherwise(Shared::of(amqp_link(broker.local_addrs()[0])))
        .await;
}

#[tokio::test]
async fn shows_what_rabbitmq_has_not_and_has_otherwise() {
    let Some(node) = RabbitMq::shared() else { return };
    let added = tokio::task::spawn_blocking(|| VirtualHost::add(node)).await;
    let host = added.unwrap().unwrap();
    let Ok(springhare::connection::Address::Amqp(addresses)) = host.url().parse() else { panic!() };
    let link = springhare::connection::AmqpLink::new(addresses);
    shows_what_a_broker_has_not_and_has_otherwise(Shared::of(link)).await;
    tokio::task::spawn_blocking(|| host.delete()).await.unwrap().unwrap();
}

/// A link for several.
#[derive(Debug, Clone)]
struct Shared(std::sync::Arc<dyn Link>);

impl Shared {
    fn of(link: impl Link) -> Self {
        Self(std::sync::Arc::new(link))
    }
}

impl Link for Shared {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn clock(&self) -> &springhare_broker::Clock {
        self.0.clock()
    }

    fn connect<'a>(
        &'a self,
        name: &'a str,
    ) -> springhare::connection::LinkFuture<
        'a,
        std::sync::Arc<dyn springhare::connection::LinkConnection>,
    > {
        self.0.connect(name)
    }
}

#[tokio::test]
async fn a_definitions_file_tells_bindings_that_are_missing_and_that_nobody_declares_any_more() {
    let broker = Broker::builder().start().unwrap();
    let link = EmbeddedLink::new(broker.clone());
    let empty = diff(&link, Some(r#"{ "bindings": [] }"#)).await;
    let bindings = empty.missing().iter().filter(|line| line.starts_with("binding of ")).count();
    assert_eq!(bindings, 3, "the anonymous queue's is not asked for: {empty}");

    let app = builder().broker(broker.clone()).start().await.unwrap();
    let exported = broker.export_definitions().to_string();
    let same = diff(&link, Some(&exported)).await;
    assert!(same.is_empty(), "{same}");
    assert_eq!(same.to_string(), "no difference\n");

    // The key was another one in the last release.
    let channel = broker.connect("last release").unwrap().open_channel().unwrap();
    channel.queue_bind("d.orders", "d.shop", "orders.#", Default::default()).await.unwrap();
    let exported = broker.export_definitions().to_string();
    let stale = diff(&link, Some(&exported)).await;
    assert_eq!(stale.stale().len(), 1, "{stale}");
    let text = "- binding of queue 'd.orders' to exchange 'd.shop' key 'orders.#'";
    assert!(stale.to_string().starts_with(text), "{stale}");
    app.stop().await.unwrap();
}

#[tokio::test]
async fn definitions_that_are_no_json_are_an_error_that_says_where_they_come_from() {
    let link = EmbeddedLink::new(Broker::builder().start().unwrap());
    let nothing: Description = Springhare::builder().listeners(listeners![]).describe().unwrap();
    let error = nothing.diff(&link, Some("{")).await.unwrap_err();
    assert!(error.to_string().contains("rabbitmqctl export_definitions"), "{error}");
}
