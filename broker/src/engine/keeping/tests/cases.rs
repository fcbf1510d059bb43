//! One thing at a time.

use std::time::Duration;

use springhare_amqp::{FieldValue, MethodId};

use super::host::{Arguments, Host, TestChannel, persistent, table};
use crate::config::BrokerConfig;
use crate::engine::publish::{Finished, Publishing};
use crate::model::channel::Tags;
use crate::model::exchange::ExchangeKind;
use crate::model::queue::SettlementMode;
use crate::model::stored::Lsn;
use crate::store::Failure;

fn host() -> Host {
    Host::new(BrokerConfig::default())
}

fn dead_to(queue: &'static str) -> [(&'static str, FieldValue); 2] {
    [("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", queue.into())]
}

fn ready(host: &Host, queue: &str) -> usize {
    host.queue(queue).counts().messages
}

#[test]
fn what_a_full_store_can_not_take_is_refused_and_in_no_queue() {
    let host = host();
    host.declare("durable", &[]);
    host.declare_as("transient", &[], false);
    host.exchange("fan", ExchangeKind::Fanout, &[]);
    host.bind("fan", "durable");
    host.bind("fan", "transient");
    host.journal.set_full(true);
    let Finished { refused, failure, .. } =
        host.publish_all(["1", "2"].map(|body| persistent("fan", "", body)));
    assert_eq!((refused, failure), (vec![0, 1], Some(Failure::Full)));
    assert_eq!((ready(&host, "durable"), ready(&host, "transient")), (0, 0));
    let Finished { refused, end, failure } = host.publish("transient", &["3"]);
    assert_eq!((refused, end, failure), (vec![], Lsn::NONE, None), "nothing is to be kept");
    host.journal.set_full(false);
    let Finished { refused, end, .. } = host.publish("durable", &["4"]);
    assert!(refused.is_empty() && end > Lsn::NONE);
    assert_eq!(host.drain("durable"), ["4"]);
}

#[test]
fn a_queue_that_refuses_a_message_settles_it() {
    let host = host();
    let limits = [("x-max-length", 1.into()), ("x-overflow", "reject-publish".into())];
    host.declare("q", &limits);
    assert_eq!(host.publish("q", &["1", "2", "3"]).refused, [1, 2]);
    assert_eq!((host.alive().len(), host.kept()), (1, host.alive()));
}

/// A letter that the store does not take waits, whatever the strategy.
#[test]
fn a_dead_letter_is_not_lost_while_the_store_is_full() {
    let host = host();
    host.declare("dead", &[]);
    host.declare("q", &dead_to("dead"));
    let _ = host.publish("q", &["1", "2"]);
    let mut channel = host.channel(0);
    channel.consume("q", SettlementMode::Explicit);
    channel.read(0, 10);
    host.journal.set_full(true);
    channel.cell.discard(Tags::UpTo(2), MethodId::BASIC_NACK).unwrap();
    assert_eq!((ready(&host, "q"), ready(&host, "dead"), host.alive().len()), (0, 0, 2));
    host.advance(1_500);
    assert_eq!(ready(&host, "dead"), 0);
    host.journal.set_full(false);
    host.advance(1_500);
    assert_eq!((host.drain("dead"), host.alive().len()), (vec!["1".into(), "2".into()], 0));
    assert_eq!(host.broker.shared().memory().used(), 0);
}

#[test]
fn what_is_due_at_a_delayed_exchange_waits_for_a_full_store() {
    let host = host();
    host.declare("q", &[]);
    host.exchange("later", ExchangeKind::DelayedMessage, &[("x-delayed-type", "fanout".into())]);
    host.bind("later", "q");
    let mut publish = persistent("later", "", "1");
    publish.message.properties.headers = Some(table(&[("x-delay", 1_000.into())]));
    assert!(host.publish_all([publish.clone()]).end > Lsn::NONE);
    let host = host.restart(true, Duration::ZERO);
    assert_eq!(host.delayed().len(), 1);
    host.journal.set_full(true);
    assert_eq!(host.publish_all([publish]).refused, [0]);
    host.advance(1_000);
    assert_eq!((ready(&host, "q"), host.delayed().len()), (0, 1));
    host.journal.set_full(false);
    host.advance(1_000);
    assert_eq!((host.delayed().len(), host.kept()), (0, host.alive()));
    // What was due while nobody ran is routed at the start.
    let mut publish = persistent("later", "", "2");
    publish.message.properties.headers = Some(table(&[("x-delay", 5_000.into())]));
    let _ = host.publish_all([publish]);
    let host = host.restart(false, Duration::from_secs(10));
    host.advance(0);
    assert_eq!(host.drain("q"), ["1", "2"]);
}

fn publish_in(channel: &TestChannel, queue: &str, bodies: &[&str]) {
    let mut publishing = Publishing::by(&channel.cell);
    for body in bodies {
        publishing.publish(persistent("", queue, body)).unwrap();
    }
    let _ = publishing.finish();
}

#[test]
fn a_commit_that_the_store_does_not_take_does_nothing() {
    let host = host();
    host.declare("from", &[]);
    host.declare("to", &[]);
    let _ = host.publish("from", &["1"]);
    let mut channel = host.channel(0);
    channel.cell.tx_select().unwrap();
    channel.consume("from", SettlementMode::Explicit);
    channel.read(0, 1);
    publish_in(&channel, "to", &["2"]);
    channel.cell.acknowledge(Tags::One(1)).unwrap();
    host.journal.set_full(true);
    let error = channel.cell.tx_commit(|_| Ok(())).unwrap_err();
    assert_eq!(error.method(), MethodId::TX_COMMIT);
    channel.cell.close(None);
    assert_eq!((ready(&host, "from"), ready(&host, "to"), host.alive().len()), (1, 0, 1));
    // One that only acknowledges makes room, and is taken.
    let mut channel = host.channel(0);
    channel.cell.tx_select().unwrap();
    channel.consume("from", SettlementMode::Explicit);
    channel.read(0, 1);
    channel.cell.acknowledge(Tags::One(1)).unwrap();
    assert!(channel.cell.tx_commit(|_| Ok(())).unwrap() > Lsn::NONE);
    assert!(host.alive().is_empty());
}

#[test]
fn a_commit_says_what_has_to_be_synced() {
    let host = host();
    host.declare("q", &[]);
    host.declare_as("transient", &[], false);
    let channel = host.channel(0);
    channel.cell.tx_select().unwrap();
    publish_in(&channel, "transient", &["1"]);
    assert_eq!(channel.cell.tx_commit(|_| Ok(())), Ok(Lsn::NONE));
    publish_in(&channel, "q", &["1", "2"]);
    assert!(channel.cell.tx_commit(|_| Ok(())).unwrap() > Lsn::NONE);
    let host = host.restart(false, Duration::ZERO);
    assert_eq!(host.drain("q"), ["1", "2"]);
}

#[test]
fn what_nobody_acknowledges_is_settled_when_it_is_read() {
    let host = host();
    host.declare("q", &[]);
    let _ = host.publish("q", &["1", "2", "3"]);
    let mut channel = host.channel(0);
    channel.consume("q", SettlementMode::Automatic);
    assert_eq!((ready(&host, "q"), host.alive().len()), (0, 3), "sent, and not read");
    assert_eq!(channel.read(0, 2).len(), 2);
    assert_eq!(host.alive().len(), 1);
    channel.cell.close(None);
    assert_eq!((host.drain("q"), host.alive().len()), (vec!["3".to_owned()], 0));
}

#[test]
fn what_a_deleted_queue_had_is_settled_wherever_it_is() {
    let host = host();
    host.declare("q", &[]);
    let _ = host.publish("q", &["1", "2", "3", "4", "5", "6"]);
    let mut channel = host.channel(2);
    channel.consume("q", SettlementMode::Explicit);
    channel.read(0, 1);
    let mut other = host.channel(0);
    other.get(&host.queue("q"), SettlementMode::Explicit);
    host.delete("q");
    assert_eq!(host.alive().len(), 3, "what is out: read, unread, and got");
    channel.cell.close(None);
    drop(channel);
    assert_eq!(host.alive().len(), 1);
    other.cell.acknowledge(Tags::One(1)).unwrap();
    assert!(host.alive().is_empty());
}

#[test]
fn offsets_go_on_after_retention_and_a_restart() {
    const STREAM: Arguments<'static> = &[];
    let host = host();
    let arguments = [
        ("x-queue-type", "stream".into()),
        ("x-max-length-bytes", 300.into()),
        ("x-stream-max-segment-size-bytes", 100.into()),
    ];
    host.declare("s", &[&arguments[..], STREAM].concat());
    let bodies: Vec<String> = (0..20).map(|body| body.to_string()).collect();
    for body in &bodies {
        let _ = host.publish("s", &[body]);
    }
    let before = host.stream("s");
    assert!(before.first().is_some_and(|(offset, _)| *offset > 5), "{before:?}");
    let host = host.restart(true, Duration::ZERO);
    assert_eq!(host.stream("s"), before);
    let _ = host.publish("s", &["20"]);
    assert_eq!(host.stream("s").last().map(|(offset, _)| *offset), Some(20));
    let before = host.stream("s");
    let host = host.restart(false, Duration::ZERO);
    assert_eq!(host.stream("s"), before);
    host.delete("s");
    let host = host.restart(true, Duration::ZERO);
    assert!(host.journal.alive().iter().all(|(queue, _)| queue.is_none()));
}

#[test]
fn time_went_on_while_nobody_ran() {
    let host = host();
    host.declare("dead", &[]);
    host.declare("q", &[&dead_to("dead")[..], &[("x-message-ttl", 5_000.into())]].concat());
    let retry = [
        ("x-queue-type", "quorum".into()),
        ("x-delayed-retry-type", "all".into()),
        ("x-delayed-retry-min", 20_000.into()),
        ("x-delayed-retry-max", 20_000.into()),
    ];
    host.declare("retry", &retry);
    let _ = host.publish("q", &["1"]);
    let _ = host.publish("retry", &["2"]);
    let mut channel = host.channel(0);
    channel.consume("retry", SettlementMode::Explicit);
    channel.read(0, 1);
    channel.cell.close(None);
    host.advance(3_000);
    let _ = host.publish("q", &["3"]);
    let host = host.restart(true, Duration::from_secs(3));
    assert_eq!((host.drain("dead"), ready(&host, "q")), (vec!["1".to_owned()], 1));
    let returned = host.contents("retry");
    assert_eq!(
        returned.iter().map(|it| (it.is_ready, it.delivery_count)).collect::<Vec<_>>(),
        [(false, 1)]
    );
    host.advance(13_999);
    assert_eq!(ready(&host, "retry"), 0);
    host.advance(1);
    assert_eq!(host.drain("retry"), ["2"]);
}

/// Far more than stays in memory, published and read.
#[test]
fn a_backlog_is_on_the_disk_and_drains_in_order() {
    let config = BrokerConfig { memory_paging_watermark: 100_000, ..BrokerConfig::default() };
    let host = Host::new(config);
    host.declare("q", &[]);
    let bodies: Vec<String> = (0..3_000).map(|body| format!("{body:0>200}")).collect();
    for some in bodies.chunks(100) {
        let _ = host.publish("q", &some.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let used = host.broker.shared().memory().used();
    assert!(used < 250_000, "{used} bytes");
    let host = host.restart(false, Duration::ZERO);
    assert!(host.broker.shared().memory().used() < 60_000);
    assert_eq!(host.drain("q"), bodies);
    assert_eq!((host.broker.shared().memory().used(), host.alive().len()), (0, 0));
}
