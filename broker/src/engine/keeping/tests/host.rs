//! A broker in a time that the tests tell, with a journal in memory.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use springhare_amqp::{
    BasicProperties, DeliveryMode, FieldTable, FieldValue, Message, ShortString,
};

use crate::clock::{Clock, ManualClock};
use crate::config::BrokerConfig;
use crate::engine::broker_cell::BrokerCell;
use crate::engine::channel_cell::ChannelCell;
use crate::engine::connection_cell::ConnectionCell;
use crate::engine::consume::{ConsumeRequest, StartedConsumer};
use crate::engine::declare::{BindingRequest, ExchangeDeleteCondition};
use crate::engine::durable::restore::RestoredDefinitions;
use crate::engine::publish::{Finished, Publish, Publishing};
use crate::engine::queue_cell::{ConsumerAccess, DeleteConditions, QueueRef};
use crate::engine::queue_state::QueueState;
use crate::engine::shared::Shared;
use crate::engine::users::Users;
use crate::engine::virtual_host::VirtualHost;
use crate::model::binding::Destination;
use crate::model::definition::{ExchangeDefinition, QueueDeclaration};
use crate::model::delivery::Delivery;
use crate::model::exchange::ExchangeKind;
use crate::model::ids::QueueId;
use crate::model::queue::{Content, SettlementMode};
use crate::model::stored::Reference;
use crate::model::topology::QueueHandle;
use crate::store::Journal;
use crate::store::disk::simulated::SimulatedDisk;

pub(super) fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

pub(super) type Arguments<'a> = &'a [(&'static str, FieldValue)];

pub(super) fn table(arguments: Arguments<'_>) -> FieldTable {
    let entries = arguments.iter().cloned();
    entries.map(|(name, value)| (ShortString::from_static(name), value)).collect()
}

/// Small, so that there are several.
const SEGMENT_BYTES: u32 = 16 << 10;

/// A broker, and the journal that it has with all that come after it.
pub(super) struct Host {
    pub(super) broker: Arc<BrokerCell>,
    pub(super) journal: Arc<Journal>,
    pub(super) hand: ManualClock,
    pub(super) connection: Arc<ConnectionCell>,
}

/// A channel with its consumers.
pub(super) struct TestChannel {
    pub(super) cell: Arc<ChannelCell>,
    pub(super) consumers: Vec<StartedConsumer>,
    /// Delivered, and to be settled.
    pub(super) unsettled: Vec<u64>,
}

impl Host {
    pub(super) fn new(config: BrokerConfig) -> Self {
        Self::on(SimulatedDisk::new(1), config)
    }

    pub(super) fn on(disk: SimulatedDisk, config: BrokerConfig) -> Self {
        Self::with(Arc::new(Journal::on(disk, SEGMENT_BYTES)), config, QueueId(0))
    }

    fn with(journal: Arc<Journal>, config: BrokerConfig, last_queue: QueueId) -> Self {
        let (clock, hand) = Clock::manual();
        let shared = Shared::new(config, clock).with_journal(Arc::clone(&journal), last_queue);
        let users = Users::new([], BTreeSet::new()).unwrap();
        let broker = Arc::new(BrokerCell::new(shared, [], users));
        let connection = broker.connect(ShortString::EMPTY).unwrap();
        Self { broker, journal, hand, connection }
    }

    /// The broker ends, in order or not, and another is started with what the journal has, so much later.
    pub(super) fn restart(self, is_orderly: bool, later: Duration) -> Self {
        let opened = self.journal.reopened(is_orderly);
        let definitions = RestoredDefinitions::read(opened.definitions.clone());
        let config = self.broker.shared().config().clone();
        let last = definitions.highest_queue();
        let now = self.broker.shared().clock().now();
        let host = Self::with(Arc::clone(&opened.journal), config, last.max(opened.highest_queue));
        // The clocks of brokers that are driven by hand begin at the same time.
        host.hand.advance(now + later);
        let report = host.broker.restore(opened, definitions).unwrap();
        assert_eq!(report.damages, Vec::<String>::new());
        assert_eq!(report.was_clean, is_orderly);
        host
    }

    pub(super) fn host(&self) -> &Arc<VirtualHost> {
        self.broker.virtual_host()
    }

    pub(super) fn advance(&self, milliseconds: u64) {
        self.hand.advance(Duration::from_millis(milliseconds));
    }

    pub(super) fn declare(&self, queue: &str, arguments: Arguments<'_>) {
        self.declare_as(queue, arguments, true);
    }

    pub(super) fn declare_as(&self, queue: &str, arguments: Arguments<'_>, durable: bool) {
        let declaration = QueueDeclaration {
            name: name(queue),
            durable,
            exclusive: false,
            auto_delete: false,
            arguments: table(arguments),
        };
        self.host().queue_declare(&self.connection, declaration).unwrap();
    }

    pub(super) fn exchange(&self, exchange: &str, kind: ExchangeKind, arguments: Arguments<'_>) {
        let definition = ExchangeDefinition {
            name: name(exchange),
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: table(arguments),
        };
        self.host().exchange_declare(&self.connection, definition).unwrap();
    }

    pub(super) fn bind(&self, exchange: &str, queue: &str) {
        let request = BindingRequest {
            source: name(exchange),
            destination: Destination::Queue(name(queue)),
            routing_key: ShortString::EMPTY,
            arguments: FieldTable::new(),
        };
        self.host().bind(self.connection.id(), request).unwrap();
    }

    pub(super) fn delete(&self, queue: &str) {
        let conditions = DeleteConditions::default();
        self.host().queue_delete(self.connection.id(), &name(queue), conditions).unwrap();
    }

    pub(super) fn delete_exchange(&self, exchange: &str) {
        let condition = ExchangeDeleteCondition::Always;
        self.host().exchange_delete(&name(exchange), condition).unwrap();
    }

    pub(super) fn queue(&self, queue: &str) -> QueueRef {
        self.host().topology().queue(queue).cloned().unwrap()
    }

    pub(super) fn publish_all(&self, messages: impl IntoIterator<Item = Publish>) -> Finished {
        let mut publishing = Publishing::on(self.host());
        for publish in messages {
            publishing.publish(publish).unwrap();
        }
        publishing.finish()
    }

    pub(super) fn publish(&self, queue: &str, bodies: &[&str]) -> Finished {
        self.publish_all(bodies.iter().map(|body| persistent("", queue, body)))
    }

    pub(super) fn channel(&self, prefetch: u16) -> TestChannel {
        let cell = self.connection.open_channel().unwrap();
        cell.lock().channel.set_prefetch(prefetch);
        TestChannel { cell, consumers: Vec::new(), unsettled: Vec::new() }
    }

    /// What a queue has, without reading any: what is ready first, in its order.
    pub(super) fn contents(&self, queue: &str) -> Vec<Content> {
        match &*self.queue(queue).lock() {
            QueueState::Live { queue, .. } => queue.contents(),
            _ => Vec::new(),
        }
    }

    /// What a stream has, by offset.
    pub(super) fn stream(&self, queue: &str) -> Vec<(u64, Option<Reference>)> {
        match &*self.queue(queue).lock() {
            QueueState::Stream { stream, .. } => stream.contents(),
            _ => Vec::new(),
        }
    }

    /// What the queues have that the journal is to have.
    pub(super) fn kept(&self) -> BTreeSet<(Option<QueueId>, Reference)> {
        let topology = self.host().topology();
        let mut kept = BTreeSet::new();
        for (queue, cell) in topology.queues() {
            let references = self.contents(queue).into_iter().map(|content| content.reference);
            let of_stream = self.stream(queue).into_iter().map(|(_, reference)| reference);
            let all = references.chain(of_stream).flatten();
            kept.extend(all.map(|reference| (Some(cell.queue_id()), reference)));
        }
        kept
    }

    /// The messages that the journal has for queues.
    pub(super) fn alive(&self) -> BTreeSet<(Option<QueueId>, Reference)> {
        self.journal.alive().into_iter().filter(|(queue, _)| queue.is_some()).collect()
    }

    /// What waits at delayed exchanges and is kept.
    pub(super) fn delayed(&self) -> BTreeSet<Reference> {
        self.host().delayed_references()
    }

    /// Takes what is in a queue; the bodies.
    pub(super) fn drain(&self, queue: &str) -> Vec<String> {
        let queue = self.queue(queue);
        let messages = std::iter::from_fn(|| queue.get(SettlementMode::Explicit).unwrap());
        messages
            .map(|(message, _)| {
                let body = String::from_utf8(message.message.message.body.to_vec()).unwrap();
                queue.acknowledge(None, &[message]);
                body
            })
            .collect()
    }
}

impl TestChannel {
    pub(super) fn consume(&mut self, queue: &str, settlement: SettlementMode) {
        self.consume_with(queue, settlement, &[]);
    }

    /// From the first message on.
    pub(super) fn consume_stream(&mut self, stream: &str) {
        let from = [("x-stream-offset", "first".into())];
        self.consume_with(stream, SettlementMode::Explicit, &from);
    }

    fn consume_with(&mut self, queue: &str, settlement: SettlementMode, arguments: Arguments<'_>) {
        let request = ConsumeRequest {
            tag: ShortString::EMPTY,
            settlement,
            access: ConsumerAccess::Shared,
            arguments: table(arguments),
        };
        let id = self.cell.connection_id();
        self.consumers.extend(self.cell.consume_from(id, &name(queue), request));
    }

    /// Reads what one of the consumers has.
    pub(super) fn read(&mut self, consumer: usize, max: usize) -> Vec<Delivery> {
        let Some(consumer) = self.consumers.get(consumer) else { return Vec::new() };
        let mut buffer = VecDeque::new();
        let _ = self.cell.read(consumer, max, Waker::noop(), &mut buffer);
        if consumer.outbox.settlement() == SettlementMode::Explicit {
            self.unsettled.extend(buffer.iter().map(|delivery| delivery.delivery_tag));
        }
        buffer.into()
    }

    pub(super) fn get(&mut self, queue: &QueueRef, settlement: SettlementMode) {
        if let Ok(Some(got)) = self.cell.get(queue, settlement)
            && settlement == SettlementMode::Explicit
        {
            self.unsettled.push(got.delivery.delivery_tag);
        }
    }
}

pub(super) fn persistent(exchange: &str, routing_key: &str, body: &str) -> Publish {
    let delivery_mode = Some(DeliveryMode::Persistent);
    let properties = BasicProperties { delivery_mode, ..Default::default() };
    let message = Message::new(body.to_owned()).with_properties(properties);
    let (exchange, routing_key) = (name(exchange), name(routing_key));
    Publish { exchange, routing_key, mandatory: false, message }
}
