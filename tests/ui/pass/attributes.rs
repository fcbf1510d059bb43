//! Every key, and what its record says.

use springhare::__private::{
    AcknowledgeMode, Argument, Concurrency, ListenerAttributes, ListenerItem,
};
use springhare::prelude::*;

const ORDERS: &str = "orders";

mod names {
    pub const LOGS: &str = "logs";
}

#[rabbit_listener(
    id = "fulfil",
    queue = ORDERS,
    exchange = names::LOGS,
    kind = "headers",
    binding_arguments("x-match" = "all", "level" = 3, "shop"),
    arguments("x-message-ttl" = 10_000, "x-low" = -1, "x-rate" = 0.5, "x-single" = true),
    durable = true,
    exclusive = false,
    auto_delete = false,
    ack = "manual",
    prefetch = 1,
    concurrency = "2-8",
    priority = -5,
    auto_startup = false,
    group = "slow",
    requeue_rejected = false,
)]
async fn every_key(channel: Channel, tag: DeliveryTag) -> ListenerResult {
    channel.ack(tag).await?;
    Ok(())
}

#[rabbit_listener(exchange = "logs", kind = "topic", keys = ["*.error", "kern.#"])]
async fn anonymous() {}

#[rabbit_listener(queues = ["${app.first:a}", ORDERS], concurrency = 4, ack = "none")]
async fn several() {}

fn attributes<L: ListenerItem>() -> ListenerAttributes {
    L::ENDPOINTS[0].attributes
}

fn main() {
    let expected = ListenerAttributes {
        id: Some("fulfil"),
        queues: &["orders"],
        exchange: Some("logs"),
        kind: Some("headers"),
        keys: &[],
        binding_arguments: &[
            ("x-match", Argument::Text("all")),
            ("level", Argument::Int(3)),
            ("shop", Argument::Void),
        ],
        arguments: &[
            ("x-message-ttl", Argument::Int(10_000)),
            ("x-low", Argument::Int(-1)),
            ("x-rate", Argument::Float(0.5)),
            ("x-single", Argument::Bool(true)),
        ],
        durable: Some(true),
        exclusive: Some(false),
        auto_delete: Some(false),
        ack: AcknowledgeMode::Manual,
        prefetch: Some(1),
        concurrency: Some(Concurrency { min: 2, max: 8 }),
        priority: Some(-5),
        auto_startup: false,
        group: Some("slow"),
        requeue_rejected: Some(false),
    };
    assert_eq!(attributes::<every_key>(), expected);

    let anonymous = attributes::<anonymous>();
    assert_eq!(anonymous.queues, [""; 0]);
    assert_eq!(anonymous.keys, ["*.error", "kern.#"]);
    assert_eq!(anonymous.ack, AcknowledgeMode::Auto);

    let several = attributes::<several>();
    assert_eq!(several.queues, ["${app.first:a}", "orders"]);
    assert_eq!(several.concurrency, Some(Concurrency { min: 4, max: 4 }));
    assert_eq!(several.ack, AcknowledgeMode::None);
}
