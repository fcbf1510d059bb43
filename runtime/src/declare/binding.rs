use springhare_amqp::{FieldTable, FieldValue, ShortString};

use super::arguments::Draft;
use crate::error::{Place, StartFault};

/// A binding to declare: what an exchange's messages go on to.
///
/// ```
/// use springhare::Binding;
///
/// let errors = Binding::queue("errors").to("logs").with("*.error");
/// let everything = Binding::exchange("archive").to("logs").with("#");
/// # drop((errors, everything));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "give it to the builder's `.declare(..)`"]
pub struct Binding {
    source: ShortString,
    destination: Destination,
    routing_key: ShortString,
    draft: Draft,
}

/// What a binding leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    Queue(ShortString),
    Exchange(ShortString),
}

/// A binding that lacks its exchange: [`to`](Self::to) completes it.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "say which exchange with `.to(..)`"]
pub struct BindingTo {
    destination: Destination,
    draft: Draft,
}

impl Binding {
    /// Binds a queue, by its name or itself.
    #[track_caller]
    pub fn queue(queue: impl AsRef<str>) -> BindingTo {
        let mut draft = Draft::new();
        let queue = draft.short("the name of a queue", queue);
        BindingTo { destination: Destination::Queue(queue), draft }
    }

    /// Binds an exchange, by its name or itself.
    #[track_caller]
    pub fn exchange(exchange: impl AsRef<str>) -> BindingTo {
        let mut draft = Draft::new();
        let exchange = draft.short("the name of an exchange", exchange);
        BindingTo { destination: Destination::Exchange(exchange), draft }
    }

    /// With this routing key; without it the key is empty.
    pub fn with(mut self, routing_key: impl AsRef<str>) -> Self {
        self.routing_key = self.draft.short("a routing key", routing_key);
        self
    }

    /// An argument; for a headers exchange a header that a message must have.
    pub fn argument(mut self, name: impl AsRef<str>, value: impl Into<FieldValue>) -> Self {
        self.draft.argument(name.as_ref(), value);
        self
    }

    /// For a headers exchange: one fitting header is enough (`x-match`).
    pub fn matching_any(self) -> Self {
        self.argument("x-match", "any")
    }

    /// The exchange that messages come from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The queue or exchange that they go on to.
    #[must_use]
    pub fn destination(&self) -> &str {
        match &self.destination {
            Destination::Queue(name) | Destination::Exchange(name) => name,
        }
    }

    /// Whether they go on to an exchange, not to a queue.
    #[must_use]
    pub fn is_to_exchange(&self) -> bool {
        matches!(self.destination, Destination::Exchange(_))
    }

    /// The routing key.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        &self.routing_key
    }

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> &FieldTable {
        &self.draft.arguments
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

impl BindingTo {
    /// To this exchange, by its name or itself.
    pub fn to(self, exchange: impl AsRef<str>) -> Binding {
        let Self { destination, mut draft } = self;
        let source = draft.short("the name of an exchange", exchange);
        Binding { source, destination, routing_key: ShortString::EMPTY, draft }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declare::{Exchange, Queue};

    #[test]
    fn a_binding_reads_as_a_sentence() {
        let binding = Binding::queue("errors").to("logs").with("*.error");
        assert_eq!(
            (binding.destination(), binding.source(), binding.routing_key()),
            ("errors", "logs", "*.error")
        );
        assert!(!binding.is_to_exchange());
        assert!(Binding::exchange("archive").to("logs").is_to_exchange());
    }

    #[test]
    fn definitions_may_stand_in_for_their_names() {
        let queue = Queue::anonymous();
        let exchange = Exchange::headers("letters");
        let binding = Binding::queue(&queue).to(&exchange).argument("colour", "red").matching_any();
        assert_eq!(binding.destination(), queue.name());
        assert_eq!(binding.source(), "letters");
        assert_eq!(binding.arguments().get("x-match"), Some(&"any".into()));
        assert_eq!(binding.faults().count(), 0);
    }
}
