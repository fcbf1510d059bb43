//! Listeners that are made while the program runs, without an attribute.

use std::panic::Location;

use super::handler::Handler;
use super::listener_failures::ListenerFailures;
use crate::error::Place;
use crate::graph::ListenerSource;
use crate::listener::endpoint::{AcknowledgeMode, Concurrency, ListenerAttributes, PartitionBy};
use crate::listener::function::Function;
use crate::settings::ListenerSettings;

/// A listener for [`Listeners::add`](crate::Listeners::add): which queue, how, and what handles the
/// messages.
///
/// ```
/// use springhare::prelude::*;
///
/// # async fn example(app: &Springhare, tenant: &str) -> springhare::Result<()> {
/// let orders = Listener::queue(format!("orders.{tenant}"))
///     .exchange("orders")
///     .kind("topic")
///     .key(format!("{tenant}.#"))
///     .prefetch(10)
///     .handler(|Text(order): Text| async move { println!("{order}") });
/// app.listeners().add(orders).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    definition: ListenerBuilder,
    function: Function,
}

/// A listener that has no handler yet: what [`Listener::queue`] begins.
///
/// What it does not say is as with [`#[rabbit_listener]`](crate::rabbit_listener), and its texts may
/// have placeholders, too. A queue with arguments is
/// [declared](crate::Springhare::declare) before; the listener takes that over.
#[derive(Debug, Clone)]
#[must_use = "a listener needs a handler"]
pub struct ListenerBuilder {
    place: Place,
    id: Option<String>,
    queues: Vec<String>,
    exchange: Option<String>,
    kind: Option<String>,
    keys: Vec<String>,
    group: Option<String>,
    phase: i32,
    durable: Option<bool>,
    exclusive: Option<bool>,
    auto_delete: Option<bool>,
    declare: Option<bool>,
    competing: bool,
    partition_by: Option<PartitionBy>,
    pub(super) failures: ListenerFailures,
    settings: ListenerSettings,
}

impl Listener {
    /// A listener of this queue, which is declared durable unless it is known.
    #[track_caller]
    pub fn queue(queue: impl Into<String>) -> ListenerBuilder {
        Self::queues([queue])
    }

    /// A listener of several queues.
    #[track_caller]
    pub fn queues<Q: Into<String>>(queues: impl IntoIterator<Item = Q>) -> ListenerBuilder {
        let caller = Location::caller();
        ListenerBuilder {
            place: Place { file: caller.file(), line: caller.line() },
            id: None,
            queues: queues.into_iter().map(Into::into).collect(),
            exchange: None,
            kind: None,
            keys: Vec::new(),
            group: None,
            phase: 0,
            durable: None,
            exclusive: None,
            auto_delete: None,
            declare: None,
            competing: false,
            partition_by: None,
            failures: ListenerFailures::default(),
            settings: ListenerSettings::default(),
        }
    }

    /// A listener with a queue of its own, exclusive and deleted at its end: for an exchange whose
    /// messages each program gets.
    #[track_caller]
    pub fn anonymous() -> ListenerBuilder {
        Self::queues(std::iter::empty::<String>())
    }

    /// Its id: what it was given, else the name of its first queue, else where it stands.
    fn id(&self) -> String {
        let ListenerBuilder { id, queues, place, .. } = &self.definition;
        id.clone().or_else(|| queues.first().cloned()).unwrap_or_else(|| place.to_string())
    }

    /// Hands it over as the graph takes listeners.
    pub(super) fn with_source<T>(&self, take: impl FnOnce(&ListenerSource<'_>) -> T) -> T {
        let id = self.id();
        let Self { definition, function } = self;
        let (queues, keys) = (texts(&definition.queues), texts(&definition.keys));
        let attributes = ListenerAttributes {
            id: Some(&id),
            queues: &queues,
            exchange: definition.exchange.as_deref(),
            kind: definition.kind.as_deref(),
            keys: &keys,
            durable: definition.durable,
            exclusive: definition.exclusive,
            auto_delete: definition.auto_delete,
            group: definition.group.as_deref(),
            phase: definition.phase,
            declare: definition.declare,
            competing: definition.competing,
            partition_by: definition.partition_by,
            ..ListenerAttributes::DEFAULT
        };
        let attributes = definition.failures.of(attributes);
        let settings = ListenerSettings::of(&attributes).beneath(definition.settings.clone());
        let function = function.clone();
        take(&ListenerSource { id: id.clone(), function, attributes, settings })
    }
}

impl ListenerBuilder {
    /// Its id, by which it is found and removed; without it that is the name of its first queue.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The exchange that its queues are bound to, which is declared with it.
    pub fn exchange(mut self, exchange: impl Into<String>) -> Self {
        self.exchange = Some(exchange.into());
        self
    }

    /// The exchange's type, as `topic`; without it that is `direct`, or what the exchange is declared as
    /// elsewhere.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Another key that its queues are bound with.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// Several keys that its queues are bound with.
    pub fn keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.keys.extend(keys.into_iter().map(Into::into));
        self
    }

    /// The group that it starts and stops with.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Listeners with a higher one stop before the others; 0.
    pub fn phase(mut self, phase: i32) -> Self {
        self.phase = phase;
        self
    }

    /// Whether its queues survive a restart of the broker; `true` for those with names.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = Some(durable);
        self
    }

    /// Whether its queues are this program's alone; `true` for one without a name.
    pub fn exclusive(mut self, exclusive: bool) -> Self {
        self.exclusive = Some(exclusive);
        self
    }

    /// Whether its queues go with their last consumers; `true` for one without a name.
    pub fn auto_delete(mut self, auto_delete: bool) -> Self {
        self.auto_delete = Some(auto_delete);
        self
    }

    /// Whether queues, exchange and bindings are declared, or are somebody else's; `true`.
    pub fn declare(mut self, declare: bool) -> Self {
        self.declare = Some(declare);
        self
    }

    /// Takes whatever comes to its queue, as workers do, where others have other keys there.
    pub fn competing(mut self) -> Self {
        self.competing = true;
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
        self.partition_by = Some(key);
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
        self.settings = set(std::mem::take(&mut self.settings));
        self
    }

    /// What is called with each message: see [`Handler`].
    pub fn handler<Arguments, H: Handler<Arguments>>(self, handler: H) -> Listener {
        let function = Function::handed_over(move |cx| handler.call(cx), H::require, self.place);
        Listener { definition: self, function }
    }
}

fn texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
