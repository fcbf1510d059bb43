//! What waits, wherever it does, is on the disk alone where it is much.

use std::time::Duration;

use springhare_amqp::MethodId;

use super::host::{Host, persistent, table};
use crate::config::BrokerConfig;
use crate::model::channel::Tags;
use crate::model::delivery::Delivery;
use crate::model::exchange::ExchangeKind;
use crate::model::queue::{Returned, SettlementMode};
use crate::store::disk::simulated::{DiskFault, SimulatedDisk};

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

/// Lets all of these wait at a delayed exchange that is bound to `q`.
fn delay(host: &Host, bodies: &[String]) {
    host.declare("q", &[]);
    host.exchange("later", ExchangeKind::DelayedMessage, &[("x-delayed-type", "fanout".into())]);
    host.bind("later", "q");
    for some in bodies.chunks(100) {
        let _ = host.publish_all(some.iter().map(|body| {
            let mut publish = persistent("later", "", body);
            publish.message.properties.headers = Some(table(&[("x-delay", 20_000.into())]));
            publish
        }));
    }
}

#[test]
fn what_waits_at_a_delayed_exchange_leaves_memory_and_stays_out_of_it_at_a_start() {
    let host = host();
    let bodies = bodies();
    delay(&host, &bodies);
    assert_eq!(host.delayed().len(), COUNT);
    assert!(used(&host) < 450_000, "{}", used(&host));
    let host = host.restart(true, Duration::ZERO);
    assert!(used(&host) < 300_000, "{}", used(&host));
    host.advance(20_000);
    assert!(used(&host) < 350_000, "{}", used(&host));
    assert_eq!((host.delayed().len(), host.drain("q")), (0, bodies));
    assert_eq!((used(&host), host.alive().len(), host.delayed().len()), (0, 0, 0));
}

#[test]
fn what_the_disk_does_not_give_when_it_is_due_comes_later_and_in_order() {
    let disk = SimulatedDisk::new(1);
    let config = BrokerConfig { memory_paging_watermark: 100_000, ..BrokerConfig::default() };
    let host = Host::on(disk.clone(), config);
    let bodies = bodies();
    delay(&host, &bodies);
    host.exchange("other", ExchangeKind::DelayedMessage, &[("x-delayed-type", "fanout".into())]);
    host.declare("p", &[]);
    host.bind("other", "p");
    let mut publish = persistent("other", "", "other");
    publish.message.properties.headers = Some(table(&[("x-delay", 20_000.into())]));
    let _ = host.publish_all([publish]);
    disk.fail_reads_after(20, DiskFault::Broken);
    host.advance(20_000);
    let routed = host.queue("q").counts().messages;
    assert!(routed > 0 && routed < COUNT, "{routed}");
    assert_eq!(host.delayed().len(), COUNT - routed);
    assert_eq!(host.drain("p"), ["other"], "what waits elsewhere is not held up");
    host.advance(5_000);
    assert_eq!(host.queue("q").counts().messages, routed);
    disk.forget_faults();
    host.advance(1_000);
    assert_eq!((host.delayed().len(), host.drain("q")), (0, bodies));
    assert_eq!((used(&host), host.alive().len()), (0, 0));
}

#[test]
fn the_messages_of_an_exchange_that_is_deleted_are_settled_wherever_they_are() {
    let host = host();
    delay(&host, &bodies());
    host.delete_exchange("later");
    assert_eq!((used(&host), host.delayed().len()), (0, 0));
    let kept = host.journal.alive().into_iter().filter(|(queue, _)| queue.is_none());
    assert_eq!(kept.count(), 1, "the definition of a queue");
}
