//! Every key, and what its record says.

use std::time::Duration;

use springhare::__private::{
    AcknowledgeMode, Argument, CircuitAttributes, Concurrency, ListenerAttributes, ListenerItem,
    PartitionBy, Recover, RetryAttributes,
};
use springhare::prelude::*;

const ORDERS: &str = "orders";
const DEAD: &str = "orders.dead";

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
    idle_event = "30s",
    priority = -5,
    auto_startup = false,
    group = "slow",
    competing,
    requeue_rejected = false,
    timeout = "30s",
    error_handler = on_failure,
    recover(exchange = "failed", key = "orders"),
    circuit(failures = 10, pause = "30s"),
    send_to = "answers/done",
    return_errors = true,
    profile = "bulk",
    broker = "billing",
    declare = true,
    lenient,
    converter = "json",
)]
async fn every_key(channel: Channel, tag: DeliveryTag) -> ListenerResult<Text> {
    channel.ack(tag).await?;
    Ok(Text::default())
}

#[rabbit_listener(exchange = "logs", kind = "topic", keys = ["*.error", "kern.#"])]
async fn anonymous() {}

#[rabbit_listener(
    queue = ORDERS,
    bindings(
        (exchange = names::LOGS, kind = "topic", keys = ["{level}.${app.tail:x.y}", "{level}.b"]),
        (exchange = "h", binding_arguments("level" = 3)),
        (exchange = "audit", kind = "topic", key = "#.{level}"),
    ),
)]
async fn bound(_level: Path<String>) {}

#[rabbit_listener(queues = ["${app.first:a}", ORDERS], concurrency = 4, ack = "none")]
async fn several() {}

#[rabbit_listener(
    queue = "everything",
    arguments(
        ttl = "10s",
        expires = "500ms",
        max_length = 10_000,
        max_length_bytes = 1_000_000,
        overflow = "reject-publish",
        dead_letter = DEAD,
        dead_letter_routing_key = "${app.dead:dead}",
        dead_letter_strategy = "at-least-once",
        max_priority = 10,
        single_active_consumer,
        delivery_limit = -1,
        delayed_retry = "failed",
        delayed_retry_min = "1s",
        delayed_retry_max = "1m",
        consumer_timeout = "1h",
        lazy,
        leader_locator = "balanced",
        quorum_initial_group_size = 3,
        initial_cluster_size = 3,
        max_age = "7d",
        max_segment_size_bytes = 1_000_000,
        filter_size_bytes = 32,
        "x-own" = 1,
    ),
    stream_offset = 42,
)]
async fn every_argument() {}

#[rabbit_listener(
    queue = "tried",
    retry(max_attempts = 5, backoff = "100ms..10s", jitter = 0.2, delays = ["5s", "1m"]),
)]
async fn tried() {}

async fn on_failure(
    error: ListenerError,
    _cx: &springhare::DeliveryContext,
) -> ListenerResult<Option<Text>> {
    Err(error)
}

#[rabbit_listener(fault_of = "orders", recover = "reject", retry(delays = ["5s"]))]
async fn faults(_fault: Fault<Text>) {}

#[rabbit_listener(queue = "counted", max_attempts = 7)]
async fn counted() {}

#[rabbit_listener(queue = "delayed", retry(delays = ["1h"], backoff = "1s", jitter = 1))]
async fn delayed() {}

#[rabbit_listener(queue = "ours", arguments(queue_type = "quorum", delivery_limit = 3))]
async fn of_a_kind() {}

#[rabbit_listener(queue = "by_key", partition_by = "header:x-customer", concurrency = 8, phase = 10)]
async fn by_key(_text: Text) {}

fn tenant(cx: &springhare::DeliveryContext) -> Option<&str> {
    cx.routing_key().split('.').next()
}

#[rabbit_listener(queue = "by_tenant", partition_by = tenant, concurrency = 8)]
async fn by_tenant(_text: Text) {}

#[rabbit_listener(queue = "many", batch = 100, batch_timeout = "200ms")]
async fn in_batches(_texts: Vec<Text>) {}

#[rabbit_listener(queue = "once", ack = "first", retry(max_attempts = 2), recover = "park")]
async fn once() {}

#[rabbit_listener(queue = "log", stream_offset = "2026-01-31T12:00:00Z")]
async fn from_a_time() {}

#[rabbit_listener(
    queue = "alone",
    exclusive_consumer,
    consumer_arguments("x-cancel-on-ha-failover" = true, "x-own" = "${app.own:1}"),
)]
async fn alone() {}

#[rabbit_listener(queue = "one", exclusive_consumer, partition_by = "message_id", concurrency = 8)]
async fn alone_in_partitions() {}

fn attributes<L: ListenerItem>() -> ListenerAttributes<'static> {
    L::ENDPOINTS[0].attributes
}

fn main() {
    let expected = ListenerAttributes {
        id: Some("fulfil"),
        queues: &["orders"],
        fault_of: None,
        exchange: Some("logs"),
        kind: Some("headers"),
        keys: &[],
        binding_arguments: &[
            ("x-match", Argument::Text("all")),
            ("level", Argument::Int(3)),
            ("shop", Argument::Void),
        ],
        bindings: &[],
        arguments: &[
            ("x-message-ttl", Argument::Int(10_000)),
            ("x-low", Argument::Int(-1)),
            ("x-rate", Argument::Float(0.5)),
            ("x-single", Argument::Bool(true)),
        ],
        durable: Some(true),
        exclusive: Some(false),
        auto_delete: Some(false),
        ack: Some(AcknowledgeMode::Manual),
        prefetch: Some(1),
        concurrency: Some(Concurrency { min: 2, max: 8 }),
        batch: None,
        batch_timeout: None,
        partition_by: None,
        idle_event: Some(Duration::from_secs(30)),
        priority: Some(-5),
        stream_offset: None,
        exclusive_consumer: false,
        consumer_arguments: &[],
        auto_startup: Some(false),
        phase: 0,
        group: Some("slow"),
        competing: true,
        requeue_rejected: Some(false),
        retry: None,
        max_attempts: None,
        timeout: Some(Duration::from_secs(30)),
        recover: Some(Recover::Republish { exchange: "failed", key: Some("orders") }),
        circuit: Some(CircuitAttributes { failures: 10, pause: Duration::from_secs(30) }),
        send_to: Some("answers/done"),
        return_errors: Some(true),
        profile: Some("bulk"),
        broker: Some("billing"),
        declare: Some(true),
        blocking: false,
        lenient: true,
        converter: Some("json"),
    };
    assert_eq!(attributes::<every_key>(), expected);

    let alone = attributes::<alone>();
    assert!(alone.exclusive_consumer && attributes::<alone_in_partitions>().exclusive_consumer);
    assert_eq!(
        alone.consumer_arguments,
        [
            ("x-cancel-on-ha-failover", Argument::Bool(true)),
            ("x-own", Argument::Text("${app.own:1}")),
        ]
    );

    assert_eq!(attributes::<once>().ack, Some(AcknowledgeMode::First));

    let by_key = attributes::<by_key>();
    assert_eq!(by_key.partition_by, Some(PartitionBy::Header("x-customer")));
    assert_eq!(by_key.phase, 10);
    assert!(matches!(attributes::<by_tenant>().partition_by, Some(PartitionBy::Function(_))));

    let in_batches = attributes::<in_batches>();
    assert_eq!(in_batches.batch, Some(100));
    assert_eq!(in_batches.batch_timeout, Some(std::time::Duration::from_millis(200)));

    let every_argument = attributes::<every_argument>();
    assert_eq!(
        every_argument.arguments,
        [
            ("x-message-ttl", Argument::Int(10_000)),
            ("x-expires", Argument::Int(500)),
            ("x-max-length", Argument::Int(10_000)),
            ("x-max-length-bytes", Argument::Int(1_000_000)),
            ("x-overflow", Argument::Text("reject-publish")),
            ("x-dead-letter-exchange", Argument::Text("orders.dead")),
            ("x-dead-letter-routing-key", Argument::Text("${app.dead:dead}")),
            ("x-dead-letter-strategy", Argument::Text("at-least-once")),
            ("x-max-priority", Argument::Int(10)),
            ("x-single-active-consumer", Argument::Bool(true)),
            ("x-delivery-limit", Argument::Int(-1)),
            ("x-delayed-retry-type", Argument::Text("failed")),
            ("x-delayed-retry-min", Argument::Int(1000)),
            ("x-delayed-retry-max", Argument::Int(60_000)),
            ("x-consumer-timeout", Argument::Int(3_600_000)),
            ("x-queue-mode", Argument::Text("lazy")),
            ("x-queue-leader-locator", Argument::Text("balanced")),
            ("x-quorum-initial-group-size", Argument::Int(3)),
            ("x-initial-cluster-size", Argument::Int(3)),
            ("x-max-age", Argument::Text("604800s")),
            ("x-stream-max-segment-size-bytes", Argument::Int(1_000_000)),
            ("x-stream-filter-size-bytes", Argument::Int(32)),
            ("x-own", Argument::Int(1)),
        ]
    );
    assert_eq!(every_argument.stream_offset, Some("42"));
    assert_eq!(
        attributes::<of_a_kind>().arguments,
        [("x-queue-type", Argument::Text("quorum")), ("x-delivery-limit", Argument::Int(3))]
    );
    assert_eq!(attributes::<from_a_time>().stream_offset, Some("2026-01-31T12:00:00Z"));

    let delays = const { &[Duration::from_secs(5), Duration::from_secs(60)] };
    let retry = RetryAttributes {
        max_attempts: Some(5),
        backoff: Some((Duration::from_millis(100), Duration::from_secs(10))),
        jitter: Some(0.2),
        delays,
    };
    assert_eq!(attributes::<tried>().retry, Some(retry));
    let retry = RetryAttributes {
        max_attempts: None,
        backoff: Some((Duration::from_secs(1), Duration::from_secs(1))),
        jitter: Some(1.0),
        delays: const { &[Duration::from_secs(3600)] },
    };
    assert_eq!(attributes::<delayed>().retry, Some(retry));

    assert_eq!(attributes::<counted>().max_attempts, Some(7));

    let faults = attributes::<faults>();
    assert_eq!((faults.fault_of, faults.recover), (Some("orders"), Some(Recover::Reject)));
    assert!(every_key::ENDPOINTS[0].error_handler.is_some());
    assert!(tried::ENDPOINTS[0].error_handler.is_none());

    let anonymous = attributes::<anonymous>();
    assert_eq!(anonymous.queues, [""; 0]);
    assert_eq!(anonymous.keys, ["*.error", "kern.#"]);
    assert_eq!(anonymous.ack, None);

    let [logs, headers, audit] = attributes::<bound>().bindings else { panic!("three") };
    assert_eq!((logs.exchange, logs.kind), ("logs", Some("topic")));
    assert_eq!(logs.keys, ["{level}.${app.tail:x.y}", "{level}.b"]);
    assert_eq!((headers.exchange, headers.kind, headers.keys.len()), ("h", None, 0));
    assert_eq!(headers.arguments, [("level", Argument::Int(3))]);
    assert_eq!((audit.exchange, audit.keys), ("audit", &["#.{level}"][..]));

    let several = attributes::<several>();
    assert_eq!(several.queues, ["${app.first:a}", "orders"]);
    assert_eq!(several.concurrency, Some(Concurrency { min: 4, max: 4 }));
    assert_eq!(several.ack, Some(AcknowledgeMode::None));
}
