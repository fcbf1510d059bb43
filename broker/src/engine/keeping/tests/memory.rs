//! What waits, wherever it does, is on the disk alone where it is much.

use std::time::Duration;

use springhare_amqp::MethodId;

use super::host::Host;
use crate::config::BrokerConfig;
use crate::model::channel::Tags;
use crate::model::delivery::Delivery;
use crate::model::queue::{Returned, SettlementMode};

const COUNT: usize = 3_000;

/// A body of these is far more than the place of a message that is on the disk.
fn bodies() -> Vec<String> {
    (0..COUNT).map(|body| format!("{body:0>1000}")).collect()
}

/// Messages above 100 kB leave memory.
fn host() -> Host {
    let config = BrokerConfig { memory_paging_watermark: 100_000, ..BrokerConfig::default() };
    Host::new(config)
}

fn used(host: &Host) -> u64 {
    host.broker.shared().memory().used()
}

fn publish(host: &Host, queue: &str, bodies: &[String]) {
    for some in bodies.chunks(100) {
        let _ = host.publish(queue, &some.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// All are read, and come back.
fn read_and_return(host: &Host, queue: &str) {
    let mut channel = host.channel(0);
    channel.consume(queue, SettlementMode::Explicit);
    while !channel.read(0, usize::MAX).is_empty() {}
    let all = Tags::UpTo(COUNT as u64);
    channel.cell.requeue(all, MethodId::BASIC_NACK, Returned::HandedBack).unwrap();
    channel.cell.close(None);
}

#[test]
fn what_came_back_leaves_memory() {
    let host = host();
    host.declare("q", &[]);
    let bodies = bodies();
    publish(&host, "q", &bodies);
    read_and_return(&host, "q");
    assert!(used(&host) < 450_000, "{}", used(&host));
    assert_eq!(host.drain("q"), bodies);
    assert_eq!((used(&host), host.alive().len()), (0, 0));
}

#[test]
fn what_waits_for_another_try_leaves_memory_and_stays_out_of_it_at_a_start() {
    let host = host();
    let retry = [
        ("x-queue-type", "quorum".into()),
        ("x-delayed-retry-type", "all".into()),
        ("x-delayed-retry-min", 20_000.into()),
        ("x-delayed-retry-max", 20_000.into()),
    ];
    host.declare("q", &retry);
    let bodies = bodies();
    publish(&host, "q", &bodies);
    read_and_return(&host, "q");
    assert!(used(&host) < 450_000, "{}", used(&host));
    let host = host.restart(true, Duration::ZERO);
    assert!(used(&host) < 300_000, "{}", used(&host));
    host.advance(20_000);
    assert!(used(&host) < 300_000, "{}", used(&host));
    assert_eq!(host.drain("q"), bodies);
    assert_eq!((used(&host), host.alive().len()), (0, 0));
}

/// As it takes a consumer of a stream to read all of it.
fn read_stream(host: &Host, stream: &str) -> Vec<String> {
    let mut channel = host.channel(50);
    channel.consume_stream(stream);
    let mut bodies = Vec::new();
    loop {
        let deliveries = channel.read(0, usize::MAX);
        let Some(last) = deliveries.last().map(|delivery| delivery.delivery_tag) else { break };
        let body = |delivery: &Delivery| delivery.message.message.body.to_vec();
        bodies.extend(deliveries.iter().map(|it| String::from_utf8(body(it)).unwrap()));
        channel.cell.acknowledge(Tags::UpTo(last)).unwrap();
    }
    channel.cell.close(None);
    bodies
}

#[test]
fn a_stream_leaves_memory_and_stays_out_of_it_at_a_start() {
    let host = host();
    host.declare("s", &[("x-queue-type", "stream".into())]);
    let bodies = bodies();
    publish(&host, "s", &bodies);
    assert!(used(&host) < 350_000, "{}", used(&host));
    let host = host.restart(true, Duration::ZERO);
    assert!(used(&host) < 150_000, "{}", used(&host));
    assert_eq!(read_stream(&host, "s"), bodies);
    assert!(used(&host) < 150_000, "{}", used(&host));
    host.delete("s");
    assert_eq!((used(&host), host.alive().len()), (0, 0));
}

/// What is read back for a consumer counts until that has it.
#[test]
fn what_a_consumer_of_a_stream_has_not_read_counts() {
    let host = host();
    host.declare("s", &[("x-queue-type", "stream".into())]);
    publish(&host, "s", &bodies());
    let before = used(&host);
    let mut channel = host.channel(1_000);
    channel.consume_stream("s");
    let unread = used(&host);
    assert!(unread > before + 1_000_000, "{before} {unread}");
    assert_eq!(channel.read(0, 500).len(), 500);
    assert!(used(&host) < unread - 500_000);
    channel.read(0, usize::MAX);
    assert_eq!(used(&host), before);
    channel.cell.close(None);
    assert_eq!(used(&host), before);
}
