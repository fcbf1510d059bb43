//! What waits for the disk in this process, and what does not.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use springhare_amqp::{AmqpError, BasicProperties, DeliveryMode, FieldTable, Message, ShortString};

use super::{
    BasicConsumeOptions, BasicPublishOptions, Broker, Channel, ExchangeDeclareOptions, IfUnused,
    NoAck, PublishError, QueueDeclareOptions, QueueDeleteOptions,
};
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::engine::admin::AdminError;
use crate::engine::broker_cell::BrokerCell;
use crate::engine::events::{ChannelEvent, ConfirmOutcome};
use crate::engine::publish::Publish;
use crate::engine::shared::Shared;
use crate::engine::users::Users;
use crate::model::access::{Permissions, User};
use crate::model::ids::QueueId;
use crate::model::policy::Policy;
use crate::model::settling::Multiple;
use crate::store::{Blocked, Journal};

/// A broker with the durable queue `q`, a channel of it, and a disk that syncs nothing from now on.
struct Host {
    broker: Broker,
    journal: Arc<Journal>,
    channel: Channel,
}

impl Host {
    fn held() -> Self {
        let journal = Arc::new(Journal::in_memory());
        let shared = Shared::new(BrokerConfig::default(), Clock::default());
        let shared = shared.with_journal(Arc::clone(&journal), QueueId(0));
        let users = Users::new([], BTreeSet::new()).unwrap();
        let broker = Broker::over(Arc::new(BrokerCell::new(shared, [], users)));
        let channel = broker.connect("test").unwrap().open_channel().unwrap();
        now(channel.queue_declare("q", durable())).unwrap().unwrap();
        journal.hold_syncs();
        Self { broker, journal, channel }
    }

    fn publish(&self, body: &str) -> Option<u64> {
        let options = BasicPublishOptions::default();
        let published = self.channel.basic_publish("", "q", options, persistent(body));
        now(published).unwrap().unwrap()
    }

    fn messages(&self) -> Option<usize> {
        let topology = self.broker.cell().virtual_host().topology();
        topology.queue("q").map(|queue| queue.counts().messages)
    }
}

fn durable() -> QueueDeclareOptions {
    QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() }
}

fn persistent(body: &str) -> Message {
    let delivery_mode = Some(DeliveryMode::Persistent);
    let properties = BasicProperties { delivery_mode, ..BasicProperties::default() };
    Message { properties: properties.into(), ..Message::new(body.to_owned()) }
}

fn to_q(message: Message) -> Publish {
    let routing_key = ShortString::from_static("q");
    Publish { exchange: ShortString::EMPTY, routing_key, mandatory: false, message }
}

/// What the future comes to, if it waits for nothing.
fn now<F: Future>(future: F) -> Option<F::Output> {
    again(pin!(future))
}

fn again<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// The events that can be read now, confirms as their number, with `+` for more than one.
fn events(channel: &Channel) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(Some(event)) = now(channel.next_event()) {
        events.push(match event {
            ChannelEvent::Confirmed { delivery_tag, multiple, outcome } => {
                let sign = if outcome == ConfirmOutcome::Ack { "ack" } else { "nack" };
                let more = if multiple == Multiple::UpTo { "+" } else { "" };
                format!("{sign} {delivery_tag}{more}")
            }
            other => format!("{other:?}"),
        });
    }
    events
}

/// Whether the operation waits until the disk has it, and is then done.
fn waits<F, T, E>(host: &Host, future: F)
where
    F: Future<Output = Result<T, E>>,
    E: std::fmt::Debug,
{
    let mut future = pin!(future);
    assert!(again(future.as_mut()).is_none(), "it waits for the disk");
    host.journal.sync();
    assert!(again(future).expect("it is on the disk").is_ok());
}

#[test]
fn confirms_are_read_once_their_messages_are_on_the_disk() {
    let host = Host::held();
    now(host.channel.confirm_select()).unwrap().unwrap();
    for body in ["a", "b"] {
        host.publish(body);
    }
    assert_eq!(events(&host.channel), [""; 0]);
    assert_eq!(host.messages(), Some(2), "they are in their queue all the while");
    host.journal.sync();
    host.publish("c");
    assert_eq!(events(&host.channel), ["ack 2+"]);
    let transient = Message::new("d");
    let options = BasicPublishOptions::default();
    now(host.channel.basic_publish("", "q", options, transient)).unwrap().unwrap();
    assert_eq!(events(&host.channel), [""; 0], "nothing overtakes");
    host.journal.sync();
    assert_eq!(events(&host.channel), ["ack 4+"]);
}

#[test]
fn who_waits_for_a_confirm_is_woken_and_loses_nothing_by_going_away() {
    let host = Host::held();
    now(host.channel.confirm_select()).unwrap().unwrap();
    let mut next = pin!(host.channel.next_event());
    assert!(again(next.as_mut()).is_none());
    host.publish("a");
    assert!(again(next.as_mut()).is_none());
    host.journal.sync();
    assert!(matches!(again(next), Some(Some(ChannelEvent::Confirmed { delivery_tag: 1, .. }))));
    host.publish("b");
    assert!(now(host.channel.next_event()).is_none(), "dropped while it waits");
    host.journal.sync();
    assert_eq!(events(&host.channel), ["ack 2"]);
}

#[test]
fn confirms_that_nobody_reads_are_bounded() {
    let host = Host::held();
    now(host.channel.confirm_select()).unwrap().unwrap();
    for _ in 0..3000 {
        host.publish("m");
    }
    host.journal.sync();
    host.publish("m");
    assert_eq!(events(&host.channel), ["ack 1023+"], "the others wait together with the last");
    host.journal.sync();
    assert_eq!(events(&host.channel), ["ack 3001+"]);
}

#[test]
fn nothing_is_confirmed_once_the_disk_has_failed() {
    let host = Host::held();
    now(host.channel.confirm_select()).unwrap().unwrap();
    host.publish("a");
    host.journal.sync();
    host.publish("b");
    host.journal.fail("EIO");
    host.publish("c");
    assert_eq!(events(&host.channel), ["ack 1", "nack 3+"]);
}

#[test]
fn what_is_defined_waits_for_the_disk() {
    let host = Host::held();
    let channel = &host.channel;
    let exchange = || ExchangeDeclareOptions { durable: true, ..Default::default() };
    waits(&host, channel.queue_declare("other", durable()));
    waits(&host, channel.exchange_declare("x", "topic", exchange()));
    waits(&host, channel.exchange_declare("y", "fanout", exchange()));
    waits(&host, channel.queue_bind("other", "x", "a.*", FieldTable::new()));
    waits(&host, channel.exchange_bind("y", "x", "b.*", FieldTable::new()));
    // Nothing of these is on the disk.
    let transient = channel.queue_declare("transient", QueueDeclareOptions::default());
    assert!(now(transient).is_some());
    assert!(now(channel.queue_bind("transient", "x", "#", FieldTable::new())).is_some());
    assert!(now(channel.queue_purge("other")).is_some());
    // Who finds what another has just made waits with it.
    let again = host.broker.connect("other").unwrap().open_channel().unwrap();
    assert!(now(channel.queue_declare("third", durable())).is_none(), "dropped: it is there");
    waits(&host, again.queue_declare_passive("third"));
}

#[test]
fn what_is_administered_waits_for_the_disk() {
    let host = Host::held();
    let broker = &host.broker;
    waits(&host, broker.add_virtual_host("v", Default::default()));
    waits(&host, broker.set_user(User::new("alice", "secret")));
    waits(&host, broker.set_permissions("alice", "v", Permissions::all()));
    waits(&host, broker.set_policy("v", Policy::new("p", "^q").set("max-length", 1)));
    waits(&host, broker.import_definitions(r#"{"vhosts": [{"name": "w"}]}"#));
    let mut late = pin!(broker.set_user(User::new("bob", "secret")));
    assert!(again(late.as_mut()).is_none());
    host.journal.fail("EIO");
    let Some(Err(AdminError::NotStored { reason })) = again(late) else { panic!("no error") };
    assert!(reason.starts_with("the store has failed (EIO)"), "{reason}");
}

#[test]
fn a_definition_that_can_not_be_kept_ends_the_connection() {
    let host = Host::held();
    let mut late = pin!(host.channel.queue_declare("other", durable()));
    assert!(again(late.as_mut()).is_none());
    host.journal.fail("EIO");
    let error: AmqpError = again(late).unwrap().unwrap_err();
    assert!(error.to_string().starts_with("541 INTERNAL_ERROR - the store has failed (EIO)"));
    assert_eq!(host.channel.close_reason(), Some(error));
}

#[test]
fn a_commit_waits_for_the_disk() {
    let host = Host::held();
    now(host.channel.tx_select()).unwrap().unwrap();
    host.publish("a");
    waits(&host, host.channel.tx_commit());
    host.publish("b");
    let mut late = pin!(host.channel.tx_commit());
    assert!(again(late.as_mut()).is_none());
    host.journal.fail("EIO");
    assert!(again(late).unwrap().is_err());
}

#[test]
fn deliveries_and_settlements_do_not_wait_for_the_disk() {
    let host = Host::held();
    let mut consumer =
        now(host.channel.basic_consume("q", "", BasicConsumeOptions::default())).unwrap().unwrap();
    host.publish("a");
    let delivery = now(consumer.recv()).unwrap().unwrap();
    assert!(now(host.channel.basic_ack(delivery.delivery_tag, Multiple::One)).is_some());
    assert!(now(host.channel.basic_get("q", NoAck::Yes)).is_some());
    assert!(now(host.channel.exchange_delete("nope", IfUnused::No)).is_some(), "nothing is gone");
    waits(&host, host.channel.queue_delete("q", QueueDeleteOptions::default()));
}

#[test]
fn a_publisher_without_a_channel_waits_for_the_disk() {
    let host = Host::held();
    let publisher = host.broker.publisher();
    waits(&host, publisher.publish(to_q(persistent("a"))));
    assert!(now(publisher.publish(to_q(Message::new("transient")))).is_some());
    let mut dropped = pin!(publisher.publish(to_q(persistent("b"))));
    assert!(again(dropped.as_mut()).is_none());
    assert_eq!(host.messages(), Some(3), "it is taken, whoever hears of it");

    let mut late = pin!(publisher.publish(to_q(persistent("c"))));
    assert!(again(late.as_mut()).is_none());
    host.journal.fail("EIO");
    let Some(Err(PublishError::NotStored(error))) = again(late) else { panic!("no error") };
    assert!(error.to_string().contains("the store has failed (EIO)"), "{error}");
    let refused = now(publisher.publish(to_q(persistent("d")))).unwrap();
    assert!(matches!(refused, Err(PublishError::NotStored(_))), "{refused:?}");
    assert_eq!(host.messages(), Some(4), "and is not taken");
}

#[test]
fn the_messages_of_a_batch_are_confirmed_each() {
    let host = Host::held();
    let publisher = host.broker.publisher();
    let mut cx = Context::from_waker(Waker::noop());
    let mut publishes: VecDeque<_> =
        [persistent("a"), persistent("b")].map(to_q).into_iter().collect();
    let mut nowhere = to_q(persistent("c"));
    (nowhere.routing_key, nowhere.mandatory) = (ShortString::from_static("gone"), true);
    publishes.push_back(nowhere);
    let mut taken = VecDeque::new();
    assert!(publisher.poll_publish_many(&mut cx, &mut publishes, &mut taken).is_ready());
    assert!(matches!(taken.pop_back(), Some(Err(PublishError::Unroutable(_)))));
    let taken: Vec<_> = taken.into_iter().map(Result::unwrap).collect();
    assert_eq!(taken.len(), 2);
    for unconfirmed in &taken {
        assert!(!unconfirmed.is_safe());
        assert!(publisher.poll_confirm(&mut cx, *unconfirmed).is_pending());
    }
    host.journal.sync();
    for unconfirmed in taken {
        assert_eq!(publisher.poll_confirm(&mut cx, unconfirmed), Poll::Ready(Ok(())));
    }
}

#[test]
fn a_batch_waits_where_much_waits_to_be_written() {
    let host = Host::held();
    host.journal.hold_writes();
    let publisher = host.broker.publisher();
    let mut cx = Context::from_waker(Waker::noop());
    let large = Message { body: Bytes::from(vec![0; 1 << 20]), ..persistent("") };
    let mut publishes: VecDeque<_> = (0..40).map(|_| to_q(large.clone())).collect();
    let mut taken = VecDeque::new();
    assert!(publisher.poll_publish_many(&mut cx, &mut publishes, &mut taken).is_pending());
    let max = host.broker.cell().shared().config().journal_backlog_max_bytes;
    assert_eq!(taken.len(), max.div_ceil(1 << 20), "{} are left", publishes.len());
    host.journal.sync();
    while publisher.poll_publish_many(&mut cx, &mut publishes, &mut taken).is_pending() {
        host.journal.sync();
    }
    assert_eq!(taken.len(), 40);
    assert!(taken.iter().all(Result::is_ok));
}

#[test]
fn publishers_wait_for_room_on_the_disk() {
    let host = Host::held();
    host.journal.set_blocked(Some(Blocked::DiskLow));
    let options = BasicPublishOptions::default();
    let mut by_channel = pin!(host.channel.basic_publish("", "q", options, Message::new("a")));
    let publisher = host.broker.publisher();
    let mut without = pin!(publisher.publish(to_q(Message::new("b"))));
    assert!(again(by_channel.as_mut()).is_none() && again(without.as_mut()).is_none());
    assert!(now(publisher.publish(to_q(Message::new("dropped")))).is_none());
    let exempt = publisher.clone().beyond_the_memory_mark();
    assert!(now(exempt.publish(to_q(Message::new("c")))).is_some(), "parking makes room");
    assert_eq!(host.messages(), Some(1));
    host.journal.set_blocked(None);
    assert!(again(by_channel).unwrap().is_ok() && again(without).unwrap().is_ok());
    assert_eq!(host.messages(), Some(3), "what was dropped while it waited was not published");
}

#[tokio::test]
async fn a_confirm_costs_one_sync_at_the_most() {
    const MESSAGES: u64 = 50;
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::builder().data(folder.path()).start().unwrap();
    let channel = broker.connect("test").unwrap().open_channel().unwrap();
    channel.queue_declare("q", durable()).await.unwrap();
    let journal = Arc::clone(broker.cell().shared().journal().unwrap());
    let publisher = broker.publisher();
    let before = journal.syncs();
    for _ in 0..MESSAGES {
        publisher.publish(to_q(persistent("one by one"))).await.unwrap();
    }
    let alone = journal.syncs() - before;
    assert!((MESSAGES..=MESSAGES + 2).contains(&alone), "{alone} syncs for {MESSAGES} confirms");

    let before = journal.syncs();
    let mut publishes: VecDeque<_> = (0..MESSAGES).map(|_| to_q(persistent("together"))).collect();
    let mut taken = VecDeque::new();
    std::future::poll_fn(|cx| publisher.poll_publish_many(cx, &mut publishes, &mut taken)).await;
    for unconfirmed in taken {
        let unconfirmed = unconfirmed.unwrap();
        std::future::poll_fn(|cx| publisher.poll_confirm(cx, unconfirmed)).await.unwrap();
    }
    let together = journal.syncs() - before;
    assert!((1..=2).contains(&together), "{together} syncs for {MESSAGES} confirms");
}
