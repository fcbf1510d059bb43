//! A disk that does not give what is read back, and does later.

use std::time::Duration;

use springhare_amqp::ReplyCode;

use super::host::{Host, TestChannel};
use crate::config::BrokerConfig;
use crate::model::channel::Tags;
use crate::model::delivery::Delivery;
use crate::model::pager::READ_AGAIN_AFTER;
use crate::model::queue::SettlementMode;
use crate::store::disk::simulated::{DiskFault, SimulatedDisk};

/// A broker that keeps little in memory, and its disk.
fn host() -> (Host, SimulatedDisk) {
    let disk = SimulatedDisk::new(1);
    let config = BrokerConfig {
        memory_paging_watermark: 0,
        memory_high_watermark: 2,
        ..BrokerConfig::default()
    };
    (Host::on(disk.clone(), config), disk)
}

fn publish(host: &Host, queue: &str, count: usize) -> Vec<String> {
    let bodies: Vec<String> = (0..count).map(|body| format!("{body:0>500}")).collect();
    for some in bodies.chunks(10) {
        let _ = host.publish(queue, &some.iter().map(String::as_str).collect::<Vec<_>>());
    }
    bodies
}

fn wait(host: &Host) {
    host.hand.advance(READ_AGAIN_AFTER);
}

fn read(channel: &mut TestChannel) -> Vec<String> {
    let deliveries = channel.read(0, usize::MAX).into_iter();
    let body =
        |delivery: Delivery| String::from_utf8(delivery.message.message.body.to_vec()).unwrap();
    deliveries.map(body).collect()
}

#[test]
fn a_consumer_gets_all_in_order_once_the_disk_reads_again() {
    let (host, disk) = host();
    host.declare("q", &[]);
    let bodies = publish(&host, "q", 400);
    disk.fail_reads_after(3, DiskFault::Broken);
    let mut channel = host.channel(0);
    channel.consume("q", SettlementMode::Explicit);
    let mut got = read(&mut channel);
    assert!(got.len() > 20 && got.len() < 400, "{}", got.len());
    assert_eq!(host.queue("q").counts().messages, 400 - got.len(), "they are there");
    let calls = disk.calls();
    channel.cell.acknowledge(Tags::One(1)).unwrap();
    host.queue("q").resume(&[]);
    assert!(disk.calls() - calls < 10, "it is left alone");
    for _ in 0..5 {
        wait(&host);
        assert_eq!(read(&mut channel), Vec::<String>::new());
    }
    disk.forget_faults();
    wait(&host);
    got.extend(read(&mut channel));
    assert_eq!(got, bodies);
    assert_eq!(host.queue("q").counts().messages, 0);
    assert!(disk.quarantined().is_empty(), "nothing is damaged");
}

#[test]
fn a_get_is_answered_with_an_error_and_the_message_stays() {
    let (host, disk) = host();
    host.declare("q", &[]);
    let bodies = publish(&host, "q", 20);
    disk.fail_reads_after(0, DiskFault::Broken);
    let queue = host.queue("q");
    let channel = host.channel(0);
    let mut told = Ok(());
    for _ in 0..20 {
        told = channel.cell.get(&queue, SettlementMode::Automatic).map(drop);
        if told.is_err() {
            break;
        }
    }
    let error = told.unwrap_err();
    assert_eq!(error.code(), ReplyCode::InternalError);
    assert_eq!(
        error.text(),
        "INTERNAL_ERROR - the next message of queue 'q' in vhost '/' can't be read back from the \
         disk now"
    );
    disk.forget_faults();
    wait(&host);
    let rest = host.drain("q");
    assert!(!rest.is_empty() && bodies.ends_with(&rest));
    assert_eq!(host.alive().len(), 0);
}

#[test]
fn a_queue_that_can_not_be_read_can_be_purged_and_deleted() {
    let (host, disk) = host();
    for queue in ["purged", "deleted"] {
        host.declare(queue, &[]);
        publish(&host, queue, 20);
    }
    disk.fail_reads_after(0, DiskFault::Broken);
    for queue in ["purged", "deleted"] {
        let queue = host.queue(queue);
        while queue
            .get(SettlementMode::Automatic)
            .is_ok_and(|got| got.inspect(|(message, _)| queue.given_away(message)).is_some())
        {
        }
    }
    let counted = host.queue("purged").counts().messages;
    assert!(counted > 0 && host.queue("purged").purge() == counted);
    host.delete("deleted");
    assert_eq!((host.alive().len(), host.broker.shared().memory().used()), (0, 0));
}

#[test]
fn what_dies_of_age_or_length_goes_on_once_the_disk_reads_again() {
    let (host, disk) = host();
    host.declare("dead", &[]);
    let dead_to =
        [("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", "dead".into())];
    host.declare("old", &[&dead_to[..], &[("x-message-ttl", 100.into())]].concat());
    host.declare("long", &[&dead_to[..], &[("x-max-length", 20.into())]].concat());
    publish(&host, "old", 20);
    publish(&host, "long", 20);
    disk.fail_reads_after(0, DiskFault::Broken);
    host.advance(150);
    publish(&host, "long", 20);
    assert!(host.queue("old").counts().messages > 0);
    assert!(host.queue("long").counts().messages > 20);
    disk.forget_faults();
    wait(&host);
    assert_eq!(host.queue("old").counts().messages, 0);
    assert_eq!(host.queue("long").counts().messages, 20);
    assert_eq!(host.drain("dead").len(), 40);
}

/// What could not be read before the end is there after it.
#[test]
fn a_restart_finds_what_could_not_be_read() {
    let (host, disk) = host();
    host.declare("q", &[]);
    let bodies = publish(&host, "q", 50);
    disk.fail_reads_after(0, DiskFault::Broken);
    let mut channel = host.channel(0);
    channel.consume("q", SettlementMode::Explicit);
    channel.read(0, usize::MAX);
    channel.cell.close(None);
    disk.forget_faults();
    let host = host.restart(true, Duration::ZERO);
    assert_eq!(host.drain("q"), bodies);
}
