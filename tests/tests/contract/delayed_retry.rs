//! Quorum queues in which a message that comes back waits before its next delivery.

use springhare::connection::Link;
use springhare_broker::{Multiple, Requeue};

use crate::features::{Hourglass, number, quorum};
use crate::support::{Scene, text};

contract_beyond!(
    what_failed_waits > "RabbitMQ 4.3 has it first",
    what_is_handed_back_waits_on_request > "RabbitMQ 4.3 has it first",
    others_go_first > "RabbitMQ 4.3 has it first",
);

/// Declares the case's own queue, in which such messages wait for 300 ms.
async fn waiting<'l>(link: &'l dyn Link, which: &str) -> Scene<'l> {
    let scene = Scene::new(link).await;
    let retry = [
        ("x-delayed-retry-type", text(which)),
        ("x-delayed-retry-min", number(300)),
        ("x-delayed-retry-max", number(300)),
    ];
    scene.queue_with(scene.name(), quorum(retry)).await;
    scene
}

async fn what_failed_waits(link: &dyn Link) {
    let scene = waiting(link, "failed").await;
    scene.publish("", scene.name(), "1").await;
    let tag = scene.get(scene.name()).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::Yes).await.unwrap();
    Hourglass::new(&scene).await.runs(50).await;
    assert!(scene.drain(scene.name()).await.is_empty(), "it waits");
    scene.ready(scene.name(), 1).await;
    let tag = scene.get(scene.name()).await.delivery_tag;
    // That is no failure.
    scene.channel.basic_nack(tag, Multiple::One, Requeue::Yes).await.unwrap();
    assert_eq!(scene.drain(scene.name()).await, ["1R"]);
}

async fn what_is_handed_back_waits_on_request(link: &dyn Link) {
    for which in ["returned", "all"] {
        let scene = waiting(link, which).await;
        scene.publish("", scene.name(), "1").await;
        let tag = scene.get(scene.name()).await.delivery_tag;
        scene.channel.basic_nack(tag, Multiple::One, Requeue::Yes).await.unwrap();
        assert!(scene.drain(scene.name()).await.is_empty(), "it waits");
        assert_eq!(scene.drained(scene.name(), 1).await, ["1R"]);
    }
}

async fn others_go_first(link: &dyn Link) {
    let scene = waiting(link, "all").await;
    for body in ["1", "2"] {
        scene.publish("", scene.name(), body).await;
    }
    let tag = scene.get(scene.name()).await.delivery_tag;
    scene.channel.basic_reject(tag, Requeue::Yes).await.unwrap();
    assert_eq!(scene.drain(scene.name()).await, ["2"]);
    assert_eq!(scene.drained(scene.name(), 1).await, ["1R"]);
}
