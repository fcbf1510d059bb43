//! A queue's builder. What its arguments say is in a file for each concern.

mod contradictions;
mod dead_letter;
mod delivery;
mod kind;
mod limits;

pub use dead_letter::DeadLetterStrategy;
pub use delivery::DelayedRetry;
pub use kind::LeaderLocator;
pub use limits::Overflow;

pub(crate) use contradictions::{Kind, contradictions};

use std::hash::{BuildHasher, RandomState};

use springhare_amqp::{FieldTable, FieldValue, ShortString};
use springhare_broker::QueueDeclareOptions;

use super::arguments::Draft;
use crate::error::{Place, StartFault};

/// A queue to declare.
///
/// ```
/// use std::time::Duration;
/// use springhare::{Overflow, Queue};
///
/// let queue = Queue::durable("orders")
///     .ttl(Duration::from_secs(600))
///     .max_length(10_000)
///     .overflow(Overflow::RejectPublish)
///     .dead_letter("orders.dead");
/// assert_eq!(queue.name(), "orders");
/// ```
///
/// Each method names the argument that it sets. Where nothing else is said, every RabbitMQ has it.
/// What contradicts itself (a quorum queue that is not durable, a routing key for dead letters
/// without their exchange) is a fault of the start.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "give it to the builder's `.declare(..)`"]
pub struct Queue {
    name: ShortString,
    durable: bool,
    exclusive: bool,
    auto_delete: bool,
    draft: Draft,
}

impl Queue {
    /// A queue that outlives a restart of the broker; its messages do if they are persistent.
    #[track_caller]
    pub fn durable(name: impl AsRef<str>) -> Self {
        Self { durable: true, ..Self::transient(name) }
    }

    /// A queue that goes when the broker stops.
    #[track_caller]
    pub fn transient(name: impl AsRef<str>) -> Self {
        let mut draft = Draft::new();
        let name = draft.short("the name of a queue", name);
        Self { name, durable: false, exclusive: false, auto_delete: false, draft }
    }

    /// A queue with a name of its own that nobody else has, for this application alone: exclusive
    /// to its connection, gone with its last consumer.
    #[track_caller]
    pub fn anonymous() -> Self {
        Self::transient(generated_name()).exclusive().auto_delete()
    }

    /// Only the connection that declares it may use it, and it goes with that: the application's
    /// listeners. Its template has a connection of its own and can't receive from it.
    pub fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// It goes when its last consumer does.
    pub fn auto_delete(mut self) -> Self {
        self.auto_delete = true;
        self
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

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> &FieldTable {
        &self.draft.arguments
    }

    /// The options of its declaration.
    #[must_use]
    pub fn options(&self) -> QueueDeclareOptions {
        QueueDeclareOptions {
            durable: self.durable,
            exclusive: self.exclusive,
            auto_delete: self.auto_delete,
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

impl AsRef<str> for Queue {
    fn as_ref(&self) -> &str {
        self.name()
    }
}

/// A name that no other queue has: 128 random bits.
///
/// The standard library's hash keys are random and differ for each state, which is enough to
/// keep names apart; they are no secret.
fn generated_name() -> String {
    let random = || RandomState::new().hash_one(0);
    format!("springhare.gen-{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The argument as it will be declared.
    pub(super) fn argument(queue: &Queue, name: &str) -> Option<FieldValue> {
        queue.arguments().get(name).cloned()
    }

    /// What is wrong with the queue, in itself and as a whole.
    pub(super) fn faults(queue: &Queue) -> String {
        let own = queue.faults().map(|fault| fault.text().to_owned());
        let all: Vec<_> = own.chain(contradictions(queue.name(), &queue.options())).collect();
        all.join("\n")
    }

    #[test]
    fn a_queue_says_what_it_was_told() {
        let queue = Queue::durable("orders").argument("x-own", "mine");
        let options = queue.options();
        assert!(options.durable && !options.exclusive && !options.auto_delete);
        assert_eq!(options.arguments.get("x-own"), Some(&"mine".into()));
        assert_eq!(queue.faults().count(), 0);
        assert!(!Queue::transient("orders").options().durable);
    }

    #[test]
    fn anonymous_queues_have_names_of_their_own() {
        let (one, two) = (Queue::anonymous(), Queue::anonymous());
        assert_ne!(one.name(), two.name());
        assert!(one.name().starts_with("springhare.gen-"), "{}", one.name());
        let options = one.options();
        assert!(!options.durable && options.exclusive && options.auto_delete);
    }

    #[test]
    fn a_fault_names_the_line_of_the_users_call() {
        let line = line!() + 1;
        let queue = Queue::durable("q".repeat(256));
        let faults: Vec<_> = queue.faults().collect();
        assert_eq!(faults[0].places()[0], Place { file: file!(), line });
        assert!(faults[0].text().starts_with("the name of a queue: a short string holds at most"));
    }

    #[test]
    fn the_place_is_no_part_of_the_definition() {
        let one = Queue::durable("orders");
        let other = Queue::durable("orders");
        assert_eq!(one, other);
    }
}
