//! What a listener is made with while the program runs, without an attribute.

use std::marker::PhantomData;
use std::time::Duration;

use super::batch_handler::BatchHandler;
use super::handler::Handler;
use super::listener::{Definition, Listener};
use crate::listener::endpoint::{AcknowledgeMode, Concurrency, PartitionBy};
use crate::listener::function::{Function, SharedHandler};
use crate::settings::ListenerSettings;

/// A listener that has no handler yet: what [`Listener::queue`] begins.
///
/// What it does not say is as with [`#[rabbit_listener]`](crate::rabbit_listener), and its texts may
/// have placeholders, too. A queue with arguments is
/// [declared](crate::Springhare::declare) before; the listener takes that over.
///
/// Its handler takes one message at a time, or, after [`batch`](Self::batch), lists of them.
#[derive(Debug, Clone)]
#[must_use = "a listener needs a handler"]
pub struct ListenerBuilder<Takes = OneMessage> {
    pub(super) definition: Definition,
    takes: PhantomData<Takes>,
}

/// A handler that is called with one message at a time.
#[derive(Debug, Clone, Copy)]
pub enum OneMessage {}

/// A handler that is called with lists of messages.
#[derive(Debug, Clone, Copy)]
pub enum Batches {}

impl<Takes> ListenerBuilder<Takes> {
    /// Its id, by which it is found and removed; without it that is the name of its first queue.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.definition.id = Some(id.into());
        self
    }

    /// The exchange that its queues are bound to, which is declared with it.
    pub fn exchange(mut self, exchange: impl Into<String>) -> Self {
        self.definition.exchange = Some(exchange.into());
        self
    }

    /// The exchange's type, as `topic`; without it that is `direct`, or what the exchange is declared as
    /// elsewhere.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.definition.kind = Some(kind.into());
        self
    }

    /// Another key that its queues are bound with.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.definition.keys.push(key.into());
        self
    }

    /// Several keys that its queues are bound with.
    pub fn keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.definition.keys.extend(keys.into_iter().map(Into::into));
        self
    }

    /// The group that it starts and stops with.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.definition.group = Some(group.into());
        self
    }

    /// Listeners with a higher one stop before the others; 0.
    pub fn phase(mut self, phase: i32) -> Self {
        self.definition.phase = phase;
        self
    }

    /// Whether its queues survive a restart of the broker; `true` for those with names.
    pub fn durable(mut self, durable: bool) -> Self {
        self.definition.durable = Some(durable);
        self
    }

    /// Whether its queues are this program's alone; `true` for one without a name.
    pub fn exclusive(mut self, exclusive: bool) -> Self {
        self.definition.exclusive = Some(exclusive);
        self
    }

    /// Whether its queues go with their last consumers; `true` for one without a name.
    pub fn auto_delete(mut self, auto_delete: bool) -> Self {
        self.definition.auto_delete = Some(auto_delete);
        self
    }

    /// Whether queues, exchange and bindings are declared, or are somebody else's; `true`.
    pub fn declare(mut self, declare: bool) -> Self {
        self.definition.declare = Some(declare);
        self
    }

    /// Takes whatever comes to its queue, as workers do, where others have other keys there.
    pub fn competing(mut self) -> Self {
        self.definition.competing = true;
        self
    }

    /// How many unsettled deliveries a consumer holds at most; 250.
    pub fn prefetch(self, prefetch: u16) -> Self {
        self.settings(|settings| settings.prefetch(prefetch))
    }

    /// How many consumers each queue has: a number, or a range; 1.
    pub fn concurrency(self, consumers: impl Into<Concurrency>) -> Self {
        self.settings(|settings| settings.concurrency(consumers))
    }

    /// Handles messages with the same key one after the other, and others side by side: as many at a
    /// time as [`concurrency`](Self::concurrency) says, which is a number then.
    ///
    /// ```
    /// use springhare::prelude::*;
    /// use springhare::{PartitionBy, PartitionKey};
    ///
    /// let by_customer = Listener::queue("orders")
    ///     .concurrency(8)
    ///     .partition_by(PartitionBy::Header("x-customer"))
    ///     .handler(|_order: Text| async {});
    /// let by_tenant = PartitionBy::Function(|cx| {
    ///     cx.routing_key().split('.').next().map(PartitionKey::of)
    /// });
    /// let by_tenant =
    ///     Listener::queue("mails").partition_by(by_tenant).handler(|_mail: Text| async {});
    /// # drop((by_customer, by_tenant));
    /// ```
    pub fn partition_by(mut self, key: PartitionBy) -> Self {
        self.definition.partition_by = Some(key);
        self
    }

    /// Who settles a delivery, and when; [`AcknowledgeMode::Auto`].
    pub fn ack(self, mode: AcknowledgeMode) -> Self {
        self.settings(|settings| settings.acknowledge_mode(mode))
    }

    /// Which of the application's brokers it consumes from; without it the one of `[rabbitmq]`.
    pub fn broker(self, broker: impl Into<String>) -> Self {
        self.settings(|settings| settings.broker(broker))
    }

    /// All else that can be set of a listener. What it says of failures is stronger than what their
    /// methods say, [`timeout`](Self::timeout) and the like.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use springhare::prelude::*;
    ///
    /// let minute = Duration::from_secs(60);
    /// let orders = Listener::queue("orders")
    ///     .settings(|settings| settings.idle_event_interval(minute).profile("bulk"))
    ///     .handler(|_order: Bytes| async {});
    /// # drop(orders);
    /// ```
    pub fn settings(mut self, set: impl FnOnce(ListenerSettings) -> ListenerSettings) -> Self {
        let settings = std::mem::take(&mut self.definition.settings);
        self.definition.settings = set(settings);
        self
    }
}

impl ListenerBuilder {
    pub(super) fn new(definition: Definition) -> Self {
        Self { definition, takes: PhantomData }
    }

    /// Hands over so many messages at a time: its handler takes lists, see [`BatchHandler`].
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// let lines = Listener::queue("lines").batch(100).handler(|lines: Vec<Text>| async move {
    ///     println!("{} lines", lines.len());
    /// });
    /// # drop(lines);
    /// ```
    pub fn batch(mut self, size: u16) -> ListenerBuilder<Batches> {
        self.definition.batch = Some(size);
        ListenerBuilder { definition: self.definition, takes: PhantomData }
    }

    /// What is called with each message: see [`Handler`].
    pub fn handler<Arguments, H: Handler<Arguments>>(self, handler: H) -> Listener {
        let handler = SharedHandler::one(move |cx| handler.call(cx));
        let function = Function::handed_over(handler, H::require, self.definition.place);
        Listener::new(self.definition, function)
    }
}

impl ListenerBuilder<Batches> {
    /// How long a batch that is not full waits for more; 1 s,
    /// [`BATCH_RECEIVE_TIMEOUT_MAX`](crate::ListenerSettings::BATCH_RECEIVE_TIMEOUT_MAX) at most.
    pub fn batch_timeout(mut self, timeout: Duration) -> Self {
        self.definition.batch_timeout = Some(timeout);
        self
    }

    /// What is called with each batch: see [`BatchHandler`].
    pub fn handler<Arguments, H: BatchHandler<Arguments>>(self, handler: H) -> Listener {
        let handler = SharedHandler::batch(move |cx| handler.call(cx));
        let function = Function::handed_over(handler, H::require, self.definition.place);
        Listener::new(self.definition, function)
    }
}
