use springhare_amqp::{FieldTable, FieldValue, ShortString};
use springhare_broker::ExchangeDeclareOptions;

use super::arguments::Draft;
use crate::error::{Fault, Place};

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

    /// Where messages go that it can't route (`alternate-exchange`).
    pub fn alternate(self, exchange: impl AsRef<str>) -> Self {
        self.argument("alternate-exchange", exchange.as_ref())
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

    /// The kind: `direct`, `fanout`, `topic`, `headers`.
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

    /// Where it was written.
    #[must_use]
    pub fn place(&self) -> Place {
        self.draft.place()
    }

    /// What is wrong with it.
    pub(crate) fn faults(&self) -> impl Iterator<Item = Fault> {
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
    fn an_exchange_says_what_it_was_told() {
        let exchange = Exchange::topic("x").transient().auto_delete().internal().alternate("rest");
        let options = exchange.options();
        assert!(!options.durable && options.auto_delete && options.internal);
        assert_eq!(options.arguments.get("alternate-exchange"), Some(&"rest".into()));
        assert_eq!(exchange.faults().count(), 0);
    }
}
