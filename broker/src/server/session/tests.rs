//! What waits for the disk at a socket, and what does not.

mod peer;

use std::time::Duration;

use springhare_amqp::wire::method::{basic, channel, queue, tx};
use springhare_amqp::{DeliveryMode, FieldTable, ShortString};

use self::peer::{Client, Host};
use crate::config::BrokerConfig;
use crate::store::Blocked;

const Q: ShortString = ShortString::from_static("q");

fn declare(name: ShortString) -> queue::Declare {
    queue::Declare {
        queue: name,
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments: FieldTable::new(),
    }
}

fn consume() -> basic::Consume {
    basic::Consume {
        queue: Q,
        consumer_tag: ShortString::from_static("c"),
        no_local: false,
        no_ack: true,
        exclusive: false,
        no_wait: false,
        arguments: FieldTable::new(),
    }
}

/// A broker with the durable queue `q`, a client with the channels 1 and 2, and a disk that syncs
/// nothing from now on.
fn held() -> (Host, Client) {
    held_with(BrokerConfig::default())
}

fn held_with(config: BrokerConfig) -> (Host, Client) {
    let host = Host::new(config);
    let mut client = host.connect(&[1, 2]);
    client.say(1, &declare(Q));
    assert_eq!(client.hear(), ["1 queue.declare-ok"]);
    host.journal.hold_syncs();
    (host, client)
}

#[test]
fn confirms_come_in_their_order_once_their_messages_are_on_the_disk() {
    let (host, mut client) = held();
    for body in ["a", "b"] {
        client.publish_persistent(1, "q", body);
        assert_eq!(client.hear(), [""; 0]);
    }
    client.publish_persistent(2, "q", "c");
    client.publish(1, "q", DeliveryMode::Transient, "d");
    assert_eq!(client.hear(), [""; 0], "nothing overtakes on its channel");
    host.journal.sync();
    assert!(client.is_woken());
    assert_eq!(client.hear(), ["1 basic.ack 2 multiple", "2 basic.ack 1", "1 basic.ack 3"]);
    client.publish_persistent(2, "q", "e");
    client.publish(1, "q", DeliveryMode::Transient, "f");
    assert_eq!(client.hear(), ["1 basic.ack 4"], "what is not on the disk waits for nothing");
    client.publish(1, "nobody", DeliveryMode::Persistent, "g");
    assert_eq!(client.hear(), ["1 basic.ack 5"], "nor what no queue gets");
    host.journal.sync();
    assert_eq!(client.hear(), ["2 basic.ack 2"]);
}

#[test]
fn deliveries_and_other_answers_do_not_wait_for_the_disk() {
    let (host, mut client) = held();
    client.say(2, &consume());
    assert_eq!(client.hear(), ["2 basic.consume-ok"]);
    client.publish_persistent(1, "q", "a");
    client.publish_persistent(1, "q", "b");
    assert_eq!(client.hear(), ["2 basic.deliver", "2 a", "2 basic.deliver", "2 b"]);
    client.say(1, &basic::Qos { prefetch_size: 0, prefetch_count: 1, global: false });
    assert_eq!(client.hear(), ["1 basic.qos-ok"]);
    host.journal.sync();
    assert_eq!(client.hear(), ["1 basic.ack 2 multiple"]);
}

#[test]
fn nothing_is_confirmed_once_the_disk_has_failed() {
    let (host, mut client) = held();
    client.publish_persistent(1, "q", "a");
    client.turn();
    host.journal.sync();
    client.publish_persistent(1, "q", "b");
    client.turn();
    client.publish_persistent(1, "q", "c");
    client.turn();
    host.journal.fail("EIO");
    let heard = client.hear();
    assert_eq!(heard, ["1 basic.ack 1", "1 basic.nack 3 multiple"]);
    client.publish_persistent(1, "q", "d");
    assert_eq!(client.hear(), ["1 basic.nack 4"]);
    client.publish_persistent(1, "nobody", "e");
    assert_eq!(client.hear(), ["1 basic.ack 5"], "of this there was nothing to keep");
}

#[test]
fn an_answer_waits_for_the_disk_and_what_was_asked_after_it_for_the_answer() {
    let (host, mut client) = held();
    client.publish_persistent(1, "q", "a");
    client.say(1, &declare(ShortString::from_static("other")));
    client.say(1, &declare(ShortString::from_static("third")));
    client.publish_persistent(2, "q", "b");
    client.say(1, &consume());
    assert_eq!(client.hear(), [""; 0]);
    // The client may say nothing all the while, and hears that the broker lives.
    for _ in 0..10 {
        host.hand.advance(Duration::from_secs(30));
        assert_eq!(client.hear(), ["0 heartbeat"]);
    }
    host.journal.sync();
    assert_eq!(client.hear(), ["1 basic.ack 1", "1 queue.declare-ok"]);
    host.journal.sync();
    let rest = ["1 queue.declare-ok", "1 basic.consume-ok", "1 basic.deliver", "1 a"];
    let rest = rest.into_iter().chain(["1 basic.deliver", "1 b"]).collect::<Vec<_>>();
    assert_eq!(client.hear(), rest);
    host.journal.sync();
    assert_eq!(client.hear(), ["2 basic.ack 1"]);
}

#[test]
fn a_definition_that_can_not_be_kept_ends_the_connection() {
    let (host, mut client) = held();
    client.publish_persistent(1, "q", "a");
    client.say(2, &declare(ShortString::from_static("other")));
    client.turn();
    host.journal.fail("EIO");
    let heard = client.hear();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(heard[0], "1 basic.nack 1");
    let close = "0 connection.close 541 INTERNAL_ERROR - the store has failed (EIO), and the broker is \
                 read-only until it is started again";
    assert_eq!(heard[1], close);
}

#[test]
fn what_was_promised_on_a_channel_ends_with_it() {
    let (host, mut client) = held();
    client.publish_persistent(1, "q", "a");
    client.publish_persistent(2, "q", "b");
    let close = channel::Close {
        reply_code: 200,
        reply_text: ShortString::EMPTY,
        class_id: 0,
        method_id: 0,
    };
    client.say(1, &close);
    assert_eq!(client.hear(), ["1 channel.close-ok"]);
    client.open_confirming(1);
    host.journal.sync();
    assert_eq!(client.hear(), ["2 basic.ack 1"]);
    client.publish_persistent(1, "q", "c");
    client.turn();
    host.journal.sync();
    assert_eq!(client.hear(), ["1 basic.ack 1"]);
}

#[test]
fn a_client_whose_confirms_wait_is_read_from_no_more_at_the_limit() {
    let config = BrokerConfig { confirms_max: 2, ..BrokerConfig::default() };
    let (host, mut client) = held_with(config);
    for _ in 0..3 {
        client.publish_persistent(1, "q", "m");
        client.turn();
    }
    let in_queue = || {
        let topology = host.broker.virtual_host().topology();
        topology.queue("q").map(|queue| queue.counts().messages)
    };
    assert_eq!(in_queue(), Some(2));
    for _ in 0..10 {
        host.hand.advance(Duration::from_secs(30));
        assert_eq!(client.hear(), ["0 heartbeat"], "it may say nothing all the while");
    }
    host.journal.sync();
    assert_eq!(client.hear(), ["1 basic.ack 2 multiple"]);
    assert_eq!(in_queue(), Some(3));
    host.journal.sync();
    assert_eq!(client.hear(), ["1 basic.ack 3"]);
}

#[test]
fn a_commit_waits_for_the_disk() {
    let (host, mut client) = held();
    client.say(3, &channel::Open {});
    client.say(3, &tx::Select {});
    client.publish_persistent(3, "q", "a");
    client.say(3, &tx::Commit {});
    assert_eq!(client.hear(), ["3 channel.open-ok", "3 tx.select-ok"]);
    host.journal.sync();
    assert_eq!(client.hear(), ["3 tx.commit-ok"]);
    client.publish_persistent(3, "q", "b");
    client.say(3, &tx::Commit {});
    client.turn();
    host.journal.fail("EIO");
    let heard = client.hear();
    assert!(heard[0].starts_with("0 connection.close 541 INTERNAL_ERROR - the store"), "{heard:?}");
}

#[test]
fn publishers_are_told_that_the_disk_is_low() {
    let (host, mut client) = held();
    let mut silent = host.connect(&[1]);
    host.journal.set_blocked(Some(Blocked::DiskLow));
    assert_eq!(client.hear(), [""; 0], "it does not publish yet");
    client.publish(1, "q", DeliveryMode::Transient, "a");
    assert_eq!(client.hear(), ["1 basic.ack 1", "0 connection.blocked: low on disk"]);
    client.publish(1, "q", DeliveryMode::Transient, "b");
    assert_eq!(client.hear(), [""; 0]);
    silent.say(1, &consume());
    assert_eq!(silent.hear(), ["1 basic.consume-ok", "1 basic.deliver", "1 a"]);
    host.journal.set_blocked(None);
    assert!(client.is_woken());
    assert_eq!(client.hear(), ["0 connection.unblocked", "1 basic.ack 2"]);
    assert_eq!(silent.hear(), ["1 basic.deliver", "1 b"]);
}

#[test]
fn a_moment_of_much_to_write_is_told_to_nobody() {
    let (host, mut client) = held();
    host.journal.set_blocked(Some(Blocked::Backlog));
    client.publish(1, "q", DeliveryMode::Transient, "a");
    client.turn();
    client.publish(1, "q", DeliveryMode::Transient, "b");
    assert_eq!(client.hear(), ["1 basic.ack 1"]);
    host.journal.set_blocked(Some(Blocked::DiskLow));
    assert_eq!(client.hear(), ["0 connection.blocked: low on disk"]);
    host.journal.set_blocked(Some(Blocked::Backlog));
    assert_eq!(client.hear(), [""; 0]);
    host.journal.set_blocked(None);
    assert_eq!(client.hear(), ["0 connection.unblocked", "1 basic.ack 2"]);
}
