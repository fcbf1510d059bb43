use springhare_amqp::{BasicProperties, DeliveryMode, FieldTable, FieldValue, Message};

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::config::BrokerConfig;
use crate::engine::connection_cell::ConnectionCell;
use crate::engine::declare::{BindingRequest, ExchangeDeleteCondition};
use crate::engine::publish::{Publish, Published, Publishing};
use crate::engine::shared::Shared;
use crate::model::binding::Destination;
use crate::model::definition::{ExchangeDefinition, QueueDeclaration};
use crate::model::ids::{ConnectionId, QueueId};
use crate::model::queue::SettlementMode;
use crate::model::stored::Place;

struct Host {
    virtual_host: Arc<VirtualHost>,
    connection: ConnectionCell,
    hand: ManualClock,
}

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn table(entry: &'static str, value: impl Into<FieldValue>) -> FieldTable {
    [(ShortString::from_static(entry), value.into())].into_iter().collect()
}

impl Host {
    fn new(config: BrokerConfig) -> Self {
        let (clock, hand) = Clock::manual();
        let shared = Arc::new(Shared::new(config, clock));
        let virtual_host = VirtualHost::new(name("/"), Default::default(), shared);
        let connection = ConnectionCell::new(
            ConnectionId(1),
            ShortString::EMPTY,
            Weak::new(),
            Arc::clone(&virtual_host),
            None,
        );
        let host = Self { virtual_host, connection, hand };
        host.declare_exchange("x");
        host.queue("q");
        host.bind("k", "q");
        host
    }

    fn declare_exchange(&self, exchange: &str) {
        let definition = ExchangeDefinition {
            name: name(exchange),
            kind: ExchangeKind::DelayedMessage,
            durable: false,
            auto_delete: false,
            internal: false,
            arguments: table("x-delayed-type", "direct"),
        };
        self.virtual_host.exchange_declare(&self.connection, definition).unwrap();
    }

    fn queue(&self, queue: &str) {
        let declaration = QueueDeclaration {
            name: name(queue),
            durable: false,
            exclusive: false,
            auto_delete: false,
            arguments: FieldTable::new(),
        };
        self.virtual_host.queue_declare(&self.connection, declaration).unwrap();
    }

    fn bind(&self, key: &str, queue: &str) {
        let request = BindingRequest {
            source: name("x"),
            destination: Destination::Queue(name(queue)),
            routing_key: name(key),
            arguments: FieldTable::new(),
        };
        self.virtual_host.bind(self.connection.id(), request).unwrap();
    }

    /// Publishes mandatory messages, each with its delay; the places of those that are refused.
    fn publish(&self, messages: &[(&str, i64)]) -> Vec<usize> {
        let mut publishing = Publishing::on(&self.virtual_host);
        for (body, delay) in messages {
            let headers = Some(table("x-delay", *delay));
            let message = Message::new((*body).to_owned())
                .with_properties(BasicProperties { headers, ..Default::default() });
            let publish =
                Publish { exchange: name("x"), routing_key: name("k"), mandatory: true, message };
            let published = publishing.publish(publish).unwrap();
            assert!(matches!(published, Published::Routed), "{published:?}");
        }
        publishing.finish().refused
    }

    /// Bodies with what their header says.
    fn drain(&self, queue: &str) -> Vec<(String, Option<i64>)> {
        let queue = self.virtual_host.topology().queue(queue).cloned().unwrap();
        let messages = std::iter::from_fn(|| queue.get(SettlementMode::Automatic).unwrap());
        messages
            .map(|(message, _)| {
                let message = &message.message.message;
                let body = String::from_utf8(message.body.to_vec()).unwrap();
                (body, message.properties.header("x-delay").and_then(FieldValue::as_i64))
            })
            .collect()
    }

    fn advance(&self, milliseconds: u64) {
        self.hand.advance(Duration::from_millis(milliseconds));
    }

    fn memory(&self) -> u64 {
        self.virtual_host.memory().used()
    }
}

fn got(body: &str, delay: i64) -> (String, Option<i64>) {
    (body.to_owned(), Some(delay))
}

#[test]
fn messages_come_when_they_are_due_and_in_that_order() {
    let host = Host::new(BrokerConfig::default());
    host.publish(&[("late", 300), ("soon", 100), ("now", 0), ("over", -5), ("soon too", 100)]);
    assert_eq!(host.drain("q"), [got("now", 0), got("over", -5)]);
    host.advance(99);
    assert_eq!(host.drain("q"), []);
    host.advance(1);
    assert_eq!(host.drain("q"), [got("soon", -100), got("soon too", -100)]);
    assert!(host.memory() > 0, "one still waits");
    host.advance(1000);
    assert_eq!(host.drain("q"), [got("late", -300)]);
    assert_eq!(host.memory(), 0);
    host.publish(&[("again", 50)]);
    host.advance(50);
    assert_eq!(host.drain("q"), [got("again", -50)]);
}

#[test]
fn more_than_a_batch_is_due_at_once() {
    let host = Host::new(BrokerConfig::default());
    let bodies: Vec<String> = (0..BATCH * 2 + 1).map(|number| number.to_string()).collect();
    host.publish(&bodies.iter().map(|body| (body.as_str(), 5)).collect::<Vec<_>>());
    host.advance(5);
    let came: Vec<String> = host.drain("q").into_iter().map(|(body, _)| body).collect();
    assert_eq!(came, bodies);
    assert_eq!(host.memory(), 0);
}

#[test]
fn the_bindings_count_that_are_there_when_it_is_due() {
    let host = Host::new(BrokerConfig::default());
    host.publish(&[("m", 10)]);
    host.queue("other");
    host.bind("k", "other");
    host.virtual_host.queue_delete(host.connection.id(), &name("q"), Default::default()).unwrap();
    host.advance(10);
    assert_eq!(host.drain("other"), [got("m", -10)]);
    host.publish(&[("lost", 10)]);
    host.virtual_host
        .queue_delete(host.connection.id(), &name("other"), Default::default())
        .unwrap();
    host.advance(10);
    assert_eq!(host.memory(), 0);
}

#[test]
fn a_deleted_exchange_takes_its_messages_along() {
    let host = Host::new(BrokerConfig::default());
    host.publish(&[("m", 10)]);
    host.virtual_host.exchange_delete(&name("x"), ExchangeDeleteCondition::Always).unwrap();
    assert_eq!(host.memory(), 0);
    host.declare_exchange("x");
    host.bind("k", "q");
    host.advance(10);
    assert_eq!(host.drain("q"), []);
    host.publish(&[("m", 10)]);
    let Host { virtual_host, connection, .. } = host;
    let memory = Arc::clone(virtual_host.memory());
    assert!(memory.used() > 0);
    drop((virtual_host, connection));
    assert_eq!(memory.used(), 0);
}

#[test]
fn nothing_waits_at_an_exchange_that_is_gone() {
    let host = Host::new(BrokerConfig::default());
    // Before it is deleted: this is what a transaction, or a publisher, has found by then.
    let delays = [Delay { exchange: name("x"), delay: Duration::from_millis(10) }];
    let message = Arc::new(PublishedMessage::new(name("x"), name("k"), Message::new("m")));
    host.virtual_host.exchange_delete(&name("x"), ExchangeDeleteCondition::Always).unwrap();
    assert_eq!(host.virtual_host.delay(&message, &delays, None), Ok(Lsn::NONE));
    assert_eq!(host.memory(), 0);
    host.declare_exchange("x");
    host.bind("k", "q");
    host.advance(10);
    assert_eq!(host.drain("q"), []);
}

#[test]
fn an_exchange_is_not_declared_again_before_its_messages_are_dropped() {
    let host = Host::new(BrokerConfig::default());
    host.publish(&[("m", 10)]);
    std::thread::scope(|scope| {
        let state = host.virtual_host.delaying().lock();
        let delete =
            || host.virtual_host.exchange_delete(&name("x"), ExchangeDeleteCondition::Always);
        let deletion = scope.spawn(delete);
        while host.virtual_host.topology().exchange("x").is_some() {
            std::thread::yield_now();
        }
        let declaration = scope.spawn(|| host.declare_exchange("x"));
        for _ in 0..10_000 {
            std::thread::yield_now();
            assert!(!declaration.is_finished(), "its messages still wait");
        }
        drop(state);
        deletion.join().unwrap().unwrap();
    });
    assert_eq!(host.memory(), 0);
    assert!(host.virtual_host.topology().exchange("x").is_some());
}

#[test]
fn what_is_more_than_may_wait_is_refused() {
    let room_for_two = BrokerConfig { delayed_max_bytes: 1300, ..BrokerConfig::default() };
    let host = Host::new(room_for_two);
    let refused = host.publish(&[("a", 10), ("now", 0), ("b", 20), ("c", 30), ("d", 10)]);
    assert_eq!(refused, [3, 4]);
    assert_eq!(host.drain("q"), [got("now", 0)]);
    host.advance(10);
    assert!(host.publish(&[("e", 5)]).is_empty());
    host.advance(10);
    assert_eq!(host.drain("q"), [got("a", -10), got("e", -5), got("b", -20)]);
}

#[test]
fn what_waits_takes_no_more_in_the_journal_than_is_said() {
    let (clock, _hand) = Clock::manual();
    let journal = Arc::new(Journal::in_memory());
    let shared = Shared::new(BrokerConfig::default(), clock);
    let shared = Arc::new(shared.with_journal(Arc::clone(&journal), QueueId(0)));
    let longest = name(&"n".repeat(255));
    let virtual_host = VirtualHost::new(longest.clone(), Default::default(), shared);
    let connection = ConnectionCell::new(
        ConnectionId(1),
        ShortString::EMPTY,
        Weak::new(),
        Arc::clone(&virtual_host),
        None,
    );
    let definition = ExchangeDefinition {
        name: longest.clone(),
        kind: ExchangeKind::DelayedMessage,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: table("x-delayed-type", "direct"),
    };
    virtual_host.exchange_declare(&connection, definition).unwrap();
    let properties =
        BasicProperties { delivery_mode: Some(DeliveryMode::Persistent), ..Default::default() };
    let message = Message::new("").with_properties(properties);
    let message = Arc::new(PublishedMessage::new(longest.clone(), name("k"), message));
    let delays = [Delay { exchange: longest, delay: Duration::from_millis(10) }];
    let mut batch = virtual_host.begin_delaying();
    batch.add(&message, &delays).unwrap();
    let bound = batch.bound();
    let ((), before) = journal.append_always(None, |_| ()).unwrap();
    let ((), end) = journal.append_together(bound, |append| batch.append(append)).unwrap();
    batch.finish();
    assert!(end.0 - before.0 <= bound as u64, "{before:?}, {end:?}, {bound}");
}

/// Lets a message wait at "x", due at once, that the disk does not give.
fn restore_unreadable(host: &Host) {
    let reference = Reference::new(1).unwrap();
    let place = Place { segment: 1, offset: 4096, length: 100 };
    let mut state = host.virtual_host.delaying().lock();
    state.messages.restore(Duration::ZERO, &name("x"), (reference, place), 10);
    host.virtual_host.memory().grow(state.messages.bytes());
}

#[test]
fn a_disk_that_fails_slowly_is_left_alone_for_a_while() {
    let host = Host::new(BrokerConfig::default());
    restore_unreadable(&host);
    let messages = || host.virtual_host.delaying().lock();
    let due = messages().take_due(Duration::ZERO);
    assert_eq!(due.len(), 1);
    // As long as it took to find that it can't be read.
    host.advance(10_000);
    assert_eq!(host.virtual_host.route_due(due), Routed::NotAll);
    let again_at = Duration::from_secs(10) + TRY_AGAIN_AFTER;
    assert_eq!(messages().messages.next_due(), Some(again_at));
}

#[test]
fn what_is_due_ends_with_what_can_not_be_read() {
    let host = Host::new(BrokerConfig::default());
    restore_unreadable(&host);
    Arc::clone(&host.virtual_host).due();
    let state = host.virtual_host.delaying().lock();
    assert_eq!(state.due, Some(TRY_AGAIN_AFTER));
}

#[test]
fn what_could_not_be_routed_goes_with_its_exchange() {
    for is_declared_again in [false, true] {
        let host = Host::new(BrokerConfig::default());
        restore_unreadable(&host);
        let due = host.virtual_host.delaying().lock().take_due(Duration::ZERO);
        host.virtual_host.exchange_delete(&name("x"), ExchangeDeleteCondition::Always).unwrap();
        if is_declared_again {
            host.declare_exchange("x");
        }
        host.virtual_host.route_due(due);
        assert!(host.virtual_host.delaying().lock().messages.is_empty());
        assert_eq!(host.memory(), 0);
    }
}
