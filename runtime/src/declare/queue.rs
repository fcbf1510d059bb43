mod kind;

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use springhare_amqp::{FieldTable, FieldValue, ShortString};
use springhare_broker::QueueDeclareOptions;

use super::arguments::Draft;
use crate::error::{Fault, Place};

/// A queue to declare.
///
/// ```
/// use springhare::Queue;
///
/// let queue = Queue::durable("orders").max_length(10_000).dead_letter_exchange("orders.dead");
/// assert_eq!(queue.name(), "orders");
/// ```
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

    /// Where its rejected and expired messages go, under the key that they came with
    /// (`x-dead-letter-exchange`).
    pub fn dead_letter_exchange(self, exchange: impl AsRef<str>) -> Self {
        self.argument("x-dead-letter-exchange", exchange.as_ref())
    }

    /// The key that they go there under (`x-dead-letter-routing-key`).
    pub fn dead_letter_routing_key(self, routing_key: impl AsRef<str>) -> Self {
        self.argument("x-dead-letter-routing-key", routing_key.as_ref())
    }

    /// Where its rejected and expired messages go, and under which key.
    pub fn dead_letter(self, exchange: impl AsRef<str>, routing_key: impl AsRef<str>) -> Self {
        self.dead_letter_exchange(exchange).dead_letter_routing_key(routing_key)
    }

    /// The queue that its rejected and expired messages go to.
    pub fn dead_letter_queue(self, queue: impl AsRef<str>) -> Self {
        self.dead_letter("", queue)
    }

    /// How long a message waits in it at most (`x-message-ttl`).
    ///
    /// The embedded broker checks and keeps it, but does not act upon it yet.
    pub fn message_ttl(mut self, ttl: Duration) -> Self {
        self.draft.milliseconds("x-message-ttl", ttl);
        self
    }

    /// How long it may be unused before it is deleted (`x-expires`); more than 0.
    ///
    /// The embedded broker checks and keeps it, but does not act upon it yet.
    pub fn expires(mut self, after: Duration) -> Self {
        self.draft.milliseconds("x-expires", after);
        self
    }

    /// How many messages it holds at most (`x-max-length`).
    ///
    /// The embedded broker checks and keeps it, but does not act upon it yet.
    pub fn max_length(mut self, messages: u64) -> Self {
        self.draft.count("x-max-length", messages);
        self
    }

    /// How many bytes of bodies it holds at most (`x-max-length-bytes`).
    ///
    /// The embedded broker checks and keeps it, but does not act upon it yet.
    pub fn max_length_bytes(mut self, bytes: u64) -> Self {
        self.draft.count("x-max-length-bytes", bytes);
        self
    }

    /// A full queue refuses what is published, in place of dropping its oldest message
    /// (`x-overflow`).
    ///
    /// The embedded broker checks and keeps it, but does not act upon it yet.
    pub fn reject_publish_when_full(self) -> Self {
        self.argument("x-overflow", "reject-publish")
    }

    /// The highest priority that its messages can have (`x-max-priority`), 1 to 255.
    ///
    /// The embedded broker checks and keeps it, but does not act upon it yet.
    pub fn max_priority(self, priority: u8) -> Self {
        self.argument("x-max-priority", i32::from(priority))
    }

    /// One consumer gets all messages, the others wait to take its place
    /// (`x-single-active-consumer`).
    ///
    /// The embedded broker checks and keeps it, but does not act upon it yet.
    pub fn single_active_consumer(self) -> Self {
        self.argument("x-single-active-consumer", true)
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

    /// Where it was written.
    #[must_use]
    pub fn place(&self) -> Place {
        self.draft.place()
    }

    /// What is wrong with it.
    pub(crate) fn faults(&self) -> impl Iterator<Item = Fault> {
        let Place { file, line } = self.place();
        let of_kind = self.faults_of_kind().into_iter();
        self.draft.faults().chain(of_kind.map(move |text| Fault::new(text).at(file, line)))
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

    #[test]
    fn a_queue_says_what_it_was_told() {
        let queue = Queue::durable("orders")
            .dead_letter_queue("orders.dead")
            .message_ttl(Duration::from_secs(60))
            .max_length(10)
            .max_priority(9)
            .single_active_consumer()
            .argument("x-own", "mine");
        let options = queue.options();
        assert!(options.durable && !options.exclusive && !options.auto_delete);
        let argument = |name| options.arguments.get(name).cloned();
        assert_eq!(argument("x-dead-letter-exchange"), Some("".into()));
        assert_eq!(argument("x-dead-letter-routing-key"), Some("orders.dead".into()));
        assert_eq!(argument("x-message-ttl"), Some(60_000_i64.into()));
        assert_eq!(argument("x-max-length"), Some(10_i64.into()));
        assert_eq!(argument("x-max-priority"), Some(9.into()));
        assert_eq!(argument("x-single-active-consumer"), Some(true.into()));
        assert_eq!(argument("x-own"), Some("mine".into()));
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
