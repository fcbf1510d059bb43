use springhare_amqp::{FieldTable, FieldValue, ShortString};
use springhare_broker::ExchangeDeclareOptions;

use super::arguments::Draft;
use crate::error::{Place, StartFault};

/// How an exchange of RabbitMQ's own, or of one of its plugins, routes: for
/// [`Exchange::delayed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExchangeType {
    /// By the routing key itself.
    Direct,
    /// To all that is bound.
    Fanout,
    /// By patterns of routing keys.
    Topic,
    /// By headers.
    Headers,
    /// To one of what is bound, by the hash of the routing key.
    ConsistentHash,
    /// To one of what is bound, by the hash of the routing key and by the number of bindings.
    ModulusHash,
    /// To one of what is bound, at random.
    Random,
    /// To one of what is bound on the node that the message comes to, at random.
    LocalRandom,
}

impl ExchangeType {
    const ALL: [Self; 8] = [
        Self::Direct,
        Self::Fanout,
        Self::Topic,
        Self::Headers,
        Self::ConsistentHash,
        Self::ModulusHash,
        Self::Random,
        Self::LocalRandom,
    ];

    /// The type that AMQP calls so.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// What AMQP calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
            Self::ConsistentHash => "x-consistent-hash",
            Self::ModulusHash => "x-modulus-hash",
            Self::Random => "x-random",
            Self::LocalRandom => "x-local-random",
        }
    }
}

/// The property of a message that a consistent hash exchange looks at (`hash-property`), for
/// [`Exchange::hash_property`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashProperty {
    /// `message_id`.
    MessageId,
    /// `correlation_id`.
    CorrelationId,
    /// `timestamp`.
    Timestamp,
}

impl HashProperty {
    fn name(self) -> &'static str {
        match self {
            Self::MessageId => "message_id",
            Self::CorrelationId => "correlation_id",
            Self::Timestamp => "timestamp",
        }
    }
}

/// An exchange to declare; durable unless it says otherwise.
///
/// ```
/// use springhare::Exchange;
///
/// let exchange = Exchange::topic("logs").alternate("logs.unrouted");
/// assert_eq!((exchange.name(), exchange.kind()), ("logs", "topic"));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "give it to the builder's `.declare(..)`"]
pub struct Exchange {
    name: ShortString,
    kind: ShortString,
    durable: bool,
    auto_delete: bool,
    internal: bool,
    draft: Draft,
}

impl Exchange {
    /// To the queues that are bound with the message's routing key itself.
    #[track_caller]
    pub fn direct(name: impl AsRef<str>) -> Self {
        Self::of_kind(name, "direct")
    }

    /// To all queues that are bound to it.
    #[track_caller]
    pub fn fanout(name: impl AsRef<str>) -> Self {
        Self::of_kind(name, "fanout")
    }

    /// To the queues whose pattern fits the routing key: `*` is one word, `#` any number.
    #[track_caller]
    pub fn topic(name: impl AsRef<str>) -> Self {
        Self::of_kind(name, "topic")
    }

    /// To the queues whose binding's arguments fit the message's headers.
    #[track_caller]
    pub fn headers(name: impl AsRef<str>) -> Self {
        Self::of_kind(name, "headers")
    }

    /// One that keeps each message back for as long as its `x-delay` header says
    /// ([`delay`](crate::ConvertAndSend::delay)) and then routes it as an exchange of the type
    /// does: `x-delayed-message`, with the argument `x-delayed-type`.
    ///
    /// RabbitMQ has it by the plugin `rabbitmq_delayed_message_exchange`. That a message reaches no
    /// queue is not told to its publisher there.
    ///
    /// ```
    /// use springhare::{Exchange, ExchangeType};
    ///
    /// let exchange = Exchange::delayed("reminders", ExchangeType::Topic);
    /// assert_eq!(exchange.kind(), "x-delayed-message");
    /// ```
    #[track_caller]
    pub fn delayed(name: impl AsRef<str>, delayed: ExchangeType) -> Self {
        Self::of_kind(name, "x-delayed-message").argument("x-delayed-type", delayed.name())
    }

    /// To one of what is bound, by the hash of the routing key, of a
    /// [header](Self::hash_header) or of a [property](Self::hash_property): messages of one key
    /// stay together. A binding's key is its weight, a whole number from 1 on.
    ///
    /// RabbitMQ has it by the plugin `rabbitmq_consistent_hash_exchange`, which comes with it.
    ///
    /// ```
    /// use springhare::{Binding, Exchange};
    ///
    /// let orders = Exchange::consistent_hash("orders").hash_header("x-customer");
    /// let most = Binding::queue("orders.1").to(&orders).with("2");
    /// let fewer = Binding::queue("orders.2").to(&orders).with("1");
    /// # drop((most, fewer));
    /// ```
    #[track_caller]
    pub fn consistent_hash(name: impl AsRef<str>) -> Self {
        Self::of_kind(name, ExchangeType::ConsistentHash.name())
    }

    /// To one of what is bound: the hash of the routing key, modulo the number of bindings. The
    /// bindings' keys mean nothing.
    ///
    /// RabbitMQ has it by the plugin `rabbitmq_sharding`, which comes with it.
    #[track_caller]
    pub fn modulus_hash(name: impl AsRef<str>) -> Self {
        Self::of_kind(name, ExchangeType::ModulusHash.name())
    }

    /// To one of what is bound, at random; keys mean nothing.
    ///
    /// RabbitMQ has it by the plugin `rabbitmq_random_exchange`, which comes with it.
    #[track_caller]
    pub fn random(name: impl AsRef<str>) -> Self {
        Self::of_kind(name, ExchangeType::Random.name())
    }

    /// To one of the queues that are bound to it on the node that the message comes to, at random;
    /// a binding has no key. RabbitMQ has it since 4.0; the embedded broker is the only node.
    #[track_caller]
    pub fn local_random(name: impl AsRef<str>) -> Self {
        Self::of_kind(name, ExchangeType::LocalRandom.name())
    }

    /// An exchange of another kind, as a plugin of the broker defines it.
    #[track_caller]
    pub fn of_kind(name: impl AsRef<str>, kind: impl AsRef<str>) -> Self {
        let mut draft = Draft::new();
        let name = draft.short("the name of an exchange", name);
        let kind = draft.short("the kind of an exchange", kind);
        Self { name, kind, durable: true, auto_delete: false, internal: false, draft }
    }

    /// It goes when the broker stops.
    pub fn transient(mut self) -> Self {
        self.durable = false;
        self
    }

    /// It goes when its last binding does.
    pub fn auto_delete(mut self) -> Self {
        self.auto_delete = true;
        self
    }

    /// It takes messages from other exchanges only.
    pub fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// The exchange that messages go to which it can't route (`alternate-exchange`). A
    /// [`mandatory`](crate::ConvertAndSend::mandatory) message is not returned if that one routes
    /// it.
    pub fn alternate(self, exchange: impl AsRef<str>) -> Self {
        self.argument("alternate-exchange", exchange.as_ref())
    }

    /// A [consistent hash](Self::consistent_hash) exchange looks at this header in place of the
    /// routing key (`hash-header`).
    pub fn hash_header(self, header: impl AsRef<str>) -> Self {
        self.argument("hash-header", header.as_ref())
    }

    /// A [consistent hash](Self::consistent_hash) exchange looks at this property in place of the
    /// routing key (`hash-property`).
    pub fn hash_property(self, property: HashProperty) -> Self {
        self.argument("hash-property", property.name())
    }

    /// An argument by its name in AMQP.
    pub fn argument(mut self, name: impl AsRef<str>, value: impl Into<FieldValue>) -> Self {
        self.draft.argument(name.as_ref(), value);
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind: `direct`, `fanout`, `topic`, `headers`, or a plugin's.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> &FieldTable {
        &self.draft.arguments
    }

    /// The options of its declaration.
    #[must_use]
    pub fn options(&self) -> ExchangeDeclareOptions {
        ExchangeDeclareOptions {
            durable: self.durable,
            auto_delete: self.auto_delete,
            internal: self.internal,
            arguments: self.draft.arguments.clone(),
        }
    }

    /// That the broker refuses it (mostly since it has another definition) is logged, and keeps the
    /// application from nothing.
    pub fn lenient(mut self) -> Self {
        self.draft.lenient = true;
        self
    }

    pub(crate) fn is_lenient(&self) -> bool {
        self.draft.lenient
    }

    /// Where it was written.
    #[must_use]
    pub fn place(&self) -> Place {
        self.draft.place()
    }

    /// What is wrong with it.
    pub(crate) fn faults(&self) -> impl Iterator<Item = StartFault> {
        self.draft.faults()
    }
}

impl AsRef<str> for Exchange {
    fn as_ref(&self) -> &str {
        self.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_durable_by_default() {
        let exchanges = [
            Exchange::direct("x"),
            Exchange::fanout("x"),
            Exchange::topic("x"),
            Exchange::headers("x"),
        ];
        let kinds: Vec<_> = exchanges.iter().map(Exchange::kind).collect();
        assert_eq!(kinds, ["direct", "fanout", "topic", "headers"]);
        for exchange in &exchanges {
            assert!(exchange.options().durable);
        }
    }

    #[test]
    fn the_plugins_kinds_have_their_arguments() {
        for delayed in ExchangeType::ALL {
            let exchange = Exchange::delayed("x", delayed);
            assert_eq!(exchange.kind(), "x-delayed-message");
            assert_eq!(exchange.arguments().get("x-delayed-type"), Some(&delayed.name().into()));
        }
        let by_header = Exchange::consistent_hash("x").hash_header("x-customer");
        assert_eq!(by_header.kind(), "x-consistent-hash");
        assert_eq!(by_header.arguments().get("hash-header"), Some(&"x-customer".into()));
        let by_property = Exchange::consistent_hash("x").hash_property(HashProperty::MessageId);
        assert_eq!(by_property.arguments().get("hash-property"), Some(&"message_id".into()));
        assert_eq!(Exchange::modulus_hash("x").kind(), "x-modulus-hash");
        assert_eq!(Exchange::random("x").kind(), "x-random");
        assert_eq!(Exchange::local_random("x").kind(), "x-local-random");
    }

    #[test]
    fn an_exchange_says_what_it_was_told() {
        let exchange = Exchange::topic("x").transient().auto_delete().internal().alternate("rest");
        let options = exchange.options();
        assert!(!options.durable && options.auto_delete && options.internal);
        assert_eq!(options.arguments.get("alternate-exchange"), Some(&"rest".into()));
        assert_eq!(exchange.faults().count(), 0);
    }
}
