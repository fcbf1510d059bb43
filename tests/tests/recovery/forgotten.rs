//! `ack = "none"` where the connection is lost: the broker has forgotten what it has delivered, and whoever
//! has it handles it.

use springhare::ListenerStatus;
use springhare::prelude::*;
use springhare_broker::{Broker, QueueDeclareOptions};
use springhare_tests::{Gate, Proxy, eventually, has_status};

use crate::support::{Tell, Told, channel_of, publish, served, telling};

type Said = State<Tell<String>>;

const TEXTS: [&str; 5] = ["0", "1", "2", "3", "4"];

#[rabbit_listener(id = "n.one", queue = "n.one", ack = "none")]
async fn one(text: Text, gate: State<Gate>, said: Said) {
    said.tell(text.0);
    gate.pass().await;
}

#[rabbit_listener(
    id = "n.keyed",
    queue = "n.keyed",
    ack = "none",
    partition_by = "routing_key",
    concurrency = 2
)]
async fn keyed(text: Text, gate: State<Gate>, said: Said) {
    said.tell(text.0);
    gate.pass().await;
}

#[rabbit_listener(
    id = "n.several",
    queue = "n.several",
    ack = "none",
    batch = 2,
    batch_timeout = "10m"
)]
async fn several(texts: Vec<Text>, gate: State<Gate>, said: Said) {
    texts.into_iter().for_each(|text| said.tell(text.0));
    gate.pass().await;
}

/// An application behind a proxy, whose handler is at the gate while the others are here, too.
async fn at_the_gate(queue: &str) -> (Broker, Proxy, Springhare, Gate, Told<String>) {
    let (broker, address) = served();
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel_of(&broker).queue_declare(queue, options).await.unwrap();
    for text in TEXTS {
        publish(&broker, "", queue, text).await;
    }
    let proxy = Proxy::start(address).await.unwrap();
    let gate = Gate::closed();
    let (said, mut told) = telling::<String>();
    let app = Springhare::builder()
        .url(format!("amqp://guest:guest@{}", proxy.address()))
        .listeners(listeners![one, keyed, several])
        .manage(gate.clone())
        .manage(said)
        .start()
        .await
        .unwrap();
    assert_eq!(told.next().await, "0");
    // What was asked for now is answered behind all that was delivered.
    app.rabbit_template().convert_and_send(queue, "last").await.unwrap();
    let left = async || channel_of(&broker).queue_declare_passive(queue).await.unwrap();
    eventually("all are delivered", async || (left().await.message_count == 0).then_some(())).await;
    (broker, proxy, app, gate, told)
}

#[tokio::test]
async fn what_the_broker_has_forgotten_is_handled_though_the_connection_is_lost() {
    for queue in ["n.one", "n.keyed", "n.several"] {
        let (_broker, proxy, app, gate, mut told) = at_the_gate(queue).await;
        proxy.cut();
        eventually("the loss is noticed", async || (!app.health().is_up()).then_some(())).await;
        gate.let_through(10);
        for expected in &TEXTS[1..] {
            assert_eq!(told.next().await, *expected, "{queue}");
        }
        app.stop().await.unwrap();
    }
}

#[tokio::test]
async fn what_the_broker_has_forgotten_is_handled_though_its_listener_stops_meanwhile() {
    for queue in ["n.one", "n.keyed", "n.several"] {
        let (_broker, proxy, app, gate, mut told) = at_the_gate(queue).await;
        proxy.cut();
        eventually("the loss is noticed", async || (!app.health().is_up()).then_some(())).await;
        let listener = app.listener(queue).unwrap();
        let stopping = tokio::spawn(async move { app.stop().await });
        has_status(&listener, &ListenerStatus::Stopped).await;
        gate.let_through(10);
        for expected in &TEXTS[1..] {
            assert_eq!(told.next().await, *expected, "{queue}");
        }
        stopping.await.unwrap().unwrap();
    }
}
